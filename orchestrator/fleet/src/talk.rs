//! The stream of one gateway: who it is, what it should have and what it has.

use crate::enrol::issue;
use crate::fleet::{Fleet, now, unhex};
use crate::identity::{Known, known, peer, speaks_for, unavailable};
use crate::registry::{Changed, Live, Nudge};
use crate::reports;
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::conversation_server::Conversation as Service;
use basalt_control_api::orchestrator::v1::from_gateway::Message as Up;
use basalt_control_api::orchestrator::v1::from_orchestrator::Message as Down;
use orchestrator_db::{Error, Object, StatePart};
use orchestrator_model::{DesiredState, Difference, Digest, ItemKey, Kind, Source, key_of, object_digest};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Messages on their way to a gateway.
const MESSAGES: usize = 32;
/// Nudges that may wait for a conversation.
const NUDGES: usize = 256;
/// Items of a page, and octets of its bodies.
const ITEMS: usize = 200;
const OCTETS: usize = 512 << 10;
/// Pages that the gateway has not acknowledged.
const WINDOW: u64 = 4;
/// Comparisons one after the other that changed nothing; then there is a rest.
const FRUITLESS: u32 = 3;
/// Items that are not in force, shown of one gateway.
const SHOWN: usize = 100;
/// The rest, and how long a gateway may take to speak first.
const PATIENCE: Duration = Duration::from_secs(30);

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

    type TalkStream = ReceiverStream<Result<api::FromOrchestrator, Status>>;

    async fn talk(&self, request: Request<Streaming<api::FromGateway>>) -> Result<Response<Self::TalkStream>, Status> {
        let peer = peer(&request)?;
        let known = known(&self.0, &peer).await?;
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
    take_place(fleet, &known, live).await?;
    let served = async {
        let mut talk = Talk::begin(fleet, &known, stream, fingerprint, out, &hello).await?;
        talk.run(inbound, nudges).await
    }
    .await;
    fleet.registry.remove(&known.network, &known.gateway, stream);
    let stream = (fleet.replica.as_str(), stream);
    if let Err(error) =
        fleet.db.put_gateway_state(&known.network, &known.gateway, now(), stream, &[StatePart::Gone]).await
    {
        tracing::warn!(%error, "that a gateway is gone could not be written down");
    }
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
    seen_at: i64,
    /// Another replica has a stream of the gateway; until when this one waits for a sign that there are two of it.
    displaced: Option<Instant>,
}

impl<'a> Talk<'a> {
    async fn begin(
        fleet: &'a Arc<Fleet>,
        known: &'a Known,
        stream: i64,
        fingerprint: String,
        out: &'a Out,
        hello: &api::Hello,
    ) -> Result<Self, Status> {
        let db = &fleet.db;
        let connected = db.gateway_connected(&known.network, &known.gateway, now(), &fleet.replica, stream);
        connected.await.map_err(|error| unavailable(&error))?;
        let ledger = db.ledger(&known.network, &known.gateway).await.map_err(|error| unavailable(&error))?;
        let (ledger, usage_through) = ledger.unwrap_or_default();
        let mut talk = Self {
            fleet,
            known,
            stream,
            fingerprint,
            out,
            desired: desired(fleet, known).await?,
            pending: BTreeMap::new(),
            next_page: 1,
            acknowledged: 0,
            comparison: 0,
            comparing: false,
            fruitless: 0,
            rest_until: None,
            theirs: digest(&hello.root),
            told_in_sync: None,
            refusals: BTreeMap::new(),
            in_force: None,
            metrics: serde_json::Map::new(),
            heard: Instant::now(),
            probes: Vec::new(),
            seen_at: now(),
            displaced: None,
        };
        talk.say(Down::Welcome(api::Welcome {
            version: 1,
            now: u64::try_from(now()).unwrap_or(0),
            beat_seconds: u32::try_from(fleet.settings.beat.as_secs()).unwrap_or(30).max(1),
            ledger: ledger.cast_unsigned(),
            usage_through: usage_through.cast_unsigned(),
        }))
        .await?;
        talk.commands().await?;
        talk.settle().await?;
        Ok(talk)
    }

    async fn run(
        &mut self,
        mut inbound: Streaming<api::FromGateway>,
        mut nudges: mpsc::Receiver<Nudge>,
    ) -> Result<(), Status> {
        let beat = self.fleet.settings.beat;
        let mut beats = tokio::time::interval_at(Instant::now() + beat, beat);
        loop {
            tokio::select! {
                message = inbound.message() => {
                    let Some(message) = message? else { return Ok(()) };
                    self.heard = Instant::now();
                    if self.displaced.is_some() {
                        return self.cloned().await;
                    }
                    for probe in self.probes.drain(..) {
                        // Whoever asked may have given up.
                        let _ = probe.send(true);
                    }
                    if let Some(up) = message.message {
                        self.heard_of(up).await?;
                    }
                }
                nudge = nudges.recv() => {
                    // Without a place in the registry there is nobody who would tell of changes.
                    let Some(nudge) = nudge else {
                        return Err(Status::unavailable("the conversation fell behind: begin anew"));
                    };
                    if !self.nudged(nudge).await? {
                        return Ok(());
                    }
                }
                _ = beats.tick() => self.beat().await?,
                // It is elsewhere, and silent here.
                () = sleep_until(self.displaced) => return Ok(()),
                () = sleep_until(self.rest_until) => {
                    self.rest_until = None;
                    self.fruitless = 0;
                    self.settle().await?;
                }
            }
        }
    }

    async fn say(&self, message: Down) -> Result<(), Status> {
        let message = api::FromOrchestrator { message: Some(message) };
        let sent = tokio::time::timeout(PATIENCE, self.out.send(Ok(message))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(Status::unavailable("the gateway takes no messages")),
        }
    }

    async fn beat(&mut self) -> Result<(), Status> {
        if self.heard.elapsed() > self.fleet.settings.beat * 3 {
            return Err(Status::unavailable("the gateway is silent"));
        }
        // Now and then it is written down that it is there.
        if now() - self.seen_at > 300_000 {
            self.keep(&[StatePart::Seen]).await?;
        }
        self.say(Down::Beat(api::Beat {})).await
    }

    async fn keep(&mut self, parts: &[StatePart]) -> Result<(), Status> {
        self.seen_at = now();
        let stream = (self.fleet.replica.as_str(), self.stream);
        let kept =
            self.fleet.db.put_gateway_state(&self.known.network, &self.known.gateway, self.seen_at, stream, parts);
        kept.await.map_err(|error| unavailable(&error))
    }

    async fn heard_of(&mut self, up: Up) -> Result<(), Status> {
        match up {
            Up::Hello(_) => Err(Status::invalid_argument("hello is said once")),
            Up::Buckets(buckets) => self.buckets(buckets).await,
            Up::Applied(applied) => self.applied(applied).await,
            Up::InForce(told) => {
                self.in_force = Some((told.refused, told.pending));
                self.told_in_sync = None;
                self.settle().await
            }
            Up::Drifted(drifted) => {
                self.theirs = digest(&drifted.root);
                self.fruitless = 0;
                self.settle().await
            }
            Up::CheckIn(check_in) => {
                let state = reports::state(&check_in)?;
                self.keep(&[StatePart::State(state)]).await
            }
            Up::Metrics(metrics) => {
                reports::merge_metrics(&mut self.metrics, metrics)?;
                let all = serde_json::Value::Object(self.metrics.clone());
                self.keep(&[StatePart::Metrics(all)]).await
            }
            Up::Events(events) => {
                let received = reports::events(self.fleet, self.known, events).await?;
                self.say(Down::Received(received)).await
            }
            Up::Usage(usage) => {
                let received = reports::usage(self.fleet, self.known, usage).await?;
                self.say(Down::Received(received)).await
            }
            Up::Phones(phones) => {
                let stream = (self.fleet.replica.as_str(), self.stream);
                reports::phones(self.fleet, self.known, stream, phones).await
            }
            Up::Progress(progress) => {
                let received = reports::progress(self.fleet, self.known, progress).await?;
                self.say(Down::Received(received)).await
            }
            Up::CommandData(data) => {
                let received = reports::data(self.fleet, self.known, data).await?;
                self.say(Down::Received(received)).await
            }
            Up::Beat(_) => Ok(()),
        }
    }

    /// False when the stream ends.
    async fn nudged(&mut self, nudge: Nudge) -> Result<bool, Status> {
        match nudge {
            Nudge::Objects(changed) => self.changed(&changed).await?,
            Nudge::Everything => {
                self.desired = desired(self.fleet, self.known).await?;
                self.pending.clear();
                self.settle().await?;
            }
            Nudge::Commands => self.commands().await?,
            Nudge::Certificates => {
                let held = self.fleet.db.certificate(&self.fingerprint).await.map_err(|error| unavailable(&error))?;
                if held.is_none_or(|certificate| certificate.revoked_at > 0) {
                    return Err(Status::permission_denied("the certificate was revoked"));
                }
            }
            Nudge::Streams => {
                if !self.still_here().await? && self.displaced.is_none() {
                    // It went to another replica: then it answers no more here. If it does, there are two of it.
                    self.displaced = Some(Instant::now() + self.fleet.settings.probe);
                    self.say(Down::Beat(api::Beat {})).await?;
                }
            }
            Nudge::Probe(probe) => {
                self.probes.push(probe);
                self.say(Down::Beat(api::Beat {})).await?;
            }
            Nudge::Superseded => {
                let reason = "it talks on a newer stream".to_owned();
                self.say(Down::Goodbye(api::Goodbye { reason, not_before_seconds: 0 })).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the gateway talks to this replica: it may have gone to another without a word to this one.
    async fn still_here(&self) -> Result<bool, Status> {
        let state = self.fleet.db.gateway_state(&self.known.network, &self.known.gateway).await;
        let state = state.map_err(|error| unavailable(&error))?;
        Ok(state.is_none_or(|state| state.replica == self.fleet.replica && state.stream == self.stream))
    }

    /// The gateway talks here, and with another replica: one of them is a copy of the other.
    async fn cloned(&self) -> Result<(), Status> {
        let words = format!(
            "two gateways have the identity of {}: one came from {} and still answers, one talks to another replica",
            self.known.gateway, self.known.peer
        );
        self.fleet.alarms.raise("gateway-cloned", self.known.about(), words).await;
        Err(Status::permission_denied("another gateway of this identity is connected"))
    }

    async fn changed(&mut self, changed: &[Changed]) -> Result<(), Status> {
        for change in changed {
            if change.kind == Kind::Gateway && change.name == self.known.gateway {
                // What it needs may be other things now.
                self.desired = desired(self.fleet, self.known).await?;
                self.pending.clear();
                return self.settle().await;
            }
        }
        for change in changed {
            let differs = match &change.object {
                Some(object) => {
                    let secrets_mark = u64::try_from(object.secrets_mark).unwrap_or(0);
                    self.desired.put(Source { kind: change.kind, name: &change.name, body: &object.body, secrets_mark })
                }
                None => self.desired.remove(change.kind, &change.name),
            };
            if differs {
                self.pending.insert(key_of(change.kind, &change.name), change.object.clone());
            }
        }
        self.settle().await
    }

    /// Sends what waits, as far as the window is open; then sees whether both sides are equal.
    async fn settle(&mut self) -> Result<(), Status> {
        while !self.pending.is_empty() && self.next_page - 1 - self.acknowledged < WINDOW {
            self.page().await?;
        }
        if !self.pending.is_empty() || self.next_page - 1 > self.acknowledged || self.comparing {
            return self.tell_sync(false).await;
        }
        if self.theirs == self.desired.digest() {
            self.fruitless = 0;
            return self.tell_sync(true).await;
        }
        if self.fruitless >= FRUITLESS {
            self.rest_until = Some(Instant::now() + PATIENCE);
            return self.tell_sync(false).await;
        }
        self.fruitless += 1;
        self.comparison += 1;
        self.comparing = true;
        let buckets = self.desired.tree().bucket_digests().iter().map(|digest| digest.0.to_vec()).collect();
        self.say(Down::Compare(api::Compare { comparison: self.comparison, buckets })).await
    }

    /// What the gateway has where it differs.
    async fn buckets(&mut self, buckets: api::Buckets) -> Result<(), Status> {
        if buckets.comparison != self.comparison || !self.comparing {
            return Ok(());
        }
        for bucket in buckets.buckets {
            let held = bucket.items.into_iter().map(|item| {
                let key = ItemKey { collection: item.collection, name: item.name };
                (key, digest(&item.digest))
            });
            let held: BTreeMap<ItemKey, Digest> = held.collect();
            let index = usize::try_from(bucket.index).unwrap_or(usize::MAX);
            for difference in self.desired.tree().differences(index, &held, usize::MAX) {
                let (Difference::Send(key) | Difference::Remove(key)) = difference;
                self.pending.insert(key, None);
            }
        }
        if buckets.last {
            self.comparing = false;
            self.settle().await?;
        }
        Ok(())
    }

    async fn applied(&mut self, applied: api::Applied) -> Result<(), Status> {
        if applied.page >= self.next_page || applied.page <= self.acknowledged {
            return Ok(());
        }
        self.acknowledged = applied.page;
        self.theirs = digest(&applied.root);
        for refusal in applied.refusals.into_iter().take(ITEMS) {
            let key = ItemKey { collection: refusal.collection, name: refusal.name };
            if self.desired.tree().get(&key).is_some() {
                self.refusals.insert(key, refusal.reason.chars().take(500).collect());
            }
        }
        if self.theirs == self.desired.digest() {
            // A change of refusals is told also while nothing else changes.
            self.told_in_sync = None;
        }
        self.settle().await
    }

    /// Sends one page of what waits.
    async fn page(&mut self) -> Result<(), Status> {
        let mut page = api::Page { number: self.next_page, ..api::Page::default() };
        let mut octets = 0;
        while page.puts.len() + page.removes.len() < ITEMS && octets < OCTETS {
            let Some((key, at_hand)) = self.pending.pop_first() else { break };
            self.refusals.remove(&key);
            match self.put(&key, at_hand).await? {
                Some(put) => {
                    octets += put.body.len();
                    page.puts.push(put);
                }
                None => page.removes.push(api::Key { collection: key.collection, name: key.name }),
            }
        }
        self.next_page += 1;
        self.say(Down::Page(page)).await
    }

    /// An item to send; `None` when the gateway should not have it.
    async fn put(&self, key: &ItemKey, at_hand: Option<Arc<Object>>) -> Result<Option<api::Put>, Status> {
        let kind = Kind::from_collection(&key.collection).filter(|_| self.desired.tree().get(key).is_some());
        let Some(kind) = kind else { return Ok(None) };
        let inside = if kind == Kind::Network { "" } else { self.known.network.as_str() };
        let object = match at_hand {
            Some(object) => object,
            None => {
                let found = self.fleet.db.objects_named(kind, inside, core::slice::from_ref(&key.name)).await;
                // Gone since: the feed tells it in a moment.
                let Some(object) = found.map_err(|error| unavailable(&error))?.pop() else { return Ok(None) };
                Arc::new(object)
            }
        };
        let digest = object_digest(&object.body, u64::try_from(object.secrets_mark).unwrap_or(0));
        Ok(Some(api::Put {
            collection: key.collection.clone(),
            name: key.name.clone(),
            digest: digest.0.to_vec(),
            body: object.body.to_string(),
            secrets: self.secrets(kind, inside, &object),
        }))
    }

    /// The secrets that a gateway works with: those of SIMs.
    fn secrets(&self, kind: Kind, network: &str, object: &Object) -> std::collections::HashMap<String, String> {
        let Some(sealed) = object.sealed.as_ref().filter(|_| kind == Kind::Subscriber) else {
            return std::collections::HashMap::new();
        };
        let target = orchestrator_db::Target { kind, network: network.to_owned(), name: object.name.clone() };
        let opened = self.fleet.key.open_named(&target.to_string(), sealed).ok();
        let secrets = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
        secrets.unwrap_or_else(|| {
            tracing::error!(%target, "stored keys do not open with this sealing key; the gateway gets none");
            std::collections::HashMap::new()
        })
    }

    /// Writes down whether the gateway has what it should, and what of it is in force, when that is new.
    async fn tell_sync(&mut self, held: bool) -> Result<(), Status> {
        if self.told_in_sync == Some(held) {
            return Ok(());
        }
        self.told_in_sync = Some(held);
        let shown = |collection: &str, name: &str, reason: &str| {
            let reason: String = reason.chars().take(500).collect();
            json!({"collection": collection, "name": name, "reason": reason})
        };
        let list = |told: &[api::Refusal]| -> Vec<_> {
            told.iter().take(SHOWN).map(|it| shown(&it.collection, &it.name, &it.reason)).collect()
        };
        let (refused, pending) = match &self.in_force {
            Some((refused, pending)) => (list(refused), list(pending)),
            None => {
                let refusals = self.refusals.iter().take(SHOWN);
                (refusals.map(|(key, reason)| shown(&key.collection, &key.name, reason)).collect(), Vec::new())
            }
        };
        let sync = json!({
            "in_sync": held && refused.is_empty() && pending.is_empty(),
            "held": held,
            "items": self.desired.tree().len(),
            "digest": self.desired.digest().to_string(),
            "at": now(),
            "refused": refused,
            "pending": pending,
        });
        self.keep(&[StatePart::Sync(sync)]).await
    }

    /// Sends commands that wait.
    async fn commands(&mut self) -> Result<(), Status> {
        let db = &self.fleet.db;
        let queued = db.queued_commands(&self.known.network, &self.known.gateway, now()).await;
        for command in queued.map_err(|error| unavailable(&error))? {
            self.say(Down::Command(api::Command {
                id: command.id.clone(),
                kind: command.kind,
                arguments: command.arguments,
                expires_at: u64::try_from(command.expires_at).unwrap_or(0),
            }))
            .await?;
            let sent = db.command_progress(&self.known.network, &command.id, (0, now()), "sent", 0, "").await;
            sent.map_err(|error| unavailable(&error))?;
        }
        Ok(())
    }
}

async fn desired(fleet: &Fleet, known: &Known) -> Result<DesiredState, Status> {
    let catalog = fleet.catalogs.of(fleet, &known.network).await.map_err(|error: Error| unavailable(&error))?;
    let desired = catalog.lock().await.desired(&known.gateway);
    desired.ok_or_else(|| Status::permission_denied("this gateway was deleted at the orchestrator"))
}

fn digest(octets: &[u8]) -> Digest {
    octets.try_into().map(Digest).unwrap_or_default()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}
