//! A release of a program: what it is, who signed it, and what a program says of itself.
//!
//! What it is: the text that a signature covers ([`Description`]), Ed25519 (RFC 8032) over it, and the [`stamp()`] by which a program
//! file tells its name, version and platform without being run. What it deliberately is not: a store, a download, or a judge of which
//! release a gateway should have.
//!
//! Invariants: a signature covers everything that tells two releases apart; a file is never believed to be what its stamp says, only
//! what its signature says.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod stamp;
mod version;

pub use stamp::{STAMP, Stamp, stamp};
pub use version::compare;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Octets of a program at most: 256 MiB.
pub const LARGEST: u64 = 256 << 20;
/// Before the text that is signed, so that a signature for something else is none for this.
const CONTEXT: &str = "basalt release v1";

/// Why a release is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// No key is trusted at all.
    #[error("no key of releases is trusted here")]
    NoKeys,
    /// Not signed by any of the trusted keys, or not this.
    #[error("the signature is not by a key that is trusted here")]
    Signature,
    /// Not 64 hexadecimal digits.
    #[error("a key has 64 hexadecimal digits")]
    Key,
}

/// What a release is. All of it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The program: `agwd`.
    pub product: String,
    /// As the program tells it, such as `0.2.0`.
    pub version: String,
    /// Processor and system, such as `x86_64-linux`.
    pub platform: String,
    /// Octets.
    pub size: u64,
    /// SHA-256 of the program.
    pub sha256: [u8; 32],
}

impl Description {
    /// The name by which it is known: `agwd-0.2.0-x86_64-linux`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.product, self.version, self.platform)
    }

    /// What is signed.
    fn text(&self) -> Vec<u8> {
        let size = self.size.to_string();
        let digest = hex(&self.sha256);
        // None of them may hold the octet between them: `name` and `check` see to that for words, the others are digits.
        [CONTEXT, &self.product, &self.version, &self.platform, &size, &digest].join("\0").into_bytes()
    }

    /// Signs with a key's seed.
    ///
    /// # Errors
    /// [`Refused::Key`].
    pub fn sign(&self, seed: &[u8; 32]) -> Result<[u8; 64], Refused> {
        let signature = pair(seed)?.sign(&self.text());
        signature.as_ref().try_into().map_err(|_| Refused::Key)
    }

    /// Checks that one of these keys signed exactly this.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify(&self, signature: &[u8], keys: &[[u8; 32]]) -> Result<(), Refused> {
        if keys.is_empty() {
            return Err(Refused::NoKeys);
        }
        let words = [&self.product, &self.version, &self.platform];
        if !words.into_iter().all(|word| is_word(word)) {
            return Err(Refused::Signature);
        }
        let text = self.text();
        let signed = keys.iter().any(|key| UnparsedPublicKey::new(&ED25519, key).verify(&text, signature).is_ok());
        if signed { Ok(()) } else { Err(Refused::Signature) }
    }
}

/// Whether a part of a release's name is one: letters, digits and `._+-`, at most 40.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"._+-".contains(&octet);
    (1..=40).contains(&text.len()) && text.bytes().all(allowed) && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// The public key of a seed.
///
/// # Errors
/// [`Refused::Key`].
pub fn public_key(seed: &[u8; 32]) -> Result<[u8; 32], Refused> {
    pair(seed)?.public_key().as_ref().try_into().map_err(|_| Refused::Key)
}

fn pair(seed: &[u8; 32]) -> Result<Ed25519KeyPair, Refused> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Refused::Key)
}

/// SHA-256 of what comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// The next piece.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// Of all pieces.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Octets in hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets from hexadecimal digits; `None` when there are not exactly `N`.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    let mut octets = [0; N];
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}

/// Reads a public key or a seed of 64 hexadecimal digits.
///
/// # Errors
/// [`Refused::Key`].
pub fn key(text: &str) -> Result<[u8; 32], Refused> {
    unhex(text.trim()).ok_or(Refused::Key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn release() -> Description {
        Description {
            product: "agwd".to_owned(),
            version: "0.2.0".to_owned(),
            platform: "x86_64-linux".to_owned(),
            size: 7,
            sha256: [9; 32],
        }
    }

    #[test]
    fn a_signature_is_for_one_release_by_one_key() {
        let (seed, other) = ([1; 32], [2; 32]);
        let signature = release().sign(&seed).unwrap();
        let keys = [public_key(&other).unwrap(), public_key(&seed).unwrap()];
        assert_eq!(release().verify(&signature, &keys), Ok(()));
        assert_eq!(release().verify(&signature, &keys[..1]), Err(Refused::Signature));
        assert_eq!(release().verify(&signature, &[]), Err(Refused::NoKeys));
        assert_eq!(release().verify(&[], &keys), Err(Refused::Signature));
        let changes: [fn(&mut Description); 6] = [
            |it| it.product = "fegd".to_owned(),
            |it| it.version = "0.2.1".to_owned(),
            |it| it.platform = "aarch64-linux".to_owned(),
            |it| it.size = 8,
            |it| it.sha256[31] = 0,
            |it| it.version = "0.2.0\0x86_64-linux".to_owned(),
        ];
        for change in changes {
            let mut changed = release();
            change(&mut changed);
            assert_eq!(changed.verify(&signature, &keys), Err(Refused::Signature), "{changed:?}");
        }
    }

    #[test]
    fn keys_are_sixty_four_digits() {
        assert_eq!(key(&hex(&[0xab; 32])), Ok([0xab; 32]));
        for wrong in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert_eq!(key(wrong), Err(Refused::Key), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_signature_is_taken_that_was_not_made(signature in proptest::collection::vec(any::<u8>(), 0..80)) {
            let keys = [public_key(&[1; 32]).unwrap()];
            prop_assert!(release().verify(&signature, &keys).is_err());
        }
    }
}
