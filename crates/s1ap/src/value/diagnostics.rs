//! Criticality Diagnostics (TS 36.413 §9.2.1.21): what the receiver of a message found wrong with it.

use super::{Criticality, TriggeringMessage, TypeOfError};
use serde::{Deserialize, Serialize};

/// What was wrong with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriticalityDiagnostics {
    /// Procedure of the message; left out in the answer of that procedure.
    pub procedure_code: Option<u8>,
    /// Which message of the procedure; used together with `procedure_code`.
    pub triggering_message: Option<TriggeringMessage>,
    /// Criticality of the procedure.
    pub procedure_criticality: Option<Criticality>,
    /// The IEs at fault, at most 256.
    pub ies: Vec<IeCriticalityDiagnostics>,
}

/// What was wrong with one IE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IeCriticalityDiagnostics {
    /// Criticality that was acted on; never [`Criticality::Ignore`] in what we send.
    pub criticality: Criticality,
    /// Identifier of the IE.
    pub id: u16,
    /// What was wrong.
    pub type_of_error: TypeOfError,
}
