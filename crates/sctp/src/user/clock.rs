//! The engine's clock: monotonic time, less the time in which this process did not run.
//!
//! A process that is stopped, starved or paused with its virtual machine finds all its timers due at once when it goes
//! on. They would fire again and again before any peer could answer, and associations would be given up for this
//! side's own absence. So a turn that comes much later than it was due sets the clock back to when it was due.

use std::time::Duration;

use tokio::time::Instant;

/// Lateness beyond which time did not pass.
const ABSENCE: Duration = Duration::from_secs(1);

pub(super) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now() }
    }

    /// Time since the epoch; `due` is when the engine meant to wake up at the latest.
    pub(super) fn now(&mut self, due: Duration) -> Duration {
        let absence = absence(self.epoch.elapsed(), due);
        self.epoch += absence;
        self.epoch.elapsed()
    }

    /// When to wake up for a timer.
    pub(super) fn instant(&self, due: Duration) -> Instant {
        self.epoch + due
    }
}

fn absence(now: Duration, due: Duration) -> Duration {
    let late = now.saturating_sub(due);
    if late > ABSENCE { late } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_absence_is_taken_out() {
        let due = Duration::from_secs(10);
        assert_eq!(absence(Duration::from_secs(3), due), Duration::ZERO);
        assert_eq!(absence(Duration::from_secs(11), due), Duration::ZERO);
        assert_eq!(absence(Duration::from_secs(15), due), Duration::from_secs(5));
    }

    #[test]
    fn after_an_absence_the_clock_goes_on_from_where_it_was_due() {
        let mut clock = Clock { epoch: Instant::now() - Duration::from_secs(100) };
        let due = Duration::from_secs(10);
        let now = clock.now(due);
        assert!(now >= due && now < due + ABSENCE, "{now:?}");
        assert!(clock.instant(due) <= Instant::now());
    }
}
