//! The keeper: it owns the associations, numbers what comes over them, and tells a new daemon what the old one had not
//! acknowledged. Only a loss of power ends it.

use std::collections::{BTreeMap, VecDeque};

use agw_types::{LinkId, LinkInfo};

/// What happened at an association.
#[derive(Clone, Debug)]
pub(crate) enum KeeperEvent {
    Up(LinkId, LinkInfo),
    Message { link: LinkId, stream: u16, pdu: Vec<u8> },
    Restarted(LinkId),
    Down(LinkId),
}

#[derive(Debug)]
pub(crate) struct Keeper {
    /// Another number after every loss of power.
    pub instance: u64,
    last_link: u32,
    last_seq: u64,
    /// What no daemon has acknowledged.
    log: VecDeque<(u64, KeeperEvent)>,
    /// How much of the log the daemon of the moment has been given.
    delivered: usize,
    /// Associations as of the last acknowledged event.
    snapshot: BTreeMap<LinkId, LinkInfo>,
}

impl Keeper {
    pub(crate) fn new(instance: u64) -> Self {
        let (log, snapshot) = (VecDeque::new(), BTreeMap::new());
        Self { instance, last_link: 0, last_seq: 0, log, delivered: 0, snapshot }
    }

    /// A number for a new association, never used before by this keeper.
    pub(crate) fn new_link(&mut self) -> LinkId {
        self.last_link += 1;
        LinkId(self.last_link)
    }

    pub(crate) fn happened(&mut self, event: KeeperEvent) {
        self.last_seq += 1;
        self.log.push_back((self.last_seq, event));
    }

    /// A new daemon: what it is told first.
    pub(crate) fn welcome(&mut self) -> BTreeMap<LinkId, LinkInfo> {
        self.delivered = 0;
        self.snapshot.clone()
    }

    /// What the daemon has not been given yet.
    pub(crate) fn deliver(&mut self) -> Option<(u64, KeeperEvent)> {
        let next = self.log.get(self.delivered)?.clone();
        self.delivered += 1;
        Some(next)
    }

    pub(crate) fn acknowledge(&mut self, seq: u64) {
        while self.log.front().is_some_and(|(first, _)| *first <= seq) {
            let Some((_, event)) = self.log.pop_front() else { return };
            self.delivered = self.delivered.saturating_sub(1);
            match event {
                KeeperEvent::Up(link, info) => drop(self.snapshot.insert(link, info)),
                KeeperEvent::Down(link) => drop(self.snapshot.remove(&link)),
                KeeperEvent::Message { .. } | KeeperEvent::Restarted(_) => {}
            }
        }
    }

    /// Associations that have unacknowledged messages: what their phones did may happen again.
    pub(crate) fn unacknowledged(&self) -> impl Iterator<Item = &KeeperEvent> {
        self.log.iter().map(|(_, event)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_acknowledged_comes_again() {
        let mut keeper = Keeper::new(1);
        let link = keeper.new_link();
        let info = LinkInfo { peers: Vec::new(), streams: 4, resumed: false };
        keeper.happened(KeeperEvent::Up(link, info));
        keeper.happened(KeeperEvent::Message { link, stream: 0, pdu: vec![1] });
        assert!(keeper.welcome().is_empty());
        assert!(matches!(keeper.deliver(), Some((1, KeeperEvent::Up(..)))));
        assert!(matches!(keeper.deliver(), Some((2, KeeperEvent::Message { .. }))));
        assert!(keeper.deliver().is_none());
        keeper.acknowledge(1);
        assert!(keeper.deliver().is_none());
        assert_eq!(keeper.welcome().len(), 1, "the association stands as of the last acknowledged event");
        assert!(matches!(keeper.deliver(), Some((2, KeeperEvent::Message { .. }))));
        keeper.acknowledge(2);
        keeper.happened(KeeperEvent::Down(link));
        keeper.acknowledge(3);
        assert!(keeper.welcome().is_empty());
    }
}
