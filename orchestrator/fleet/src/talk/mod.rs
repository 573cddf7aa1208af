//! The stream of one gateway: who it is, and that there is one of it. What is said on it is `stream`, what it should have and has
//! `pages`.

mod pages;
mod stream;

use crate::enrol::issue;
use crate::fleet::{Fleet, now, unhex};
use crate::identity::{Known, known, peer, speaks_for, unavailable};
use crate::overlay::Cover;
use crate::registry::{Live, Nudge};
use crate::releases;
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::conversation_server::Conversation as Service;
use basalt_control_api::orchestrator::v1::from_gateway::Message as Up;
use orchestrator_db::{Object, StatePart};
use orchestrator_model::{DesiredState, Digest, ItemKey};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Messages on their way to a gateway.
const MESSAGES: usize = 32;
/// Nudges that may wait for a conversation.
const NUDGES: usize = 256;
/// How long a gateway may take to speak first, or to take a message; and the rest after comparisons that changed nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a gateway is told when it had better go to another replica.
const CUT_OFF: &str = "this replica does not reach the database";

type Out = mpsc::Sender<Result<api::FromOrchestrator, Status>>;

pub(crate) struct Talks(pub(crate) Arc<Fleet>);

#[tonic::async_trait]
impl Service for Talks {
    async fn renew(&self, request: Request<api::RenewRequest>) -> Result<Response<api::Issued>, Status> {
        let known = known(&self.0, &peer(&request)?).await?;
        let request = request.into_inner();
        speaks_for(&self.0, &known, &request.network, &request.gateway).await?;
        let device = self.0.db.device(&known.network, &known.gateway).await.map_err(|error| unavailable(&error))?;
        let point = device.filter(|device| device.revoked_at == 0).and_then(|device| unhex(&device.public_key));
        let point = point.ok_or_else(|| Status::permission_denied("this gateway was revoked"))?;
        issue(&self.0, &known, &point).await.map(Response::new)
    }

    type FetchStream = releases::Pieces;

    async fn fetch(&self, request: Request<api::FetchRequest>) -> Result<Response<Self::FetchStream>, Status> {
        let known = known(&self.0, &peer(&request)?).await?;
        let request = request.into_inner();
        speaks_for(&self.0, &known, &request.network, &request.gateway).await?;
        releases::fetch(&self.0, &request.release, request.place).await.map(Response::new)
    }

    type TalkStream = ReceiverStream<Result<api::FromOrchestrator, Status>>;

    async fn talk(&self, request: Request<Streaming<api::FromGateway>>) -> Result<Response<Self::TalkStream>, Status> {
        let peer = peer(&request)?;
        let known = tokio::select! {
            known = known(&self.0, &peer) => known?,
            () = self.0.cut_off() => return Err(Status::unavailable(CUT_OFF)),
        };
        let (out, messages) = mpsc::channel(MESSAGES);
        let (fleet, inbound) = (Arc::clone(&self.0), request.into_inner());
        tokio::spawn(async move {
            if let Err(status) = serve(&fleet, known, peer.fingerprint, inbound, &out).await {
                // The gateway may have gone.
                let _ = out.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}

async fn serve(
    fleet: &Arc<Fleet>,
    known: Known,
    fingerprint: String,
    mut inbound: Streaming<api::FromGateway>,
    out: &Out,
) -> Result<(), Status> {
    let first = tokio::time::timeout(PATIENCE, inbound.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("nothing was said"))??;
    let Some(api::FromGateway { message: Some(Up::Hello(hello)) }) = first else {
        return Err(Status::invalid_argument("a gateway says hello first"));
    };
    speaks_for(fleet, &known, &hello.network, &hello.gateway).await?;
    if !hello.versions.contains(&1) {
        return Err(Status::failed_precondition("this orchestrator speaks version 1"));
    }
    let (nudge, nudges) = mpsc::channel(NUDGES);
    let stream = fleet.registry.number();
    let live = Live { stream, instance: hello.instance.clone(), nudges: nudge };
    Box::pin(take_place(fleet, &known, live)).await?;
    let talking = async {
        // In boxes: what is done now and then is not to take room of each stream all the time.
        let mut talk = Box::pin(Talk::begin(fleet, &known, stream, fingerprint, out, &hello)).await?;
        talk.run(inbound, nudges).await
    };
    let served = tokio::select! {
        served = talking => served,
        () = fleet.cut_off() => Err(Status::unavailable(CUT_OFF)),
    };
    fleet.registry.remove(&known.network, &known.gateway, stream);
    let fleet = Arc::clone(fleet);
    // Apart: the gateway need not wait until the database answers.
    tokio::spawn(async move {
        let stream = (fleet.replica.as_str(), stream);
        let gone = fleet.db.put_gateway_state(&known.network, &known.gateway, now(), stream, &[StatePart::Gone]);
        if let Err(error) = gone.await {
            tracing::warn!(%error, "that a gateway is gone could not be written down");
        }
    });
    served
}

/// Puts a stream in the place of the gateway's former one. One of another life is asked first whether it is still there: then
/// this one is a clone's, or that one was.
async fn take_place(fleet: &Fleet, known: &Known, live: Live) -> Result<(), Status> {
    for _ in 0..4 {
        let former = fleet.registry.get(&known.network, &known.gateway);
        if let Some(former) = former.as_ref().filter(|former| former.instance != live.instance)
            && answers(fleet, former).await
        {
            let words = format!(
                "a second gateway with the identity of {} came from {} and was refused: the first one still answers",
                known.gateway, known.peer
            );
            fleet.alarms.raise("gateway-cloned", known.about(), words).await;
            return Err(Status::permission_denied("another gateway of this identity is connected"));
        }
        let place = former.as_ref().map(|former| former.stream);
        if fleet.registry.insert(&known.network, &known.gateway, place, live.clone()) {
            if let Some(former) = former {
                // An error means that it has ended by itself.
                let _ = former.nudges.try_send(Nudge::Superseded);
            }
            return Ok(());
        }
    }
    Err(Status::unavailable("this gateway connects too often at once"))
}

async fn answers(fleet: &Fleet, live: &Live) -> bool {
    let (asked, answer) = oneshot::channel();
    if live.nudges.send(Nudge::Probe(asked)).await.is_err() {
        return false;
    }
    matches!(tokio::time::timeout(fleet.settings.probe, answer).await, Ok(Ok(true)))
}

struct Talk<'a> {
    fleet: &'a Arc<Fleet>,
    known: &'a Known,
    stream: i64,
    fingerprint: String,
    out: &'a Out,
    desired: DesiredState,
    /// What of it is laid over the objects.
    cover: Option<Box<Cover>>,
    /// What must be sent, with the body where it is at hand.
    pending: BTreeMap<ItemKey, Option<Arc<Object>>>,
    next_page: u64,
    acknowledged: u64,
    comparison: u64,
    comparing: bool,
    fruitless: u32,
    rest_until: Option<Instant>,
    /// The root that the gateway told last.
    theirs: Digest,
    told_in_sync: Option<bool>,
    refusals: BTreeMap<ItemKey, String>,
    /// What the gateway said of all that it holds: not in force, and in force after a restart. `None` from one that does not say it.
    in_force: Option<(Vec<api::Refusal>, Vec<api::Refusal>)>,
    metrics: serde_json::Map<String, serde_json::Value>,
    heard: Instant,
    probes: Vec<oneshot::Sender<bool>>,
    /// Where replicas are.
    places: watch::Receiver<Vec<String>>,
    seen_at: i64,
    /// Another replica has a stream of the gateway; until when this one waits for a sign that there are two of it.
    displaced: Option<Instant>,
}
