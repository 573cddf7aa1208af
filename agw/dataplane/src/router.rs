//! The gateway as the phones' IPv6 router: Router Advertisements, and answers to those who ask whether it is still there (RFC 4861;
//! TS 23.401 §5.3.1.2.2, TS 29.061 §11.2.1.3.2).

use std::net::Ipv6Addr;

/// The gateway's own address on every link to a phone.
pub(crate) const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The group of all who may have that address (RFC 4291 §2.7.1).
const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 1);
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

/// The Neighbor Advertisement by which the gateway answers a phone that asks for its router, usually whether it is still there (RFC 4861
/// §7.2.3, §7.2.4); `None` for what must not be believed, and for other targets. A phone that looks for its own address, by a source of
/// zero, gets no answer (TS 23.401 §5.3.1.2.2).
pub(crate) fn here(packet: &[u8]) -> Option<Vec<u8>> {
    let (addresses, message) = from_the_link(packet)?;
    let (source, destination) = addresses.split_first_chunk::<16>()?;
    let source = Ipv6Addr::from(*source);
    let (&[135, 0, ..], rest) = message.split_first_chunk::<8>()? else { return None };
    let (target, options) = rest.split_at_checked(16)?;
    let asked = destination == ROUTER.octets() || destination == GROUP.octets();
    if source.is_unspecified() || !asked || target != ROUTER.octets() || !options_are_sound(options) {
        return None;
    }
    // A router, solicited, overriding; without a link-layer address, which this link has not.
    let answer = [&[136, 0, 0, 0, 0xe0, 0, 0, 0], &ROUTER.octets()[..]].concat();
    Some(self::packet(ROUTER, source, answer))
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

/// Whether a phone's packet is a Router Solicitation that must be believed (RFC 4861 §6.1.1).
pub(crate) fn solicits(packet: &[u8]) -> bool {
    let Some((addresses, [133, 0, _, _, _, _, _, _, options @ ..])) = from_the_link(packet) else { return false };
    // Nobody has no link-layer address.
    let nobody = addresses.starts_with(&[0; 16]);
    options_are_sound(options) && !(nobody && has_option(options, SOURCE_LINK_LAYER))
}

/// Source Link-layer Address (RFC 4861 §4.6.1).
const SOURCE_LINK_LAYER: u8 = 1;

/// Addresses and message of an ICMPv6 packet that came from no farther than the link, its checksum right.
fn from_the_link(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, message) = packet.split_at_checked(40)?;
    let [_, _, _, _, _, _, 58, 255, addresses @ ..] = head else { return None };
    let length = u32::try_from(message.len()).ok()?;
    let pseudo = [addresses, &length.to_be_bytes(), &[0, 0, 0, 58], message].concat();
    (checksum(&pseudo) == 0).then_some((addresses, message))
}

/// Type of each option, the last one `None` where they do not add up: one has no length, or ends behind the message.
fn options(mut octets: &[u8]) -> impl Iterator<Item = Option<u8>> {
    std::iter::from_fn(move || {
        let (&kind, rest) = octets.split_first()?;
        let size = rest.first().map_or(0, |units| usize::from(*units) * 8);
        octets = octets.get(size..).filter(|_| size != 0).unwrap_or_default();
        Some((size != 0 && size <= rest.len() + 1).then_some(kind))
    })
}

fn options_are_sound(octets: &[u8]) -> bool {
    options(octets).all(|kind| kind.is_some())
}

fn has_option(octets: &[u8], wanted: u8) -> bool {
    options(octets).any(|kind| kind == Some(wanted))
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

    #[test]
    fn options_of_a_solicitation_must_add_up_and_nobody_has_no_address_of_its_link() {
        let phone = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
        let solicitation = |source, options: &[u8]| {
            packet(source, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), [&[133, 0, 0, 0, 0, 0, 0, 0], options].concat())
        };
        let link_layer = [1, 1, 2, 0, 0, 0, 0, 9];
        let unknown = [14, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (source, options, good) in [
            (phone, &link_layer[..], true),
            (phone, &unknown, true),
            (Ipv6Addr::UNSPECIFIED, &unknown, true),
            (Ipv6Addr::UNSPECIFIED, &link_layer, false),
            (Ipv6Addr::UNSPECIFIED, &[&unknown[..], &link_layer].concat(), false),
            (phone, &[1, 0, 0, 0, 0, 0, 0, 0], false),
            (phone, &[1, 2, 0, 0, 0, 0, 0, 0], false),
            (phone, &[1], false),
        ] {
            assert_eq!(solicits(&solicitation(source, options)), good, "{source} {options:?}");
        }
    }

    /// A Neighbor Solicitation for this target.
    fn question(source: Ipv6Addr, destination: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
        packet(source, destination, [&[135, 0, 0, 0, 0, 0, 0, 0], &target.octets()[..], options].concat())
    }

    #[test]
    fn who_asks_whether_the_router_is_there_is_answered() {
        let link = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
        let global = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 9);
        for (source, destination) in [(link, ROUTER), (global, ROUTER), (link, GROUP)] {
            let answer = here(&question(source, destination, ROUTER, &[1, 1, 2, 0, 0, 0, 0, 9])).unwrap();
            assert_eq!((answer.len(), answer[7]), (64, 255));
            assert_eq!((&answer[8..24], &answer[24..40]), (&ROUTER.octets()[..], &source.octets()[..]));
            assert_eq!((&answer[40..42], &answer[44..48]), (&[136, 0][..], &[0xe0, 0, 0, 0][..]));
            assert_eq!(answer[48..], ROUTER.octets());
            assert!(from_the_link(&answer).is_some(), "checksum");
        }
    }

    #[test]
    fn questions_for_others_and_broken_ones_are_not_answered() {
        let phone = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
        for (source, destination, target, options) in [
            (Ipv6Addr::UNSPECIFIED, GROUP, ROUTER, &[][..]),
            (phone, GROUP, phone, &[]),
            (phone, ALL_NODES, ROUTER, &[]),
            (phone, ROUTER, ROUTER, &[1, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(here(&question(source, destination, target, options)), None, "{source} {destination} {target}");
        }
        let good = question(phone, ROUTER, ROUTER, &[]);
        for offset in [6, 7, 40, 41, 42, 50] {
            let mut bad = good.clone();
            bad[offset] ^= 1;
            assert_eq!(here(&bad), None, "{offset}");
        }
        assert!((0..good.len()).all(|length| here(&good[..length]).is_none()));
    }
}
