//! Octets to messages and back.
//!
//! The envelope and the judgement of a message's structure against the object sets of TS 36.413 are those of the pinned codec
//! (`oxirush-s1ap`). Values are read and written with its runtime (`oxirush-aper`) straight into our types: the codec's own
//! types would refuse enumeration values of later releases, and every value would be made twice. Tests hold all that we write
//! against the codec's types.

mod area;
mod bearer;
mod cause;
mod container;
mod handover;
mod node;
mod radio;
mod sequence;
mod value;

pub(crate) use container::{IeWriter, Ies, Message, scan_ue_ids};
pub(crate) use node::OverloadResponse;
pub(crate) use value::{BitField, Form, Integer, Item, Plain, Value, ValueError, read_closed_index, read_index};

use crate::fault::{DecodeError, Diagnostics, FaultKind, Header, IeFault};
use crate::message::{OtherPdu, Pdu};
use crate::value::{Criticality, TriggeringMessage, UeIds};
use oxirush_aper::{Octets, Reader, Writer};
use oxirush_s1ap::s1ap::{
    Criticality as OxCriticality, InitiatingMessage, ProcedureCode, S1APPDU, SuccessfulOutcome, UnsuccessfulOutcome,
};
use oxirush_s1ap::{Deviation, S1apPduKind};

/// A message that was read, and what was wrong with it that does not keep it from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The message.
    pub pdu: Pdu,
    /// What was wrong. Ask [`Diagnostics::reaction`] what to do about it before acting on the message.
    pub diagnostics: Diagnostics,
}

/// Reads one S1AP-PDU.
///
/// A procedure that the standard does not have comes back as [`Pdu::Other`], with diagnostics whose
/// [`reaction`](Diagnostics::reaction) follows its criticality.
///
/// # Errors
/// [`DecodeError`] when nothing in the message may be executed: octets that cannot be decoded, IEs of criticality *reject* that
/// are missing or not understood, IEs in the wrong order or too often (TS 36.413 §10.2, §10.3).
pub fn decode(octets: &[u8]) -> Result<Decoded, DecodeError> {
    let pdu = S1APPDU::decode_borrowed(octets).map_err(|error| undecodable_envelope(octets, &error))?;
    let (header, value) = split(&pdu);
    let deviations = pdu.check_structure().map_err(|error| {
        let diagnostics = Diagnostics::new(Some(header), scan_ue_ids(value));
        DecodeError::transfer_syntax(diagnostics, error.to_string())
    })?;
    let unknown_procedure = deviations.iter().any(|d| matches!(d, Deviation::UnknownProcedure { .. }));
    let mut ies = Ies::new(value, deviations.iter().filter_map(ie_fault).collect());
    let other = || OtherPdu {
        kind: header.kind,
        procedure_code: header.procedure_code,
        criticality: header.criticality,
        raw: value.to_vec(),
    };
    let read = match Pdu::read(header.kind, header.procedure_code, &mut ies) {
        Some(message) => message,
        None => Some(Pdu::Other(other())),
    };
    let faults = ies.into_faults();
    let usable = read.filter(|_| !faults.iter().any(IeFault::rejects));
    let ue_ids = usable.as_ref().map_or_else(|| scan_ue_ids(value), Pdu::ue_ids);
    let diagnostics = Diagnostics { header: Some(header), ue_ids, unknown_procedure, faults };
    match usable {
        Some(pdu) => Ok(Decoded { pdu, diagnostics }),
        None => Err(DecodeError::from_faults(diagnostics)),
    }
}

/// Writes one S1AP-PDU.
///
/// Mandatory IEs of criticality *ignore* that are `None` are left out, which is what a receiver tolerates.
///
/// # Errors
/// [`EncodeError`] when a value is outside of its range: a list that is empty or too long, a rate above its maximum.
pub fn encode(pdu: &Pdu) -> Result<Vec<u8>, EncodeError> {
    let mut octets = Vec::with_capacity(256);
    encode_into(pdu, &mut octets)?;
    Ok(octets)
}

/// Like [`encode`], appending to `octets`, so that a caller can reuse its buffer. On an error `octets` is as it was.
///
/// # Errors
/// As [`encode`].
pub fn encode_into(pdu: &Pdu, octets: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = octets.len();
    let written = write_pdu(pdu, &mut Writer::new(octets));
    if written.is_err() {
        octets.truncate(start);
    }
    written
}

/// A value that the standard gives no encoding for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}: IE {id} cannot be encoded: {reason}")]
pub struct EncodeError {
    /// Name of the message.
    pub message: &'static str,
    /// The IE.
    pub id: u16,
    /// What is wrong with its value.
    pub reason: String,
}

fn write_pdu(pdu: &Pdu, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    writer.index(u64::from(pdu.kind().index()), 3, true);
    writer.octet(pdu.procedure_code());
    writer.bits(u64::from(pdu.criticality().index()), 2);
    pdu.write(writer)
}

/// The head of a PDU and the octets of its message.
fn split<'p>(pdu: &'p S1APPDU<'_>) -> (Header, &'p [u8]) {
    let (kind, value) = match pdu {
        S1APPDU::initiatingMessage(message) => (TriggeringMessage::Initiating, message.value.as_slice()),
        S1APPDU::successfulOutcome(message) => (TriggeringMessage::Successful, message.value.as_slice()),
        S1APPDU::unsuccessfulOutcome(message) => (TriggeringMessage::Unsuccessful, message.value.as_slice()),
        // The choice has an extension marker and no addition: decoding gives no other alternative.
        _ => (TriggeringMessage::Initiating, &[][..]),
    };
    (Header { procedure_code: pdu.procedure_code(), kind, criticality: criticality(pdu.criticality()) }, value)
}

/// The error for octets whose envelope does not decode, with whatever can still be read of it.
#[cold]
fn undecodable_envelope(octets: &[u8], error: &oxirush_aper::Error) -> DecodeError {
    let (header, ue_ids) = salvage(octets);
    DecodeError::transfer_syntax(Diagnostics::new(header, ue_ids), error.to_string())
}

/// The head and the UE ids of a PDU that is cut short or goes on after its end.
fn salvage(octets: &[u8]) -> (Option<Header>, UeIds) {
    let mut reader = Reader::new(octets);
    let Some(header) = salvage_header(&mut reader) else {
        return (None, UeIds::default());
    };
    let ue_ids = match reader.length() {
        Ok(_) => scan_ue_ids(reader.rest()),
        Err(_) => UeIds::default(),
    };
    (Some(header), ue_ids)
}

fn salvage_header(reader: &mut Reader<'_>) -> Option<Header> {
    let kind = TriggeringMessage::from_index(u16::try_from(reader.choice(3, 0, true).ok()?).ok()?)?;
    let procedure_code = reader.octet().ok()?;
    let criticality = Criticality::read(reader).ok()?;
    Some(Header { procedure_code, kind, criticality })
}

/// What a deviation of the structure means for the receiver; `None` for one that it does not act on.
fn ie_fault(deviation: &Deviation) -> Option<IeFault> {
    let at = |position: usize| u16::try_from(position).ok();
    let fault = match *deviation {
        Deviation::UnexpectedIe { id, criticality: received, position, .. } => {
            IeFault { id, criticality: criticality(received), position: at(position), kind: FaultKind::Unknown }
        }
        Deviation::MissingIe { id, criticality: assigned, .. } => {
            IeFault { id, criticality: criticality(assigned), position: None, kind: FaultKind::Missing }
        }
        Deviation::RepeatedIe { id, position, .. } => {
            IeFault { id, criticality: Criticality::Reject, position: at(position), kind: FaultKind::Repeated }
        }
        Deviation::OutOfOrder { id, position, .. } => {
            IeFault { id, criticality: Criticality::Reject, position: at(position), kind: FaultKind::OutOfOrder }
        }
        _ => return None,
    };
    Some(fault)
}

/// Name of a procedure as the standard's ASN.1 writes it.
pub(crate) fn procedure_name(code: u8) -> &'static str {
    envelope(TriggeringMessage::Initiating, code).procedure_name()
}

/// Whether a procedure of the standard has a message of that kind.
pub(crate) fn has_message(kind: TriggeringMessage, code: u8) -> bool {
    !matches!(envelope(kind, code).kind(), S1apPduKind::Other { .. })
}

/// A PDU without content, to ask the codec about.
fn envelope(kind: TriggeringMessage, code: u8) -> S1APPDU<'static> {
    let (code, criticality, value) = (ProcedureCode(code), OxCriticality::ignore, Octets::EMPTY);
    match kind {
        TriggeringMessage::Initiating => S1APPDU::initiatingMessage(InitiatingMessage::new(code, criticality, value)),
        TriggeringMessage::Successful => S1APPDU::successfulOutcome(SuccessfulOutcome::new(code, criticality, value)),
        TriggeringMessage::Unsuccessful => {
            S1APPDU::unsuccessfulOutcome(UnsuccessfulOutcome::new(code, criticality, value))
        }
    }
}

fn criticality(criticality: OxCriticality) -> Criticality {
    match criticality {
        OxCriticality::reject => Criticality::Reject,
        OxCriticality::ignore => Criticality::Ignore,
        OxCriticality::notify => Criticality::Notify,
    }
}
