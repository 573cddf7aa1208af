//! Limits per asker for what the slow path answers.

use std::collections::BTreeMap;
use std::time::Instant;

/// Token buckets per asker: a base station or other host by its address, a phone by its session. One cannot make the gateway talk more
/// than this, nor use up what others may ask.
#[derive(Debug)]
pub(crate) struct PeerLimits<K> {
    per_second: f64,
    burst: f64,
    peers: BTreeMap<K, (f64, Instant)>,
}

impl<K: Ord> PeerLimits<K> {
    /// Askers that are remembered. Beyond that the ones with full buckets are forgotten, which changes nothing for them.
    const MOST: usize = 4096;

    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: f64::from(per_second), burst: f64::from(burst), peers: BTreeMap::new() }
    }

    /// Whether one more answer to this one is fine.
    pub(crate) fn allow(&mut self, now: Instant, peer: K) -> bool {
        let (rate, burst) = (self.per_second, self.burst);
        let refill =
            |level: f64, then: Instant| (level + now.saturating_duration_since(then).as_secs_f64() * rate).min(burst);
        if self.peers.len() >= Self::MOST && !self.peers.contains_key(&peer) {
            self.peers.retain(|_, (level, then)| refill(*level, *then) < burst);
            if self.peers.len() >= Self::MOST {
                return false;
            }
        }
        let (level, then) = self.peers.entry(peer).or_insert((burst, now));
        *level = refill(*level, *then);
        *then = now;
        if *level < 1.0 {
            return false;
        }
        *level -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    #[test]
    fn each_sender_has_its_own_bucket() {
        let mut limits = PeerLimits::new(10, 3);
        let (one, two, start) = (Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(2, 2, 2, 2), Instant::now());
        assert_eq!((0..9).filter(|_| limits.allow(start, one)).count(), 3);
        assert!(limits.allow(start, two));
        assert!(limits.allow(start + Duration::from_millis(100), one));
        assert!(!limits.allow(start + Duration::from_millis(101), one));
    }

    #[test]
    fn a_flood_of_senders_is_forgotten_again() {
        let mut limits = PeerLimits::new(10, 3);
        let start = Instant::now();
        for i in 0..PeerLimits::<Ipv4Addr>::MOST as u32 {
            assert!(limits.allow(start, Ipv4Addr::from(i)));
        }
        assert!(!limits.allow(start, Ipv4Addr::new(9, 9, 9, 9)));
        assert!(limits.allow(start + Duration::from_secs(1), Ipv4Addr::new(9, 9, 9, 9)));
        assert_eq!(limits.peers.len(), 1);
    }
}
