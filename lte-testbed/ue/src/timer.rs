//! Timers of a phone (TS 24.301 §10.2 table 10.2.1, §10.3 table 10.3.1).

use basalt_sansio::{Duration, Time};

/// A timer that can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as in the specification's tables")]
pub enum Timer {
    /// Retry after repeated failures.
    T3402,
    /// ATTACH REQUEST answered.
    T3410,
    /// Retry after a failure.
    T3411,
    /// Periodic tracking area update.
    T3412,
    /// RAND and RES are remembered.
    T3416,
    /// SERVICE REQUEST answered.
    T3417,
    /// Another AUTHENTICATION REQUEST after MAC failure.
    T3418,
    /// Another AUTHENTICATION REQUEST after synch failure.
    T3420,
    /// DETACH REQUEST answered.
    T3421,
    /// TRACKING AREA UPDATE REQUEST answered.
    T3430,
    /// The network releases the signalling connection.
    T3440,
    /// Back-off in congestion.
    T3346,
    /// PDN CONNECTIVITY REQUEST answered.
    T3482,
    /// PDN DISCONNECT REQUEST answered.
    T3492,
}

/// Values of timers that the network does not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the specification's tables")]
pub struct TimerValues {
    pub t3402: Duration,
    pub t3410: Duration,
    pub t3411: Duration,
    pub t3412: Duration,
    pub t3416: Duration,
    pub t3417: Duration,
    pub t3418: Duration,
    pub t3420: Duration,
    pub t3421: Duration,
    pub t3430: Duration,
    pub t3440: Duration,
    pub t3482: Duration,
    pub t3492: Duration,
}

impl Default for TimerValues {
    /// The defaults of the specification.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            t3402: seconds(12 * 60),
            t3410: seconds(15),
            t3411: seconds(10),
            t3412: seconds(54 * 60),
            t3416: seconds(30),
            t3417: seconds(5),
            t3418: seconds(20),
            t3420: seconds(15),
            t3421: seconds(15),
            t3430: seconds(15),
            t3440: seconds(10),
            t3482: seconds(8),
            t3492: seconds(6),
        }
    }
}

/// The few timers that run in one phone at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running {
    armed: Vec<(Timer, Time)>,
}

impl Running {
    pub(crate) fn start(&mut self, timer: Timer, at: Time) {
        match self.armed.iter_mut().find(|(armed, _)| *armed == timer) {
            Some((_, deadline)) => *deadline = at,
            None => self.armed.push((timer, at)),
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.armed.retain(|(armed, _)| *armed != timer);
    }

    pub(crate) fn stop_all(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn is_running(&self, timer: Timer) -> bool {
        self.armed.iter().any(|(armed, _)| *armed == timer)
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.armed.iter().map(|(_, at)| *at).min()
    }

    /// The timer that expired first, in the order of deadlines.
    pub(crate) fn pop(&mut self, now: Time) -> Option<Timer> {
        let first = self.armed.iter().filter(|(_, at)| *at <= now).min_by_key(|(timer, at)| (*at, *timer))?.0;
        self.stop(first);
        Some(first)
    }
}
