//! What a daemon tells the supervisor that started it (sd_notify(3)): that it is ready, that it is alive, that it stops.
//!
//! Without a supervisor all of it is silent: nothing here needs systemd, and nothing here can fail a daemon.
//!
//! What it deliberately is not: a health check of what the daemon serves (that is `basalt doctor` and the alarms). "Alive"
//! means that the event loop still turns, which is what a restart would cure.

use sd_notify::NotifyState;
use std::time::Duration;

/// The daemon serves. From now on it also says that it is alive, as often as the supervisor wants to hear it
/// (`WatchdogSec=`), from a task of the present runtime: a loop that no longer turns falls silent and is restarted.
///
/// To be called within a tokio runtime.
pub fn ready() {
    tell(&[NotifyState::Ready]);
    if let Some(limit) = sd_notify::watchdog_enabled() {
        tokio::spawn(stay_alive(limit));
    }
}

/// The daemon was told to stop and says its last words; the supervisor shows it and waits.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

async fn stay_alive(limit: Duration) {
    let mut often = tokio::time::interval(interval(limit));
    often.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        often.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Three times within the limit, so that one late turn is no death.
fn interval(limit: Duration) -> Duration {
    (limit / 3).max(Duration::from_millis(1))
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_hears_from_us_three_times_within_its_limit() {
        assert_eq!(interval(Duration::from_secs(30)), Duration::from_secs(10));
        assert_eq!(interval(Duration::ZERO), Duration::from_millis(1), "an interval of nothing would panic");
    }
}
