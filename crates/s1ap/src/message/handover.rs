//! Messages of S1 handover and of bearers that an eNodeB moves by itself (TS 36.413 §9.1.3.8, §9.1.3.9, §9.1.5).

use super::table::messages;
use crate::value::{
    Cause, CriticalityDiagnostics, DirectForwardingPath, ErabAdmitted, ErabDone, ErabForwarding, ErabItem,
    ErabToBeSetup, ErabTunnel, HandoverRestrictionList, HandoverType, NrUeSecurityCapabilities, SecurityContext,
    StatusTransfer, TargetId, UeAmbr, UeSecurityCapabilities,
};
use basalt_ids::{Ecgi, EnbUeS1apId, Gummei, MmeUeS1apId, Tai};

messages! {
    /// HANDOVER REQUIRED (§9.1.5.1): a source eNodeB wants a UE handed over.
    HandoverRequired = Initiating 0 reject "HandoverRequired" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// From which system to which.
        1 reject required handover_type: HandoverType,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// Where to.
        4 reject required target_id: TargetId,
        /// Whether source and target reach each other.
        79 ignore optional direct_forwarding_path: DirectForwardingPath,
        /// For the target, opaque to the MME.
        104 reject required container: Vec<u8>,
    }

    /// HANDOVER COMMAND (§9.1.5.2): the target is ready.
    HandoverCommand = Successful 0 reject "HandoverCommand" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// From which system to which.
        1 reject required handover_type: HandoverType,
        /// Bearers whose data is to be forwarded, and where to.
        12 ignore (optional 14 ignore) forwarding: ErabForwarding,
        /// Bearers that the target did not admit.
        13 ignore (optional 35 ignore) to_be_released: ErabItem,
        /// From the target, opaque to the MME.
        123 reject required container: Vec<u8>,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// HANDOVER REQUEST (§9.1.5.4): a target eNodeB is asked to take a UE.
    HandoverRequest = Initiating 1 reject "HandoverRequest" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// From which system to which.
        1 reject required handover_type: HandoverType,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// Bit rate of all non-GBR bearers together.
        66 reject required ue_ambr: UeAmbr,
        /// Bearers, 1 to 256, without NAS messages.
        53 reject (required 27 reject) erabs: ErabToBeSetup,
        /// From the source, opaque to the MME.
        104 reject required container: Vec<u8>,
        /// Algorithms of the UE.
        107 reject required ue_security_capabilities: UeSecurityCapabilities,
        /// Where the UE may go.
        41 ignore optional handover_restriction_list: Box<HandoverRestrictionList>,
        /// Next hop to derive K_eNB from.
        40 reject required security_context: SecurityContext,
        /// The MME that gave the id.
        75 ignore optional gummei: Gummei,
        /// NR algorithms of the UE.
        269 ignore optional nr_ue_security_capabilities: NrUeSecurityCapabilities,
    }

    /// HANDOVER REQUEST ACKNOWLEDGE (§9.1.5.5).
    HandoverRequestAcknowledge = Successful 1 reject "HandoverRequestAcknowledge" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The target eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Bearers that the target takes.
        18 ignore (mandatory 20 ignore) admitted: ErabAdmitted,
        /// Bearers that it does not take.
        19 ignore (optional 21 ignore) failed_erabs: ErabItem,
        /// For the source, opaque to the MME.
        123 reject required container: Vec<u8>,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// HANDOVER NOTIFY (§9.1.5.7): the UE is at the target.
    HandoverNotify = Initiating 2 ignore "HandoverNotify" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The target eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// The cell.
        100 ignore mandatory ecgi: Ecgi,
        /// Tracking area of the cell.
        67 ignore mandatory tai: Tai,
    }

    /// HANDOVER CANCEL (§9.1.5.11): the source changed its mind.
    HandoverCancel = Initiating 4 reject "HandoverCancel" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
    }

    /// HANDOVER CANCEL ACKNOWLEDGE (§9.1.5.12).
    HandoverCancelAcknowledge = Successful 4 reject "HandoverCancelAcknowledge" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// ENB STATUS TRANSFER (§9.1.5.13): PDCP counts of the source.
    EnbStatusTransfer = Initiating 24 ignore "ENBStatusTransfer" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// For the target, opaque to the MME.
        90 reject required container: StatusTransfer,
    }

    /// MME STATUS TRANSFER (§9.1.5.14): the same, to the target.
    MmeStatusTransfer = Initiating 25 ignore "MMEStatusTransfer" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The target eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// From the source, opaque to the MME.
        90 reject required container: StatusTransfer,
    }

    /// E-RAB MODIFICATION INDICATION (§9.1.3.8): the eNodeB receives bearers elsewhere from now on.
    ErabModificationIndication = Initiating 50 reject "E-RABModificationIndication" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// Bearers that move, 1 to 256.
        199 reject (required 200 reject) erabs: ErabTunnel,
        /// Bearers that stay where they are.
        201 reject (optional 202 reject) unchanged_erabs: ErabTunnel,
    }

    /// E-RAB MODIFICATION CONFIRM (§9.1.3.9).
    ErabModificationConfirm = Successful 50 reject "E-RABModificationConfirm" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Bearers that moved.
        203 ignore (optional 204 ignore) erabs: ErabDone,
        /// Bearers that did not.
        205 ignore (optional 35 ignore) failed_erabs: ErabItem,
        /// Bearers that are to go.
        210 ignore (optional 35 ignore) to_be_released: ErabItem,
        /// What was wrong with the indication.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }
}
