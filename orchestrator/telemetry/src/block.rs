//! An hour of minutes of all series of one gateway or network, and its stored form.
//!
//! Stored: a version (1), then for each series that has values its number, the octets that follow, which minutes have a value (64
//! bits, little endian), and the values: `0` and one 32-bit float when all are the same, `1` and differences of whole numbers in
//! variable length (LEB128 of zigzag), or `2` and 32-bit floats. Series of later versions are passed over.

use crate::series::{COUNT, Row, Series};

/// Minutes of a block.
pub const MINUTES: usize = 60;
const VERSION: u8 = 1;
/// Whole numbers up to here are exact in 32-bit floats.
const EXACT: f32 = 16_777_216.0;

type Minutes = [f32; MINUTES];

/// Values of an hour, absent ones not a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Block(Vec<Option<Box<Minutes>>>);

impl Default for Block {
    fn default() -> Self {
        Self(vec![None; COUNT])
    }
}

impl Block {
    /// Puts the values of a minute, 0 to 59, where there are some.
    #[allow(clippy::cast_possible_truncation, reason = "charts need no more than seven digits")]
    pub fn put(&mut self, minute: usize, row: &Row) {
        for (held, value) in self.0.iter_mut().zip(row) {
            if value.is_nan() || minute >= MINUTES {
                continue;
            }
            held.get_or_insert_with(|| Box::new([f32::NAN; MINUTES]))[minute] = *value as f32;
        }
    }

    /// The value of a series in a minute; not a number when there is none.
    #[must_use]
    pub fn get(&self, series: Series, minute: usize) -> f64 {
        let held = self.0.get(series.index()).and_then(Option::as_ref);
        held.and_then(|held| held.get(minute)).map_or(f64::NAN, |value| f64::from(*value))
    }

    /// As it is stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for (index, held) in self.0.iter().enumerate() {
            let (Some(held), Ok(number)) = (held, u8::try_from(index)) else { continue };
            let body = encode(held);
            // At most 8 + 1 + 60 × 5 octets.
            let Ok(length) = u16::try_from(body.len()) else { continue };
            out.push(number);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&body);
        }
        out
    }

    /// Reads what was stored. `None` for what was not.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<Self> {
        let (version, mut rest) = octets.split_first()?;
        if *version != VERSION {
            return None;
        }
        let mut block = Self::default();
        while let [number, low, high, after @ ..] = rest {
            let length = usize::from(u16::from_le_bytes([*low, *high]));
            let (body, after) = after.split_at_checked(length)?;
            if let Some(slot) = block.0.get_mut(usize::from(*number)) {
                *slot = Some(Box::new(decode(body)?));
            }
            rest = after;
        }
        rest.is_empty().then_some(block)
    }
}

fn encode(held: &Minutes) -> Vec<u8> {
    let present: Vec<f32> = held.iter().copied().filter(|value| !value.is_nan()).collect();
    let bits = held.iter().enumerate().filter(|(_, value)| !value.is_nan()).fold(0_u64, |bits, (at, _)| bits | 1 << at);
    let mut out = bits.to_le_bytes().to_vec();
    let first = present.first().copied().unwrap_or(0.0);
    if present.iter().all(|value| value.to_bits() == first.to_bits()) {
        out.push(0);
        out.extend_from_slice(&first.to_le_bytes());
    } else if present.iter().all(|value| value.abs() <= EXACT && value.fract() == 0.0) {
        out.push(1);
        let mut before = 0_i64;
        for value in present {
            #[allow(clippy::cast_possible_truncation, reason = "a whole number of at most 25 bits")]
            let value = value as i64;
            number(&mut out, value - before);
            before = value;
        }
    } else {
        out.push(2);
        present.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    }
    out
}

fn decode(body: &[u8]) -> Option<Minutes> {
    let (bits, rest) = body.split_first_chunk::<8>()?;
    let bits = u64::from_le_bytes(*bits);
    let (form, mut rest) = rest.split_first()?;
    let mut minutes = [f32::NAN; MINUTES];
    let float = |rest: &mut &[u8]| {
        let (octets, after) = rest.split_first_chunk::<4>()?;
        *rest = after;
        Some(f32::from_le_bytes(*octets))
    };
    let same = if *form == 0 { Some(float(&mut rest)?) } else { None };
    let mut before = 0_i64;
    for (minute, value) in minutes.iter_mut().enumerate() {
        if bits >> minute & 1 == 0 {
            continue;
        }
        *value = match (same, form) {
            (Some(same), _) => same,
            (None, 1) => {
                before = before.checked_add(take(&mut rest)?)?;
                #[allow(clippy::cast_precision_loss, reason = "written from a 32-bit float")]
                let value = before as f32;
                value
            }
            (None, _) => float(&mut rest)?,
        };
    }
    rest.is_empty().then_some(minutes)
}

fn number(out: &mut Vec<u8>, value: i64) {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    loop {
        let part = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            return out.push(part);
        }
        out.push(part | 0x80);
    }
}

fn take(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (octet, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(octet & 0x7f).checked_shl(7 * place)?;
        if octet & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::NOTHING;

    #[test]
    fn an_hour_is_small_and_comes_back() {
        let mut block = Block::default();
        for minute in 0..MINUTES {
            let mut row = NOTHING;
            row[Series::Up.index()] = 1.0;
            row[Series::Connected.index()] = 1000.0 + f64::from(u32::try_from(minute % 7).unwrap());
            row[Series::AttachSeconds.index()] = 0.5 * f64::from(u32::try_from(minute).unwrap());
            row[Series::UplinkBytes.index()] = 7.5e9;
            if minute != 30 {
                block.put(minute, &row);
            }
        }
        let stored = block.encode();
        assert!(stored.len() < 450, "{}", stored.len());
        let back = Block::decode(&stored).unwrap();
        assert_eq!(back.encode(), stored);
        assert_eq!(back.get(Series::Connected, 8), 1001.0);
        assert!(back.get(Series::Up, 30).is_nan() && back.get(Series::Enbs, 1).is_nan());
        assert!(back.get(Series::Up, 60).is_nan());
        assert_eq!(back.get(Series::AttachSeconds, 59), 29.5);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_stored_is_read_or_refused(octets in proptest::collection::vec(0_u8.., 0..200)) {
            let _ = Block::decode(&octets);
        }

        #[test]
        fn values_come_back(values in proptest::collection::vec(-2e7_f32..2e7, MINUTES), whole: bool) {
            let mut block = Block::default();
            for (minute, value) in values.iter().enumerate() {
                let mut row = NOTHING;
                row[0] = f64::from(if whole { value.round() } else { *value });
                block.put(minute, &row);
            }
            let back = Block::decode(&block.encode()).unwrap();
            for (minute, value) in values.iter().enumerate() {
                let wanted = f64::from(if whole { value.round() } else { *value });
                proptest::prop_assert_eq!(back.get(Series::ALL[0], minute), wanted);
            }
        }
    }
}
