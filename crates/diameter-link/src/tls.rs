//! Certificates of both sides (RFC 6733 §13.1): each shows one, and both are checked against one authority.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Why certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or has nothing of the kind.
    #[error("{path}: {words}")]
    File {
        /// Which.
        path: String,
        /// Why.
        words: String,
    },
    /// They do not fit together.
    #[error("the certificates cannot be used: {0}")]
    Unfit(String),
}

/// Our certificate, and the authority of everybody's.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl core::fmt::Debug for Tls {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// Reads our certificate with its chain, its key, and the authority, all as PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path, authority: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, &error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for root in certificates(authority)? {
            roots.add(root).map_err(|error| file(authority, &error.to_string()))?;
        }
        Self::new(chain, key, roots)
    }

    /// The same from values.
    ///
    /// # Errors
    /// [`TlsError::Unfit`].
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        roots: RootCertStore,
    ) -> Result<Self, TlsError> {
        let unfit = |error: &dyn core::fmt::Display| TlsError::Unfit(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build();
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(&error))?
            .with_client_cert_verifier(verifier.map_err(|error| unfit(&error))?)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| unfit(&error))?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(&error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| unfit(&error))?;
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        self.connector.clone()
    }
}

fn file(path: &Path, words: &str) -> TlsError {
    TlsError::File { path: path.display().to_string(), words: words.to_owned() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(file(path, "has no certificate")),
        Err(error) => Err(file(path, &error.to_string())),
    }
}

/// The name that a server's certificate must have: the peer's DiameterIdentity.
pub(crate) fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).ok()
}

/// The host names of the certificate that was shown (its subjectAltName); none without one.
pub(crate) fn names(shown: Option<&[CertificateDer<'_>]>) -> Vec<String> {
    let Some(certificate) = shown.and_then(|chain| chain.first()) else { return Vec::new() };
    match webpki::EndEntityCert::try_from(certificate) {
        Ok(certificate) => certificate.valid_dns_names().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}
