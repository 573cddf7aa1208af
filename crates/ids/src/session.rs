//! Identities of sessions, bearers and tunnels.

use crate::InvalidId;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Tunnel endpoint identifier of GTP (TS 29.281 §5.1). Zero is used by path messages only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Teid(pub u32);

impl fmt::Display for Teid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// EPS bearer identity, 1 to 15; a network uses 5 to 15 unless it supports 15 bearers (TS 24.007 §11.2.3.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ebi(u8);

impl Ebi {
    /// The first one a network gives to a default bearer.
    pub const FIRST: Ebi = Ebi(5);

    /// A bearer identity.
    ///
    /// # Errors
    /// [`InvalidId::Range`] for 0 and above 15.
    pub const fn new(value: u8) -> Result<Self, InvalidId> {
        if value == 0 || value > 15 { Err(InvalidId::Range) } else { Ok(Self(value)) }
    }

    /// The number, 1 to 15.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// Procedure transaction identity of ESM and 5GSM: 0 means none, 1 to 254 are transactions, 255 is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pti(pub u8);

/// QoS class identifier (TS 23.203 table 6.1.7), 1 to 254.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Qci(pub u8);

/// PDU session identity of 5GS, 1 to 15 (TS 24.007 §11.2.3.1b).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PduSessionId(pub u8);

/// Access point name (the data network name of 5GS): labels of letters, digits and hyphens, at most 100 octets on the wire
/// (TS 23.003 §9.1). Compared without regard to case; kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Apn(Box<str>);

impl Apn {
    /// The name in lower case, labels separated by dots.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The network identifier: the name without an operator identifier (`.mncNNN.mccNNN.gprs`, TS 23.003 §9.1.2).
    #[must_use]
    pub fn network_identifier(&self) -> Apn {
        let labels: Vec<&str> = self.0.split('.').collect();
        match labels.as_slice() {
            [network @ .., mnc, mcc, "gprs"]
                if !network.is_empty() && mnc.starts_with("mnc") && mcc.starts_with("mcc") =>
            {
                Apn(network.join(".").into())
            }
            _ => self.clone(),
        }
    }
}

impl FromStr for Apn {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // One length octet stands before each label, so the wire form is one longer than the text.
        if text.is_empty() || text.len() + 1 > 100 {
            return Err(InvalidId::Length);
        }
        for label in text.split('.') {
            if label.is_empty() || label.len() > 63 {
                return Err(InvalidId::Length);
            }
            if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return Err(InvalidId::Range);
            }
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for Apn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Apn {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Apn {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        String::deserialize(d)?.parse().map_err(|e| D::Error::custom(format!("not an access point name: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_identifier_is_dropped() {
        let apn: Apn = "Internet.mnc001.mcc001.gprs".parse().unwrap();
        assert_eq!(apn.network_identifier().as_str(), "internet");
        let plain: Apn = "ims".parse().unwrap();
        assert_eq!(plain.network_identifier(), plain);
    }

    #[test]
    fn names_with_spaces_or_empty_labels_are_refused() {
        assert!("inter net".parse::<Apn>().is_err());
        assert!("a..b".parse::<Apn>().is_err());
        assert!("".parse::<Apn>().is_err());
    }
}
