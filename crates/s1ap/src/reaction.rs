//! What a receiver does about faults (TS 36.413 §10.2 to §10.5), as a pure function of what was wrong.

use crate::codec::has_message;
use crate::fault::{DecodeError, DecodeErrorKind, Diagnostics, FaultKind, Header, IeFault};
use crate::message::{
    EnbConfigurationUpdateFailure, ErrorIndication, HandoverFailure, HandoverPreparationFailure,
    InitialContextSetupFailure, MmeConfigurationUpdateFailure, PathSwitchRequestFailure, Pdu, S1SetupFailure,
    UeContextModificationFailure, UeContextResumeFailure,
};
use crate::value::{
    Cause, Criticality, CriticalityDiagnostics, IeCriticalityDiagnostics, ProtocolCause, TriggeringMessage,
    TypeOfError, UeIds,
};

/// What to do about a message that was not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing: act on the message if there is one, else drop it.
    Ignore,
    /// Act on the message, and put this into its response.
    Report(CriticalityDiagnostics),
    /// Act on the message if it is one that is known, and send this.
    Notify(Box<ErrorIndication>),
    /// Do not act on the message, and send this: the unsuccessful outcome of the procedure, or an ERROR INDICATION.
    Reject(Box<Pdu>),
    /// Do not act on the message, send nothing, and take the procedure that it answers for failed (§10.3.4.2, §10.3.5, §10.3.6).
    LocalError,
}

/// What to do about `found`: a [`DecodeError`], or the [`Diagnostics`] of a message that could be read.
#[must_use]
pub fn reaction<'d>(found: impl Into<Found<'d>>) -> Reaction {
    match found.into() {
        Found::Error(error) => error.reaction(),
        Found::Diagnostics(diagnostics) => diagnostics.reaction(),
    }
}

/// What [`reaction`] takes.
#[derive(Debug, Clone, Copy)]
pub enum Found<'d> {
    /// Nothing of the message may be executed.
    Error(&'d DecodeError),
    /// The message could be read.
    Diagnostics(&'d Diagnostics),
}

impl<'d> From<&'d DecodeError> for Found<'d> {
    fn from(error: &'d DecodeError) -> Self {
        Found::Error(error)
    }
}

impl<'d> From<&'d Diagnostics> for Found<'d> {
    fn from(diagnostics: &'d Diagnostics) -> Self {
        Found::Diagnostics(diagnostics)
    }
}

/// Code of the Error Indication procedure.
const ERROR_INDICATION: u8 = ErrorIndication::PROCEDURE_CODE;

impl DecodeError {
    /// What to do about the message.
    #[must_use]
    pub fn reaction(&self) -> Reaction {
        let diagnostics = &*self.diagnostics;
        let cause = match self.kind {
            DecodeErrorKind::TransferSyntax => ProtocolCause::TransferSyntaxError,
            DecodeErrorKind::AbstractSyntaxReject => ProtocolCause::AbstractSyntaxErrorReject,
            DecodeErrorKind::FalselyConstructed => ProtocolCause::AbstractSyntaxErrorFalselyConstructedMessage,
        };
        let indication = || Reaction::Reject(Box::new(diagnostics.error_indication(cause).into()));
        match diagnostics.header {
            // A faulty ERROR INDICATION is not answered by another one (§10.5).
            Some(header) if header.procedure_code == ERROR_INDICATION => Reaction::Ignore,
            _ if self.kind == DecodeErrorKind::TransferSyntax => indication(),
            Some(header) if header.kind != TriggeringMessage::Initiating => Reaction::LocalError,
            Some(header) => match diagnostics.unsuccessful_outcome(header, cause) {
                Some(outcome) => Reaction::Reject(Box::new(outcome)),
                None => indication(),
            },
            None => indication(),
        }
    }
}

impl Diagnostics {
    /// What to do about a message that could be read.
    #[must_use]
    pub fn reaction(&self) -> Reaction {
        let Some(header) = self.header else {
            return Reaction::Ignore;
        };
        if self.unknown_procedure {
            return self.reaction_to_unknown_procedure(header);
        }
        let notify = self.faults.iter().any(|fault| fault.criticality == Criticality::Notify);
        if !notify || header.procedure_code == ERROR_INDICATION {
            return Reaction::Ignore;
        }
        let has_response = has_message(TriggeringMessage::Successful, header.procedure_code);
        if header.kind == TriggeringMessage::Initiating && has_response {
            return Reaction::Report(self.for_response());
        }
        Reaction::Notify(Box::new(self.error_indication(ProtocolCause::AbstractSyntaxErrorIgnoreAndNotify)))
    }

    /// §10.3.4.1: by the criticality of the procedure.
    fn reaction_to_unknown_procedure(&self, header: Header) -> Reaction {
        match header.criticality {
            Criticality::Reject => {
                Reaction::Reject(Box::new(self.error_indication(ProtocolCause::AbstractSyntaxErrorReject).into()))
            }
            Criticality::Notify => {
                Reaction::Notify(Box::new(self.error_indication(ProtocolCause::AbstractSyntaxErrorIgnoreAndNotify)))
            }
            Criticality::Ignore => Reaction::Ignore,
        }
    }

    /// The ERROR INDICATION that reports the message.
    fn error_indication(&self, cause: ProtocolCause) -> ErrorIndication {
        let mut indication = ErrorIndication::new();
        indication.mme_ue_id = self.ue_ids.mme;
        indication.enb_ue_id = self.ue_ids.enb;
        indication.cause = Some(cause.into());
        indication.criticality_diagnostics = self.header.map(|header| CriticalityDiagnostics {
            procedure_code: Some(header.procedure_code),
            triggering_message: Some(header.kind),
            procedure_criticality: Some(header.criticality),
            ies: self.ies(),
        });
        indication
    }

    /// The Criticality Diagnostics of an answer of the same procedure, which does not name it again (§9.2.1.21).
    fn for_response(&self) -> CriticalityDiagnostics {
        CriticalityDiagnostics { ies: self.ies(), ..CriticalityDiagnostics::default() }
    }

    /// The IEs that are reported: not those of criticality *ignore*, and not those that are only misplaced.
    fn ies(&self) -> Vec<IeCriticalityDiagnostics> {
        let reported = |fault: &IeFault| {
            let type_of_error = match fault.kind {
                FaultKind::Missing => TypeOfError::Missing,
                FaultKind::Unknown | FaultKind::Undecodable | FaultKind::NotUnderstood => TypeOfError::NotUnderstood,
                FaultKind::Repeated | FaultKind::OutOfOrder => return None,
            };
            let IeFault { id, criticality, .. } = *fault;
            (criticality != Criticality::Ignore).then_some(IeCriticalityDiagnostics { criticality, id, type_of_error })
        };
        self.faults.iter().filter_map(reported).take(256).collect()
    }

    /// The message that reports the unsuccessful outcome of the procedure; `None` where the procedure has none, or one that
    /// needs an id that the message did not have.
    fn unsuccessful_outcome(&self, header: Header, cause: ProtocolCause) -> Option<Pdu> {
        let cause = Cause::from(cause);
        let report = Some(self.for_response()).filter(|report| !report.ies.is_empty());
        let UeIds { mme, enb } = self.ue_ids;
        /// A failure message with its Criticality Diagnostics.
        macro_rules! failure {
            ($name:ident($($argument:expr),*)) => {{
                let mut failure = $name::new($($argument,)* cause);
                failure.criticality_diagnostics = report;
                Some(failure.into())
            }};
        }
        match header.procedure_code {
            S1SetupFailure::PROCEDURE_CODE => failure!(S1SetupFailure()),
            EnbConfigurationUpdateFailure::PROCEDURE_CODE => failure!(EnbConfigurationUpdateFailure()),
            MmeConfigurationUpdateFailure::PROCEDURE_CODE => failure!(MmeConfigurationUpdateFailure()),
            InitialContextSetupFailure::PROCEDURE_CODE => failure!(InitialContextSetupFailure(mme?, enb?)),
            UeContextModificationFailure::PROCEDURE_CODE => failure!(UeContextModificationFailure(mme?, enb?)),
            UeContextResumeFailure::PROCEDURE_CODE => failure!(UeContextResumeFailure(mme?, enb?)),
            PathSwitchRequestFailure::PROCEDURE_CODE => failure!(PathSwitchRequestFailure(mme?, enb?)),
            HandoverPreparationFailure::PROCEDURE_CODE => failure!(HandoverPreparationFailure(mme?, enb?)),
            HandoverFailure::PROCEDURE_CODE => failure!(HandoverFailure(mme?)),
            _ => None,
        }
    }
}
