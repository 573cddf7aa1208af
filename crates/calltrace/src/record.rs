//! A recorded message, and its form on the way: one line of JSON each.

use crate::redact;
use core::net::SocketAddr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Octets of a message that are kept; none of these protocols has longer ones in practice.
pub(crate) const LONGEST: usize = 60_000;

/// What a message is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// S1AP (TS 36.413), between base station and gateway.
    S1ap,
    /// NAS of EPS (TS 24.301), deciphered, between phone and gateway.
    Nas,
    /// Diameter (RFC 6733), between federation gateway and a home network.
    Diameter,
}

/// One message, its keys taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was received or sent, microseconds since 1970 UTC, by the clock of who recorded it.
    pub at: u64,
    /// What it is written in.
    pub protocol: Protocol,
    /// It was sent by who recorded it, not received.
    pub sent: bool,
    /// Who recorded it: the name of a gateway or federation gateway.
    #[serde(default)]
    pub node: String,
    /// The other side: a base station (`001-01/0x19b`), or the host of a Diameter peer. Empty when it is not known.
    #[serde(default)]
    pub peer: String,
    /// The phone that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// Address of who recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<SocketAddr>,
    /// Address of the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<SocketAddr>,
    /// Number of the association at the gateway.
    #[serde(default)]
    pub link: u32,
    /// SCTP stream.
    #[serde(default)]
    pub stream: u16,
    /// eNB UE S1AP ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enb_ue: Option<u32>,
    /// MME UE S1AP ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mme_ue: Option<u32>,
    /// The message.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    octets: Vec<u8>,
}

impl Record {
    /// A record of a message whose keys are taken out here.
    #[must_use]
    pub fn new(at: u64, protocol: Protocol, sent: bool, octets: Vec<u8>) -> Self {
        let octets = match protocol {
            Protocol::S1ap => redact::s1ap(octets),
            Protocol::Nas => redact::nas(octets, sent),
            Protocol::Diameter => redact::diameter(octets),
        };
        let octets = octets.into_iter().take(LONGEST).collect();
        Self {
            at,
            protocol,
            sent,
            node: String::new(),
            peer: String::new(),
            imsi: None,
            ours: None,
            theirs: None,
            link: 0,
            stream: 0,
            enb_ue: None,
            mme_ue: None,
            octets,
        }
    }

    /// The message, its keys taken out.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// What it takes in memory and on the way, octets.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.octets.len() * 2 + 256
    }

    /// As a line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// The UE association that it is part of.
    pub(crate) fn association(&self) -> Option<(u32, u32)> {
        Some((self.link, self.enb_ue?))
    }
}

/// A line that says how many messages a buffer has dropped since the one before.
#[derive(Serialize, Deserialize)]
struct Gap {
    dropped: u64,
}

/// The line that says that messages were dropped here.
#[must_use]
pub fn gap(dropped: u64) -> String {
    format!("{{\"dropped\":{dropped}}}\n")
}

/// Reads lines: records, and how many messages were dropped between them. A line that cannot be read, such as the beginning of one
/// that is still on its way, is passed over.
#[must_use]
pub fn parse(lines: &[u8]) -> (Vec<Record>, u64) {
    let (mut records, mut dropped) = (Vec::new(), 0_u64);
    for line in lines.split(|octet| *octet == b'\n') {
        if let Ok(record) = serde_json::from_slice::<Record>(line) {
            records.push(record);
        } else if let Ok(gap) = serde_json::from_slice::<Gap>(line) {
            dropped = dropped.saturating_add(gap.dropped);
        }
    }
    (records, dropped)
}

pub(crate) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS.get(usize::from(value)).copied().unwrap_or(b'0'));
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}

fn to_hex<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex(octets))
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    if text.len() > 2 * LONGEST || text.len() % 2 != 0 {
        return Err(de::Error::custom("not octets of a message"));
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
    let octet = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    let octets: Option<Vec<u8>> = text.as_bytes().chunks(2).map(octet).collect();
    octets.ok_or_else(|| de::Error::custom("not hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written_and_rubbish_is_passed_over() {
        let mut record = Record::new(5, Protocol::Nas, true, vec![7, 0x46]);
        record.imsi = Some("001010000000001".to_owned());
        record.ours = Some("192.0.2.1:36412".parse().unwrap());
        let text = format!("{}{}no line\n{{\"at\":1", record.line(), gap(3));
        assert_eq!(parse(text.as_bytes()), (vec![record], 3));
        assert_eq!(parse(&[0xff; 40]), (Vec::new(), 0));
    }
}
