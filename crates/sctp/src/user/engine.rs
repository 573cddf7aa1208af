//! The engine: packet sockets, listeners, associations and timers, run as one task in turns.
//!
//! A turn receives up to 64 packets per socket, does what handles asked for, fires timers, moves messages of the
//! associations touched, and sends everything that came out of it with as few system calls as possible.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use crate::config::Config;
use crate::error::Error;
use crate::event::CloseReason;
use crate::impairment::{Fate, Impairment};
use crate::link::{Limits, Link};

use super::clock::Clock;
use super::cookie::{CookieSealer, Ports};
use super::path::Route;
use super::peer::{Change, Peer, Produce};
use super::socket::{Encapsulation, Outgoing, PacketSocket, ReceiveBuffer};
use super::{EndpointCounters, EngineShared};

/// When nothing else is due.
const IDLE: Duration = Duration::from_secs(3600);

/// Both ends of an association, as packets name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub local: IpAddr,
    pub local_port: u16,
    pub peer: IpAddr,
    pub peer_port: u16,
}

pub(super) struct Listener {
    pub id: u64,
    pub port: u16,
    /// Sockets it listens on.
    pub sockets: Vec<usize>,
    pub config: Config,
    pub accepted: mpsc::Sender<Arc<Link>>,
    /// Associations that came in through it.
    pub associations: usize,
}

/// An association with what the engine needs to know about it.
pub(super) struct Entry {
    pub peer: Peer,
    pub origin: Origin,
    pub limits: Limits,
    /// Our addresses, listed in INIT and INIT ACK; empty where there is but one, or any.
    pub own: Vec<IpAddr>,
    /// Under which it can be found.
    pub ends: Vec<Ends>,
    pub tag: u32,
}

/// Who waits for an association.
pub(super) enum Origin {
    /// A listener.
    Listener(u64),
    /// `connect`, until established.
    Client(Option<oneshot::Sender<Result<Arc<Link>, Error>>>),
}

pub(super) struct Engine {
    pub shared: Arc<EngineShared>,
    pub encapsulation: Encapsulation,
    pub sealer: CookieSealer,
    clock: Clock,
    pub now: Duration,
    pub sockets: Vec<PacketSocket>,
    pub listeners: Vec<Listener>,
    pub entries: HashMap<u64, Entry>,
    pub by_ends: HashMap<Ends, u64>,
    pub by_tag: HashMap<(u16, u32), u64>,
    /// How many associations use a local port.
    pub ports: HashMap<u16, usize>,
    pub lingering: VecDeque<(Duration, u16)>,
    pub next_id: u64,
    pub timers: BinaryHeap<Reverse<(Duration, u64)>>,
    pub dirty: Vec<u64>,
    pub outgoing: Vec<Vec<Outgoing>>,
    pub delayed: Option<(usize, Outgoing)>,
    pub seen: EndpointCounters,
    /// Told after the turn's packets have left: whoever hears of an end may exit at once.
    pub farewells: Vec<(Entry, CloseReason)>,
}

impl Entry {
    /// Tells whoever holds or awaits the association that it is over.
    fn tell(self, reason: &CloseReason) {
        if let Origin::Client(Some(reply)) = self.origin {
            // A caller that gave up is not there to be told.
            let _ = reply.send(Err(Error::NotEstablished(reason.clone())));
        }
        if let Some(link) = &self.peer.link {
            link.close(reason);
        }
        self.peer.discard();
    }
}

impl Engine {
    pub(super) fn new(shared: Arc<EngineShared>, encapsulation: Encapsulation, sealer: CookieSealer) -> Self {
        Self {
            shared,
            encapsulation,
            sealer,
            clock: Clock::new(),
            now: Duration::ZERO,
            sockets: Vec::new(),
            listeners: Vec::new(),
            entries: HashMap::new(),
            by_ends: HashMap::new(),
            by_tag: HashMap::new(),
            ports: HashMap::new(),
            lingering: VecDeque::new(),
            next_id: 1,
            timers: BinaryHeap::new(),
            dirty: Vec::new(),
            outgoing: Vec::new(),
            delayed: None,
            seen: EndpointCounters::default(),
            farewells: Vec::new(),
        }
    }

    /// Works until nobody needs it any more.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        let mut buffer = ReceiveBuffer::new();
        let mut notified = pin!(shared.notify.notified());
        let mut sleep = pin!(tokio::time::sleep(IDLE));
        loop {
            poll_fn(|cx| {
                let told = poll_notified(notified.as_mut(), &shared, cx);
                let slept = self.poll_timer(sleep.as_mut(), cx);
                let received = self.poll_sockets(cx, &mut buffer);
                if told || slept || received { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            self.turn();
            if self.stop() {
                return;
            }
        }
    }

    /// When the next turn has to be at the latest.
    fn due(&self) -> Duration {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        timer.unwrap_or(self.now + IDLE).max(self.now)
    }

    fn poll_timer(&mut self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        let due = self.clock.instant(self.due());
        // A later deadline is left alone: the early wake-up sets it anew.
        if due < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(due);
        }
        sleep.poll(cx).is_ready()
    }

    fn poll_sockets(&mut self, cx: &mut Context<'_>, buffer: &mut ReceiveBuffer) -> bool {
        let mut received = false;
        for socket in 0..self.sockets.len() {
            match self.sockets[socket].poll_receive(cx, buffer) {
                Poll::Pending => {}
                Poll::Ready(Ok(_)) => {
                    received = true;
                    self.now = self.clock.now(self.due());
                    for (packet, hop) in buffer.packets() {
                        self.packet(packet, Route { socket, hop });
                    }
                }
                Poll::Ready(Err(error)) => {
                    // Errors of earlier packets; the socket goes on.
                    tracing::debug!(%error, "packet socket");
                    received = true;
                }
            }
        }
        received
    }

    fn turn(&mut self) {
        self.now = self.clock.now(self.due());
        let (commands, ready) = {
            let mut state = self.shared.lock();
            (std::mem::take(&mut state.commands), std::mem::take(&mut state.ready))
        };
        for command in commands {
            self.command(command);
        }
        for id in ready {
            self.touch(id);
        }
        self.fire_timers();
        self.pump();
        // Before anyone can see an effect of the turn.
        self.seen.associations = self.entries.len() as u64;
        self.shared.lock().counters = self.seen;
        self.flush();
        for (entry, reason) in self.farewells.drain(..) {
            entry.tell(&reason);
        }
    }

    /// Stops when no handle, listener or association is left.
    fn stop(&mut self) -> bool {
        if !self.entries.is_empty() || !self.listeners.is_empty() {
            return false;
        }
        let mut state = self.shared.lock();
        if state.users > 0 || !state.commands.is_empty() {
            return false;
        }
        // Closed before anyone can start another engine on the same port.
        self.sockets.clear();
        state.stopped = true;
        true
    }

    /// Has an association pumped at the end of the turn.
    pub(super) fn touch(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id)
            && !std::mem::replace(&mut entry.peer.dirty, true)
        {
            self.dirty.push(id);
        }
    }

    fn pump(&mut self) {
        while let Some(id) = self.dirty.pop() {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            entry.peer.dirty = false;
            let mut produce = Produce::default();
            entry.peer.pump(self.now, &mut produce);
            self.emit(id, produce, None, false, &[]);
        }
    }

    fn fire_timers(&mut self) {
        while let Some(Reverse((at, id))) = self.timers.peek().copied()
            && at <= self.now
        {
            self.timers.pop();
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if entry.peer.armed != Some(at) {
                continue;
            }
            entry.peer.armed = None;
            let mut produce = Produce::default();
            entry.peer.tick(self.now, &mut produce);
            entry.peer.refresh_info();
            self.emit(id, produce, None, true, &[]);
            self.touch(id);
        }
    }

    /// Sends what an association produced, to `answer` or over its active path, and acts on its changes.
    /// `listed`: the addresses that an INIT answered by it lists.
    pub(super) fn emit(&mut self, id: u64, produce: Produce, answer: Option<Route>, by_timer: bool, listed: &[IpAddr]) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if !produce.packets.is_empty() {
            let route = answer.unwrap_or_else(|| entry.peer.route(&produce.packets, by_timer));
            let impairment = entry.peer.impairment.clone();
            let ports = Ports { local: entry.peer.local_port, peer: entry.peer.peer_port };
            let own = std::mem::take(&mut entry.own);
            for packet in produce.packets {
                let packet = self.dress(packet, ports, route, &own, listed);
                self.send(route, packet, impairment.as_ref());
            }
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.own = own;
            }
        }
        for change in produce.changes {
            match change {
                Change::Established => self.established(id),
                Change::Retagged => self.retag(id),
                Change::Closed(reason) => self.close(id, &reason),
            }
        }
        self.arm(id);
    }

    fn arm(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        // Never at once: a timer that fires without effect must not hold the turn.
        let soonest = self.now + Duration::from_millis(1);
        let next = entry.peer.next_timer().map(|at| at.max(soonest));
        if let Some(at) = next
            && entry.peer.armed.is_none_or(|armed| at < armed)
        {
            entry.peer.armed = Some(at);
            self.timers.push(Reverse((at, id)));
        }
    }

    /// Queues a packet for the end of the turn.
    pub(super) fn send(&mut self, route: Route, data: Vec<u8>, impairment: Option<&Impairment>) {
        let fate = impairment.map_or(Fate::Send, |impairment| impairment.fate(&data, route.hop.peer));
        let packet = Outgoing { data, hop: route.hop };
        let Some(queue) = self.outgoing.get_mut(route.socket) else {
            return;
        };
        match fate {
            Fate::Drop => return,
            Fate::Delay if self.delayed.is_none() => {
                self.delayed = Some((route.socket, packet));
                return;
            }
            Fate::Duplicate => {
                let data = packet.data.clone();
                queue.push(Outgoing { data, ..packet });
            }
            Fate::Send | Fate::Delay => {}
        }
        queue.push(packet);
        if let Some((socket, packet)) = self.delayed.take() {
            self.outgoing[socket].push(packet);
        }
    }

    fn flush(&mut self) {
        for (socket, queue) in self.sockets.iter().zip(&mut self.outgoing) {
            socket.send(queue);
            queue.clear();
        }
    }
}

/// Whoever still holds a handle learns that the engine is gone.
impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        let reason = CloseReason::Endpoint("stopped".to_owned());
        for (_, entry) in self.entries.drain() {
            if let Some(link) = &entry.peer.link {
                link.close(&reason);
            }
        }
    }
}

fn poll_notified<'a>(mut notified: Pin<&mut Notified<'a>>, shared: &'a EngineShared, cx: &mut Context<'_>) -> bool {
    let told = notified.as_mut().poll(cx).is_ready();
    if told {
        notified.set(shared.notify.notified());
    }
    told
}
