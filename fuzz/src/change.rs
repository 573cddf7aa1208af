//! Changes to octets that know nothing of what the octets mean.

/// One change. Places count from the front and wrap at the length, so that every number is a place.
#[derive(Clone, Debug, PartialEq, Eq, bolero::TypeGenerator)]
pub enum Change {
    /// Inverts a bit.
    Flip {
        /// Where.
        at: u16,
        /// Which bit, modulo 8.
        bit: u8,
    },
    /// Overwrites an octet.
    Set {
        /// Where.
        at: u16,
        /// With what.
        value: u8,
    },
    /// Overwrites an octet with one that lengths and counts break at.
    Edge {
        /// Where.
        at: u16,
        /// Which, modulo their number.
        which: u8,
    },
    /// Adds to an octet, as an off-by-one does.
    Add {
        /// Where.
        at: u16,
        /// How much, wrapping.
        value: i8,
    },
    /// Takes octets out.
    Remove {
        /// From where.
        at: u16,
        /// How many, modulo 32.
        count: u8,
    },
    /// Puts octets in.
    Insert {
        /// Where.
        at: u16,
        /// Which.
        #[generator(bolero::produce::<Vec<u8>>().with().len(0usize..16))]
        octets: Vec<u8>,
    },
    /// Repeats a piece where it stands.
    Repeat {
        /// From where.
        at: u16,
        /// How many octets, modulo 64.
        count: u8,
    },
    /// Ends the message.
    Cut {
        /// Where.
        at: u16,
    },
}

/// Values at which lengths and counts break.
const EDGES: [u8; 10] = [0x00, 0xff, 0x7f, 0x80, 0x01, 0xfe, 0x40, 0x3f, 0xc0, 0x10];

impl Change {
    /// Carries it out.
    pub fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Flip { at, bit } => set(octets, *at, |octet| octet ^ (1 << (bit % 8))),
            Self::Set { at, value } => set(octets, *at, |_| *value),
            Self::Edge { at, which } => set(octets, *at, |_| EDGES[usize::from(*which) % EDGES.len()]),
            Self::Add { at, value } => set(octets, *at, |octet| octet.wrapping_add_signed(*value)),
            Self::Remove { at, count } => {
                let piece = piece(octets, *at, usize::from(count % 32));
                octets.drain(piece);
            }
            Self::Insert { at, octets: added } => {
                let at = place(octets, *at);
                octets.splice(at..at, added.iter().copied());
            }
            Self::Repeat { at, count } => {
                let piece = piece(octets, *at, usize::from(count % 64));
                let again = octets[piece.clone()].to_vec();
                octets.splice(piece.end..piece.end, again);
            }
            Self::Cut { at } => octets.truncate(place(octets, *at)),
        }
    }
}

fn set(octets: &mut [u8], at: u16, to: impl FnOnce(u8) -> u8) {
    let length = octets.len().max(1);
    if let Some(octet) = octets.get_mut(usize::from(at) % length) {
        *octet = to(*octet);
    }
}

fn place(octets: &[u8], at: u16) -> usize {
    usize::from(at) % (octets.len() + 1)
}

fn piece(octets: &[u8], at: u16, count: usize) -> std::ops::Range<usize> {
    let from = place(octets, at);
    from..(from + count).min(octets.len())
}

/// A few changes, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, bolero::TypeGenerator)]
pub struct Changes(#[generator(bolero::produce::<Vec<Change>>().with().len(0usize..6))] pub Vec<Change>);

impl Changes {
    /// The octets with all changes.
    #[must_use]
    pub fn applied(&self, octets: &[u8]) -> Vec<u8> {
        let mut changed = octets.to_vec();
        self.0.iter().for_each(|change| change.apply(&mut changed));
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_wrap_and_nothing_is_out_of_reach() {
        let changed = |change: Change| Changes(vec![change]).applied(&[1, 2, 3]);
        assert_eq!(changed(Change::Flip { at: 4, bit: 8 }), [1, 3, 3]);
        assert_eq!(changed(Change::Set { at: 2, value: 9 }), [1, 2, 9]);
        assert_eq!(changed(Change::Edge { at: 0, which: 1 }), [0xff, 2, 3]);
        assert_eq!(changed(Change::Add { at: 0, value: -2 }), [0xff, 2, 3]);
        assert_eq!(changed(Change::Remove { at: 1, count: 31 }), [1]);
        assert_eq!(changed(Change::Insert { at: 3, octets: vec![7, 8] }), [1, 2, 3, 7, 8]);
        assert_eq!(changed(Change::Repeat { at: 1, count: 2 }), [1, 2, 3, 2, 3]);
        assert_eq!(changed(Change::Cut { at: 5 }), [1]);
        for change in [Change::Flip { at: 7, bit: 1 }, Change::Remove { at: 7, count: 3 }, Change::Cut { at: 7 }] {
            assert_eq!(Changes(vec![change]).applied(&[]), []);
        }
    }
}
