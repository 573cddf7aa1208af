//! The two bounded mailboxes between an application and the back end that carries its association.
//!
//! The application's side is async; the back end's side never waits: it is told by a [`Kick`] when there is
//! something to fetch or when room has come. Weight is counted in octets, so that a bound on memory is one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::error::SendError;
use crate::event::{AssociationInfo, CloseReason, Event, Message};
use crate::user::EngineShared;

/// What a queued message costs besides its payload: its place in the queue and its allocation.
const OVERHEAD: usize = 64;

/// Wakes the back end of one association.
pub(crate) enum Kick {
    /// A userspace engine, and the association's name there.
    Engine(Arc<EngineShared>, u64),
    /// The kernel association's task.
    Task(Notify),
}

/// How the application wants the association to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Deliver what is queued, then SHUTDOWN.
    Shutdown,
    /// ABORT now, with this reason for the log.
    Abort(String),
}

/// One association as both sides see it.
pub(crate) struct Link {
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
    info: Mutex<AssociationInfo>,
    kick: Kick,
    kicked: AtomicBool,
    limits: Limits,
}

/// Bounds of the mailboxes, in octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub inbox: usize,
    pub outbox: usize,
    pub message: usize,
}

#[derive(Default)]
struct Inbox {
    queue: VecDeque<Event>,
    weight: usize,
    closed: Option<CloseReason>,
    waker: Option<Waker>,
    /// The back end holds events back until there is room.
    starved: bool,
    /// Nobody will read any more.
    discard: bool,
}

#[derive(Default)]
struct Outbox {
    queue: VecDeque<Message>,
    weight: usize,
    streams: u16,
    wakers: Vec<Waker>,
    ending: Option<Ending>,
    closed: Option<CloseReason>,
}

/// What the back end fetched from the outbox in one turn.
pub(crate) struct Outgoing {
    /// Nothing is left in the outbox.
    pub drained: bool,
    /// The application wants the association to end.
    pub ending: Option<Ending>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn weight(event: &Event) -> usize {
    match event {
        Event::Message(message) => message.payload.len() + OVERHEAD,
        Event::Restarted | Event::PathChange(_) | Event::Closed(_) => OVERHEAD,
    }
}

impl Link {
    pub(crate) fn new(kick: Kick, limits: Limits, info: AssociationInfo) -> Self {
        let outbox = Outbox { streams: info.peer.out_streams, ..Outbox::default() };
        Self {
            inbox: Mutex::default(),
            outbox: Mutex::new(outbox),
            info: Mutex::new(info),
            kick,
            kicked: AtomicBool::new(false),
            limits,
        }
    }

    // ---- the application's side ----

    pub(crate) fn info(&self) -> AssociationInfo {
        lock(&self.info).clone()
    }

    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Event> {
        let mut inbox = lock(&self.inbox);
        let Some(event) = inbox.queue.pop_front() else {
            return inbox.wait_or_closed(cx).map(Event::Closed);
        };
        inbox.weight -= weight(&event);
        let room = inbox.refilled(self.limits.inbox);
        drop(inbox);
        if room {
            self.kick();
        }
        Poll::Ready(event)
    }

    /// Moves up to `limit` events to `out`; the closing event alone, once nothing else is left.
    pub(crate) fn poll_recv_many(&self, cx: &mut Context<'_>, out: &mut Vec<Event>, limit: usize) -> Poll<usize> {
        let mut inbox = lock(&self.inbox);
        if inbox.queue.is_empty() {
            return inbox.wait_or_closed(cx).map(|reason| {
                out.push(Event::Closed(reason));
                1
            });
        }
        let count = limit.min(inbox.queue.len());
        let start = out.len();
        out.extend(inbox.queue.drain(..count));
        inbox.weight -= out[start..].iter().map(weight).sum::<usize>();
        let room = inbox.refilled(self.limits.inbox);
        drop(inbox);
        if room {
            self.kick();
        }
        Poll::Ready(count)
    }

    /// Queues a message, or says why not. `Full` registers the waker when there is one.
    pub(crate) fn offer(&self, message: Message, waker: Option<&Waker>) -> Result<(), (Message, SendError)> {
        let mut outbox = lock(&self.outbox);
        if let Err(error) = outbox.check(&message, self.limits.message) {
            return Err((message, error));
        }
        let cost = message.payload.len() + OVERHEAD;
        if !outbox.queue.is_empty() && outbox.weight + cost > self.limits.outbox {
            if let Some(waker) = waker
                && !outbox.wakers.iter().any(|known| known.will_wake(waker))
            {
                outbox.wakers.push(waker.clone());
            }
            return Err((message, SendError::Full));
        }
        outbox.weight += cost;
        outbox.queue.push_back(message);
        drop(outbox);
        self.kick();
        Ok(())
    }

    /// Asks for the end. An abort overrules a shutdown; the first reason stays.
    pub(crate) fn end(&self, ending: Ending) {
        let mut outbox = lock(&self.outbox);
        match (&outbox.ending, &ending) {
            (None, _) | (Some(Ending::Shutdown), Ending::Abort(_)) => outbox.ending = Some(ending),
            _ => return,
        }
        let wakers = std::mem::take(&mut outbox.wakers);
        drop(outbox);
        wakers.into_iter().for_each(Waker::wake);
        self.kick();
    }

    /// Nobody will read any more: what came and comes is dropped, and stops nobody.
    pub(crate) fn discard_incoming(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.discard = true;
        inbox.queue.clear();
        inbox.weight = 0;
        let starved = std::mem::take(&mut inbox.starved);
        drop(inbox);
        if starved {
            self.kick();
        }
    }

    fn kick(&self) {
        if self.kicked.swap(true, Ordering::AcqRel) {
            return;
        }
        match &self.kick {
            Kick::Engine(engine, id) => engine.ready(*id),
            Kick::Task(notify) => notify.notify_one(),
        }
    }

    // ---- the back end's side ----

    /// To be called before looking into the mailboxes: from here on the next change kicks again.
    pub(crate) fn unkick(&self) {
        self.kicked.store(false, Ordering::Release);
    }

    /// Waits for a kick (kernel task only).
    pub(crate) async fn kicked(&self) {
        match &self.kick {
            Kick::Task(notify) => notify.notified().await,
            Kick::Engine(..) => std::future::pending().await,
        }
        self.unkick();
    }

    /// Whether the inbox takes another event. If not, a kick follows when it does again.
    pub(crate) fn has_room(&self) -> bool {
        let mut inbox = lock(&self.inbox);
        let room = inbox.discard || inbox.weight < self.limits.inbox;
        inbox.starved = !room;
        room
    }

    /// Hands events to the application. Never refuses: ask [`Self::has_room`] before fetching more.
    pub(crate) fn deliver(&self, events: impl IntoIterator<Item = Event>) {
        let mut inbox = lock(&self.inbox);
        if inbox.discard {
            return;
        }
        for event in events {
            inbox.weight += weight(&event);
            inbox.queue.push_back(event);
        }
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Fetches messages until `budget` octets are exceeded.
    pub(crate) fn fetch(&self, budget: usize, out: &mut Vec<Message>) -> Outgoing {
        let mut outbox = lock(&self.outbox);
        let mut taken = 0;
        while taken < budget
            && let Some(message) = outbox.queue.pop_front()
        {
            taken += message.payload.len() + OVERHEAD;
            out.push(message);
        }
        outbox.weight -= taken;
        let wakers = if taken > 0 { std::mem::take(&mut outbox.wakers) } else { Vec::new() };
        let outgoing = Outgoing { drained: outbox.queue.is_empty(), ending: outbox.ending.clone() };
        drop(outbox);
        wakers.into_iter().for_each(Waker::wake);
        outgoing
    }

    /// The association is over.
    pub(crate) fn close(&self, reason: &CloseReason) {
        let mut outbox = lock(&self.outbox);
        outbox.closed = Some(reason.clone());
        outbox.queue.clear();
        outbox.weight = 0;
        let wakers = std::mem::take(&mut outbox.wakers);
        drop(outbox);
        wakers.into_iter().for_each(Waker::wake);
        let mut inbox = lock(&self.inbox);
        inbox.closed = Some(reason.clone());
        let waker = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn update_info(&self, update: impl FnOnce(&mut AssociationInfo)) {
        let mut info = lock(&self.info);
        update(&mut info);
        let streams = info.peer.out_streams;
        drop(info);
        lock(&self.outbox).streams = streams;
    }
}

impl Inbox {
    fn wait_or_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if let Some(reason) = &self.closed {
            return Poll::Ready(reason.clone());
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// True once when the back end waits for room and half the inbox is free again.
    fn refilled(&mut self, limit: usize) -> bool {
        self.starved && self.weight <= limit / 2 && std::mem::take(&mut self.starved)
    }
}

impl Outbox {
    fn check(&self, message: &Message, limit: usize) -> Result<(), SendError> {
        if let Some(reason) = &self.closed {
            return Err(SendError::Closed(reason.clone()));
        }
        match &self.ending {
            Some(Ending::Shutdown) => return Err(SendError::Closed(CloseReason::Shutdown)),
            Some(Ending::Abort(why)) => {
                return Err(SendError::Closed(CloseReason::LocalAbort(why.clone())));
            }
            None => {}
        }
        let len = message.payload.len();
        if len == 0 {
            return Err(SendError::Empty);
        }
        if len > limit {
            return Err(SendError::TooLong { len, limit });
        }
        if message.stream >= self.streams {
            return Err(SendError::NoStream { stream: message.stream, streams: self.streams });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
