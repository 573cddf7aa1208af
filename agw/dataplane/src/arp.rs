//! Routers behind VLANs that the kernel does not know: asked for and answered here, by ARP (RFC 826).

use crate::config::Vlan;
use crate::host::Link;
use crate::interfaces::Side;
use crate::plane::Shared;
use crate::sockets::{ArpSocket, wait};
use basalt_ebpf_abi::Mac;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Routers of an interface that has just come are asked that often,
const EAGER: Duration = Duration::from_millis(50);
/// for so long: attaching programs takes an interface down for a moment.
const NEW: Duration = Duration::from_secs(5);
/// Others that do not answer are asked again that often,
const RETRY: Duration = Duration::from_secs(1);
/// those that do that often,
const REFRESH: Duration = Duration::from_secs(20);
/// and given up when they have not answered for so long.
const LOST: Duration = Duration::from_secs(30);

/// What an ARP message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message {
    request: bool,
    sender: (Mac, Ipv4Addr),
    target: Ipv4Addr,
}

/// An ARP message for Ethernet and IPv4 behind an Ethernet header without tag.
fn read(frame: &[u8]) -> Option<Message> {
    let arp = frame.get(14..42)?;
    let (head, rest) = arp.split_at(8);
    let request = match head {
        [0, 1, 8, 0, 6, 4, 0, 1] => true,
        [0, 1, 8, 0, 6, 4, 0, 2] => false,
        _ => return None,
    };
    let mac = <[u8; 6]>::try_from(rest.get(..6)?).ok()?;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(rest.get(at..at + 4)?).ok()?));
    // A group's address is nobody's.
    let sound = mac.first().is_some_and(|octet| octet & 1 == 0) && mac != [0; 6];
    sound.then_some(Message { request, sender: (Mac(mac), address(6)?), target: address(16)? })
}

/// A tagged ARP frame: a request where `to` is nobody yet, else a reply.
fn write(vlan: u16, from: (Mac, Ipv4Addr), to: (Option<Mac>, Ipv4Addr)) -> Vec<u8> {
    let mut frame = to.0.map_or([0xff; 6], |mac| mac.0).to_vec();
    frame.extend(from.0.0);
    frame.extend([0x81, 0]);
    frame.extend(vlan.to_be_bytes());
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, if to.0.is_some() { 2 } else { 1 }]);
    frame.extend(from.0.0);
    frame.extend(from.1.octets());
    frame.extend(to.0.map_or([0; 6], |mac| mac.0));
    frame.extend(to.1.octets());
    frame.resize(64, 0);
    frame
}

/// When a router was asked last, and when it was heard of.
#[derive(Default)]
struct Known {
    asked: Option<Instant>,
    heard: Option<Instant>,
}

/// Asks and answers until the data plane is gone.
pub(crate) fn serve(shared: &Shared, interface: &str, vlans: &[(u32, Vlan)]) {
    let mut known: BTreeMap<u32, Known> = BTreeMap::new();
    let mut open: Option<(Link, ArpSocket)> = None;
    let mut since = Instant::now();
    let mut buffer = [0; 256];
    while !shared.stopping.load(Ordering::Acquire) {
        let link = shared.state().hops.link(&shared.name_of(Side::Internet).unwrap_or_else(|| interface.to_owned()));
        if open.as_ref().map(|(link, _)| link) != link.as_ref() {
            open = link.and_then(|link| Some((link.clone(), ArpSocket::open(link.index).ok()?)));
            known.clear();
            since = Instant::now();
        }
        let Some((link, socket)) = &open else {
            vlans.iter().filter_map(|(hop, _)| shared.tables.next_hops.get(*hop as usize)).for_each(|hop| hop.forget());
            let _ = wait(&[(shared.stop.as_fd(), libc::POLLIN)], Some(RETRY));
            continue;
        };
        let Some(mac) = link.mac else { return };
        let retry = if since.elapsed() < NEW { EAGER } else { RETRY };
        for (hop, vlan) in vlans {
            let router = known.entry(*hop).or_default();
            if router.heard.is_some_and(|heard| heard.elapsed() > LOST) {
                router.heard = None;
                if let Some(hop) = shared.tables.next_hops.get(*hop as usize) {
                    hop.forget();
                }
            }
            let patience = if router.heard.is_some() { REFRESH } else { retry };
            if router.asked.is_none_or(|asked| asked.elapsed() >= patience) {
                router.asked = Some(Instant::now());
                // An interface that is down is tried again.
                let _ = socket.send(&write(vlan.id, (mac, vlan.address), (None, vlan.router)));
            }
        }
        if wait(&[(socket.as_fd(), libc::POLLIN), (shared.stop.as_fd(), libc::POLLIN)], Some(retry)).is_err() {
            return;
        }
        loop {
            match socket.receive(&mut buffer) {
                Ok(Some((length, id))) => {
                    let Some(message) = read(buffer.get(..length).unwrap_or_default()) else { continue };
                    for (hop, vlan) in vlans.iter().filter(|(_, vlan)| vlan.id == id) {
                        if message.sender.1 == vlan.router
                            && let Some(entry) = shared.tables.next_hops.get(*hop as usize)
                        {
                            entry.follow(link.index, link.mtu, mac, message.sender.0);
                            known.entry(*hop).or_default().heard = Some(Instant::now());
                        }
                        if message.request && message.target == vlan.address {
                            let to = (Some(message.sender.0), message.sender.1);
                            let _ = socket.send(&write(vlan.id, (mac, vlan.address), to));
                        }
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(%error, interface, "receiving ARP");
                    open = None;
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_written_and_nonsense_is_not() {
        let (us, them) = ((Mac([2; 6]), Ipv4Addr::new(10, 9, 0, 2)), (Mac([4; 6]), Ipv4Addr::new(10, 9, 0, 1)));
        let without_tag = |mut frame: Vec<u8>| {
            frame.drain(12..16);
            frame
        };
        let asked = write(100, us, (None, them.1));
        assert_eq!(asked[..16], [255, 255, 255, 255, 255, 255, 2, 2, 2, 2, 2, 2, 0x81, 0, 0, 100]);
        assert_eq!(read(&without_tag(asked)), Some(Message { request: true, sender: us, target: them.1 }));
        let reply = without_tag(write(100, them, (Some(us.0), us.1)));
        assert_eq!(read(&reply), Some(Message { request: false, sender: them, target: us.1 }));
        assert!((0..42).all(|length| read(&reply[..length]).is_none()));
        let mut group = reply;
        group[22] |= 1;
        assert_eq!(read(&group), None);
    }
}
