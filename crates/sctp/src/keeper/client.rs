//! The daemon's end of the conversation.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;

use bytes::{Buf, BytesMut};
use tokio::net::UnixStream;

use super::frame::{Limits, Report, Request, VERSION};
use super::server::{poll_read, poll_write, same_user};
use super::{AssociationId, Error, KeeperEvent, Live, Uplink, Welcome};
use crate::error::SendError;
use crate::event::{CloseReason, Message};

/// Octets collected before `try_send` writes them itself.
const WRITE_BATCH: usize = 64 * 1024;

/// A daemon's connection to its keeper. One task owns it; nothing runs behind its back: [`recv`](Self::recv) and
/// [`flush`](Self::flush) move the octets in both directions.
///
/// ```no_run
/// use basalt_sctp::keeper::{Client, KeeperEvent};
/// # async fn run() -> Result<(), basalt_sctp::keeper::Error> {
/// let (mut client, welcome) = Client::connect("/run/basalt/keeper.sock".as_ref()).await?;
/// println!("{} associations", welcome.live.len());
/// loop {
///     let uplink = client.recv().await?;
///     if let KeeperEvent::Message { id, message } = uplink.event {
///         // Full means: this peer does not take more; others go on.
///         let _ = client.try_send(id, message);
///     }
///     client.ack(uplink.seq);
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    input: BytesMut,
    output: BytesMut,
    events: VecDeque<Uplink>,
    windows: BTreeMap<AssociationId, Window>,
    limits: Limits,
    acked: u64,
    to_ack: u64,
    replaced: bool,
}

/// What may be sent over an association.
#[derive(Debug)]
struct Window {
    used: usize,
    streams: u16,
}

impl From<&Live> for Window {
    fn from(live: &Live) -> Self {
        Self { used: 0, streams: live.peer.out_streams }
    }
}

impl Client {
    /// Connects, replacing a daemon that is connected. Dropping the client and connecting anew is all there is
    /// to reconnecting.
    ///
    /// # Errors
    /// No keeper there, another user's keeper, another version.
    pub async fn connect(socket: &Path) -> Result<(Self, Welcome), Error> {
        let mut stream = UnixStream::connect(socket).await.map_err(Error::io("connecting to the keeper"))?;
        same_user(&stream)?;
        let mut output = BytesMut::new();
        Request::Hello { version: VERSION }.encode(&mut output);
        let mut input = BytesMut::new();
        let report = loop {
            if let Some(report) = Report::decode(&mut input)? {
                break report;
            }
            poll_fn(|cx| {
                if let Poll::Ready(Err(error)) = poll_write(&mut stream, &mut output, cx) {
                    return Poll::Ready(Err(error));
                }
                poll_read(&mut stream, &mut input, cx)
            })
            .await?;
        };
        match report {
            Report::Welcome { welcome, limits } => {
                let windows = welcome.live.iter().map(|live| (live.id, live.into()));
                let client = Self {
                    stream,
                    input,
                    output,
                    events: VecDeque::new(),
                    windows: windows.collect(),
                    limits,
                    acked: welcome.acked,
                    to_ack: welcome.acked,
                    replaced: false,
                };
                Ok((client, welcome))
            }
            Report::Version { version } => Err(Error::Version(version)),
            _ => Err(Error::Frame("no welcome")),
        }
    }

    /// The next event. Writes what is queued meanwhile. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Replaced`], [`Error::Disconnected`]: connect anew or end.
    pub async fn recv(&mut self) -> Result<Uplink, Error> {
        loop {
            if let Some(uplink) = self.events.pop_front() {
                return Ok(uplink);
            }
            self.exchange().await?;
        }
    }

    /// Waits for at least one event and appends those that are there, up to `limit`; returns how many.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_many(&mut self, out: &mut Vec<Uplink>, limit: usize) -> Result<usize, Error> {
        while self.events.is_empty() {
            self.exchange().await?;
        }
        let count = limit.min(self.events.len());
        out.extend(self.events.drain(..count));
        Ok(count)
    }

    /// Queues a message; it leaves with the next `recv` or `flush`.
    ///
    /// # Errors
    /// The message comes back: [`SendError::Full`] while the association's window is used up, others when it can
    /// never be sent.
    pub fn try_send(&mut self, id: AssociationId, message: Message) -> Result<(), (Message, SendError)> {
        if let Err(error) = self.reserve(id, &message) {
            return Err((message, error));
        }
        Request::Send { id, message }.encode(&mut self.output);
        if self.output.len() >= WRITE_BATCH
            && let Ok(count) = self.stream.try_write(&self.output)
        {
            self.output.advance(count);
        }
        Ok(())
    }

    fn reserve(&mut self, id: AssociationId, message: &Message) -> Result<(), SendError> {
        let gone = || SendError::Closed(CloseReason::Endpoint("no such association".to_owned()));
        let window = self.windows.get_mut(&id).ok_or_else(gone)?;
        let len = message.payload.len();
        let limit = self.limits.message as usize;
        if len == 0 {
            return Err(SendError::Empty);
        }
        if len > limit {
            return Err(SendError::TooLong { len, limit });
        }
        if message.stream >= window.streams {
            return Err(SendError::NoStream { stream: message.stream, streams: window.streams });
        }
        if window.used + len > self.limits.window as usize {
            return Err(SendError::Full);
        }
        window.used += len;
        Ok(())
    }

    /// Queues a message, waiting for the association's window; events that arrive meanwhile are kept for `recv`.
    ///
    /// # Errors
    /// The association has ended, or the message can never be sent.
    pub async fn send(&mut self, id: AssociationId, message: Message) -> Result<(), SendError> {
        let mut message = message;
        loop {
            match self.try_send(id, message) {
                Ok(()) => return Ok(()),
                Err((returned, SendError::Full)) => message = returned,
                Err((_, error)) => return Err(error),
            }
            if let Err(error) = self.exchange().await {
                return Err(SendError::Closed(CloseReason::Endpoint(error.to_string())));
            }
        }
    }

    /// Everything up to and including `seq` is done: it need not be delivered again after a crash. It travels
    /// behind everything queued before, so that a crash in between loses nothing.
    pub fn ack(&mut self, seq: u64) {
        self.to_ack = self.to_ack.max(seq);
    }

    /// Begins a graceful end of an association; [`KeeperEvent::Down`] follows.
    pub fn shutdown(&mut self, id: AssociationId) {
        Request::Shutdown { id }.encode(&mut self.output);
    }

    /// Aborts an association; [`KeeperEvent::Down`] follows.
    pub fn abort(&mut self, id: AssociationId, reason: &str) {
        let reason = reason.to_owned();
        Request::Abort { id, reason }.encode(&mut self.output);
    }

    /// Writes everything queued. Cancel-safe.
    ///
    /// # Errors
    /// The keeper has gone.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.queue_ack();
        poll_fn(|cx| poll_write(&mut self.stream, &mut self.output, cx)).await
    }

    fn queue_ack(&mut self) {
        if self.to_ack > self.acked {
            self.acked = self.to_ack;
            Request::Ack { seq: self.acked }.encode(&mut self.output);
        }
    }

    /// Writes, and reads until something has come.
    async fn exchange(&mut self) -> Result<(), Error> {
        // Events may have come together with the welcome.
        let before = self.events.len();
        self.reports()?;
        if self.events.len() > before {
            return Ok(());
        }
        if self.replaced {
            return Err(Error::Replaced);
        }
        self.queue_ack();
        poll_fn(|cx| {
            let written = poll_write(&mut self.stream, &mut self.output, cx);
            // What came before the keeper closed the connection counts, and says why it did.
            let read = poll_read(&mut self.stream, &mut self.input, cx);
            match (read, written) {
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (read, _) => read,
            }
        })
        .await?;
        self.reports()
    }

    fn reports(&mut self) -> Result<(), Error> {
        while let Some(report) = Report::decode(&mut self.input)? {
            match report {
                Report::Event(uplink) => {
                    self.follow(&uplink.event);
                    self.events.push_back(uplink);
                }
                Report::Credit { id, octets } => {
                    if let Some(window) = self.windows.get_mut(&id) {
                        window.used = window.used.saturating_sub(octets as usize);
                    }
                }
                Report::Replaced => self.replaced = true,
                Report::Welcome { .. } | Report::Version { .. } => {
                    return Err(Error::Frame("second welcome"));
                }
            }
        }
        Ok(())
    }

    fn follow(&mut self, event: &KeeperEvent) {
        match event {
            KeeperEvent::Up(live) => {
                self.windows.insert(live.id, live.into());
            }
            KeeperEvent::Restarted { id, peer } => {
                if let Some(window) = self.windows.get_mut(id) {
                    window.streams = peer.out_streams;
                }
            }
            KeeperEvent::Down { id, .. } => {
                self.windows.remove(id);
            }
            KeeperEvent::Message { .. } | KeeperEvent::PathChange { .. } => {}
        }
    }
}
