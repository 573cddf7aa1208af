//! The GTP-U socket: what programs leave to user space, and everything in the software plane.

use crate::buffer::Held;
use crate::dhcp6;
use crate::hand::Hand;
use crate::icmp;
use crate::paths::Act;
use crate::plane::{Outlet, Shared, State};
use crate::reports::Report;
use crate::router;
use crate::suspects::Suspicion;
use crate::watch::software;
use agw_types::{Peer, Traffic};
use basalt_ebpf_abi::{Address, DropReason, Point, PuntReason};
use basalt_gtp::{Datagram, Header, Message, MessageType};
use basalt_ids::Teid;
use basalt_pipeline::{Frame, Tables, Uplinked};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

/// Extension headers that we understand (TS 29.281 §5.2.2): PDU Session Container, PDCP PDU Number, Long PDCP PDU Number.
const SUPPORTED: [u8; 3] = [0x85, 0xc0, 0x82];

impl Shared {
    /// A datagram from `peer`, which lies in this hand.
    pub(crate) fn datagram(&self, now: Instant, from: SocketAddrV4, octets: &mut [u8], hand: Option<&Hand>) {
        let peer = *from.ip();
        let length = octets.len();
        let Some(settings) = self.tables.settings.get(0) else { return };
        let Some(mut frame) = Frame::new(octets, 0, length) else { return };
        let available = u32::try_from(length).unwrap_or(u32::MAX);
        let watched = self.lookout.follows(&self.tables, settings, frame.bytes());
        if watched && self.carries() {
            self.lookout.tell(Point::RadioIn, software::received(peer, self.local, frame.bytes()), "");
        }
        let verdict = self.judge(&frame, settings, available, peer.into());
        if watched {
            self.tell_verdict(&verdict, peer, frame.bytes());
        }
        if let (Uplinked::Punt(reason), true) = (verdict, self.carries()) {
            self.tables.count(reason.slot());
        }
        if let (Uplinked::Punt(_), Some(hand)) = (verdict, hand) {
            // What is answered or kept in other ways shall not be so twice.
            hand.free();
        }
        match verdict {
            Uplinked::Forward { record, charge, offset, length, next_hop, rewrite, hairpin, .. } => {
                basalt_pipeline::clamp(&mut frame, settings, offset, length);
                if let Err(reason) = basalt_pipeline::leave(&mut frame, &self.tables, offset, &rewrite, hairpin) {
                    self.tables.dropped(reason, 1);
                    return;
                }
                let packet = frame.bytes().get(offset..).unwrap_or_default();
                if watched {
                    self.lookout.tell(Point::InternetOut, software::framed(packet), "");
                }
                self.forward_up((record, &charge), packet, length, next_hop, hand);
            }
            Uplinked::Drop(reason) => self.tables.dropped(reason, 1),
            Uplinked::Egress(_) => {}
            Uplinked::Punt(PuntReason::NatPorts) => self.more_ports(now, peer, frame.bytes()),
            Uplinked::Punt(PuntReason::RouterSolicitation) => self.solicited(now, frame.bytes()),
            Uplinked::Punt(PuntReason::Forwarding) => {
                if let Some(teid) = teid(frame.bytes()) {
                    self.relay(&self.state(), teid, frame.bytes());
                }
            }
            Uplinked::Punt(PuntReason::GtpControl) => self.control(now, from, frame.bytes()),
            Uplinked::Punt(PuntReason::UnknownExtension) => self.supported(now, peer, frame.bytes()),
            Uplinked::Punt(reason) => self.hold(now, peer, frame.bytes(), reason),
        }
    }

    /// Whether every packet comes here first; where programs carry them, those have counted and told what they leave.
    fn carries(&self) -> bool {
        matches!(self.outlet, Outlet::Device(_))
    }

    /// Tells whoever watches that a packet from a phone ends here.
    pub(crate) fn tell_end(&self, peer: Ipv4Addr, message: &[u8], reason: DropReason) {
        let Some(settings) = self.tables.settings.get(0) else { return };
        if self.lookout.follows(&self.tables, settings, message) {
            self.lookout.tell(Point::UplinkDropped, software::received(peer, self.local, message), reason.name());
        }
    }

    /// Tells whoever watches why a packet does not go on.
    fn tell_verdict(&self, verdict: &Uplinked<'_>, peer: Ipv4Addr, octets: &[u8]) {
        let (point, reason) = match verdict {
            Uplinked::Drop(reason) => (Point::UplinkDropped, reason.name()),
            Uplinked::Punt(reason) if self.carries() => (Point::UplinkPunted, reason.name()),
            Uplinked::Punt(_) | Uplinked::Forward { .. } | Uplinked::Egress(_) => return,
        };
        self.lookout.tell(point, software::received(peer, self.local, octets), reason);
    }

    /// A phone needs more external ports for this packet than it has: it gets a block more, or is told that it does not.
    fn more_ports(&self, now: Instant, peer: Ipv4Addr, octets: &[u8]) {
        let (Some(teid), Some(settings)) = (teid(octets), self.tables.settings.get(0)) else { return };
        let mut state = self.state();
        let Some(uplink) = self.tables.uplink.get((teid & settings.teid_mask.get()) as usize) else { return };
        let Some(home) = self.tables.uplink.get(uplink.home.get() as usize) else { return };
        // Its first block, or another packet's, may have been given since the program looked.
        let Some(held) = self.uplink_again(Held::new(teid, peer, octets, PuntReason::NatPorts)) else { return };
        if self.grant(&mut state, teid) && self.uplink_again(held).is_none() {
            return;
        }
        self.tables.dropped(DropReason::NatPorts, 1);
        uplink.refused.add(1);
        let Ok(Datagram { message: Message::GPdu(inner), .. }) = Datagram::decode(octets) else { return };
        let slot = settings.slot(Address(home.ue.get()));
        let downlink = slot.and_then(|slot| self.tables.downlink.get(slot as usize));
        if let (Some(downlink), true) = (downlink, state.questions.allow(now, home.teid.get()))
            && let Some(message) = icmp::prohibited(self.local, &inner)
        {
            self.send_down(downlink, message, None);
        }
    }

    /// Gives whoever has this tunnel a block of external ports more, or a first one; whether it could.
    pub(crate) fn grant(&self, state: &mut State, teid: u32) -> bool {
        let record = |index: u32| self.tables.uplink.get(index as usize);
        let uplink = record(state.sessions.layout.index(teid));
        let (Some(home), Some(nat)) = (uplink.and_then(|uplink| record(uplink.home.get())), &mut state.nat) else {
            return false;
        };
        let inside = Address(home.ue.get()).to_ipv4();
        match nat.owner(inside) {
            Some(_) => nat.more(&self.tables, inside),
            None => nat.assign(&self.tables, home, inside, None).is_ok(),
        }
    }

    /// A phone asks for its prefix, whether its router is there, or to have a prefix delegated.
    fn solicited(&self, now: Instant, octets: &[u8]) {
        let Ok(Datagram { header, message: Message::GPdu(inner) }) = Datagram::decode(octets) else { return };
        let Some(settings) = self.tables.settings.get(0) else { return };
        let index = header.teid.0 & settings.teid_mask.get();
        let Some(uplink) = self.tables.uplink.get(index as usize) else { return };
        let home = self.tables.uplink.get(uplink.home.get() as usize).map_or(0, |home| home.teid.get());
        if !self.state().questions.allow(now, home) {
            self.tables.dropped(DropReason::PeerRate, 1);
            return;
        }
        let other = self.state().sessions.other_half(&self.tables, uplink);
        if let Some((_, downlink)) = other
            && downlink.prefix.get() == uplink.prefix.get()
        {
            if router::solicits(&inner) {
                self.advertise(downlink);
                return;
            }
            if let Some(answer) = router::here(&inner) {
                self.send_down(downlink, answer, None);
                return;
            }
            let prefix = u64::from_be(uplink.prefix.get());
            let shift = settings.place6(prefix).map_or(0, |place| place.shift);
            if let Some(answer) = dhcp6::answer(&inner, &dhcp6::Offer { prefix, shift, dns: &self.dns6 }) {
                self.send_down(downlink, answer, None);
            }
        }
    }

    /// Keeps a message for a tunnel that may be made or moved any moment.
    fn hold(&self, now: Instant, peer: Ipv4Addr, octets: &[u8], reason: PuntReason) {
        let Some(teid) = teid(octets) else { return };
        let mut state = self.state();
        // The tunnel may have been made since the message was judged: whoever made it has looked for held ones already.
        let early = Held::new(teid, peer, octets, reason);
        let Some(early) = self.uplink_again(early) else { return };
        if early.reason == PuntReason::IdleUplink && self.insists(&mut state, now, &early) {
            return;
        }
        if let Some(refused) = state.waiting.push(now, early) {
            self.give_up(&mut state, now, &refused);
        }
    }

    /// See [`crate::Dataplane::expect`].
    pub(crate) fn expect(&self, teid: Teid) {
        let mut state = self.state();
        let there = self.tables.uplink.get(state.sessions.layout.index(teid.0) as usize);
        if teid.0 != 0 && there.is_some_and(|record| record.teid.get() != teid.0) {
            state.waiting.promise(Instant::now(), teid.0);
        }
    }

    /// When the next held message must be judged for good, or a base station be asked.
    pub(crate) fn due(&self) -> Option<Instant> {
        let state = self.state();
        // Mappings of translation and rules of fragments need a clock, and phones are told their prefixes by turns.
        let clock = Some(Instant::now() + Duration::from_secs(1));
        [state.waiting.due(), state.paths.due(), state.relay_due(), clock].into_iter().flatten().min()
    }

    /// Asks base stations whether they are there.
    pub(crate) fn ask(&self, now: Instant) {
        let acts = {
            let State { sessions, paths, .. } = &mut *self.state();
            paths.poll(now, || sessions.peers())
        };
        for act in acts {
            match act {
                Act::Ask(peer, sequence) => {
                    let message = Message::EchoRequest { others: Vec::new() };
                    self.send_control(peer, &Datagram { header: Header::with_sequence(Teid(0), sequence), message });
                }
                Act::Down(peer) => {
                    tracing::warn!(%peer, "a base station does not answer");
                    self.report(Report::Path { peer, up: false });
                }
            }
        }
    }

    /// Judges messages whose tunnel did not come.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.state();
        while let Some(held) = state.waiting.expired(now) {
            self.give_up(&mut state, now, &held);
        }
        self.expire_relays(&mut state, now);
    }

    /// To a base station that goes on sending into an idle tunnel its bearer does not exist any more, and nothing else would ever tell it
    /// so: whether it was told now. Then nothing waits for the tunnel any more.
    fn insists(&self, state: &mut State, now: Instant, held: &Held) -> bool {
        if !state.insistence.refused(now, held.teid, held.peer) || !self.may_indicate(state, now, held) {
            return false;
        }
        state.insistence.told(held.teid, held.peer);
        let dropped = state.waiting.take(held.teid).len() + 1;
        self.tables.dropped(DropReason::IdleTunnel, dropped as u64);
        self.error_indication(held);
        true
    }

    /// No tunnel fits: tell the sender of an unknown one (TS 29.281 §7.3.1), drop the others.
    pub(crate) fn give_up(&self, state: &mut State, now: Instant, held: &Held) {
        let dropped = |reason: DropReason| {
            self.tables.dropped(reason, 1);
            self.tell_end(held.peer, &held.message, reason);
        };
        match held.reason {
            PuntReason::IdleUplink => dropped(DropReason::IdleTunnel),
            PuntReason::NatPorts => dropped(DropReason::NatPorts),
            PuntReason::OtherPeer => {
                dropped(DropReason::WrongPeer);
                self.suspect(state, now, held.peer, Suspicion::ForeignTunnels);
            }
            _ => {
                if self.may_indicate(state, now, held) {
                    self.error_indication(held);
                } else {
                    self.tables.dropped(DropReason::PeerRate, 1);
                }
                self.suspect(state, now, held.peer, Suspicion::UnknownTunnels);
            }
        }
    }

    /// TEID 0 is no tunnel: there is nothing to tear down. And right after a start, what is unknown may be known soon.
    fn may_indicate(&self, state: &mut State, now: Instant, held: &Held) -> bool {
        held.teid != 0 && now >= self.settled && state.limits.allow(now, held.peer)
    }

    fn error_indication(&self, held: &Held) {
        let peer = IpAddr::V4(self.local);
        let message = Message::ErrorIndication { teid: Teid(held.teid), peer, others: Vec::new() };
        // The S flag is set, the number has no meaning (§5.1).
        self.send_control(held.peer, &Datagram { header: Header::with_sequence(Teid(0), 0), message });
    }

    /// A message that is not a user's packet.
    fn control(&self, now: Instant, from: SocketAddrV4, octets: &[u8]) {
        let peer = *from.ip();
        let datagram = match Datagram::decode(octets) {
            Ok(datagram) => datagram,
            Err(error) => {
                tracing::debug!(%peer, %error, "GTP-U message");
                self.tables.dropped(DropReason::Malformed, 1);
                return;
            }
        };
        let mut state = self.state();
        match datagram.message {
            Message::EchoRequest { .. } if state.limits.allow(now, peer) => {
                let header = Header::with_sequence(Teid(0), datagram.header.sequence.unwrap_or(0));
                // The restart counter is 0 on the user plane (§8.2); never longer than the request with its optional fields.
                let message = Message::EchoResponse { recovery: 0, others: Vec::new() };
                // To the port it came from (§4.4.2.2).
                self.send_message(from, &Datagram { header, message });
            }
            Message::EchoRequest { .. } => self.tables.dropped(DropReason::PeerRate, 1),
            Message::ErrorIndication { teid, peer: named, .. } => {
                self.unknown_there(&mut state, now, peer, named, teid)
            }
            Message::EndMarker { .. } if self.forwards(&state, peer, datagram.header.teid) => {
                self.relay(&state, datagram.header.teid.0, octets);
            }
            Message::EndMarker { .. } => self.end_of(&mut state, now, peer, datagram.header.teid),
            Message::EchoResponse { .. } => {
                if state.paths.answered(now, peer, datagram.header.sequence) {
                    self.report(Report::Path { peer, up: true });
                }
            }
            // We send no extension that might be unknown: an answer to nothing.
            Message::SupportedExtensionHeaders { .. } | Message::GPdu(_) => {}
        }
    }

    /// A base station says that it does not know a tunnel: believed only from the tunnel's own peer.
    fn unknown_there(&self, state: &mut State, now: Instant, from: Ipv4Addr, named: IpAddr, teid: Teid) {
        let ours = (named == IpAddr::V4(from)).then(|| state.sessions.by_peer(from, teid.0)).flatten();
        let Some(ours) = ours else {
            self.tables.dropped(DropReason::ForgedControl, 1);
            self.suspect(state, now, from, Suspicion::ForgedControl);
            return;
        };
        let peer = Peer { address: IpAddr::V4(from), teid };
        // If the core's queue is full, the next packet brings the next indication.
        if self.events.try_send(Traffic::ErrorIndication { teid: Teid(ours), peer }).is_err() {
            tracing::warn!(%from, "an Error Indication was lost: the core is behind");
        }
    }

    /// Nothing more will come through a tunnel: of no consequence to us, who reorder nothing, but it must be the tunnel's own peer.
    fn end_of(&self, state: &mut State, now: Instant, peer: Ipv4Addr, teid: Teid) {
        if !self.is_peer_of(peer, teid) {
            self.tables.dropped(DropReason::ForgedControl, 1);
            self.suspect(state, now, peer, Suspicion::ForgedControl);
        }
    }

    /// Whether a tunnel is there, and this its base station.
    fn is_peer_of(&self, peer: Ipv4Addr, teid: Teid) -> bool {
        let index = self.tables.settings.get(0).map_or(0, |settings| settings.teid_mask.get()) & teid.0;
        let record = self.tables.uplink.get(index as usize).filter(|record| record.teid.get() == teid.0);
        record.is_some_and(|record| Address::new(peer).0 & record.peer_mask.get() == record.peer.get())
    }

    /// Whether a tunnel is one for forwarding, and this the base station that forwards.
    fn forwards(&self, state: &State, peer: Ipv4Addr, teid: Teid) -> bool {
        state.relays.contains_key(&teid.0) && self.is_peer_of(peer, teid)
    }

    /// Tells a sender which extension headers we know (TS 29.281 §7.2.3).
    fn supported(&self, now: Instant, peer: Ipv4Addr, octets: &[u8]) {
        self.tables.dropped(DropReason::ExtensionHeader, 1);
        self.tell_end(peer, octets, DropReason::ExtensionHeader);
        let sequence = Datagram::decode(octets).ok().and_then(|datagram| datagram.header.sequence);
        if !self.state().limits.allow(now, peer) {
            self.tables.dropped(DropReason::PeerRate, 1);
            return;
        }
        let message = Message::SupportedExtensionHeaders { types: SUPPORTED.to_vec(), others: Vec::new() };
        let header = Header::with_sequence(Teid(0), sequence.unwrap_or(0));
        self.send_control(peer, &Datagram { header, message });
    }
}

/// The TEID of a G-PDU.
fn teid(octets: &[u8]) -> Option<u32> {
    match octets {
        [_, MessageType::G_PDU, _, _, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// How long the socket's thread may sleep.
pub(crate) fn patience(due: Option<Instant>, now: Instant) -> Option<std::time::Duration> {
    due.map(|due| due.saturating_duration_since(now))
}
