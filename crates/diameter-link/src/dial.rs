//! Connections are made and accepted.

use crate::connection::{Order, PATIENCE, QUEUE, Stream, Told, carry, handshake, shown};
use crate::settings::{Listen, Remote, StartError, Transport, permitted};
use crate::tls::{self, Tls};
use basalt_diameter::Limits;
use basalt_diameter::node::LinkId;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

/// Connections that were accepted and are not over.
const ACCEPTED: usize = 1024;

/// What all connections share.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    pub(crate) told: mpsc::Sender<Told>,
    pub(crate) accept_from: Arc<[(IpAddr, u8)]>,
    pub(crate) next: Arc<AtomicU64>,
    pub(crate) places: Arc<Semaphore>,
}

impl Surroundings {
    pub(crate) fn new(
        limits: Limits,
        tls: Option<Tls>,
        told: mpsc::Sender<Told>,
        accept_from: Vec<(IpAddr, u8)>,
    ) -> Self {
        let (next, places) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(ACCEPTED)));
        Self { limits, tls, told, accept_from: accept_from.into(), next, places }
    }

    /// Numbers of accepted connections are below 2^63.
    pub(crate) fn number(&self) -> LinkId {
        LinkId(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Connects to a peer.
pub(crate) fn connect(around: Surroundings, remote: Remote, link: LinkId, orders: mpsc::Receiver<Order>) {
    tokio::spawn(async move {
        if remote.transport == Transport::Sctp {
            return crate::sctp::connect(around, &remote.address, link, orders).await;
        }
        let made = tokio::time::timeout(PATIENCE, dial(&remote, around.tls.as_ref())).await;
        match made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok((stream, names)) => {
                let _ = around.told.send(Told::Connected { link, names }).await;
                carry(link, stream, around.limits, around.tls, orders, around.told).await;
            }
            Err(error) => {
                tracing::debug!(peer = remote.config.host, %error, "no connection");
                let _ = around.told.send(Told::Closed { link }).await;
            }
        }
    });
}

async fn dial(remote: &Remote, tls: Option<&Tls>) -> io::Result<(Stream, Option<Vec<String>>)> {
    let stream = TcpStream::connect(&remote.address).await?;
    stream.set_nodelay(true)?;
    match (remote.transport, tls) {
        (Transport::Tls, Some(tls)) => {
            let stream = handshake(stream, true, &remote.config.host, tls).await?;
            let names = tls::names(shown(&stream));
            Ok((Stream::Secure(Box::new(stream)), Some(names)))
        }
        (Transport::Tls, None) => Err(io::Error::other("no certificate is configured")),
        _ => Ok((Stream::Plain(stream), None)),
    }
}

/// Begins to listen; the address that it got.
pub(crate) async fn listen(around: Surroundings, listen: &Listen) -> Result<SocketAddr, StartError> {
    let wrong = |error| StartError::Listen { address: listen.address, error };
    if listen.transport == Transport::Sctp {
        return crate::sctp::listen(around, listen.address).await.map_err(wrong);
    }
    if listen.transport == Transport::Tls && around.tls.is_none() {
        return Err(StartError::NoCertificate);
    }
    let listener = TcpListener::bind(listen.address).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    let secure = listen.transport == Transport::Tls;
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                // The node has ended, and its port with it.
                () = around.told.closed() => return,
            };
            match accepted {
                Ok((stream, from)) if permitted(&around.accept_from, from.ip()) => {
                    let Ok(place) = Arc::clone(&around.places).try_acquire_owned() else { continue };
                    let around = around.clone();
                    tokio::spawn(async move {
                        welcome(around, stream, secure).await;
                        drop(place);
                    });
                }
                Ok((_, from)) => tracing::warn!(%from, "somebody connected who may not"),
                Err(error) => {
                    // Out of descriptors, most likely: others will be given back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    });
    Ok(address)
}

async fn welcome(around: Surroundings, stream: TcpStream, secure: bool) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (stream, names) = match (&around.tls, secure) {
        (Some(tls), true) => match handshake(stream, false, "", tls).await {
            Ok(stream) => {
                let names = tls::names(shown(&stream));
                (Stream::Secure(Box::new(stream)), Some(names))
            }
            Err(error) => return tracing::debug!(%error, "a TLS handshake failed"),
        },
        _ => (Stream::Plain(stream), None),
    };
    let (sender, orders) = mpsc::channel(QUEUE);
    let link = around.number();
    if around.told.send(Told::Accepted { link, names, orders: sender }).await.is_ok() {
        carry(link, stream, around.limits, around.tls, orders, around.told).await;
    }
}
