//! The loop around the relay, and everything that begins and ends with the daemon.

use crate::config::Effective;
use crate::gateways::{Outgoing, Streams};
use crate::metrics::Metrics;
use crate::{convert, incoming, metrics, operate};
use anyhow::Context as _;
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_server::FederationServer;
use basalt_diameter_link::{Arrived, Ended, Handler, Requests};
use basalt_sansio::{SecureSeed, Time};
use feg_relay::{AskId, Effect, Effects, GatewayId, Input, Outcome, Relay, Request, Token};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tonic::transport::Server;

/// What waits for the loop.
const TOLD: usize = 8192;
/// Diameter requests that wait for answers.
const ASKED: usize = 131_072;
/// How long what is being asked may take when the daemon is to end.
const DRAIN: Duration = Duration::from_secs(5);

/// What the loop is told.
pub enum Told {
    /// A gateway said who it is.
    GatewayUp { gateway: GatewayId, name: String, life: u64, sender: mpsc::Sender<Outgoing> },
    /// A gateway's stream ended.
    GatewayDown { gateway: GatewayId },
    /// A gateway asks.
    Asked { gateway: GatewayId, request: Box<Request> },
    /// A gateway answers.
    Replied { gateway: GatewayId, ask: AskId, outcome: Outcome },
    /// Who is connected, and whether we are to be left alone.
    Show { done: oneshot::Sender<(Vec<String>, bool)> },
    /// Gateways are to go elsewhere, or may come again.
    Drain { on: bool },
    /// Requests that wait.
    Waiting { done: oneshot::Sender<usize> },
}

/// Runs the daemon.
///
/// # Errors
/// Whatever keeps it from serving.
pub async fn run(effective: Effective) -> anyhow::Result<()> {
    let metrics = Metrics::new().context("metrics")?;
    let (handler, arrived) = basalt_diameter_link::spawn(effective.diameter).await?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let name = effective.relay.local.host.clone();
    let operator = operate::Operator::new(handler.clone(), effective.relay.clone(), effective.realms);
    let relay = Relay::new(effective.relay, &SecureSeed(seed));
    let (told_sender, told) = mpsc::channel(TOLD);
    let tls = effective.gateway_tls.as_ref().map(incoming::acceptor).transpose().context("gateways.tls")?;
    let listener = TcpListener::bind(effective.gateways).await;
    let listener = listener.with_context(|| format!("cannot listen on {} for gateways", effective.gateways))?;
    let streams = FederationServer::new(Streams::new(told_sender.clone()));
    let serving = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_service(streams)
        .serve_with_incoming(incoming::accept(listener, tls));
    let (requests, ended) = handler.requests(ASKED);
    let machine = Loop {
        name,
        relay,
        handler: handler.clone(),
        requests,
        metrics: metrics.clone(),
        gateways: HashMap::new(),
        started: Instant::now(),
        effects: Effects::default(),
        draining: false,
    };
    operator.serve(&effective.control, told_sender.clone()).await?;
    metrics::serve(effective.metrics, metrics, handler.clone()).await?;
    tokio::spawn(machine.run(told, arrived, ended));
    tracing::info!(gateways = %effective.gateways, "ready");
    basalt_supervise::ready();
    tokio::select! {
        served = serving => served.context("the service for gateways ended")?,
        ended = end() => ended?,
    }
    basalt_supervise::stopping();
    drain(&told_sender).await;
    handler.stop().await;
    Ok(())
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
    let drained = async {
        loop {
            let (done, wait) = oneshot::channel();
            if told.send(Told::Waiting { done }).await.is_err() || wait.await.unwrap_or(0) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!("some requests were not answered before the end");
    }
}

struct Loop {
    name: String,
    relay: Relay,
    handler: Handler,
    requests: Requests,
    metrics: Metrics,
    gateways: HashMap<GatewayId, mpsc::Sender<Outgoing>>,
    started: Instant,
    effects: Effects,
    draining: bool,
}

impl Loop {
    async fn run(
        mut self,
        mut told: mpsc::Receiver<Told>,
        mut arrived: mpsc::Receiver<Arrived>,
        mut ended: mpsc::Receiver<Ended>,
    ) {
        let (mut news, mut answers) = (Vec::new(), Vec::new());
        loop {
            let wakeup = self.relay.next_wakeup().map(|at| self.started + Duration::from_micros(at.as_micros()));
            tokio::select! {
                _ = told.recv_many(&mut news, 256) => news.drain(..).for_each(|told| self.hear(told)),
                _ = ended.recv_many(&mut answers, 256) => {
                    answers.drain(..).for_each(|ended| self.answered(ended));
                }
                Some(Arrived { handle, octets, .. }) = arrived.recv() => {
                    self.step(Input::FromHss { handle, octets: &octets });
                }
                () = sleep_until(wakeup) => self.step(Input::Wakeup),
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
            Told::Asked { gateway, request } => self.step(Input::Asked { gateway, request: *request }),
            Told::Replied { gateway, ask, outcome } => self.step(Input::Replied { gateway, ask, outcome }),
            Told::Show { done } => {
                let _ = done.send((self.relay.gateways().map(str::to_owned).collect(), self.draining));
            }
            Told::Drain { on } => self.drain(on),
            Told::Waiting { done } => {
                let _ = done.send(self.relay.waiting());
            }
        }
    }

    /// A Diameter request ended.
    fn answered(&mut self, (token, result): Ended) {
        let result = match &result {
            Ok(answered) => Ok(answered.octets.as_slice()),
            Err(why) => Err(*why),
        };
        self.step(Input::HssAnswered { token: Token(token), result });
    }

    fn lost(&mut self, gateway: GatewayId) {
        if self.gateways.remove(&gateway).is_some() {
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
                    if let Err(why) = self.requests.send(token.0, octets, key, within) {
                        self.step(Input::HssAnswered { token, result: Err(why) });
                    }
                }
                Effect::Answer { gateway, id, answer } => gone.extend(self.send(gateway, convert::answer(id, answer))),
                Effect::Ask { gateway, ask, what } => gone.extend(self.send(gateway, convert::ask(ask.0, what))),
                Effect::ToPeer { handle, octets } => self.handler.post_answer(handle, octets),
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
