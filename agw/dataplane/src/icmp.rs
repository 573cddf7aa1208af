//! ICMP errors that the gateway itself sends to phones.

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
    let length = u16::try_from(20 + message.len()).ok()?;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 1, 0, 0]);
    packet.extend(gateway.octets());
    packet.extend(source);
    let sum = checksum(&packet);
    packet.get_mut(10..12)?.copy_from_slice(&sum);
    packet.extend(message);
    Some(packet)
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> [u8; 2] {
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
