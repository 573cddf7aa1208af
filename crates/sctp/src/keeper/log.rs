//! The uplink log: numbered events, kept until acknowledged, and the associations as of the last acknowledgement.

use std::collections::{BTreeMap, VecDeque};

use super::{AssociationId, KeeperEvent, Live, Uplink};

/// What an event costs besides its payload.
const OVERHEAD: usize = 128;
/// Share of the bound that one association may take.
const SHARE: usize = 4;

/// See the module.
pub(super) struct UplinkLog {
    entries: VecDeque<KeeperEvent>,
    /// Number of the last acknowledged event; the front entry is the one after it.
    acked: u64,
    live: BTreeMap<AssociationId, Live>,
    weight: usize,
    /// By association; none where nothing is waiting.
    weights: BTreeMap<AssociationId, usize>,
    limit: usize,
}

impl UplinkLog {
    pub(super) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), acked: 0, live: BTreeMap::new(), weight: 0, weights: BTreeMap::new(), limit }
    }

    /// Whether more should be read from this association.
    pub(super) fn has_room(&self, id: AssociationId) -> bool {
        let own = self.weights.get(&id).copied().unwrap_or_default();
        self.weight < self.limit && own < self.limit / SHARE
    }

    /// Appends; never refuses, so that the end of an association is always told.
    pub(super) fn push(&mut self, event: KeeperEvent) {
        let cost = cost(&event);
        self.weight += cost;
        *self.weights.entry(event.id()).or_default() += cost;
        self.entries.push_back(event);
    }

    /// Forgets everything up to `seq` (what was never numbered is left out of account).
    pub(super) fn ack(&mut self, seq: u64) {
        while self.acked < seq
            && let Some(event) = self.entries.pop_front()
        {
            self.acked += 1;
            let cost = cost(&event);
            self.weight -= cost;
            let id = event.id();
            if let Some(own) = self.weights.get_mut(&id) {
                *own -= cost;
                if *own == 0 {
                    self.weights.remove(&id);
                }
            }
            self.apply(event);
        }
    }

    fn apply(&mut self, event: KeeperEvent) {
        match event {
            KeeperEvent::Up(live) => {
                self.live.insert(live.id, live);
            }
            KeeperEvent::Restarted { id, peer } => {
                if let Some(live) = self.live.get_mut(&id) {
                    live.peer = peer;
                }
            }
            KeeperEvent::Down { id, .. } => {
                self.live.remove(&id);
            }
            KeeperEvent::Message { .. } | KeeperEvent::PathChange { .. } => {}
        }
    }

    /// Number of the last acknowledged event.
    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// Number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.acked + self.entries.len() as u64
    }

    /// The associations as of the last acknowledged event.
    pub(super) fn live(&self) -> Vec<Live> {
        self.live.values().cloned().collect()
    }

    /// The event of this number, if it is still here.
    pub(super) fn get(&self, seq: u64) -> Option<Uplink> {
        let index = usize::try_from(seq.checked_sub(self.acked + 1)?).ok()?;
        let event = self.entries.get(index)?.clone();
        Some(Uplink { seq, event })
    }
}

fn cost(event: &KeeperEvent) -> usize {
    match event {
        KeeperEvent::Message { message, .. } => message.payload.len() + OVERHEAD,
        _ => OVERHEAD,
    }
}

impl KeeperEvent {
    /// The association it is about.
    #[must_use]
    pub fn id(&self) -> AssociationId {
        match self {
            Self::Up(live) => live.id,
            Self::Message { id, .. }
            | Self::Restarted { id, .. }
            | Self::PathChange { id, .. }
            | Self::Down { id, .. } => *id,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::SystemTime;

    use super::*;
    use crate::event::{Carrier, CloseReason, Message, PeerInfo};

    fn live(id: u64) -> Live {
        Live {
            id: AssociationId(id),
            peer: PeerInfo {
                primary: (Ipv4Addr::LOCALHOST, 1).into(),
                addresses: vec![Ipv4Addr::LOCALHOST.into()],
                out_streams: 2,
                in_streams: 2,
            },
            local_port: 36412,
            carrier: Carrier::Udp,
            since: SystemTime::UNIX_EPOCH,
        }
    }

    fn message(id: u64, len: usize) -> KeeperEvent {
        KeeperEvent::Message { id: AssociationId(id), message: Message::new(0, 18, vec![1; len]) }
    }

    fn down(id: u64) -> KeeperEvent {
        KeeperEvent::Down { id: AssociationId(id), reason: CloseReason::Shutdown }
    }

    #[test]
    fn snapshot_and_log_fit_together() {
        let mut log = UplinkLog::new(10_000);
        log.push(KeeperEvent::Up(live(1)));
        log.push(KeeperEvent::Up(live(2)));
        log.push(message(1, 5));
        log.push(down(1));
        assert!(log.live().is_empty(), "nothing acknowledged yet");
        log.ack(3);
        assert_eq!((log.acked(), log.last()), (3, 4));
        assert_eq!(log.live(), [live(1), live(2)]);
        assert_eq!(log.get(3), None);
        assert_eq!(log.get(4).unwrap().event, down(1));
        assert_eq!(log.get(5), None);
        log.ack(99);
        assert_eq!((log.acked(), log.last()), (4, 4));
        assert_eq!(log.live(), [live(2)]);
        assert_eq!((log.weight, log.weights.len()), (0, 0));
    }

    #[test]
    fn one_association_takes_its_share_and_all_the_whole() {
        let mut log = UplinkLog::new(4 * (100 + OVERHEAD));
        for id in 1..=4 {
            assert!(log.has_room(AssociationId(id)));
            log.push(message(id, 100));
            assert!(!log.has_room(AssociationId(id)), "its quarter is full");
        }
        assert!(!log.has_room(AssociationId(5)), "the whole is full");
        log.push(down(5));
        log.ack(1);
        assert!(log.has_room(AssociationId(1)) && log.has_room(AssociationId(5)));
        assert!(!log.has_room(AssociationId(2)));
    }
}
