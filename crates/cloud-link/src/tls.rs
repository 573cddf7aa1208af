//! TLS towards the orchestrator: only its own authority counts, never the system's list.

use crate::DeviceKey;
use basalt_cloud_sync::Identity;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The authority whose certificate has this SHA-256, found in the chain that the server sends.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn verifier(&self, chain: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let matches = |der: &&CertificateDer<'_>| Sha256::digest(der.as_ref()).as_slice() == self.fingerprint;
        let authority = chain.iter().find(matches).ok_or_else(unknown)?;
        verifier(authority, &self.provider)
    }
}

fn verifier(
    authority: &CertificateDer<'_>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned())?;
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Error::General(error.to_string()))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The pinned one only says who may sign; the server's own must be signed by it and have the right name.
        self.verifier(intermediates)?.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn begin() -> (Arc<CryptoProvider>, Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error>) {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    (provider, builder.with_protocol_versions(&[&rustls::version::TLS13]))
}

/// Only the server shows who it is: for enrolment.
pub(crate) fn enrolment(fingerprint: [u8; 32]) -> Result<ClientConfig, Error> {
    let (provider, builder) = begin();
    let builder = builder?.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { fingerprint, provider }));
    Ok(with_http2(builder.with_no_client_auth()))
}

/// Both show who they are.
pub(crate) fn mutual(authority: &[u8], certificate: &[u8], key: &DeviceKey) -> Result<ClientConfig, Error> {
    let (provider, builder) = begin();
    let authority = CertificateDer::from(authority.to_vec());
    let builder = builder?.with_webpki_verifier(verifier(&authority, &provider)?);
    let chain = vec![CertificateDer::from(certificate.to_vec())];
    Ok(with_http2(builder.with_client_auth_cert(chain, PrivatePkcs8KeyDer::from(key.pkcs8()).into())?))
}

/// Shows our certificate to one that joined the same orchestrator, and wants to see one of its authority, of the name that the
/// connection asks for.
///
/// # Errors
/// The certificate and the key do not fit together.
pub fn client_config(identity: &Identity, key: &DeviceKey) -> Result<ClientConfig, Error> {
    mutual(&identity.authority, &identity.certificate, key)
}

/// The other side of [`client_config`]: whoever comes shows a certificate of our authority; which name it has is to be checked still.
///
/// # Errors
/// The certificate and the key do not fit together.
pub fn server_config(identity: &Identity, key: &DeviceKey) -> Result<ServerConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(identity.authority.clone()))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
    let chain = vec![CertificateDer::from(identity.certificate.clone())];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.pkcs8()).into())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Each connection shows the certificate anew.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn with_http2(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Each connection shows the certificate anew.
    config.resumption = rustls::client::Resumption::disabled();
    config
}

/// SHA-256 of a certificate.
pub(crate) fn fingerprint(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}
