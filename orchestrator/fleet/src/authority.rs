//! The certificate authority of the gateways: made at the first start, its key sealed in the database.

use anyhow::{Context, Result};
use basalt_control_api::orchestrator::{ENROLMENT_NAME, REPLICA_NAME, SERVER_NAME, member_name};
use basalt_security::{SEALING_NONCE, SealedKey, SealingKey};
use hmac::{Hmac, KeyInit, Mac};
use orchestrator_db::Repository;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Settings of the installation that hold it. Key and certificate stand in one, so that replicas that start together agree on
/// both: the first one's stay.
pub const SETTING: &str = "certificate authority";
/// Under which name its key is sealed there.
pub const SEALED_AS: &str = "certificate authority key";
/// Clocks of gateways differ a little.
const TOLERANCE: u64 = 300;
/// Seconds that a challenge is good.
const CHALLENGE: u64 = 300;
/// Octets of a challenge: when, a random part, and the mark by which it is recognised.
const CHALLENGE_OCTETS: usize = 8 + 16 + 32;

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    challenge_key: [u8; 32],
}

/// A certificate that was made.
pub(crate) struct Made {
    pub(crate) der: Vec<u8>,
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

/// For whom a certificate is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) network: &'a str,
    pub(crate) gateway: &'a str,
    /// It is a federation gateway.
    pub(crate) feg: bool,
}

/// An uncompressed point on P-256.
struct Point<'a>(&'a [u8]);

impl PublicKeyData for Point<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl Authority {
    /// Makes the authority if there is none, and opens its key.
    ///
    /// # Errors
    /// The database, or the key does not open with this sealing key.
    pub async fn ensure(db: &dyn Repository, key: &SealingKey) -> Result<Self> {
        let held = match db.setting(SETTING, None).await? {
            Some(held) => Some(held),
            None => db.setting(SETTING, Some(&make(key)?)).await?,
        };
        let held = held.context("the database does not keep the certificate authority")?;
        let (sealed, certificate) = held.split_once('\n').context("the certificate authority is damaged")?;
        let sealed = SealedKey::from_hex(sealed).context("the certificate authority's key is damaged")?;
        let opened = key.open_named(SEALED_AS, &sealed).context("the certificate authority's key")?;
        let text = core::str::from_utf8(opened.expose()).context("the certificate authority's key is no text")?;
        let pair = KeyPair::from_pem(text).context("the certificate authority's key is damaged")?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| anyhow::anyhow!("the certificate authority's certificate is damaged"))?;
        let challenge_key = Sha256::digest([b"basalt challenge v1\0", opened.expose().as_slice()].concat()).into();
        Ok(Self { issuer: Issuer::new(params(), pair), certificate, challenge_key })
    }

    /// Its certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of its certificate, by which gateways recognise it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.certificate.as_ref()).into()
    }

    /// A certificate for a gateway's key, good from now (seconds since 1970) for a while. It has the gateway's name among those that
    /// joined ([`member_name`]); that of a federation gateway serves gateways, too.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn issue(&self, whose: Whose<'_>, point: &[u8], now: u64, life: Duration) -> Result<Made> {
        let Whose { network, gateway, feg } = whose;
        let mut params = CertificateParams::new(vec![member_name(network, gateway)])?;
        params.distinguished_name.push(DnType::OrganizationName, network);
        params.distinguished_name.push(DnType::CommonName, gateway);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Good for showing who a gateway is, not for being an orchestrator.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if feg {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let (not_before, not_after) = (now.saturating_sub(TOLERANCE), now.saturating_add(life.as_secs()));
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_before);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_after);
        params.serial_number = Some(serial()?);
        let der = params.signed_by(&Point(point), &self.issuer)?.der().to_vec();
        Ok(Made { der, not_before, not_after })
    }

    /// The orchestrator's own chain and key (PKCS #8), made anew at each start. Other replicas know it by [`REPLICA_NAME`].
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn server(&self) -> Result<(Vec<CertificateDer<'static>>, Vec<u8>)> {
        let pair = KeyPair::generate()?;
        let names = [SERVER_NAME, ENROLMENT_NAME, REPLICA_NAME].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(serial()?);
        let own = params.signed_by(&pair, &self.issuer)?;
        Ok((vec![own.der().clone(), self.certificate.clone()], pair.serialize_der()))
    }

    /// Something to sign that any replica recognises.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn challenge(&self, now: u64) -> Result<Vec<u8>> {
        let mut challenge = now.to_be_bytes().to_vec();
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("{error}"))?;
        challenge.extend(random);
        let mark = self.mark(&challenge)?.finalize().into_bytes();
        challenge.extend(mark);
        Ok(challenge)
    }

    /// Whether a challenge is one of ours and not too old.
    pub(crate) fn recognises(&self, challenge: &[u8], now: u64) -> bool {
        if challenge.len() != CHALLENGE_OCTETS {
            return false;
        }
        let (said, mark) = challenge.split_at(CHALLENGE_OCTETS - 32);
        let at = said.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets));
        let fresh = at <= now.saturating_add(TOLERANCE) && now <= at.saturating_add(CHALLENGE);
        fresh && self.mark(said).is_ok_and(|own| own.verify_slice(mark).is_ok())
    }

    fn mark(&self, text: &[u8]) -> Result<Hmac<Sha256>> {
        let mut mark = Hmac::<Sha256>::new_from_slice(&self.challenge_key).context("the key of challenges")?;
        mark.update(text);
        Ok(mark)
    }
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Basalt gateway CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn serial() -> Result<SerialNumber> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    // Positive, and without leading zeroes.
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from(octets.to_vec()))
}

/// The sealed key in hexadecimal, a line end, the certificate.
fn make(key: &SealingKey) -> Result<String> {
    let pair = KeyPair::generate()?;
    let certificate = params().self_signed(&pair)?;
    let mut nonce = [0; SEALING_NONCE];
    getrandom::fill(&mut nonce).context("the system has no randomness")?;
    let sealed = key.seal_named(SEALED_AS, nonce, pair.serialize_pem().as_bytes());
    Ok(format!("{}\n{}", sealed.to_hex(), certificate.pem()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_security::Secret;
    use orchestrator_db::{Settings, open};

    #[tokio::test]
    async fn it_is_made_once_and_opens_with_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let settings = Settings { address: format!("sqlite:{}", path.display()), connections: 2 };
        let db = open(&settings).await.unwrap();
        let key = SealingKey::from_octets(Secret::new([7; 32]));
        let first = Authority::ensure(db.as_ref(), &key).await.unwrap();
        let again = Authority::ensure(db.as_ref(), &key).await.unwrap();
        assert_eq!(again.fingerprint(), first.fingerprint());
        let other = SealingKey::from_octets(Secret::new([8; 32]));
        assert!(Authority::ensure(db.as_ref(), &other).await.is_err());
        // What one replica asks, another recognises, for a while, and nothing else.
        let challenge = first.challenge(1_000_000).unwrap();
        assert!(again.recognises(&challenge, 1_000_000) && again.recognises(&challenge, 1_000_300));
        assert!(!again.recognises(&challenge, 1_000_301) && !again.recognises(&challenge, 999_699));
        for at in 0..challenge.len() {
            let mut forged = challenge.clone();
            forged[at] ^= 1;
            assert!(!again.recognises(&forged, 1_000_000));
        }
        assert!(!again.recognises(&challenge[1..], 1_000_000) && !again.recognises(&[], 1_000_000));
        db.close().await;
        let octets = std::fs::read(path).unwrap();
        assert!(!octets.windows(11).any(|part| part == b"PRIVATE KEY"));
    }
}
