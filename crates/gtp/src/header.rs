//! The GTP-U header (TS 29.281 §5.1).

use crate::extension::Extension;
use crate::{DecodeError, EncodeError};
use basalt_ids::Teid;

/// Version 1, protocol type GTP.
const FLAGS: u8 = 0x30;
const EXTENSION: u8 = 0x04;
const SEQUENCE: u8 = 0x02;
const N_PDU: u8 = 0x01;

/// Header fields, without message type and length, which follow from the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The receiver's tunnel endpoint; 0 for path messages.
    pub teid: Teid,
    /// Sequence number, when the S flag is set.
    pub sequence: Option<u16>,
    /// N-PDU number, when the PN flag is set.
    pub n_pdu: Option<u8>,
    /// Extension headers in order. Present but empty only where the E flag is not set.
    pub extensions: Vec<Extension>,
}

impl Header {
    /// A header with nothing but a TEID.
    #[must_use]
    pub fn new(teid: Teid) -> Self {
        Self { teid, sequence: None, n_pdu: None, extensions: Vec::new() }
    }

    /// A header with a sequence number, as path messages have.
    #[must_use]
    pub fn with_sequence(teid: Teid, sequence: u16) -> Self {
        Self { sequence: Some(sequence), ..Self::new(teid) }
    }

    /// Reads a header; gives it with the message type and the octets behind it.
    pub(crate) fn decode(octets: &[u8]) -> Result<(Self, u8, &[u8]), DecodeError> {
        let (fixed, rest) = octets.split_first_chunk::<8>().ok_or(DecodeError::Truncated("header"))?;
        let [flags, kind, l0, l1, t0, t1, t2, t3] = *fixed;
        if flags >> 5 != 1 {
            return Err(DecodeError::Version(flags >> 5));
        }
        if flags & 0x10 == 0 {
            return Err(DecodeError::GtpPrime);
        }
        let stated = usize::from(u16::from_be_bytes([l0, l1]));
        if stated != rest.len() {
            return Err(DecodeError::Length { stated, present: rest.len() });
        }
        let mut header = Self::new(Teid(u32::from_be_bytes([t0, t1, t2, t3])));
        if flags & (EXTENSION | SEQUENCE | N_PDU) == 0 {
            return Ok((header, kind, rest));
        }
        let (optional, mut rest) = rest.split_first_chunk::<4>().ok_or(DecodeError::Truncated("optional fields"))?;
        let [s0, s1, n_pdu, mut next] = *optional;
        header.sequence = (flags & SEQUENCE != 0).then_some(u16::from_be_bytes([s0, s1]));
        header.n_pdu = (flags & N_PDU != 0).then_some(n_pdu);
        if flags & EXTENSION == 0 {
            next = 0;
        }
        while next != 0 {
            let (extension, following, after) = Extension::decode(next, rest)?;
            header.extensions.push(extension);
            (next, rest) = (following, after);
        }
        Ok((header, kind, rest))
    }

    /// Writes the header of a message of type `kind` with this body.
    pub(crate) fn encode(&self, kind: u8, body: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut flags = FLAGS;
        let mut octets = vec![0, kind, 0, 0];
        octets.extend(self.teid.0.to_be_bytes());
        if self.sequence.is_some() {
            flags |= SEQUENCE;
        }
        if self.n_pdu.is_some() {
            flags |= N_PDU;
        }
        if !self.extensions.is_empty() {
            flags |= EXTENSION;
        }
        if flags != FLAGS {
            octets.extend(self.sequence.unwrap_or(0).to_be_bytes());
            octets.push(self.n_pdu.unwrap_or(0));
            for extension in &self.extensions {
                octets.push(extension.kind());
                extension.encode(&mut octets)?;
            }
            octets.push(0);
        }
        octets.extend(body);
        let length = u16::try_from(octets.len() - 8).map_err(|_| EncodeError::TooLong)?;
        octets.splice(0..4, [flags, kind].into_iter().chain(length.to_be_bytes()));
        Ok(octets)
    }
}
