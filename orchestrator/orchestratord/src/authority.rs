//! The certificate authority of the gateways: made at the first start, its key sealed in the database.

use anyhow::{Context, Result};
use basalt_security::{SEALING_NONCE, SealedKey, SealingKey};
use orchestrator_db::Repository;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// Settings of the installation that hold it. Key and certificate stand in one, so that replicas that start together agree on
/// both: the first one's stay.
const SETTING: &str = "certificate authority";
const SEALED_AS: &str = "certificate authority key";

/// Makes the authority if there is none, checks that its key opens, and gives its certificate (PEM).
pub(crate) async fn ensure(db: &dyn Repository, key: &SealingKey) -> Result<String> {
    let held = match db.setting(SETTING, None).await? {
        Some(held) => Some(held),
        None => db.setting(SETTING, Some(&make(key)?)).await?,
    };
    let held = held.context("the database does not keep the certificate authority")?;
    let (sealed, certificate) = held.split_once('\n').context("the certificate authority is damaged")?;
    let sealed = SealedKey::from_hex(sealed).context("the certificate authority's key is damaged")?;
    let opened = key.open_named(SEALED_AS, &sealed).context("the certificate authority's key")?;
    let text = core::str::from_utf8(opened.expose()).context("the certificate authority's key is no text")?;
    KeyPair::from_pem(text).context("the certificate authority's key is damaged")?;
    Ok(certificate.to_owned())
}

/// The sealed key in hexadecimal, a line end, the certificate.
fn make(key: &SealingKey) -> Result<String> {
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Basalt gateway CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&pair)?;
    let mut nonce = [0; SEALING_NONCE];
    getrandom::fill(&mut nonce).context("the system has no randomness")?;
    let sealed = key.seal_named(SEALED_AS, nonce, pair.serialize_pem().as_bytes());
    Ok(format!("{}\n{}", sealed.to_hex(), certificate.pem()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
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
        let first = ensure(db.as_ref(), &key).await.unwrap();
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(ensure(db.as_ref(), &key).await.unwrap(), first);
        let other = SealingKey::from_octets(Secret::new([8; 32]));
        assert!(ensure(db.as_ref(), &other).await.is_err());
        db.close().await;
        let octets = std::fs::read(path).unwrap();
        assert!(!octets.windows(11).any(|part| part == b"PRIVATE KEY"));
    }
}
