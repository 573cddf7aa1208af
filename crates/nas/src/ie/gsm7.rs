//! GSM 7 bit default alphabet (TS 23.038 §6.2.1) and its packing into octets (§6.1.2.1).

/// The basic characters by their code; code 27 (escape to the extension table) stands as NUL and is no character here.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The text in packed septets and the count of spare bits in the last octet; `None` when a character is not in the alphabet.
pub(super) fn pack(text: &str) -> Option<(Vec<u8>, u8)> {
    let mut octets = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0u32, 0u32);
    for character in text.chars() {
        let code = ALPHABET.chars().position(|known| known == character && known != '\0')?;
        bits |= u32::try_from(code).ok()? << held;
        held += 7;
        if held >= 8 {
            octets.push((bits & 0xff) as u8);
            bits >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        octets.push((bits & 0xff) as u8);
        return Some((octets, u8::try_from(8 - held).ok()?));
    }
    Some((octets, 0))
}

/// The text of packed septets; `None` for an escape, which names have no use for.
pub(super) fn unpack(octets: &[u8], spare: u8) -> Option<String> {
    let count = (octets.len() * 8).checked_sub(usize::from(spare))? / 7;
    let alphabet: Vec<char> = ALPHABET.chars().collect();
    (0..count)
        .map(|at| {
            let (first, shift) = (at * 7 / 8, at * 7 % 8);
            let pair = u16::from(*octets.get(first)?) | u16::from(octets.get(first + 1).copied().unwrap_or(0)) << 8;
            let code = usize::from(pair >> shift & 0x7f);
            alphabet.get(code).copied().filter(|c| *c != '\0')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_128_codes() {
        assert_eq!(ALPHABET.chars().count(), 128);
        assert_eq!(ALPHABET.chars().position(|c| c == 'A'), Some(65));
        assert_eq!(ALPHABET.chars().position(|c| c == 'à'), Some(127));
    }

    #[test]
    fn known_packing() {
        // TS 23.038: "hellohello" is the classic example.
        let (octets, spare) = pack("hellohello").unwrap();
        assert_eq!(octets, [0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37]);
        assert_eq!(spare, 2);
        assert_eq!(unpack(&octets, spare).as_deref(), Some("hellohello"));
    }

    #[test]
    fn eight_characters_fill_seven_octets() {
        let (octets, spare) = pack("Basalt 4").unwrap();
        assert_eq!((octets.len(), spare), (7, 0));
        assert_eq!(unpack(&octets, 0).as_deref(), Some("Basalt 4"));
    }
}
