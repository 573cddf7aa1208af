//! Back to where an orchestrator works: its database, and its sealing key.

use crate::Error;
use crate::age::Opener;
use crate::archive::{Copied, Unpacker};
use crate::restore::{restore, verify};
use orchestrator_db::{Settings, open, settle};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The copy.
    pub copied: Copied,
    /// What was there before, if it was a file.
    pub before: Vec<PathBuf>,
}

/// Puts a copy back for an orchestrator with this database address (`sqlite:PATH` or `postgres://…`) and data folder. SQLite: into a new
/// file, which takes the place of the former one in one step; that is kept beside it. PostgreSQL: in one transaction. `replace` is
/// needed where there is something already.
///
/// # Errors
/// Those of [`restore`]; [`Error::Occupied`].
pub async fn put_back(
    opener: &Opener,
    copy: &Path,
    address: &str,
    data: &Path,
    replace: bool,
    now: i64,
) -> Result<Put, Error> {
    let verified = verify(opener, File::open(copy)?)?;
    let key = Unpacker::open(opener, File::open(copy)?)?.key;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    let key_path = data.join("sealing.key");
    let kept_key = check_key(&key_path, key.as_ref(), replace)?;
    let mut before = Vec::new();
    let copied = match address.strip_prefix("sqlite:") {
        Some(path) => into_file(opener, copy, Path::new(path), replace, now, &mut before).await?,
        None => {
            let db = open(&Settings { address: address.to_owned(), connections: 4 }).await?;
            let done = restore(db.as_ref(), opener, File::open(copy)?, replace).await;
            db.close().await;
            done?
        }
    };
    if copied.parts != verified.parts {
        return Err(Error::damaged("the copy changed while it was read"));
    }
    if let (Some(key), false) = (key, kept_key) {
        if key_path.exists() {
            let aside = data.join(format!("sealing.key.before-{now}"));
            fs::rename(&key_path, &aside)?;
            before.push(aside);
        }
        write_key(&key_path, &key, data)?;
    }
    Ok(Put { copied, before })
}

/// Whether the key that is there is the copy's.
fn check_key(path: &Path, key: Option<&Zeroizing<[u8; 32]>>, replace: bool) -> Result<bool, Error> {
    let there = match fs::read(path) {
        Ok(octets) => Zeroizing::new(octets),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    match key {
        Some(key) if there.as_slice() == key.as_slice() => Ok(true),
        Some(_) if !replace => Err(Error::Occupied(format!(
            "{} is another key than the copy's: --replace takes its place",
            path.display()
        ))),
        _ => Ok(false),
    }
}

fn write_key(path: &Path, key: &[u8; 32], data: &Path) -> Result<(), Error> {
    let beside = path.with_extension("key.restoring");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(key)?;
    file.sync_all()?;
    belongs_to_owner(&beside, data)?;
    fs::rename(&beside, path)?;
    Ok(File::open(data)?.sync_all()?)
}

async fn into_file(
    opener: &Opener,
    copy: &Path,
    path: &Path,
    replace: bool,
    now: i64,
    before: &mut Vec<PathBuf>,
) -> Result<Copied, Error> {
    let occupied = path.exists();
    if occupied && !replace {
        let what = format!("{} is there: --replace puts the copy in its place, and keeps it beside", path.display());
        return Err(Error::Occupied(what));
    }
    if occupied {
        settle(path).await?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = beside(path, "restoring");
    remove(&new)?;
    let filled = async {
        let db = open(&Settings { address: format!("sqlite:{}", new.display()), connections: 2 }).await?;
        let done = restore(db.as_ref(), opener, File::open(copy)?, false).await;
        db.close().await;
        let copied = done?;
        settle(&new).await?;
        belongs_to_owner(&new, folder)?;
        File::open(&new)?.sync_all()?;
        Ok::<_, Error>(copied)
    };
    let copied = match filled.await {
        Ok(copied) => copied,
        Err(error) => {
            remove(&new)?;
            return Err(error);
        }
    };
    if occupied {
        // Under its second name it stays; under its first there is always one of the two.
        let aside = beside(path, &format!("before-{now}"));
        fs::hard_link(path, &aside)?;
        before.push(aside);
    }
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()?;
    Ok(copied)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

/// Removes an unfinished database and what lies beside it.
fn remove(path: &Path) -> Result<(), Error> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// A file that root restored belongs to whom the folder belongs.
fn belongs_to_owner(path: &Path, folder: &Path) -> Result<(), Error> {
    let (own, wanted) = (fs::metadata(path)?, fs::metadata(folder)?);
    if own.uid() != wanted.uid() || own.gid() != wanted.gid() {
        chown(path, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    Ok(())
}
