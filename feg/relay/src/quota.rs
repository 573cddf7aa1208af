//! So many requests a second, and as many at once.

use basalt_sansio::Time;

/// A bucket that fills with time.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    rate: u32,
    /// Millionths of a request.
    level: u64,
    at: Time,
}

const ONE: u64 = 1_000_000;

impl Quota {
    pub(crate) fn new(rate: u32, now: Time) -> Self {
        Self { rate, level: u64::from(rate) * ONE, at: now }
    }

    /// Whether one more is within it.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let micros = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        self.at = now;
        let gained = micros.saturating_mul(u64::from(self.rate));
        self.level = self.level.saturating_add(gained).min(u64::from(self.rate) * ONE);
        let may = self.level >= ONE;
        self.level -= if may { ONE } else { 0 };
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_gives_what_the_rate_says() {
        let mut quota = Quota::new(10, Time::ZERO);
        let taken = |quota: &mut Quota, now| (0..100).filter(|_| quota.take(now)).count();
        assert_eq!(taken(&mut quota, Time::ZERO), 10);
        assert_eq!(taken(&mut quota, Time::from_millis(500)), 5);
        assert_eq!(taken(&mut quota, Time::from_secs(100)), 10, "what was not used is not saved up");
    }
}
