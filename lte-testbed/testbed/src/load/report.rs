//! What a load did, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Percentiles of a duration in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half took at most this long.
    pub p50_ms: f64,
    /// 95 of 100 took at most this long.
    pub p95_ms: f64,
    /// 99 of 100 took at most this long.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Percentiles {
    /// Of microseconds; all zero for none.
    #[must_use]
    pub fn of(micros: &mut [u32]) -> Self {
        micros.sort_unstable();
        let at = |share: f64| {
            let rank = (share * micros.len() as f64).ceil() as usize;
            micros.get(rank.saturating_sub(1)).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Self { p50_ms: at(0.50), p95_ms: at(0.95), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p95_ms, p99_ms, max_ms } = self;
        write!(f, "p50 {p50_ms:.2} ms, p95 {p95_ms:.2} ms, p99 {p99_ms:.2} ms, longest {max_ms:.2} ms")
    }
}

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Base stations.
    pub enbs: u32,
    /// Phones.
    pub ues: u32,
    /// Attaches started.
    pub attaches_started: u32,
    /// Attaches that ended well.
    pub attaches_done: u32,
    /// Starts per second that were asked for; 0 is one after the other.
    pub rate_asked_per_s: f64,
    /// Per second, from the first start to the last end.
    pub attach_per_s: f64,
    /// That time.
    pub elapsed_s: f64,
    /// From ATTACH REQUEST to ATTACH COMPLETE, both as the phone sends them.
    pub attach: Percentiles,
    /// From ATTACH REQUEST to INITIAL CONTEXT SETUP RESPONSE.
    pub attach_to_context: Percentiles,
    /// Detaches that ended well.
    pub detaches_done: u32,
    /// From DETACH REQUEST to DETACH ACCEPT.
    pub detach: Percentiles,
    /// Attaches that did not end well, by cause.
    pub failures: BTreeMap<String, u32>,
    /// What phones and base stations found odd.
    pub surprises: BTreeMap<String, u32>,
    /// Packets that phones sent to the server.
    pub packets_sent: u64,
    /// Those that came back.
    pub packets_received: u64,
    /// How long they took.
    pub round_trip: Percentiles,
    /// Megabits of them per second of the whole load, headers included.
    pub uplink_mbit_s: f64,
    /// The same of what came back.
    pub downlink_mbit_s: f64,
    /// CPU time of the testbed's radio thread.
    pub testbed_cpu_us_per_attach: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.attaches_started - self.attaches_done;
        writeln!(
            f,
            "{} of {} attaches done, {failed} failed, {:.0} per second over {:.2} s",
            self.attaches_done, self.attaches_started, self.attach_per_s, self.elapsed_s
        )?;
        writeln!(f, "  attach          {}", self.attach)?;
        writeln!(f, "  until context   {}", self.attach_to_context)?;
        if self.detaches_done > 0 {
            writeln!(f, "  detach          {} ({} done)", self.detach, self.detaches_done)?;
        }
        for (cause, count) in &self.failures {
            writeln!(f, "  failure         {count} x {cause}")?;
        }
        for (what, count) in &self.surprises {
            writeln!(f, "  odd             {count} x {what}")?;
        }
        if self.packets_sent > 0 {
            let (sent, received) = (self.packets_sent, self.packets_received);
            let lost = sent.saturating_sub(received);
            writeln!(f, "  packets         {sent} sent, {received} came back, {lost} lost")?;
            writeln!(
                f,
                "  throughput      {:.2} Mbit/s up, {:.2} Mbit/s down",
                self.uplink_mbit_s, self.downlink_mbit_s
            )?;
            writeln!(f, "  round trip      {}", self.round_trip)?;
        }
        write!(f, "  testbed         {:.0} us of CPU per attach", self.testbed_cpu_us_per_attach)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut micros: Vec<u32> = (1..=100).rev().map(|n| n * 1000).collect();
        let percentiles = Percentiles::of(&mut micros);
        assert_eq!((percentiles.p50_ms, percentiles.p99_ms, percentiles.max_ms), (50.0, 99.0, 100.0));
        assert_eq!(Percentiles::of(&mut []), Percentiles::default());
        assert_eq!(Percentiles::of(&mut [7000]).p50_ms, 7.0);
    }
}
