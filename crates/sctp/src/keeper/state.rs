//! What the keeper knows: associations, the uplink log, and which daemon is served. One thread owns it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::SystemTime;

use tokio::sync::Notify;

use super::frame::{Limits, Report, Request};
use super::log::UplinkLog;
use super::{AssociationId, KeeperEvent, Live, Welcome};
use crate::association::SctpSender;
use crate::error::SendError;
use crate::event::{Event, Message};

/// A daemon's turn at the keeper; a later one has a higher number.
pub(super) type Turn = u64;

/// Shared by the keeper's tasks, all on one thread.
#[derive(Clone)]
pub(super) struct Shared(Rc<Inner>);

struct Inner {
    state: RefCell<State>,
    /// The daemon's writer has something to write.
    work: Notify,
    /// The log has room again.
    room: Notify,
    /// An association has gone.
    gone: Notify,
}

struct State {
    log: UplinkLog,
    associations: BTreeMap<AssociationId, Association>,
    next_id: u64,
    instance: u64,
    listening: Vec<SocketAddr>,
    limits: Limits,
    turn: Turn,
    /// Number of the last event written to the daemon of this turn.
    written: u64,
    credits: BTreeMap<AssociationId, u32>,
    /// So much credit is owed that it must not wait for an event to travel with.
    credits_due: bool,
}

struct Association {
    sender: SctpSender,
    /// Downlink messages that the association has no room for yet, with the turn they came in.
    waiting: VecDeque<(Turn, Message)>,
    /// Their octets.
    octets: usize,
}

/// A waiting message that now has to be sent by a task.
pub(super) struct Stuck {
    pub id: AssociationId,
    pub sender: SctpSender,
}

impl Shared {
    pub(super) fn new(instance: u64, listening: Vec<SocketAddr>, limits: Limits, buffer: usize) -> Self {
        Self(Rc::new(Inner {
            state: RefCell::new(State {
                log: UplinkLog::new(buffer),
                associations: BTreeMap::new(),
                next_id: 1,
                instance,
                listening,
                limits,
                turn: 0,
                written: 0,
                credits: BTreeMap::new(),
                credits_due: false,
            }),
            work: Notify::new(),
            room: Notify::new(),
            gone: Notify::new(),
        }))
    }

    // ---- associations ----

    /// A new association; its name.
    pub(super) fn up(&self, sender: SctpSender) -> AssociationId {
        let info = sender.info();
        let mut state = self.0.state.borrow_mut();
        let id = AssociationId(state.next_id);
        state.next_id += 1;
        let association = Association { sender, waiting: VecDeque::new(), octets: 0 };
        state.associations.insert(id, association);
        state.log.push(KeeperEvent::Up(Live {
            id,
            peer: info.peer,
            local_port: info.local_port,
            carrier: info.carrier,
            since: to_the_millisecond(SystemTime::now()),
        }));
        drop(state);
        self.0.work.notify_one();
        id
    }

    /// Logs what an association reported; true when it is over.
    pub(super) fn report(&self, id: AssociationId, events: impl Iterator<Item = Event>) -> bool {
        let mut state = self.0.state.borrow_mut();
        let mut over = false;
        for event in events {
            let event = match event {
                Event::Message(message) => KeeperEvent::Message { id, message },
                Event::PathChange(path) => KeeperEvent::PathChange { id, path },
                Event::Restarted => match state.associations.get(&id) {
                    Some(association) => KeeperEvent::Restarted { id, peer: association.sender.info().peer },
                    None => continue,
                },
                Event::Closed(reason) => {
                    over = true;
                    state.associations.remove(&id);
                    state.credits.remove(&id);
                    KeeperEvent::Down { id, reason }
                }
            };
            state.log.push(event);
        }
        drop(state);
        self.0.work.notify_one();
        if over {
            self.0.gone.notify_waiters();
        }
        over
    }

    /// Waits until more may be read from an association.
    pub(super) async fn room(&self, id: AssociationId) {
        loop {
            let notified = self.0.room.notified();
            if self.0.state.borrow().log.has_room(id) {
                return;
            }
            notified.await;
        }
    }

    /// Shuts every association down and waits until all are gone.
    pub(super) async fn shut_down(&self) {
        for association in self.0.state.borrow().associations.values() {
            association.sender.shutdown();
        }
        loop {
            let notified = self.0.gone.notified();
            if self.0.state.borrow().associations.is_empty() {
                return;
            }
            notified.await;
        }
    }

    // ---- the daemon ----

    /// A daemon takes over; what it is told first.
    pub(super) fn take_over(&self) -> (Turn, Report) {
        let mut state = self.0.state.borrow_mut();
        state.turn += 1;
        state.written = state.log.acked();
        state.credits.clear();
        let welcome = Welcome {
            instance: state.instance,
            listening: state.listening.clone(),
            live: state.log.live(),
            acked: state.log.acked(),
        };
        let report = Report::Welcome { welcome, limits: state.limits };
        let turn = state.turn;
        (turn, report)
    }

    /// Does what the daemon asks. `Some` when a message has to wait, and a task for it is needed.
    pub(super) fn request(&self, turn: Turn, request: Request) -> Option<Stuck> {
        let mut state = self.0.state.borrow_mut();
        match request {
            Request::Send { id, message } => return state.send(turn, id, message),
            Request::Ack { seq } => {
                // Not what this daemon has not been given.
                let seq = seq.min(state.written);
                state.log.ack(seq);
                drop(state);
                self.0.room.notify_waiters();
            }
            Request::Shutdown { id } => {
                if let Some(association) = state.associations.get(&id) {
                    association.sender.shutdown();
                }
            }
            Request::Abort { id, reason } => {
                if let Some(association) = state.associations.get(&id) {
                    association.sender.abort(&reason);
                }
            }
            Request::Hello { .. } => {}
        }
        None
    }

    /// The message that waits longest for an association.
    pub(super) fn next_waiting(&self, id: AssociationId) -> Option<Message> {
        let state = self.0.state.borrow();
        let (_, message) = state.associations.get(&id)?.waiting.front()?;
        Some(message.clone())
    }

    /// That message is on its way.
    pub(super) fn waited(&self, id: AssociationId) {
        let mut state = self.0.state.borrow_mut();
        let Some(association) = state.associations.get_mut(&id) else {
            return;
        };
        if let Some((turn, message)) = association.waiting.pop_front() {
            association.octets -= message.payload.len();
            state.credit(turn, id, message.payload.len());
            drop(state);
            self.0.work.notify_one();
        }
    }

    /// Waits until there may be something to write for the daemon.
    pub(super) async fn work(&self) {
        self.0.work.notified().await;
    }

    /// Whether there is something to write for the daemon of this turn.
    pub(super) fn has_work(&self, turn: Turn) -> bool {
        let state = self.0.state.borrow();
        state.turn == turn && (state.credits_due || state.written < state.log.last())
    }

    /// What is to be written for the daemon of this turn, until `enough` says so.
    pub(super) fn write(&self, turn: Turn, mut write: impl FnMut(&Report) -> bool) {
        let mut state = self.0.state.borrow_mut();
        if state.turn != turn {
            return;
        }
        if state.credits_due || state.written < state.log.last() {
            state.credits_due = false;
            for (id, octets) in std::mem::take(&mut state.credits) {
                write(&Report::Credit { id, octets });
            }
        }
        while let Some(uplink) = state.log.get(state.written + 1) {
            state.written += 1;
            if !write(&Report::Event(uplink)) {
                return;
            }
        }
    }
}

impl State {
    fn send(&mut self, turn: Turn, id: AssociationId, message: Message) -> Option<Stuck> {
        let association = self.associations.get_mut(&id)?;
        let octets = message.payload.len();
        // The one before may have left a window's worth.
        if association.octets + octets > 2 * self.limits.window as usize {
            tracing::warn!(association = id.0, "daemon sends beyond its window; message dropped");
            return None;
        }
        if !association.waiting.is_empty() {
            association.octets += octets;
            association.waiting.push_back((turn, message));
            return None;
        }
        match association.sender.try_send(message) {
            Err((message, SendError::Full)) => {
                association.octets += octets;
                association.waiting.push_back((turn, message));
                let sender = association.sender.clone();
                Some(Stuck { id, sender })
            }
            Err((_, error)) => {
                tracing::debug!(association = id.0, %error, "downlink message not sent");
                self.credit(turn, id, octets);
                None
            }
            Ok(()) => {
                self.credit(turn, id, octets);
                None
            }
        }
    }

    fn credit(&mut self, turn: Turn, id: AssociationId, octets: usize) {
        // A daemon that took over began with a full window.
        if turn == self.turn {
            let octets = u32::try_from(octets).unwrap_or(u32::MAX);
            let owed = self.credits.entry(id).or_default();
            *owed = owed.saturating_add(octets);
            self.credits_due |= *owed >= self.limits.window / 4;
        }
    }
}

fn to_the_millisecond(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(millis)
}
