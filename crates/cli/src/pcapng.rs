//! Captures in the pcapng format (draft-ietf-opsawg-pcapng): section, interfaces as they turn up, packets with direction and comment.
//!
//! Every block is whole when it is written, so a file that is cut short between two blocks is a valid one.

use std::collections::BTreeMap;
use std::io::{self, Write};

/// Which way a packet went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// A packet to be written.
pub(crate) struct Packet<'a> {
    pub(crate) interface: &'a str,
    pub(crate) unix_nanos: u64,
    pub(crate) direction: Direction,
    /// Octets that it had.
    pub(crate) length: u32,
    /// From the Ethernet header on.
    pub(crate) octets: &'a [u8],
    /// Empty for none.
    pub(crate) comment: &'a str,
}

/// Writes one section.
pub(crate) struct Writer<W> {
    to: W,
    interfaces: BTreeMap<String, u32>,
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const ETHERNET: u16 = 1;
const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const SHB_USERAPPL: u16 = 4;

impl<W: Write> Writer<W> {
    /// Begins a section.
    pub(crate) fn new(mut to: W, application: &str) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend(1_u16.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        // Its length is not known.
        body.extend(u64::MAX.to_le_bytes());
        option(&mut body, SHB_USERAPPL, application.as_bytes());
        end_of_options(&mut body);
        to.write_all(&block(SECTION, &body))?;
        Ok(Self { to, interfaces: BTreeMap::new() })
    }

    /// Writes a packet, and its interface before the first of it, in one piece.
    pub(crate) fn write(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        let mut blocks = Vec::new();
        let next = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let number = *self.interfaces.entry(packet.interface.to_owned()).or_insert_with(|| {
            blocks.extend(interface(packet.interface));
            next
        });
        let mut body = Vec::with_capacity(packet.octets.len() + 64);
        let captured = u32::try_from(packet.octets.len()).unwrap_or(u32::MAX);
        let (high, low) = ((packet.unix_nanos >> 32) as u32, packet.unix_nanos as u32);
        for word in [number, high, low, captured, packet.length] {
            body.extend(word.to_le_bytes());
        }
        body.extend(packet.octets);
        pad(&mut body);
        let direction: u32 = match packet.direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        option(&mut body, EPB_FLAGS, &direction.to_le_bytes());
        if !packet.comment.is_empty() {
            option(&mut body, OPT_COMMENT, packet.comment.as_bytes());
        }
        end_of_options(&mut body);
        blocks.extend(block(PACKET, &body));
        self.to.write_all(&blocks)
    }
}

fn interface(name: &str) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(ETHERNET.to_le_bytes());
    body.extend([0; 2]);
    // No limit of its own: packets say how much there is of them.
    body.extend([0; 4]);
    option(&mut body, IF_NAME, name.as_bytes());
    // Times are in 10^-9 s.
    option(&mut body, IF_TSRESOL, &[9]);
    end_of_options(&mut body);
    block(INTERFACE, &body)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    [kind.to_le_bytes().as_slice(), &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..value.len().min(usize::from(u16::MAX))).unwrap_or_default();
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind and body of each block; every block says its length at both ends.
    fn blocks(mut octets: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let word = |octets: &[u8], at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
        let mut found = Vec::new();
        while !octets.is_empty() {
            let length = word(octets, 4) as usize;
            assert_eq!((length % 4, word(octets, length - 4) as usize), (0, length));
            found.push((word(octets, 0), octets[8..length - 4].to_vec()));
            octets = &octets[length..];
        }
        found
    }

    #[test]
    fn a_capture_has_its_interfaces_and_packets() {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, "basalt").unwrap();
        let packet = |interface, direction, comment| Packet {
            interface,
            unix_nanos: 0x0123_4567_89ab_cdef,
            direction,
            length: 60,
            octets: &[1, 2, 3, 4, 5],
            comment,
        };
        writer.write(&packet("s1u", Direction::In, "")).unwrap();
        writer.write(&packet("sgi", Direction::Out, "")).unwrap();
        writer.write(&packet("s1u", Direction::In, "dropped: spoofed_source")).unwrap();
        let blocks = blocks(&file);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, PACKET, INTERFACE, PACKET, PACKET]);
        let (_, last) = &blocks[5];
        assert_eq!(last[..4], [0; 4], "the first interface");
        assert_eq!(
            (&last[4..8], &last[8..12]),
            (&0x0123_4567_u32.to_le_bytes()[..], &0x89ab_cdef_u32.to_le_bytes()[..])
        );
        assert_eq!(last[12..20], [5, 0, 0, 0, 60, 0, 0, 0]);
        assert_eq!(last[20..28], [1, 2, 3, 4, 5, 0, 0, 0], "padded");
        assert_eq!(last[28..36], [2, 0, 4, 0, 1, 0, 0, 0], "inbound");
        assert!(last[36..].windows(7).any(|window| window == b"dropped"));
    }
}
