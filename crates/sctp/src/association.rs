//! The handles an application holds: listener, association, sender, receiver.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::config::{Backend, Config};
use crate::error::{Error, SendError};
use crate::event::{AssociationInfo, Carrier, Event, Message, PeerInfo};
use crate::kernel::{self, KernelListener};
use crate::link::{Ending, Link};
use crate::probe;
use crate::user::{self, EndpointCounters, UserListener};

/// A port that takes associations.
#[derive(Debug)]
pub struct SctpListener {
    inner: ListenerKind,
}

#[derive(Debug)]
enum ListenerKind {
    Kernel(Box<KernelListener>),
    User(UserListener),
}

impl SctpListener {
    /// Starts to listen.
    ///
    /// # Errors
    /// A configuration that cannot work, a back end that is not available here, a port in use.
    pub async fn bind(config: Config) -> Result<Self, Error> {
        config.check()?;
        let inner = match probe::resolve(config.backend)? {
            Backend::Kernel | Backend::Auto => ListenerKind::Kernel(Box::new(KernelListener::bind(config)?)),
            backend @ (Backend::RawIp | Backend::Udp { .. }) => {
                ListenerKind::User(UserListener::bind(config.with_backend(backend)).await?)
            }
        };
        Ok(Self { inner })
    }

    /// Waits for the next association. Cancel-safe.
    ///
    /// # Errors
    /// The listener's socket failed; it will not accept any more.
    pub async fn accept(&mut self) -> Result<(SctpAssociation, PeerInfo), Error> {
        let link = match &mut self.inner {
            ListenerKind::Kernel(listener) => listener.accept().await?,
            ListenerKind::User(listener) => listener.accept().await?,
        };
        let peer = link.info().peer;
        Ok((SctpAssociation::new(link), peer))
    }

    /// The addresses listened on, with the port.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        match &self.inner {
            ListenerKind::Kernel(listener) => listener.local_addrs(),
            ListenerKind::User(listener) => listener.local_addrs(),
        }
    }

    /// The local UDP port, with UDP encapsulation.
    #[must_use]
    pub fn udp_port(&self) -> Option<u16> {
        match &self.inner {
            ListenerKind::Kernel(_) => None,
            ListenerKind::User(listener) => listener.udp_port(),
        }
    }

    /// What the endpoint has seen.
    #[must_use]
    pub fn counters(&self) -> EndpointCounters {
        match &self.inner {
            ListenerKind::Kernel(_) => EndpointCounters::default(),
            ListenerKind::User(listener) => listener.counters(),
        }
    }

    /// The back end in use.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        match &self.inner {
            ListenerKind::Kernel(_) => Carrier::Kernel,
            ListenerKind::User(listener) => listener.carrier(),
        }
    }
}

/// An established association. Dropping it (or both halves) shuts it down gracefully in the background.
#[derive(Debug)]
pub struct SctpAssociation {
    sender: SctpSender,
    receiver: SctpReceiver,
}

impl SctpAssociation {
    /// Sets an association up with a peer, given by one or several of its addresses (all with the same port,
    /// the preferred one first).
    ///
    /// # Errors
    /// A configuration that cannot work, a back end that is not available here, or a peer that refuses or does
    /// not answer (`config.max_init` attempts).
    pub async fn connect(config: Config, peer: &[SocketAddr]) -> Result<Self, Error> {
        config.check()?;
        check_peer(peer)?;
        let link = match probe::resolve(config.backend)? {
            Backend::Kernel | Backend::Auto => kernel::connect(config, peer).await?,
            backend @ (Backend::RawIp | Backend::Udp { .. }) => {
                user::connect(config.with_backend(backend), peer).await?
            }
        };
        Ok(Self::new(link))
    }

    fn new(link: Arc<Link>) -> Self {
        let hold = Arc::new(Hold { link });
        Self { sender: SctpSender { hold: hold.clone() }, receiver: SctpReceiver { hold } }
    }

    /// Queues a message, waiting for room. Cancel-safe: a dropped call has sent nothing.
    ///
    /// # Errors
    /// The association is over, or the message can never be sent.
    pub async fn send(&self, message: Message) -> Result<(), SendError> {
        self.sender.send(message).await
    }

    /// The next event. Cancel-safe. After the end it returns [`Event::Closed`] at every call.
    pub async fn recv(&mut self) -> Event {
        self.receiver.recv().await
    }

    /// Halves that can live in different tasks.
    #[must_use]
    pub fn split(self) -> (SctpSender, SctpReceiver) {
        (self.sender, self.receiver)
    }

    /// Streams, peer addresses, round-trip time, back end.
    #[must_use]
    pub fn info(&self) -> AssociationInfo {
        self.sender.info()
    }

    /// Begins a graceful end: what was queued is delivered first; [`Event::Closed`] tells when it is done.
    pub fn shutdown(&self) {
        self.sender.shutdown();
    }

    /// Ends the association at once with ABORT.
    pub fn abort(&self, reason: &str) {
        self.sender.abort(reason);
    }
}

/// The sending half; clones share the association.
#[derive(Clone, Debug)]
pub struct SctpSender {
    hold: Arc<Hold>,
}

impl SctpSender {
    /// See [`SctpAssociation::send`].
    ///
    /// # Errors
    /// See [`SctpAssociation::send`].
    pub async fn send(&self, message: Message) -> Result<(), SendError> {
        let mut message = Some(message);
        poll_fn(|cx| self.poll_send(cx, &mut message)).await
    }

    /// [`send`](Self::send) as a poll: takes the message out of `message` when it was queued, and leaves it
    /// there with `Pending` or an error.
    pub fn poll_send(&self, cx: &mut Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), SendError>> {
        let Some(taken) = message.take() else {
            return Poll::Ready(Ok(()));
        };
        match self.hold.link.offer(taken, Some(cx.waker())) {
            Ok(()) => Poll::Ready(Ok(())),
            Err((returned, error)) => {
                *message = Some(returned);
                match error {
                    SendError::Full => Poll::Pending,
                    other => Poll::Ready(Err(other)),
                }
            }
        }
    }

    /// Queues a message without waiting.
    ///
    /// # Errors
    /// The message comes back with [`SendError::Full`] when there is no room, or with another error when it can
    /// never be sent.
    pub fn try_send(&self, message: Message) -> Result<(), (Message, SendError)> {
        self.hold.link.offer(message, None)
    }

    /// See [`SctpAssociation::info`].
    #[must_use]
    pub fn info(&self) -> AssociationInfo {
        self.hold.link.info()
    }

    /// See [`SctpAssociation::shutdown`].
    pub fn shutdown(&self) {
        self.hold.link.end(Ending::Shutdown);
    }

    /// See [`SctpAssociation::abort`].
    pub fn abort(&self, reason: &str) {
        self.hold.link.end(Ending::Abort(reason.to_owned()));
    }
}

/// The receiving half. Dropped alone, it leaves the association up and throws incoming messages away.
#[derive(Debug)]
pub struct SctpReceiver {
    hold: Arc<Hold>,
}

impl SctpReceiver {
    /// See [`SctpAssociation::recv`].
    pub async fn recv(&mut self) -> Event {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// [`recv`](Self::recv) as a poll.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.hold.link.poll_recv(cx)
    }

    /// Waits for at least one event and appends those that are there, up to `limit`; returns how many.
    /// Cancel-safe.
    pub async fn recv_many(&mut self, out: &mut Vec<Event>, limit: usize) -> usize {
        poll_fn(|cx| self.hold.link.poll_recv_many(cx, out, limit)).await
    }
}

impl Drop for SctpReceiver {
    fn drop(&mut self) {
        self.hold.link.discard_incoming();
    }
}

/// Shared by the halves; the last one to go ends the association.
struct Hold {
    link: Arc<Link>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.link.end(Ending::Shutdown);
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.link.info(), f)
    }
}

fn check_peer(peer: &[SocketAddr]) -> Result<(), Error> {
    let Some(first) = peer.first() else {
        return Err(Error::PeerAddress("none was given"));
    };
    if first.port() == 0 {
        return Err(Error::PeerAddress("its port is zero"));
    }
    if peer.iter().any(|address| address.port() != first.port()) {
        return Err(Error::PeerAddress("all addresses of a peer share one port"));
    }
    if peer.iter().any(|address| address.ip().is_unspecified()) {
        return Err(Error::PeerAddress("the unspecified address is no peer"));
    }
    Ok(())
}
