//! Messages about the S1 interface itself (TS 36.413 §9.1.8).

use super::table::messages;
use crate::codec::{Integer, OverloadResponse};
use crate::value::{
    Cause, CriticalityDiagnostics, Name, OverloadAction, PagingDrx, ResetType, ServedGummeis, SupportedTa, TimeToWait,
    UeIds,
};
use basalt_ids::{EnbUeS1apId, GlobalEnbId, Gummei, MmeUeS1apId, STmsi};

messages! {
    /// S1 SETUP REQUEST (§9.1.8.4): an eNodeB introduces itself.
    S1SetupRequest = Initiating 17 reject "S1SetupRequest" {
        /// Identity of the eNodeB.
        59 reject required global_enb_id: GlobalEnbId,
        /// Name of the eNodeB.
        60 ignore optional enb_name: Name,
        /// Tracking areas it serves, 1 to 256.
        64 reject required supported_tas: Vec<SupportedTa>,
        /// Paging DRX cycle of its cells.
        137 ignore mandatory default_paging_drx: PagingDrx,
    }

    /// S1 SETUP RESPONSE (§9.1.8.5): the MME takes it in.
    S1SetupResponse = Successful 17 reject "S1SetupResponse" {
        /// Name of the MME.
        61 ignore optional mme_name: Name,
        /// Identities the MME serves under, 1 to 8; the first is that of LTE.
        105 reject required served_gummeis: Vec<ServedGummeis>,
        /// Share of new UEs that the MME wants, 0 to 255.
        87 ignore mandatory relative_mme_capacity: u8 as Integer<0, 255>,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// S1 SETUP FAILURE (§9.1.8.6): the MME refuses it.
    S1SetupFailure = Unsuccessful 17 reject "S1SetupFailure" {
        /// Why.
        2 ignore mandatory cause: Cause,
        /// How long the eNodeB waits at least before it tries this MME again.
        65 ignore optional time_to_wait: TimeToWait,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// ENB CONFIGURATION UPDATE (§9.1.8.7): an eNodeB tells what changed.
    EnbConfigurationUpdate = Initiating 29 reject "ENBConfigurationUpdate" {
        /// New name.
        60 ignore optional enb_name: Name,
        /// New whole list of tracking areas.
        64 reject optional supported_tas: Vec<SupportedTa>,
        /// New paging DRX cycle.
        137 ignore optional default_paging_drx: PagingDrx,
    }

    /// ENB CONFIGURATION UPDATE ACKNOWLEDGE (§9.1.8.8).
    EnbConfigurationUpdateAcknowledge = Successful 29 reject "ENBConfigurationUpdateAcknowledge" {
        /// What was wrong with the update.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// ENB CONFIGURATION UPDATE FAILURE (§9.1.8.9).
    EnbConfigurationUpdateFailure = Unsuccessful 29 reject "ENBConfigurationUpdateFailure" {
        /// Why.
        2 ignore mandatory cause: Cause,
        /// How long the eNodeB waits at least before it tries again.
        65 ignore optional time_to_wait: TimeToWait,
        /// What was wrong with the update.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// MME CONFIGURATION UPDATE (§9.1.8.10): the MME tells what changed.
    MmeConfigurationUpdate = Initiating 30 reject "MMEConfigurationUpdate" {
        /// New name.
        61 ignore optional mme_name: Name,
        /// New whole list of identities.
        105 reject optional served_gummeis: Vec<ServedGummeis>,
        /// New share.
        87 reject optional relative_mme_capacity: u8 as Integer<0, 255>,
    }

    /// MME CONFIGURATION UPDATE ACKNOWLEDGE (§9.1.8.11).
    MmeConfigurationUpdateAcknowledge = Successful 30 reject "MMEConfigurationUpdateAcknowledge" {
        /// What was wrong with the update.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// MME CONFIGURATION UPDATE FAILURE (§9.1.8.12).
    MmeConfigurationUpdateFailure = Unsuccessful 30 reject "MMEConfigurationUpdateFailure" {
        /// Why.
        2 ignore mandatory cause: Cause,
        /// How long the MME waits at least before it tries again.
        65 ignore optional time_to_wait: TimeToWait,
        /// What was wrong with the update.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// RESET (§9.1.8.1): the sender lost some or all UE associations.
    Reset = Initiating 14 reject "Reset" {
        /// Why.
        2 ignore mandatory cause: Cause,
        /// Which associations.
        92 reject required reset_type: ResetType,
    }

    /// RESET ACKNOWLEDGE (§9.1.8.2).
    ResetAcknowledge = Successful 14 reject "ResetAcknowledge" {
        /// The associations of a partial reset, in its order.
        93 ignore (optional 91 ignore) connections: UeIds,
        /// What was wrong with the reset.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// ERROR INDICATION (§9.1.8.3): a message was faulty and has no answer of its own. It has a cause, diagnostics, or both.
    ErrorIndication = Initiating 15 ignore "ErrorIndication" {
        /// The MME's id, when the message was about a UE.
        0 ignore optional mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id, when the message was about a UE.
        8 ignore optional enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore optional cause: Cause,
        /// What was wrong.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
        /// Temporary identity of the UE, where it has no association.
        96 ignore optional s_tmsi: STmsi,
    }

    /// OVERLOAD START (§9.1.8.13): the MME wants less signalling.
    OverloadStart = Initiating 34 ignore "OverloadStart" {
        /// Which signalling.
        101 reject required action: OverloadAction as OverloadResponse,
        /// For UEs of these MMEs only, at most 256.
        154 ignore optional gummeis: Vec<Gummei>,
        /// How much of it to reject, 1 to 99 per cent.
        161 ignore optional traffic_load_reduction: u8 as Integer<1, 99>,
    }

    /// OVERLOAD STOP (§9.1.8.14).
    OverloadStop = Initiating 35 reject "OverloadStop" {
        /// For UEs of these MMEs only, at most 256.
        154 ignore optional gummeis: Vec<Gummei>,
    }
}
