//! Userspace SCTP: the handles, and the registry of the engines behind them.
//!
//! An [`engine`] owns packet sockets and associations; it runs as one task, on a thread of its own or in the
//! caller's `LocalSet`. Handles outside talk to it through [`EngineShared`].

mod clock;
mod command;
mod cookie;
mod crc32c;
mod demux;
mod engine;
mod path;
mod peer;
mod socket;
mod stack;
mod table;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};

use crate::config::{Backend, Config, Threading};
use crate::error::Error;
use crate::event::{Carrier, CloseReason};
use crate::link::{Ending, Link};

use cookie::CookieSealer;
use engine::Engine;
use socket::Encapsulation;
pub(crate) use socket::source_towards;

/// What a handle asks of an engine.
pub(crate) enum Command {
    Listen { config: Config, accepted: mpsc::Sender<Arc<Link>>, reply: oneshot::Sender<Result<Listening, Error>> },
    Unlisten { id: u64 },
    Connect { config: Config, peer: Vec<SocketAddr>, reply: oneshot::Sender<Result<Arc<Link>, Error>> },
}

/// What a new listener is told.
pub(crate) struct Listening {
    pub id: u64,
    pub local: Vec<SocketAddr>,
    pub udp: Option<u16>,
}

/// The mailbox of an engine.
pub(crate) struct EngineShared {
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    ready: Vec<u64>,
    /// Handles that may still ask for something.
    users: usize,
    stopped: bool,
    /// As of the end of the last turn.
    counters: EndpointCounters,
}

/// What an endpoint has seen (userspace back ends; zero with kernel SCTP, which counts in
/// `/proc/net/sctp/snmp`). Endpoints of one process that share a thread share the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Associations being set up or up, now.
    pub associations: u64,
    /// Packets received for ports of this process.
    pub packets: u64,
    /// Of these: wrong CRC32c.
    pub bad_checksum: u64,
    /// COOKIE ECHO with a forged, foreign or stale cookie.
    pub bad_cookie: u64,
    /// Associations refused because a limit was reached.
    pub refused: u64,
    /// Packets that belonged to no association (RFC 9260 §8.4).
    pub out_of_the_blue: u64,
}

impl EngineShared {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), notify: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An association's mailboxes have changed.
    pub(crate) fn ready(&self, id: u64) {
        self.lock().ready.push(id);
        self.notify.notify_one();
    }

    /// False when the engine has stopped.
    fn command(&self, command: Command) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return false;
        }
        state.commands.push(command);
        drop(state);
        self.notify.notify_one();
        true
    }
}

/// Keeps an engine running.
struct User {
    engine: Arc<EngineShared>,
}

impl User {
    /// `None` when the engine has just stopped.
    fn of(engine: &Arc<EngineShared>) -> Option<Self> {
        let mut state = engine.lock();
        if state.stopped {
            return None;
        }
        state.users += 1;
        drop(state);
        let engine = engine.clone();
        Some(Self { engine })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut state = self.engine.lock();
        state.users -= 1;
        drop(state);
        self.engine.notify.notify_one();
    }
}

/// Engines that run on a thread of their own, by UDP port (`None`: raw IP). Clients with a free UDP port share
/// the one under port 0.
static ENGINES: Mutex<BTreeMap<Option<u16>, Arc<EngineShared>>> = Mutex::new(BTreeMap::new());

fn engine_for(config: &Config, listener: bool) -> Result<User, Error> {
    let (encapsulation, key) = match config.backend {
        Backend::Udp { port } => (Encapsulation::Udp(port), Some(port)),
        Backend::Auto | Backend::Kernel | Backend::RawIp => (Encapsulation::RawIp, None),
    };
    let stopped = || Error::NotEstablished(CloseReason::Endpoint("stopped".to_owned()));
    match config.threading {
        Threading::CallerLocalSet => {
            let shared = EngineShared::new();
            let user = User::of(&shared).ok_or_else(stopped)?;
            let engine = Engine::new(shared, encapsulation, new_sealer()?);
            tokio::task::spawn_local(engine.run());
            Ok(user)
        }
        // A listener on a free port shares with nobody: nobody knows the port.
        Threading::Own if listener && key == Some(0) => {
            let shared = EngineShared::new();
            let user = User::of(&shared).ok_or_else(stopped)?;
            start_thread(shared, encapsulation)?;
            Ok(user)
        }
        Threading::Own => {
            let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(user) = engines.get(&key).and_then(User::of) {
                return Ok(user);
            }
            let shared = EngineShared::new();
            let user = User::of(&shared).ok_or_else(stopped)?;
            start_thread(shared.clone(), encapsulation)?;
            engines.insert(key, shared);
            Ok(user)
        }
    }
}

fn start_thread(shared: Arc<EngineShared>, encapsulation: Encapsulation) -> Result<(), Error> {
    let sealer = new_sealer()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(Error::io("starting the SCTP runtime"))?;
    std::thread::Builder::new()
        .name("sctp".to_owned())
        .spawn(move || runtime.block_on(Engine::new(shared, encapsulation, sealer).run()))
        .map_err(Error::io("starting the SCTP thread"))?;
    Ok(())
}

fn new_sealer() -> Result<CookieSealer, Error> {
    CookieSealer::new().map_err(|error| Error::io("making the cookie key")(std::io::Error::other(error.to_string())))
}

async fn ask<T>(user: &User, command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Command) -> Result<T, Error> {
    let stopped = || Error::NotEstablished(CloseReason::Endpoint("stopped".to_owned()));
    let (reply, answer) = oneshot::channel();
    if !user.engine.command(command(reply)) {
        return Err(stopped());
    }
    answer.await.unwrap_or_else(|_| Err(stopped()))
}

/// Sets an association up.
pub(crate) async fn connect(config: Config, peer: &[SocketAddr]) -> Result<Arc<Link>, Error> {
    let user = engine_for(&config, false)?;
    let peer = peer.to_vec();
    ask(&user, |reply| Command::Connect { config, peer, reply }).await
}

/// A listening port.
pub(crate) struct UserListener {
    user: User,
    accepted: mpsc::Receiver<Arc<Link>>,
    listening: Listening,
}

impl UserListener {
    pub(crate) async fn bind(config: Config) -> Result<Self, Error> {
        let user = engine_for(&config, true)?;
        let (sender, accepted) = mpsc::channel(config.backlog);
        let listening = ask(&user, |reply| Command::Listen { config, accepted: sender, reply }).await?;
        Ok(Self { user, accepted, listening })
    }

    pub(crate) async fn accept(&mut self) -> Result<Arc<Link>, Error> {
        self.accepted
            .recv()
            .await
            .ok_or_else(|| Error::NotEstablished(CloseReason::Endpoint("listener closed".to_owned())))
    }

    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listening.local.clone()
    }

    pub(crate) fn udp_port(&self) -> Option<u16> {
        self.listening.udp
    }

    pub(crate) fn carrier(&self) -> Carrier {
        self.listening.udp.map_or(Carrier::RawIp, |_| Carrier::Udp)
    }

    pub(crate) fn counters(&self) -> EndpointCounters {
        self.user.engine.lock().counters
    }
}

impl Drop for UserListener {
    fn drop(&mut self) {
        self.accepted.close();
        while let Ok(link) = self.accepted.try_recv() {
            link.end(Ending::Abort("not accepted".to_owned()));
        }
        self.user.engine.command(Command::Unlisten { id: self.listening.id });
    }
}

impl std::fmt::Debug for UserListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserListener")
            .field("local", &self.listening.local)
            .field("udp", &self.listening.udp)
            .finish_non_exhaustive()
    }
}
