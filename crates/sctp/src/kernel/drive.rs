//! The task between one kernel association and its mailboxes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oxirush_sctp::{
    AssocChangeState, AssociationChange, ConnectedSocket, Notification, NotificationOrData, PathState, ReceivedData,
    SendInfo, SendOptions,
};

use super::{canonical, info, srtt};
use crate::event::{CloseReason, Event, Message};
use crate::link::{Ending, Link};

/// Messages moved by one system call.
const BATCH: usize = 64;
/// Octets fetched from the outbox at once.
const FETCH: usize = 64 * 1024;
/// How often the round-trip time is read.
const REFRESH: Duration = Duration::from_secs(5);
/// User-initiated abort (RFC 9260 §3.3.10.12).
const USER_ABORT: u16 = 12;

pub(super) struct Driver {
    socket: ConnectedSocket,
    link: Arc<Link>,
    /// Fetched from the outbox, not yet taken by the kernel.
    pending: Vec<Message>,
    received: Vec<NotificationOrData>,
    /// This side has begun to end the association.
    shut: bool,
    /// The kernel takes no more messages; `recv` will tell why.
    mute: bool,
    /// What an ABORT of the peer said.
    abort_reason: String,
}

impl Driver {
    pub(super) fn new(socket: ConnectedSocket, link: Arc<Link>) -> Self {
        Self {
            socket,
            link,
            pending: Vec::new(),
            received: Vec::new(),
            shut: false,
            mute: false,
            abort_reason: String::new(),
        }
    }

    /// Carries messages until the association is over.
    pub(super) async fn run(mut self) {
        let link = self.link.clone();
        let mut refresh = tokio::time::interval(REFRESH);
        let reason = loop {
            match self.begin_turn() {
                Ok(()) => {}
                Err(why) => {
                    if let Err(error) = self.socket.abort(why.as_bytes()) {
                        tracing::debug!(%error, "abort");
                    }
                    break CloseReason::LocalAbort(why);
                }
            }
            let batch: Vec<(&[u8], SendOptions)> = self.pending.iter().take(BATCH).map(outgoing).collect();
            tokio::select! {
                biased;
                got = self.socket.recv_many(&mut self.received, BATCH), if link.has_room() => {
                    match got {
                        Ok(0) => break CloseReason::Shutdown,
                        Ok(_) => self.deliver(),
                        Err(error) if passing(&error) => {}
                        Err(error) => break self.last_words(error).await,
                    }
                }
                sent = self.socket.send_many(&batch), if !batch.is_empty() => self.sent(sent),
                () = link.kicked() => {}
                _ = refresh.tick() => self.refresh(),
            }
        };
        link.close(&reason);
    }

    /// Takes from the outbox what there is. The error is the reason of an abort asked for.
    fn begin_turn(&mut self) -> Result<(), String> {
        let budget = if self.pending.is_empty() { FETCH } else { 0 };
        let outgoing = self.link.fetch(budget, &mut self.pending);
        if self.mute {
            self.pending.clear();
        }
        match outgoing.ending {
            Some(Ending::Abort(why)) => return Err(why),
            Some(Ending::Shutdown) if outgoing.drained && self.pending.is_empty() && !self.shut => {
                self.shut = true;
                if let Err(error) = self.socket.shutdown(std::net::Shutdown::Write) {
                    // Over already; `recv` says how.
                    tracing::debug!(%error, "shutdown");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn sent(&mut self, result: io::Result<usize>) {
        match result {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                // One message that the kernel will never take, such as one for a stream lost in a restart.
                tracing::debug!(%error, "message not sent");
                self.pending.remove(0);
            }
            Err(error) => {
                tracing::debug!(%error, "no more messages are sent");
                self.mute = true;
            }
        }
    }

    fn deliver(&mut self) {
        let mut events = Vec::with_capacity(self.received.len());
        for received in std::mem::take(&mut self.received) {
            match received {
                NotificationOrData::Data(data) => events.push(Event::Message(incoming(data))),
                NotificationOrData::Notification(notification) => events.extend(self.notified(notification)),
                _ => {}
            }
        }
        self.link.deliver(events);
    }

    fn notified(&mut self, notification: Notification) -> Option<Event> {
        match notification {
            Notification::AssociationChange(change) => match change.state {
                AssocChangeState::Restart => {
                    self.refresh();
                    Some(Event::Restarted)
                }
                AssocChangeState::CommLost => {
                    self.abort_reason = reason(&change);
                    None
                }
                _ => None,
            },
            Notification::PeerAddressChange(_) => self.path_changed(),
            _ => None,
        }
    }

    /// The primary path while it is active, else the first that is.
    fn path_changed(&self) -> Option<Event> {
        let primary = self.socket.status().ok()?.peer_primary;
        let active = if primary.state == PathState::Active {
            primary
        } else {
            let paths = self.socket.paths().ok()?;
            paths.into_iter().find(|path| path.state == PathState::Active)?
        };
        let path = canonical(active.address).ip();
        if self.link.info().path == path {
            return None;
        }
        self.link.update_info(|info| {
            info.path = path;
            info.srtt = srtt(active.srtt);
        });
        Some(Event::PathChange(path))
    }

    fn refresh(&self) {
        if let Ok(now) = info(&self.socket) {
            self.link.update_info(|info| {
                info.srtt = now.srtt;
                info.peer = now.peer;
            });
        }
    }

    /// The system may tell the end before what came ahead of it: fetches that, then says how it ended.
    async fn last_words(&mut self, error: io::Error) -> CloseReason {
        while let Ok(Some(received)) = self.socket.recv().await {
            self.received.push(received);
        }
        self.deliver();
        match error.kind() {
            io::ErrorKind::TimedOut => CloseReason::Lost,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                CloseReason::PeerAbort(std::mem::take(&mut self.abort_reason))
            }
            _ => CloseReason::Endpoint(error.to_string()),
        }
    }
}

/// Whether the association goes on after an error of `recv`.
fn passing(error: &io::Error) -> bool {
    // A message longer than the limit was thrown away; the next is whole.
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Interrupted)
}

fn outgoing(message: &Message) -> (&[u8], SendOptions) {
    let options = SendOptions::new().stream(message.stream).ppid(message.ppid).unordered(message.unordered);
    (&message.payload, options)
}

fn incoming(data: ReceivedData) -> Message {
    let information = data.rcv_info.as_ref();
    Message {
        stream: information.map_or(0, |information| information.sid),
        ppid: information.map_or(0, |information| information.ppid),
        unordered: information.is_some_and(|information| information.flags & SendInfo::UNORDERED != 0),
        payload: Bytes::from(data.payload),
    }
}

/// The text of a user-initiated abort, where the peer gave one.
fn reason(change: &AssociationChange) -> String {
    let Some((head, rest)) = change.info.split_at_checked(4) else {
        return String::new();
    };
    let code = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]])).saturating_sub(4);
    if code != USER_ABORT {
        return format!("cause {code}");
    }
    let text = String::from_utf8_lossy(&rest[..length.min(rest.len())]).into_owned();
    text.chars().filter(|c| !c.is_control()).take(128).collect()
}
