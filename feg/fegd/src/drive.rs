//! The loop around the relay, and everything that begins and ends with the daemon.

use crate::config::{self, Effective, File};
use crate::gateways::{Numbers, Outgoing, Streams};
use crate::metrics::Metrics;
use crate::peers::{self, Peers};
use crate::spans::Spans;
use crate::trace::Traces;
use crate::{convert, incoming, managed, metrics, operate};
use anyhow::Context as _;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_server::FederationServer;
use basalt_diameter::node::{Failure, Handle};
use basalt_diameter_link::{Answered, Arrived, Ended, Handler};
use basalt_ids::Imsi;
use basalt_otlp::Context;
use basalt_sansio::{SecureSeed, Time};
use feg_relay::{AskId, Effect, Effects, GatewayId, Input, Outcome, Relay, Request, Token};
use feg_s6a::Inserted;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::transport::Server;

/// What waits for the loop.
const TOLD: usize = 8192;
/// Of it, and of answers, what is done before others have their turn.
const BATCH: usize = 256;
/// How long what is being asked may take when the daemon is to end.
const DRAIN: Duration = Duration::from_secs(5);

/// What the loop is told.
#[derive(Debug)]
pub enum Told {
    /// A gateway said who it is.
    GatewayUp { gateway: GatewayId, name: String, life: u64, sender: mpsc::Sender<Outgoing> },
    /// A gateway's stream ended.
    GatewayDown { gateway: GatewayId },
    /// A gateway asks, for a span of its own where its collector is told.
    Asked { gateway: GatewayId, request: Box<Request>, span: Option<Context> },
    /// A gateway answers.
    Replied { gateway: GatewayId, ask: AskId, outcome: Outcome, told: Inserted },
    /// A Diameter request ended.
    HssAnswered { token: Token, result: Result<Answered, Failure> },
    /// A peer asks.
    FromHome { from: Handler, arrived: Arrived },
    /// What the relay acts on is this now.
    Configured { relay: Box<feg_relay::Config> },
    /// Who is connected, and whether we are to be left alone.
    Show { done: oneshot::Sender<(Vec<String>, bool)> },
    /// Gateways are to go elsewhere, or may come again.
    Drain { on: bool },
    /// Told when no request waits.
    Idle { done: oneshot::Sender<()> },
    /// Somebody wants to see what is said about a subscriber.
    Trace { imsi: Imsi, sender: mpsc::Sender<api::TracedMessage> },
}

/// Runs the daemon.
///
/// # Errors
/// Whatever keeps it from serving.
pub async fn run(file: File) -> anyhow::Result<()> {
    let (told_sender, told) = mpsc::channel(TOLD);
    let (change, peers, ended) = peers::new(told_sender.clone());
    let kept = managed::Kept::load(&file.state_dir())?;
    let (wanted, mut file_now) = watch::channel(file.clone());
    if let Some(laid) = kept.lay_over(&file).filter(|laid| config::resolve(laid).is_ok()) {
        wanted.send_replace(laid);
    }
    let now = file_now.borrow_and_update().clone();
    let mut effective = config::resolve(&now)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let relay = Relay::new(effective.relay.clone(), &SecureSeed(seed));
    let members = incoming::Members::default();
    let security = match &effective.gateway_tls {
        Some(files) => incoming::Security::Files(incoming::acceptor(files).context("gateways.tls")?),
        None => incoming::Security::Joined(members.clone()),
    };
    let listener = TcpListener::bind(effective.gateways).await;
    let listener = listener.with_context(|| format!("cannot listen on {} for gateways", effective.gateways))?;
    let numbers = Numbers::default();
    let streams = FederationServer::new(Streams::new(told_sender.clone(), numbers.clone()));
    let serving = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_service(streams)
        .serve_with_incoming(incoming::accept(listener, security));
    let metrics = Metrics::new().context("metrics")?;
    change.put(&mut effective).await?;
    let operator = Arc::new(operate::Operator::new(peers.clone(), effective.relay.clone(), told_sender.clone()));
    let cloud = managed::start(file, kept, wanted, (numbers, members), Arc::clone(&operator), metrics.clone())?;
    operate::serve(Arc::clone(&operator), cloud, &effective.control).await?;
    metrics::serve(effective.metrics, metrics.clone(), Arc::clone(&operator)).await?;
    let mut machine = Loop::new(relay, &effective, peers, told_sender.clone(), metrics);
    let instance = |file: &File| if file.host.is_empty() { "fegd".to_owned() } else { file.host.clone() };
    let spans = effective.otlp.as_ref().map(|otlp| Spans::start(otlp, &instance(&now)));
    machine.spans = spans.transpose().map_err(anyhow::Error::msg).context("otlp")?;
    tokio::spawn(machine.run(told, ended));
    let following = follow(&change, now, file_now, &operator, &told_sender);
    tracing::info!(gateways = %effective.gateways, "ready");
    basalt_supervise::ready();
    tokio::select! {
        served = serving => served.context("the service for gateways ended")?,
        () = following => {}
        ended = end() => ended?,
    }
    basalt_supervise::stopping();
    drain(&told_sender).await;
    change.end().await;
    Ok(())
}

/// Puts each configuration into force while the daemon runs. What cannot be is told, and the former one goes on.
async fn follow(
    change: &peers::Change,
    mut now: File,
    mut wanted: watch::Receiver<File>,
    operator: &operate::Operator,
    told: &mpsc::Sender<Told>,
) {
    while wanted.changed().await.is_ok() {
        let next = wanted.borrow_and_update().clone();
        let mut effective = match config::resolve(&next) {
            Ok(effective) => effective,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a configuration cannot be used; the former one goes on");
                continue;
            }
        };
        operator.configured(&effective.relay);
        let relay = Box::new(effective.relay.clone());
        if told.send(Told::Configured { relay }).await.is_err() {
            return;
        }
        if next.diameter_differs(&now)
            && let Err(error) = change.put(&mut effective).await
        {
            tracing::error!(
                error = format!("{error:#}"),
                "Diameter cannot be spoken as configured; the former way again"
            );
            if let Ok(mut former) = config::resolve(&now)
                && let Err(error) = change.put(&mut former).await
            {
                tracing::error!(error = format!("{error:#}"), "nor as before");
            }
            continue;
        }
        tracing::info!("the orchestrator's configuration is in force");
        now = next;
    }
    // Without anybody who changes it, it stays.
    std::future::pending::<()>().await;
}

async fn end() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Sends gateways away and waits for what is being asked.
async fn drain(told: &mpsc::Sender<Told>) {
    let _ = told.send(Told::Drain { on: true }).await;
    let (done, idle) = oneshot::channel();
    let _ = told.send(Told::Idle { done }).await;
    if tokio::time::timeout(DRAIN, idle).await.is_err() {
        tracing::warn!("some requests were not answered before the end");
    }
}

/// A request that a node has, for its successor.
struct Flying {
    octets: Vec<u8>,
    key: u64,
    until: Instant,
}

struct Loop {
    name: String,
    relay: Relay,
    peers: Peers,
    told: mpsc::Sender<Told>,
    metrics: Metrics,
    gateways: HashMap<GatewayId, mpsc::Sender<Outgoing>>,
    /// Requests of peers, by numbers of our own: those of different nodes are not different.
    asking: HashMap<Handle, (Handler, Handle)>,
    next_handle: u64,
    /// Requests that a node has.
    flying: HashMap<Token, Flying>,
    traces: Traces,
    spans: Option<Spans>,
    idle: Vec<oneshot::Sender<()>>,
    started: Instant,
    effects: Effects,
    draining: bool,
}

impl Loop {
    fn new(relay: Relay, effective: &Effective, peers: Peers, told: mpsc::Sender<Told>, metrics: Metrics) -> Self {
        Self {
            name: effective.relay.local.host.clone(),
            relay,
            peers,
            told,
            metrics,
            gateways: HashMap::new(),
            asking: HashMap::new(),
            next_handle: 0,
            flying: HashMap::new(),
            traces: Traces::default(),
            spans: None,
            idle: Vec::new(),
            started: Instant::now(),
            effects: Effects::default(),
            draining: false,
        }
    }

    async fn run(mut self, mut told: mpsc::Receiver<Told>, mut ended: mpsc::Receiver<Ended>) {
        let (mut news, mut answers) = (Vec::new(), Vec::new());
        loop {
            let wakeup = self.relay.next_wakeup().map(|at| self.started + Duration::from_micros(at.as_micros()));
            let count = tokio::select! {
                count = told.recv_many(&mut news, BATCH) => {
                    news.drain(..).for_each(|told| self.hear(told));
                    count
                }
                count = ended.recv_many(&mut answers, BATCH) => {
                    answers.drain(..).for_each(|ended| self.answered(ended));
                    count
                }
                () = sleep_until(wakeup) => {
                    self.step(Input::Wakeup);
                    0
                }
            };
            if self.relay.waiting() == 0 {
                // Who waited may have given up.
                for done in self.idle.drain(..) {
                    let _ = done.send(());
                }
            }
            // There is more: whoever was given something has its turn first, or its queue would run over.
            if count == BATCH {
                tokio::task::yield_now().await;
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::GatewayUp { gateway, name, life, sender } => {
                tracing::info!(gateway = name, "a gateway connected");
                let welcome = api::Welcome { name: self.name.clone(), draining: self.draining };
                let _ = sender.try_send(Ok(convert::to_gateway(api::to_gateway::Message::Welcome(welcome))));
                self.gateways.insert(gateway, sender);
                self.metrics.gateways.set(i64::try_from(self.gateways.len()).unwrap_or(i64::MAX));
                self.step(Input::GatewayUp { gateway, name, life });
            }
            Told::GatewayDown { gateway } => self.lost(gateway),
            Told::Asked { gateway, request, span } => {
                if let (Some(spans), Some(span)) = (&mut self.spans, span) {
                    spans.asked(gateway, &request, span);
                }
                self.step(Input::Asked { gateway, request: *request });
            }
            Told::Replied { gateway, ask, outcome, told } => self.step(Input::Replied { gateway, ask, outcome, told }),
            Told::HssAnswered { token, result } => self.answered((token.0, result)),
            Told::Show { done } => {
                let _ = done.send((self.relay.gateways().map(str::to_owned).collect(), self.draining));
            }
            Told::Drain { on } => self.drain(on),
            Told::FromHome { from, arrived } => {
                self.next_handle += 1;
                let handle = Handle(self.next_handle);
                self.asking.insert(handle, (from, arrived.handle));
                self.traces.asked(handle, &arrived.octets);
                self.step(Input::FromHss { handle, octets: &arrived.octets });
            }
            Told::Configured { relay } => {
                self.name.clone_from(&relay.local.host);
                self.relay.configure(*relay);
            }
            Told::Idle { done } => self.idle.push(done),
            Told::Trace { imsi, sender } => self.traces.begin(imsi, sender),
        }
    }

    /// Straight to a node that has settled; otherwise a task waits for one.
    fn ask_home(&mut self, token: Token, octets: Vec<u8>, key: u64, within: Duration) {
        if let Some(requests) = self.peers.settled() {
            self.flying.insert(token, Flying { octets: octets.clone(), key, until: Instant::now() + within });
            if let Err(why) = requests.send(token.0, octets, key, within) {
                self.answered((token.0, Err(why)));
            }
            return;
        }
        self.wait_for_node(token, octets, key, within);
    }

    fn wait_for_node(&self, token: Token, octets: Vec<u8>, key: u64, within: Duration) {
        let (peers, told) = (self.peers.clone(), self.told.clone());
        tokio::spawn(async move {
            let result = peers.request(octets, key, within).await;
            let _ = told.send(Told::HssAnswered { token, result }).await;
        });
    }

    /// A Diameter request ended.
    fn answered(&mut self, (token, result): Ended) {
        let token = Token(token);
        let flying = self.flying.remove(&token);
        // The node was ended for another configuration: its successor is asked, in the time that is left.
        if let (Err(Failure::Stopping), Some(flying)) = (&result, flying) {
            let left = flying.until.saturating_duration_since(Instant::now());
            return self.wait_for_node(token, flying.octets, flying.key, left);
        }
        self.traces.answered(token, result.as_ref().ok().map(|answered| answered.octets.as_slice()));
        let result = match &result {
            Ok(answered) => Ok(answered.octets.as_slice()),
            Err(why) => Err(*why),
        };
        if let Some(spans) = &mut self.spans {
            spans.ended(token, result);
        }
        self.step(Input::HssAnswered { token, result });
    }

    fn lost(&mut self, gateway: GatewayId) {
        if self.gateways.remove(&gateway).is_some() {
            if let Some(spans) = &mut self.spans {
                spans.lost(gateway);
            }
            tracing::info!("a gateway's stream ended");
            self.metrics.gateways.set(i64::try_from(self.gateways.len()).unwrap_or(i64::MAX));
            self.step(Input::GatewayDown { gateway });
        }
    }

    fn drain(&mut self, on: bool) {
        self.draining = on;
        for sender in self.gateways.values() {
            let message = if on {
                api::to_gateway::Message::Draining(api::Draining {})
            } else {
                api::to_gateway::Message::Welcome(api::Welcome { name: self.name.clone(), draining: false })
            };
            let _ = sender.try_send(Ok(convert::to_gateway(message)));
        }
    }

    fn step(&mut self, input: Input<'_>) {
        let now = Time::from_micros(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        // What cannot even be sent is another step: it finds an outbox of its own.
        let mut outbox = core::mem::take(&mut self.effects);
        self.relay.step(now, input, &mut outbox);
        let mut gone = Vec::new();
        for effect in outbox.drain() {
            match effect {
                Effect::ToHss { token, octets, key, within } => {
                    self.traces.sent(token, key, &octets);
                    if let Some(spans) = &mut self.spans {
                        spans.sent(token, key, &octets);
                    }
                    self.ask_home(token, octets, key, within);
                }
                Effect::Answer { gateway, id, answer } => {
                    if let Some(spans) = &mut self.spans {
                        spans.answered(gateway, id, &answer);
                    }
                    gone.extend(self.send(gateway, convert::answer(id, answer)));
                }
                Effect::Ask { gateway, ask, what } => gone.extend(self.send(gateway, convert::ask(ask.0, what))),
                Effect::ToPeer { handle, octets } => {
                    self.traces.replied(handle, &octets);
                    if let Some((from, handle)) = self.asking.remove(&handle) {
                        from.post_answer(handle, octets);
                    }
                }
                Effect::Count(metric) => self.metrics.count(&metric),
            }
        }
        self.effects = outbox;
        for gateway in gone {
            self.lost(gateway);
        }
    }

    /// Sends to a gateway; gives back one that does not read.
    fn send(&self, gateway: GatewayId, message: api::ToGateway) -> Option<GatewayId> {
        let sender = self.gateways.get(&gateway)?;
        sender.try_send(Ok(message)).is_err().then_some(gateway)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
