//! Why there is no copy, or none that is taken.

use thiserror::Error;

/// What went wrong. Nothing was changed.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no file of this format, or was changed or cut off.
    #[error("{0}")]
    Damaged(String),
    /// None of the keys opens it, or the passphrase is wrong.
    #[error("it does not open with this key or passphrase")]
    Closed,
    /// A key or passphrase that cannot be used.
    #[error("{0}")]
    Key(&'static str),
    /// The copy is of a later version.
    #[error("the copy is of a later version (form {copy}, this one knows {known}): restore it with that version")]
    Later {
        /// The copy's.
        copy: i64,
        /// Ours.
        known: i64,
    },
    /// What is there is not replaced without being told so.
    #[error("{0}")]
    Occupied(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] orchestrator_db::Error),
}

impl Error {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}
