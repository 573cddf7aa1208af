//! The loop that owns the node.

use crate::connection::{Order, QUEUE, Told};
use crate::counters::PeerStatus;
use crate::dial::{self, Surroundings};
use crate::settings::{Remote, Settings, StartError};
use basalt_diameter::node::{
    Down, Effect, Effects, Event, Failure, Handle, Input, LinkId, Local, Node, Outgoing, PeerId, Token, answer,
};
use basalt_diameter::{HEADER, Limits, Message, Outcome, ResultCode, framed};
use basalt_sansio::{DetHashMap, SecureSeed, Time};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// What connections tell that waits for the loop.
const TOLD: usize = 1024;
/// Commands that wait for the loop: as many as a caller may ask at a time, whose own queue ([`Requests`]) is what bounds them.
const COMMANDS: usize = 131_072;
/// Commands that are obeyed, and things that connections tell, before others have their turn.
const BATCH: usize = 256;
const NEWS: usize = 64;

/// An answer to a request of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Whose.
    pub peer: PeerId,
    /// The message.
    pub octets: Vec<u8>,
    /// From sending to the answer.
    pub took: Duration,
}

/// A request of a peer's, to be answered by [`Handler::answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Whose.
    pub peer: PeerId,
    /// To answer it by.
    pub handle: Handle,
    /// The message.
    pub octets: Vec<u8>,
}

/// How a request of a [`Requests`] ended, by its number.
pub type Ended = (u64, Result<Answered, Failure>);

/// Who waits for an answer.
enum Done {
    Alone(oneshot::Sender<Result<Answered, Failure>>),
    /// A place in the queue of all that this caller asked.
    Queued(u64, mpsc::OwnedPermit<Ended>),
}

impl Done {
    fn end(self, result: Result<Answered, Failure>) {
        match self {
            // Who asked may have gone.
            Self::Alone(done) => drop(done.send(result)),
            Self::Queued(number, place) => drop(place.send((number, result))),
        }
    }
}

enum Command {
    Request { octets: Vec<u8>, key: u64, within: Duration, done: Done },
    Answer { handle: Handle, octets: Vec<u8> },
    Peers { done: oneshot::Sender<Vec<PeerStatus>> },
    Stop { done: oneshot::Sender<()> },
}

/// Speaks to the node.
#[derive(Debug, Clone)]
pub struct Handler {
    commands: mpsc::Sender<Command>,
    bound: Vec<SocketAddr>,
}

impl core::fmt::Debug for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Command")
    }
}

impl Handler {
    /// Sends a request and waits for its answer. `key`: what is alike goes to the same peer.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn request(&self, octets: Vec<u8>, key: u64, within: Duration) -> Result<Answered, Failure> {
        let (done, wait) = oneshot::channel();
        let command = Command::Request { octets, key, within, done: Done::Alone(done) };
        match tokio::time::timeout(within, self.commands.send(command)).await {
            Ok(Ok(())) => wait.await.unwrap_or(Err(Failure::Stopping)),
            Ok(Err(_)) => Err(Failure::Stopping),
            Err(_) => Err(Failure::Timeout),
        }
    }

    /// For who has many requests at a time, as many as `ended` holds: they go without waiting, and all answers come out of that queue.
    #[must_use]
    pub fn requests(&self, ended: mpsc::Sender<Ended>) -> Requests {
        Requests { commands: self.commands.clone(), ended }
    }

    /// [`Handler::answer`] for who does not wait.
    pub fn post_answer(&self, handle: Handle, octets: Vec<u8>) {
        if let Err(mpsc::error::TrySendError::Full(command)) =
            self.commands.try_send(Command::Answer { handle, octets })
        {
            let commands = self.commands.clone();
            tokio::spawn(async move { commands.send(command).await });
        }
    }

    /// Answers a request of a peer's; identifiers are set by the node.
    pub async fn answer(&self, handle: Handle, octets: Vec<u8>) {
        // Without the loop, nobody waits for it.
        let _ = self.commands.send(Command::Answer { handle, octets }).await;
    }

    /// How all peers stand.
    pub async fn peers(&self) -> Vec<PeerStatus> {
        let (done, wait) = oneshot::channel();
        let _ = self.commands.send(Command::Peers { done }).await;
        wait.await.unwrap_or_default()
    }

    /// Tells peers that we go (DPR), and ends when they are gone.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        let _ = self.commands.send(Command::Stop { done }).await;
        let _ = wait.await;
    }

    /// Where connections are accepted, by the order of [`Settings::listen`].
    #[must_use]
    pub fn bound(&self) -> &[SocketAddr] {
        &self.bound
    }
}

/// See [`Handler::requests`].
#[derive(Debug, Clone)]
pub struct Requests {
    commands: mpsc::Sender<Command>,
    ended: mpsc::Sender<Ended>,
}

impl Requests {
    /// Sends a request; its answer, or why there is none, comes out of the queue by this number.
    ///
    /// # Errors
    /// Too many wait already, or the node has ended; nothing comes out of the queue then.
    pub fn send(&self, number: u64, octets: Vec<u8>, key: u64, within: Duration) -> Result<(), Failure> {
        let place = self.ended.clone().try_reserve_owned().map_err(|_| Failure::NoPeer)?;
        let command = Command::Request { octets, key, within, done: Done::Queued(number, place) };
        self.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::NoPeer,
            mpsc::error::TrySendError::Closed(_) => Failure::Stopping,
        })
    }
}

/// Starts a node; requests of peers come out of the receiver.
///
/// # Errors
/// [`StartError`].
pub async fn spawn(settings: Settings) -> Result<(Handler, mpsc::Receiver<Arrived>), StartError> {
    let (told_sender, told) = mpsc::channel(TOLD);
    let (commands, orders) = mpsc::channel(COMMANDS);
    let (arrivals, arrived) = mpsc::channel(settings.arrivals.max(1));
    let around = Surroundings::new(settings.limits, settings.tls.clone(), told_sender, settings.accept_from);
    let mut bound = Vec::new();
    for listen in &settings.listen {
        bound.push(dial::listen(around.clone(), listen).await?);
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::Random(error.to_string()))?;
    let peers = settings.remotes.iter().map(|remote| {
        let mut config = remote.config.clone();
        // There is no way to connect to a peer without an address.
        config.connect &= !remote.address.is_empty();
        config
    });
    let (local, limits) = (settings.local.clone(), settings.limits);
    let node = Node::new(settings.local, peers.collect(), settings.routes, limits, &SecureSeed(seed), unix_secs());
    let statuses = settings.remotes.iter().enumerate();
    let statuses = statuses.map(|(place, remote)| PeerStatus::new(PeerId(place), &remote.config.host, unix_secs()));
    let machine = Loop {
        statuses: statuses.collect(),
        node,
        local,
        limits,
        started: Instant::now(),
        remotes: settings.remotes,
        around,
        links: HashMap::new(),
        waiting: DetHashMap::default(),
        next_token: 0,
        arrivals,
        effects: Effects::default(),
        stopping: None,
    };
    tokio::spawn(machine.run(told, orders));
    Ok((Handler { commands, bound }, arrived))
}

fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

struct Loop {
    node: Node,
    local: Local,
    limits: Limits,
    started: Instant,
    remotes: Vec<Remote>,
    around: Surroundings,
    links: HashMap<LinkId, mpsc::Sender<Order>>,
    waiting: DetHashMap<Token, Done>,
    next_token: u64,
    arrivals: mpsc::Sender<Arrived>,
    effects: Effects,
    statuses: Vec<PeerStatus>,
    stopping: Option<oneshot::Sender<()>>,
}

impl Loop {
    async fn run(mut self, told: mpsc::Receiver<Told>, commands: mpsc::Receiver<Command>) {
        self.serve(told, commands).await;
        self.waiting.drain().for_each(|(_, done)| done.end(Err(Failure::Stopping)));
    }

    async fn serve(&mut self, mut told: mpsc::Receiver<Told>, mut commands: mpsc::Receiver<Command>) {
        let (mut news, mut orders) = (Vec::new(), Vec::new());
        self.step(Input::Wakeup);
        loop {
            let wakeup = self.node.next_wakeup().map(|at| self.started + Duration::from_micros(at.as_micros()));
            let more = tokio::select! {
                count = told.recv_many(&mut news, NEWS) => {
                    if count == 0 {
                        return;
                    }
                    news.drain(..).for_each(|told| self.hear(told));
                    count == NEWS
                }
                count = commands.recv_many(&mut orders, BATCH) => {
                    if count == 0 {
                        // Nobody can ask anything any more.
                        return;
                    }
                    orders.drain(..).for_each(|command| self.obey(command));
                    count == BATCH
                }
                () = sleep_until(wakeup) => {
                    self.step(Input::Wakeup);
                    false
                }
            };
            if self.links.is_empty()
                && let Some(done) = self.stopping.take()
            {
                let _ = done.send(());
                return;
            }
            if more {
                tokio::task::yield_now().await;
            }
        }
    }

    fn now(&self) -> Time {
        Time::from_micros(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Connected { link, names } => self.step(Input::Connected { link, names }),
            Told::Accepted { link, names, orders } => {
                self.links.insert(link, orders);
                self.step(Input::Accepted { link, names });
            }
            Told::Secured { link, names } => self.step(Input::Secured { link, names }),
            Told::Messages { link, octets } => {
                let mut rest = octets.as_slice();
                while let Ok(Some(length)) = framed(rest, &self.limits)
                    && let Some((message, after)) = rest.split_at_checked(length)
                {
                    self.step(Input::Received { link, octets: message });
                    rest = after;
                }
            }
            Told::Garbage { link, octets } => {
                // As much of it as an answer needs.
                let head = octets.get(..HEADER).unwrap_or(&octets);
                self.step(Input::Received { link, octets: head });
                // The connection waits for an end.
                self.close(link);
            }
            Told::Closed { link } => {
                self.links.remove(&link);
                self.step(Input::Closed { link });
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Request { octets, key, within, done } => {
                self.next_token += 1;
                let token = Token(self.next_token);
                self.waiting.insert(token, done);
                let deadline = self.now() + within;
                self.step(Input::Send(Outgoing { token, octets, key, deadline }));
            }
            Command::Answer { handle, octets } => self.step(Input::Answer { handle, octets }),
            Command::Peers { done } => {
                let _ = done.send(self.statuses.clone());
            }
            Command::Stop { done } => {
                self.stopping = Some(done);
                self.step(Input::Stop);
            }
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let now = self.now();
        // What is refused within is another step: it finds an outbox of its own.
        let mut outbox = core::mem::take(&mut self.effects);
        self.node.step(now, input, &mut outbox);
        let mut effects = outbox.drain().peekable();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Connect { peer, link } => self.connect(peer, link),
                Effect::Transmit { link, octets } => {
                    let secure =
                        effects.next_if(|next| matches!(next, Effect::StartTls { link: on, .. } if *on == link));
                    let order = match secure {
                        Some(Effect::StartTls { client, .. }) => {
                            Order::SendAndSecure { octets, client, host: self.host_of(link) }
                        }
                        _ => Order::Send(octets),
                    };
                    self.order(link, order);
                }
                Effect::StartTls { link, client } => {
                    let host = self.host_of(link);
                    self.order(link, Order::SendAndSecure { octets: Vec::new(), client, host });
                }
                Effect::Close { link } => self.close(link),
                Effect::Event(event) => self.event(event),
            }
        }
        drop(effects);
        self.effects = outbox;
    }

    fn connect(&mut self, peer: PeerId, link: LinkId) {
        let Some(remote) = self.remotes.get(peer.0).cloned() else { return };
        let (sender, orders) = mpsc::channel(QUEUE);
        self.links.insert(link, sender);
        dial::connect(self.around.clone(), remote, link, orders);
    }

    /// The peer whose connection it is: its name is the one that its certificate must have.
    fn host_of(&self, link: LinkId) -> String {
        let peer = self.node.owner(link).and_then(|peer| self.remotes.get(peer.0));
        peer.map(|remote| remote.config.host.clone()).unwrap_or_default()
    }

    fn order(&mut self, link: LinkId, order: Order) {
        let Some(orders) = self.links.get(&link) else { return };
        if orders.try_send(order).is_err() {
            // It does not read, or it is gone: either way this connection is over. Its task ends when its sender is gone.
            tracing::warn!(link = link.0, "a peer does not read; its connection is closed");
            self.links.remove(&link);
        }
    }

    fn close(&mut self, link: LinkId) {
        if let Some(orders) = self.links.remove(&link) {
            let _ = orders.try_send(Order::Close);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::PeerUp(peer) => self.changed(peer, true, None),
            Event::PeerDown { peer, why } => self.changed(peer, false, Some(why)),
            Event::Stranger { host, code } => {
                tracing::warn!(host, code = code.0, "somebody introduced himself who is no peer");
            }
            Event::Request { peer, handle, octets } => self.arrived(peer, handle, octets),
            Event::Answer { token, peer, octets, outcome, took } => {
                if let Some(status) = self.statuses.get_mut(peer.0) {
                    status.answered(result_of(outcome), took);
                }
                if let Some(done) = self.waiting.remove(&token) {
                    done.end(Ok(Answered { peer, octets, took }));
                }
            }
            Event::Stray(peer) => {
                if let Some(status) = self.statuses.get_mut(peer.0) {
                    status.strays += 1;
                }
            }
            Event::Failed { token, why } => {
                if let Some(done) = self.waiting.remove(&token) {
                    done.end(Err(why));
                }
            }
        }
    }

    fn changed(&mut self, peer: PeerId, up: bool, lost: Option<Down>) {
        let Some(status) = self.statuses.get_mut(peer.0) else { return };
        status.up = up;
        status.since = unix_secs();
        match lost {
            None => tracing::info!(peer = status.host, "a Diameter peer is up"),
            Some(why) => {
                status.lost = Some(why);
                status.losses += 1;
                tracing::warn!(peer = status.host, ?why, "a Diameter peer is down");
            }
        }
    }

    /// A request of a peer's is given to who serves it; when too many wait there already, it is refused at once.
    fn arrived(&mut self, peer: PeerId, handle: Handle, octets: Vec<u8>) {
        if let Some(status) = self.statuses.get_mut(peer.0) {
            status.requests += 1;
        }
        let full = match self.arrivals.try_send(Arrived { peer, handle, octets }) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => back,
        };
        let Ok(message) = Message::decode(&full.octets, &self.limits) else { return };
        let octets = answer(&self.local, &message, ResultCode::TOO_BUSY).finish();
        self.step(Input::Answer { handle, octets });
    }
}

/// The result of an answer, by vendor and code.
fn result_of(outcome: Option<Outcome>) -> (u32, u32) {
    match outcome {
        Some(Outcome::Base(code)) => (0, code.0),
        Some(Outcome::Experimental { vendor, code }) => (vendor, code),
        None => (u32::MAX, u32::MAX),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
