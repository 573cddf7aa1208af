//! The task of one gateway: steps the core, carries its effects out, brings back what came of them.

use crate::convert::{self, Speaker};
use crate::{DeviceKey, Dial, certify};
use async_trait::async_trait;
use basalt_cloud_sync::{
    Command, Denial, Down, Effect, Event, Identity, Input, Link, Memory, Now, Page, Progress, Refusal, Settings, Sync,
    Up, UsageRecord, place,
};
use basalt_control_api::orchestrator::{JoinToken, v1 as api};
use basalt_sansio::{Outbox, SecureSeed, Time};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// What the driver is told.
#[derive(Debug)]
enum Told {
    Input(Input),
    Token(JoinToken),
    /// A release from a place on, and where its pieces go.
    Fetch(String, u64, mpsc::Sender<Result<Vec<u8>, String>>),
}

/// Inputs that may wait for the core.
const INPUTS: usize = 1_024;
/// Messages that may wait for the stream. The core sends little at a time; a stream that takes none is closed.
const MESSAGES: usize = 1_024;

/// Pieces of a release that may wait for the disk.
const PIECES: usize = 4;

/// What the daemon does for the conversation.
#[async_trait]
pub trait Site: Send + std::marker::Sync + 'static {
    /// Makes a page durable and puts it into force. What is held and cannot be in force is told; a page is never half held.
    async fn apply(&self, page: &Page) -> Vec<Refusal>;

    /// Makes the identity durable.
    async fn keep(&self, identity: &Identity);

    /// The ledger's number, and its oldest records that are not acknowledged, at most so many.
    async fn read_usage(&self, most: usize) -> (u64, Vec<UsageRecord>);

    /// Records of a ledger up to a number are durable at the orchestrator.
    async fn ack_usage(&self, ledger: u64, through: u64);

    /// Makes events of an epoch durable, and forgets those up to a number: [`Memory`] has what is left when the daemon starts again.
    async fn keep_events(&self, epoch: u64, events: &[Event], forget: u64);

    /// Does what a command wants, telling progress; the last report is no `Running`.
    async fn run(&self, command: Command, progress: mpsc::Sender<Progress>);

    /// How the link is, for the log.
    fn tell(&self, link: &Link);
}

/// What a conversation begins with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Bounds.
    pub settings: Settings,
    /// What is known from before.
    pub memory: Memory,
    /// A token to join with, unless the gateway has joined.
    pub token: Option<JoinToken>,
    /// The name that the gateway would like to have.
    pub name: String,
    /// The daemon's version.
    pub software: String,
    /// The device key.
    pub key: DeviceKey,
    /// For jitter and numbers.
    pub seed: SecureSeed,
}

/// How the conversation is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Who the gateway is: network and name.
    pub identity: Option<(String, String)>,
    /// Until when the certificate is good, seconds since 1970 UTC.
    pub certified_until: u64,
    /// The stream stands.
    pub talking: bool,
    /// Why not, in words.
    pub trouble: String,
    /// The last commands whose reports so far are durable at the orchestrator.
    pub settled: Vec<String>,
}

/// The way to a running conversation.
#[derive(Debug, Clone)]
pub struct Handle {
    inputs: mpsc::Sender<Told>,
    status: watch::Receiver<Status>,
    task: AbortHandle,
}

impl Handle {
    /// Tells the core something. Waits while it is busy; nothing happens when it has ended.
    pub async fn tell(&self, input: Input) {
        // An error means that the conversation has ended with its daemon.
        let _ = self.inputs.send(Told::Input(input)).await;
    }

    /// Joins with a token, also when the gateway has joined before; it goes on as who it is when the token is refused.
    pub async fn join(&self, token: JoinToken) {
        // As above.
        let _ = self.inputs.send(Told::Token(token)).await;
    }

    /// The same as [`Handle::tell`] without waiting: what finds no room is lost, as an event of a busy moment may be. False when it was.
    #[must_use]
    pub fn offer(&self, input: Input) -> bool {
        self.inputs.try_send(Told::Input(input)).is_ok()
    }

    /// A release from a place on, piece by piece, over a connection of its own: as fast as pieces are taken. After an error, or when it
    /// ends early, the rest can be asked for.
    pub async fn fetch(&self, release: String, place: u64) -> mpsc::Receiver<Result<Vec<u8>, String>> {
        let (pieces, receiver) = mpsc::channel(PIECES);
        // An error means that the conversation has ended: no pieces come.
        let _ = self.inputs.send(Told::Fetch(release, place, pieces)).await;
        receiver
    }

    /// How it is, now and later.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Ends it at once, as a crash would.
    pub fn abort(&self) {
        self.task.abort();
    }
}

/// Starts a conversation.
pub fn spawn<D: Dial, S: Site>(plan: Plan, site: Arc<S>, dial: Arc<D>) -> Handle {
    let (inputs, queue) = mpsc::channel(INPUTS);
    let (status, watcher) = watch::channel(Status::default());
    let driver = Driver::new(plan, site, dial, inputs.clone(), status);
    let task = tokio::spawn(driver.run(queue)).abort_handle();
    Handle { inputs, status: watcher, task }
}

struct Driver<D, S> {
    core: Sync,
    effects: Outbox<Effect>,
    site: Arc<S>,
    dial: Arc<D>,
    token: Option<JoinToken>,
    name: String,
    software: String,
    key: DeviceKey,
    started: Instant,
    inputs: mpsc::Sender<Told>,
    status: watch::Sender<Status>,
    stream: Option<Stream>,
    /// Numbers streams, so that the words of a former one fall dead.
    streams: u64,
    /// What streams and questions bring; numbered with their stream.
    brought: mpsc::Sender<(u64, Input)>,
    bringing: Option<mpsc::Receiver<(u64, Input)>>,
}

/// The stream that stands, or is being opened.
struct Stream {
    number: u64,
    out: mpsc::Sender<api::FromGateway>,
    task: AbortHandle,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<D: Dial, S: Site> Driver<D, S> {
    fn new(plan: Plan, site: Arc<S>, dial: Arc<D>, inputs: mpsc::Sender<Told>, status: watch::Sender<Status>) -> Self {
        let started = Instant::now();
        let now = Now { mono: Time::ZERO, unix_millis: unix_millis() };
        let (brought, bringing) = mpsc::channel(INPUTS);
        Self {
            core: Sync::new(plan.settings, plan.memory, first_report(), &plan.seed, now),
            effects: Outbox::new(),
            site,
            dial,
            token: plan.token,
            name: plan.name,
            software: plan.software,
            key: plan.key,
            started,
            inputs,
            status,
            stream: None,
            streams: 0,
            brought,
            bringing: Some(bringing),
        }
    }

    async fn run(mut self, mut queue: mpsc::Receiver<Told>) {
        let Some(mut bringing) = self.bringing.take() else { return };
        let first = if self.token.is_some() { Input::Join } else { Input::Wakeup };
        self.step(first).await;
        loop {
            let wakeup = self.core.next_wakeup().map(|at| self.started + at.since(Time::ZERO));
            let input = tokio::select! {
                Some((number, input)) = bringing.recv() => {
                    // What a former stream still says is nothing to this one.
                    match &self.stream {
                        Some(stream) if stream.number == number => input,
                        _ => continue,
                    }
                }
                Some(told) = queue.recv() => match told {
                    Told::Input(input) => input,
                    Told::Token(token) => {
                        self.token = Some(token);
                        Input::Join
                    }
                    Told::Fetch(release, place, pieces) => {
                        self.fetch(release, place, pieces);
                        continue;
                    }
                },
                () = sleep_until(wakeup) => Input::Wakeup,
            };
            self.step(input).await;
        }
    }

    async fn step(&mut self, input: Input) {
        if matches!(input, Input::Closed(_)) {
            self.stream = None;
        }
        let mono = Time::from_micros(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.core.step(Now { mono, unix_millis: unix_millis() }, input, &mut self.effects);
        for effect in self.effects.take() {
            self.carry_out(effect).await;
        }
        self.tell_status();
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Enrol(turn) => self.enrol(turn),
            Effect::ReEnrol(address) => self.certify(address, true),
            Effect::Renew(address) => self.certify(address, false),
            Effect::Open(address) => self.open(address),
            Effect::Close => self.stream = None,
            Effect::Send(up) => self.send(up),
            Effect::Keep(identity) => {
                self.token = None;
                self.site.keep(&identity).await;
            }
            Effect::Apply(page) => {
                let site = Arc::clone(&self.site);
                self.later(async move {
                    let refusals = site.apply(&page).await;
                    Input::Applied { page, refusals }
                });
            }
            Effect::ReadUsage { most } => {
                let site = Arc::clone(&self.site);
                self.later(async move {
                    let (ledger, records) = site.read_usage(most).await;
                    Input::UsageRead { ledger, records }
                });
            }
            // Before the next reading, which would find the same records otherwise.
            Effect::AckUsage { ledger, through } => self.site.ack_usage(ledger, through).await,
            Effect::KeepEvents { epoch, events, forget } => {
                let site = Arc::clone(&self.site);
                self.later(async move {
                    site.keep_events(epoch, &events, forget).await;
                    Input::EventsKept
                });
            }
            Effect::Run(command) => self.run_command(command),
            Effect::Tell(link) => {
                self.status.send_modify(|status| match &link {
                    Link::Certified(until) => status.certified_until = *until,
                    Link::Up => status.trouble.clear(),
                    Link::Down(why) | Link::Refused(why) => status.trouble.clone_from(why),
                });
                self.site.tell(&link);
            }
        }
    }

    /// Does something apart from the loop and brings its outcome back.
    fn later(&self, work: impl Future<Output = Input> + Send + 'static) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            // An error means that the conversation has ended.
            let _ = inputs.send(Told::Input(work.await)).await;
        });
    }

    fn enrol(&self, turn: u64) {
        let Some(token) = self.token.clone() else { return };
        let (dial, key) = (Arc::clone(&self.dial), self.key.clone());
        let (name, software) = (self.name.clone(), self.software.clone());
        self.later(async move {
            match certify::enrol(&dial, place(&token.address, turn), &token, &name, &software, &key).await {
                Ok(identity) => Input::Issued(identity),
                Err(denial) => Input::NotIssued(denial),
            }
        });
    }

    fn certify(&self, address: String, anew: bool) {
        let Some(identity) = self.core.identity().cloned() else { return };
        let (dial, key) = (Arc::clone(&self.dial), self.key.clone());
        self.later(async move {
            let issued = match anew {
                true => certify::re_enrol(&dial, &address, &identity, &key).await,
                false => certify::renew(&dial, &address, &identity, &key).await,
            };
            match issued {
                Ok(identity) => Input::Issued(identity),
                Err(denial) => Input::NotIssued(denial),
            }
        });
    }

    fn fetch(&self, release: String, place: u64, pieces: mpsc::Sender<Result<Vec<u8>, String>>) {
        let identity = self.core.identity().cloned();
        let (dial, key) = (Arc::clone(&self.dial), self.key.clone());
        tokio::spawn(async move {
            let ended = match identity {
                Some(identity) => fetch(&dial, &identity, &key, (release, place), &pieces).await,
                None => Err("this gateway has not joined".to_owned()),
            };
            if let Err(why) = ended {
                // Whoever wanted it may have gone.
                let _ = pieces.send(Err(why)).await;
            }
        });
    }

    fn open(&mut self, address: String) {
        let Some(identity) = self.core.identity().cloned() else { return };
        self.streams += 1;
        let number = self.streams;
        let (out, messages) = mpsc::channel(MESSAGES);
        let (dial, key, brought) = (Arc::clone(&self.dial), self.key.clone(), self.brought.clone());
        let task = tokio::spawn(async move {
            let denial = match listen(&dial, &address, &identity, &key, messages, (number, &brought)).await {
                Ok(()) => Denial::Unreachable("the orchestrator ended the stream".to_owned()),
                Err(denial) => denial,
            };
            let _ = brought.send((number, Input::Closed(denial))).await;
        });
        self.stream = Some(Stream { number, out, task: task.abort_handle() });
    }

    fn send(&mut self, up: Up) {
        let Some(stream) = &self.stream else { return };
        let identity = self.core.identity();
        let (network, gateway) =
            identity.map_or(("", ""), |identity| (identity.network.as_str(), identity.gateway.as_str()));
        let message = convert::up(up, &Speaker { network, gateway, software: &self.software });
        if stream.out.try_send(message).is_err() {
            let denial = Denial::Unreachable("the orchestrator takes no messages".to_owned());
            self.later(core::future::ready(Input::Closed(denial)));
        }
    }

    fn run_command(&self, command: Command) {
        let (site, inputs) = (Arc::clone(&self.site), self.inputs.clone());
        let (progress, mut reports) = mpsc::channel(16);
        tokio::spawn(async move { site.run(command, progress).await });
        tokio::spawn(async move {
            while let Some(report) = reports.recv().await {
                // An error means that the conversation has ended.
                let _ = inputs.send(Told::Input(Input::Progress(report))).await;
            }
        });
    }

    fn tell_status(&self) {
        let talking = self.core.is_talking();
        let identity = self.core.identity();
        self.status.send_if_modified(|status| {
            let former = status.clone();
            status.talking = talking;
            if !status.settled.iter().map(String::as_str).eq(self.core.settled()) {
                status.settled = self.core.settled().map(str::to_owned).collect();
            }
            if let Some(identity) = identity {
                status.certified_until = identity.not_after;
                if status.identity.is_none() {
                    status.identity = Some((identity.network.clone(), identity.gateway.clone()));
                }
            }
            *status != former
        });
    }
}

/// Opens the stream and brings what the orchestrator says, until it ends.
async fn listen<D: Dial>(
    dial: &Arc<D>,
    address: &str,
    identity: &Identity,
    key: &DeviceKey,
    messages: mpsc::Receiver<api::FromGateway>,
    (number, brought): (u64, &mpsc::Sender<(u64, Input)>),
) -> Result<(), Denial> {
    let mut client = certify::mutual(dial, address, identity, key).await?;
    let answer = client.talk(ReceiverStream::new(messages)).await.map_err(|status| certify::of_status(&status))?;
    let mut stream = answer.into_inner();
    let gone = |_| Denial::Unreachable("the conversation ended".to_owned());
    brought.send((number, Input::Opened)).await.map_err(gone)?;
    while let Some(message) = stream.message().await.map_err(|status| certify::of_status(&status))? {
        if let Some(down) = convert::down(message) {
            let last = matches!(down, Down::Goodbye { .. });
            brought.send((number, Input::Down(down))).await.map_err(gone)?;
            if last {
                // The core closes the stream when it has read this.
                core::future::pending::<()>().await;
            }
        }
    }
    Ok(())
}

/// Brings a release piece by piece.
async fn fetch<D: Dial>(
    dial: &Arc<D>,
    identity: &Identity,
    key: &DeviceKey,
    (release, mut place): (String, u64),
    pieces: &mpsc::Sender<Result<Vec<u8>, String>>,
) -> Result<(), String> {
    let mut client = certify::somewhere(dial, identity, key).await.map_err(|denial| words(&denial))?;
    let request =
        api::FetchRequest { network: identity.network.clone(), gateway: identity.gateway.clone(), release, place };
    let said = |status: tonic::Status| status.message().to_owned();
    let mut stream = client.fetch(request).await.map_err(said)?.into_inner();
    while let Some(piece) = stream.message().await.map_err(said)? {
        if piece.place != place {
            return Err("a piece is missing".to_owned());
        }
        place += piece.octets.len() as u64;
        if pieces.send(Ok(piece.octets)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn words(denial: &Denial) -> String {
    match denial {
        Denial::Unreachable(why) | Denial::Refused(why) => why.clone(),
        Denial::Later(seconds) => format!("the orchestrator asks to come back in {seconds} s"),
    }
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Reports are numbered by the clock, so that those of one life of the daemon come after those of the life before. An upgrade that is
/// taken back at once has three lives in a second; 8192 reports in a millisecond are more than any of them tells.
fn first_report() -> u64 {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or_default() << 13
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => core::future::pending().await,
    }
}
