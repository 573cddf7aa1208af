//! Generations of the authority: made, read from the database, retired.
//!
//! ```text
//! made -> believed by all replicas -> issues (from its time on) -> the next one issues -> retired: believed no more
//! ```
//!
//! Settings are written once and never changed, so whoever makes a generation or retires one at the same time as another agrees with him.

use super::{Authority, SEALED_AS, SETTING, serial};
use anyhow::{Context as _, Result, bail, ensure};
use basalt_security::{SEALING_NONCE, SealedKey, SealingKey};
use orchestrator_db::Repository;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// Generations that are read at most.
const MOST: u32 = 1000;

/// One key and its certificates.
pub(super) struct Generation {
    /// From 1 on.
    pub(super) number: u32,
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: CertificateDer<'static>,
    /// The same key, signed by the generation before; none where that is retired.
    pub(super) bridge: Option<CertificateDer<'static>>,
    /// Issues from then on, seconds since 1970.
    pub(super) from: u64,
    pub(super) challenge_key: [u8; 32],
}

/// A generation, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// From 1 on.
    pub number: u32,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// Issues from then on, seconds since 1970; 0 for the first.
    pub from: u64,
    /// It is the one that issues now.
    pub issues: bool,
}

/// Whether a setting of the installation holds a sealed key of the authority, on its first line.
#[must_use]
pub fn holds_key(setting: &str) -> bool {
    let number = setting.strip_prefix(SETTING).map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
    number.is_some_and(|number| number.is_empty() || number.parse::<u32>().is_ok())
}

fn setting(number: u32) -> String {
    if number == 1 { SETTING.to_owned() } else { format!("{SETTING} {number}") }
}

fn retired(number: u32) -> String {
    format!("{SETTING} {number} retired")
}

impl Authority {
    /// Makes the authority if there is none, and opens its keys.
    ///
    /// # Errors
    /// The database, or a key does not open with this sealing key.
    pub async fn ensure(db: &dyn Repository, key: &SealingKey) -> Result<Self> {
        if db.setting(SETTING, None).await?.is_none() {
            db.setting(SETTING, Some(&make(1, 0, None, key)?)).await?;
        }
        Self::load(db, key).await
    }

    /// Reads what is in the database.
    pub(crate) async fn load(db: &dyn Repository, key: &SealingKey) -> Result<Self> {
        let mut generations = Vec::new();
        let mut before_is_believed = false;
        for number in 1..=MOST {
            let Some(held) = db.setting(&setting(number), None).await? else { break };
            if db.setting(&retired(number), None).await?.is_some() {
                before_is_believed = false;
                continue;
            }
            let mut one = open(number, &held, key).with_context(|| format!("generation {number} of the authority"))?;
            one.bridge = one.bridge.filter(|_| before_is_believed);
            before_is_believed = true;
            generations.push(one);
        }
        ensure!(!generations.is_empty(), "the database does not keep the certificate authority");
        Ok(Self { generations })
    }

    /// What there is, the oldest first. `now` is in seconds since 1970.
    #[must_use]
    pub fn overview(&self, now: u64) -> Vec<Overview> {
        let (_, issues) = self.mark(now);
        let shown = |one: &Generation| Overview {
            number: one.number,
            fingerprint: Sha256::digest(one.certificate.as_ref()).into(),
            from: one.from,
            issues: one.number == issues,
        };
        self.generations.iter().map(shown).collect()
    }

    /// Makes the next generation, which issues from a time on (seconds since 1970): not before every replica believes it. Its number.
    ///
    /// # Errors
    /// The database; another one waits for its time; the system has no randomness.
    pub async fn rotate(&self, db: &dyn Repository, key: &SealingKey, now: u64, from: u64) -> Result<u32> {
        let last = self.generations.last().context("there is no authority")?;
        ensure!(last.from <= now, "generation {} waits for its time already", last.number);
        let number = last.number + 1;
        let made = make(number, from, Some(last), key)?;
        let kept = db.setting(&setting(number), Some(&made)).await?;
        ensure!(kept.as_deref() == Some(&made), "another generation was made at the same moment");
        Ok(number)
    }

    /// Retires those before the one that issues now: what they signed is believed no more, once the replicas have heard of it.
    ///
    /// # Errors
    /// The database; there is none to retire.
    pub async fn retire(&self, db: &dyn Repository, now: u64) -> Result<Vec<u32>> {
        let (all, issues) = self.mark(now);
        let former: Vec<u32> = all.into_iter().filter(|number| *number < issues).collect();
        if former.is_empty() {
            bail!("one generation is believed, or the next one does not issue yet: nothing is to be retired");
        }
        for number in &former {
            db.setting(&retired(*number), Some(&now.to_string())).await?;
        }
        Ok(former)
    }
}

fn params(number: u32) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    let name = if number == 1 { "Basalt gateway CA".to_owned() } else { format!("Basalt gateway CA {number}") };
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// The sealed key in hexadecimal, a line end; from the second on its time and a line end; the certificate, and the one by the generation
/// before.
fn make(number: u32, from: u64, before: Option<&Generation>, key: &SealingKey) -> Result<String> {
    let pair = KeyPair::generate()?;
    let own = params(number)?.self_signed(&pair)?.pem();
    let rest = match before {
        Some(before) => format!("{from}\n{own}{}", params(number)?.signed_by(&pair, &before.issuer)?.pem()),
        None => own,
    };
    let mut nonce = [0; SEALING_NONCE];
    getrandom::fill(&mut nonce).context("the system has no randomness")?;
    let sealed = key.seal_named(SEALED_AS, nonce, pair.serialize_pem().as_bytes());
    Ok(format!("{}\n{rest}", sealed.to_hex()))
}

fn open(number: u32, held: &str, key: &SealingKey) -> Result<Generation> {
    let (sealed, rest) = held.split_once('\n').context("it is damaged")?;
    let (from, certificates) =
        if number == 1 { ("0", rest) } else { rest.split_once('\n').context("it is damaged")? };
    let from = from.parse().context("its time is damaged")?;
    let sealed = SealedKey::from_hex(sealed).context("its key is damaged")?;
    let opened = key.open_named(SEALED_AS, &sealed).context("the certificate authority's key")?;
    let text = core::str::from_utf8(opened.expose()).context("its key is no text")?;
    let pair = KeyPair::from_pem(text).context("its key is damaged")?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates.as_bytes()).collect();
    let mut certificates = certificates.map_err(|_| anyhow::anyhow!("its certificate is damaged"))?.into_iter();
    let certificate = certificates.next().context("its certificate is missing")?;
    let challenge_key = Sha256::digest([b"basalt challenge v1\0", opened.expose().as_slice()].concat()).into();
    let issuer = Issuer::new(params(number)?, pair);
    Ok(Generation { number, issuer, certificate, bridge: certificates.next(), from, challenge_key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_security::Secret;
    use orchestrator_db::{Settings, open as database};

    #[tokio::test]
    async fn generations_follow_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = database(&Settings { address, connections: 2 }).await.unwrap();
        let key = SealingKey::from_octets(Secret::new([7; 32]));
        let first = Authority::ensure(db.as_ref(), &key).await.unwrap();
        assert!(first.retire(db.as_ref(), 100).await.is_err(), "the only one stays");
        assert_eq!(first.rotate(db.as_ref(), &key, 100, 160).await.unwrap(), 2);
        assert!(first.rotate(db.as_ref(), &key, 100, 160).await.is_err(), "made at the same moment by another");

        let both = Authority::load(db.as_ref(), &key).await.unwrap();
        assert_eq!((both.mark(159), both.mark(160)), ((vec![1, 2], 1), (vec![1, 2], 2)));
        assert_eq!(both.fingerprint(159).unwrap(), first.fingerprint(0).unwrap());
        assert!(both.rotate(db.as_ref(), &key, 100, 160).await.is_err(), "it waits");
        assert!(both.retire(db.as_ref(), 100).await.is_err(), "the next one does not issue yet");
        assert_eq!((both.bridges(159).len(), both.bridges(160).len()), (0, 1));
        assert!(both.recognises(&first.challenge(150).unwrap(), 170), "a challenge of before");

        assert_eq!(both.retire(db.as_ref(), 200).await.unwrap(), [1]);
        let last = Authority::load(db.as_ref(), &key).await.unwrap();
        assert_eq!((last.mark(200), last.bridges(200).len(), last.others(200).len()), ((vec![2], 2), 0, 0));
        assert!(!last.recognises(&first.challenge(190).unwrap(), 200));
        assert_eq!(last.rotate(db.as_ref(), &key, 200, 260).await.unwrap(), 3);
        db.close().await;
    }

    #[test]
    fn settings_with_keys_are_known() {
        let with = ["certificate authority", "certificate authority 2"];
        assert!(with.iter().all(|name| holds_key(name)));
        assert!(!["certificate authority 1 retired", "setup token"].iter().any(|name| holds_key(name)));
    }
}
