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
///
/// A tunnel that is sure to follow is waited for as long as a busy gateway may take: one that the core has [promised](Self::promise) to a
/// base station, and one that is idle. Of others nobody knows, and whoever sends into them is to be told soon (TS 29.281 §7.3.1).
#[derive(Debug)]
pub(crate) struct Waiting {
    time: Duration,
    /// Those that wait for [`Waiting::time`], and those that wait for [`Waiting::PATIENCE`], each in the order they came.
    queues: [VecDeque<Waiter>; 2],
    /// Messages that ever came.
    came: u64,
    /// TEIDs that base stations were told and that have no tunnel yet, with the end of the wait for it.
    promised: BTreeMap<u32, Instant>,
}

#[derive(Debug)]
struct Waiter {
    due: Instant,
    /// It came after those with lower numbers.
    number: u64,
    held: Held,
}

impl Waiting {
    /// How long a message waits for a tunnel that is sure to follow: longer than base stations take to set contexts up, and a gateway that
    /// lacks processor and disk takes to hear of it.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
    /// How many messages are held in a queue.
    const MOST: usize = 1024;
    /// How many of them for one tunnel that is sure to follow.
    const OF_ONE: usize = 128;
    /// How long a message may be.
    const LONGEST: usize = 10_240;
    /// How many promises are remembered.
    const PROMISES: usize = 1 << 16;

    /// Holds messages of tunnels that may follow for this time.
    pub(crate) fn new(time: Duration) -> Self {
        Self { time, queues: [VecDeque::new(), VecDeque::new()], came: 0, promised: BTreeMap::new() }
    }

    /// A base station is about to be told this TEID: its tunnel will be set, or be given up, soon.
    pub(crate) fn promise(&mut self, now: Instant, teid: u32) {
        if self.promised.len() >= Self::PROMISES {
            self.promised.retain(|_, end| *end > now);
        }
        if self.promised.len() < Self::PROMISES {
            self.promised.insert(teid, now + Self::PATIENCE);
        }
    }

    /// The tunnel is there, or will not be.
    pub(crate) fn kept(&mut self, teid: u32) {
        self.promised.remove(&teid);
    }

    /// Holds a message; gives it back when there is no room.
    pub(crate) fn push(&mut self, now: Instant, held: Held) -> Option<Held> {
        let promised = self.promised.get(&held.teid).is_some_and(|end| *end > now);
        let sure = promised || held.reason == PuntReason::IdleUplink;
        let [short, long] = &mut self.queues;
        let (queue, time) = if sure { (long, self.time.max(Self::PATIENCE)) } else { (short, self.time) };
        let of_one = || queue.iter().filter(|waiter| waiter.held.teid == held.teid).count();
        if queue.len() >= Self::MOST || held.message.len() > Self::LONGEST || (sure && of_one() >= Self::OF_ONE) {
            return Some(held);
        }
        self.came += 1;
        queue.push_back(Waiter { due: now + time, number: self.came, held });
        None
    }

    /// Takes out the messages for this tunnel, in order.
    pub(crate) fn take(&mut self, teid: u32) -> Vec<Held> {
        let mut wanted = Vec::new();
        for queue in &mut self.queues {
            if !queue.iter().any(|waiter| waiter.held.teid == teid) {
                continue;
            }
            for waiter in core::mem::take(queue) {
                if waiter.held.teid == teid {
                    wanted.push(waiter);
                } else {
                    queue.push_back(waiter);
                }
            }
        }
        wanted.sort_by_key(|waiter| waiter.number);
        wanted.into_iter().map(|waiter| waiter.held).collect()
    }

    /// Takes out a message whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Held> {
        let over = |queue: &&mut VecDeque<Waiter>| queue.front().is_some_and(|waiter| waiter.due <= now);
        self.queues.iter_mut().find(over)?.pop_front().map(|waiter| waiter.held)
    }

    /// When the next message's time is over.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.queues.iter().filter_map(|queue| queue.front()).map(|waiter| waiter.due).min()
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

    #[test]
    fn a_promised_tunnel_is_waited_for_longer_and_in_order() {
        let (time, now) = (Duration::from_millis(150), Instant::now());
        let held = |teid, reason, message: &[u8]| Held::new(teid, Ipv4Addr::LOCALHOST, message, reason);
        let mut waiting = Waiting::new(time);
        // One that came before the promise, one after it, one when the tunnel was idle; and a stranger's.
        for (teid, reason, message) in [
            (1, PuntReason::UnknownTeid, b"a"),
            (2, PuntReason::UnknownTeid, b"x"),
            (1, PuntReason::UnknownTeid, b"b"),
            (1, PuntReason::IdleUplink, b"c"),
        ] {
            assert!(waiting.push(now, held(teid, reason, message)).is_none());
            waiting.promise(now, 1);
        }
        assert_eq!(waiting.due(), Some(now + time));
        let taken: Vec<_> = waiting.take(1).into_iter().map(|held| held.message).collect();
        assert_eq!(taken, [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()]);
        assert!(waiting.push(now, held(1, PuntReason::UnknownTeid, b"d")).is_none());
        assert_eq!(waiting.expired(now + time).map(|held| held.teid), Some(2));
        assert!(waiting.expired(now + time).is_none());
        assert_eq!(waiting.due(), Some(now + Waiting::PATIENCE));
        assert_eq!(waiting.expired(now + Waiting::PATIENCE).map(|held| held.teid), Some(1));
        // A promise ends with its tunnel, and with its time.
        waiting.kept(1);
        waiting.promise(now, 2);
        let later = now + Waiting::PATIENCE;
        for teid in [1, 2] {
            assert!(waiting.push(later, held(teid, PuntReason::UnknownTeid, b"e")).is_none());
        }
        assert_eq!(waiting.due(), Some(later + time));
        // One tunnel leaves room for others.
        for _ in 0..Waiting::OF_ONE {
            assert!(waiting.push(now, held(3, PuntReason::IdleUplink, b"f")).is_none());
        }
        assert!(waiting.push(now, held(3, PuntReason::IdleUplink, b"g")).is_some());
        assert!(waiting.push(now, held(4, PuntReason::IdleUplink, b"h")).is_none());
    }
}
