//! Messages that carry NAS-PDUs, and Paging (TS 36.413 §9.1.6, §9.1.7).

use super::table::messages;
use crate::codec::{BitField, Integer};
use crate::value::{
    Cause, CnDomain, GummeiType, HandoverRestrictionList, PagingDrx, PagingIdentity, PagingPriority,
    RrcEstablishmentCause,
};
use basalt_ids::{Ecgi, EnbUeS1apId, Gummei, MmeUeS1apId, STmsi, Tai};

messages! {
    /// INITIAL UE MESSAGE (§9.1.7.1): the first NAS message of a UE.
    InitialUeMessage = Initiating 12 ignore "InitialUEMessage" {
        /// The eNodeB's id for the new association.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// The NAS message.
        26 reject required nas_pdu: Vec<u8>,
        /// Tracking area of the cell.
        67 reject required tai: Tai,
        /// The cell.
        100 ignore mandatory ecgi: Ecgi,
        /// Why the UE came.
        134 ignore mandatory rrc_establishment_cause: RrcEstablishmentCause,
        /// Temporary identity, when the UE gave one of this tracking area.
        96 reject optional s_tmsi: STmsi,
        /// MME where the UE was registered.
        75 reject optional gummei: Gummei,
        /// Where that identity comes from.
        170 ignore optional gummei_type: GummeiType,
    }

    /// DOWNLINK NAS TRANSPORT (§9.1.7.2).
    DownlinkNasTransport = Initiating 11 ignore "DownlinkNASTransport" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// The NAS message.
        26 reject required nas_pdu: Vec<u8>,
        /// Where the UE may go.
        41 ignore optional handover_restriction_list: Box<HandoverRestrictionList>,
        /// Subscriber profile id for RAT/frequency priority, 1 to 256.
        106 ignore optional subscriber_profile_id: u16 as Integer<1, 256>,
    }

    /// UPLINK NAS TRANSPORT (§9.1.7.3).
    UplinkNasTransport = Initiating 13 ignore "UplinkNASTransport" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// The NAS message.
        26 reject required nas_pdu: Vec<u8>,
        /// The cell.
        100 ignore mandatory ecgi: Ecgi,
        /// Tracking area of the cell.
        67 ignore mandatory tai: Tai,
    }

    /// NAS NON DELIVERY INDICATION (§9.1.7.4): a NAS message did not reach the UE.
    NasNonDeliveryIndication = Initiating 16 ignore "NASNonDeliveryIndication" {
        /// The MME's id.
        0 reject required mme_ue_id: MmeUeS1apId,
        /// The eNodeB's id.
        8 reject required enb_ue_id: EnbUeS1apId,
        /// The NAS message.
        26 ignore mandatory nas_pdu: Vec<u8>,
        /// Why.
        2 ignore mandatory cause: Cause,
    }

    /// PAGING (§9.1.6).
    Paging = Initiating 10 ignore "Paging" {
        /// IMSI modulo 1024 (TS 36.304 §7), 10 bits.
        80 ignore mandatory ue_identity_index: u16 as BitField<10>,
        /// Whom.
        43 ignore mandatory identity: PagingIdentity,
        /// The UE's own paging DRX cycle.
        44 ignore optional paging_drx: PagingDrx,
        /// From which domain.
        109 ignore mandatory cn_domain: CnDomain,
        /// Where, 1 to 256 areas.
        46 ignore (mandatory 47 ignore) tais: Tai,
        /// How important.
        151 ignore optional priority: PagingPriority,
        /// What the radio of the UE can do, for paging.
        198 ignore optional ue_radio_capability_for_paging: Vec<u8>,
    }
}
