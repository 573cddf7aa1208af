//! A NAS security context: keys, algorithms and counts of one UE, on either side of the air.
//!
//! Each NAS COUNT is used once: a sender never sends two messages with one count, a receiver never accepts one twice. A sender
//! that survives crashes reserves counts in windows: it stores the context with a bound that it has not reached, and after a
//! crash goes on at the bound.

use super::{Direction, Protection, Verified};
use crate::Secret;
use crate::algorithm::{Algorithms, Integrity};
use crate::keys::{self, AccessKeyChain};
use crate::provider::Provider;
use oxirush_security::NasCount;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Which end of the air this context belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The network: sends downlink.
    Network,
    /// The UE: sends uplink.
    Ue,
}

/// One past the last NAS COUNT.
const END: u32 = 1 << 24;
/// From here on new keys are due: 65 536 messages before the end (TS 24.301 §4.4.3.5).
const NEW_KEYS_DUE: u32 = END - 0x1_0000;
/// Counts that a new context may use before it is stored first.
const FIRST_WINDOW: u32 = 64;
/// Octets before the payload: header, MAC, sequence number.
const ENVELOPE: usize = 6;
/// Protocol discriminator of EMM.
const EMM: u8 = 7;

/// Keys, algorithms and counts of one UE. Serialisable, so that it can be stored; `Debug` shows no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NasSecurityContext {
    side: Side,
    ksi: u8,
    algorithms: Algorithms,
    #[serde(with = "stored_provider")]
    provider: Provider,
    kasme: Secret<[u8; 32]>,
    integrity_key: Secret<[u8; 16]>,
    ciphering_key: Secret<[u8; 16]>,
    /// Count of the next message sent.
    send_next: u32,
    /// Counts below this one may be used without storing the context again.
    send_reserved: u32,
    /// Lowest count still accepted.
    receive_next: u32,
}

/// Why a message cannot be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProtectError {
    /// All counts are used: new keys are needed.
    #[error("all NAS counts of these keys are used")]
    CountExhausted,
    /// The reserved window is used up: reserve, store, then send.
    #[error("no NAS count is reserved")]
    NotReserved,
}

/// Why a message is not what it claims to be. The context is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// Not the octets of a protected message of a kind that can be checked.
    #[error("not a protected message")]
    Malformed,
    /// The MAC is wrong: forged, damaged, replayed, or made with other keys.
    #[error("the message authentication code is wrong")]
    Mac,
    /// The count would be beyond the last one: new keys are needed.
    #[error("all NAS counts of these keys are used")]
    CountExhausted,
    /// The context has null integrity, which proves nothing.
    #[error("null integrity proves nothing")]
    NullIntegrity,
}

impl NasSecurityContext {
    /// A context of fresh keys: both counts start at zero (TS 33.401 §6.5, TS 24.301 §4.4.3.1). A network may send the first 64
    /// messages before it stores the context; a UE keeps its counts in itself and needs no reservation.
    #[must_use]
    pub fn new(side: Side, ksi: u8, kasme: Secret<[u8; 32]>, algorithms: Algorithms, provider: Provider) -> Self {
        Self {
            side,
            ksi: ksi & 7,
            algorithms,
            provider,
            integrity_key: provider.integrity_key(kasme.expose(), algorithms.integrity),
            ciphering_key: provider.ciphering_key(kasme.expose(), algorithms.ciphering),
            kasme,
            send_next: 0,
            send_reserved: match side {
                Side::Network => FIRST_WINDOW,
                Side::Ue => END,
            },
            receive_next: 0,
        }
    }

    /// The same keys with other algorithms; the counts go on.
    pub fn change_algorithms(&mut self, algorithms: Algorithms) {
        self.integrity_key = self.provider.integrity_key(self.kasme.expose(), algorithms.integrity);
        self.ciphering_key = self.provider.ciphering_key(self.kasme.expose(), algorithms.ciphering);
        self.algorithms = algorithms;
    }

    /// Key set identifier, 0 to 6.
    #[must_use]
    pub const fn ksi(&self) -> u8 {
        self.ksi
    }

    /// The chosen algorithms.
    #[must_use]
    pub const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// K_ASME.
    #[must_use]
    pub const fn kasme(&self) -> &Secret<[u8; 32]> {
        &self.kasme
    }

    /// Count of the next message sent.
    #[must_use]
    pub const fn send_count(&self) -> u32 {
        self.send_next
    }

    /// Lowest count that is still accepted: one more than that of the last message verified.
    #[must_use]
    pub const fn receive_count(&self) -> u32 {
        self.receive_next
    }

    /// How many messages can be sent before the next [`NasSecurityContext::reserve`].
    #[must_use]
    pub const fn reserved_left(&self) -> u32 {
        self.send_reserved.saturating_sub(self.send_next)
    }

    /// Makes sure that `window` messages can be sent; after it the context is to be stored before any of them leaves. Returns
    /// true when the bound moved, that is, when there is something to store.
    pub fn reserve(&mut self, window: u32) -> bool {
        let bound = self.send_next.saturating_add(window).min(END);
        let moves = bound > self.send_reserved;
        if moves {
            self.send_reserved = bound;
        }
        moves
    }

    /// Goes on after a restart from a stored context: counts that may have been used since it was stored are skipped. The
    /// caller reserves and stores before it sends.
    pub fn resume(&mut self) {
        self.send_next = self.send_next.max(self.send_reserved);
    }

    /// True when one of the counts is so near its end that the UE should be authenticated again (TS 24.301 §4.4.3.5).
    #[must_use]
    pub const fn new_keys_due(&self) -> bool {
        self.send_next >= NEW_KEYS_DUE || self.receive_next >= NEW_KEYS_DUE
    }

    /// The message in its envelope, ciphered when `protection` says so, with the next count.
    ///
    /// # Errors
    /// [`ProtectError`]; no count is used then.
    pub fn protect(&mut self, protection: Protection, message: &[u8]) -> Result<Vec<u8>, ProtectError> {
        let count = self.take_count()?;
        let direction = self.sends();
        let mut out = Vec::with_capacity(ENVELOPE + message.len());
        out.extend([protection.code() << 4 | EMM, 0, 0, 0, 0, count.sequence_number()]);
        out.extend_from_slice(message);
        if protection.is_ciphered() {
            let payload = out.get_mut(ENVELOPE..).unwrap_or_default();
            self.provider.cipher(&self.ciphering_key, self.algorithms.ciphering, count, direction, payload);
        }
        let covered = out.get(ENVELOPE - 1..).unwrap_or_default();
        let mac = self.mac(count, direction, covered);
        if let Some(place) = out.get_mut(1..ENVELOPE - 1) {
            place.copy_from_slice(&mac);
        }
        Ok(out)
    }

    /// SERVICE REQUEST with its short MAC (TS 24.301 §8.2.25), with the next count. For a UE.
    ///
    /// # Errors
    /// [`ProtectError`]; no count is used then.
    pub fn protect_service_request(&mut self) -> Result<[u8; 4], ProtectError> {
        let count = self.take_count()?;
        let second = self.ksi << 5 | count.sequence_number() & 0x1f;
        let first = Protection::ServiceRequest.code() << 4 | EMM;
        let [_, _, high, low] = self.mac(count, self.sends(), &[first, second]);
        Ok([first, second, high, low])
    }

    /// Checks a message with its envelope and deciphers it. A count is accepted once.
    ///
    /// # Errors
    /// [`VerifyError`]; the context is unchanged then.
    pub fn verify(&mut self, octets: &[u8]) -> Result<Verified<Vec<u8>>, VerifyError> {
        self.check_integrity_is_real()?;
        let (&[first, m1, m2, m3, m4, sequence], payload) =
            octets.split_first_chunk::<ENVELOPE>().ok_or(VerifyError::Malformed)?;
        let protection =
            Protection::of_envelope(first >> 4).filter(|_| first & 0x0f == EMM).ok_or(VerifyError::Malformed)?;
        let count = self.expect(sequence, 8)?;
        let direction = self.receives();
        let covered = octets.get(ENVELOPE - 1..).unwrap_or_default();
        let expected = self.mac(count, direction, covered);
        if !bool::from(expected.ct_eq(&[m1, m2, m3, m4])) {
            return Err(VerifyError::Mac);
        }
        let mut plain = payload.to_vec();
        if protection.is_ciphered() {
            self.provider.cipher(&self.ciphering_key, self.algorithms.ciphering, count, direction, &mut plain);
        }
        self.receive_next = count.get() + 1;
        Ok(Verified::new(plain, count.get(), protection))
    }

    /// Deciphers a message that these keys protected lately, in either direction, and changes nothing: for a trace of what was said.
    /// `None` when its MAC is not of these keys, or when it is older than the last 256 of its direction.
    #[must_use]
    pub fn read(&self, octets: &[u8], sent: bool) -> Option<Vec<u8>> {
        let (&[first, m1, m2, m3, m4, sequence], payload) = octets.split_first_chunk::<ENVELOPE>()?;
        let protection = Protection::of_envelope(first >> 4).filter(|_| first & 0x0f == EMM)?;
        let (next, direction) =
            if sent { (self.send_next, self.sends()) } else { (self.receive_next, self.receives()) };
        // The last count with that sequence number that was used.
        let last = next.checked_sub(1)?;
        let back = (last as u8).wrapping_sub(sequence);
        let count = NasCount::new(last.checked_sub(back.into())?).ok()?;
        let covered = octets.get(ENVELOPE - 1..)?;
        if !bool::from(self.mac(count, direction, covered).ct_eq(&[m1, m2, m3, m4])) {
            return None;
        }
        let mut plain = payload.to_vec();
        if protection.is_ciphered() {
            self.provider.cipher(&self.ciphering_key, self.algorithms.ciphering, count, direction, &mut plain);
        }
        Some(plain)
    }

    /// Checks a SERVICE REQUEST by its short MAC (TS 24.301 §4.4.3.3, §9.9.3.28). A count is accepted once. The octet of key
    /// set and sequence number is the proven content; a phone that names another key set but proves this one (there are such)
    /// is not refused here.
    ///
    /// # Errors
    /// [`VerifyError`]; the context is unchanged then.
    pub fn verify_service_request(&mut self, octets: &[u8]) -> Result<Verified<u8>, VerifyError> {
        self.check_integrity_is_real()?;
        let &[first, second, high, low] = octets else {
            return Err(VerifyError::Malformed);
        };
        if first & 0x0f != EMM || first >> 4 < Protection::ServiceRequest.code() {
            return Err(VerifyError::Malformed);
        }
        let count = self.expect(second, 5)?;
        let [_, _, expected @ ..] = self.mac(count, self.receives(), &[first, second]);
        if !bool::from(expected.ct_eq(&[high, low])) {
            return Err(VerifyError::Mac);
        }
        self.receive_next = count.get() + 1;
        Ok(Verified::new(second, count.get(), Protection::ServiceRequest))
    }

    /// K_eNB for the radio, from the uplink count of the message that asked for it, and the chain of next hop keys after it
    /// (TS 33.401 §A.3, §7.2.8.1).
    #[must_use]
    pub fn access_keys(&self, uplink_count: u32) -> AccessKeyChain {
        AccessKeyChain::new(&self.kasme, uplink_count)
    }

    /// The next key of the chain, at a handover (TS 33.401 §A.4).
    pub fn advance(&self, chain: &mut AccessKeyChain) {
        keys::advance(&self.kasme, chain);
    }

    fn mac(&self, count: NasCount, direction: Direction, covered: &[u8]) -> [u8; 4] {
        self.provider.mac(&self.integrity_key, self.algorithms.integrity, count, direction, covered)
    }

    fn take_count(&mut self) -> Result<NasCount, ProtectError> {
        let count = NasCount::new(self.send_next).map_err(|_| ProtectError::CountExhausted)?;
        if self.send_next >= self.send_reserved {
            return Err(ProtectError::NotReserved);
        }
        self.send_next += 1;
        Ok(count)
    }

    /// The lowest count still accepted that ends in the `bits` low bits of `sequence` (TS 24.301 §4.4.3.1). A count that was
    /// accepted before cannot come out, so a replayed message is checked with a count it was not made with.
    fn expect(&self, sequence: u8, bits: u32) -> Result<NasCount, VerifyError> {
        NasCount::new(self.receive_next)
            .and_then(|lowest| lowest.estimate_from_low_bits(sequence, bits))
            .map_err(|_| VerifyError::CountExhausted)
    }

    fn check_integrity_is_real(&self) -> Result<(), VerifyError> {
        match (self.algorithms.integrity, self.side) {
            (Integrity::Eia0, Side::Network) => Err(VerifyError::NullIntegrity),
            _ => Ok(()),
        }
    }

    const fn sends(&self) -> Direction {
        match self.side {
            Side::Network => Direction::Downlink,
            Side::Ue => Direction::Uplink,
        }
    }

    const fn receives(&self) -> Direction {
        match self.side {
            Side::Network => Direction::Uplink,
            Side::Ue => Direction::Downlink,
        }
    }
}

/// A stored context says whether it is a simulator's. [`Provider`] itself has no stored form, so that no configuration has one.
mod stored_provider {
    use super::Provider;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(provider: &Provider, s: S) -> Result<S::Ok, S::Error> {
        provider.is_null().serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Provider, D::Error> {
        Ok(if bool::deserialize(d)? { Provider::null_for_simulation() } else { Provider::STANDARD })
    }
}

#[cfg(test)]
mod tests;
