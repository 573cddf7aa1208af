//! Which code stands behind the algorithms: the real one, or a cheap double for simulators and fuzzers.

use crate::Secret;
use crate::algorithm::{Ciphering, Integrity};
use crate::nas::Direction;
use oxirush_security::NasCount;
use oxirush_security::nas_eps::{self, KAsme, KNasEnc, KNasInt};

/// What stands behind EEA1 to EEA3, EIA1 to EIA3 and the derivation of NAS keys.
///
/// It has no text form and cannot be deserialised, so that no configuration can hold it: a program must write the name of the
/// double in its source to get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Provider(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Kind {
    #[default]
    Standard,
    Null,
}

impl Provider {
    /// The algorithms of the specifications.
    pub const STANDARD: Self = Self(Kind::Standard);

    /// Functions of the same shape that protect nothing but still tell a changed message, count, direction or key from the
    /// right one: for simulators and fuzzers.
    #[must_use]
    pub const fn null_for_simulation() -> Self {
        Self(Kind::Null)
    }

    /// True for the double.
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self.0, Kind::Null)
    }

    /// K_NASint of an algorithm (TS 33.401 §A.7).
    pub(crate) fn integrity_key(self, kasme: &[u8; 32], algorithm: Integrity) -> Secret<[u8; 16]> {
        match self.0 {
            Kind::Standard => {
                let key = nas_eps::derive_knas_int(&KAsme::new(kasme), algorithm.into());
                Secret::new(*key.as_octets())
            }
            Kind::Null => double::key(kasme, 0x20 | algorithm.number()),
        }
    }

    /// K_NASenc of an algorithm (TS 33.401 §A.7).
    pub(crate) fn ciphering_key(self, kasme: &[u8; 32], algorithm: Ciphering) -> Secret<[u8; 16]> {
        match self.0 {
            Kind::Standard => {
                let key = nas_eps::derive_knas_enc(&KAsme::new(kasme), algorithm.into());
                Secret::new(*key.as_octets())
            }
            Kind::Null => double::key(kasme, 0x10 | algorithm.number()),
        }
    }

    /// MAC over sequence number and message (TS 33.401 §B.2).
    pub(crate) fn mac(
        self,
        key: &Secret<[u8; 16]>,
        algorithm: Integrity,
        count: NasCount,
        direction: Direction,
        message: &[u8],
    ) -> [u8; 4] {
        let mac = match (self.0, algorithm) {
            (Kind::Null, Integrity::Eia1 | Integrity::Eia2 | Integrity::Eia3) => {
                double::mac(key.expose(), count.get(), direction, message)
            }
            _ => nas_eps::nas_mac(&KNasInt::new(key.expose()), count, direction.into(), message, algorithm.into()),
        };
        mac.to_be_bytes()
    }

    /// Ciphers or deciphers in place (TS 33.401 §B.1).
    pub(crate) fn cipher(
        self,
        key: &Secret<[u8; 16]>,
        algorithm: Ciphering,
        count: NasCount,
        direction: Direction,
        data: &mut [u8],
    ) {
        match (self.0, algorithm) {
            (_, Ciphering::Eea0) => {}
            (Kind::Null, _) => double::cipher(key.expose(), count.get(), direction, data),
            (Kind::Standard, _) => {
                nas_eps::nas_cipher(&KNasEnc::new(key.expose()), count, direction.into(), data, algorithm.into())
            }
        }
    }
}

/// The cheap functions: one multiplication per eight octets.
mod double {
    use super::{Direction, Secret};

    fn mix(state: u64, word: u64) -> u64 {
        (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    }

    fn absorb(state: u64, octets: &[u8]) -> u64 {
        let (words, rest) = octets.as_chunks::<8>();
        let state = words.iter().fold(state, |state, word| mix(state, u64::from_le_bytes(*word)));
        let tail = rest.iter().fold(1u64, |tail, octet| tail << 8 | u64::from(*octet));
        mix(state, tail)
    }

    fn start(key: &[u8; 16], count: u32, direction: Direction) -> u64 {
        let input = u64::from(count) << 1 | u64::from(direction == Direction::Downlink);
        mix(absorb(0, key), input)
    }

    pub(super) fn key(kasme: &[u8; 32], purpose: u8) -> Secret<[u8; 16]> {
        let state = mix(absorb(0, kasme), u64::from(purpose));
        let pair = u128::from(state) << 64 | u128::from(mix(state, 1));
        Secret::new(pair.to_le_bytes())
    }

    pub(super) fn mac(key: &[u8; 16], count: u32, direction: Direction, message: &[u8]) -> u32 {
        let state = mix(absorb(start(key, count, direction), message), 2);
        u32::try_from(state >> 32).unwrap_or(0)
    }

    pub(super) fn cipher(key: &[u8; 16], count: u32, direction: Direction, data: &mut [u8]) {
        let mut state = mix(start(key, count, direction), 3);
        for block in data.chunks_mut(8) {
            for (octet, stream) in block.iter_mut().zip(state.to_le_bytes()) {
                *octet ^= stream;
            }
            state = mix(state, 4);
        }
    }
}
