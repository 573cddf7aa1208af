//! Packets for phones that user space sends itself: those that programs hand over, and what waits for idle phones.

use crate::buffer::Refusal;
use crate::hand::Hand;
use crate::plane::{Shared, State};
use crate::sessions::address;
use crate::watch::software;
use agw_types::Traffic;
use basalt_ebpf_abi::{Bearer, Downlink, DownlinkState, DropReason, HandoverHeader, Notice, Point};
use basalt_pipeline::{Charge, Downlinked, Frame};
use std::net::SocketAddrV4;

impl Shared {
    /// Sends what was buffered for a phone, before anything newer: programs hand packets over until all is sent.
    pub(crate) fn flush(&self, state: &mut State, slot: u32) {
        let Some(record) = self.tables.downlink.get(slot as usize) else { return };
        for packet in state.buffers.take(slot) {
            self.send_fitting(state, record, &packet, None);
            record.drained.fetch_add(1);
        }
    }

    /// Sends a packet to a connected phone, whatever else it was held for: it must fit.
    fn send_fitting(&self, state: &mut State, record: &Downlink, packet: &[u8], hand: Option<&Hand>) {
        let most = self.tables.settings.get(0).map_or(u32::MAX, |settings| settings.tunnel_mtu.get());
        if packet.len() > most as usize {
            hand.inspect(|hand| hand.free());
            self.too_big(state, record, packet);
        } else {
            self.send_down(record, packet.to_vec(), hand);
        }
    }

    /// Drops what is buffered for a phone.
    pub(crate) fn discard(&self, state: &mut State, slot: u32) {
        state.told.remove(&slot);
        let packets = state.buffers.take(slot);
        if packets.is_empty() {
            return;
        }
        self.tables.dropped(DropReason::BufferExpired, packets.len() as u64);
        if let Some(record) = self.tables.downlink.get(slot as usize) {
            record.dropped.add(packets.len() as u64);
            record.drained.fetch_add(u32::try_from(packets.len()).unwrap_or(u32::MAX));
        }
    }

    /// A packet for a phone that a program, or the software plane, could not send at once.
    pub(crate) fn handed_over(&self, state: &mut State, header: HandoverHeader, packet: &[u8], hand: Option<&Hand>) {
        if let Some(notice) = Notice::of(&header) {
            self.noticed(notice);
            return;
        }
        let Some(record) = self.tables.downlink.get(header.slot as usize) else { return };
        if record.owner.get() != header.owner || record.ue.get() != header.ue {
            // For someone who has left; its counters were reset with it.
            self.tables.dropped(DropReason::BufferExpired, 1);
            return;
        }
        match record.state.get() {
            _ if packet.is_empty() => {
                record.drained.fetch_add(1);
            }
            DownlinkState::ACTIVE => {
                // What was buffered before comes first, although `flush` leaves nothing.
                self.flush(state, header.slot);
                self.send_fitting(state, record, packet, hand);
                record.drained.fetch_add(1);
            }
            DownlinkState::IDLE => self.keep(state, record, header.slot, packet),
            _ => {
                self.tables.dropped(DropReason::UnknownPhone, 1);
                record.drained.fetch_add(1);
            }
        }
    }

    /// Buffers a packet for an idle phone and tells the core, once.
    fn keep(&self, state: &mut State, record: &Downlink, slot: u32, packet: &[u8]) {
        if let Err(refusal) = state.buffers.push(slot, packet) {
            let reason = match refusal {
                Refusal::Phone => DropReason::BufferFull,
                Refusal::Total => DropReason::BufferTotal,
            };
            self.tables.dropped(reason, 1);
            record.dropped.add(1);
            record.drained.fetch_add(1);
        }
        self.announce(state, record, slot);
    }

    /// Tells the core that something waits for an idle phone, once.
    pub(crate) fn announce(&self, state: &mut State, record: &Downlink, slot: u32) {
        if state.told.contains(&slot) {
            return;
        }
        let Some(address) = address(record.ue.get(), record.prefix.get()) else { return };
        // If the core's queue is full, the phone's next packet tries again.
        if self.events.try_send(Traffic::DownlinkWaiting { address }).is_ok() {
            state.told.insert(slot);
        }
    }

    /// Sends a packet to a phone through the socket, by the bearer of its rule, and counts it.
    pub(crate) fn send_down(&self, record: &Downlink, mut packet: Vec<u8>, hand: Option<&Hand>) {
        let (Some(settings), whole) = (self.tables.settings.get(0), packet.len()) else { return };
        let length = u32::try_from(whole).unwrap_or(u32::MAX);
        let Some(mut frame) = Frame::new(&mut packet, 0, whole) else { return };
        basalt_pipeline::clamp(&mut frame, settings, 0, length);
        match basalt_pipeline::select(&frame, &self.tables, settings, record, length) {
            Ok((tunnel, bearer, charge)) => self.send_into(record, tunnel, (bearer, &charge), frame.bytes(), hand),
            Err(reason) => {
                self.tables.dropped(reason, 1);
                record.dropped.add(1);
                if self.lookout.expects(frame.bytes()) {
                    self.lookout.tell(Point::DownlinkDropped, software::framed(frame.bytes()), reason.name());
                }
            }
        }
    }

    /// Sends a packet into a tunnel through the socket, marked as programs do it, and counts it.
    pub(crate) fn send_into(
        &self,
        record: &Downlink,
        tunnel: basalt_pipeline::Tunnel,
        (bearer, charge): (Option<&Bearer>, &Charge<'_>),
        packet: &[u8],
        hand: Option<&Hand>,
    ) {
        let Some(socket) = &self.socket else { return };
        if self.lookout.expects(packet) {
            self.lookout.tell(Point::RadioOut, software::tunnelled(tunnel, packet), "");
        }
        let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        // From the UDP header on; the socket makes its own.
        let words = basalt_pipeline::encapsulation(tunnel, length, 0);
        let mut header: Vec<u8> = words.iter().skip(7).flat_map(|word| word.to_ne_bytes()).collect();
        if tunnel.qfi != 0 {
            header.extend(basalt_pipeline::container(tunnel.qfi).iter().flat_map(|word| word.to_ne_bytes()));
        }
        let peer = tunnel.peer.to_ipv4();
        let tos = u8::try_from(tunnel.tos).unwrap_or(0);
        let entries = Downlinked::entries(record, bearer, charge, length);
        if let Some(hand) = hand {
            hand.intend(&self.tables, &entries);
        }
        let account = || Downlinked::account(&self.tables, record, bearer, charge, length);
        match socket.send_marked(SocketAddrV4::new(peer, basalt_gtp::PORT), tos, [&header, packet], hand) {
            Ok(()) => match hand {
                Some(hand) => hand.count(&entries, account),
                None => account(),
            },
            Err(error) => {
                tracing::debug!(%peer, %error, "sending into a tunnel");
                self.tables.dropped(DropReason::SendFailed, 1);
                record.dropped.add(1);
            }
        }
        self.notices();
    }
}
