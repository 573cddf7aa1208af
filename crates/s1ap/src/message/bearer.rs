//! Messages about E-RABs (TS 36.413 §9.1.3).

use super::table::messages;
use crate::value::{CriticalityDiagnostics, ErabDone, ErabItem, ErabToBeModified, ErabToBeSetup, ErabTunnel, UeAmbr};
use basalt_ids::{EnbUeS1apId, MmeUeS1apId};

messages! {
    /// E-RAB SETUP REQUEST (§9.1.3.1).
    ErabSetupRequest = Initiating 5 reject "E-RABSetupRequest" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// New bit rate of all non-GBR bearers together.
        66 reject optional ue_ambr: UeAmbr,
        /// Bearers, 1 to 256, each with its NAS message.
        16 reject (required 17 reject) erabs: ErabToBeSetup,
    }

    /// E-RAB SETUP RESPONSE (§9.1.3.2).
    ErabSetupResponse = Successful 5 reject "E-RABSetupResponse" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Bearers that work.
        28 ignore (optional 39 ignore) erabs: ErabTunnel,
        /// Bearers that do not.
        29 ignore (optional 35 ignore) failed_erabs: ErabItem,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// E-RAB MODIFY REQUEST (§9.1.3.3).
    ErabModifyRequest = Initiating 6 reject "E-RABModifyRequest" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// New bit rate of all non-GBR bearers together.
        66 reject optional ue_ambr: UeAmbr,
        /// Bearers, 1 to 256.
        30 reject (required 36 reject) erabs: ErabToBeModified,
    }

    /// E-RAB MODIFY RESPONSE (§9.1.3.4).
    ErabModifyResponse = Successful 6 reject "E-RABModifyResponse" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Bearers that changed.
        31 ignore (optional 37 ignore) erabs: ErabDone,
        /// Bearers that did not.
        32 ignore (optional 35 ignore) failed_erabs: ErabItem,
        /// What was wrong with the request.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// E-RAB RELEASE COMMAND (§9.1.3.5).
    ErabReleaseCommand = Initiating 7 reject "E-RABReleaseCommand" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// New bit rate of all non-GBR bearers together.
        66 reject optional ue_ambr: UeAmbr,
        /// Bearers, 1 to 256.
        33 ignore (mandatory 35 ignore) erabs: ErabItem,
        /// NAS message for the UE.
        26 ignore optional nas_pdu: Vec<u8>,
    }

    /// E-RAB RELEASE RESPONSE (§9.1.3.6).
    ErabReleaseResponse = Successful 7 reject "E-RABReleaseResponse" {
        /// The MME's id.
        0 ignore mandatory mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 ignore mandatory enb_ue_id: EnbUeS1apId,
        /// Bearers that are gone.
        69 ignore (optional 15 ignore) erabs: ErabDone,
        /// Bearers that are not.
        34 ignore (optional 35 ignore) failed_erabs: ErabItem,
        /// What was wrong with the command.
        58 ignore optional criticality_diagnostics: CriticalityDiagnostics,
    }

    /// E-RAB RELEASE INDICATION (§9.1.3.7): the eNodeB let bearers go.
    ErabReleaseIndication = Initiating 8 ignore "E-RABReleaseIndication" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// Bearers that are gone, 1 to 256.
        110 ignore (mandatory 35 ignore) erabs: ErabItem,
    }
}
