//! How a TEID of ours is made.

/// Splits a TEID into an index into the uplink array (low bits) and a generation (high bits).
///
/// The generation comes from the core's random source and changes with every new owner of the index: a TEID of a departed phone
/// falls dead, and one that is guessed hits with a chance of 1 to `2^(32 - index bits)` per live index, provided the sender is the
/// right base station, too. Two TEIDs are never composed: 0 belongs to path messages (TS 29.281 §5.1) and all ones is left alone
/// because some equipment uses it as "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TeidLayout {
    index_bits: u8,
}

impl TeidLayout {
    /// Smallest number of index bits.
    pub const MIN_BITS: u8 = 4;
    /// Largest number of index bits: a million sessions and 4096 generations.
    pub const MAX_BITS: u8 = 20;

    /// A layout with `2^index_bits` indices; `None` outside of 4 to 20 bits.
    #[must_use]
    pub const fn new(index_bits: u8) -> Option<Self> {
        if index_bits < Self::MIN_BITS || index_bits > Self::MAX_BITS {
            return None;
        }
        Some(Self { index_bits })
    }

    /// The smallest layout that has room for `sessions`; `None` above `2^20`.
    #[must_use]
    pub const fn for_sessions(sessions: u32) -> Option<Self> {
        let mut bits = Self::MIN_BITS;
        while bits <= Self::MAX_BITS {
            if sessions <= 1 << bits {
                return Some(Self { index_bits: bits });
            }
            bits += 1;
        }
        None
    }

    /// Number of indices, a power of two.
    #[must_use]
    pub const fn slots(self) -> u32 {
        1 << self.index_bits
    }

    /// Number of generations, a power of two.
    #[must_use]
    pub const fn generations(self) -> u32 {
        1 << (32 - self.index_bits as u32)
    }

    /// The mask that leaves the index.
    #[must_use]
    pub const fn mask(self) -> u32 {
        self.slots() - 1
    }

    /// The TEID of an index and a generation (its high bits beyond the layout are ignored). `None` for an index that does not
    /// exist and for the two reserved TEIDs: take another generation then.
    #[must_use]
    pub const fn compose(self, index: u32, generation: u32) -> Option<u32> {
        if index > self.mask() {
            return None;
        }
        match generation << self.index_bits | index {
            0 | u32::MAX => None,
            teid => Some(teid),
        }
    }

    /// The index in a TEID.
    #[must_use]
    pub const fn index(self, teid: u32) -> u32 {
        teid & self.mask()
    }

    /// The generation in a TEID.
    #[must_use]
    pub const fn generation(self, teid: u32) -> u32 {
        teid >> self.index_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_cover_what_they_promise() {
        assert_eq!(TeidLayout::new(3), None);
        assert_eq!(TeidLayout::new(21), None);
        assert_eq!(TeidLayout::for_sessions(1).unwrap().slots(), 16);
        assert_eq!(TeidLayout::for_sessions(65_537).unwrap().slots(), 1 << 17);
        assert_eq!(TeidLayout::for_sessions(1 << 20).unwrap().generations(), 4096);
        assert_eq!(TeidLayout::for_sessions((1 << 20) + 1), None);
    }

    #[test]
    fn reserved_teids_are_never_composed() {
        let layout = TeidLayout::new(20).unwrap();
        assert_eq!(layout.compose(0, 0), None);
        assert_eq!(layout.compose(layout.mask(), u32::MAX), None);
        assert_eq!(layout.compose(layout.slots(), 1), None);
        assert_eq!(layout.compose(1, 0), Some(1));
    }
}
