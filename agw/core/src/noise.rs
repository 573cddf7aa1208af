//! Events that a peer can cause at will are told up to a rate, so that nobody floods the log; the rest is counted.

use agw_types::{Effect, Event, Metric};
use basalt_sansio::{Duration, Time};

/// Events of one kind that may be told at once.
const BURST: u32 = 100;
/// After each of these, one more may be told.
const REFILL: Duration = Duration::from_millis(100);

/// What is left to tell, by kind of event.
#[derive(Debug, Default)]
pub(crate) struct Noise {
    refused: Bucket,
    base_stations: Bucket,
    security: Bucket,
}

/// A bucket of events, full to begin with.
#[derive(Debug, Default)]
struct Bucket {
    taken: u32,
    since: Time,
}

impl Noise {
    /// The effect, or what is counted in place of an event too many.
    pub(crate) fn damp(&mut self, now: Time, effect: Effect) -> Effect {
        let Effect::Tell(event) = &effect else { return effect };
        let bucket = match **event {
            Event::Rejected(_) => &mut self.refused,
            Event::EnbProtocolError { .. } | Event::EnbRefused { .. } => &mut self.base_stations,
            Event::Security { .. } => &mut self.security,
            _ => return effect,
        };
        if bucket.take(now) { effect } else { Effect::Count(Metric::Discarded("event beyond the rate that is told")) }
    }
}

impl Bucket {
    fn take(&mut self, now: Time) -> bool {
        let refilled = (now - self.since).as_micros() / REFILL.as_micros();
        if refilled > 0 {
            self.taken = self.taken.saturating_sub(u32::try_from(refilled).unwrap_or(u32::MAX));
            self.since = now;
        }
        let free = self.taken < BURST;
        self.taken += u32::from(free);
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_up_to_the_burst_and_then_at_the_rate() {
        let mut bucket = Bucket::default();
        let told = |bucket: &mut Bucket, at| (0..1000).filter(|_| bucket.take(Time::from_millis(at))).count();
        assert_eq!(told(&mut bucket, 0), 100);
        assert_eq!(told(&mut bucket, 99), 0);
        assert_eq!(told(&mut bucket, 1000), 10);
        assert_eq!(told(&mut bucket, 1_000_000), 100);
    }

    #[test]
    fn what_phones_do_for_themselves_is_always_told() {
        let mut noise = Noise::default();
        let imsi = basalt_ids::Imsi::new(1, 15).unwrap();
        for _ in 0..1000 {
            let effect = Effect::Tell(Box::new(Event::Idle { imsi }));
            assert_eq!(noise.damp(Time::ZERO, effect.clone()), effect);
        }
    }
}
