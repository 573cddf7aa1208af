//! Watching one phone in the software plane, which has every packet in hand: it costs one load of a flag while nobody looks.

use super::Seen;
use crate::error::Error;
use crate::icmp::checksum;
use crate::tables::Tables;
use agw_types::UeAddress;
use basalt_ebpf_abi::{Address, Point, Settings, Uplink};
use basalt_pipeline::{GTP_PORT, Tunnel, container, encapsulation};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Ethernet, IPv4 without options, UDP.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;

/// Who is watched, and for whom.
struct Watching {
    /// The phone's IPv4 address; 0 for none.
    ue: u32,
    /// First half of its IPv6 addresses, wire order; 0 for none.
    prefix: u64,
    snap: u32,
    seen: mpsc::Sender<Seen>,
}

/// Where the software plane tells what it sees.
pub(crate) struct Lookout {
    on: AtomicBool,
    watching: Mutex<Option<Watching>>,
    /// Interfaces towards base stations and towards the kernel.
    interfaces: [String; 2],
}

impl Lookout {
    pub(crate) fn new(access: &str, device: &str) -> Self {
        let interfaces = [access.to_owned(), device.to_owned()];
        Self { on: AtomicBool::new(false), watching: Mutex::new(None), interfaces }
    }

    /// Watches a phone until the receiver is dropped.
    pub(crate) fn begin(&self, address: UeAddress, snap: u32) -> Result<mpsc::Receiver<Seen>, Error> {
        let watching = self.watching();
        if watching.as_ref().is_some_and(|watching| !watching.seen.is_closed()) {
            return Err(Error::Watching);
        }
        drop(watching);
        let (seen, receiver) = mpsc::channel(super::WAITING);
        self.follow(address, snap, seen);
        Ok(receiver)
    }

    /// Watches a phone until the receiver is dropped, whoever was watched before.
    pub(crate) fn follow(&self, address: UeAddress, snap: u32, seen: mpsc::Sender<Seen>) {
        let ue = address.ipv4().map_or(0, |address| Address::new(address).0);
        let prefix = address.prefix().map_or(0, |prefix| prefix.to_bits().to_be());
        *self.watching() = Some(Watching { ue, prefix, snap, seen });
        self.on.store(true, Ordering::Release);
    }

    /// Whether a GTP-U message is in a tunnel of the watched phone.
    pub(crate) fn follows(&self, tables: &Tables, settings: &Settings, message: &[u8]) -> bool {
        if !self.on.load(Ordering::Acquire) {
            return false;
        }
        let Some(teid) = message.get(4..8).and_then(|octets| octets.first_chunk()).map(|o| u32::from_be_bytes(*o))
        else {
            return false;
        };
        let record = tables.uplink.get((teid & settings.teid_mask.get()) as usize);
        let of_phone = |watching: &Watching, record: &Uplink| {
            (watching.ue != 0 && record.ue.get() == watching.ue)
                || (watching.prefix != 0 && record.prefix.get() == watching.prefix)
        };
        let record = record.filter(|record| teid != 0 && record.teid.get() == teid);
        record.is_some_and(|record| self.watching().as_ref().is_some_and(|watching| of_phone(watching, record)))
    }

    /// Whether an IP packet is for the watched phone.
    pub(crate) fn expects(&self, packet: &[u8]) -> bool {
        if !self.on.load(Ordering::Acquire) {
            return false;
        }
        let watching = self.watching();
        let Some(watching) = watching.as_ref() else { return false };
        match packet.first().map(|octet| octet >> 4) {
            Some(4) => watching.ue != 0 && packet.get(16..20) == Some(&watching.ue.to_ne_bytes()[..]),
            Some(6) => watching.prefix != 0 && packet.get(24..32) == Some(&watching.prefix.to_ne_bytes()[..]),
            _ => false,
        }
    }

    /// Tells of a frame. `reason` is why it ends here; empty where it does not.
    pub(crate) fn tell(&self, point: Point, frame: Vec<u8>, reason: &'static str) {
        let mut place = self.watching();
        let Some(watching) = place.as_ref() else { return };
        if watching.seen.is_closed() {
            *place = None;
            self.on.store(false, Ordering::Release);
            return;
        }
        let radio = matches!(point, Point::RadioIn | Point::RadioOut | Point::UplinkDropped | Point::UplinkPunted);
        let [access, device] = &self.interfaces;
        let unix_nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut frame = frame;
        frame.truncate(watching.snap as usize);
        let seen = Seen {
            unix_nanos: u64::try_from(unix_nanos).unwrap_or(u64::MAX),
            point,
            interface: if radio { access } else { device }.clone(),
            length,
            frame,
            reason: Some(reason).filter(|reason| !reason.is_empty()),
        };
        // Whoever is too slow sees less.
        let _ = watching.seen.try_send(seen);
    }

    fn watching(&self) -> MutexGuard<'_, Option<Watching>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An IP packet as a frame. Sockets and TUN devices have no hardware addresses: they are zero.
pub(crate) fn framed(packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = if packet.first().is_some_and(|octet| octet >> 4 == 6) { [0x86, 0xdd] } else { [8, 0] };
    [&[0; ETHERNET - 2][..], &kind, packet].concat()
}

/// A GTP-U message that came from `peer` as the frame that it was in, as far as a socket knows that.
pub(crate) fn received(peer: Ipv4Addr, local: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let length = |headers: usize| u16::try_from(message.len() + headers).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = [&[0x45, 0][..], &length(IPV4 + UDP), &[0, 0, 0, 0, 64, 17, 0, 0]].concat();
    packet.extend(peer.octets());
    packet.extend(local.octets());
    let sum = checksum(&packet);
    if let Some(place) = packet.get_mut(10..12) {
        place.copy_from_slice(&sum);
    }
    for field in [GTP_PORT.to_be_bytes(), GTP_PORT.to_be_bytes(), length(UDP), [0, 0]] {
        packet.extend(field);
    }
    packet.extend(message);
    framed(&packet)
}

/// A packet for a phone as the frame that it leaves in.
pub(crate) fn tunnelled(tunnel: Tunnel, packet: &[u8]) -> Vec<u8> {
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    let mut octets: Vec<u8> = encapsulation(tunnel, length, 0).iter().flat_map(|word| word.to_ne_bytes()).collect();
    if tunnel.qfi != 0 {
        octets.extend(container(tunnel.qfi).iter().flat_map(|word| word.to_ne_bytes()));
    }
    octets.extend(packet);
    framed(&octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 7);

    fn to(phone: Ipv4Addr) -> Vec<u8> {
        let mut packet = vec![0x45; 20];
        packet[16..20].copy_from_slice(&phone.octets());
        packet
    }

    #[test]
    fn one_phone_is_watched_until_nobody_looks() {
        let lookout = Lookout::new("s1u", "ue0");
        assert!(!lookout.expects(&to(PHONE)));
        let mut seen = lookout.begin(PHONE.into(), 16).unwrap();
        assert!(matches!(lookout.begin(PHONE.into(), 16), Err(Error::Watching)));
        assert!(lookout.expects(&to(PHONE)) && !lookout.expects(&to(Ipv4Addr::new(10, 45, 0, 8))));
        lookout.tell(Point::DownlinkDropped, framed(&to(PHONE)), "rule_rate");
        let packet = seen.try_recv().unwrap();
        assert_eq!((packet.interface.as_str(), packet.length, packet.frame.len()), ("ue0", 34, 16));
        assert_eq!((packet.reason, &packet.frame[12..]), (Some("rule_rate"), &[8, 0, 0x45, 0x45][..]));
        drop(seen);
        lookout.tell(Point::RadioIn, Vec::new(), "");
        assert!(!lookout.expects(&to(PHONE)));
        assert!(lookout.begin(PHONE.into(), 16).is_ok());
    }

    #[test]
    fn a_message_has_the_headers_that_it_came_in() {
        let frame = received(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), &[0x30; 12]);
        assert_eq!((frame.len(), &frame[12..14]), (14 + 20 + 8 + 12, &[8, 0][..]));
        assert_eq!(checksum(&frame[14..34]), [0, 0]);
        assert_eq!((&frame[16..18], &frame[38..40]), (&[0, 40][..], &[0, 20][..]));
    }
}
