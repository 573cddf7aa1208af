//! Messages about moving a connected UE (TS 36.413 §9.1.5).

use super::table::messages;
use crate::value::{
    Cause, CriticalityDiagnostics, ErabItem, ErabTunnel, HandoverRestrictionList, NrUeSecurityCapabilities,
    SecurityContext, UeAmbr, UeSecurityCapabilities,
};
use basalt_ids::{Ecgi, EnbUeS1apId, Gummei, MmeUeS1apId, Tai};

messages! {
    /// PATH SWITCH REQUEST (§9.1.5.8): a UE came over X2.
    PathSwitchRequest = Initiating 3 reject "PathSwitchRequest" {
        /// The new eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// Bearers and where downlink packets go now, 1 to 256.
        22 reject (required 23 reject) erabs: ErabTunnel,
        /// The MME's id.
        88 reject required source_mme_ue_id: MmeUeS1apId,
        /// The cell.
        100 ignore mandatory ecgi: Ecgi,
        /// Tracking area of the cell.
        67 ignore mandatory tai: Tai,
        /// Algorithms of the UE as the source eNodeB knew them.
        107 ignore mandatory ue_security_capabilities: UeSecurityCapabilities,
        /// The MME that gave the id, when it is another one.
        157 ignore optional source_mme_gummei: Gummei,
        /// NR algorithms of the UE as the source eNodeB knew them.
        269 ignore optional nr_ue_security_capabilities: NrUeSecurityCapabilities,
    }

    /// PATH SWITCH REQUEST ACKNOWLEDGE (§9.1.5.9).
    PathSwitchRequestAcknowledge = Successful 3 reject "PathSwitchRequestAcknowledge" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// New bit rate of all non-GBR bearers together.
        66 ignore optional ue_ambr: UeAmbr,
        /// Bearers whose uplink goes elsewhere now.
        95 ignore (optional 94 ignore) switched_uplink: ErabTunnel,
        /// Bearers that are to go.
        33 ignore (optional 35 ignore) to_be_released: ErabItem,
        /// Next hop to derive K_eNB from.
        40 reject required security_context: SecurityContext,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
        /// NR algorithms of the UE.
        269 ignore optional nr_ue_security_capabilities: NrUeSecurityCapabilities,
        /// Where the UE may go.
        41 ignore optional handover_restriction_list: Box<HandoverRestrictionList>,
        /// Algorithms of the UE, when the request had others (TS 33.401 §7.2.4.2.2).
        107 ignore optional ue_security_capabilities: UeSecurityCapabilities,
    }

    /// PATH SWITCH REQUEST FAILURE (§9.1.5.10).
    PathSwitchRequestFailure = Unsuccessful 3 reject "PathSwitchRequestFailure" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// HANDOVER PREPARATION FAILURE (§9.1.5.3).
    HandoverPreparationFailure = Unsuccessful 0 reject "HandoverPreparationFailure" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// HANDOVER FAILURE (§9.1.5.6): the target refuses.
    HandoverFailure = Unsuccessful 1 reject "HandoverFailure" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }
}
