//! What was wrong with a received message (TS 36.413 §10.1 to §10.3).

use crate::codec::procedure_name;
use crate::value::{Criticality, TriggeringMessage, UeIds};
use core::fmt;
use oxirush_aper::protocol::ie_name;
use oxirush_s1ap::S1ap;
use serde::{Deserialize, Serialize};

/// The head of an S1AP-PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Procedure.
    pub procedure_code: u8,
    /// Which message of the procedure.
    pub kind: TriggeringMessage,
    /// Criticality of the procedure, as received.
    pub criticality: Criticality,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { procedure_code, kind, .. } = self;
        write!(f, "{} (procedure {procedure_code}, {kind})", procedure_name(*procedure_code))
    }
}

/// What is wrong with an IE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// The message cannot have it.
    Unknown,
    /// Its octets are not the encoding of its type: a transfer syntax error (§10.2).
    Undecodable,
    /// Its value has no meaning: the logical range is violated (§10.3.1).
    NotUnderstood,
    /// It is mandatory and not there.
    Missing,
    /// The message has it more than once.
    Repeated,
    /// It stands after an IE that the message has after it.
    OutOfOrder,
}

/// One fault of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IeFault {
    /// Identifier of the IE.
    pub id: u16,
    /// What is done about it: as received, or as the standard assigns it to a missing IE. Repeated and misplaced IEs reject the
    /// message whatever their criticality (§10.3.6).
    pub criticality: Criticality,
    /// Place among the IEs of the message, from 0; none for a missing one.
    pub position: Option<u16>,
    /// What is wrong.
    pub kind: FaultKind,
}

impl IeFault {
    /// Whether nothing of the message may be executed.
    #[must_use]
    pub fn rejects(&self) -> bool {
        self.criticality == Criticality::Reject
    }
}

impl fmt::Display for IeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::Unknown => "does not belong to the message",
            FaultKind::Undecodable => "cannot be decoded",
            FaultKind::NotUnderstood => "has a value without meaning",
            FaultKind::Missing => "is missing",
            FaultKind::Repeated => "is there more than once",
            FaultKind::OutOfOrder => "is out of order",
        };
        write!(f, "{} {what} ({})", ie_name::<S1ap>(self.id), self.criticality)
    }
}

/// What was wrong with a message, and where it is to be reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Head of the PDU, as far as it could be read.
    pub header: Option<Header>,
    /// UE association ids of the message, as far as they could be read.
    pub ue_ids: UeIds,
    /// The standard has no such procedure, or no such message of it.
    pub unknown_procedure: bool,
    /// Faults of IEs, in the order of the message, missing ones last; 256 at most.
    pub faults: Vec<IeFault>,
}

impl Diagnostics {
    pub(crate) fn new(header: Option<Header>, ue_ids: UeIds) -> Self {
        Self { header, ue_ids, ..Self::default() }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.unknown_procedure && self.faults.is_empty()
    }
}

/// Why nothing of a message may be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecodeErrorKind {
    /// It could not be decoded (§10.2).
    TransferSyntax,
    /// An IE of criticality *reject* is not understood or missing (§10.3.4, §10.3.5).
    AbstractSyntaxReject,
    /// IEs in the wrong order or too often (§10.3.6).
    FalselyConstructed,
}

/// Why nothing of a message may be executed, and all that is needed to answer it ([`DecodeError::reaction`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Which class of error.
    pub kind: DecodeErrorKind,
    /// What was wrong.
    pub diagnostics: Box<Diagnostics>,
    /// What the decoder said, where no single IE is to blame.
    pub detail: Option<String>,
}

impl DecodeError {
    #[cold]
    pub(crate) fn transfer_syntax(diagnostics: Diagnostics, detail: String) -> Self {
        let (kind, diagnostics) = (DecodeErrorKind::TransferSyntax, Box::new(diagnostics));
        Self { kind, diagnostics, detail: Some(detail) }
    }

    /// The error that faults of criticality *reject* make: the gravest class of them.
    #[cold]
    pub(crate) fn from_faults(diagnostics: Diagnostics) -> Self {
        let any = |kinds: &[FaultKind]| diagnostics.faults.iter().any(|f| f.rejects() && kinds.contains(&f.kind));
        let kind = if any(&[FaultKind::Undecodable]) {
            DecodeErrorKind::TransferSyntax
        } else if any(&[FaultKind::Repeated, FaultKind::OutOfOrder]) {
            DecodeErrorKind::FalselyConstructed
        } else {
            DecodeErrorKind::AbstractSyntaxReject
        };
        Self { kind, diagnostics: Box::new(diagnostics), detail: None }
    }
}

impl fmt::Display for DecodeError {
    /// `initialUEMessage (procedure 12, initiating message): NAS-PDU is missing (reject)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.diagnostics.header {
            Some(header) => header.fmt(f)?,
            None => f.write_str("not an S1AP-PDU")?,
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        let rejecting = self.diagnostics.faults.iter().filter(|fault| fault.rejects());
        for (at, fault) in rejecting.enumerate() {
            write!(f, "{} {fault}", if at == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}
