//! Between gateways and federation gateways that have no route to each other.
//!
//! ```text
//!   gateway ── Converse (Hello names the federation gateway) ──► number ──► Serve ──► federation gateway
//!           ◄──────────────────── the messages of that number ◄────────────────────
//! ```
//! A federation gateway that is connected to another replica is reached through that ([`crate::neighbours`]).
//! A gateway's stream waits for a federation gateway that is away, and ends when it goes: the gateway begins anew, and asks another
//! one meanwhile. What is said is passed on unread. Queues are bounded: who does not read loses its stream, nobody waits for it.

use crate::fleet::Fleet;
use crate::identity::{Known, known, peer, unavailable};
use crate::neighbours::pass_on;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_relay_server::FederationRelay;
use basalt_control_api::federation::v1::federation_server::Federation;
use orchestrator_db::Target;
use orchestrator_model::Kind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Messages on their way to a gateway, and to a federation gateway for all of them.
const TO_GATEWAY: usize = 1024;
const TO_FEG: usize = 8192;
/// Between two questions whether a federation gateway is there, and how long it may be silent.
const BEAT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(15);
/// How long a gateway may take to say whom it wants.
const GREETING: Duration = Duration::from_secs(10);

pub(crate) type ToGateway = Result<api::ToGateway, Status>;
type ToFeg = Result<api::ToFeg, Status>;

/// A federation gateway that is connected.
#[derive(Debug)]
struct Feg {
    /// Numbers connections, so that the end of a former one touches nothing of a newer one.
    connection: u64,
    out: mpsc::Sender<ToFeg>,
    streams: BTreeMap<u64, mpsc::Sender<ToGateway>>,
    /// Gone with it: whoever waits for its end hears of it.
    alive: watch::Sender<()>,
}

/// Those that are connected to this replica, by network and name.
#[derive(Debug)]
pub(crate) struct Relays {
    fegs: Mutex<BTreeMap<(String, String), Feg>>,
    /// Grows when one connects.
    arrivals: watch::Sender<u64>,
}

impl Default for Relays {
    fn default() -> Self {
        Self { fegs: Mutex::default(), arrivals: watch::channel(0).0 }
    }
}

impl Relays {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Feg>> {
        self.fegs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut number = 0;
        self.arrivals.send_if_modified(|last| {
            *last += 1;
            number = *last;
            false
        });
        number
    }

    /// One connects. Its former connection, if any, is over, and so are the streams over it.
    fn arrive(&self, feg: &Known, out: mpsc::Sender<ToFeg>) -> u64 {
        let connection = self.number();
        let place = (feg.network.clone(), feg.gateway.clone());
        self.lock().insert(place, Feg { connection, out, streams: BTreeMap::new(), alive: watch::channel(()).0 });
        // Who waits looks again.
        self.arrivals.send_modify(|_| {});
        connection
    }

    fn leave(&self, feg: &Known, connection: u64) {
        let place = (feg.network.clone(), feg.gateway.clone());
        let mut fegs = self.lock();
        if fegs.get(&place).is_some_and(|feg| feg.connection == connection) {
            fegs.remove(&place);
        }
    }

    /// Opens a stream. `None` while the federation gateway is away.
    fn open(&self, place: &(String, String), hello: &api::Hello, back: &mpsc::Sender<ToGateway>) -> Option<Passage> {
        let stream = self.number();
        let mut fegs = self.lock();
        let feg = fegs.get_mut(place)?;
        feg.out.try_send(Ok(to_feg(stream, api::to_feg::Kind::Opened(hello.clone())))).ok()?;
        feg.streams.insert(stream, back.clone());
        Some(Passage { stream, connection: feg.connection, out: feg.out.clone(), alive: feg.alive.subscribe() })
    }

    pub(crate) fn close(&self, place: &(String, String), passage: &Passage) {
        let mut fegs = self.lock();
        let Some(feg) = fegs.get_mut(place).filter(|feg| feg.connection == passage.connection) else { return };
        if feg.streams.remove(&passage.stream).is_some() {
            // A full queue ends with the connection: the federation gateway does not read.
            let _ = feg.out.try_send(Ok(to_feg(passage.stream, api::to_feg::Kind::Closed(api::Closed {}))));
        }
    }

    /// Passes a federation gateway's message on. A stream whose gateway does not read, or that it ends, is over.
    fn back(&self, feg: &Known, connection: u64, from: api::FromFeg) {
        let place = (feg.network.clone(), feg.gateway.clone());
        let mut fegs = self.lock();
        let Some(feg) = fegs.get_mut(&place).filter(|feg| feg.connection == connection) else { return };
        let Some(back) = feg.streams.get(&from.stream) else { return };
        let goes_on = match from.kind {
            Some(api::from_feg::Kind::Message(message)) => back.try_send(Ok(message)).is_ok(),
            Some(api::from_feg::Kind::Closed(_)) => false,
            None => true,
        };
        if !goes_on {
            feg.streams.remove(&from.stream);
            let _ = feg.out.try_send(Ok(to_feg(from.stream, api::to_feg::Kind::Closed(api::Closed {}))));
        }
    }

    /// The names of those of a network that are connected.
    #[cfg(test)]
    pub(crate) fn of(&self, network: &str) -> Vec<String> {
        self.lock().keys().filter(|(one, _)| one == network).map(|(_, name)| name.clone()).collect()
    }
}

/// A gateway's way to a federation gateway.
#[derive(Debug)]
pub(crate) struct Passage {
    stream: u64,
    connection: u64,
    out: mpsc::Sender<ToFeg>,
    /// Ends with the federation gateway's connection.
    alive: watch::Receiver<()>,
}

impl Passage {
    /// Passes a gateway's message on.
    pub(crate) fn say(&self, message: api::FromGateway, back: &mpsc::Sender<ToGateway>) -> Result<(), Status> {
        match self.out.try_send(Ok(to_feg(self.stream, api::to_feg::Kind::Message(message.clone())))) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                refuse(&message, back);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
        }
    }

    /// The federation gateway went.
    pub(crate) async fn ended(&mut self) {
        // Nothing is ever said on it but its end.
        let _ = self.alive.changed().await;
    }
}

fn to_feg(stream: u64, kind: api::to_feg::Kind) -> api::ToFeg {
    api::ToFeg { stream, kind: Some(kind) }
}

/// The streams of gateways.
pub(crate) struct Gateways(pub(crate) Arc<Fleet>);

#[tonic::async_trait]
impl Federation for Gateways {
    type ConverseStream = ReceiverStream<ToGateway>;

    async fn converse(
        &self,
        request: Request<Streaming<api::FromGateway>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let peer = peer(&request)?;
        let known = known(&self.0, &peer).await?;
        let (back, messages) = mpsc::channel(TO_GATEWAY);
        let (fleet, inbound) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            if let Err(status) = relay(&fleet, &known, &peer.fingerprint, inbound, &back).await {
                // The gateway may have gone.
                let _ = back.try_send(Err(status));
            }
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

async fn relay(
    fleet: &Fleet,
    known: &Known,
    fingerprint: &str,
    mut inbound: Streaming<api::FromGateway>,
    back: &mpsc::Sender<ToGateway>,
) -> Result<(), Status> {
    let mut hello = first_word(&mut inbound).await?;
    only_feg(fleet, &known.network, &hello.feg).await?;
    // Who it is its certificate says.
    hello.gateway.clone_from(&known.gateway);
    hello.network.clone_from(&known.network);
    let place = (known.network.clone(), hello.feg.clone());
    let mut passage = tokio::select! {
        entered = enter(fleet, &place, &hello, &mut inbound, back) => match entered? {
            Some(passage) => passage,
            None => return Ok(()),
        },
        found = fleet.neighbours.seek(&hello) => return pass_on(fleet, fingerprint, found, inbound, back).await,
    };
    let passed = pass(fleet, fingerprint, &mut passage, inbound, back).await;
    fleet.relays.close(&place, &passage);
    passed
}

/// The Hello that a stream begins with.
pub(crate) async fn first_word(inbound: &mut Streaming<api::FromGateway>) -> Result<api::Hello, Status> {
    let first = tokio::time::timeout(GREETING, inbound.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("nothing was said"))??;
    match first {
        Some(api::FromGateway { message: Some(api::from_gateway::Message::Hello(hello)) }) => Ok(hello),
        _ => Err(Status::invalid_argument("a stream begins with a Hello")),
    }
}

/// Waits for a federation gateway to be connected here. `None` when the gateway goes first.
pub(crate) async fn enter(
    fleet: &Fleet,
    place: &(String, String),
    hello: &api::Hello,
    inbound: &mut Streaming<api::FromGateway>,
    back: &mpsc::Sender<ToGateway>,
) -> Result<Option<Passage>, Status> {
    let mut arrivals = fleet.relays.arrivals.subscribe();
    loop {
        arrivals.mark_unchanged();
        if let Some(passage) = fleet.relays.open(place, hello, back) {
            return Ok(Some(passage));
        }
        tokio::select! {
            // The sender is the fleet's.
            _ = arrivals.changed() => {}
            () = back.closed() => return Ok(None),
            message = inbound.message() => {
                // Nobody is there to hear it; it asks again when it is welcomed.
                if message?.is_none() {
                    return Ok(None);
                }
            }
        }
    }
}

/// Passes on what a gateway says, until one of both goes.
async fn pass(
    fleet: &Fleet,
    fingerprint: &str,
    passage: &mut Passage,
    mut inbound: Streaming<api::FromGateway>,
    back: &mpsc::Sender<ToGateway>,
) -> Result<(), Status> {
    let mut looks = tokio::time::interval(fleet.settings.beat);
    looks.tick().await;
    loop {
        tokio::select! {
            message = inbound.message() => {
                let Some(message) = message? else { return Ok(()) };
                passage.say(message, back)?;
            }
            () = passage.ended() => return Err(gone()),
            () = back.closed() => return Ok(()),
            _ = looks.tick() => held(fleet, fingerprint).await?,
        }
    }
}

/// Whether a certificate is good still.
pub(crate) async fn held(fleet: &Fleet, fingerprint: &str) -> Result<(), Status> {
    let held = fleet.db.certificate(fingerprint).await.map_err(|error| unavailable(&error))?;
    match held {
        Some(certificate) if certificate.revoked_at == 0 => Ok(()),
        _ => Err(Status::permission_denied("the certificate was revoked")),
    }
}

pub(crate) fn gone() -> Status {
    Status::unavailable("the federation gateway went")
}

/// The federation gateway takes nothing: said at once, so that another one is asked.
pub(crate) fn refuse(message: &api::FromGateway, back: &mpsc::Sender<ToGateway>) {
    let Some(api::from_gateway::Message::Request(request)) = &message.message else { return };
    let reason = "the federation gateway has too much to do".to_owned();
    let kind = Some(api::answer::Kind::Unavailable(api::Unavailable { reason }));
    let answer = api::to_gateway::Message::Answer(api::Answer { id: request.id, kind });
    // One that does not read either asks again by itself.
    let _ = back.try_send(Ok(api::ToGateway { message: Some(answer) }));
}

/// The streams of federation gateways.
pub(crate) struct Fegs(pub(crate) Arc<Fleet>);

#[tonic::async_trait]
impl FederationRelay for Fegs {
    type ServeStream = ReceiverStream<ToFeg>;

    async fn serve(&self, request: Request<Streaming<api::FromFeg>>) -> Result<Response<Self::ServeStream>, Status> {
        let peer = peer(&request)?;
        let known = known(&self.0, &peer).await?;
        only_feg(&self.0, &known.network, &known.gateway).await?;
        let (out, messages) = mpsc::channel(TO_FEG);
        let (fleet, inbound) = (Arc::clone(&self.0), request.into_inner());
        let connection = fleet.relays.arrive(&known, out.clone());
        tracing::info!(network = known.network, feg = known.gateway, "a federation gateway is relayed to");
        tokio::spawn(async move {
            hear(&fleet, &known, connection, inbound, out).await;
            fleet.relays.leave(&known, connection);
            tracing::info!(network = known.network, feg = known.gateway, "a federation gateway is relayed to no more");
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

/// Takes in what a federation gateway says, until it ends or is silent.
async fn hear(
    fleet: &Fleet,
    known: &Known,
    connection: u64,
    mut inbound: Streaming<api::FromFeg>,
    out: mpsc::Sender<ToFeg>,
) {
    let mut beats = tokio::time::interval(BEAT);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = inbound.message() => {
                let Ok(Some(from)) = message else { return };
                heard = Instant::now();
                fleet.relays.back(known, connection, from);
            }
            _ = beats.tick() => {
                // Stream 0 is nobody's: the federation gateway answers on it that it is there.
                if heard.elapsed() > SILENCE || out.try_send(Ok(api::ToFeg::default())).is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether a gateway of this name is a federation gateway.
pub(crate) async fn is_feg(fleet: &Fleet, network: &str, name: &str) -> Result<bool, Status> {
    let target = Target { kind: Kind::Gateway, network: network.to_owned(), name: name.to_owned() };
    let object = fleet.db.object(&target).await.map_err(|error| unavailable(&error))?;
    Ok(object.is_some_and(|object| object.body.get("feg").is_some_and(|feg| !feg.is_null())))
}

async fn only_feg(fleet: &Fleet, network: &str, name: &str) -> Result<(), Status> {
    let is = is_feg(fleet, network, name).await?;
    if is { Ok(()) } else { Err(Status::permission_denied("there is no federation gateway of this name")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn someone(name: &str) -> Known {
        Known { network: "n".to_owned(), gateway: name.to_owned(), peer: String::new() }
    }

    #[test]
    fn streams_end_with_their_federation_gateway_and_not_with_a_former_one() {
        let relays = Relays::default();
        let place = ("n".to_owned(), "feg1".to_owned());
        let (back, mut gateway) = mpsc::channel(8);
        let hello = api::Hello { gateway: "mast".to_owned(), life: 1, ..api::Hello::default() };
        assert!(relays.open(&place, &hello, &back).is_none(), "it is away");
        let (first, mut read_first) = mpsc::channel(8);
        let former = relays.arrive(&someone("feg1"), first);
        let (second, mut read_second) = mpsc::channel(8);
        let connection = relays.arrive(&someone("feg1"), second);
        assert!(read_first.try_recv().is_err(), "the former connection is over");
        relays.leave(&someone("feg1"), former);
        assert_eq!(relays.of("n"), ["feg1"]);
        let passage = relays.open(&place, &hello, &back).unwrap();
        let opened = read_second.try_recv().unwrap().unwrap();
        assert!(matches!(opened.kind, Some(api::to_feg::Kind::Opened(hello)) if hello.gateway == "mast"));
        // Words on streams that are none, or over another connection, reach nobody.
        let said =
            |stream| api::FromFeg { stream, kind: Some(api::from_feg::Kind::Message(api::ToGateway::default())) };
        relays.back(&someone("feg1"), connection, said(passage.stream + 1));
        relays.back(&someone("feg1"), former, said(passage.stream));
        assert!(gateway.try_recv().is_err());
        relays.back(&someone("feg1"), connection, said(passage.stream));
        assert!(gateway.try_recv().is_ok());
        relays.close(&place, &passage);
        let closed = read_second.try_recv().unwrap().unwrap();
        assert!(matches!(closed.kind, Some(api::to_feg::Kind::Closed(_))));
    }

    #[test]
    fn a_gateway_that_does_not_read_loses_its_stream_alone() {
        let relays = Relays::default();
        let place = ("n".to_owned(), "feg1".to_owned());
        let (out, mut feg) = mpsc::channel(64);
        let connection = relays.arrive(&someone("feg1"), out);
        let (lazy, _unread) = mpsc::channel(1);
        let (quick, mut read) = mpsc::channel(8);
        let open = |back| relays.open(&place, &api::Hello::default(), back).unwrap().stream;
        let (lazy, quick) = (open(&lazy), open(&quick));
        for stream in [lazy, lazy, lazy, quick] {
            let kind = Some(api::from_feg::Kind::Message(api::ToGateway::default()));
            relays.back(&someone("feg1"), connection, api::FromFeg { stream, kind });
        }
        assert!(read.try_recv().is_ok());
        let mut closed = Vec::new();
        while let Ok(Ok(told)) = feg.try_recv() {
            if matches!(told.kind, Some(api::to_feg::Kind::Closed(_))) {
                closed.push(told.stream);
            }
        }
        assert_eq!(closed, [lazy]);
    }
}
