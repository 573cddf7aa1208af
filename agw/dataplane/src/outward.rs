//! What user space itself sends to the internet: packets of phones that took the slow path, and words about packets for them.

use crate::fragments;
use crate::hand::Hand;
use crate::icmp;
use crate::plane::{Outlet, Shared, State};
use crate::sockets::FrameSocket;
use basalt_ebpf_abi::{Downlink, DropReason, KERNEL_NEXT_HOP, NextHop, Uplink, UplinkFlags};
use basalt_pipeline::{Charge, Frame, Uplinked};
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

impl Shared {
    /// Sends a phone's packet on as programs do it, and counts it: straight to its next hop where that is known and takes it, else by the
    /// kernel. The kernel gathers fragments that it forwards: it shall see all of a packet's, or none.
    pub(crate) fn forward_up(
        &self,
        (record, charge): (&Uplink, &Charge<'_>),
        packet: &[u8],
        length: u32,
        next_hop: u32,
        hand: Option<&Hand>,
    ) {
        let packet = packet.get(..length as usize).unwrap_or_default();
        let entries = Uplinked::entries(record, charge, length);
        if let Some(hand) = hand {
            hand.intend(&self.tables, &entries);
        }
        let account = || {
            self.wrote();
            Uplinked::account(&self.tables, record, charge, length);
        };
        match self.send_by(next_hop, packet, hand) {
            Ok(true) => match hand {
                Some(hand) => hand.count(&entries, account),
                None => account(),
            },
            Ok(false) => {}
            Err(error) => {
                tracing::debug!(%error, "sending a packet to the internet");
                self.tables.dropped(DropReason::SendFailed, 1);
            }
        }
        self.notices();
    }

    /// Sends a packet by a next hop; false where it went nowhere, which is counted then.
    fn send_by(&self, next_hop: u32, packet: &[u8], hand: Option<&Hand>) -> io::Result<bool> {
        let hop = self.tables.next_hops.get(next_hop as usize).filter(|_| next_hop != KERNEL_NEXT_HOP);
        let (Some(hop), Outlet::Frames(socket)) = (hop, &self.outlet) else {
            return self.send_inside(packet, hand);
        };
        let alive = packet.get(8).is_some_and(|lifetime| *lifetime > 1);
        if hop.ifindex.get() != 0 && alive && packet.len() <= hop.mtu.get() as usize {
            return self.send_straight(socket, hop, packet).map(|()| true);
        }
        if hop.vlan.get() != 0 {
            // The kernel would send it into another network.
            self.tables.dropped(DropReason::NoRouter, 1);
            return Ok(false);
        }
        self.send_inside(packet, hand)
    }

    /// Hands a packet to the kernel; false where there is none.
    fn send_inside(&self, packet: &[u8], hand: Option<&Hand>) -> io::Result<bool> {
        match &self.outlet {
            Outlet::None => Ok(false),
            Outlet::Frames(socket) => socket.send(packet, hand).map(|()| true),
            Outlet::Device(device) => device.send(packet, hand).map(|()| true),
        }
    }

    /// The device has taken a packet: a successor must know.
    fn wrote(&self) {
        if let Some(hands) = &self.hands {
            hands.wrote();
        }
    }

    fn send_straight(&self, socket: &FrameSocket, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        let mut packet = packet.to_vec();
        let whole = packet.len();
        if let Some(mut frame) = Frame::new(&mut packet, 0, whole) {
            basalt_pipeline::age(&mut frame);
        }
        socket.send_straight(hop, &packet)
    }

    /// A packet for a phone that is too large for its way is sent in fragments where it may be, and otherwise its sender is told. Whose
    /// sender is told too much already goes in fragments of the tunnel's packets, as what is too strange for either.
    pub(crate) fn too_big(&self, state: &mut State, record: &Downlink, packet: &[u8]) {
        let mtu = self.tables.settings.get(0).map_or(0, |settings| settings.tunnel_mtu.get());
        if let Some(fragments) = fragments::of(packet, mtu) {
            fragments.into_iter().for_each(|fragment| self.send_down(record, fragment, None));
        } else if !self.told(state, record, packet, mtu) {
            self.send_down(record, packet.to_vec(), None);
        }
    }

    /// Tells the sender of a packet for a phone how large it may be; whether it could.
    fn told(&self, state: &mut State, record: &Downlink, packet: &[u8], mtu: u32) -> bool {
        let Some(settings) = self.tables.settings.get(0) else { return false };
        let Some(mut message) = icmp::too_big(packet, mtu) else { return false };
        // Those over IPv6 share what one sender over IPv4 has.
        let sender = packet.get(12..16).filter(|_| message.first() == Some(&0x45));
        let sender =
            sender.and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map_or(Ipv4Addr::UNSPECIFIED, Into::into);
        let home = self.tables.uplink.get((record.owner.get() & settings.teid_mask.get()) as usize);
        let (Some(home), true) = (home, state.senders.allow(Instant::now(), sender)) else { return false };
        let length = message.len();
        let Some(mut frame) = Frame::new(&mut message, 0, length) else { return false };
        let octets = u32::try_from(length).unwrap_or(u32::MAX);
        let version4 = frame.bytes().first() == Some(&0x45);
        if version4 {
            let Some(rewrite) = basalt_pipeline::word(&frame, &self.tables, home, octets) else { return false };
            if basalt_pipeline::leave(&mut frame, &self.tables, 0, &rewrite, false).is_err() {
                return false;
            }
        }
        let own = UplinkFlags(home.flags.get()).has(UplinkFlags::OWN_HOP) && version4;
        let next_hop = if own { home.egress.get() } else { KERNEL_NEXT_HOP };
        record.dropped.add(1);
        match self.send_by(next_hop, frame.bytes(), None) {
            Ok(_) => self.wrote(),
            Err(error) => tracing::debug!(%error, "telling a sender that its packet is too big"),
        }
        true
    }
}
