//! PLMN identity, tracking area code and tracking area identity (TS 23.003 §2.2, §19.4.2).

use crate::InvalidId;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A public land mobile network: mobile country code and network code of two or three digits.
///
/// The octet forms differ for three-digit network codes: NAS, GTPv2 and Diameter put the third MNC digit into the second
/// octet (TS 24.008 §10.5.1.13), S1AP and NGAP put the digits in reading order (TS 36.413 §9.2.3.8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plmn {
    mcc: u16,
    mnc: u16,
    mnc_digits: u8,
}

impl Plmn {
    /// A PLMN from its numbers.
    ///
    /// # Errors
    /// [`InvalidId::Range`] when `mcc` > 999, `mnc_digits` is not 2 or 3, or `mnc` does not fit its digits.
    pub const fn new(mcc: u16, mnc: u16, mnc_digits: u8) -> Result<Self, InvalidId> {
        let fits = match mnc_digits {
            2 => mnc <= 99,
            3 => mnc <= 999,
            _ => false,
        };
        if mcc > 999 || !fits {
            return Err(InvalidId::Range);
        }
        Ok(Self { mcc, mnc, mnc_digits })
    }

    /// Mobile country code, 0 to 999.
    #[must_use]
    pub const fn mcc(self) -> u16 {
        self.mcc
    }

    /// Mobile network code, 0 to 999.
    #[must_use]
    pub const fn mnc(self) -> u16 {
        self.mnc
    }

    /// How many digits the network code is written with: 2 or 3.
    #[must_use]
    pub const fn mnc_digits(self) -> u8 {
        self.mnc_digits
    }

    /// The three octets of TS 24.008 §10.5.1.13 (NAS, GTPv2, Diameter).
    #[must_use]
    pub const fn to_nas(self) -> [u8; 3] {
        let [c1, c2, c3] = digits(self.mcc, 3);
        let [n1, n2, n3] = digits(self.mnc, self.mnc_digits);
        [c2 << 4 | c1, n3 << 4 | c3, n2 << 4 | n1]
    }

    /// Reads the form of [`Plmn::to_nas`].
    ///
    /// # Errors
    /// [`InvalidId::NotDigits`] when a nibble is no decimal digit (a filler is allowed only for the third MNC digit).
    pub const fn from_nas(octets: [u8; 3]) -> Result<Self, InvalidId> {
        let [a, b, c] = octets;
        Self::from_digits([a & 15, a >> 4, b & 15], [c & 15, c >> 4, b >> 4])
    }

    /// The three octets of TS 36.413 §9.2.3.8 (S1AP, NGAP).
    #[must_use]
    pub const fn to_s1ap(self) -> [u8; 3] {
        let [c1, c2, c3] = digits(self.mcc, 3);
        let [n1, n2, n3] = digits(self.mnc, self.mnc_digits);
        if self.mnc_digits == 2 {
            [c2 << 4 | c1, 0xf0 | c3, n2 << 4 | n1]
        } else {
            [c2 << 4 | c1, n1 << 4 | c3, n3 << 4 | n2]
        }
    }

    /// Reads the form of [`Plmn::to_s1ap`].
    ///
    /// # Errors
    /// [`InvalidId::NotDigits`] when a nibble is no decimal digit (a filler is allowed only in the place it has for
    /// two-digit network codes).
    pub const fn from_s1ap(octets: [u8; 3]) -> Result<Self, InvalidId> {
        let [a, b, c] = octets;
        let mcc = [a & 15, a >> 4, b & 15];
        if b >> 4 == 15 {
            Self::from_digits(mcc, [c & 15, c >> 4, 15])
        } else {
            Self::from_digits(mcc, [b >> 4, c & 15, c >> 4])
        }
    }

    const fn from_digits(mcc: [u8; 3], mnc: [u8; 3]) -> Result<Self, InvalidId> {
        let [c1, c2, c3] = mcc;
        let [n1, n2, n3] = mnc;
        if c1 > 9 || c2 > 9 || c3 > 9 || n1 > 9 || n2 > 9 || (n3 > 9 && n3 != 15) {
            return Err(InvalidId::NotDigits);
        }
        let mcc = c1 as u16 * 100 + c2 as u16 * 10 + c3 as u16;
        let two = n1 as u16 * 10 + n2 as u16;
        if n3 == 15 {
            Ok(Self { mcc, mnc: two, mnc_digits: 2 })
        } else {
            Ok(Self { mcc, mnc: two * 10 + n3 as u16, mnc_digits: 3 })
        }
    }
}

/// Decimal digits, most significant first; two-digit numbers get the filler 15 in the third place.
const fn digits(number: u16, count: u8) -> [u8; 3] {
    if count == 2 {
        [(number / 10 % 10) as u8, (number % 10) as u8, 15]
    } else {
        [(number / 100 % 10) as u8, (number / 10 % 10) as u8, (number % 10) as u8]
    }
}

impl fmt::Display for Plmn {
    /// `001-01`, `310-410`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{:0width$}", self.mcc, self.mnc, width = usize::from(self.mnc_digits))
    }
}

impl fmt::Debug for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Plmn {
    type Err = InvalidId;

    /// Reads `00101`, `001-01`, `001/01`, `310410`, `310-410`.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let digits: String = text.chars().filter(|c| !matches!(c, '-' | '/')).collect();
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidId::NotDigits);
        }
        let mnc_digits = match digits.len() {
            5 => 2,
            6 => 3,
            _ => return Err(InvalidId::Length),
        };
        let number = |s: &str| s.parse::<u16>().map_err(|_| InvalidId::Range);
        let (mcc, mnc) = digits.split_at(3);
        Self::new(number(mcc)?, number(mnc)?, mnc_digits)
    }
}

impl Serialize for Plmn {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { self.to_nas().serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Plmn {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        if d.is_human_readable() {
            String::deserialize(d)?
                .parse()
                .map_err(|e| D::Error::custom(format!("not a PLMN such as \"001-01\" or \"310-410\": {e}")))
        } else {
            Self::from_nas(<[u8; 3]>::deserialize(d)?).map_err(D::Error::custom)
        }
    }
}

/// Tracking area code of EPS, 16 bits. 0x0000 and 0xfffe are reserved for deleted areas (TS 23.003 §19.4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tac(pub u16);

impl fmt::Display for Tac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Tracking area identity: PLMN and tracking area code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tai {
    /// The network.
    pub plmn: Plmn,
    /// The area in it.
    pub tac: Tac,
}

impl fmt::Display for Tai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.plmn, self.tac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_digit_network_codes_have_two_octet_forms() {
        let plmn: Plmn = "310-410".parse().unwrap();
        assert_eq!(plmn.to_s1ap(), [0x13, 0x40, 0x01]);
        assert_eq!(plmn.to_nas(), [0x13, 0x00, 0x14]);
    }

    #[test]
    fn two_digit_network_codes_look_alike_in_both() {
        let plmn: Plmn = "00101".parse().unwrap();
        assert_eq!(plmn.to_nas(), [0x00, 0xf1, 0x10]);
        assert_eq!(plmn.to_s1ap(), plmn.to_nas());
    }

    #[test]
    fn a_leading_zero_keeps_its_digit_count() {
        let three: Plmn = "310-012".parse().unwrap();
        let two: Plmn = "310-12".parse().unwrap();
        assert_ne!(three, two);
        assert_eq!(three.to_string(), "310-012");
    }

    #[test]
    fn nibbles_above_nine_are_refused() {
        assert!(Plmn::from_nas([0x1a, 0xf1, 0x10]).is_err());
        assert!(Plmn::from_s1ap([0x00, 0xf1, 0xf0]).is_err());
    }

    proptest! {
        #[test]
        fn both_forms_round_trip(mcc in 0u16..1000, mnc in 0u16..1000, three in any::<bool>()) {
            let (mnc, digits) = if three { (mnc, 3) } else { (mnc % 100, 2) };
            let plmn = Plmn::new(mcc, mnc, digits).unwrap();
            prop_assert_eq!(Plmn::from_nas(plmn.to_nas()).unwrap(), plmn);
            prop_assert_eq!(Plmn::from_s1ap(plmn.to_s1ap()).unwrap(), plmn);
            prop_assert_eq!(plmn.to_string().parse::<Plmn>().unwrap(), plmn);
        }
    }
}
