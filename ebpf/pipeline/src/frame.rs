//! A packet in ordinary memory, with room in front.

use crate::Packet;

/// Octets in a slice: `start` to `end` is the packet, what is before is headroom.
#[derive(Debug)]
pub struct Frame<'a> {
    storage: &'a mut [u8],
    start: usize,
    end: usize,
}

impl<'a> Frame<'a> {
    /// The packet of `length` octets that stands after `headroom` in `storage`; `None` when it does not fit.
    #[must_use]
    pub fn new(storage: &'a mut [u8], headroom: usize, length: usize) -> Option<Self> {
        let end = headroom.checked_add(length)?;
        (end <= storage.len()).then_some(Self { storage, start: headroom, end })
    }

    /// The octets.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or_default()
    }

    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let from = self.start.checked_add(offset)?;
        let to = from.checked_add(N)?;
        if to > self.end {
            return None;
        }
        self.storage.get(from..to)?.try_into().ok()
    }

    fn set<const N: usize>(&mut self, offset: usize, octets: [u8; N]) -> Option<()> {
        let from = self.start.checked_add(offset)?;
        let to = from.checked_add(N)?;
        if to > self.end {
            return None;
        }
        self.storage.get_mut(from..to)?.copy_from_slice(&octets);
        Some(())
    }
}

impl Packet for Frame<'_> {
    fn len(&self) -> u32 {
        u32::try_from(self.end - self.start).unwrap_or(u32::MAX)
    }

    fn load16(&self, offset: usize) -> Option<u16> {
        self.array(offset).map(u16::from_ne_bytes)
    }

    fn load32(&self, offset: usize) -> Option<u32> {
        self.array(offset).map(u32::from_ne_bytes)
    }

    fn load64(&self, offset: usize) -> Option<u64> {
        self.array(offset).map(u64::from_ne_bytes)
    }

    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let from = self.start.checked_add(offset)?;
        let to = from.checked_add(N * 4)?;
        if to > self.end {
            return None;
        }
        let mut words = [0; N];
        for (word, octets) in words.iter_mut().zip(self.storage.get(from..to)?.as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*octets);
        }
        Some(words)
    }

    fn store16(&mut self, offset: usize, value: u16) -> Option<()> {
        self.set(offset, value.to_ne_bytes())
    }

    fn store32(&mut self, offset: usize, value: u32) -> Option<()> {
        self.set(offset, value.to_ne_bytes())
    }

    fn store_words<const N: usize>(&mut self, offset: usize, words: [u32; N]) -> Option<()> {
        let from = self.start.checked_add(offset)?;
        let to = from.checked_add(N * 4)?;
        if to > self.end {
            return None;
        }
        let target = self.storage.get_mut(from..to)?;
        for (octets, word) in target.chunks_exact_mut(4).zip(words) {
            octets.copy_from_slice(&word.to_ne_bytes());
        }
        Some(())
    }

    fn shift(&mut self, delta: i32) -> Option<()> {
        let start = self.start.checked_add_signed(isize::try_from(delta).ok()?)?;
        // The kernel leaves at least an Ethernet header.
        if start + crate::wire::ETH > self.end {
            return None;
        }
        self.start = start;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_reached() {
        let mut storage = [7u8; 40];
        let mut frame = Frame::new(&mut storage, 10, 20).unwrap();
        assert_eq!(frame.load32(16), Some(0x0707_0707));
        assert_eq!(frame.load32(17), None);
        assert_eq!(frame.load64(usize::MAX), None);
        assert_eq!(frame.store16(19, 0), None);
        assert_eq!(frame.store_words(1, [0; 5]), None);
        assert_eq!(frame.load_words::<5>(1), None);
        assert_eq!(frame.load_words(0), Some([0x0707_0707; 5]));
        assert_eq!(frame.store_words(0, [0x0707_0707; 5]), Some(()));
        assert_eq!(frame.shift(-11), None);
        assert_eq!(frame.shift(7), None);
        frame.shift(-10).unwrap();
        assert_eq!(frame.len(), 30);
        assert!(Frame::new(&mut [0; 8], 4, 5).is_none());
    }
}
