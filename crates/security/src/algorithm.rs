//! Algorithms of EPS and the choice among them (TS 33.401 §5.1.3.2, §5.1.4.2, §7.2.4.3.1).

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Ciphering algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ciphering {
    /// No ciphering.
    Eea0,
    /// SNOW 3G.
    Eea1,
    /// AES in counter mode.
    Eea2,
    /// ZUC.
    Eea3,
}

/// Integrity algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Integrity {
    /// No integrity protection. It can be named, so that a phone's list can be read and a test phone can offer it; a network's
    /// order of algorithms never holds it and a network's context never verifies with it.
    Eia0,
    /// SNOW 3G.
    Eia1,
    /// AES-CMAC.
    Eia2,
    /// ZUC.
    Eia3,
}

macro_rules! numbered {
    ($name:ident { $($variant:ident = $number:literal),* }) => {
        impl $name {
            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The algorithm of a number; `None` for 4 and above.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// True when capability octet `bits` has this algorithm: algorithm 0 is the highest bit.
            #[must_use]
            pub const fn is_in(self, bits: u8) -> bool {
                bits & (0x80 >> self.number()) != 0
            }
        }
    };
}
numbered!(Ciphering { Eea0 = 0, Eea1 = 1, Eea2 = 2, Eea3 = 3 });
numbered!(Integrity { Eia0 = 0, Eia1 = 1, Eia2 = 2, Eia3 = 3 });

impl From<Ciphering> for oxirush_security::CipheringAlgorithm {
    fn from(algorithm: Ciphering) -> Self {
        match algorithm {
            Ciphering::Eea0 => Self::EEA0,
            Ciphering::Eea1 => Self::EEA1,
            Ciphering::Eea2 => Self::EEA2,
            Ciphering::Eea3 => Self::EEA3,
        }
    }
}

impl From<Integrity> for oxirush_security::IntegrityAlgorithm {
    fn from(algorithm: Integrity) -> Self {
        match algorithm {
            Integrity::Eia0 => Self::EIA0,
            Integrity::Eia1 => Self::EIA1,
            Integrity::Eia2 => Self::EIA2,
            Integrity::Eia3 => Self::EIA3,
        }
    }
}

/// A chosen pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Algorithms {
    /// Ciphering.
    pub ciphering: Ciphering,
    /// Integrity.
    pub integrity: Integrity,
}

/// An operator's algorithms, most wanted first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlgorithmOrder {
    ciphering: Vec<Ciphering>,
    integrity: Vec<Integrity>,
}

/// Why a list of algorithms cannot be an operator's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OrderError {
    /// A list is empty.
    #[error("at least one ciphering and one integrity algorithm are needed")]
    Empty,
    /// A number without algorithm.
    #[error("{0} is no algorithm number (0 to 3)")]
    Unknown(u8),
    /// An algorithm stands twice.
    #[error("algorithm {0} stands twice")]
    Twice(u8),
    /// Null integrity.
    #[error("EIA0 gives no protection and cannot be allowed")]
    NullIntegrity,
}

/// A UE and the operator have no algorithm in common: EMM cause #23.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the UE supports none of the allowed algorithms")]
pub struct NoCommonAlgorithm;

impl Default for AlgorithmOrder {
    /// AES, SNOW 3G, ZUC; no ciphering as the last resort, integrity always.
    fn default() -> Self {
        Self {
            ciphering: vec![Ciphering::Eea2, Ciphering::Eea1, Ciphering::Eea3, Ciphering::Eea0],
            integrity: vec![Integrity::Eia2, Integrity::Eia1, Integrity::Eia3],
        }
    }
}

impl AlgorithmOrder {
    /// An order from algorithm numbers.
    ///
    /// # Errors
    /// [`OrderError`]: empty lists, unknown or repeated numbers, and integrity 0, which is never allowed.
    pub fn new(ciphering: &[u8], integrity: &[u8]) -> Result<Self, OrderError> {
        if ciphering.is_empty() || integrity.is_empty() {
            return Err(OrderError::Empty);
        }
        if integrity.contains(&0) {
            return Err(OrderError::NullIntegrity);
        }
        for list in [ciphering, integrity] {
            for (at, number) in list.iter().enumerate() {
                if list.iter().take(at).any(|earlier| earlier == number) {
                    return Err(OrderError::Twice(*number));
                }
            }
        }
        let known = |number: &u8| Ciphering::from_number(*number).ok_or(OrderError::Unknown(*number));
        let known_integrity = |number: &u8| Integrity::from_number(*number).ok_or(OrderError::Unknown(*number));
        Ok(Self {
            ciphering: ciphering.iter().map(known).collect::<Result<_, _>>()?,
            integrity: integrity.iter().map(known_integrity).collect::<Result<_, _>>()?,
        })
    }

    /// The most wanted algorithms that the UE has. `eea` and `eia` are the octets of its capability.
    ///
    /// # Errors
    /// [`NoCommonAlgorithm`] when there are none; a UE that offers only EIA0 has none.
    pub fn select(&self, eea: u8, eia: u8) -> Result<Algorithms, NoCommonAlgorithm> {
        let ciphering = self.ciphering.iter().find(|wanted| wanted.is_in(eea));
        let integrity = self.integrity.iter().find(|wanted| wanted.is_in(eia));
        match (ciphering, integrity) {
            (Some(&ciphering), Some(&integrity)) => Ok(Algorithms { ciphering, integrity }),
            _ => Err(NoCommonAlgorithm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_wants_aes_and_falls_back() {
        let order = AlgorithmOrder::default();
        let pick = |eea, eia| {
            let chosen = order.select(eea, eia)?;
            Ok((chosen.ciphering.number(), chosen.integrity.number()))
        };
        assert_eq!(pick(0xf0, 0xf0), Ok((2, 2)));
        assert_eq!(pick(0xc0, 0xc0), Ok((1, 1)));
        assert_eq!(pick(0x90, 0x90), Ok((3, 3)));
        assert_eq!(pick(0x80, 0x20), Ok((0, 2)));
        assert_eq!(pick(0xf0, 0x80), Err(NoCommonAlgorithm));
        assert_eq!(pick(0x00, 0xf0), Err(NoCommonAlgorithm));
    }

    #[test]
    fn an_operator_orders_but_cannot_allow_null_integrity() {
        let order = AlgorithmOrder::new(&[3, 0], &[3]).unwrap();
        let chosen = order.select(0xff, 0xff).unwrap();
        assert_eq!((chosen.ciphering, chosen.integrity), (Ciphering::Eea3, Integrity::Eia3));
        assert_eq!(AlgorithmOrder::new(&[2], &[2, 0]), Err(OrderError::NullIntegrity));
        assert_eq!(AlgorithmOrder::new(&[2], &[]), Err(OrderError::Empty));
        assert_eq!(AlgorithmOrder::new(&[4], &[2]), Err(OrderError::Unknown(4)));
        assert_eq!(AlgorithmOrder::new(&[2, 2], &[2]), Err(OrderError::Twice(2)));
    }
}
