//! The certificate of the listener for people and programs: a given one, looked at again when its file changes, or one of our own.

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// A certificate with its key, as they are in two files now.
#[derive(Debug)]
pub(crate) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    present: Mutex<Arc<CertifiedKey>>,
}

impl Certificate {
    /// From two files (PEM).
    pub(crate) fn open(chain: &Path, key: &Path) -> Result<Arc<Self>> {
        let present = Mutex::new(Arc::new(read(chain, key)?));
        Ok(Arc::new(Self { chain: chain.to_owned(), key: key.to_owned(), present }))
    }

    /// Signed by itself, made once and kept in a folder.
    pub(crate) fn own(folder: &Path, names: Vec<String>) -> Result<Arc<Self>> {
        let (chain, key) = (folder.join("rest.pem"), folder.join("rest.key"));
        if !chain.exists() {
            let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
            write(&key, &made.signing_key.serialize_pem(), 0o600)?;
            write(&chain, &made.cert.pem(), 0o644)?;
        }
        Self::open(&chain, &key)
    }

    /// How TLS is done with it.
    pub(crate) fn config(self: Arc<Self>) -> Result<Arc<ServerConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Takes a new certificate when the files change; one that cannot be read is told and not taken.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut seen = self.changed();
        loop {
            tokio::time::sleep(LOOK).await;
            let changed = self.changed();
            if changed == seen {
                continue;
            }
            match read(&self.chain, &self.key) {
                Ok(certified) => {
                    *self.present.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                    tracing::info!(file = %self.chain.display(), "the certificate of the REST interface was taken anew");
                }
                // Perhaps the other file follows: it is looked at again when one changes.
                Err(error) => tracing::warn!(%error, "the new certificate of the REST interface cannot be used"),
            }
            seen = changed;
        }
    }

    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.chain, &self.key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.present.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(chain: &Path, key: &Path) -> Result<CertifiedKey> {
    let of = |path: &Path| format!("cannot read {}", path.display());
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain).with_context(|| of(chain))?.collect();
    let secret = PrivateKeyDer::from_pem_file(key).with_context(|| of(key))?;
    let provider = rustls::crypto::ring::default_provider();
    let certificates = certificates.with_context(|| of(chain))?;
    CertifiedKey::from_der(certificates, secret, &provider).context("certificate and key do not belong together")
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
}
