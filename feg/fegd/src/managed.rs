//! The conversation with an orchestrator: who we are, peers, home networks and limits come from there; what happens goes there.
//!
//! Without a link the daemon goes on with all that it had, also after a restart.

mod kept;

pub use kept::Kept;

use crate::config::{self, File};
use crate::drive::Told;
use crate::gateways::Numbers;
use crate::incoming::Members;
use crate::metrics::Metrics;
use crate::operate::Operator;
use crate::realms::Realms;
use crate::{relayed, trace};
use anyhow::{Context as _, Result};
use basalt_cloud_link::{DeviceKey, Handle, Plan, Site, Status, TcpDial};
use basalt_cloud_sync::{
    Command, CommandState, Event, Identity, Input, Link, Memory, Page, Progress, Refusal, Settings, UsageRecord,
};
use basalt_control_api::orchestrator::JoinToken;
use basalt_sansio::SecureSeed;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// Between two reports.
const LOOK: Duration = Duration::from_secs(5);
/// Messages of a trace that wait for the conversation.
const TRACED: usize = 256;
/// How long a join may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way to the conversation.
#[derive(Debug, Clone)]
pub struct Cloud {
    link: Handle,
}

impl Cloud {
    /// How it is.
    pub fn status(&self) -> Status {
        self.link.status().borrow().clone()
    }

    /// Joins by a token, and waits a while for what comes of it: network and name.
    ///
    /// # Errors
    /// What is wrong with the token, or why we did not join.
    pub async fn join(&self, token: &str) -> Result<(String, String), String> {
        let token = token.parse::<JoinToken>().map_err(|error| error.to_string())?;
        let mut status = self.link.status();
        let before = status.borrow_and_update().certified_until;
        self.link.join(token).await;
        let joined = status.wait_for(|status| {
            let certified = status.certified_until != before && status.talking;
            certified || (!status.trouble.is_empty() && !status.talking)
        });
        match tokio::time::timeout(PATIENCE, joined).await {
            Ok(Ok(status)) if status.talking => Ok(status.identity.clone().unwrap_or_default()),
            Ok(Ok(status)) => Err(status.trouble.clone()),
            Ok(Err(_)) => Err("fegd is stopping".to_owned()),
            Err(_) => Err("the orchestrator does not answer; it is tried again".to_owned()),
        }
    }
}

/// Begins the conversation. One that has not joined waits for a token.
///
/// # Errors
/// The device key cannot be read or made.
pub fn start(
    file: File,
    kept: Kept,
    wanted: watch::Sender<File>,
    (numbers, members): (Numbers, Members),
    operator: Arc<Operator>,
    metrics: Metrics,
) -> Result<Option<Cloud>> {
    let folder = file.state_dir();
    // A daemon that runs alone needs no folder of its own.
    if std::fs::create_dir_all(&folder).is_err() && file.token.is_none() && file.state_dir.is_none() {
        tracing::info!(folder = %folder.display(), "there is no place for keys: no orchestrator can be joined");
        return Ok(None);
    }
    let key = DeviceKey::load_or_create(&folder.join("device.key"))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let token = file.token.as_ref().filter(|_| kept.identity.is_none());
    let token = token.map(|token| token.parse::<JoinToken>()).transpose().context("token")?;
    let (identity, joined) = watch::channel(kept.identity.clone());
    let plan = Plan {
        settings: Settings::default(),
        memory: Memory { identity: kept.identity.clone(), held: kept.held(), ..Memory::default() },
        token,
        name: object_name(&file.host),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        key: key.clone(),
        seed: SecureSeed(seed),
    };
    let site = Office {
        folder,
        file,
        kept: Mutex::new(kept),
        wanted,
        identity,
        operator: Arc::clone(&operator),
        traces: Mutex::default(),
    };
    let link = basalt_cloud_link::spawn(plan, Arc::new(site), Arc::new(TcpDial));
    tokio::spawn(report(link.clone(), Arc::clone(&operator), metrics));
    tokio::spawn(show(key.clone(), joined.clone(), members));
    tokio::spawn(relayed::run(key, joined, operator.told(), numbers));
    Ok(Some(Cloud { link }))
}

/// Gateways that come straight are shown the certificate that we have now.
async fn show(key: DeviceKey, mut joined: watch::Receiver<Option<Identity>>, members: Members) {
    loop {
        let identity = joined.borrow_and_update().clone();
        if let Some(Err(error)) = identity.map(|identity| members.put(&identity, &key)) {
            tracing::error!(error = format!("{error:#}"), "the orchestrator's certificate cannot be shown to gateways");
        }
        if joined.changed().await.is_err() {
            return;
        }
    }
}

fn object_name(host: &str) -> String {
    let name: String = host.chars().take(64).collect();
    if name.is_empty() { "feg".to_owned() } else { name }
}

/// This daemon, as the conversation sees it.
struct Office {
    folder: PathBuf,
    file: File,
    kept: Mutex<Kept>,
    wanted: watch::Sender<File>,
    identity: watch::Sender<Option<Identity>>,
    operator: Arc<Operator>,
    /// Call traces that run, by their commands.
    traces: Mutex<BTreeMap<String, Arc<Notify>>>,
}

impl Office {
    /// What is said about a subscriber, for the orchestrator: lines as gateways give them, bounded in time and octets.
    async fn trace(
        &self,
        id: &str,
        arguments: &serde_json::Value,
        progress: &mpsc::Sender<Progress>,
    ) -> (CommandState, String) {
        let text = |field: &str| arguments.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
        let number = |field: &str| arguments.get(field).and_then(serde_json::Value::as_u64);
        let running = || self.traces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ended) = running().get(text("stop")) {
            ended.notify_one();
        }
        if !text("stop").is_empty() {
            return (CommandState::Done, "the trace is ended, if there was one".to_owned());
        }
        let Ok(imsi) = text("imsi").parse() else {
            return (CommandState::NotSupported, "a federation gateway traces one subscriber".to_owned());
        };
        let (sender, mut seen) = mpsc::channel(TRACED);
        if self.operator.told().send(Told::Trace { imsi, sender }).await.is_err() {
            return (CommandState::Failed, "fegd is stopping".to_owned());
        }
        let ended = Arc::new(Notify::new());
        running().insert(id.to_owned(), Arc::clone(&ended));
        let news = |data: Vec<u8>| {
            let state = CommandState::Running;
            Progress { data, id: id.to_owned(), state, percent: 0, output: String::new() }
        };
        // Without the conversation nobody waits for it.
        let _ = progress.send(news(Vec::new())).await;
        let until = Instant::now() + Duration::from_secs(number("seconds").unwrap_or(600).clamp(1, 3_600));
        let most = usize::try_from(number("octets").unwrap_or(2 << 20).clamp(1, 7 << 20)).unwrap_or(1 << 20);
        let mut written = 0_usize;
        let why = loop {
            let message = tokio::select! {
                () = ended.notified() => break "it was ended",
                () = tokio::time::sleep_until(until) => break "its time is over",
                message = seen.recv() => message,
            };
            let Some(message) = message else { break "fegd is stopping, or there are too many traces" };
            let line = trace::line(imsi, message);
            if written + line.len() > most {
                break "it has all the octets that it may have";
            }
            written += line.len();
            let _ = progress.send(news(line.into_bytes())).await;
        };
        running().remove(id);
        (CommandState::Done, format!("{written} octets of messages; {why}\n"))
    }

    /// Changes what is kept; what is not durable is not told as done.
    fn change(&self, change: impl FnOnce(&mut Kept)) -> Kept {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut kept);
        if let Err(error) = kept.store(&self.folder) {
            tracing::error!(error = format!("{error:#}"), "what the orchestrator says cannot be kept over a restart");
        }
        kept.clone()
    }

    /// Puts all that is held into force; what cannot be is named.
    fn enforce(&self, kept: &Kept) -> Vec<Refusal> {
        let mut refusals: Vec<Refusal> =
            kept.federations().filter_map(|(key, fault)| Some(Refusal { key, reason: fault? })).collect();
        let laid = kept.lay_over(&self.file).unwrap_or_else(|| self.file.clone());
        match config::resolve(&laid) {
            Ok(_) => drop(self.wanted.send_if_modified(|now| {
                let differs = *now != laid;
                *now = laid;
                differs
            })),
            // Together they cannot be: none of them is in force.
            Err(error) => refusals.extend(
                kept.federations().map(|(key, _)| Refusal { key, reason: format!("{error:#}; the former ones hold") }),
            ),
        }
        refusals
    }
}

#[async_trait::async_trait]
impl Site for Office {
    async fn apply(&self, page: &Page) -> Vec<Refusal> {
        let kept = self.change(|kept| kept.put(page));
        self.enforce(&kept)
    }

    async fn keep(&self, identity: &Identity) {
        let kept = self.change(|kept| kept.identity = Some(identity.clone()));
        self.identity.send_replace(Some(identity.clone()));
        drop(self.enforce(&kept));
    }

    async fn read_usage(&self, _most: usize) -> (u64, Vec<UsageRecord>) {
        (0, Vec::new())
    }

    async fn ack_usage(&self, _ledger: u64, _through: u64) {}

    /// How peers are is told anew after each start: nothing is kept.
    async fn keep_events(&self, _epoch: u64, _events: &[Event], _forget: u64) {}

    async fn run(&self, command: Command, progress: mpsc::Sender<Progress>) {
        let arguments: serde_json::Value = serde_json::from_str(&command.arguments).unwrap_or_default();
        let done = |text: String| (CommandState::Done, text);
        let (state, output) = match command.kind.as_str() {
            "test-ping" => {
                let realm = arguments.get("realm").and_then(serde_json::Value::as_str).unwrap_or_default();
                match self.operator.ping(realm).await {
                    Ok(pong) => {
                        done(json!({"peer": pong.peer, "took_us": pong.took, "result": pong.result}).to_string())
                    }
                    Err(status) => (CommandState::Failed, status.message().to_owned()),
                }
            }
            "drain" => {
                let on = arguments.get("on").and_then(serde_json::Value::as_bool).unwrap_or(true);
                self.operator.set_draining(on).await;
                done(if on { "gateways are told to go elsewhere" } else { "gateways may come again" }.to_owned())
            }
            "call-trace" => self.trace(&command.id, &arguments, &progress).await,
            _ => (CommandState::NotSupported, "a federation gateway does not do this".to_owned()),
        };
        let report = Progress { data: Vec::new(), id: command.id, state, percent: 100, output };
        // Without the conversation nobody waits for it.
        let _ = progress.send(report).await;
    }

    fn tell(&self, link: &Link) {
        match link {
            Link::Up => tracing::info!("the orchestrator is connected"),
            Link::Certified(until) => tracing::info!(until, "the orchestrator gave a certificate"),
            Link::Down(why) => tracing::info!(why, "no link to the orchestrator; it is tried again"),
            Link::Refused(why) => {
                tracing::warn!(why, "the orchestrator refuses this federation gateway; it is tried again");
            }
        }
    }
}

/// Tells how peers are now and then, and at once when one comes or goes.
async fn report(link: Handle, operator: Arc<Operator>, metrics: Metrics) {
    let mut up: BTreeMap<String, bool> = BTreeMap::new();
    let (mut looks, mut realms) = (tokio::time::interval(LOOK), Realms::default());
    loop {
        looks.tick().await;
        let statuses = operator.statuses().await;
        let mut urgent = false;
        for (peer, _) in &statuses {
            let before = up.insert(peer.host.clone(), peer.up);
            let kind = match (before, peer.up) {
                (Some(false) | None, true) => "peer-up",
                (Some(true), false) => "peer-down",
                _ => continue,
            };
            urgent |= before.is_some();
            let why = peer.lost.filter(|_| !peer.up).map(|why| format!(": {why:?}")).unwrap_or_default();
            let text = format!("Diameter peer {} is {}{why}", peer.host, if peer.up { "up" } else { "down" });
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            link.tell(Input::Event(Event {
                at: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
                kind: kind.to_owned(),
                text,
                json: json!({"peer": peer.host}).to_string(),
                ..Event::default()
            }))
            .await;
        }
        up.retain(|host, _| statuses.iter().any(|(peer, _)| peer.host == *host));
        let told = realms.look(Instant::now().into_std(), &operator.realms(), &statuses, metrics.realms());
        let state = operator.state(&statuses, &told).await;
        link.tell(Input::CheckIn { state, urgent }).await;
        link.tell(Input::Metrics(metrics.values(&operator.realms(), &statuses))).await;
    }
}
