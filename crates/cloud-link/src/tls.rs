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

/// Certificates of an authority that are held at most.
const AUTHORITIES: usize = 16;

/// An authority whose certificate has one of these SHA-256, found in the chain that the server sends.
#[derive(Debug)]
struct Pinned {
    fingerprints: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn verifier(&self, chain: &[CertificateDer<'_>]) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let matches = |der: &&CertificateDer<'_>| self.fingerprints.contains(&fingerprint(der));
        let mut roots = RootCertStore::empty();
        for authority in chain.iter().filter(matches).take(AUTHORITIES) {
            roots.add(authority.clone().into_owned())?;
        }
        if roots.is_empty() { Err(unknown()) } else { verifier(roots, &self.provider) }
    }
}

fn verifier(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Error::General(error.to_string()))
}

/// Certificates (DER) that stand one behind the other.
///
/// # Errors
/// There is none, there are too many, or it is no sequence of them.
pub(crate) fn certificates(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (mut all, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        let Some((one, behind)) = first(rest).filter(|_| all.len() < AUTHORITIES) else {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        };
        all.push(CertificateDer::from(one.to_vec()));
        rest = behind;
    }
    if all.is_empty() { Err(Error::NoCertificatesPresented) } else { Ok(all) }
}

/// The first DER sequence and what stands behind it (X.690 §8.1.3).
fn first(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[tag, length], rest) = octets.split_first_chunk()?;
    let (header, length) = match length {
        0..=0x7f => (2, usize::from(length)),
        0x81..=0x84 => {
            let digits = rest.get(..usize::from(length & 0x7f))?;
            (2 + digits.len(), digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
        }
        _ => return None,
    };
    octets.split_at_checked(header.checked_add(length)?).filter(|_| tag == 0x30)
}

fn roots(authority: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for one in certificates(authority)? {
        roots.add(one)?;
    }
    Ok(roots)
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
        // The pinned one only says who may sign; the server's own must be signed by it, or by a later generation of it, and have the
        // right name.
        self.verifier(intermediates)?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
pub(crate) fn enrolment(fingerprints: Vec<[u8; 32]>) -> Result<ClientConfig, Error> {
    let (provider, builder) = begin();
    let builder = builder?.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { fingerprints, provider }));
    Ok(with_http2(builder.with_no_client_auth()))
}

/// Both show who they are.
pub(crate) fn mutual(authority: &[u8], certificate: &[u8], key: &DeviceKey) -> Result<ClientConfig, Error> {
    let (provider, builder) = begin();
    let builder = builder?.with_webpki_verifier(verifier(roots(authority)?, &provider)?);
    let chain = certificates(certificate)?;
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
    let roots = Arc::new(roots(&identity.authority)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
    let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
    let chain = certificates(&identity.certificate)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn certificates_stand_one_behind_the_other() {
        let short = [0x30, 2, 1, 2];
        let long = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        let both = certificates(&[&short[..], &long].concat()).unwrap();
        assert_eq!(both.iter().map(|one| one.len()).collect::<Vec<_>>(), [4, 260]);
        let wrong: [&[u8]; 7] = [
            &[],
            &[0x30],
            &[0x30, 3, 1, 2],
            &[0x31, 2, 1, 2],
            &[0x30, 0x80, 1, 2],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x30, 2, 1, 2, 0],
        ];
        wrong.iter().for_each(|octets| assert!(certificates(octets).is_err(), "{octets:?}"));
        assert!(certificates(&short.repeat(AUTHORITIES + 1)).is_err());
    }
}
