//! Requests of ours that wait for answers.

use super::types::{LinkId, PeerId, Token};
use crate::code::Application;
use basalt_sansio::{DetHashMap, Time};

/// A request that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) token: Token,
    /// As it was sent last.
    pub(crate) octets: Vec<u8>,
    pub(crate) key: u64,
    pub(crate) application: Application,
    pub(crate) deadline: Time,
    pub(crate) sent: Time,
    pub(crate) peer: PeerId,
    pub(crate) link: LinkId,
    /// Who had it already.
    pub(crate) tried: Vec<PeerId>,
}

/// All of them, by the identifier that pairs request and answer. It is unique over all connections of the node, which RFC 6733 asks for
/// each connection only: so an answer that comes late over another connection finds nothing.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    by_id: DetHashMap<u32, Pending>,
    next: u32,
}

impl Outstanding {
    /// Numbers begin at a place that cannot be guessed.
    pub(crate) fn new(next: u32) -> Self {
        Self { by_id: DetHashMap::default(), next }
    }

    /// An identifier that is free.
    pub(crate) fn id(&mut self) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1);
            if !self.by_id.contains_key(&self.next) {
                return self.next;
            }
        }
    }

    pub(crate) fn insert(&mut self, id: u32, pending: Pending) {
        self.by_id.insert(id, pending);
    }

    /// The request that an answer on this connection belongs to.
    pub(crate) fn answered(&mut self, link: LinkId, id: u32) -> Option<Pending> {
        if self.by_id.get(&id)?.link != link {
            return None;
        }
        self.by_id.remove(&id)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Pending> {
        self.by_id.remove(&id)
    }

    /// Takes out all that went over a connection, in the order of their identifiers.
    pub(crate) fn of_link(&mut self, link: LinkId) -> Vec<(u32, Pending)> {
        let mut ids: Vec<u32> =
            self.by_id.iter().filter(|(_, pending)| pending.link == link).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.into_iter().filter_map(|id| Some((id, self.by_id.remove(&id)?))).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
