//! How many UEs may be called each second, over the whole gateway.
//!
//! A scan of the address pool, or one server with news for all phones at once, would have every idle UE paged in the same
//! moment: more than the paging channels of cells carry (TS 36.304 §7.1), at the cost of those who are waited for. Calls
//! beyond the rate take turns instead, in order; who would wait for longer than anybody waits for an answer is not called.

use basalt_sansio::{Duration, Time};

/// When a UE may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Now.
    Now,
    /// After a while; the turn is kept.
    After(Duration),
    /// Too many wait already.
    Never,
}

/// The queue of turns: only the time of its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRate {
    /// When the next turn is due, if calls had come at the rate and no faster.
    next: Time,
}

impl PageRate {
    /// The longest wait for a turn.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
    /// What may come at once after a pause: the calls of so long.
    const BURST: Duration = Duration::from_millis(500);

    pub(crate) fn new() -> Self {
        Self { next: Time::ZERO }
    }

    /// Takes a turn.
    pub(crate) fn turn(&mut self, now: Time, per_second: u32) -> Turn {
        let each = Duration::from_micros(1_000_000 / u64::from(per_second.max(1)));
        let due = self.next.max(now);
        if due - now > Self::BURST + Self::PATIENCE {
            return Turn::Never;
        }
        self.next = due + each;
        match (due - now).checked_sub(Self::BURST).filter(|wait| !wait.is_zero()) {
            None => Turn::Now,
            Some(wait) => Turn::After(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_in_turns() {
        let (mut rate, now) = (PageRate::new(), Time::from_secs(100));
        // Half a second's worth, and the one that is due now.
        assert!((0..51).all(|_| rate.turn(now, 100) == Turn::Now));
        for number in 1..=500 {
            assert_eq!(rate.turn(now, 100), Turn::After(Duration::from_millis(10 * number)));
        }
        assert_eq!(rate.turn(now, 100), Turn::Never);
        // Refusals cost nobody a turn.
        let later = now + Duration::from_millis(10);
        assert_eq!(rate.turn(later, 100), Turn::After(Duration::from_millis(5000)));
        assert_eq!(rate.turn(later, 100), Turn::Never);
        assert_eq!(rate.turn(Time::from_secs(200), 100), Turn::Now);
    }

    #[test]
    fn the_rate_is_kept() {
        let (mut rate, mut called) = (PageRate::new(), 0);
        for milli in 0..10_000 {
            called += u32::from(rate.turn(Time::from_millis(milli), 50) != Turn::Never);
        }
        // Ten seconds, the burst, and those who wait at the end.
        assert!((750..=780).contains(&called), "{called}");
    }
}
