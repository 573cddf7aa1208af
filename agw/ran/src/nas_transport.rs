//! NAS transport (TS 36.413 §8.6) and UE capability info (§8.9).
//!
//! ```text
//!   eNB                                   MME
//!    │ INITIAL UE MESSAGE                  │
//!    ├────────────────────────────────────►│  a connection with ids on both sides ─► Initial
//!    │              DOWNLINK NAS TRANSPORT │
//!    │◄────────────────────────────────────┤  ◄─ Downlink
//!    │ UPLINK NAS TRANSPORT                │
//!    ├────────────────────────────────────►│  ─► Uplink
//!    │ NAS NON DELIVERY INDICATION         │
//!    ├────────────────────────────────────►│  ─► NotDelivered
//!    │ UE CAPABILITY INFO INDICATION       │
//!    ├────────────────────────────────────►│  ─► Capability
//! ```

use crate::cause::from_s1ap;
use crate::connection::Connection;
use crate::{Cx, Ran};
use agw_types::{Area, EstablishmentCause, LinkId, RadioCause, RadioEventKind, RadioId};
use basalt_ids::{Ecgi, Eci, EnbId, GlobalEnbId, MmeUeS1apId, Tai};
use basalt_s1ap::{
    DownlinkNasTransport, InitialUeMessage, MiscCause, NasNonDeliveryIndication, RrcEstablishmentCause,
    UeCapabilityInfoIndication, UeIds, UplinkNasTransport,
};

/// Radio capability beyond this is not kept: no UE has so much (TS 36.331 limits an RRC message to 8188 octets, segmented
/// ones to a few of them).
const LONGEST_CAPABILITY: usize = 16_384;

impl Ran {
    /// INITIAL UE MESSAGE.
    pub(crate) fn initial_ue(&mut self, link: LinkId, stream: u16, message: InitialUeMessage, cx: &mut Cx<'_>) {
        let enb_ue_id = message.enb_ue_id;
        // The base station gives the id to someone new: what had it before is gone there (§10.6).
        if let Some(former) = self.by_enb_id(link, enb_ue_id) {
            self.end_connection(former, RadioCause::UnknownId, cx);
        }
        let Some(state) = self.links.get_mut(&link) else { return };
        let Some(enb) = state.ready().map(|enb| enb.id) else { return };
        let full = self.connections.len() >= self.limits.connections as usize;
        let area = Area { tai: message.tai, cell: message.ecgi.unwrap_or_else(|| first_cell(message.tai, enb)) };
        let connection = Connection::new(link, enb_ue_id, state.next_stream(), area);
        let opened = if full { None } else { self.open(connection) };
        let Some(radio) = opened else {
            let ids = UeIds { mme: None, enb: Some(enb_ue_id) };
            cx.error(link, stream, ids, MiscCause::ControlProcessingOverload, "InitialUEMessage beyond the limit");
            return;
        };
        if let Some(state) = self.links.get_mut(&link) {
            state.connections.insert(enb_ue_id.value(), radio);
        }
        let cause = establishment_cause(message.rrc_establishment_cause);
        let kind = RadioEventKind::Initial { nas: message.nas_pdu, area, cause, s_tmsi: message.s_tmsi };
        cx.event(radio, None, kind);
    }

    /// UPLINK NAS TRANSPORT.
    pub(crate) fn uplink_nas(&mut self, radio: RadioId, message: UplinkNasTransport, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        if let Some(tai) = message.tai {
            connection.area.tai = tai;
        }
        if let Some(cell) = message.ecgi {
            connection.area.cell = cell;
        }
        let kind = RadioEventKind::Uplink { nas: message.nas_pdu, area: connection.area };
        cx.event(radio, connection.ue, kind);
    }

    /// NAS NON DELIVERY INDICATION.
    pub(crate) fn not_delivered(&mut self, radio: RadioId, message: NasNonDeliveryIndication, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let Some(nas) = message.nas_pdu else { return };
        cx.event(radio, connection.ue, RadioEventKind::NotDelivered { nas, cause: from_s1ap(message.cause) });
    }

    /// UE CAPABILITY INFO INDICATION.
    pub(crate) fn capability(&mut self, radio: RadioId, message: UeCapabilityInfoIndication, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        if let Some(octets) = message.ue_radio_capability.filter(|octets| octets.len() <= LONGEST_CAPABILITY) {
            cx.event(radio, connection.ue, RadioEventKind::Capability { octets });
        }
    }

    /// DOWNLINK NAS TRANSPORT.
    pub(crate) fn downlink(&mut self, radio: RadioId, nas: Vec<u8>, cx: &mut Cx<'_>) {
        let Some(connection) = self.active(radio) else { return };
        let message = DownlinkNasTransport::new(MmeUeS1apId(radio.0.0), connection.enb_id, nas);
        cx.send(connection.link, connection.stream, message);
    }
}

/// The first cell of a base station, for one that does not say which cell it is (the IE is mandatory, but ignored when
/// absent: §10.3.5).
fn first_cell(tai: Tai, enb: GlobalEnbId) -> Ecgi {
    let value = match enb.enb {
        EnbId::Home(id) => id,
        id => id.value() << (28 - u32::from(id.bits())),
    };
    let eci = Eci::new(value & 0x0fff_ffff).unwrap_or(NO_CELL);
    Ecgi { plmn: tai.plmn, eci }
}

const NO_CELL: Eci = match Eci::new(0) {
    Ok(eci) => eci,
    Err(_) => unreachable!(),
};

const fn establishment_cause(cause: Option<RrcEstablishmentCause>) -> EstablishmentCause {
    match cause {
        Some(RrcEstablishmentCause::Emergency) => EstablishmentCause::Emergency,
        Some(RrcEstablishmentCause::HighPriorityAccess) => EstablishmentCause::HighPriority,
        Some(RrcEstablishmentCause::MtAccess) => EstablishmentCause::MtAccess,
        Some(RrcEstablishmentCause::MoSignalling) => EstablishmentCause::MoSignalling,
        Some(RrcEstablishmentCause::MoData) => EstablishmentCause::MoData,
        Some(RrcEstablishmentCause::DelayTolerantAccess) => EstablishmentCause::DelayTolerant,
        Some(RrcEstablishmentCause::MoVoiceCall) => EstablishmentCause::MoVoice,
        Some(RrcEstablishmentCause::MoExceptionData) => EstablishmentCause::MoException,
        Some(RrcEstablishmentCause::Unknown(_)) | None => EstablishmentCause::Other,
    }
}
