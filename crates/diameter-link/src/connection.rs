//! One connection over TCP or TLS: octets in, cut into messages; octets out, as fast as the peer takes them.

use crate::tls::{self, Tls};
use basalt_diameter::node::LinkId;
use basalt_diameter::{Limits, framed};
use bytes::{Buf, BytesMut};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsStream;

/// Octets read at a time.
const CHUNK: usize = 64 * 1024;
/// Octets that wait for the peer before no more are taken from the queue.
const UNSENT: usize = 1024 * 1024;
/// Messages that wait for the connection; a peer that lets more wait does not read.
pub(crate) const QUEUE: usize = 16_384;
/// How long a TLS handshake may take, and a peer may take nothing of what waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What a connection is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send this.
    Send(Vec<u8>),
    /// Send this, then begin TLS; whether as the client. The name the peer must show.
    SendAndSecure { octets: Vec<u8>, client: bool, host: String },
    /// Send what waits, then end.
    Close,
}

/// What connections tell.
#[derive(Debug)]
pub(crate) enum Told {
    /// A connection that was asked for stands.
    Connected { link: LinkId, names: Option<Vec<String>> },
    /// Somebody connected.
    Accepted { link: LinkId, names: Option<Vec<String>>, orders: mpsc::Sender<Order> },
    /// TLS began.
    Secured { link: LinkId, names: Vec<String> },
    /// Whole messages, one after the other.
    Messages { link: LinkId, octets: Vec<u8> },
    /// What cannot be cut into messages; the node says what to answer.
    Garbage { link: LinkId, octets: Vec<u8> },
    /// The connection is gone.
    Closed { link: LinkId },
}

/// The octets' way, in clear or not.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Carries a connection until it ends. Every way out tells [`Told::Closed`].
pub(crate) async fn carry(
    link: LinkId,
    stream: Stream,
    limits: Limits,
    tls: Option<Tls>,
    mut orders: mpsc::Receiver<Order>,
    told: mpsc::Sender<Told>,
) {
    let ended = match stream {
        Stream::Plain(stream) => {
            let carried = carry_stream(link, stream, &limits, &mut orders, &told).await;
            match (carried, tls) {
                (Ok(Ended::Secure { stream, client, host }), Some(tls)) => {
                    secure(link, stream, client, &host, &tls, &limits, &mut orders, &told).await
                }
                (Ok(_), _) => Ok(()),
                (Err(error), _) => Err(error),
            }
        }
        Stream::Secure(stream) => carry_stream(link, *stream, &limits, &mut orders, &told).await.map(|_| ()),
    };
    if let Err(error) = ended {
        tracing::debug!(link = link.0, %error, "a connection ended");
    }
    // The loop may have ended.
    let _ = told.send(Told::Closed { link }).await;
}

#[allow(clippy::too_many_arguments, reason = "the surroundings of one connection")]
async fn secure(
    link: LinkId,
    stream: TcpStream,
    client: bool,
    host: &str,
    tls: &Tls,
    limits: &Limits,
    orders: &mut mpsc::Receiver<Order>,
    told: &mpsc::Sender<Told>,
) -> io::Result<()> {
    let stream = handshake(stream, client, host, tls).await?;
    let names = tls::names(shown(&stream));
    let _ = told.send(Told::Secured { link, names }).await;
    carry_stream(link, stream, limits, orders, told).await.map(|_| ())
}

/// A TLS handshake, in time.
pub(crate) async fn handshake(
    stream: TcpStream,
    client: bool,
    host: &str,
    tls: &Tls,
) -> io::Result<TlsStream<TcpStream>> {
    let handshake = async {
        if client {
            let name = tls::server_name(host).ok_or_else(|| io::Error::other("the peer's name is no host name"))?;
            tls.connector().connect(name, stream).await.map(TlsStream::from)
        } else {
            tls.acceptor().accept(stream).await.map(TlsStream::from)
        }
    };
    tokio::time::timeout(PATIENCE, handshake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The certificate that the other side showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> Option<&[rustls::pki_types::CertificateDer<'static>]> {
    stream.get_ref().1.peer_certificates()
}

/// How carrying ended.
enum Ended<S> {
    /// One side is done.
    Over,
    /// TLS is to begin.
    Secure { stream: S, client: bool, host: String },
}

/// The state of carrying one stream.
struct Carry<'a> {
    link: LinkId,
    limits: &'a Limits,
    told: &'a mpsc::Sender<Told>,
    inward: BytesMut,
    outward: BytesMut,
    closing: bool,
    securing: Option<(bool, String)>,
}

async fn carry_stream<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    link: LinkId,
    stream: S,
    limits: &Limits,
    orders: &mut mpsc::Receiver<Order>,
    told: &mpsc::Sender<Told>,
) -> io::Result<Ended<S>> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (inward, outward) = (BytesMut::with_capacity(CHUNK), BytesMut::with_capacity(CHUNK));
    let mut carry = Carry { link, limits, told, inward, outward, closing: false, securing: None };
    let mut taken: Vec<Order> = Vec::new();
    let mut flushed = true;
    loop {
        if carry.outward.is_empty() {
            if !flushed {
                within(writer.flush()).await?;
                flushed = true;
            }
            if carry.closing {
                let _ = within(writer.shutdown()).await;
                return Ok(Ended::Over);
            }
            if let Some((client, host)) = carry.securing.take() {
                return Ok(Ended::Secure { stream: join(reader, writer), client, host });
            }
        }
        let may_take = carry.outward.len() < UNSENT && !carry.closing && carry.securing.is_none();
        tokio::select! {
            sent = within(writer.write(&carry.outward)), if !carry.outward.is_empty() => {
                carry.outward.advance(sent?);
                flushed = false;
            }
            read = reader.read_buf(&mut carry.inward), if carry.securing.is_none() && !carry.closing => {
                if read? == 0 {
                    return Ok(Ended::Over);
                }
                match carry.cut().await {
                    Cut::Sound => {}
                    Cut::Gone => return Ok(Ended::Over),
                    Cut::Garbage => carry.last_words(orders).await,
                }
            }
            count = orders.recv_many(&mut taken, 256), if may_take => {
                if count == 0 {
                    carry.closing = true;
                }
                taken.drain(..).for_each(|order| carry.take(order));
            }
        }
    }
}

impl Carry<'_> {
    fn take(&mut self, order: Order) {
        if self.closing || self.securing.is_some() {
            return;
        }
        match order {
            Order::Send(octets) => self.outward.extend_from_slice(&octets),
            Order::SendAndSecure { octets, client, host } => {
                self.outward.extend_from_slice(&octets);
                self.securing = Some((client, host));
            }
            Order::Close => self.closing = true,
        }
    }

    /// Gives whole messages to the loop.
    async fn cut(&mut self) -> Cut {
        let mut end = 0;
        let cut = loop {
            match framed(&self.inward[end..], self.limits) {
                Ok(Some(length)) if self.inward.len() - end >= length => end += length,
                Ok(_) => break Cut::Sound,
                Err(_) => break Cut::Garbage,
            }
        };
        if end > 0 {
            let octets = self.inward.split_to(end).to_vec();
            if self.told.send(Told::Messages { link: self.link, octets }).await.is_err() {
                return Cut::Gone;
            }
        }
        if self.inward.is_empty() && !(4096..=4 * CHUNK).contains(&self.inward.capacity()) {
            // What held a large message is given back.
            self.inward = BytesMut::with_capacity(CHUNK);
        }
        cut
    }

    /// What came cannot be cut: the node hears of it and says what is answered, before the end.
    async fn last_words(&mut self, orders: &mut mpsc::Receiver<Order>) {
        let octets = self.inward.split().to_vec();
        if self.told.send(Told::Garbage { link: self.link, octets }).await.is_ok() {
            while let Ok(Some(order)) = tokio::time::timeout(PATIENCE, orders.recv()).await {
                self.take(order);
                if self.closing {
                    return;
                }
            }
        }
        self.closing = true;
    }
}

/// What came of cutting.
enum Cut {
    /// More can come.
    Sound,
    /// What is left is no message.
    Garbage,
    /// Nobody listens any more.
    Gone,
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn join<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(reader: ReadHalf<S>, writer: WriteHalf<S>) -> S {
    reader.unsplit(writer)
}
