//! What each peer did.

use basalt_diameter::node::{Down, PeerId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Upper bounds of the classes of answer times, microseconds; one more class is above them.
pub const BUCKETS_MICROS: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// How a peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its number.
    pub peer: PeerId,
    /// Its DiameterIdentity.
    pub host: String,
    /// Whether it takes requests.
    pub up: bool,
    /// Since when, seconds since 1970 UTC.
    pub since: u64,
    /// Why it was lost the last time.
    pub lost: Option<Down>,
    /// How often it was lost.
    pub losses: u64,
    /// Answers of its to our requests.
    pub answers: u64,
    /// Requests of its own.
    pub requests: u64,
    /// Answers of its that fit no request: late, or lies.
    pub strays: u64,
    /// Results of its answers: base codes as they are, those of a vendor by vendor and code.
    pub results: BTreeMap<(u32, u32), u64>,
    /// Answers by how long they took ([`BUCKETS_MICROS`]).
    pub latency: [u64; BUCKETS_MICROS.len() + 1],
    /// Sum of all answer times, microseconds.
    pub latency_micros: u64,
}

/// Results of other kinds are counted together beyond so many: a peer must not fill our memory with codes of its own.
const RESULTS: usize = 64;

impl PeerStatus {
    /// One of that name that was never up.
    #[must_use]
    pub fn of(host: &str) -> Self {
        Self::new(PeerId(0), host, 0)
    }

    pub(crate) fn new(peer: PeerId, host: &str, since: u64) -> Self {
        Self {
            peer,
            host: host.to_owned(),
            up: false,
            since,
            lost: None,
            losses: 0,
            answers: 0,
            requests: 0,
            strays: 0,
            results: BTreeMap::new(),
            latency: [0; BUCKETS_MICROS.len() + 1],
            latency_micros: 0,
        }
    }

    pub(crate) fn answered(&mut self, result: (u32, u32), took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BUCKETS_MICROS.iter().position(|bound| micros <= *bound).unwrap_or(BUCKETS_MICROS.len());
        self.answers += 1;
        self.latency[class] += 1;
        self.latency_micros = self.latency_micros.saturating_add(micros);
        let known = self.results.len() < RESULTS || self.results.contains_key(&result);
        *self.results.entry(if known { result } else { (u32::MAX, u32::MAX) }).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_fall_into_classes_and_codes_into_a_bounded_table() {
        let mut status = PeerStatus::new(PeerId(0), "hss.example", 1);
        status.answered((0, 2001), Duration::from_micros(250));
        status.answered((0, 2001), Duration::from_micros(251));
        status.answered((0, 2001), Duration::from_secs(60));
        assert_eq!((status.latency[0], status.latency[1], status.latency[12]), (1, 1, 1));
        for code in 0..1000 {
            status.answered((10415, code), Duration::ZERO);
        }
        assert_eq!(status.results.len(), RESULTS + 1);
        assert_eq!(status.results.values().sum::<u64>(), status.answers);
    }
}
