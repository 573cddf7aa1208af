//! Packets of flows that are translated, and what the internet answers to them.

use super::packets::{Generator, World, ethernet, ipv4, udp};
use basalt_ebpf_abi::Fragment;
use basalt_gtp::{Datagram, Header, Message};
use basalt_ids::Teid;
use std::net::Ipv4Addr;

const SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 9), Ipv4Addr::new(203, 0, 77, 9)];

impl Generator {
    /// A sound packet of a phone, or a slightly unsound one.
    pub(super) fn translated_uplink(&mut self) -> Vec<u8> {
        let index = self.pick(&[0u32, 2, 3, 5, 7, 8, 8, 10, 11, 12, 13]);
        let ue = Ipv4Addr::from(u32::from(World::UE) + index);
        let mut server = self.pick(&SERVERS);
        if self.one_in(6) {
            // Another phone's external address, perhaps at a port that it has.
            server = self.pick(&World::EXTERNAL);
        }
        let ports = self.pick(&[6, 6, 40]);
        let port = 5000 + self.below(ports) as u16;
        let there = if World::EXTERNAL.contains(&server) {
            World::ports(self.pick(&[0u32, 2, 3, 5, 7, 8])) + self.below(32) as u16
        } else {
            self.pick(&[53, 443])
        };
        let length = self.pick(&[0, 1, 20, 100, 1270]);
        let content = self.octets(length);
        let (protocol, payload) = match self.below(8) {
            0 | 1 => (6, segment(port, there, self.pick(&[2, 0x10, 0x11, 0x14]), &content)),
            2 => (1, echo(self.pick(&[8, 8, 8, 0, 13]), port, &content)),
            3 => {
                // An error about a packet from the server.
                let about = ipv4(server, ue, 17, 0, &[], &udp(there, port, &content));
                (1, error(self.pick(&[3, 11, 5]), &about, self.pick(&[28, 36, 60, 2000])))
            }
            _ => (17, udp(port, there, &content)),
        };
        let fragment = self.pick(&[0, 0, 0, 0, 0x4000, 0x4000, 0x2000, 0x0010]);
        let mut packet = ipv4(ue, server, protocol, fragment, &[], &payload);
        packet[8] = self.pick(&[64, 64, 64, 64, 64, 1]);
        let (mut header, message) = (Header::new(Teid(World::teid(index))), Message::GPdu(packet));
        header.extensions.extend(World::container(index));
        let Ok(message) = (Datagram { header, message }).encode() else { return Vec::new() };
        let frame = ethernet(&ipv4(World::STATION, World::GATEWAY, 17, 0, &[], &udp(2152, 2152, &message)));
        if self.one_in(8) { self.damage(frame) } else { frame }
    }

    /// What may come back to a frame that has left.
    pub(super) fn answers(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let tagged = frame.get(12..14) == Some(&[0x81, 0]);
        let (packet, vlan) = if tagged { (&frame[18..], 100) } else { (&frame[14..], 0) };
        if packet.len() < 28 || packet[0] != 0x45 {
            return Vec::new();
        }
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let (external, mut server) = (address(12), address(16));
        let mut transport = packet[20..].to_vec();
        match packet[9] {
            1 => transport[0] = self.pick(&[0, 0, 0, 8]),
            _ => transport[..4].rotate_left(2),
        }
        if self.one_in(8) {
            server = Ipv4Addr::new(203, 0, 99, 1);
        }
        let fragment = self.pick(&[0, 0, 0, 0x4000, 0x2000]);
        let mut answer = ipv4(server, external, packet[9], fragment, &[], &transport);
        answer[8] = self.pick(&[64, 64, 64, 1]);
        let mut answers = vec![answer];
        if fragment == 0x2000 || self.one_in(10) {
            answers.push(ipv4(server, external, packet[9], 0x20, &[], &transport));
        }
        if self.one_in(3) {
            let router = Ipv4Addr::new(192, 0, 2, 77);
            let kind = self.pick(&[3, 3, 11, 12, 4]);
            let about = error(kind, packet, self.pick(&[28, 36, 60, 2000]));
            answers.push(ipv4(router, external, 1, 0, &[], &about));
        }
        let mut frames: Vec<Vec<u8>> = answers.iter().map(|answer| ethernet(answer)).collect();
        for frame in &mut frames {
            let vlan = if self.one_in(20) { 200 } else { vlan };
            if vlan != 0 {
                tag(frame, vlan);
            }
            if self.one_in(10) {
                *frame = self.damage(frame.clone());
            }
        }
        frames
    }
}

/// Later fragments of a packet whose first one never comes: one more than may wait for it.
pub(super) fn orphans() -> Vec<Vec<u8>> {
    let server = Ipv4Addr::new(203, 0, 113, 99);
    // Its last octet is none that lets time pass.
    let orphan = ethernet(&ipv4(server, World::EXTERNAL[1], 17, 0x20, &[], &[1; 64]));
    vec![orphan; Fragment::MOST_EARLY as usize + 1]
}

/// Puts a VLAN tag behind the addresses.
pub(super) fn tag(frame: &mut Vec<u8>, vlan: u16) {
    if frame.len() >= 14 {
        let [high, low] = vlan.to_be_bytes();
        frame.splice(12..12, [0x81, 0, high, low]);
    }
}

fn segment(source: u16, destination: u16, flags: u8, content: &[u8]) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0x12, 0x34, 0, 0]);
    segment.extend(content);
    segment
}

fn echo(kind: u8, identifier: u16, content: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0, 0xab, 0xcd];
    message.extend(identifier.to_be_bytes());
    message.extend([0, 1]);
    message.extend(content);
    message
}

/// An ICMP error about the first octets of a packet.
fn error(kind: u8, about: &[u8], octets: usize) -> Vec<u8> {
    let mut message = vec![kind, 1, 0x55, 0xaa, 0, 0, 0, 0];
    message.extend(&about[..about.len().min(octets)]);
    message
}
