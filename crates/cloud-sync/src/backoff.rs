//! How long to wait before the next try: longer each time, never the same for two gateways.

use basalt_sansio::{Duration, Rng};

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);

/// Counts failures in a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait before the next try, at most `longest`: doubled with each failure, drawn from its upper half, so that gateways
    /// that lost their link together do not come back together.
    pub(crate) fn next(&mut self, longest: Duration, rng: &mut impl Rng) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let half = u64::try_from(full.as_micros() / 2).unwrap_or(u64::MAX);
        Duration::from_micros(half.saturating_add(rng.below(half.saturating_add(1))))
    }

    /// It worked.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_sansio::SimRng;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let longest = Duration::from_secs(30);
        let waits = |seed| {
            let (mut backoff, mut rng) = (Backoff::default(), SimRng::new(seed));
            (0..40).map(|_| backoff.next(longest, &mut rng)).collect::<Vec<_>>()
        };
        let one = waits(1);
        assert!(one[0] >= FIRST / 2 && one[0] <= FIRST);
        assert!(one[10..].iter().all(|wait| *wait >= longest / 2 && *wait <= longest));
        assert_ne!(one, waits(2));
    }
}
