//! Messages about the context of a UE (TS 36.413 §9.1.4, §9.1.10).

use super::table::messages;
use crate::codec::{BitField, Integer};
use crate::value::{
    Cause, CriticalityDiagnostics, CsFallbackIndicator, ErabItem, ErabToBeSetup, ErabTunnel, HandoverRestrictionList,
    NrUeSecurityCapabilities, SecurityKey, UeAmbr, UeS1apIds, UeSecurityCapabilities,
};
use basalt_ids::{EnbUeS1apId, Gummei, MmeUeS1apId};

messages! {
    /// INITIAL CONTEXT SETUP REQUEST (§9.1.4.1).
    InitialContextSetupRequest = Initiating 9 reject "InitialContextSetupRequest" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// Bit rate of all non-GBR bearers together.
        66 reject required ue_ambr: UeAmbr,
        /// Bearers, 1 to 256.
        24 reject (required 52 reject) erabs: ErabToBeSetup,
        /// Algorithms of the UE.
        107 reject required ue_security_capabilities: UeSecurityCapabilities,
        /// K_eNB.
        73 reject required security_key: SecurityKey,
        /// Where the UE may go.
        41 ignore optional handover_restriction_list: Box<HandoverRestrictionList>,
        /// What the radio of the UE can do.
        74 ignore optional ue_radio_capability: Vec<u8>,
        /// Subscriber profile id for RAT/frequency priority, 1 to 256.
        106 ignore optional subscriber_profile_id: u16 as Integer<1, 256>,
        /// That a circuit switched fallback is wanted.
        108 reject optional cs_fallback_indicator: CsFallbackIndicator,
        /// The MME that serves the UE.
        75 ignore optional gummei: Gummei,
        /// IMEISV with its last digits of the serial number masked, 64 bits (§9.2.3.38).
        192 ignore optional masked_imeisv: u64 as BitField<64>,
        /// NR algorithms of the UE.
        269 ignore optional nr_ue_security_capabilities: NrUeSecurityCapabilities,
    }

    /// INITIAL CONTEXT SETUP RESPONSE (§9.1.4.3).
    InitialContextSetupResponse = Successful 9 reject "InitialContextSetupResponse" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Bearers that work, 1 to 256.
        51 ignore (mandatory 50 ignore) erabs: ErabTunnel,
        /// Bearers that do not.
        48 ignore (optional 35 ignore) failed_erabs: ErabItem,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// INITIAL CONTEXT SETUP FAILURE (§9.1.4.4).
    InitialContextSetupFailure = Unsuccessful 9 reject "InitialContextSetupFailure" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// UE CONTEXT RELEASE REQUEST (§9.1.4.5): the eNodeB wants to let the UE go.
    UeContextReleaseRequest = Initiating 18 ignore "UEContextReleaseRequest" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
    }

    /// UE CONTEXT RELEASE COMMAND (§9.1.4.6).
    UeContextReleaseCommand = Initiating 23 reject "UEContextReleaseCommand" {
        /// Which UE.
        99 reject required ue_s1ap_ids: UeS1apIds,
        /// Why.
        2 ignore mandatory cause: Cause,
    }

    /// UE CONTEXT RELEASE COMPLETE (§9.1.4.7).
    UeContextReleaseComplete = Successful 23 reject "UEContextReleaseComplete" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// What was wrong with the command.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// UE CONTEXT MODIFICATION REQUEST (§9.1.4.8).
    UeContextModificationRequest = Initiating 21 reject "UEContextModificationRequest" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// New K_eNB.
        73 reject optional security_key: SecurityKey,
        /// Subscriber profile id for RAT/frequency priority, 1 to 256.
        106 ignore optional subscriber_profile_id: u16 as Integer<1, 256>,
        /// New bit rate of all non-GBR bearers together.
        66 ignore optional ue_ambr: UeAmbr,
        /// That a circuit switched fallback is wanted.
        108 reject optional cs_fallback_indicator: CsFallbackIndicator,
        /// Algorithms of the UE.
        107 reject optional ue_security_capabilities: UeSecurityCapabilities,
        /// NR algorithms of the UE.
        269 ignore optional nr_ue_security_capabilities: NrUeSecurityCapabilities,
    }

    /// UE CONTEXT MODIFICATION RESPONSE (§9.1.4.9).
    UeContextModificationResponse = Successful 21 reject "UEContextModificationResponse" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// UE CONTEXT MODIFICATION FAILURE (§9.1.4.10).
    UeContextModificationFailure = Unsuccessful 21 reject "UEContextModificationFailure" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// UE CONTEXT RESUME FAILURE (§9.1.4.14).
    UeContextResumeFailure = Unsuccessful 56 reject "UEContextResumeFailure" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Why.
        2 ignore mandatory cause: Cause,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// UE CAPABILITY INFO INDICATION (§9.1.10).
    UeCapabilityInfoIndication = Initiating 22 ignore "UECapabilityInfoIndication" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// What the radio of the UE can do.
        74 ignore mandatory ue_radio_capability: Vec<u8>,
        /// The same, for paging.
        198 ignore optional ue_radio_capability_for_paging: Vec<u8>,
    }
}
