//! The certificate authority of the gateways: made at the first start, its key sealed in the database.
//!
//! It has generations, of which one issues; the others that are not retired are believed, too. A new one is signed by the one before as
//! well as by itself, so that a gateway that was away while it came still recognises the orchestrator ([`mod@generations`]).

mod generations;

pub use generations::{Overview, holds_key};

use anyhow::{Context, Result};
use basalt_control_api::orchestrator::{ENROLMENT_NAME, REPLICA_NAME, SERVER_NAME, member_name};
use generations::Generation;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Settings of the installation that hold it. Key and certificate stand in one, so that replicas that start together agree on
/// both: the first one's stay. Later generations have a number behind.
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
    /// Those that are believed, by their numbers; never empty.
    generations: Vec<Generation>,
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
    /// The generation that issues at a time, seconds since 1970: the last whose time has come.
    fn current(&self, now: u64) -> Result<&Generation> {
        let begun = self.generations.iter().rev().find(|one| one.from <= now);
        begun.or_else(|| self.generations.first()).context("there is no authority")
    }

    /// What distinguishes this from how it was before: who is believed, and who issues.
    pub(crate) fn mark(&self, now: u64) -> (Vec<u32>, u32) {
        let issues = self.current(now).map_or(0, |one| one.number);
        (self.generations.iter().map(|one| one.number).collect(), issues)
    }

    /// The certificate of the generation that issues now (seconds since 1970), DER.
    ///
    /// # Errors
    /// There is none, which cannot be.
    pub fn certificate(&self, now: u64) -> Result<&CertificateDer<'static>> {
        Ok(&self.current(now)?.certificate)
    }

    /// SHA-256 of that, by which gateways recognise it.
    ///
    /// # Errors
    /// As [`certificate`](Self::certificate).
    pub fn fingerprint(&self, now: u64) -> Result<[u8; 32]> {
        Ok(Sha256::digest(self.certificate(now)?.as_ref()).into())
    }

    /// The certificates that are believed besides the one that issues now, DER.
    pub(crate) fn others(&self, now: u64) -> Vec<Vec<u8>> {
        let issues = self.current(now).map_or(0, |one| one.number);
        let others = self.generations.iter().filter(|one| one.number != issues);
        others.map(|one| one.certificate.to_vec()).collect()
    }

    /// Certificates by which those who know an earlier generation only recognise what the present one signs, DER.
    pub(crate) fn bridges(&self, now: u64) -> Vec<CertificateDer<'static>> {
        let issues = self.current(now).map_or(0, |one| one.number);
        let till = self.generations.iter().skip(1).filter(|one| one.number <= issues);
        till.filter_map(|one| one.bridge.clone()).collect()
    }

    /// Whoever shows a certificate of one of them is believed.
    pub(crate) fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for one in &self.generations {
            roots.add(one.certificate.clone())?;
        }
        Ok(roots)
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
        let der = params.signed_by(&Point(point), &self.current(now)?.issuer)?.der().to_vec();
        Ok(Made { der, not_before, not_after })
    }

    /// The orchestrator's own chain and key (PKCS #8), made anew at each start and for each generation. Other replicas know it by
    /// [`REPLICA_NAME`]. The chain has every certificate by which somebody may recognise it.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(crate) fn server(&self, now: u64) -> Result<(Vec<CertificateDer<'static>>, Vec<u8>)> {
        let current = self.current(now)?;
        let pair = KeyPair::generate()?;
        let names = [SERVER_NAME, ENROLMENT_NAME, REPLICA_NAME].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(serial()?);
        let own = params.signed_by(&pair, &current.issuer)?;
        let mut chain = vec![own.der().clone(), current.certificate.clone()];
        chain.extend(self.bridges(now));
        chain.extend(self.others(now).into_iter().map(CertificateDer::from));
        Ok((chain, pair.serialize_der()))
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
        let mark = mark(&self.current(now)?.challenge_key, &challenge)?.finalize().into_bytes();
        challenge.extend(mark);
        Ok(challenge)
    }

    /// Whether a challenge is one of ours and not too old.
    pub(crate) fn recognises(&self, challenge: &[u8], now: u64) -> bool {
        if challenge.len() != CHALLENGE_OCTETS {
            return false;
        }
        let (said, shown) = challenge.split_at(CHALLENGE_OCTETS - 32);
        let at = said.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets));
        let fresh = at <= now.saturating_add(TOLERANCE) && now <= at.saturating_add(CHALLENGE);
        let made = |one: &Generation| mark(&one.challenge_key, said).is_ok_and(|own| own.verify_slice(shown).is_ok());
        fresh && self.generations.iter().any(made)
    }
}

fn mark(key: &[u8; 32], text: &[u8]) -> Result<Hmac<Sha256>> {
    let mut mark = Hmac::<Sha256>::new_from_slice(key).context("the key of challenges")?;
    mark.update(text);
    Ok(mark)
}

fn serial() -> Result<SerialNumber> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    // Positive, and without leading zeroes.
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from(octets.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_security::{SealingKey, Secret};
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
        assert_eq!(again.fingerprint(1).unwrap(), first.fingerprint(1).unwrap());
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
