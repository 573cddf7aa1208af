//! Packets good and bad, from a seed.

use basalt_gtp::{Datagram, Extension, Header, Message, PduSession};
use basalt_ids::Teid;
use std::net::Ipv4Addr;

/// Addresses of the world that the packets are about.
pub(super) struct World;

impl World {
    pub(super) const STATION: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
    pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);
    /// A base station that no default bearer has.
    pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 9);
    pub(super) const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 0);
    pub(super) const SECOND_POOL: Ipv4Addr = Ipv4Addr::new(10, 46, 0, 0);

    /// What phones are translated to; the first is the gateway's own.
    pub(super) const EXTERNAL: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(203, 0, 113, 40)];

    /// Networks behind phones: as many as the table has room for.
    pub(super) const BEHIND: [(u32, &[&str]); 6] = [
        (0, &["10.94.0.0/24"]),
        (1, &["10.94.1.0/25"]),
        (2, &["10.94.2.0/24", "2001:db8:94:2::/64"]),
        (3, &["10.94.3.4/30"]),
        (4, &["10.94.4.0/24"]),
        (12, &["2001:db8:94:c:8000::/65"]),
    ];

    /// First of the 32 external ports of a session.
    pub(super) fn ports(index: u32) -> u16 {
        1024 + index as u16 * 32
    }

    /// First half of the IPv6 addresses of a session.
    pub(super) fn prefix(index: u8) -> [u8; 8] {
        [0x20, 1, 0x0d, 0xb8, 0, 6, 0, index]
    }

    /// The same of a session that can have a /60 delegated.
    pub(super) fn delegated(index: u8) -> [u8; 8] {
        [0x20, 1, 0x0d, 0xb8, 0, 7, 0, index << 4]
    }

    /// What says the QoS flow of sessions that have one.
    pub(super) fn container(index: u32) -> Option<Extension> {
        let (_, qfi) = [(10, 9), (12, 5)].into_iter().find(|(with, _)| *with == index)?;
        Some(Extension::PduSession(PduSession::Uplink { qfi }))
    }

    /// The TEID of an uplink index.
    pub(super) fn teid(index: u32) -> u32 {
        0x0beb_a5a0 | index
    }
}

/// A source of packets: xorshift64*, so that a seed is all there is to repeat a failure.
pub(crate) struct Generator {
    state: u64,
    /// Packets are as large as jumbo frames.
    jumbo: bool,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, jumbo: false }
    }

    /// Of packets that are in several parts in the kernel, or nearly.
    pub(super) fn jumbo(seed: u64) -> Self {
        Self { jumbo: true, ..Self::new(seed) }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// How long a payload is: one of these, or as in jumbo frames.
    fn length(&mut self, list: &[usize]) -> usize {
        if self.jumbo { self.pick(&[1200, 3300, 3500, 3700, 5000, 8000, 8900]) } else { self.pick(list) }
    }

    pub(super) fn octets(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// A frame as a base station, or an attacker, might send it.
    pub(crate) fn uplink(&mut self) -> Vec<u8> {
        let index = self.below(16) as u32;
        let ue = u32::from(World::UE) + index;
        let mut source = if self.one_in(12) { self.next() as u32 } else { ue };
        if self.one_in(5) {
            source = self.behind(index).into();
        }
        let inner = if self.one_in(7) { self.inner6(index as u8) } else { self.inner(source.into()) };
        // Now and then by a dedicated bearer of that session.
        let dedicated = [(2, 16), (6, 17), (6, 18), (8, 19)].into_iter().find(|(home, _)| *home == index);
        let tunnel = dedicated.filter(|_| self.one_in(2)).map_or(index, |(_, tunnel)| tunnel);
        let message = self.message(tunnel, inner);
        let message = match message.encode() {
            Ok(octets) => octets,
            Err(error) => panic!("{error}"),
        };
        let station = if self.one_in(15) { World::STRANGER } else { World::STATION };
        let gateway = if self.one_in(30) { Ipv4Addr::new(172, 16, 0, 3) } else { World::GATEWAY };
        let port = if self.one_in(40) { 36412 } else { 2152 };
        let flags = if self.one_in(30) { self.pick(&[0x4000, 0x2000, 1]) } else { 0 };
        let datagram = udp(2152, port, &message);
        let frame = ethernet(&ipv4(station, gateway, 17, flags, &[], &datagram));
        self.damage(frame)
    }

    /// A frame from the internet, or what passes for it.
    pub(super) fn downlink(&mut self) -> Vec<u8> {
        let pool = if self.one_in(3) { World::SECOND_POOL } else { World::UE };
        let mut ue = Ipv4Addr::from(u32::from(pool) + self.below(16) as u32);
        if self.one_in(12) {
            ue = Ipv4Addr::from(self.next() as u32);
        } else if self.one_in(12) {
            ue = self.pick(&World::EXTERNAL);
        } else if self.one_in(6) {
            let index = self.below(6) as u32;
            ue = self.behind(index);
        }
        let length = self.length(&[0, 1, 20, 100, 300, 1300, 1400, 2000]);
        let payload = self.octets(length);
        let protocol = self.pick(&[17, 17, 17, 6, 1]);
        let port = self.pick(&[53, 80, 443, 5000, 8080]);
        let server = self.pick(&[[203, 0, 113, 5], [203, 1, 113, 12], [203, 0, 113, 60]]);
        let fragment = self.pick(&[0, 0, 0, 0, 0, 0x2000, 0x4000, 7]);
        let options: &[u8] = if self.one_in(15) { &[7, 7, 4, 0, 0, 0, 0, 0] } else { &[] };
        let mut payload = udp(port, 5000, &payload);
        if protocol == 6 {
            self.open(&mut payload);
        }
        let mut packet = ipv4(server.into(), ue, protocol, fragment, options, &payload);
        packet[8] = self.pick(&[64, 64, 64, 2, 1, 0]);
        let mut frame = ethernet(&packet);
        if self.one_in(5) {
            let mut prefix = World::prefix(self.below(18) as u8);
            if self.one_in(3) {
                prefix = World::delegated(self.below(16) as u8);
                prefix[7] |= self.pick(&[0, 1, 15]);
            }
            if self.one_in(4) {
                prefix = self.pick(&[[0x20, 1, 0x0d, 0xb8, 0, 0x94, 0, 2], [0x20, 1, 0x0d, 0xb8, 0, 0x94, 0, 12]]);
            }
            let server = [0x20, 1, 0x0d, 0xb8, 0xbe, 0xef, 0, 1];
            let protocol = self.pick(&[17, 6, 44]);
            if protocol == 6 {
                self.open(&mut payload);
            }
            frame = ethernet(&ipv6([server, prefix], protocol, &payload));
            frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        }
        if self.one_in(20) {
            frame.extend([0; 20]);
        }
        if self.one_in(10) {
            let tag = self.pick(&[0, 100, 100, 200]);
            super::flows::tag(&mut frame, tag);
        }
        self.damage(frame)
    }

    /// An address behind a phone, or near those.
    fn behind(&mut self, index: u32) -> Ipv4Addr {
        let host = self.pick(&[0, 4, 7, 8, 127, 128, 255]);
        Ipv4Addr::new(10, 94, index as u8, host)
    }

    /// What a phone with IPv6 might send.
    fn inner6(&mut self, index: u8) -> Vec<u8> {
        let mut source = if index < 12 { World::prefix(index) } else { World::delegated(index) };
        if self.one_in(3) {
            // In what is delegated to the phone, or not.
            source[7] |= self.pick(&[1, 15]);
        }
        if self.one_in(8) {
            source = self.pick(&[World::prefix(index ^ 1), [0xfe, 0x80, 0, 0, 0, 0, 0, 0], [0; 8]]);
        }
        if self.one_in(4) {
            source = [0x20, 1, 0x0d, 0xb8, 0, 0x94, 0, self.pick(&[index, 2, 12])];
        }
        let destination = self.pick(&[
            [0x20, 1, 0x0d, 0xb8, 0, 0x94, 0, 2],
            [0x20, 1, 0x0d, 0xb8, 0xbe, 0xef, 0, 1],
            [0x20, 1, 0x0d, 0xb8, 0xbe, 0xef, 0, 2],
            [0x20, 1, 0x0d, 0xb8, 0xde, 0xad, 0, 1],
            World::prefix(3),
            [0xfe, 0x80, 0, 0, 0, 0, 0, 0],
            [0xff, 2, 0, 0, 0, 0, 0, 0],
            [0; 8],
        ]);
        let length = self.length(&[0, 4, 8, 24, 64, 1290]);
        let mut payload = self.octets(length);
        let ports = [self.pick(&[547u16, 5000]), self.pick(&[53, 443, 546, 2152, 8805])];
        let icmp = self.pick(&[128, 133, 134, 137]);
        let last = self.pick(&[6, 17, 17, 58, 58, 132, 50]);
        let head: Vec<u8> =
            if last == 58 { vec![icmp, 0, 0, 0] } else { ports.iter().flat_map(|p| p.to_be_bytes()).collect() };
        if let Some(front) = payload.get_mut(..4) {
            front.copy_from_slice(&head);
        }
        if last == 6 {
            self.open(&mut payload);
        }
        let mut next = last;
        for _ in 0..self.pick(&[0, 0, 0, 0, 1, 1, 2, 3, 4]) {
            let kind = self.pick(&[0, 43, 44, 60, 60, 60]);
            let word = self.pick(&[[0, 0], [0, 0], [0, 1], [0, 8], [0, 40]]);
            let size = if kind == 60 { self.pick(&[0, 0, 1, 255]) } else { 0 };
            let mut header = vec![next, size, word[0], word[1], 0, 0, 0, 0];
            header.resize(8 + usize::from(size % 2) * 8 * usize::from(size < 9), 0);
            payload = [header, payload].concat();
            next = kind;
        }
        ipv6([source, destination], next, &payload)
    }

    /// What a phone might send.
    fn inner(&mut self, source: Ipv4Addr) -> Vec<u8> {
        let destination = self.pick(&[
            [8, 8, 8, 8],
            [9, 9, 9, 9],
            [203, 0, 113, 2],
            [203, 1, 2, 3],
            [203, 0, 113, 1],
            [203, 1, 113, 1],
            [10, 45, 0, 3],
            [10, 94, 2, 7],
            [10, 94, 9, 7],
            [127, 0, 0, 1],
            [198, 51, 100, 1],
            [198, 51, 101, 1],
        ]);
        let protocol = self.pick(&[1, 6, 17, 17, 17, 132, 50]);
        let length = self.length(&[0, 4, 8, 12, 16, 24, 64, 1290]);
        let mut payload = self.octets(length);
        if payload.len() >= 4 {
            let source = self.pick(&[67, 5000]);
            let port = self.pick(&[53, 80, 443, 123, 25, 8080, 5060, 68, 2152, 2123, 8805, 3868, 36412, 38412, 36422]);
            payload.splice(0..4, [&u16::to_be_bytes(source)[..], &u16::to_be_bytes(port)].concat());
        }
        if protocol == 6 {
            self.open(&mut payload);
        }
        let fragment = self.pick(&[0, 0, 0, 0, 0, 0, 0x4000, 0x4000, 0x2000, 1, 0x2002, 0x1fff]);
        let options: &[u8] = if self.one_in(20) { &[131, 7, 4, 1, 2, 3, 4, 0] } else { &[] };
        let mut packet = ipv4(source, destination.into(), protocol, fragment, options, &payload);
        packet[8] = self.pick(&[64, 64, 64, 1, 0]);
        packet
    }

    /// Makes a TCP segment open a connection, mostly.
    fn open(&mut self, segment: &mut [u8]) {
        let options = self.pick(&TCP_OPTIONS);
        let flags = self.pick(&[0x02, 0x12, 0x10]);
        let header = ((20 + options.len()) as u8 / 4) << 4;
        if let Some(octets) = segment.get_mut(12..14) {
            octets.copy_from_slice(&[header, flags]);
        }
        if let Some(octets) = segment.get_mut(20..20 + options.len()) {
            octets.copy_from_slice(options);
        }
    }

    /// A GTP-U message around it, mostly a G-PDU.
    pub(super) fn message(&mut self, index: u32, inner: Vec<u8>) -> Datagram {
        let teid = match self.below(12) {
            0 if self.one_in(2) => self.pick(&[0, u32::MAX]),
            1 if self.one_in(2) => World::teid(index) ^ 1 << self.below(32),
            _ => World::teid(index),
        };
        let mut header = Header::new(Teid(teid));
        if self.one_in(4) {
            header.sequence = Some(self.next() as u16);
        }
        for _ in 0..self.pick(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 4, 5, 6]) {
            let content = self.pick(&[2, 6, 30, 126]);
            let content = self.octets(content);
            header.extensions.push(match self.below(5) {
                0 => Extension::PdcpNumber(self.next() as u16),
                1 => Extension::Unknown { kind: 0x20, content },
                2 if self.one_in(3) => Extension::Unknown { kind: 0x99, content },
                _ => Extension::PduSession(PduSession::Uplink { qfi: self.below(64) as u8 }),
            });
        }
        // What base stations of sessions with a QoS flow write, mostly.
        if let Some(container) = World::container(index).filter(|_| !self.one_in(6)) {
            header.extensions = vec![container];
        }
        let message = match self.below(20) {
            0 => Message::EchoRequest { others: vec![] },
            1 => Message::EndMarker { others: vec![] },
            _ => Message::GPdu(inner),
        };
        Datagram { header, message }
    }

    /// Leaves most frames as they are, and spoils the rest.
    pub(super) fn damage(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        match self.below(10) {
            0 => {
                let at = self.below(frame.len().min(90));
                frame[at] = self.pick(&[0, 1, 0x7f, 0x80, 0xff, 0x45, 0x46, 0x60, 8]);
            }
            1 => {
                let at = self.below(frame.len().min(90) - 1);
                let value = self.pick(&[0u16, 1, 19, 20, 27, 28, 0x7fff, 0xffff]).to_be_bytes();
                frame[at..at + 2].copy_from_slice(&value);
            }
            2 => {
                let at = self.below(frame.len());
                frame[at] = self.next() as u8;
            }
            3 if self.one_in(2) => frame.truncate(self.below(frame.len())),
            _ => {}
        }
        // The kernel wants at least an Ethernet header to test with.
        if frame.len() < 14 {
            frame.resize(14, 0);
        }
        frame
    }
}

fn ipv6(prefixes: [[u8; 8]; 2], next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0x10, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for prefix in prefixes {
        packet.extend(prefix);
        // In the upper half of session 12's network, and in the lower one of the others.
        let half = if prefix[7] == 12 && payload.len().is_multiple_of(2) { 0x80 } else { 0 };
        packet.extend([half, 0, 0, 0, 0, 0, 0, 9]);
    }
    packet.extend(payload);
    packet
}

/// Options of TCP, some of which lie.
const TCP_OPTIONS: [&[u8]; 6] = [
    &[2, 4, 0x05, 0xb4],
    &[1, 2, 4, 0x23, 0x28, 1, 1, 1],
    &[4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 0xff, 0xff],
    &[3, 0, 1, 1, 2, 4, 0x23, 0x28],
    &[3, 99, 2, 4],
    &[1, 1, 2, 4],
];

pub(super) fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 8, 0][..], packet].concat()
}

pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    for field in [source, destination, payload.len() as u16 + 8, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    datagram
}

pub(super) fn ipv4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = vec![0x40 | (header / 4) as u8, 0];
    packet.extend(((header + payload.len()) as u16).to_be_bytes());
    packet.extend([0x56, 0x78]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0xab, 0xcd]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(options);
    packet.extend(payload);
    packet
}
