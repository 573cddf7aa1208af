//! Phones' packets, in tunnels to the core and from it.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use basalt_ids::{Ebi, Teid};
use testbed_ran::gtpu::{self, Received};
use testbed_ran::{Downlink, PhoneId};

use super::{GtpuSeen, Io, MOST_WAITING};

impl Io {
    /// A packet of a phone: into its tunnel, or kept while the phone asks for bearers.
    pub fn send_packet(&mut self, phone: usize, packet: &[u8]) {
        if self.forward(phone, packet) {
            return;
        }
        let queue = self.waiting.entry(phone).or_default();
        if queue.len() < MOST_WAITING {
            queue.push_back(packet.to_vec());
        } else {
            self.traffic.lost += 1;
        }
        self.phone(phone, testbed_ue::Input::UplinkData);
    }

    pub(super) fn forward(&mut self, phone: usize, packet: &[u8]) -> bool {
        let now = self.now();
        let Some(ebi) = self.site.bearer_for(phone, packet) else { return false };
        let Some((address, bearer)) = self.site.uplink(now, phone, ebi) else { return false };
        let Some(socket) = self.sockets.get(&address) else { return false };
        self.scratch.clear();
        self.scratch.extend_from_slice(&gtpu::packet_header(bearer.uplink, packet.len()));
        self.scratch.extend_from_slice(packet);
        let gateway = SocketAddr::V4(SocketAddrV4::new(bearer.gateway, gtpu::PORT));
        // A full socket buffer loses the packet, as a full queue of a radio would.
        if socket.try_send_to(&self.scratch, gateway).is_ok() {
            self.traffic.uplink_packets += 1;
            self.traffic.uplink_octets += packet.len() as u64;
            if let Some(app) = self.apps.get_mut(&phone) {
                app.octets_sent += packet.len() as u64;
            }
        } else {
            self.traffic.lost += 1;
        }
        true
    }

    pub(super) fn send_waiting(&mut self, phone: usize) {
        for packet in self.waiting.remove(&phone).unwrap_or_default() {
            self.forward(phone, &packet);
        }
    }

    pub(super) fn gtpu(&mut self, address: Ipv4Addr, octets: &[u8], peer: SocketAddr) {
        let reply = match gtpu::receive(octets) {
            Some(Received::Packet { teid, packet }) => return self.packet_for_phone(address, teid, packet, peer),
            Some(Received::EchoRequest { sequence }) => Some(gtpu::echo_response(sequence)),
            Some(Received::EchoResponse { sequence }) => self.see(GtpuSeen::Echo(sequence)),
            Some(Received::ErrorIndication { teid, .. }) => self.see(GtpuSeen::ErrorIndication(teid)),
            Some(Received::EndMarker(teid)) => {
                let now = self.now();
                self.site.end_marker(now, address, teid);
                self.pump();
                self.see(GtpuSeen::EndMarker(teid))
            }
            Some(Received::Other(_)) | None => None,
        };
        if let (Some(reply), Some(socket)) = (reply, self.sockets.get(&address)) {
            let _ = socket.try_send_to(&reply, peer);
        }
    }

    fn see(&mut self, seen: GtpuSeen) -> Option<Vec<u8>> {
        self.gtpu_seen.push(seen);
        None
    }

    fn packet_for_phone(&mut self, address: Ipv4Addr, teid: Teid, packet: &[u8], peer: SocketAddr) {
        let now = self.now();
        match self.site.downlink(now, address, teid, packet) {
            Downlink::Phone(PhoneId(phone), ebi) => self.packet_arrives(phone as usize, ebi, packet),
            Downlink::Onward(to, teid) => {
                self.send_tunnelled(address, to, &gtpu::packet_header(teid, packet.len()), packet);
            }
            Downlink::Kept => {}
            Downlink::Lost => self.traffic.lost += 1,
            Downlink::Unknown => {
                self.traffic.unknown_tunnel += 1;
                if let Some(socket) = self.sockets.get(&address) {
                    let _ = socket.try_send_to(&gtpu::error_indication(teid, address), (peer.ip(), gtpu::PORT).into());
                }
            }
        }
    }

    /// A base station sends a GTP-U message to another one, or to the gateway for it.
    pub(super) fn send_tunnelled(&mut self, from: Ipv4Addr, to: Ipv4Addr, header: &[u8], packet: &[u8]) {
        let Some(socket) = self.sockets.get(&from) else { return };
        self.scratch.clear();
        self.scratch.extend_from_slice(header);
        self.scratch.extend_from_slice(packet);
        if socket.try_send_to(&self.scratch, SocketAddr::V4(SocketAddrV4::new(to, gtpu::PORT))).is_err() {
            self.traffic.lost += 1;
        }
    }

    pub(super) fn packet_arrives(&mut self, phone: usize, ebi: Ebi, packet: &[u8]) {
        let now = self.now();
        *self.by_bearer.entry((phone, ebi)).or_default() += 1;
        self.traffic.downlink_packets += 1;
        self.traffic.downlink_octets += packet.len() as u64;
        if self.tuns.contains_key(&phone) {
            return self.packet_for_device(phone, packet);
        }
        if let Some(reply) = self.app(phone).receive(now, packet) {
            self.send_packet(phone, &reply);
        }
    }
}
