//! Into a database: read through first, then in one transaction, then proved.

use crate::Error;
use crate::age::Opener;
use crate::archive::{Copied, Unpacker};
use crate::digest::Counted;
use orchestrator_db::{Contents, Item, Repository, Sink};
use std::io::Read;

/// Reads a copy to its end: every part decrypts, has its digest and its count.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Closed`], [`Error::Later`].
pub fn verify(opener: &Opener, input: impl Read) -> Result<Copied, Error> {
    let mut reader = Unpacker::open(opener, input)?;
    while reader.next()?.is_some() {}
    Ok(copied(&mut reader))
}

/// Fills a database from a copy, whole or not at all; what is in it is read back and compared before it holds. `replace` gives up
/// what was there.
///
/// # Errors
/// Those of [`verify`], and those of the database.
pub async fn restore(
    db: &dyn Repository,
    opener: &Opener,
    input: impl Read + Send,
    replace: bool,
) -> Result<Copied, Error> {
    let mut source = Source { reader: Unpacker::open(opener, input)?, proof: Counted::default(), refused: None };
    match db.load(&mut source, replace).await {
        Ok(()) => Ok(copied(&mut source.reader)),
        // Why the copy was refused says more than that it was.
        Err(error) => Err(source.refused.unwrap_or(Error::Database(error))),
    }
}

fn copied<R: Read>(reader: &mut Unpacker<R>) -> Copied {
    let parts = std::mem::take(&mut reader.counted.parts);
    Copied { head: reader.head.clone(), has_key: reader.key.is_some(), parts }
}

struct Source<R: Read> {
    reader: Unpacker<R>,
    proof: Counted,
    refused: Option<Error>,
}

impl<R: Read + Send> Contents for Source<R> {
    fn next(&mut self) -> Result<Option<Item>, orchestrator_db::Error> {
        self.reader.next().map_err(|error| {
            let told = orchestrator_db::Error::Copy(error.to_string());
            self.refused = Some(error);
            told
        })
    }

    fn proof(&mut self) -> &mut dyn Sink {
        &mut self.proof
    }

    fn judge(&mut self) -> Result<(), orchestrator_db::Error> {
        self.proof.end();
        if self.proof.parts == self.reader.counted.parts {
            return Ok(());
        }
        Err(orchestrator_db::Error::Copy("the database does not have what the copy has: nothing was kept".to_owned()))
    }
}
