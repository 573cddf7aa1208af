//! Streams of gateways whose federation gateway is connected to another replica.
//!
//! ```text
//!   gateway ── Converse ──► replica ── Converse (its network in the Hello) ──► all others; the first that is welcomed stays
//!           ◄── what the federation gateway says, passed on unread ◄────────── the replica that the federation gateway serves
//! ```
//! Replicas find each other in the database and know each other by a name that the authority gives nobody else. One connection leads
//! to each; one that is silent is over within [`BEAT`] and [`SILENCE`], and the streams over it end, so that gateways begin anew.

use crate::fleet::{Fleet, now, seconds};
use crate::relay::{ToGateway, enter, first_word, gone, held, refuse};
use anyhow::Result;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::federation::v1::federation_server::Federation;
use basalt_control_api::orchestrator::REPLICA_NAME;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};

/// Between two words of a replica that it is there.
const WORD: Duration = Duration::from_secs(2);
/// A replica that was not heard of for so long is not asked any more, milliseconds.
const FORGOTTEN: i64 = 60_000;
/// How long a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two questions whether a replica is there, and how long its answer may take.
const BEAT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(3);
/// Between two tries to have a stream: this at first, twice as long each time, up to that.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);
/// Messages of one stream on their way to another replica, and back.
const WAITING: usize = 1024;
/// What a connection of many streams may have on its way, octets.
pub(crate) const WINDOW: u32 = 4 << 20;
/// Streams of gateways over one connection.
pub(crate) const STREAMS: u32 = 100_000;

/// What carries octets.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection that is being made.
pub type Reached = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Opens connections to other replicas: TCP in production, a simulated network in tests.
pub trait Reach: Send + Sync + 'static {
    /// Connects to `HOST:PORT`.
    fn reach(&self, address: &str) -> Reached;
}

/// TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpReach;

impl Reach for TcpReach {
    fn reach(&self, address: &str) -> Reached {
        let address = address.to_owned();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

/// The other replicas, by address.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(watch::Sender<BTreeMap<String, Channel>>);

impl Fleet {
    /// Says where other replicas find this one (`HOST:PORT`, this replica's alone) and finds them. Until dropped.
    ///
    /// # Errors
    /// The authority cannot sign for this replica.
    pub async fn meet(self: &Arc<Self>, address: &str, reach: Arc<dyn Reach>) -> Result<()> {
        tls(self)?;
        loop {
            match self.db.replica_links(address, now(), now() - FORGOTTEN).await {
                Ok(mut all) => {
                    all.retain(|one| one != address);
                    self.neighbours.put(&all, |place| lead(place, Arc::clone(&reach), Arc::downgrade(self)));
                }
                Err(error) => tracing::warn!(%error, "other replicas cannot be found now"),
            }
            tokio::time::sleep(WORD).await;
        }
    }
}

impl Neighbours {
    /// Those are there. Connections to those that were there before stay.
    fn put(&self, places: &[String], lead: impl Fn(&str) -> Channel) {
        self.0.send_if_modified(|known| {
            let same = known.keys().eq(places);
            known.retain(|place, _| places.contains(place));
            for place in places {
                known.entry(place.clone()).or_insert_with(|| lead(place));
            }
            !same
        });
    }

    /// The stream to the federation gateway that is meant, over whichever replica it is connected to; waits for it.
    pub(crate) async fn seek(&self, hello: &api::Hello) -> Found {
        let mut known = self.0.subscribe();
        loop {
            let mut asked = JoinSet::new();
            for channel in known.borrow_and_update().values() {
                asked.spawn(ask(channel.clone(), hello.clone()));
            }
            // Those who are asked still when one is found are left alone: their streams end.
            tokio::select! {
                Some(Ok(found)) = asked.join_next() => return found,
                // The sender is the fleet's.
                _ = known.changed() => {}
            }
        }
    }
}

/// A stream over another replica.
#[derive(Debug)]
pub(crate) struct Found {
    out: mpsc::Sender<api::FromGateway>,
    /// What the federation gateway said first.
    first: api::ToGateway,
    stream: Streaming<api::ToGateway>,
}

/// Asks one replica until it passes on a word of the federation gateway's.
async fn ask(channel: Channel, hello: api::Hello) -> Found {
    let mut pause = FIRST;
    loop {
        if let Ok(found) = ask_once(channel.clone(), hello.clone()).await {
            return found;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

async fn ask_once(channel: Channel, hello: api::Hello) -> Result<Found, Status> {
    let (out, messages) = mpsc::channel(WAITING);
    let hello = api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) };
    out.try_send(hello).map_err(|_| gone())?;
    let mut stream = FederationClient::new(channel).converse(ReceiverStream::new(messages)).await?.into_inner();
    let first = stream.message().await?.ok_or_else(gone)?;
    Ok(Found { out, first, stream })
}

/// Passes on what both say, until one of them goes.
pub(crate) async fn pass_on(
    fleet: &Fleet,
    fingerprint: &str,
    found: Found,
    mut inbound: Streaming<api::FromGateway>,
    back: &mpsc::Sender<ToGateway>,
) -> Result<(), Status> {
    let Found { out, first, mut stream } = found;
    let mut next = Some(first);
    let mut looks = tokio::time::interval(fleet.settings.beat);
    looks.tick().await;
    loop {
        if let Some(message) = next.take()
            && back.try_send(Ok(message)).is_err()
        {
            return Err(Status::resource_exhausted("the gateway does not read"));
        }
        tokio::select! {
            message = stream.message() => next = Some(message.ok().flatten().ok_or_else(gone)?),
            message = inbound.message() => {
                let Some(message) = message? else { return Ok(()) };
                match out.try_send(message) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(message)) => refuse(&message, back),
                    Err(mpsc::error::TrySendError::Closed(_)) => return Err(gone()),
                }
            }
            () = back.closed() => return Ok(()),
            _ = looks.tick() => held(fleet, fingerprint).await?,
        }
    }
}

/// Streams that other replicas pass on to this one: for federation gateways that are connected here.
pub(crate) struct Passed(pub(crate) Arc<Fleet>);

#[tonic::async_trait]
impl Federation for Passed {
    type ConverseStream = ReceiverStream<ToGateway>;

    async fn converse(
        &self,
        request: Request<Streaming<api::FromGateway>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let (back, messages) = mpsc::channel(WAITING);
        let (fleet, inbound) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            if let Err(status) = serve(&fleet, inbound, &back).await {
                // The other replica may have gone.
                let _ = back.try_send(Err(status));
            }
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

/// The gateway's certificate is the other replica's business: what it says of the gateway is so.
async fn serve(
    fleet: &Fleet,
    mut inbound: Streaming<api::FromGateway>,
    back: &mpsc::Sender<ToGateway>,
) -> Result<(), Status> {
    let mut hello = first_word(&mut inbound).await?;
    let place = (core::mem::take(&mut hello.network), core::mem::take(&mut hello.feg));
    let Some(mut passage) = enter(fleet, &place, &hello, &mut inbound, back).await? else { return Ok(()) };
    let passed = loop {
        tokio::select! {
            message = inbound.message() => {
                let message = match message {
                    Ok(Some(message)) => message,
                    Ok(None) => break Ok(()),
                    Err(status) => break Err(status),
                };
                if let Err(status) = passage.say(message, back) {
                    break Err(status);
                }
            }
            () = passage.ended() => break Err(gone()),
            () = back.closed() => break Ok(()),
        }
    };
    fleet.relays.close(&place, &passage);
    passed
}

/// Both replicas show the name that only replicas have.
fn tls(fleet: &Fleet) -> Result<TlsConnector> {
    let authority = fleet.authority();
    let (chain, key) = authority.server(seconds())?;
    let roots = authority.roots()?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivatePkcs8KeyDer::from(key).into())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config).into())
}

/// A connection that is made when it is wanted, and again when it is lost.
fn lead(place: &str, reach: Arc<dyn Reach>, fleet: Weak<Fleet>) -> Channel {
    let place = place.to_owned();
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let (reached, fleet) = (reach.reach(&place), fleet.clone());
        async move {
            let connect = async {
                // By the authority as it is now.
                let fleet = fleet.upgrade().ok_or_else(|| io::Error::other("this replica is ending"))?;
                let tls = tls(&fleet).map_err(io::Error::other)?;
                drop(fleet);
                let name = ServerName::try_from(REPLICA_NAME).map_err(io::Error::other)?;
                tls.connect(name, reached.await?).await
            };
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            tokio::time::timeout(PATIENCE, connect).await.map_err(late)?.map(TokioIo::new)
        }
    });
    Endpoint::from_static("http://replica")
        .http2_keep_alive_interval(BEAT)
        .keep_alive_timeout(SILENCE)
        .keep_alive_while_idle(true)
        .initial_connection_window_size(WINDOW)
        .connect_with_connector_lazy(connector)
}
