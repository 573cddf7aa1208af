//! Packets kept: downlink for idle phones, uplink for tunnels that are about to be.

use basalt_ebpf_abi::PuntReason;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Downlink packets of idle phones, by downlink slot, oldest first.
#[derive(Debug)]
pub(crate) struct Buffers {
    per_phone: usize,
    total: usize,
    held: usize,
    queues: BTreeMap<u32, VecDeque<Vec<u8>>>,
}

/// Why a packet was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The phone has its share.
    Phone,
    /// All phones together have theirs.
    Total,
}

impl Buffers {
    pub(crate) fn new(per_phone: u32, total: u32) -> Self {
        Self { per_phone: per_phone as usize, total: total as usize, held: 0, queues: BTreeMap::new() }
    }

    /// Keeps a packet behind the phone's others.
    pub(crate) fn push(&mut self, slot: u32, packet: &[u8]) -> Result<(), Refusal> {
        if self.held >= self.total {
            return Err(Refusal::Total);
        }
        let queue = self.queues.entry(slot).or_default();
        if queue.len() >= self.per_phone {
            return Err(Refusal::Phone);
        }
        queue.push_back(packet.to_vec());
        self.held += 1;
        Ok(())
    }

    /// Gives up all packets of a phone, in order.
    pub(crate) fn take(&mut self, slot: u32) -> VecDeque<Vec<u8>> {
        let queue = self.queues.remove(&slot).unwrap_or_default();
        self.held -= queue.len();
        queue
    }

    /// Packets that may be kept for all phones together.
    pub(crate) fn room(&self) -> usize {
        self.total
    }

    /// Packets kept now.
    pub(crate) fn len(&self) -> usize {
        self.held
    }
}

/// A GTP-U message that came a moment too early, or for no reason at all.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) teid: u32,
    pub(crate) peer: Ipv4Addr,
    pub(crate) message: Vec<u8>,
    pub(crate) reason: PuntReason,
}

impl Held {
    pub(crate) fn new(teid: u32, peer: Ipv4Addr, message: &[u8], reason: PuntReason) -> Self {
        Self { teid, peer, message: message.to_vec(), reason }
    }
}

/// Uplink messages whose tunnel may follow: user packets overtake the signalling that makes their tunnel, since that waits for the
/// disk. Without this the first packet after an attach, a service request or a handover would be lost, or answered by an Error
/// Indication that tears down the new bearer.
#[derive(Debug)]
pub(crate) struct Waiting {
    time: Duration,
    messages: VecDeque<(Instant, Held)>,
}

impl Waiting {
    /// How many messages are held.
    const MOST: usize = 1024;
    /// How long a message may be.
    const LONGEST: usize = 2048;

    /// Holds messages for this time.
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, messages: VecDeque::new() }
    }

    /// Holds a message; gives it back when there is no room.
    pub(crate) fn push(&mut self, now: Instant, held: Held) -> Option<Held> {
        if self.messages.len() >= Self::MOST || held.message.len() > Self::LONGEST {
            return Some(held);
        }
        self.messages.push_back((now + self.time, held));
        None
    }

    /// Takes out the messages for this tunnel, in order.
    pub(crate) fn take(&mut self, teid: u32) -> Vec<Held> {
        if !self.messages.iter().any(|(_, held)| held.teid == teid) {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for (due, held) in core::mem::take(&mut self.messages) {
            if held.teid == teid {
                wanted.push(held);
            } else {
                self.messages.push_back((due, held));
            }
        }
        wanted
    }

    /// Takes out a message whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Held> {
        if self.due()? > now {
            return None;
        }
        self.messages.pop_front().map(|(_, held)| held)
    }

    /// When the next message's time is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.messages.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_for_one_and_for_all() {
        let mut buffers = Buffers::new(2, 3);
        assert_eq!(buffers.push(1, b"a"), Ok(()));
        assert_eq!(buffers.push(1, b"b"), Ok(()));
        assert_eq!(buffers.push(1, b"c"), Err(Refusal::Phone));
        assert_eq!(buffers.push(2, b"d"), Ok(()));
        assert_eq!(buffers.push(3, b"e"), Err(Refusal::Total));
        assert_eq!(buffers.take(1), [b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(buffers.len(), 1);
        assert_eq!(buffers.push(3, b"e"), Ok(()));
        assert!(buffers.take(9).is_empty());
    }

    #[test]
    fn messages_wait_for_their_tunnel_or_their_time() {
        let time = Duration::from_millis(150);
        let (mut waiting, now) = (Waiting::new(time), Instant::now());
        let held = |teid, message: &[u8]| Held::new(teid, Ipv4Addr::LOCALHOST, message, PuntReason::UnknownTeid);
        for (teid, message) in [(1, b"a"), (2, b"b"), (1, b"c")] {
            assert!(waiting.push(now, held(teid, message)).is_none());
        }
        let taken: Vec<_> = waiting.take(1).into_iter().map(|held| held.message).collect();
        assert_eq!(taken, [b"a".to_vec(), b"c".to_vec()]);
        assert!(waiting.expired(now).is_none());
        assert_eq!(waiting.due(), Some(now + time));
        assert_eq!(waiting.expired(now + time).map(|held| held.teid), Some(2));
        for _ in 0..Waiting::MOST {
            assert!(waiting.push(now, held(3, b"d")).is_none());
        }
        assert!(waiting.push(now, held(3, b"e")).is_some());
        assert!(Waiting::new(time).push(now, held(3, &[0; Waiting::LONGEST + 1])).is_some());
    }
}
