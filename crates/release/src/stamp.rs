//! What a program says of itself, in its own file.

use crate::is_word;

/// Octets of a stamp.
pub const STAMP: usize = 160;
const BEGIN: &[u8] = b"\x02basalt program\x02";
const BETWEEN: u8 = 0x1f;

/// What a stamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// The program.
    pub product: &'a str,
    /// Its version.
    pub version: &'a str,
    /// For what it was built.
    pub platform: &'a str,
}

/// A stamp, made while a program is compiled: a `static` of it stays in the file. What does not fit is cut off.
#[must_use]
pub const fn stamp(product: &str, version: &str, arch: &str, system: &str) -> [u8; STAMP] {
    let (mut octets, mut at) = ([0; STAMP], 0);
    (octets, at) = put(octets, at, BEGIN);
    (octets, at) = put(octets, at, product.as_bytes());
    (octets, at) = put(octets, at, &[BETWEEN]);
    (octets, at) = put(octets, at, version.as_bytes());
    (octets, at) = put(octets, at, &[BETWEEN]);
    (octets, at) = put(octets, at, arch.as_bytes());
    (octets, at) = put(octets, at, b"-");
    (octets, at) = put(octets, at, system.as_bytes());
    put(octets, at, &[BETWEEN]).0
}

const fn put(mut octets: [u8; STAMP], mut at: usize, text: &[u8]) -> ([u8; STAMP], usize) {
    let mut index = 0;
    while index < text.len() && at < STAMP {
        octets[at] = text[index];
        index += 1;
        at += 1;
    }
    (octets, at)
}

impl<'a> Stamp<'a> {
    /// Finds the stamp in a program's file, or in the stamp itself.
    #[must_use]
    pub fn find(octets: &'a [u8]) -> Option<Self> {
        Self::place(octets).map(|(_, stamp)| stamp)
    }

    /// The stamp and where it begins.
    #[must_use]
    pub fn place(octets: &'a [u8]) -> Option<(usize, Self)> {
        let mut from = 0;
        while let Some(at) = octets.get(from..)?.windows(BEGIN.len()).position(|part| part == BEGIN) {
            let begin = from + at;
            let rest = octets.get(begin + BEGIN.len()..)?;
            // The words of whoever looks for stamps are in his own file, too, and nothing that fits behind them.
            if let Some(stamp) = Self::read(rest.get(..STAMP.min(rest.len()))?) {
                return Some((begin, stamp));
            }
            from = begin + 1;
        }
        None
    }

    fn read(octets: &'a [u8]) -> Option<Self> {
        let mut words = octets.split(|octet| *octet == BETWEEN);
        let mut word = || core::str::from_utf8(words.next()?).ok().filter(|word| is_word(word));
        let (product, version, platform) = (word()?, word()?, word()?);
        words.next()?;
        Some(Self { product, version, platform })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_a_file_of_other_things() {
        let made = stamp("agwd", "0.2.0", "x86_64", "linux");
        let wanted = Stamp { product: "agwd", version: "0.2.0", platform: "x86_64-linux" };
        assert_eq!(Stamp::find(&made), Some(wanted));
        let mut file = vec![7; 1000];
        file.extend(BEGIN);
        file.extend([0; 50]);
        let at = file.len();
        file.extend(made);
        file.extend([3; 99]);
        assert_eq!(Stamp::place(&file), Some((at, wanted)));
        assert_eq!(Stamp::find(&file[..at + 20]), None);
        assert_eq!(Stamp::find(b""), None);
    }
}
