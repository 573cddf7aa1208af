//! Information elements (TS 29.281 §8).

use crate::{DecodeError, EncodeError};
use basalt_ids::Teid;
use core::net::IpAddr;

/// One information element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// Restart counter (§8.2): 0 and to be ignored by the receiver, but mandatory in an Echo Response.
    Recovery(u8),
    /// Tunnel Endpoint Identifier Data I (§8.3).
    TeidDataI(Teid),
    /// GTP-U Peer Address (§8.4).
    PeerAddress(IpAddr),
    /// Extension Header Type List (§8.5).
    ExtensionTypes(Vec<u8>),
    /// Private Extension (§8.6) and every other element with a length.
    Unknown {
        /// Its type, 128 to 255.
        kind: u8,
        /// Its contents.
        content: Vec<u8>,
    },
}

const RECOVERY: u8 = 14;
const TEID_DATA_I: u8 = 16;
const PEER_ADDRESS: u8 = 133;
const EXTENSION_TYPES: u8 = 141;

impl Element {
    /// Reads all elements to the end.
    pub(crate) fn decode_all(mut octets: &[u8]) -> Result<Vec<Element>, DecodeError> {
        let mut elements = Vec::new();
        while let Some((kind, rest)) = octets.split_first() {
            let (element, after) = Self::decode(*kind, rest)?;
            elements.push(element);
            octets = after;
        }
        Ok(elements)
    }

    fn decode(kind: u8, octets: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        const CUT: DecodeError = DecodeError::Truncated("information element");
        match kind {
            RECOVERY => {
                let (counter, after) = octets.split_first().ok_or(CUT)?;
                Ok((Element::Recovery(*counter), after))
            }
            TEID_DATA_I => {
                let (teid, after) = octets.split_first_chunk().ok_or(CUT)?;
                Ok((Element::TeidDataI(Teid(u32::from_be_bytes(*teid))), after))
            }
            // Its length field is one octet, unlike all others.
            EXTENSION_TYPES => {
                let (length, rest) = octets.split_first().ok_or(CUT)?;
                let (types, after) = rest.split_at_checked(usize::from(*length)).ok_or(CUT)?;
                Ok((Element::ExtensionTypes(types.to_vec()), after))
            }
            128.. => {
                let (length, rest) = octets.split_first_chunk().ok_or(CUT)?;
                let length = usize::from(u16::from_be_bytes(*length));
                let (content, after) = rest.split_at_checked(length).ok_or(CUT)?;
                if kind != PEER_ADDRESS {
                    return Ok((Element::Unknown { kind, content: content.to_vec() }, after));
                }
                let address = address(content).ok_or(DecodeError::Element(kind))?;
                Ok((Element::PeerAddress(address), after))
            }
            // A fixed length that is not known: there is no way to go on.
            _ => Err(DecodeError::Element(kind)),
        }
    }

    /// Appends the element.
    pub(crate) fn encode(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Element::Recovery(counter) => octets.extend([RECOVERY, *counter]),
            Element::TeidDataI(teid) => {
                octets.push(TEID_DATA_I);
                octets.extend(teid.0.to_be_bytes());
            }
            Element::PeerAddress(IpAddr::V4(address)) => with_length(octets, PEER_ADDRESS, &address.octets())?,
            Element::PeerAddress(IpAddr::V6(address)) => with_length(octets, PEER_ADDRESS, &address.octets())?,
            Element::ExtensionTypes(types) => {
                let length = u8::try_from(types.len()).map_err(|_| EncodeError::Range("extension header type list"))?;
                octets.extend([EXTENSION_TYPES, length]);
                octets.extend(types);
            }
            Element::Unknown { kind: 0..=127 | PEER_ADDRESS | EXTENSION_TYPES, .. } => {
                return Err(EncodeError::Range("information element type"));
            }
            Element::Unknown { kind, content } => with_length(octets, *kind, content)?,
        }
        Ok(())
    }
}

fn with_length(octets: &mut Vec<u8>, kind: u8, content: &[u8]) -> Result<(), EncodeError> {
    let length = u16::try_from(content.len()).map_err(|_| EncodeError::Range("information element"))?;
    octets.push(kind);
    octets.extend(length.to_be_bytes());
    octets.extend(content);
    Ok(())
}

fn address(content: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(content) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(content).ok().map(IpAddr::from)
}
