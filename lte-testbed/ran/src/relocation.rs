//! S1 handover, both eNodeBs' sides (TS 36.413 §8.4.1 to §8.4.7), and the data that follows the phone (TS 36.300 §10.1.2.3).
//!
//! ```text
//!  source eNodeB                      MME                       target eNodeB
//!    | HANDOVER REQUIRED ------------> | HANDOVER REQUEST ----------> |
//!    | <----------- HANDOVER COMMAND - | <- HANDOVER REQUEST ACK. --- |  phone expected, tunnels for forwarded data
//!    | ENB STATUS TRANSFER ----------> | MME STATUS TRANSFER -------> |
//!    |================ data that is left, End Marker ===============> |  kept until the phone is there
//!    |                                 | <----------- HANDOVER NOTIFY |  first what was forwarded, then what is new
//!    | <- UE CONTEXT RELEASE COMMAND - |                              |
//! ```

use std::net::Ipv4Addr;

use basalt_ids::{Ebi, EnbUeS1apId, GlobalEnbId, Tai, Teid};
use basalt_s1ap::{
    Cause, DirectForwardingPath, EnbStatusTransfer, ErabAdmitted, ErabItem, ForwardingTunnels, HandoverCancel,
    HandoverCancelAcknowledge, HandoverCommand, HandoverFailure, HandoverNotify, HandoverPreparationFailure,
    HandoverRequest, HandoverRequestAcknowledge, HandoverRequired, HandoverType, RadioNetworkCause, StatusTransfer,
    TargetEnb, TargetId, TransportAddress, UeIds,
};
use basalt_sansio::{Duration, Time};

use crate::connection::{Bearer, Connection, ConnectionState};
use crate::enb::{Enb, Out, Timer};
use crate::io::{Effect, Event, PhoneId};

/// TS1RELOCprep: how long the MME may take for HANDOVER REQUIRED.
const PREPARATION: Duration = Duration::from_secs(8);
/// TS1RELOCOverall at the source, and how long a target expects a phone.
const OVERALL: Duration = Duration::from_secs(12);
/// How long a target waits for the End Marker before it gives the phone what is new.
const END_MARKER_PATIENCE: Duration = Duration::from_secs(1);
/// Packets that are kept for a phone on its way.
const MOST_KEPT: usize = 8192;

/// A bearer whose data comes from the source of a handover.
#[derive(Clone, Debug)]
pub(crate) struct Following {
    pub ebi: Ebi,
    /// Where forwarded packets come.
    pub teid: Teid,
    /// Nothing more is forwarded.
    ended: bool,
    /// What came by the new path meanwhile.
    fresh: Vec<Vec<u8>>,
}

/// What a handover means to a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relocation {
    /// At the source: where the data of bearers goes.
    leading: Vec<(Ebi, Ipv4Addr, Teid)>,
    /// At the target: where it comes from.
    following: Vec<Following>,
    /// At the target: what came before the phone.
    early: Vec<(Ebi, Vec<u8>)>,
}

/// What becomes of a packet from a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downlink {
    /// The phone gets it, by this bearer.
    Phone(PhoneId, Ebi),
    /// It goes on to another eNodeB (or the gateway), in this tunnel.
    Onward(Ipv4Addr, Teid),
    /// It is kept until the phone, or what comes before it, is there.
    Kept,
    /// The phone left, and there is nowhere to send it.
    Lost,
    /// There is no such tunnel.
    Unknown,
}

impl Enb {
    /// HANDOVER REQUIRED.
    pub(crate) fn require_handover(
        &mut self,
        now: Time,
        phone: PhoneId,
        target: (GlobalEnbId, Tai),
        direct: bool,
        out: &mut Out,
    ) {
        let Some(connection) = self.connections.of_phone_mut(phone) else { return };
        let (ConnectionState::Active, Some(mme_id)) = (connection.state, connection.mme_id) else {
            out.push(Effect::Event(Event::ProtocolError("a phone without context cannot be handed over".to_owned())));
            return;
        };
        connection.state = ConnectionState::Relocating;
        let id = connection.id;
        let cause = RadioNetworkCause::HandoverDesirableForRadioReason.into();
        let target = TargetId::Enb(TargetEnb::new(target.0, target.1));
        // What the target needs to know of the radio; here, which phone it is.
        let container = phone.0.to_be_bytes().to_vec();
        let mut required = HandoverRequired::new(mme_id, id, HandoverType::Intralte, cause, target, container);
        required.direct_forwarding_path = direct.then_some(DirectForwardingPath::Available);
        self.timers.arm(Timer::Relocation(id), now + PREPARATION);
        self.send_ue(id, required, out);
    }

    /// HANDOVER CANCEL.
    pub(crate) fn cancel_handover(&mut self, phone: PhoneId, out: &mut Out) {
        let Some(connection) = self.connections.of_phone_mut(phone) else { return };
        let relocates = matches!(connection.state, ConnectionState::Relocating);
        let (Some(mme_id), true) = (connection.mme_id, relocates) else { return };
        let id = connection.id;
        self.timers.cancel(&Timer::Relocation(id));
        self.send_ue(id, HandoverCancel::new(mme_id, id, RadioNetworkCause::HandoverCancelled.into()), out);
    }

    pub(crate) fn handover_cancelled(&mut self, message: &HandoverCancelAcknowledge, out: &mut Out) {
        let ids = UeIds { mme: message.mme_ue_id, enb: message.enb_ue_id };
        let Some(id) = self.of_ids(ids, out).map(|connection| connection.id) else { return };
        if let Some(connection) = self.connections.get_mut(id)
            && connection.state == ConnectionState::Relocating
        {
            connection.state = ConnectionState::Active;
            out.push(Effect::Event(Event::HandoverCancelled(connection.phone)));
        }
    }

    pub(crate) fn handover_refused(&mut self, message: &HandoverPreparationFailure, out: &mut Out) {
        let ids = UeIds { mme: message.mme_ue_id, enb: message.enb_ue_id };
        let Some(id) = self.of_ids(ids, out).map(|connection| connection.id) else { return };
        self.timers.cancel(&Timer::Relocation(id));
        if let Some(connection) = self.connections.get_mut(id)
            && connection.state == ConnectionState::Relocating
        {
            connection.state = ConnectionState::Active;
            out.push(Effect::Event(Event::HandoverFailed(connection.phone, message.cause)));
        }
    }

    /// HANDOVER COMMAND: the phone is sent on its way, and what is left of its data after it.
    pub(crate) fn handover_commanded(&mut self, now: Time, message: &HandoverCommand, out: &mut Out) {
        let ids = UeIds { mme: Some(message.mme_ue_id), enb: Some(message.enb_ue_id) };
        let Some(id) = self.of_ids(ids, out).map(|connection| connection.id) else { return };
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.state != ConnectionState::Relocating {
            out.push(Effect::Event(Event::Unexpected(HandoverCommand::NAME)));
            return;
        }
        connection.state = ConnectionState::Left;
        let forwarded = message.forwarding.iter().filter_map(|item| {
            let (address, teid) = item.forwarding.downlink()?;
            Some((item.ebi, address.v4()?, teid))
        });
        connection.relocation.leading = forwarded.collect();
        let phone = connection.phone;
        self.timers.cancel(&Timer::Inactivity(id));
        self.timers.arm(Timer::Relocation(id), now + OVERALL);
        self.send_ue(id, EnbStatusTransfer::new(message.mme_ue_id, id, counts()), out);
        out.push(Effect::Departed { phone });
    }

    /// HANDOVER REQUEST: the phone is expected.
    pub(crate) fn handover_requested(&mut self, now: Time, message: HandoverRequest, out: &mut Out) {
        let mme_id = message.mme_ue_id;
        if self.config.faults.ignore_handover {
            return;
        }
        if let Some(cause) = self.config.faults.refuse_handover {
            self.send(HandoverFailure::new(mme_id, cause), out);
            return;
        }
        let phone = <[u8; 4]>::try_from(message.container.as_slice()).map(u32::from_be_bytes).map(PhoneId);
        let id = phone.ok().and_then(|phone| {
            self.connections.forget_left(phone);
            self.connections.open(now, phone).map(|connection| (phone, connection.id))
        });
        let Some((phone, id)) = id else {
            let cause: Cause = RadioNetworkCause::NoRadioResourcesAvailableInTargetCell.into();
            self.send(HandoverFailure::new(mme_id, cause), out);
            return;
        };
        let asked: Vec<Ebi> = message.erabs.iter().map(|erab| erab.ebi).collect();
        let (added, _) = self.add_bearers(phone, message.erabs);
        let mut admitted = Vec::new();
        for ebi in &added {
            let forwarding = self.connections.new_teid(self.config.teid_prefix, phone, *ebi);
            let address = TransportAddress::V4(self.config.user_plane);
            let Some(connection) = self.connections.get_mut(id) else { return };
            let Some(bearer) = connection.bearer(*ebi).copied() else { continue };
            admitted.push(admit(&bearer, address, forwarding));
            if let Some(teid) = forwarding {
                let following = Following { ebi: *ebi, teid, ended: false, fresh: Vec::new() };
                connection.relocation.following.push(following);
            }
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.mme_id = Some(mme_id);
            connection.state = ConnectionState::Expected;
            connection.security = Some(message.ue_security_capabilities);
            let key = message.security_context;
            connection.next_hop = Some((key.next_hop_chaining_count, key.next_hop));
        }
        self.timers.arm(Timer::Relocation(id), now + OVERALL);
        let mut answer = HandoverRequestAcknowledge::new(mme_id, id, admitted, b"come".to_vec());
        let refused = asked.into_iter().filter(|ebi| !added.contains(ebi));
        let cause = RadioNetworkCause::NoRadioResourcesAvailableInTargetCell;
        answer.failed_erabs = refused.map(|ebi| ErabItem::new(ebi, cause.into())).collect();
        self.send_ue(id, answer, out);
    }

    /// HANDOVER NOTIFY: the phone is here. It gets first what was forwarded before it came.
    pub(crate) fn arrive(&mut self, now: Time, phone: PhoneId, out: &mut Out) {
        let (tai, ecgi) = (self.config.tai(), self.config.ecgi());
        let expected = self.connections.of_phone_mut(phone).filter(|it| it.state == ConnectionState::Expected);
        let Some((connection, mme_id)) = expected.and_then(|connection| {
            let mme_id = connection.mme_id?;
            Some((connection, mme_id))
        }) else {
            out.push(Effect::Release { phone, cause: RadioNetworkCause::RadioConnectionWithUeLost.into() });
            return;
        };
        connection.state = ConnectionState::Active;
        connection.last_activity = now;
        let id = connection.id;
        let early = std::mem::take(&mut connection.relocation.early);
        let next_hop = connection.next_hop.clone();
        self.timers.arm(Timer::Relocation(id), now + END_MARKER_PATIENCE);
        self.watch_activity(now, id);
        self.send_ue(id, HandoverNotify::new(mme_id, id, ecgi, tai), out);
        if let Some((ncc, next_hop)) = next_hop {
            out.push(Effect::PathSwitched { phone, ncc, next_hop });
        }
        out.extend(early.into_iter().map(|(ebi, packet)| Effect::Downlink { phone, ebi, packet }));
    }

    /// A packet from a tunnel.
    pub fn downlink(&mut self, now: Time, teid: Teid, packet: &[u8]) -> Downlink {
        let Some((phone, ebi)) = self.connections.tunnel(teid) else { return Downlink::Unknown };
        let Some(connection) = self.connections.of_phone_mut(phone) else { return Downlink::Unknown };
        connection.last_activity = now;
        let relocation = &mut connection.relocation;
        if connection.state == ConnectionState::Left {
            let lead = relocation.leading.iter().find(|(bearer, ..)| *bearer == ebi);
            return lead.map_or(Downlink::Lost, |(_, address, teid)| Downlink::Onward(*address, *teid));
        }
        let here = connection.state != ConnectionState::Expected;
        match relocation.following.iter_mut().find(|following| following.ebi == ebi) {
            Some(following) if following.teid == teid && here => Downlink::Phone(phone, ebi),
            Some(following) if following.teid == teid => keep(&mut relocation.early, (ebi, packet.to_vec())),
            Some(following) if !following.ended || !here => keep(&mut following.fresh, packet.to_vec()),
            _ => Downlink::Phone(phone, ebi),
        }
    }

    /// An End Marker from a tunnel: where it goes on to; what waited for it comes out as effects.
    pub(crate) fn end_marker(&mut self, teid: Teid, out: &mut Out) {
        let Some((phone, ebi)) = self.connections.tunnel(teid) else { return };
        let Some(connection) = self.connections.of_phone_mut(phone) else { return };
        let here = connection.state != ConnectionState::Expected;
        let relocation = &mut connection.relocation;
        if connection.state == ConnectionState::Left {
            let lead = relocation.leading.iter().find(|(bearer, ..)| *bearer == ebi);
            out.extend(lead.map(|(_, address, teid)| Effect::EndMarker { to: *address, teid: *teid }));
            return;
        }
        let following = relocation.following.iter_mut().find(|following| following.teid == teid);
        let Some(following) = following else { return };
        following.ended = true;
        if here {
            let fresh = std::mem::take(&mut following.fresh);
            out.extend(fresh.into_iter().map(|packet| Effect::Downlink { phone, ebi, packet }));
        }
    }

    /// A handover took too long: at the source before the command it is cancelled, after it the phone is lost; a target stops expecting
    /// it, or waiting for the End Marker.
    pub(crate) fn relocation_expired(&mut self, now: Time, id: EnbUeS1apId, out: &mut Out) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let phone = connection.phone;
        match connection.state {
            ConnectionState::Relocating => {
                self.cancel_handover(phone, out);
                // Whatever the MME says: the phone is here.
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.state = ConnectionState::Active;
                }
                out.push(Effect::Event(Event::HandoverFailed(phone, None)));
            }
            ConnectionState::Left => {
                self.ask_release(now, phone, RadioNetworkCause::Ts1RelocOverallExpiry.into(), out);
            }
            ConnectionState::Expected => {
                self.forget(id);
            }
            _ => {
                for following in &mut connection.relocation.following {
                    following.ended = true;
                    let (ebi, fresh) = (following.ebi, std::mem::take(&mut following.fresh));
                    out.extend(fresh.into_iter().map(|packet| Effect::Downlink { phone, ebi, packet }));
                }
            }
        }
    }
}

impl Connection {
    /// The phone is elsewhere: nothing that happens to this connection is heard by it.
    pub(crate) fn is_without_phone(&self) -> bool {
        matches!(self.state, ConnectionState::Left | ConnectionState::Expected)
    }
}

impl Relocation {
    /// Tunnels for forwarded data.
    pub(crate) fn teids(&self) -> impl Iterator<Item = Teid> {
        self.following.iter().map(|following| following.teid)
    }
}

fn keep<T>(queue: &mut Vec<T>, packet: T) -> Downlink {
    if queue.len() >= MOST_KEPT {
        return Downlink::Lost;
    }
    queue.push(packet);
    Downlink::Kept
}

fn admit(bearer: &Bearer, address: TransportAddress, forwarding: Option<Teid>) -> ErabAdmitted {
    let mut admitted = ErabAdmitted::new(bearer.ebi, address, bearer.downlink);
    admitted.forwarding = ForwardingTunnels {
        downlink_address: forwarding.map(|_| address),
        downlink_teid: forwarding,
        ..ForwardingTunnels::default()
    };
    admitted
}

/// PDCP counts of one bearer, all zero: this eNodeB has no PDCP, and the MME does not look.
fn counts() -> StatusTransfer {
    StatusTransfer(vec![0x00, 0x00, 0x00, 0x59, 0x40, 0x09, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00])
}
