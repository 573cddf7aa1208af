//! Passwords: argon2id (RFC 9106) with 19 MiB, two passes; at most two at a time, so that logins cannot eat the memory, and
//! at most 32 waiting, so that a flood of them is refused instead of kept.

use crate::token::{hex, unhex};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Characters of a password.
const LENGTH: core::ops::RangeInclusive<usize> = 12..=256;
static AT_ONCE: Semaphore = Semaphore::const_new(2);
static IN_LINE: Semaphore = Semaphore::const_new(34);

/// Too many passwords are being checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// Why a password cannot be used.
pub(crate) fn unfit(name: &str, password: &str) -> Option<&'static str> {
    let distinct: std::collections::BTreeSet<char> = password.chars().collect();
    if !LENGTH.contains(&password.chars().count()) {
        Some("has not 12 to 256 characters")
    } else if distinct.len() < 5 {
        Some("repeats a few characters")
    } else if password.to_lowercase().contains(&name.to_lowercase()) {
        Some("contains the user's name")
    } else {
        None
    }
}

/// The hash of a password, with a new salt; `None` when the system has no randomness or memory.
pub(crate) async fn hash(password: &str) -> Option<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).ok()?;
    let digest = derive(password.to_owned(), salt.to_vec()).await?;
    Some(format!("argon2id-19456-2-1:{}:{}", hex(&salt), hex(&digest)))
}

/// Whether a password is the one of a hash. Without a hash (no such user) it takes the same time and is not.
pub(crate) async fn verify(password: &str, hash: Option<&str>) -> Result<bool, Busy> {
    let _place = IN_LINE.try_acquire().map_err(|_| Busy)?;
    let parts = hash.and_then(|hash| hash.strip_prefix("argon2id-19456-2-1:")).and_then(|rest| rest.split_once(':'));
    let known = parts.and_then(|(salt, digest)| Some((unhex(salt)?, unhex(digest)?)));
    let (salt, expected) = known.clone().unwrap_or_else(|| (vec![0; 16], vec![0; 32]));
    let derived = derive(password.to_owned(), salt).await;
    Ok(known.is_some() && derived.is_some_and(|derived| derived.as_slice().ct_eq(&expected).into()))
}

async fn derive(password: String, salt: Vec<u8>) -> Option<Vec<u8>> {
    let _turn = AT_ONCE.acquire().await.ok()?;
    let work = tokio::task::spawn_blocking(move || {
        let params = Params::new(19_456, 2, 1, Some(32)).ok()?;
        let mut out = vec![0; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(password.as_bytes(), &salt, &mut out).ok().map(|()| out)
    });
    work.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_hash_only() {
        let hash = hash("correct horse battery").await.unwrap();
        for (password, hash, fits) in [
            ("correct horse battery", Some(hash.as_str()), true),
            ("correct horse batterx", Some(hash.as_str()), false),
            ("correct horse battery", None, false),
            ("", Some("damaged"), false),
        ] {
            assert_eq!(verify(password, hash).await, Ok(fits), "{password} {hash:?}");
        }
        let full = IN_LINE.try_acquire_many(34).unwrap();
        assert_eq!(verify("correct horse battery", Some(&hash)).await, Err(Busy));
        drop(full);
        assert!(!hash.contains("correct"));
    }

    #[test]
    fn weak_passwords_are_told() {
        assert!(unfit("ann", "short").is_some());
        assert!(unfit("ann", "aaaaaaaaaaaaaaaa").is_some());
        assert!(unfit("ann", "xx-ANN-1234567").is_some());
        assert!(unfit("ann", "correct horse battery").is_none());
    }
}
