//! The file that holds the sealing key: outside the database, readable by its owner only.
//!
//! For the daemon at its start. The file is as much part of the protection at rest as the cipher: its mode, its length and how
//! it is made are checked here, in one place.
// tidy: allow-file(pure): only a daemon calls this, at its start; the rest of the crate is pure
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "only a daemon calls this, at its start")]

use crate::Secret;
use crate::seal::SealingKey;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Why there is no sealing key.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file could not be read or made.
    #[error("sealing key file {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read or write the file.
    #[error("sealing key file {path} is open to others (mode {mode:03o}): run chmod 600 {path}")]
    Exposed {
        /// Which file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("sealing key file {path} does not hold exactly 32 octets")]
    Length {
        /// Which file.
        path: String,
    },
}

impl SealingKey {
    /// Reads the key file; makes it from `random` when there is none, with mode 0600, written through to the disk. For the
    /// daemon at its start, not for cores.
    ///
    /// # Errors
    /// [`KeyFileError`]: an existing file that others may read is refused, and so is one of another length.
    pub fn load_or_create(
        path: &Path,
        random: impl FnOnce(&mut [u8; 32]) -> io::Result<()>,
    ) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Io { path: path.display().to_string(), source };
        match File::open(path) {
            Ok(file) => Self::load(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                let made = random(&mut key).and_then(|()| create(path, &key));
                let sealing = Self::from_octets(Secret::new(key));
                key.zeroize();
                made.map(|()| sealing).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads a key file that must be there.
    ///
    /// # Errors
    /// [`KeyFileError`], as [`SealingKey::load_or_create`].
    pub fn load_existing(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |source| KeyFileError::Io { path: path.display().to_string(), source };
        Self::load(path, File::open(path).map_err(failed)?)
    }

    fn load(path: &Path, mut file: File) -> Result<Self, KeyFileError> {
        let name = || path.display().to_string();
        let failed = |source| KeyFileError::Io { path: name(), source };
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: name(), mode });
        }
        // One octet more than a key, to notice a longer file.
        let mut content = Zeroizing::new(Vec::with_capacity(33));
        Read::by_ref(&mut file).take(33).read_to_end(&mut content).map_err(failed)?;
        <[u8; 32]>::try_from(content.as_slice())
            .map(|key| Self::from_octets(Secret::new(key)))
            .map_err(|_| KeyFileError::Length { path: name() })
    }
}

/// Writes a new key file beside its place and moves it there, so that a crash leaves a whole file or none.
fn create(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(key)?;
    file.sync_all()?;
    // A hard link fails when another process made the file in the meantime; a rename would replace its key.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    linked?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_file_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        let made = SealingKey::load_or_create(&path, |key| {
            key.fill(9);
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let loaded = SealingKey::load_or_create(&path, |_| panic!("it exists")).unwrap();
        assert!(made.is(&loaded));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_file_open_to_others_or_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        for (octets, mode) in [(32, 0o640), (31, 0o600), (33, 0o600)] {
            fs::write(&path, vec![1; octets]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = SealingKey::load_or_create(&path, |_| panic!("it exists"));
            assert!(
                matches!(
                    (refused, mode),
                    (Err(KeyFileError::Exposed { mode: 0o640, .. }), 0o640) | (Err(KeyFileError::Length { .. }), 0o600)
                ),
                "{octets} octets, mode {mode:o}"
            );
        }
    }

    #[test]
    fn without_randomness_there_is_no_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        let failed = SealingKey::load_or_create(&path, |_| Err(io::Error::other("no entropy")));
        assert!(matches!(failed, Err(KeyFileError::Io { .. })));
        assert!(!path.exists());
    }
}
