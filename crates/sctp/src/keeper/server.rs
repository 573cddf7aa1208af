//! The keeper's tasks: one per listener, one per association, one per daemon; all on one thread.

use std::future::poll_fn;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{LocalSet, spawn_local};

use super::frame::{Limits, MAX_MESSAGE, Report, Request, VERSION};
use super::state::{Shared, Stuck, Turn};
use super::{AssociationId, Error, ServeConfig};
use crate::association::{SctpAssociation, SctpListener, SctpReceiver};
use crate::config::{Config, Threading};
use crate::event::Event;

/// Octets collected before they are written.
const WRITE_BATCH: usize = 64 * 1024;
/// Octets read at once.
const READ_BATCH: usize = 64 * 1024;
/// Events fetched from an association at once; by so much the log may overshoot its bound.
const EVENTS: usize = 32;
/// Within this time a daemon that connected must have said who it is.
const HELLO: Duration = Duration::from_secs(5);
/// At the end, peers get this long to take leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves until the returned future is dropped. The future stays on its thread.
///
/// # Errors
/// SCTP or the Unix socket cannot be set up, or failed.
pub async fn serve(config: ServeConfig, socket: &Path) -> Result<(), Error> {
    serve_until(config, socket, std::future::pending()).await
}

/// Serves until `stop` completes, then shuts every association down gracefully (two seconds at most).
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(config: ServeConfig, socket: &Path, stop: impl Future<Output = ()>) -> Result<(), Error> {
    LocalSet::new()
        .run_until(async {
            let (shared, daemons) = start(config, socket).await?;
            tokio::select! {
                result = serve_daemons(&shared, &daemons) => result,
                () = stop => {
                    // A peer that does not answer learns of it later, by its own timers.
                    let _ = tokio::time::timeout(FAREWELL, shared.shut_down()).await;
                    Ok(())
                }
            }
        })
        .await
}

/// [`serve`] in a runtime of its own on this thread: the whole keeper process but its arguments.
///
/// # Errors
/// As [`serve`].
pub fn run(config: ServeConfig, socket: &Path) -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(Error::io("starting the runtime"))?
        .block_on(serve(config, socket))
}

async fn start(config: ServeConfig, socket: &Path) -> Result<(Shared, UnixListener), Error> {
    let daemons = bind(socket)?;
    let limits = limits(&config.listeners)?;
    let mut listeners = Vec::new();
    for listener in config.listeners {
        let here = Config { threading: Threading::CallerLocalSet, ..listener };
        listeners.push(SctpListener::bind(here).await?);
    }
    let addresses = listeners.iter().flat_map(SctpListener::local_addrs).collect();
    let mut instance = [0; 8];
    getrandom::fill(&mut instance).map_err(|error| Error::io("random numbers")(io::Error::other(error.to_string())))?;
    let instance = u64::from_ne_bytes(instance);
    let shared = Shared::new(instance, addresses, limits, config.uplink_buffer);
    for listener in listeners {
        spawn_local(accept_associations(shared.clone(), listener));
    }
    Ok((shared, daemons))
}

fn limits(listeners: &[Config]) -> Result<Limits, Error> {
    let message = listeners.iter().map(|config| config.max_message).max().unwrap_or_default();
    if message > MAX_MESSAGE {
        return Err(crate::Error::Config("a keeper carries messages of at most 1 MiB").into());
    }
    let window = (4 * message).max(256 * 1024);
    let fit = |octets| u32::try_from(octets).unwrap_or(u32::MAX);
    Ok(Limits { window: fit(window), message: fit(message) })
}

/// Binds the Unix socket for this user only, taking the place of a keeper that has died.
fn bind(socket: &Path) -> Result<UnixListener, Error> {
    match std::os::unix::net::UnixStream::connect(socket) {
        Ok(_) => return Err(Error::Busy),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(socket).map_err(Error::io("removing the old socket"))?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(Error::io("binding the socket"))?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))
        .map_err(Error::io("protecting the socket"))?;
    Ok(listener)
}

// ---- associations ----

async fn accept_associations(shared: Shared, mut listener: SctpListener) {
    loop {
        match listener.accept().await {
            Ok((association, _)) => {
                spawn_local(serve_association(shared.clone(), association));
            }
            Err(error) => {
                tracing::error!(%error, "no more associations");
                return;
            }
        }
    }
}

async fn serve_association(shared: Shared, association: SctpAssociation) {
    let (sender, mut receiver) = association.split();
    let id = shared.up(sender);
    let mut events = Vec::with_capacity(EVENTS);
    while !read_association(&shared, id, &mut receiver, &mut events).await {}
}

/// One batch of events to the log; true when it was the last.
async fn read_association(
    shared: &Shared,
    id: AssociationId,
    receiver: &mut SctpReceiver,
    events: &mut Vec<Event>,
) -> bool {
    shared.room(id).await;
    receiver.recv_many(events, EVENTS).await;
    shared.report(id, events.drain(..))
}

/// Sends what waits for an association, one after the other.
async fn send_waiting(shared: Shared, stuck: Stuck) {
    while let Some(message) = shared.next_waiting(stuck.id) {
        if let Err(error) = stuck.sender.send(message).await {
            tracing::debug!(association = stuck.id.0, %error, "downlink message not sent");
        }
        shared.waited(stuck.id);
    }
}

// ---- daemons ----

/// The daemon that is served.
struct Daemon {
    stream: UnixStream,
    input: BytesMut,
    output: BytesMut,
    turn: Turn,
}

async fn serve_daemons(shared: &Shared, listener: &UnixListener) -> Result<(), Error> {
    let mut next = pin!(next_daemon(listener));
    let mut current: Option<Daemon> = None;
    loop {
        let (stream, input) = match &mut current {
            None => next.as_mut().await?,
            Some(daemon) => tokio::select! {
                biased;
                successor = &mut next => successor?,
                end = daemon.serve(shared) => {
                    tracing::info!(%end, "daemon has gone");
                    current = None;
                    continue;
                }
            },
        };
        next.set(next_daemon(listener));
        if let Some(old) = current.take() {
            old.dismiss(shared);
        }
        let (turn, welcome) = shared.take_over();
        let mut output = BytesMut::new();
        welcome.encode(&mut output);
        current = Some(Daemon { stream, input, output, turn });
    }
}

/// Waits for a daemon that says who it is.
async fn next_daemon(listener: &UnixListener) -> Result<(UnixStream, BytesMut), Error> {
    loop {
        let (stream, _) = listener.accept().await.map_err(Error::io("accepting a daemon"))?;
        let greeted = tokio::time::timeout(HELLO, greet(stream)).await;
        match greeted.unwrap_or(Err(Error::Frame("no greeting"))) {
            Ok(greeted) => return Ok(greeted),
            Err(error) => tracing::debug!(%error, "connection refused"),
        }
    }
}

async fn greet(mut stream: UnixStream) -> Result<(UnixStream, BytesMut), Error> {
    same_user(&stream)?;
    let mut input = BytesMut::new();
    let request = loop {
        if let Some(request) = Request::decode(&mut input)? {
            break request;
        }
        poll_fn(|cx| poll_read(&mut stream, &mut input, cx)).await?;
    };
    match request {
        Request::Hello { version: VERSION } => Ok((stream, input)),
        Request::Hello { version } => {
            let mut out = BytesMut::new();
            Report::Version { version: VERSION }.encode(&mut out);
            // If it cannot be told, it sees the connection close.
            let _ = stream.try_write(&out);
            Err(Error::Version(version))
        }
        _ => Err(Error::Frame("no greeting")),
    }
}

impl Daemon {
    /// Serves until the daemon has gone; why it has.
    async fn serve(&mut self, shared: &Shared) -> Error {
        let end = loop {
            if let Err(error) = self.turn(shared).await {
                break error;
            }
        };
        // What it handed over before it died still counts.
        self.drain(shared);
        end
    }

    /// Writes and reads until something has come, from either side.
    async fn turn(&mut self, shared: &Shared) -> Result<(), Error> {
        self.collect(shared);
        let mut work = pin!(shared.work());
        poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = poll_write(&mut self.stream, &mut self.output, cx) {
                return Poll::Ready(Err(error));
            }
            if let Poll::Ready(read) = poll_read(&mut self.stream, &mut self.input, cx) {
                return Poll::Ready(read);
            }
            let idle = self.output.is_empty();
            if idle && (shared.has_work(self.turn) || work.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await?;
        self.requests(shared)
    }

    fn collect(&mut self, shared: &Shared) {
        let output = &mut self.output;
        if output.len() < WRITE_BATCH {
            shared.write(self.turn, |report| {
                report.encode(output);
                output.len() < WRITE_BATCH
            });
        }
    }

    fn requests(&mut self, shared: &Shared) -> Result<(), Error> {
        while let Some(request) = Request::decode(&mut self.input)? {
            if let Some(stuck) = shared.request(self.turn, request) {
                spawn_local(send_waiting(shared.clone(), stuck));
            }
        }
        Ok(())
    }

    /// Takes what is in the socket, whatever became of the other end. A half frame at the end is dropped.
    fn drain(&mut self, shared: &Shared) {
        let mut octets = [0; 16 * 1024];
        loop {
            if let Err(error) = self.requests(shared) {
                tracing::warn!(%error, "daemon");
                return;
            }
            // Asks the system and not the runtime, which may not have heard yet that there is something.
            match Read::read(&mut &*SockRef::from(&self.stream), &mut octets) {
                Ok(count) if count > 0 => self.input.extend_from_slice(&octets[..count]),
                _ => return,
            }
        }
    }

    /// Another daemon has come.
    fn dismiss(mut self, shared: &Shared) {
        self.drain(shared);
        self.output.clear();
        Report::Replaced.encode(&mut self.output);
        // If it cannot be told, it sees the connection close.
        let _ = self.stream.try_write(&self.output);
    }
}

// ---- both ends ----

/// Only processes of one user talk to each other.
pub(super) fn same_user(stream: &UnixStream) -> Result<(), Error> {
    let other = stream.peer_cred().map_err(Error::io("asking who is there"))?;
    // SAFETY: cannot fail and touches no memory.
    let own = unsafe { libc::geteuid() };
    if other.uid() == own { Ok(()) } else { Err(Error::ForeignUser(other.uid())) }
}

/// Reads what is there, at least one octet.
pub(super) fn poll_read(
    stream: &mut UnixStream,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    input.reserve(READ_BATCH);
    // A future of this kind holds nothing between polls.
    match ready!(pin!(stream.read_buf(input)).poll(cx)) {
        Ok(0) | Err(_) => Poll::Ready(Err(Error::Disconnected)),
        Ok(_) => Poll::Ready(Ok(())),
    }
}

/// Writes as much as the socket takes; ready when that is all.
pub(super) fn poll_write(
    stream: &mut UnixStream,
    output: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    while !output.is_empty() {
        match ready!(pin!(stream.write_buf(output)).poll(cx)) {
            Ok(0) | Err(_) => return Poll::Ready(Err(Error::Disconnected)),
            Ok(_) => {}
        }
    }
    Poll::Ready(Ok(()))
}
