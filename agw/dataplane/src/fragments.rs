//! Breaking packets up that are too large for their tunnel and may be broken up.

use crate::icmp::checksum;

/// Header without options.
const HEADER: usize = 20;
/// More fragments follow (RFC 791 §3.1).
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// An IPv4 packet in fragments of at most `mtu` octets, in order (RFC 791 §3.2). `None` for one that must stay whole, has options, or is
/// nothing that could be broken up so.
pub(crate) fn of(packet: &[u8], mtu: u32) -> Option<Vec<Vec<u8>>> {
    let (header, payload) = packet.split_at_checked(HEADER)?;
    let word = u16::from_be_bytes([*header.get(6)?, *header.get(7)?]);
    if header.first() != Some(&0x45) || word & 0x4000 != 0 {
        return None;
    }
    let size = usize::try_from(mtu).ok()?.checked_sub(HEADER)? & !7;
    if size == 0 || payload.is_empty() {
        return None;
    }
    let pieces = payload.chunks(size).enumerate();
    pieces.map(|(number, piece)| fragment(header, piece, word, number * size, payload.len())).collect()
}

/// The piece that starts at `at` of `whole` octets of payload.
fn fragment(header: &[u8], piece: &[u8], word: u16, at: usize, whole: usize) -> Option<Vec<u8>> {
    let offset = (word & OFFSET).checked_add(u16::try_from(at / 8).ok()?).filter(|offset| *offset <= OFFSET)?;
    let more = if at + piece.len() < whole { MORE } else { word & MORE };
    let mut packet = [header, piece].concat();
    let length = u16::try_from(packet.len()).ok()?;
    packet.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    packet.get_mut(6..8)?.copy_from_slice(&(offset | more).to_be_bytes());
    packet.get_mut(10..12)?.copy_from_slice(&[0; 2]);
    let sum = checksum(packet.get(..HEADER)?);
    packet.get_mut(10..12)?.copy_from_slice(&sum);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(flags: u16, payload: usize) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 1, 2, 0, 0, 64, 17, 0, 0, 203, 0, 113, 9, 10, 45, 0, 7];
        packet[6..8].copy_from_slice(&flags.to_be_bytes());
        packet.extend((0..payload).map(|at| at as u8));
        packet
    }

    #[test]
    fn fragments_are_small_whole_and_in_order() {
        for (flags, first, last_more) in [(0, 0, 0), (MORE | 10, 10, MORE)] {
            let fragments = of(&packet(flags, 2000), 1001).unwrap();
            let mut payload = Vec::new();
            for (number, fragment) in fragments.iter().enumerate() {
                assert!(fragment.len() <= 1001);
                assert_eq!(usize::from(fragment[2]) << 8 | usize::from(fragment[3]), fragment.len());
                assert_eq!(checksum(&fragment[..20]), [0, 0]);
                let word = u16::from_be_bytes([fragment[6], fragment[7]]);
                let more = if number + 1 == fragments.len() { last_more } else { MORE };
                assert_eq!(word, (first + payload.len() as u16 / 8) | more);
                payload.extend(&fragment[20..]);
            }
            assert_eq!((fragments.len(), payload), (3, packet(0, 2000)[20..].to_vec()));
        }
    }

    #[test]
    fn what_cannot_be_broken_up_is_not() {
        assert_eq!(of(&packet(0x4000, 100), 60), None, "it must stay whole");
        assert_eq!(of(&packet(OFFSET, 100), 60), None, "beyond the largest packet");
        for mtu in [0, 19, 27] {
            assert_eq!(of(&packet(0, 100), mtu), None);
        }
        assert!((0..21).all(|length| of(&packet(0, 100)[..length], 60).is_none()));
        assert_eq!(of(&[0x46; 100], 60), None, "options");
    }
}
