//! The device key: ECDSA on P-256, made by the gateway, never anywhere else. It is the gateway's key in TLS, and with it the
//! gateway gets a new certificate however long the former one has been over.

use rcgen::{KeyPair, PublicKeyData, SigningKey};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;

/// Why there is no device key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file could not be read or made.
    #[error("device key {path}: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("device key {0} is open to others: run chmod 600 {0}")]
    Exposed(String),
    /// The file does not hold a key, or none could be made.
    #[error("device key {0} is damaged: remove it, and join the gateway again with a new token")]
    Damaged(String),
}

/// The device key.
#[derive(Clone)]
pub struct DeviceKey(Arc<KeyPair>);

impl core::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DeviceKey(…)")
    }
}

impl DeviceKey {
    /// A new key, for simulated gateways and tests.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, rcgen::Error> {
        KeyPair::generate().map(|pair| Self(Arc::new(pair)))
    }

    /// Reads the key's file; makes it, with mode 0600, when there is none.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let name = || path.display().to_string();
        let failed = |source| KeyError::Io { path: name(), source };
        match File::open(path) {
            Ok(mut file) => {
                if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
                    return Err(KeyError::Exposed(name()));
                }
                let mut text = String::new();
                Read::by_ref(&mut file).take(4096).read_to_string(&mut text).map_err(failed)?;
                KeyPair::from_pem(&text).map(|pair| Self(Arc::new(pair))).map_err(|_| KeyError::Damaged(name()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate().map_err(|_| KeyError::Damaged(name()))?;
                key.write(path).map_err(failed)?;
                Ok(key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Beside its place, then moved there: a crash leaves a whole file or none.
    fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(self.0.serialize_pem().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The uncompressed point.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        self.0.der_bytes().to_vec()
    }

    /// Signs (ECDSA with SHA-256, ASN.1).
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(text)
    }

    /// PKCS #8, for TLS.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        self.0.serialize_der()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.key");
        let made = DeviceKey::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(DeviceKey::load_or_create(&path).unwrap().public(), made.public());
        assert_eq!((made.public().len(), format!("{made:?}").as_str()), (65, "DeviceKey(…)"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(DeviceKey::load_or_create(&path), Err(KeyError::Exposed(_))));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(&path, "no key").unwrap();
        assert!(matches!(DeviceKey::load_or_create(&path), Err(KeyError::Damaged(_))));
    }
}
