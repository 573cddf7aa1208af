//! What is said on a stream: beats, reports, commands, and what others have to tell the gateway.

use super::pages::{desired, digest};
use super::{Out, PATIENCE, Talk};
use crate::fleet::{Fleet, now};
use crate::identity::{Known, unavailable};
use crate::registry::Nudge;
use crate::reports;
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::from_gateway::Message as Up;
use basalt_control_api::orchestrator::v1::from_orchestrator::Message as Down;
use orchestrator_db::StatePart;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};

impl<'a> Talk<'a> {
    pub(super) async fn begin(
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
        // Before its network is read, which may take a while when all gateways of a large one come back after a restart.
        let welcome = api::Welcome {
            version: 1,
            now: u64::try_from(now()).unwrap_or(0),
            beat_seconds: u32::try_from(fleet.settings.beat.as_secs()).unwrap_or(30).max(1),
            ledger: ledger.cast_unsigned(),
            usage_through: usage_through.cast_unsigned(),
        };
        say(out, Down::Welcome(welcome)).await?;
        let (desired, cover) = desired(fleet, known).await?;
        let mut talk = Self {
            fleet,
            known,
            stream,
            fingerprint,
            out,
            desired,
            cover,
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
            places: fleet.places.subscribe(),
            seen_at: now(),
            displaced: None,
        };
        talk.tell_places().await?;
        talk.commands().await?;
        talk.settle().await?;
        Ok(talk)
    }

    pub(super) async fn run(
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
                        return Box::pin(self.cloned()).await;
                    }
                    for probe in self.probes.drain(..) {
                        // Whoever asked may have given up.
                        let _ = probe.send(true);
                    }
                    if let Some(up) = message.message {
                        Box::pin(self.heard_of(up)).await?;
                    }
                }
                nudge = nudges.recv() => {
                    // Without a place in the registry there is nobody who would tell of changes.
                    let Some(nudge) = nudge else {
                        return Err(Status::unavailable("the conversation fell behind: begin anew"));
                    };
                    if !Box::pin(self.nudged(nudge)).await? {
                        return Ok(());
                    }
                }
                _ = beats.tick() => Box::pin(self.beat()).await?,
                // Those who tell it live as long as the fleet.
                Ok(()) = self.places.changed() => Box::pin(self.tell_places()).await?,
                // It is elsewhere, and silent here.
                () = sleep_until(self.displaced) => return Ok(()),
                () = sleep_until(self.rest_until) => {
                    self.rest_until = None;
                    self.fruitless = 0;
                    Box::pin(self.settle()).await?;
                }
            }
        }
    }

    pub(super) async fn say(&self, message: Down) -> Result<(), Status> {
        say(self.out, message).await
    }

    async fn tell_places(&mut self) -> Result<(), Status> {
        let addresses = self.places.borrow_and_update().clone();
        if addresses.is_empty() { Ok(()) } else { self.say(Down::Addresses(api::Addresses { addresses })).await }
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

    pub(super) async fn keep(&mut self, parts: &[StatePart]) -> Result<(), Status> {
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
                let state = reports::state(&check_in, now())?;
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
                self.look_again().await?;
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

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}

async fn say(out: &Out, message: Down) -> Result<(), Status> {
    let message = api::FromOrchestrator { message: Some(message) };
    let sent = tokio::time::timeout(PATIENCE, out.send(Ok(message))).await;
    match sent {
        Ok(Ok(())) => Ok(()),
        _ => Err(Status::unavailable("the gateway takes no messages")),
    }
}
