//! Sequence numbers of authentication (TS 33.102 §6.3.7, annex C): how a network makes them and a USIM judges them.

use core::fmt;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bits of the index part IND (TS 33.102 §C.3: five bits in the recommended profiles).
const IND_BITS: u32 = 5;
/// How many vectors may be on their way out of order: one place per index.
const PLACES: usize = 1 << IND_BITS;
/// How far a sequence number may jump ahead (Δ, TS 33.102 §C.2.1, §C.3.1: 2^28), in steps of SEQ.
const JUMP: u64 = 1 << 28;
/// One past the last sequence number.
const END: u64 = 1 << 48;

/// A sequence number SQN = SEQ ‖ IND, 48 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Sqn(u64);

impl Sqn {
    /// A sequence number; `None` above 48 bits.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if value < END { Some(Self(value)) } else { None }
    }

    /// The number, below 2^48.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The six octets of the wire.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.0.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// From six octets.
    #[must_use]
    pub const fn from_octets(octets: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = octets;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The sequence part.
    #[must_use]
    pub const fn seq(self) -> u64 {
        self.0 >> IND_BITS
    }

    /// The index part, 0 to 31.
    #[must_use]
    pub const fn ind(self) -> u8 {
        (self.0 & (PLACES as u64 - 1)) as u8
    }

    const fn of_parts(seq: u64, ind: u64) -> Option<Self> {
        Self::new(seq.saturating_mul(PLACES as u64) | (ind & (PLACES as u64 - 1)))
    }

    /// The number for the next vector: SEQ and IND one further (TS 33.102 §C.1.1.1, §C.1.2). `None` at the end of the range,
    /// which no subscriber reaches in a life.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::of_parts(self.seq() + 1, self.ind() as u64 + 1)
    }

    /// The number `steps` vectors further: the bound of a reserved window.
    #[must_use]
    pub const fn ahead(self, steps: u32) -> Option<Self> {
        Self::of_parts(self.seq() + steps as u64, self.ind() as u64 + steps as u64)
    }
}

impl fmt::Debug for Sqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sqn({:012x})", self.0)
    }
}

/// A sequence number that a USIM does not accept: used before, too old or too far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("sequence number out of range")]
pub struct SqnOutOfRange;

/// A USIM's memory of sequence numbers: the highest SEQ seen per IND (TS 33.102 §C.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqnTracker {
    highest: [u64; PLACES],
    age_limit: Option<u64>,
}

impl Default for SqnTracker {
    fn default() -> Self {
        Self { highest: [0; PLACES], age_limit: None }
    }
}

impl SqnTracker {
    /// A USIM that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A USIM that also refuses what is more than `limit` steps older than the newest (L, TS 33.102 §C.2.2).
    #[must_use]
    pub fn with_age_limit(limit: u64) -> Self {
        Self { age_limit: Some(limit), ..Self::default() }
    }

    /// A USIM that was at this number when it was made.
    #[must_use]
    pub fn starting_at(sqn: Sqn) -> Self {
        let mut tracker = Self::default();
        tracker.put(sqn);
        tracker
    }

    /// The highest number seen: what a re-synchronisation token tells.
    #[must_use]
    pub fn highest(&self) -> Sqn {
        let seen = self.highest.iter().zip(0u64..);
        let (seq, ind) = seen.fold((0, 0), |best, (seq, ind)| if *seq > best.0 { (*seq, ind) } else { best });
        Sqn::of_parts(seq, ind).unwrap_or_default()
    }

    /// Accepts a number and remembers it.
    ///
    /// # Errors
    /// [`SqnOutOfRange`]: nothing is remembered then.
    pub fn accept(&mut self, sqn: Sqn) -> Result<(), SqnOutOfRange> {
        let newest = self.highest().seq();
        let seen = self.highest.get(usize::from(sqn.ind())).copied();
        let seq = sqn.seq();
        let too_far = seq > newest.saturating_add(JUMP);
        let too_old = self.age_limit.is_some_and(|limit| newest > seq.saturating_add(limit));
        if too_far || too_old || seen.is_none_or(|seen| seq <= seen) {
            return Err(SqnOutOfRange);
        }
        self.put(sqn);
        Ok(())
    }

    fn put(&mut self, sqn: Sqn) {
        if let Some(place) = self.highest.get_mut(usize::from(sqn.ind())) {
            *place = sqn.seq();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqn(seq: u64, ind: u64) -> Sqn {
        Sqn::of_parts(seq, ind).unwrap()
    }

    #[test]
    fn next_moves_both_parts_and_the_index_goes_round() {
        let first = Sqn::new(64).unwrap();
        assert_eq!((first.seq(), first.ind()), (2, 0));
        assert_eq!(first.next(), Some(sqn(3, 1)));
        assert_eq!(sqn(9, 31).next(), Some(sqn(10, 0)));
        assert_eq!(first.ahead(33), Some(sqn(35, 1)));
        assert_eq!(Sqn::new((1 << 48) - 1).unwrap().next(), None);
    }

    #[test]
    fn vectors_may_arrive_out_of_order_but_once() {
        let mut usim = SqnTracker::new();
        assert_eq!(usim.accept(sqn(5, 5)), Ok(()));
        assert_eq!(usim.accept(sqn(3, 3)), Ok(()));
        assert_eq!(usim.accept(sqn(3, 3)), Err(SqnOutOfRange));
        assert_eq!(usim.accept(sqn(4, 5)), Err(SqnOutOfRange));
        assert_eq!(usim.highest(), sqn(5, 5));
    }

    #[test]
    fn a_jump_beyond_the_limit_is_refused() {
        let mut usim = SqnTracker::starting_at(sqn(10, 0));
        assert_eq!(usim.accept(sqn(11 + JUMP, 1)), Err(SqnOutOfRange));
        assert_eq!(usim.accept(sqn(10 + JUMP, 1)), Ok(()));
    }

    #[test]
    fn an_age_limit_refuses_old_unused_numbers() {
        let mut usim = SqnTracker::with_age_limit(16);
        assert_eq!(usim.accept(sqn(100, 0)), Ok(()));
        assert_eq!(usim.accept(sqn(83, 1)), Err(SqnOutOfRange));
        assert_eq!(usim.accept(sqn(84, 1)), Ok(()));
    }

    #[test]
    fn zero_is_never_fresh() {
        assert_eq!(SqnTracker::new().accept(sqn(0, 7)), Err(SqnOutOfRange));
    }
}
