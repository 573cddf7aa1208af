//! Sealing of subscriber keys at rest: XChaCha20-Poly1305 under a key that lies outside the database.
//!
//! A sealed value is bound to its subscriber and field: moved to another row it does not open.

use crate::Secret;
use basalt_ids::Imsi;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Octets of a nonce: long enough to be drawn at random for any count of values.
pub const NONCE: usize = 24;

/// The key that seals all subscriber keys of one gateway.
#[derive(Clone)]
pub struct SealingKey(Secret<[u8; 32]>);

/// A sealed secret: nonce, ciphertext and tag. It may lie anywhere; it says nothing without the [`SealingKey`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey(Vec<u8>);

/// A sealed value that does not open: another sealing key, another subscriber or field, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a sealed key does not open: wrong sealing key, wrong subscriber or damaged data")]
pub struct Unsealable;

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

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKey({} octets)", self.0.len())
    }
}

impl SealingKey {
    /// A key from its octets.
    #[must_use]
    pub const fn from_octets(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

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
                let sealing = Self(Secret::new(key));
                key.zeroize();
                made.map(|()| sealing).map_err(failed)
            }
            Err(error) => Err(failed(error)),
        }
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
            .map(|key| Self(Secret::new(key)))
            .map_err(|_| KeyFileError::Length { path: name() })
    }

    /// Seals a secret of a subscriber. `nonce` must be drawn at random for each call.
    #[must_use]
    pub fn seal(&self, imsi: Imsi, field: &str, nonce: [u8; NONCE], secret: &[u8]) -> SealedKey {
        let payload = Payload { msg: secret, aad: &associated(imsi, field) };
        // Sealing fails only for messages beyond 2^38 octets.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut octets = nonce.to_vec();
        octets.extend(sealed);
        SealedKey(octets)
    }

    /// Opens what [`SealingKey::seal`] made for the same subscriber and field.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub fn open(&self, imsi: Imsi, field: &str, sealed: &SealedKey) -> Result<Secret<Vec<u8>>, Unsealable> {
        let (nonce, ciphertext) = sealed.0.split_first_chunk::<NONCE>().ok_or(Unsealable)?;
        let payload = Payload { msg: ciphertext, aad: &associated(imsi, field) };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map(Secret::new).map_err(|_| Unsealable)
    }

    /// Opens a secret of a fixed length.
    ///
    /// # Errors
    /// [`Unsealable`], also when the secret has another length.
    pub fn open_array<const N: usize>(
        &self,
        imsi: Imsi,
        field: &str,
        sealed: &SealedKey,
    ) -> Result<Secret<[u8; N]>, Unsealable> {
        let opened = self.open(imsi, field, sealed)?;
        <[u8; N]>::try_from(opened.expose().as_slice()).map(Secret::new).map_err(|_| Unsealable)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose().into())
    }
}

/// What a sealed value is bound to. The IMSI has no separator in it, so the two parts cannot run into each other.
fn associated(imsi: Imsi, field: &str) -> Vec<u8> {
    format!("basalt sealed key v1/{imsi}/{field}").into_bytes()
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

    fn key() -> SealingKey {
        SealingKey::from_octets(Secret::new([7; 32]))
    }

    fn imsi(text: &str) -> Imsi {
        text.parse().unwrap()
    }

    #[test]
    fn a_sealed_key_opens_only_where_it_belongs() {
        let who = imsi("001010000000001");
        let sealed = key().seal(who, "k", [1; NONCE], &[0x46; 16]);
        let opened = key().open_array::<16>(who, "k", &sealed).unwrap();
        assert!(opened.matches(&[0x46; 16]));
        assert!(key().open(imsi("001010000000002"), "k", &sealed).is_err());
        assert!(key().open(who, "opc", &sealed).is_err());
        assert!(key().open_array::<32>(who, "k", &sealed).is_err());
        let other = SealingKey::from_octets(Secret::new([8; 32]));
        assert!(other.open(who, "k", &sealed).is_err());
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let who = imsi("001010000000001");
        let sealed = key().seal(who, "k", [1; NONCE], &[0x46; 16]);
        for at in 0..sealed.0.len() {
            let mut damaged = sealed.clone();
            damaged.0[at] ^= 1;
            assert_eq!(key().open(who, "k", &damaged), Err(Unsealable));
        }
        assert_eq!(key().open(who, "k", &SealedKey(Vec::new())), Err(Unsealable));
    }

    #[test]
    fn the_key_is_not_in_the_sealed_octets_nor_in_debug() {
        let sealed = key().seal(imsi("001010000000001"), "k", [1; NONCE], &[0x46; 16]);
        assert!(!sealed.0.windows(4).any(|part| part == [0x46; 4]));
        assert_eq!(format!("{sealed:?} {:?}", key()), "SealedKey(56 octets) SealingKey(…)");
    }

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
        assert_eq!(made.0, loaded.0);
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
