//! The gateway as the phones' IPv6 router: Router Advertisements (RFC 4861; TS 23.401 §5.3.1.2.2, TS 29.061 §11.2.1.3.2).

use basalt_ebpf_abi::Uplink;
use std::net::Ipv6Addr;

/// The gateway's own address on every link to a phone.
pub(crate) const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// All nodes on the link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The IPv6 packet that tells a phone its prefix. The prefix lives as long as the session, hence the infinite lifetimes; it is not on-link,
/// since nobody else is on the link.
pub(crate) fn advertisement(prefix: [u8; 8], mtu: u32, dns: &[Ipv6Addr]) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0];
    // Router lifetime: the most that routers may say (RFC 8319).
    message.extend(65_535u16.to_be_bytes());
    message.extend([0; 8]);
    // MTU option.
    message.extend([5, 1, 0, 0]);
    message.extend(mtu.to_be_bytes());
    // Prefix Information: 64 bits, autonomous.
    message.extend([3, 4, 64, 0x40]);
    message.extend([0xff; 8]);
    message.extend([0; 4]);
    message.extend(prefix);
    message.extend([0; 8]);
    if !dns.is_empty() {
        // Recursive DNS Server (RFC 8106 §5.1), for as long.
        message.extend([25, 1 + 2 * u8::try_from(dns.len()).unwrap_or(0), 0, 0]);
        message.extend([0xff; 4]);
        message.extend(dns.iter().flat_map(Ipv6Addr::octets));
    }
    packet(ROUTER, ALL_NODES, message)
}

/// An ICMPv6 packet of a router with its checksum, hop limit 255.
fn packet(source: Ipv6Addr, destination: Ipv6Addr, mut message: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut pseudo = [source.octets(), destination.octets()].concat();
    pseudo.extend(u32::from(length).to_be_bytes());
    pseudo.extend([0, 0, 0, 58]);
    let sum = checksum(&[pseudo.as_slice(), &message].concat());
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([58, 255]);
    packet.extend([source.octets(), destination.octets()].concat());
    packet.extend(message);
    packet
}

/// RFC 1071.
pub(crate) fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX)
}

/// Whether a G-PDU's inner packet at `offset` is a Router Solicitation that must be believed (RFC 4861 §6.1.1): nothing that came from
/// farther than the link, its checksum right.
pub(crate) fn solicits(packet: &[u8]) -> bool {
    let (Some(head), Some(message)) = (packet.get(..40), packet.get(40..)) else { return false };
    let [_, _, _, _, _, _, next, hops, addresses @ ..] = head else { return false };
    let length = u32::try_from(message.len()).unwrap_or(0);
    let mut pseudo = addresses.to_vec();
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, 58]);
    pseudo.extend(message);
    *next == 58 && *hops == 255 && message.starts_with(&[133, 0]) && message.len() >= 8 && checksum(&pseudo) == 0
}

/// The prefix in a record, if it has one.
pub(crate) fn prefix(record: &Uplink) -> Option<[u8; 8]> {
    match record.prefix.get() {
        0 => None,
        prefix => Some(prefix.to_ne_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_is_what_a_phone_expects() {
        let packet = advertisement([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7], 1400, &[]);
        assert_eq!(packet.len(), 40 + 16 + 8 + 32);
        assert_eq!((packet[4..6].to_vec(), packet[6], packet[7]), (vec![0, 56], 58, 255));
        assert_eq!(packet[8..24], ROUTER.octets());
        assert_eq!(packet[40], 134);
        let option = &packet[64..];
        assert_eq!(option[..4], [3, 4, 64, 0x40], "autonomous, not on-link");
        assert_eq!(option[16..24], [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7]);
        assert_eq!(packet[56..64], [5, 1, 0, 0, 0, 0, 5, 120]);
        // The checksum: the sum over pseudo header and message is zero.
        let mut sum = packet[8..40].to_vec();
        sum.extend([0, 0, 0, 56, 0, 0, 0, 58]);
        sum.extend(&packet[40..]);
        assert_eq!(checksum(&sum), 0);
        let servers = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED];
        let told = advertisement([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7], 1400, &servers);
        assert_eq!((told.len(), &told[96..100]), (96 + 8 + 32, &[25, 5, 0, 0][..]));
    }

    #[test]
    fn only_sound_solicitations_from_the_link_are_answered() {
        let good =
            packet(Ipv6Addr::UNSPECIFIED, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), vec![133, 0, 0, 0, 0, 0, 0, 0]);
        assert!(solicits(&good));
        for (offset, octet) in [(7, 254), (40, 134), (41, 1), (42, 0), (6, 17)] {
            let mut bad = good.clone();
            bad[offset] = octet;
            assert!(!solicits(&bad), "{offset}");
        }
        assert!((0..good.len()).all(|length| !solicits(&good[..length])));
    }
}
