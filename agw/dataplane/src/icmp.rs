//! ICMP errors that the gateway itself sends: to phones, and about packets for them.

use std::net::Ipv4Addr;

/// Destination Unreachable, "communication administratively prohibited" (RFC 1812 §5.2.7.1), about this packet; `None` about what no error
/// may be sent about (RFC 1122 §3.2.2): other errors and later fragments.
pub(crate) fn prohibited(gateway: Ipv4Addr, about: &[u8]) -> Option<Vec<u8>> {
    let header = about.get(..20)?;
    let [_, _, _, _, _, _, flags, offset, _, protocol, _, _, source @ ..] = header else { return None };
    let source: [u8; 4] = source.get(..4)?.try_into().ok()?;
    let query = *protocol != 1 || about.get(20) == Some(&8);
    if flags & 0x1f != 0 || *offset != 0 || !query {
        return None;
    }
    let mut message = vec![3, 13, 0, 0, 0, 0, 0, 0];
    message.extend(about.get(..28).unwrap_or(about));
    let sum = checksum(&message);
    message.get_mut(2..4)?.copy_from_slice(&sum);
    Some(ipv4(&gateway.octets(), &source, &message))
}

/// That this packet for a phone is too large for its way, which takes `mtu` octets: in the phone's name, since what the packet's sender
/// knows the gateway by depends on the way (RFC 1191 §4: fragmentation needed; RFC 4443 §3.2: Packet Too Big). `None` about what may be
/// fragmented, and about what no error may be sent about.
pub(crate) fn too_big(about: &[u8], mtu: u32) -> Option<Vec<u8>> {
    if about.first()? >> 4 == 6 {
        return too_big6(about, mtu);
    }
    let header = about.get(..20)?;
    let [first, _, _, _, _, _, flags, offset, _, protocol, ..] = header else { return None };
    let query = *protocol != 1 || matches!(about.get(20), Some(0 | 8));
    if *first != 0x45 || flags & 0x40 == 0 || flags & 0x1f != 0 || *offset != 0 || !query {
        return None;
    }
    let [high, low] = u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes();
    let mut message = vec![3, 4, 0, 0, 0, 0, high, low];
    message.extend(about.get(..28)?);
    let sum = checksum(&message);
    message.get_mut(2..4)?.copy_from_slice(&sum);
    Some(ipv4(header.get(16..20)?, header.get(12..16)?, &message))
}

fn too_big6(about: &[u8], mtu: u32) -> Option<Vec<u8>> {
    /// With the headers of the error, what every path carries (RFC 4443 §2.4).
    const MOST: usize = 1280 - 48;
    const ICMPV6: u8 = 58;
    let header = about.get(..40)?;
    // No errors about errors: types below 128.
    if header.get(6) == Some(&ICMPV6) && about.get(40).is_none_or(|kind| *kind < 128) {
        return None;
    }
    let (source, destination) = (header.get(24..40)?, header.get(8..24)?);
    let mut message = vec![2, 0, 0, 0];
    message.extend(mtu.to_be_bytes());
    message.extend(about.get(..about.len().min(MOST))?);
    let length = u16::try_from(message.len()).ok()?.to_be_bytes();
    let pseudo = [source, destination, &[0, 0], &length, &[0, 0, 0, ICMPV6], &message].concat();
    let sum = checksum(&pseudo);
    message.get_mut(2..4)?.copy_from_slice(&sum);
    Some([&[0x60, 0, 0, 0], &length[..], &[ICMPV6, 64], source, destination, &message].concat())
}

/// An ICMP message as an IPv4 packet.
fn ipv4(source: &[u8], destination: &[u8], message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + message.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 1, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    let sum = checksum(&packet);
    if let Some(field) = packet.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
    packet.extend(message);
    packet
}

/// RFC 1071.
pub(crate) fn checksum(octets: &[u8]) -> [u8; 2] {
    let words = octets.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_told_of_what_is_too_big_if_it_must_stay_whole() {
        let mut packet = vec![0x45, 0, 5, 220, 0, 0, 0x40, 0, 64, 17, 0, 0, 203, 0, 113, 9, 10, 45, 0, 7];
        packet.resize(1500, 5);
        let answer = too_big(&packet, 1300).unwrap();
        assert_eq!((answer.len(), answer[9], &answer[12..20]), (56, 1, &[10, 45, 0, 7, 203, 0, 113, 9][..]));
        assert_eq!((&answer[20..22], &answer[26..28], &answer[28..]), (&[3, 4][..], &[5, 20][..], &packet[..28]));
        assert_eq!((checksum(&answer[..20]), checksum(&answer[20..])), ([0, 0], [0, 0]));
        for (at, value) in [(6, 0), (7, 3), (0, 0x46)] {
            let before = std::mem::replace(&mut packet[at], value);
            assert_eq!(too_big(&packet, 1300), None, "{at}");
            packet[at] = before;
        }
        (packet[9], packet[20]) = (1, 3);
        assert_eq!(too_big(&packet, 1300), None, "an error");
        assert!((0..28).all(|length| too_big(&packet[..length], 1300).is_none()));
    }

    #[test]
    fn the_same_over_ipv6() {
        let mut packet = vec![0x60, 0, 0, 0, 5, 180, 17, 64];
        packet.extend([[0x20; 16], [0x30; 16]].concat());
        packet.resize(1500, 5);
        let answer = too_big(&packet, 1300).unwrap();
        assert_eq!((answer.len(), answer[6], &answer[8..40]), (1280, 58, &[[0x30; 16], [0x20; 16]].concat()[..]));
        assert_eq!(
            (&answer[40..42], &answer[44..48], &answer[48..]),
            (&[2, 0][..], &[0, 0, 5, 20][..], &packet[..1232])
        );
        let pseudo = [&answer[8..40], &[0, 0], &answer[4..6], &[0, 0, 0, 58], &answer[40..]].concat();
        assert_eq!(checksum(&pseudo), [0, 0]);
        (packet[6], packet[40]) = (58, 1);
        assert_eq!(too_big(&packet, 1300), None, "an error");
        assert!((0..40).all(|length| too_big(&packet[..length], 1300).is_none()));
    }

    #[test]
    fn a_refused_packet_is_answered_but_not_an_error() {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 45, 0, 7, 203, 0, 113, 9];
        packet.resize(40, 5);
        let answer = prohibited(Ipv4Addr::new(10, 10, 1, 2), &packet).unwrap();
        assert_eq!((answer.len(), answer[9], answer[16..20].to_vec()), (56, 1, vec![10, 45, 0, 7]));
        assert_eq!((answer[20..22].to_vec(), answer[28..].to_vec()), (vec![3, 13], packet[..28].to_vec()));
        assert_eq!((checksum(&answer[..20]), checksum(&answer[20..])), ([0, 0], [0, 0]));
        packet[7] = 3;
        assert_eq!(prohibited(Ipv4Addr::LOCALHOST, &packet), None);
        (packet[7], packet[9], packet[20]) = (0, 1, 3);
        assert_eq!(prohibited(Ipv4Addr::LOCALHOST, &packet), None);
        assert!((0..20).all(|length| prohibited(Ipv4Addr::LOCALHOST, &packet[..length]).is_none()));
    }
}
