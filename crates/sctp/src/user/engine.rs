//! The engine: packet sockets, listeners, associations and timers, run as one task in turns.
//!
//! A turn receives up to 64 packets per socket, does what handles asked for, fires timers, moves messages of the
//! associations touched, and sends everything that came out of it with as few system calls as possible.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use crate::config::Config;
use crate::error::Error;
use crate::event::{Carrier, CloseReason};
use crate::impairment::{Fate, Impairment};
use crate::link::{Kick, Limits, Link};

use super::cookie::{CookieSealer, Ports};
use super::path::{Paths, Route};
use super::peer::{Change, Peer, Produce, options};
use super::socket::{Encapsulation, Outgoing, PacketSocket, ReceiveBuffer, source_towards};
use super::{Command, EndpointCounters, EngineShared, Listening};

/// Ports for clients and tests (RFC 6335 §6).
const EPHEMERAL: std::ops::RangeInclusive<u16> = 49152..=65535;
/// A port is answered for so long after its last association: the peer may have missed the last packet.
const LINGER: Duration = Duration::from_secs(30);
/// Ports remembered for that.
const LINGERING: usize = 1024;
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
    id: u64,
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
    origin: Origin,
    limits: Limits,
    /// Our addresses, listed in INIT and INIT ACK; empty where there is but one, or any.
    pub own: Vec<IpAddr>,
    /// Under which it can be found.
    ends: Vec<Ends>,
    tag: u32,
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
    encapsulation: Encapsulation,
    pub sealer: CookieSealer,
    epoch: Instant,
    pub now: Duration,
    pub sockets: Vec<PacketSocket>,
    pub listeners: Vec<Listener>,
    pub entries: HashMap<u64, Entry>,
    pub by_ends: HashMap<Ends, u64>,
    pub by_tag: HashMap<(u16, u32), u64>,
    /// How many associations use a local port.
    pub ports: HashMap<u16, usize>,
    lingering: VecDeque<(Duration, u16)>,
    next_id: u64,
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    dirty: Vec<u64>,
    outgoing: Vec<Vec<Outgoing>>,
    delayed: Option<(usize, Outgoing)>,
    pub seen: EndpointCounters,
    /// Told after the turn's packets have left: whoever hears of an end may exit at once.
    farewells: Vec<(Entry, CloseReason)>,
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
            epoch: Instant::now(),
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

    fn poll_timer(&mut self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> bool {
        let due = self.timers.peek().map_or(self.now + IDLE, |Reverse((at, _))| *at);
        let due = self.epoch + due;
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
                    self.now = self.epoch.elapsed();
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
        self.now = self.epoch.elapsed();
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

    // ---- associations ----

    pub(super) fn random(&self) -> u64 {
        let mut octets = [0; 8];
        // Fails on no system this runs on; the stack's own seed then stays, which is random too.
        match getrandom::fill(&mut octets) {
            Ok(()) => u64::from_ne_bytes(octets),
            Err(_) => fastrand::u64(..),
        }
    }

    /// The stack draws tags and sequence numbers from a generator that its output gives away: it is seeded anew
    /// before each use, so that nobody can guess another's (RFC 9260 §5.3.1).
    pub(super) fn reseed(&self) {
        fastrand::seed(self.random());
    }

    pub(super) fn carrier(&self) -> Carrier {
        match self.encapsulation {
            Encapsulation::RawIp => Carrier::RawIp,
            Encapsulation::Udp(_) => Carrier::Udp,
        }
    }

    pub(super) fn insert(
        &mut self,
        config: &Config,
        ends: Ends,
        paths: Paths,
        origin: Origin,
        own: Vec<IpAddr>,
    ) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let options = options(config, ends.local_port, ends.peer_port);
        let peer = Peer::new(id, config, &options, self.carrier(), paths);
        let limits =
            Limits { inbox: config.receive_window / 4, outbox: config.send_queue, message: config.max_message };
        let entry = Entry { peer, origin, limits, own, ends: Vec::new(), tag: 0 };
        self.entries.insert(id, entry);
        *self.ports.entry(ends.local_port).or_default() += 1;
        self.find_by(id, ends);
        id
    }

    /// Makes an association findable by these ends, unless another is already.
    pub(super) fn find_by(&mut self, id: u64, ends: Ends) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        self.by_ends.entry(ends).or_insert_with(|| {
            entry.ends.push(ends);
            id
        });
    }

    fn retag(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let port = entry.peer.local_port;
        if entry.tag != 0 && self.by_tag.get(&(port, entry.tag)) == Some(&id) {
            self.by_tag.remove(&(port, entry.tag));
        }
        entry.tag = entry.peer.tag;
        self.by_tag.insert((port, entry.tag), id);
    }

    fn established(&mut self, id: u64) {
        self.retag(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let kick = Kick::Engine(self.shared.clone(), id);
        let link = Arc::new(Link::new(kick, entry.limits, entry.peer.info()));
        entry.peer.link = Some(link.clone());
        let wanted = match &mut entry.origin {
            Origin::Client(reply) => reply.take().is_some_and(|reply| reply.send(Ok(link)).is_ok()),
            Origin::Listener(listener) => self
                .listeners
                .iter()
                .find(|candidate| candidate.id == *listener)
                .is_some_and(|listener| listener.accepted.try_send(link).is_ok()),
        };
        if !wanted {
            let mut produce = Produce::default();
            let reason = CloseReason::LocalAbort("nobody waits for it".to_owned());
            entry.peer.abort(reason, &mut produce);
            self.emit(id, produce, None, false, &[]);
            return;
        }
        self.touch(id);
    }

    pub(super) fn close(&mut self, id: u64, reason: &CloseReason) {
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        for ends in &entry.ends {
            self.by_ends.remove(ends);
        }
        let port = entry.peer.local_port;
        if self.by_tag.get(&(port, entry.tag)) == Some(&id) {
            self.by_tag.remove(&(port, entry.tag));
        }
        self.release_port(port);
        if let Origin::Listener(id) = entry.origin
            && let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id)
        {
            listener.associations -= 1;
        }
        self.farewells.push((entry, reason.clone()));
    }

    fn release_port(&mut self, port: u16) {
        if let Some(count) = self.ports.get_mut(&port) {
            *count -= 1;
            if *count == 0 {
                self.ports.remove(&port);
            }
        }
        let in_use = self.ports.contains_key(&port) || self.listeners.iter().any(|listener| listener.port == port);
        if in_use {
            return;
        }
        if self.lingering.len() == LINGERING {
            self.lingering.pop_front();
        }
        self.lingering.push_back((self.now + LINGER, port));
    }

    /// Whether this process answers for a port.
    pub(super) fn owns(&mut self, port: u16, socket: usize) -> bool {
        while self.lingering.front().is_some_and(|(until, _)| *until < self.now) {
            self.lingering.pop_front();
        }
        self.listener(port, socket).is_some()
            || self.ports.contains_key(&port)
            || self.lingering.iter().any(|(_, lingering)| *lingering == port)
    }

    pub(super) fn listener(&self, port: u16, socket: usize) -> Option<usize> {
        self.listeners.iter().position(|listener| listener.port == port && listener.sockets.contains(&socket))
    }

    pub(super) fn listener_origin(&mut self, index: usize) -> Origin {
        self.listeners[index].associations += 1;
        Origin::Listener(self.listeners[index].id)
    }

    /// Our addresses on these sockets, to be listed in INIT and INIT ACK; none where there is but one, or any.
    pub(super) fn addresses_of(&self, sockets: &[usize]) -> Vec<IpAddr> {
        let addresses: Vec<IpAddr> = sockets
            .iter()
            .map(|socket| self.sockets[*socket].local())
            .filter(|address| !address.is_unspecified())
            .collect();
        if addresses.len() > 1 { addresses } else { Vec::new() }
    }

    // ---- what handles ask for ----

    fn command(&mut self, command: Command) {
        match command {
            Command::Listen { config, accepted, reply } => {
                let listening = self.listen(config, accepted);
                if let Err(Ok(listening)) = reply.send(listening) {
                    self.unlisten(listening.id);
                }
            }
            Command::Unlisten { id } => self.unlisten(id),
            Command::Connect { config, peer, reply } => self.connect(&config, &peer, reply),
        }
    }

    fn listen(&mut self, mut config: Config, accepted: mpsc::Sender<Arc<Link>>) -> Result<Listening, Error> {
        let sockets = self.sockets_for(&config)?;
        let taken = |engine: &Self, port| sockets.iter().any(|socket| engine.listener(port, *socket).is_some());
        if config.port == 0 {
            config.port = self.free_port(|engine, port| !taken(engine, port))?;
        } else if taken(self, config.port) {
            return Err(Error::PortInUse(config.port));
        }
        let id = self.next_id;
        self.next_id += 1;
        let listening = Listening {
            id,
            local: sockets.iter().map(|socket| SocketAddr::new(self.sockets[*socket].local(), config.port)).collect(),
            udp: sockets.first().and_then(|socket| self.sockets[*socket].udp_port()),
        };
        self.listeners.push(Listener { id, port: config.port, sockets, config, accepted, associations: 0 });
        Ok(listening)
    }

    fn unlisten(&mut self, id: u64) {
        self.listeners.retain(|listener| listener.id != id);
    }

    fn connect(&mut self, config: &Config, peer: &[SocketAddr], reply: oneshot::Sender<Result<Arc<Link>, Error>>) {
        match self.prepare_connect(config, peer) {
            Ok((ends, paths, own)) => {
                let id = self.insert(config, ends, paths, Origin::Client(Some(reply)), own);
                self.reseed();
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.peer.connect(self.now);
                }
                self.retag(id);
                self.touch(id);
            }
            Err(error) => {
                // A caller that gave up is not there to be told.
                let _ = reply.send(Err(error));
            }
        }
    }

    fn prepare_connect(&mut self, config: &Config, peer: &[SocketAddr]) -> Result<(Ends, Paths, Vec<IpAddr>), Error> {
        let first = peer.first().ok_or(Error::PeerAddress("none was given"))?;
        let mut config = config.clone();
        if config.local.is_empty() {
            for address in peer {
                let source = source_towards(address.ip())?;
                if !config.local.contains(&source) {
                    config.local.push(source);
                }
            }
        }
        let sockets = self.sockets_for(&config)?;
        let udp = match self.encapsulation {
            Encapsulation::RawIp => 0,
            Encapsulation::Udp(_) => config.remote_udp_port,
        };
        let routes = peer.iter().filter_map(|address| {
            let peer = address.ip();
            let reaches = |socket: &&usize| self.sockets[**socket].reaches(peer);
            let hop = super::socket::Hop { peer, udp, local: None };
            sockets.iter().find(reaches).map(|socket| Route { socket: *socket, hop })
        });
        let paths = Paths::new(routes).ok_or(Error::PeerAddress("no local address of its family"))?;
        let ends = |engine: &Self, local_port| {
            let route = paths.active();
            Ends {
                local: engine.sockets[route.socket].local(),
                local_port,
                peer: route.hop.peer,
                peer_port: first.port(),
            }
        };
        let local_port = if config.port == 0 {
            self.free_port(|engine, port| {
                !engine.ports.contains_key(&port) && !engine.listeners.iter().any(|l| l.port == port)
            })?
        } else if self.by_ends.contains_key(&ends(self, config.port)) {
            return Err(Error::PortInUse(config.port));
        } else {
            config.port
        };
        Ok((ends(self, local_port), paths, self.addresses_of(&sockets)))
    }

    fn free_port(&self, free: impl Fn(&Self, u16) -> bool) -> Result<u16, Error> {
        let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        let start = self.random() % count;
        (0..count)
            .filter_map(|step| u16::try_from((start + step) % count).ok())
            .map(|offset| EPHEMERAL.start() + offset)
            .find(|port| free(self, *port))
            .ok_or(Error::PortInUse(0))
    }

    /// The sockets of the configured addresses, opened where they are not yet.
    fn sockets_for(&mut self, config: &Config) -> Result<Vec<usize>, Error> {
        if config.local.is_empty() {
            let v4 = self.socket_at(Ipv4Addr::UNSPECIFIED.into(), config.dscp)?;
            // A host without IPv6 still serves IPv4.
            let v6 = self.socket_at(Ipv6Addr::UNSPECIFIED.into(), config.dscp).ok();
            return Ok([Some(v4), v6].into_iter().flatten().collect());
        }
        config.local.iter().map(|local| self.socket_at(*local, config.dscp)).collect()
    }

    fn socket_at(&mut self, local: IpAddr, dscp: u8) -> Result<usize, Error> {
        if let Some(index) = self.sockets.iter().position(|socket| socket.local() == local) {
            return Ok(index);
        }
        let encapsulation = match (self.encapsulation, self.sockets.first()) {
            // All addresses of an endpoint use one UDP port, also a free one.
            (Encapsulation::Udp(0), Some(first)) => Encapsulation::Udp(first.udp_port().unwrap_or_default()),
            (encapsulation, _) => encapsulation,
        };
        self.sockets.push(PacketSocket::open(encapsulation, local, dscp)?);
        self.outgoing.push(Vec::new());
        Ok(self.sockets.len() - 1)
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
