//! CRC32c (RFC 9260 Appendix A): by instruction where the processor has one, else by table.

/// Checksum of a packet, its checksum field counted as zero, as the four octets of that field.
pub(crate) fn packet_checksum(packet: &[u8]) -> [u8; 4] {
    let (header, rest) = packet.split_at(12.min(packet.len()));
    let mut crc = update(!0, &header[..8.min(header.len())]);
    crc = update(crc, &[0; 4]);
    crc = update(crc, rest);
    (!crc).to_le_bytes()
}

fn update(crc: u32, data: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has SSE 4.2, as just checked.
        return unsafe { update_sse42(crc, data) };
    }
    update_table(crc, data)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn update_sse42(crc: u32, data: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u64};
    let (words, rest) = data.as_chunks::<8>();
    let wide = words.iter().fold(u64::from(crc), |crc, word| _mm_crc32_u64(crc, u64::from_le_bytes(*word)));
    // The instruction leaves the upper half zero.
    let crc = u32::try_from(wide).unwrap_or_default();
    rest.iter().fold(crc, |crc, byte| _mm_crc32_u8(crc, *byte))
}

fn update_table(crc: u32, data: &[u8]) -> u32 {
    data.iter().fold(crc, |crc, byte| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8))
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value() {
        assert_eq!(!update(!0, b"123456789"), 0xE306_9283);
        assert_eq!(!update_table(!0, b"123456789"), 0xE306_9283);
    }

    #[test]
    fn instruction_and_table_agree_at_every_length() {
        let data: Vec<u8> = (0..100u8).map(|n| n.wrapping_mul(37)).collect();
        for end in 0..data.len() {
            assert_eq!(update(7, &data[..end]), update_table(7, &data[..end]));
        }
    }

    #[test]
    fn the_checksum_field_does_not_count() {
        let mut packet = vec![9; 40];
        let checksum = packet_checksum(&packet);
        packet[8..12].copy_from_slice(&checksum);
        assert_eq!(packet_checksum(&packet), checksum);
        packet[13] ^= 1;
        assert_ne!(packet_checksum(&packet), checksum);
    }
}
