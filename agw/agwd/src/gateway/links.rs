//! Base stations as the keeper has them: what comes from them, what goes to them, and what they cannot take yet.

use super::Gateway;
use crate::calls;
use agw_types::{Input, LinkId, LinkInfo};
use basalt_sctp::keeper::{AssociationId, KeeperEvent, Live, Uplink};
use basalt_sctp::{Message, SendError, ppid};
use std::collections::VecDeque;

/// Messages kept for a base station that does not take them; beyond that its association is closed.
const BACKLOG: usize = 4_096;

impl Gateway {
    pub(super) fn uplink(&mut self, Uplink { seq, event }: Uplink) {
        let input = match event {
            KeeperEvent::Up(live) => link_up(&live, false),
            KeeperEvent::Message { id, message } if message.ppid == ppid::S1AP => {
                Some(Input::S1ap { link: link_id(id), stream: message.stream, pdu: message.payload.to_vec() })
            }
            KeeperEvent::Message { .. } => {
                // TS 36.412 §7: S1AP has payload protocol identifier 18; anything else is not for us.
                self.metrics.count(agw_types::Metric::Discarded("wrong SCTP payload protocol identifier"));
                None
            }
            KeeperEvent::Restarted { id, .. } => Some(Input::LinkRestarted { link: link_id(id) }),
            KeeperEvent::PathChange { id, path } => {
                tracing::info!(association = id.0, %path, "a base station is reached over another path");
                None
            }
            KeeperEvent::Down { id, reason } => {
                tracing::info!(association = id.0, %reason, "an association ended");
                self.backlog.remove(&link_id(id));
                Some(Input::LinkDown { link: link_id(id) })
            }
        };
        if let Some(input) = input {
            let heard = self.calls.heard(&input);
            let now = self.now();
            self.core.step(now, input, &mut self.effects);
            if let Some(heard) = heard {
                calls::note(self, &heard);
            }
        }
        self.hold_or_release(Some(seq));
    }

    pub(super) fn send(&mut self, link: LinkId, message: Message) {
        if let Some(said) = self.calls.said(link, &message) {
            calls::note(self, &said);
        }
        if let Some(queue) = self.backlog.get_mut(&link) {
            queue.push_back(message);
            if queue.len() > BACKLOG {
                self.backlog.remove(&link);
                self.keeper.abort(association(link), "the base station takes no messages");
            }
            return;
        }
        match self.keeper.try_send(association(link), message) {
            Ok(()) => {}
            Err((message, SendError::Full)) => {
                self.backlog.insert(link, VecDeque::from([message]));
            }
            Err((_, error)) => tracing::debug!(association = link.0, %error, "a message was not sent"),
        }
    }

    pub(super) fn retry_backlog(&mut self) {
        let keeper = &mut self.keeper;
        self.backlog.retain(|link, queue| {
            while let Some(message) = queue.pop_front() {
                match keeper.try_send(association(*link), message) {
                    Ok(()) => {}
                    Err((message, SendError::Full)) => {
                        queue.push_front(message);
                        return true;
                    }
                    Err(_) => return false,
                }
            }
            false
        });
    }
}

/// The input for an association that is alive.
pub fn link_up(live: &Live, resumed: bool) -> Option<Input> {
    let mut peers = vec![live.peer.primary.ip()];
    peers.extend(live.peer.addresses.iter().filter(|address| **address != live.peer.primary.ip()));
    let info = LinkInfo { peers, streams: live.peer.out_streams, resumed };
    Some(Input::LinkUp { link: link_id(live.id), info })
}

/// Associations are numbered from one by the keeper; four thousand million of them do not happen in its life.
pub fn link_id(id: AssociationId) -> LinkId {
    LinkId(u32::try_from(id.0).unwrap_or(u32::MAX))
}

pub(super) fn association(link: LinkId) -> AssociationId {
    AssociationId(link.0.into())
}
