//! Sealing of subscriber keys at rest: XChaCha20-Poly1305 under a key that lies outside the database.
//!
//! A sealed value is bound to its subscriber and field: moved to another row it does not open.

use crate::Secret;
use basalt_ids::Imsi;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use core::fmt;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Octets of a nonce: long enough to be drawn at random for any count of values.
pub const NONCE: usize = 24;

/// The key that seals all subscriber keys of one gateway, or all secrets of an orchestrator; while it is exchanged, also those
/// that sealed before.
#[derive(Clone)]
pub struct SealingKey {
    own: Secret<[u8; 32]>,
    also: Vec<Secret<[u8; 32]>>,
}

/// A sealed secret: nonce, ciphertext and tag. It may lie anywhere; it says nothing without the [`SealingKey`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey(Vec<u8>);

/// A sealed value that does not open: another sealing key, another subscriber or field, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a sealed key does not open: wrong sealing key, wrong subscriber or damaged data")]
pub struct Unsealable;

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKey({} octets)", self.0.len())
    }
}

impl SealedKey {
    /// In hexadecimal digits, for a column of text.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Reads the form of [`SealedKey::to_hex`]. `None` when it is not of that form; whether it opens is another question.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        });
        pairs.collect::<Option<Vec<u8>>>().map(Self)
    }
}

impl SealingKey {
    /// A key from its octets.
    #[must_use]
    pub const fn from_octets(key: Secret<[u8; 32]>) -> Self {
        Self { own: key, also: Vec::new() }
    }

    /// Opens what another key sealed, too. It seals as before.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.also.push(other.own);
        self.also.extend(other.also);
        self
    }

    /// Whether other keys open with it: the key is being exchanged.
    #[must_use]
    pub fn is_in_exchange(&self) -> bool {
        !self.also.is_empty()
    }

    /// The key that seals alone, without those that only open.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self::from_octets(self.own.clone())
    }

    /// Its octets, for a copy that can be brought back where the key is lost. They seal everything: they go nowhere unencrypted.
    #[must_use]
    pub const fn octets(&self) -> &Secret<[u8; 32]> {
        &self.own
    }

    /// Seals a secret of a subscriber. `nonce` must be drawn at random for each call.
    #[must_use]
    pub fn seal(&self, imsi: Imsi, field: &str, nonce: [u8; NONCE], secret: &[u8]) -> SealedKey {
        let payload = Payload { msg: secret, aad: &associated(imsi, field) };
        // Sealing fails only for messages beyond 2^38 octets.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut octets = nonce.to_vec();
        octets.extend(sealed);
        SealedKey(octets)
    }

    /// Opens what [`SealingKey::seal`] made for the same subscriber and field.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub fn open(&self, imsi: Imsi, field: &str, sealed: &SealedKey) -> Result<Secret<Vec<u8>>, Unsealable> {
        let (nonce, ciphertext) = sealed.0.split_first_chunk::<NONCE>().ok_or(Unsealable)?;
        self.decrypt(*nonce, ciphertext, &associated(imsi, field))
    }

    /// Seals a secret that belongs to no subscriber alone; `name` says whose it is (`network/lab/subscribers/…`, `ca key`), and
    /// it opens only under that name. `nonce` must be drawn at random for each call.
    #[must_use]
    pub fn seal_named(&self, name: &str, nonce: [u8; NONCE], secret: &[u8]) -> SealedKey {
        let payload = Payload { msg: secret, aad: &associated_name(name) };
        // Sealing fails only for messages beyond 2^38 octets.
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut octets = nonce.to_vec();
        octets.extend(sealed);
        SealedKey(octets)
    }

    /// Opens what [`SealingKey::seal_named`] made under the same name.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub fn open_named(&self, name: &str, sealed: &SealedKey) -> Result<Secret<Vec<u8>>, Unsealable> {
        let (nonce, ciphertext) = sealed.0.split_first_chunk::<NONCE>().ok_or(Unsealable)?;
        self.decrypt(*nonce, ciphertext, &associated_name(name))
    }

    /// Opens a secret of a fixed length.
    ///
    /// # Errors
    /// [`Unsealable`], also when the secret has another length.
    pub fn open_array<const N: usize>(
        &self,
        imsi: Imsi,
        field: &str,
        sealed: &SealedKey,
    ) -> Result<Secret<[u8; N]>, Unsealable> {
        let opened = self.open(imsi, field, sealed)?;
        <[u8; N]>::try_from(opened.expose().as_slice()).map(Secret::new).map_err(|_| Unsealable)
    }

    #[cfg(test)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.own == other.own
    }

    fn decrypt(&self, nonce: [u8; NONCE], ciphertext: &[u8], bound_to: &[u8]) -> Result<Secret<Vec<u8>>, Unsealable> {
        let keys = core::iter::once(&self.own).chain(&self.also);
        let mut opened = keys.filter_map(|key| {
            let payload = Payload { msg: ciphertext, aad: bound_to };
            XChaCha20Poly1305::new(key.expose().into()).decrypt(&XNonce::from(nonce), payload).ok()
        });
        opened.next().map(Secret::new).ok_or(Unsealable)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.own.expose().into())
    }
}

/// What a sealed value is bound to. The IMSI has no separator in it, so the two parts cannot run into each other.
fn associated(imsi: Imsi, field: &str) -> Vec<u8> {
    format!("basalt sealed key v1/{imsi}/{field}").into_bytes()
}

/// Another beginning than a subscriber's: the two kinds of values cannot be taken for each other.
fn associated_name(name: &str) -> Vec<u8> {
    format!("basalt sealed secret v1/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealingKey {
        SealingKey::from_octets(Secret::new([7; 32]))
    }

    fn imsi(text: &str) -> Imsi {
        text.parse().unwrap()
    }

    #[test]
    fn a_sealed_key_opens_only_where_it_belongs() {
        let who = imsi("001010000000001");
        let sealed = key().seal(who, "k", [1; NONCE], &[0x46; 16]);
        let opened = key().open_array::<16>(who, "k", &sealed).unwrap();
        assert!(opened.matches(&[0x46; 16]));
        assert!(key().open(imsi("001010000000002"), "k", &sealed).is_err());
        assert!(key().open(who, "opc", &sealed).is_err());
        assert!(key().open_array::<32>(who, "k", &sealed).is_err());
        let other = SealingKey::from_octets(Secret::new([8; 32]));
        assert!(other.open(who, "k", &sealed).is_err());
    }

    #[test]
    fn a_named_secret_opens_only_under_its_name_and_survives_text() {
        let sealed = key().seal_named("ca key", [1; NONCE], b"secret");
        let read = SealedKey::from_hex(&sealed.to_hex()).unwrap();
        assert_eq!(read, sealed);
        assert!(key().open_named("ca key", &read).unwrap().matches(b"secret"));
        assert!(key().open_named("other", &read).is_err());
        assert!(key().open(imsi("001010000000001"), "k", &read).is_err());
        assert_eq!(SealedKey::from_hex("0"), None);
        assert_eq!(SealedKey::from_hex("zz"), None);
    }

    #[test]
    fn any_changed_bit_is_noticed() {
        let who = imsi("001010000000001");
        let sealed = key().seal(who, "k", [1; NONCE], &[0x46; 16]);
        for at in 0..sealed.0.len() {
            let mut damaged = sealed.clone();
            damaged.0[at] ^= 1;
            assert_eq!(key().open(who, "k", &damaged), Err(Unsealable));
        }
        assert_eq!(key().open(who, "k", &SealedKey(Vec::new())), Err(Unsealable));
    }

    #[test]
    fn while_keys_are_exchanged_both_open_and_the_new_one_seals() {
        let (old, new) = (key(), SealingKey::from_octets(Secret::new([8; 32])));
        let before = old.seal_named("ca key", [1; NONCE], b"secret");
        let both = new.clone().and(old.clone());
        assert!(both.open_named("ca key", &before).unwrap().matches(b"secret"));
        let after = both.seal_named("ca key", [2; NONCE], b"secret");
        assert!(new.open_named("ca key", &after).is_ok() && old.open_named("ca key", &after).is_err());
        assert!(both.is_in_exchange() && !both.alone().is_in_exchange() && both.alone().is(&new));
        assert!(both.alone().open_named("ca key", &before).is_err());
    }

    #[test]
    fn the_key_is_not_in_the_sealed_octets_nor_in_debug() {
        let sealed = key().seal(imsi("001010000000001"), "k", [1; NONCE], &[0x46; 16]);
        assert!(!sealed.0.windows(4).any(|part| part == [0x46; 4]));
        assert_eq!(format!("{sealed:?} {:?}", key()), "SealedKey(56 octets) SealingKey(…)");
    }
}
