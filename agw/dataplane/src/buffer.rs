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
    due: Instant,
}

/// Uplink messages whose tunnel may follow: user packets overtake the signalling that makes their tunnel, since that waits for the
/// disk. Without this the first packet after an attach, a service request or a handover would be lost, or answered by an Error
/// Indication that tears down the new bearer.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: VecDeque<Held>,
}

impl Waiting {
    /// How long a message is held.
    pub(crate) const TIME: Duration = Duration::from_millis(150);
    /// How many messages are held.
    const MOST: usize = 1024;
    /// How long a message may be.
    const LONGEST: usize = 2048;

    /// Holds a message; gives it back when there is no room.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        teid: u32,
        peer: Ipv4Addr,
        message: &[u8],
        reason: PuntReason,
    ) -> Option<Held> {
        let held = Held { teid, peer, message: message.to_vec(), reason, due: now + Self::TIME };
        if self.messages.len() >= Self::MOST || message.len() > Self::LONGEST {
            return Some(held);
        }
        self.messages.push_back(held);
        None
    }

    /// Takes out the messages for this tunnel, in order.
    pub(crate) fn take(&mut self, teid: u32) -> Vec<Held> {
        if !self.messages.iter().any(|held| held.teid == teid) {
            return Vec::new();
        }
        let (wanted, rest) = core::mem::take(&mut self.messages).into_iter().partition(|held| held.teid == teid);
        self.messages = rest;
        let wanted: VecDeque<Held> = wanted;
        wanted.into()
    }

    /// Takes out a message whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Held> {
        if self.messages.front()?.due > now {
            return None;
        }
        self.messages.pop_front()
    }

    /// When the next message's time is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.messages.front().map(|held| held.due)
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
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let peer = Ipv4Addr::LOCALHOST;
        for (teid, message) in [(1, b"a"), (2, b"b"), (1, b"c")] {
            assert!(waiting.push(now, teid, peer, message, PuntReason::UnknownTeid).is_none());
        }
        let taken: Vec<_> = waiting.take(1).into_iter().map(|held| held.message).collect();
        assert_eq!(taken, [b"a".to_vec(), b"c".to_vec()]);
        assert!(waiting.expired(now).is_none());
        assert_eq!(waiting.due(), Some(now + Waiting::TIME));
        assert_eq!(waiting.expired(now + Waiting::TIME).map(|held| held.teid), Some(2));
        for _ in 0..Waiting::MOST {
            assert!(waiting.push(now, 3, peer, b"", PuntReason::UnknownTeid).is_none());
        }
        assert!(waiting.push(now, 3, peer, b"", PuntReason::UnknownTeid).is_some());
    }
}
