//! Identities of a subscriber (TS 23.003 §2.2, §3.3): digits packed into 64 bits, masked in `Debug`.

use crate::{InvalidId, Plmn};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Up to 15 decimal digits with their count: leading zeros matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digits {
    len: u8,
    value: u64,
}

impl Digits {
    pub(crate) const fn new(value: u64, len: u8) -> Result<Self, InvalidId> {
        if len == 0 || len > 16 {
            return Err(InvalidId::Length);
        }
        if value >= 10u64.pow(len as u32) {
            return Err(InvalidId::Range);
        }
        Ok(Self { len, value })
    }

    pub(crate) fn parse(text: &str, min: usize, max: usize) -> Result<Self, InvalidId> {
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidId::NotDigits);
        }
        if text.len() < min || text.len() > max {
            return Err(InvalidId::Length);
        }
        let len = u8::try_from(text.len()).map_err(|_| InvalidId::Length)?;
        Self::new(text.parse().map_err(|_| InvalidId::Range)?, len)
    }

    pub(crate) const fn len(self) -> u8 {
        self.len
    }

    /// The digit at `index` (0 = first written), 0 to 9; 0 beyond the end.
    pub(crate) const fn digit(self, index: u8) -> u8 {
        if index >= self.len {
            return 0;
        }
        (self.value / 10u64.pow((self.len - 1 - index) as u32) % 10) as u8
    }

    pub(crate) fn masked(self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        if text.len() <= 9 {
            return write!(f, "{name}(…)");
        }
        write!(f, "{name}({}…{})", &text[..5], &text[text.len() - 4..])
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value, width = usize::from(self.len))
    }
}

macro_rules! digit_identity {
    ($name:ident, $min:expr, $max:expr, $what:literal) => {
        impl $name {
            /// How many digits it has.
            #[must_use]
            pub const fn len(self) -> u8 {
                self.0.len()
            }

            /// Never true: an identity has at least one digit.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                false
            }

            /// The digit at `index`, counted from the first written one; 0 beyond the end.
            #[must_use]
            pub const fn digit(self, index: u8) -> u8 {
                self.0.digit(index)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                $crate::subscriber::Digits::parse(text, $min, $max).map(Self)
            }
        }

        impl fmt::Display for $name {
            /// The whole identity in clear: for storage and for the operator who asks, never for logs.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.masked(stringify!($name), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                String::deserialize(d)?
                    .parse()
                    .map_err(|e| D::Error::custom(format!(concat!("not ", $what, ": {}"), e)))
            }
        }
    };
}
pub(crate) use digit_identity;

/// International mobile subscriber identity: 6 to 15 digits. `Debug` masks it, `Display` does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imsi(Digits);
digit_identity!(Imsi, 6, 15, "an IMSI (6 to 15 digits)");

impl Imsi {
    /// An IMSI from its number and digit count.
    ///
    /// # Errors
    /// [`InvalidId::Length`] outside 6 to 15 digits, [`InvalidId::Range`] when the number does not fit.
    pub const fn new(value: u64, len: u8) -> Result<Self, InvalidId> {
        if len < 6 || len > 15 {
            return Err(InvalidId::Length);
        }
        match Digits::new(value, len) {
            Ok(digits) => Ok(Self(digits)),
            Err(error) => Err(error),
        }
    }

    /// The number without its digit count.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0.value
    }

    /// True when the leading digits are those of `plmn`.
    #[must_use]
    pub fn belongs_to(self, plmn: Plmn) -> bool {
        let mcc = u16::from(self.digit(0)) * 100 + u16::from(self.digit(1)) * 10 + u16::from(self.digit(2));
        let mnc = (0..plmn.mnc_digits()).fold(0u16, |n, i| n * 10 + u16::from(self.digit(3 + i)));
        mcc == plmn.mcc() && mnc == plmn.mnc()
    }

    /// The home network, told how many digits its network code has (2 or 3).
    ///
    /// # Errors
    /// [`InvalidId::Range`] for another digit count.
    pub fn home_plmn(self, mnc_digits: u8) -> Result<Plmn, InvalidId> {
        let mcc = u16::from(self.digit(0)) * 100 + u16::from(self.digit(1)) * 10 + u16::from(self.digit(2));
        let mnc = (0..mnc_digits.min(3)).fold(0u16, |n, i| n * 10 + u16::from(self.digit(3 + i)));
        Plmn::new(mcc, mnc, mnc_digits)
    }
}

/// Telephone number in international form without `+`: 3 to 15 digits (E.164). Masked in `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msisdn(Digits);
digit_identity!(Msisdn, 3, 15, "an MSISDN (3 to 15 digits)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_survive_text() {
        let imsi: Imsi = "001010000000001".parse().unwrap();
        assert_eq!(imsi.to_string(), "001010000000001");
        assert_eq!(imsi.digit(3), 0);
        assert_eq!(imsi.digit(14), 1);
        assert_eq!(imsi.digit(15), 0);
    }

    #[test]
    fn debug_shows_neither_all_of_an_imsi_nor_of_a_number() {
        let imsi: Imsi = "310410123456789".parse().unwrap();
        assert_eq!(format!("{imsi:?}"), "Imsi(31041…6789)");
        let number: Msisdn = "34600123".parse().unwrap();
        assert_eq!(format!("{number:?}"), "Msisdn(…)");
    }

    #[test]
    fn membership_counts_network_digits() {
        let imsi: Imsi = "310410123456789".parse().unwrap();
        assert!(imsi.belongs_to("310-410".parse().unwrap()));
        assert!(imsi.belongs_to("310-41".parse().unwrap()));
        assert!(!imsi.belongs_to("310-411".parse().unwrap()));
        assert_eq!(imsi.home_plmn(3).unwrap(), "310-410".parse().unwrap());
    }

    #[test]
    fn letters_and_lengths_are_refused() {
        assert_eq!("00101x000000001".parse::<Imsi>(), Err(InvalidId::NotDigits));
        assert_eq!("0010100000000011".parse::<Imsi>(), Err(InvalidId::Length));
        assert_eq!("".parse::<Imsi>(), Err(InvalidId::Length));
    }
}
