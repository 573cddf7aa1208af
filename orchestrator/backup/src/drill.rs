//! A restore that is only practised: into a database of its own, which is thrown away.

use crate::Error;
use crate::age::Opener;
use crate::archive::{Copied, Unpacker};
use crate::digest::Counted;
use crate::restore::restore;
use basalt_security::{SealedKey, SealingKey, Secret};
use orchestrator_db::{Cell, Item, Settings, Sink, Target, open};
use orchestrator_model::Kind;
use std::fs::File;
use std::path::Path;

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drilled {
    /// The copy, which is also what the database had afterwards.
    pub copied: Copied,
    /// Objects with secrets that the key opens.
    pub opened: u64,
}

/// Restores a copy into a new database in `folder`, compares what that has with the copy, and opens every secret with the copy's key,
/// or with `key` where the copy has none.
///
/// # Errors
/// Those of [`restore`]; [`Error::Damaged`] when the database has something else, or a secret does not open.
pub async fn drill(opener: &Opener, path: &Path, key: Option<&SealingKey>, folder: &Path) -> Result<Drilled, Error> {
    let of_copy = Unpacker::open(opener, File::open(path)?)?.key;
    let of_copy = of_copy.map(|key| SealingKey::from_octets(Secret::new(*key)));
    let address = format!("sqlite:{}", folder.join("drill.db").display());
    let db = open(&Settings { address, connections: 2 }).await?;
    let copied = restore(db.as_ref(), opener, File::open(path)?, false).await?;
    let key = of_copy.as_ref().or(key);
    let mut look = Look { key, counted: Counted::default(), columns: Vec::new(), opened: 0, closed: 0 };
    db.dump(&mut look).await?;
    db.close().await;
    look.counted.end();
    // Sessions and setup links do not come back; all else does.
    let same = copied.parts.iter().all(|(name, part)| name == "tokens" || look.counted.parts.get(name) == Some(part));
    if !same {
        return Err(Error::damaged("the database does not have what the copy has"));
    }
    if look.closed > 0 {
        let what = format!("{} objects have secrets that the sealing key does not open", look.closed);
        return Err(Error::damaged(what));
    }
    Ok(Drilled { copied, opened: look.opened })
}

/// Counts, and opens what is sealed.
struct Look<'a> {
    key: Option<&'a SealingKey>,
    counted: Counted,
    columns: Vec<String>,
    opened: u64,
    closed: u64,
}

impl Look<'_> {
    fn open(&mut self, row: &[Cell]) {
        let Some(key) = self.key else { return };
        let text = |name: &str| {
            let at = self.columns.iter().position(|column| column == name)?;
            match row.get(at) {
                Some(Cell::Text(text)) => Some(text.as_str()),
                _ => None,
            }
        };
        let (Some(kind), Some(network), Some(name), Some(sealed)) =
            (text("kind"), text("network"), text("name"), text("sealed"))
        else {
            return;
        };
        let kind = Kind::ALL.iter().copied().find(|known| known.collection() == kind);
        let opens = kind.zip(SealedKey::from_hex(sealed)).is_some_and(|(kind, sealed)| {
            let target = Target { kind, network: network.to_owned(), name: name.to_owned() };
            key.open_named(&target.to_string(), &sealed).is_ok()
        });
        if opens { self.opened += 1 } else { self.closed += 1 }
    }
}

impl Sink for Look<'_> {
    fn put(&mut self, item: Item) -> Result<(), orchestrator_db::Error> {
        match &item {
            Item::Table(table) if table.name == "objects" => {
                self.columns = table.columns.iter().map(|(name, _)| name.clone()).collect();
            }
            Item::Table(_) => self.columns.clear(),
            Item::Row(row) if !self.columns.is_empty() => self.open(row),
            Item::Row(_) => {}
        }
        self.counted.put(item)
    }
}
