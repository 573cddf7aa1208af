//! Records as a capture in the pcapng format (draft-ietf-opsawg-pcapng). S1AP and Diameter stand in IP packets made around them;
//! deciphered NAS stands as "exported PDU" (LINKTYPE_WIRESHARK_UPPER_PDU), which names its reader. Wireshark needs no setup for either.

use crate::frame::Frames;
use crate::{Protocol, Record};
use std::collections::BTreeMap;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// LINKTYPE_ETHERNET. LINKTYPE_RAW: an IP packet. LINKTYPE_WIRESHARK_UPPER_PDU.
const ETHERNET: u16 = 1;
const RAW: u16 = 101;
const EXPORTED: u16 = 252;
const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const EPB_FLAGS: u16 = 2;
const SHB_USERAPPL: u16 = 4;
/// Tags of exported PDUs: the name of the reader; which way it went.
const TAG_READER: u16 = 12;
const TAG_DIRECTION: u16 = 28;

/// A whole capture of records in their order: an interface for each node and protocol, a comment for each packet that says whom it is
/// about and which way it went. Times are those of the records.
#[must_use]
pub fn capture(records: &[Record]) -> Vec<u8> {
    let (mut capture, mut file) = Capture::begin();
    records.iter().for_each(|record| file.extend(capture.add(record)));
    file
}

/// A capture that grows. What it gives each time are whole blocks: the file is a valid one at any moment.
#[derive(Debug)]
pub struct Capture {
    interfaces: BTreeMap<(String, Protocol), u32>,
    /// The interface of phones' packets.
    user_plane: Option<u32>,
    frames: Frames,
}

impl Capture {
    /// With the first octets of the file.
    #[must_use]
    pub fn begin() -> (Self, Vec<u8>) {
        (Self { interfaces: BTreeMap::new(), user_plane: None, frames: Frames::default() }, section())
    }

    /// The octets that a packet of a phone's adds to the file, as it passed the interface of base stations: as much of the Ethernet
    /// frame as there is, of `length` octets. `at`: microseconds since 1970 UTC.
    pub fn add_packet(&mut self, at: u64, sent: bool, frame: &[u8], length: u32, comment: &str) -> Vec<u8> {
        let mut blocks = Vec::new();
        let next = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX) + u32::from(self.user_plane.is_some());
        let number = *self.user_plane.get_or_insert_with(|| {
            blocks = interface(ETHERNET, "gateway S1-U");
            next
        });
        blocks.extend(packet(number, at, sent, frame, length, comment));
        blocks
    }

    /// The octets that a record adds to the file.
    pub fn add(&mut self, record: &Record) -> Vec<u8> {
        let mut blocks = Vec::new();
        let next = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX) + u32::from(self.user_plane.is_some());
        let number = *self.interfaces.entry((record.node.clone(), record.protocol)).or_insert_with(|| {
            let (kind, name) = named(record);
            blocks = interface(kind, &name);
            next
        });
        let octets = if record.protocol == Protocol::Nas { exported(record) } else { self.frames.frame(record) };
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        blocks.extend(packet(number, record.at, record.sent, &octets, length, &comment(record)));
        blocks
    }
}

fn section() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(0x1a2b_3c4d_u32.to_le_bytes());
    body.extend([1, 0, 0, 0]);
    // Its length is not known.
    body.extend([0xff; 8]);
    option(&mut body, SHB_USERAPPL, concat!("basalt ", env!("CARGO_PKG_VERSION")).as_bytes());
    option(&mut body, 0, &[]);
    block(SECTION, &body)
}

/// The kind and the name of a record's interface.
fn named(record: &Record) -> (u16, String) {
    let (kind, name) = match record.protocol {
        Protocol::S1ap => (RAW, "S1-MME"),
        Protocol::Nas => (EXPORTED, "NAS, deciphered"),
        Protocol::Diameter => (RAW, "Diameter"),
    };
    let node = if record.node.is_empty() { "gateway" } else { record.node.as_str() };
    (kind, format!("{node} {name}"))
}

fn interface(kind: u16, name: &str) -> Vec<u8> {
    let mut body = kind.to_le_bytes().to_vec();
    // No limit of its own. Times are in microseconds, unless it is said otherwise.
    body.extend([0; 6]);
    option(&mut body, IF_NAME, name.as_bytes());
    option(&mut body, 0, &[]);
    block(INTERFACE, &body)
}

/// A packet of `length` octets, of which `octets` are kept.
fn packet(interface: u32, at: u64, sent: bool, octets: &[u8], length: u32, comment: &str) -> Vec<u8> {
    let kept = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    let mut body = Vec::with_capacity(octets.len() + 128);
    for word in [interface, (at >> 32) as u32, at as u32, kept, length.max(kept)] {
        body.extend(word.to_le_bytes());
    }
    body.extend(octets);
    pad(&mut body);
    let direction: u32 = if sent { 2 } else { 1 };
    option(&mut body, EPB_FLAGS, &direction.to_le_bytes());
    option(&mut body, OPT_COMMENT, comment.as_bytes());
    option(&mut body, 0, &[]);
    block(PACKET, &body)
}

/// Whom it is about, and which way it went.
fn comment(record: &Record) -> String {
    let node = if record.node.is_empty() { "gateway" } else { record.node.as_str() };
    let peer = match (record.protocol, record.peer.as_str()) {
        (Protocol::Nas, _) => "phone",
        (Protocol::S1ap, "") => "base station",
        (Protocol::Diameter, "") => "home network",
        (_, peer) => peer,
    };
    let mut said = if record.sent { format!("{node} -> {peer}") } else { format!("{peer} -> {node}") };
    if let Some(imsi) = &record.imsi {
        said.push_str(&format!("; IMSI {imsi}"));
    }
    for (what, id) in [("eNB-UE-S1AP-ID", record.enb_ue), ("MME-UE-S1AP-ID", record.mme_ue)] {
        if let Some(id) = id {
            said.push_str(&format!("; {what} {id}"));
        }
    }
    said.push_str("; keys are zeroed");
    said
}

/// NAS with its reader's name before it.
fn exported(record: &Record) -> Vec<u8> {
    let octets = record.octets();
    // A message with an envelope, such as SERVICE REQUEST, or one without.
    let enveloped = octets.first().is_some_and(|first| first & 15 == 7 && first >> 4 != 0);
    let reader: &[u8] = if enveloped { b"nas-eps" } else { b"nas-eps_plain" };
    let mut out = Vec::with_capacity(octets.len() + 48);
    tag(&mut out, TAG_READER, reader);
    tag(&mut out, TAG_DIRECTION, &u32::from(!record.sent).to_be_bytes());
    tag(&mut out, 0, &[]);
    out.extend(octets);
    out
}

fn tag(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(kind.to_be_bytes());
    let length = value.len().next_multiple_of(4);
    out.extend(u16::try_from(length).unwrap_or(0).to_be_bytes());
    out.extend(value);
    out.extend(core::iter::repeat_n(0, length - value.len()));
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    [kind.to_le_bytes().as_slice(), &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..value.len().min(4_096)).unwrap_or_default();
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, interface, kept and whole length of each block that follows the first.
    fn blocks(mut file: &[u8]) -> Vec<(u32, u32, u32, u32)> {
        let word = |octets: &[u8], at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
        let mut all = Vec::new();
        while !file.is_empty() {
            let packet = word(file, 0) == PACKET;
            let of = |at: usize| if packet { word(file, at) } else { 0 };
            all.push((word(file, 0), of(8), of(20), of(24)));
            file = &file[word(file, 4) as usize..];
        }
        all
    }

    #[test]
    fn packets_stand_beside_messages_by_an_interface_of_their_own_with_their_whole_length() {
        let (mut capture, head) = Capture::begin();
        let message = |protocol| Record::new(1, protocol, true, vec![7, 0x46]);
        let mut file = head;
        file.extend(capture.add(&message(Protocol::Nas)));
        file.extend(capture.add_packet(2, false, &[0; 96], 1_500, "dropped: rate"));
        file.extend(capture.add(&message(Protocol::Diameter)));
        file.extend(capture.add_packet(3, true, &[0; 60], 60, ""));
        let kinds: Vec<u32> = blocks(&file).iter().map(|block| block.0).collect();
        assert_eq!(kinds, [SECTION, INTERFACE, PACKET, INTERFACE, PACKET, INTERFACE, PACKET, PACKET]);
        let packets: Vec<_> = blocks(&file).into_iter().filter(|block| block.0 == PACKET).collect();
        assert_eq!((packets[1].1, packets[1].2, packets[1].3), (1, 96, 1_500));
        assert_eq!((packets[0].1, packets[2].1, packets[3].1), (0, 2, 1));
    }
}
