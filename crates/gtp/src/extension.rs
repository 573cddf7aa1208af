//! Extension headers (TS 29.281 §5.2).

use crate::{DecodeError, EncodeError};

/// One extension header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// PDU Session Container, type 0x85 (TS 38.415 §5.5.2).
    PduSession(PduSession),
    /// PDCP PDU number of handover forwarding, type 0xC0, 16 bits.
    PdcpNumber(u16),
    /// UDP port of the packet that triggered an Error Indication, type 0x40.
    UdpPort(u16),
    /// Any other.
    Unknown {
        /// Its type, never 0.
        kind: u8,
        /// Its contents: 2, 6, 10 … octets.
        content: Vec<u8>,
    },
}

/// What a PDU Session Container says (TS 38.415 §5.5.2). Rare fields (time stamps, delays) are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PduSession {
    /// Towards the base station (PDU type 0).
    Downlink {
        /// QoS flow, 0 to 63.
        qfi: u8,
        /// Reflective QoS is asked for.
        reflective: bool,
    },
    /// From the base station (PDU type 1).
    Uplink {
        /// QoS flow, 0 to 63.
        qfi: u8,
    },
}

const PDU_SESSION: u8 = 0x85;
const PDCP_NUMBER: u8 = 0xc0;
const UDP_PORT: u8 = 0x40;

impl Extension {
    /// The type that stands in front of it.
    #[must_use]
    pub fn kind(&self) -> u8 {
        match self {
            Extension::PduSession(_) => PDU_SESSION,
            Extension::PdcpNumber(_) => PDCP_NUMBER,
            Extension::UdpPort(_) => UDP_PORT,
            Extension::Unknown { kind, .. } => *kind,
        }
    }

    /// Whether an endpoint that does not know this type must not go on (bit 8 of the type, TS 29.281 §5.2.1).
    #[must_use]
    pub fn must_be_understood(kind: u8) -> bool {
        kind & 0x80 != 0
    }

    /// Reads the extension header of type `kind` at the start of `octets`; gives it with the next type and the octets behind it.
    pub(crate) fn decode(kind: u8, octets: &[u8]) -> Result<(Self, u8, &[u8]), DecodeError> {
        let size = usize::from(*octets.first().ok_or(DecodeError::Truncated("extension header"))?) * 4;
        if size == 0 {
            return Err(DecodeError::Extension(kind));
        }
        let (this, after) = octets.split_at_checked(size).ok_or(DecodeError::Truncated("extension header"))?;
        let [_, content @ .., next] = this else {
            return Err(DecodeError::Extension(kind));
        };
        let extension = match (kind, content) {
            (PDU_SESSION, [first, second]) if pdu_session(*first, *second).is_some() => {
                pdu_session(*first, *second).map(Extension::PduSession).ok_or(DecodeError::Extension(kind))?
            }
            (PDCP_NUMBER, [high, low]) => Extension::PdcpNumber(u16::from_be_bytes([*high, *low])),
            (UDP_PORT, [high, low]) => Extension::UdpPort(u16::from_be_bytes([*high, *low])),
            _ => Extension::Unknown { kind, content: content.to_vec() },
        };
        Ok((extension, *next, after))
    }

    /// Appends everything but the type in front and the next type behind.
    pub(crate) fn encode(&self, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
        let two;
        let content: &[u8] = match self {
            Extension::PduSession(session) => {
                two = session.octets()?;
                &two
            }
            Extension::PdcpNumber(number) | Extension::UdpPort(number) => {
                two = number.to_be_bytes();
                &two
            }
            Extension::Unknown { kind: 0, .. } => return Err(EncodeError::Range("extension header type")),
            Extension::Unknown { content, .. } => content,
        };
        let size = content.len() + 2;
        let units = u8::try_from(size / 4).map_err(|_| EncodeError::Range("extension header"))?;
        if !size.is_multiple_of(4) {
            return Err(EncodeError::Range("extension header"));
        }
        octets.push(units);
        octets.extend(content);
        Ok(())
    }
}

/// A container of the usual four octets. Spare bits and flags of fields that would make it longer keep it unknown, so that it is
/// relayed as it came.
fn pdu_session(first: u8, second: u8) -> Option<PduSession> {
    let qfi = second & 0x3f;
    match (first, second >> 6) {
        (0x00, 0) => Some(PduSession::Downlink { qfi, reflective: false }),
        (0x00, 1) => Some(PduSession::Downlink { qfi, reflective: true }),
        (0x10, 0) => Some(PduSession::Uplink { qfi }),
        _ => None,
    }
}

impl PduSession {
    fn octets(self) -> Result<[u8; 2], EncodeError> {
        let (first, qfi, flag) = match self {
            PduSession::Downlink { qfi, reflective } => (0x00, qfi, u8::from(reflective) << 6),
            PduSession::Uplink { qfi } => (0x10, qfi, 0),
        };
        if qfi > 63 {
            return Err(EncodeError::Range("QoS flow identifier"));
        }
        Ok([first, qfi | flag])
    }
}
