//! Reads the user messages of SCTP associations out of a packet capture.
//!
//! For tests only, and on purpose without dependencies, so that another room can include the file with `#[path]`. It knows the
//! classic pcap format of Ethernet, raw IP and Linux cooked captures, IPv4 and IPv6 without fragments, bundled DATA chunks, and user
//! messages in fragments. Retransmitted chunks are read once.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Payload protocol identifier of S1AP (TS 36.412 §7).
pub const S1AP: u32 = 18;

/// One SCTP user message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserMessage {
    /// Number of the packet that completed it, from 1 as Wireshark counts.
    pub frame: usize,
    /// Time of that packet in microseconds since 1970.
    pub time_us: u64,
    /// Sender.
    pub from: SocketAddr,
    /// Receiver.
    pub to: SocketAddr,
    /// Stream.
    pub stream: u16,
    /// Payload protocol identifier.
    pub ppid: u32,
    /// The octets.
    pub data: Vec<u8>,
}

/// The S1AP messages of a capture, in the order they were completed.
pub fn s1ap_messages(path: impl AsRef<Path>) -> Vec<UserMessage> {
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()));
    let messages = user_messages(&file);
    messages.into_iter().filter(|message| message.ppid == S1AP).collect()
}

/// All SCTP user messages of a capture. What is cut short or of another protocol is passed over.
pub fn user_messages(file: &[u8]) -> Vec<UserMessage> {
    let mut reassembly = Reassembly::default();
    let mut found = Vec::new();
    for (index, packet) in Packets::new(file).enumerate() {
        let Some((from, to, sctp)) = packet.sctp() else { continue };
        reassembly.packet(index + 1, packet.time_us, (from, to), sctp, &mut found);
    }
    found
}

/// A packet as the capture has it.
struct Packet<'f> {
    link_type: u32,
    time_us: u64,
    octets: &'f [u8],
}

/// The packets of a classic pcap file.
struct Packets<'f> {
    rest: &'f [u8],
    link_type: u32,
    little_endian: bool,
    nanoseconds: bool,
}

impl<'f> Packets<'f> {
    fn new(file: &'f [u8]) -> Self {
        let (head, rest) = file.split_at(24);
        let (little_endian, nanoseconds) = match head[..4] {
            [0xd4, 0xc3, 0xb2, 0xa1] => (true, false),
            [0x4d, 0x3c, 0xb2, 0xa1] => (true, true),
            [0xa1, 0xb2, 0xc3, 0xd4] => (false, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (false, true),
            _ => panic!("not a pcap file"),
        };
        let mut packets = Self { rest, link_type: 0, little_endian, nanoseconds };
        packets.link_type = packets.number(&head[20..24]);
        packets
    }

    fn number(&self, octets: &[u8]) -> u32 {
        let octets = [octets[0], octets[1], octets[2], octets[3]];
        if self.little_endian { u32::from_le_bytes(octets) } else { u32::from_be_bytes(octets) }
    }
}

impl<'f> Iterator for Packets<'f> {
    type Item = Packet<'f>;

    fn next(&mut self) -> Option<Packet<'f>> {
        let (head, rest) = self.rest.split_at_checked(16)?;
        let (octets, rest) = rest.split_at_checked(self.number(&head[8..]) as usize)?;
        self.rest = rest;
        let fraction = u64::from(self.number(&head[4..])) / if self.nanoseconds { 1000 } else { 1 };
        let time_us = u64::from(self.number(head)) * 1_000_000 + fraction;
        Some(Packet { link_type: self.link_type, time_us, octets })
    }
}

impl<'f> Packet<'f> {
    /// The addresses and the SCTP packet, if it is one.
    fn sctp(&self) -> Option<(IpAddr, IpAddr, &'f [u8])> {
        const ETHERNET: u32 = 1;
        const RAW_IP: u32 = 101;
        const LINUX_COOKED: u32 = 113;
        let ip = match self.link_type {
            ETHERNET => {
                let mut at = 12;
                while self.octets.get(at..at + 2)? == [0x81, 0x00] {
                    at += 4;
                }
                self.octets.get(at + 2..)?
            }
            RAW_IP => self.octets,
            LINUX_COOKED => self.octets.get(16..)?,
            _ => return None,
        };
        match ip.first()? >> 4 {
            4 => ipv4(ip),
            6 => ipv6(ip),
            _ => None,
        }
    }
}

const SCTP: u8 = 132;

fn ipv4(ip: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let header = usize::from(ip.first()? & 15) * 4;
    let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
    let address = |at: usize| Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?)));
    (ip[9] == SCTP).then_some(())?;
    Some((address(12)?, address(16)?, ip.get(header..total)?))
}

fn ipv6(ip: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let payload = usize::from(u16::from_be_bytes([*ip.get(4)?, *ip.get(5)?]));
    let address = |at: usize| Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip.get(at..at + 16)?).ok()?)));
    (ip[6] == SCTP).then_some(())?;
    Some((address(8)?, address(24)?, ip.get(40..40 + payload)?))
}

/// A direction of an association: ends and verification tag, which a restart changes.
type Direction = (SocketAddr, SocketAddr, u32);

/// A DATA chunk that waits for the others of its user message.
struct Fragment {
    begin: bool,
    end: bool,
    stream: u16,
    ppid: u32,
    data: Vec<u8>,
}

#[derive(Default)]
struct Reassembly {
    seen: BTreeSet<(Direction, u32)>,
    waiting: BTreeMap<Direction, BTreeMap<u32, Fragment>>,
}

impl Reassembly {
    fn packet(
        &mut self,
        frame: usize,
        time_us: u64,
        (from, to): (IpAddr, IpAddr),
        sctp: &[u8],
        found: &mut Vec<UserMessage>,
    ) {
        let Some((head, mut chunks)) = sctp.split_at_checked(12) else { return };
        let port = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let tag = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let direction = (SocketAddr::new(from, port(0)), SocketAddr::new(to, port(2)), tag);
        while let Some((kind, flags, body, rest)) = next_chunk(chunks) {
            chunks = rest;
            const DATA: u8 = 0;
            if kind == DATA
                && let Some(UserMessage { stream, ppid, data, .. }) = self.data(direction, flags, body)
            {
                found.push(UserMessage { frame, time_us, from: direction.0, to: direction.1, stream, ppid, data });
            }
        }
    }

    /// Takes a DATA chunk; gives the user message that it completes.
    fn data(&mut self, direction: Direction, flags: u8, body: &[u8]) -> Option<UserMessage> {
        let (head, data) = body.split_at_checked(12)?;
        let tsn = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        self.seen.insert((direction, tsn)).then_some(())?;
        let fragment = Fragment {
            begin: flags & 2 != 0,
            end: flags & 1 != 0,
            stream: u16::from_be_bytes([head[4], head[5]]),
            ppid: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            data: data.to_vec(),
        };
        let waiting = self.waiting.entry(direction).or_default();
        waiting.insert(tsn, fragment);
        complete(waiting, tsn, direction)
    }
}

/// The user message around the chunk `tsn`, once all its chunks are there; they leave `waiting`.
fn complete(waiting: &mut BTreeMap<u32, Fragment>, tsn: u32, (from, to, _): Direction) -> Option<UserMessage> {
    let mut first = tsn;
    while !waiting.get(&first)?.begin {
        first = first.wrapping_sub(1);
    }
    let mut last = tsn;
    while !waiting.get(&last)?.end {
        last = last.wrapping_add(1);
    }
    let mut whole = Vec::new();
    let (mut at, mut stream, mut ppid) = (first, 0, 0);
    loop {
        let fragment = waiting.remove(&at)?;
        (stream, ppid) = if at == first { (fragment.stream, fragment.ppid) } else { (stream, ppid) };
        whole.extend(fragment.data);
        if at == last {
            break;
        }
        at = at.wrapping_add(1);
    }
    Some(UserMessage { frame: 0, time_us: 0, from, to, stream, ppid, data: whole })
}

/// Type, flags and body of the next chunk, and what follows it.
fn next_chunk(octets: &[u8]) -> Option<(u8, u8, &[u8], &[u8])> {
    let [kind, flags, high, low, ..] = *octets else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let body = octets.get(4..length)?;
    let rest = octets.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, flags, body, rest))
}
