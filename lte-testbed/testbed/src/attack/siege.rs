//! Where an attack on a federation gateway takes place: `fegd` as it is shipped, an honest HSS, an honest gateway, and room for
//! peers that are neither. And what every attack must leave as it was.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::future::Future;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_diameter::{Application, Header, Limits, Message, Outcome, Writer, dictionary as name, framed, vendor};
use testbed_peers::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::gateway::program;
use crate::home::{self, FEG, FEG_NAME, HSS, HSS_NAME, METRICS};
use crate::lab::{Lab, Process};
use crate::stop;

/// What an attack does.
pub(super) type Act = for<'a> fn(&'a mut Siege) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// The realm of the honest operator, and one of its phones.
pub(super) const REALM: &str = "epc.mnc070.mcc999.3gppnetwork.org";
pub(super) const PHONE: &str = "999700000000001";
/// The peer that attacks, its realm, and a subscriber of its own.
pub(super) const FOREIGN: &str = "hss.foreign.example";
pub(super) const FOREIGN_REALM: &str = "epc.mnc071.mcc999.3gppnetwork.org";
pub(super) const FOREIGN_PHONE: &str = "999710000000001";
/// The realm of the federation gateway.
pub(super) const VISITED_REALM: &str = "visited.example";
/// Requests a second that a gateway and the foreign peer may send.
pub(super) const RATE: usize = 100;

const DIAMETER: &str = "127.0.0.1:3870";
/// How long anything may take that should happen soon.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of log that an attack may cost.
const LOG_LINES: usize = 60;
/// Memory that an attack may leave behind, in octets.
const GROWTH: u64 = 24 << 20;
/// Descriptors that an attack may leave behind: connections of clients that are on their way.
const DESCRIPTORS: usize = 4;
/// K and OPc of the phone: nobody may read them in a log.
const KEYS: [&str; 2] = ["11335577991133557799113355779911", "22446688aa22446688aa22446688aa22"];

/// See the [module](self).
pub(super) struct Siege {
    lab: Lab,
    fegd: Child,
    /// The honest operator's.
    pub hss: Server,
    /// The honest gateway.
    pub mast: Mast,
    before: Health,
}

#[derive(Clone, Copy, Debug)]
struct Health {
    resident: u64,
    descriptors: usize,
    lines: usize,
}

impl Siege {
    /// Plays an attack in a lab of this name.
    pub fn play(lab: &str, act: Act) -> Result<()> {
        stop::take_down(lab)?;
        let played = Lab::up(lab).and_then(|lab| {
            let ns = lab.agw.clone();
            ns.run_async(move || async move {
                let mut siege = Self::open(lab).await.context("before the attack")?;
                act(&mut siege).await?;
                siege.close().await.context("after the attack")
            })
        });
        let removed = Lab::down(lab);
        stop::forget(lab);
        played.and(removed)
    }

    async fn open(lab: Lab) -> Result<Self> {
        let [k, opc] = KEYS;
        let text = format!(
            "host = \"{HSS_NAME}\"\nrealm = \"{REALM}\"\nlisten = \"{HSS}\"\npeers = [\"{FEG_NAME}\"]\n\
             [[subscriber]]\nimsi = \"{PHONE}\"\nk = \"{k}\"\nopc = \"{opc}\"\n"
        );
        fs::create_dir_all(lab.directory())?;
        let hss = testbed_peers::start(&toml::from_str(&text)?).await?;
        let (control, state) = (lab.directory().join("fegd.sock"), lab.directory().join("feg"));
        let text = format!(
            "host = \"{FEG_NAME}\"\nrealm = \"{VISITED_REALM}\"\nmetrics = \"{METRICS}\"\ncontrol = {control:?}\n\
             state_dir = {state:?}\n[gateways]\nlisten = \"{FEG}\"\nrate = {RATE}\n\
             [diameter]\ntcp = [\"{DIAMETER}\"]\naccept_from = [\"127.0.0.1/32\"]\n\
             [[network]]\nplmn = \"999-70\"\n[[network]]\nplmn = \"999-71\"\n\
             [[peer]]\nhost = \"{HSS_NAME}\"\naddress = \"{HSS}\"\nrealms = [\"{REALM}\"]\n\
             [[peer]]\nhost = \"{FOREIGN}\"\nrealms = [\"{FOREIGN_REALM}\"]\nrate = {RATE}\n"
        );
        let config = lab.directory().join("fegd.toml");
        fs::write(&config, text)?;
        let log = File::create(lab.directory().join("fegd.log"))?;
        let making = stop::making();
        let mut command = Command::new(program("BASALT_FEGD", "fegd")?);
        command.arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let fegd = command.spawn().context("starting fegd")?;
        if let Some(process) = Process::find(fegd.id(), "fegd") {
            lab.remember(process)?;
        }
        drop(making);
        let before = Health { resident: 0, descriptors: 0, lines: 0 };
        let mast = Mast::connect("mast").await?;
        let mut siege = Self { lab, fegd, hss, mast, before };
        siege.until("the honest HSS is connected", |text| text.contains(&up(HSS_NAME, true))).await?;
        siege.canary().await?;
        siege.before = siege.health()?;
        Ok(siege)
    }

    /// The honest phone is authenticated by its own operator.
    pub async fn canary(&mut self) -> Result<()> {
        let answer = self.mast.ask(PHONE, vectors()).await?;
        ensure!(matches!(answer, api::answer::Kind::Vectors(_)), "the honest phone is answered {answer:?}");
        Ok(())
    }

    /// Waits until the metrics say it.
    pub async fn until(&self, what: &str, check: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = tokio::task::spawn_blocking({
                let ns = self.lab.agw.clone();
                move || ns.run(home::scrape)
            });
            let text = text.await?;
            if text.as_ref().is_ok_and(|text| check(text)) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "it does not become true that {what}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The foreign peer, connected and introduced. While its last connection is not forgotten, it is sent away.
    pub async fn foreign(&self) -> Result<Peer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut peer = Peer::connect("127.0.0.1").await?;
            if peer.introduce(FOREIGN, FOREIGN_REALM).await? == Some(2001) {
                return Ok(peer);
            }
            ensure!(Instant::now() < deadline, "the foreign peer is not let in:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.lab.directory().join("fegd.log")).unwrap_or_default()
    }

    fn health(&self) -> Result<Health> {
        let pid = self.fegd.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let resident: u64 = resident.context("no VmRSS")?.parse()?;
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Health { resident: resident * 1024, descriptors, lines: self.log().lines().count() })
    }

    /// The rule for every attack: the federation gateway runs, others are served, its memory and descriptors are as before, and its
    /// log says little and no secret.
    async fn close(mut self) -> Result<()> {
        ensure!(self.fegd.try_wait()?.is_none(), "the federation gateway died:\n{}", self.log());
        self.canary().await?;
        ensure!(self.mast.orders.is_empty(), "orders reached the gateway: {:?}", self.mast.orders);
        let log = self.log();
        ensure!(!log.contains("panicked"), "something panicked:\n{log}");
        ensure!(!KEYS.iter().any(|key| log.contains(key)), "a key is in the log");
        self.shrinks().await?;
        self.hss.stop().await;
        Ok(())
    }
}

impl Siege {
    /// What the attack cost is given back, as soon as connections have ended.
    async fn shrinks(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (before, after) = (self.before, self.health()?);
            let lines = after.lines.saturating_sub(before.lines);
            ensure!(lines <= LOG_LINES, "the attack made the federation gateway write {lines} lines of log");
            let grown = after.resident.saturating_sub(before.resident);
            let kept = after.descriptors.saturating_sub(before.descriptors);
            if grown <= GROWTH && kept <= DESCRIPTORS {
                return Ok(());
            }
            let words = format!("the federation gateway kept {} KiB and {kept} descriptors more", grown / 1024);
            ensure!(Instant::now() < deadline, words);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.fegd.kill();
        let _ = self.fegd.wait();
    }
}

/// The line of the metrics that tells of a peer.
pub(super) fn up(host: &str, is: bool) -> String {
    format!("basalt_feg_peer_up{{peer=\"{host}\"}} {}", u8::from(is))
}

/// A request for vectors.
pub(super) fn vectors() -> api::request::Kind {
    api::request::Kind::Authenticate(api::Authenticate { vectors: 1, immediate: true, resync: Vec::new() })
}

/// A gateway's stream.
pub(super) struct Mast {
    send: mpsc::Sender<api::FromGateway>,
    receive: Streaming<api::ToGateway>,
    next: u64,
    /// What home networks ask that is not taken out.
    pub orders: VecDeque<api::HomeRequest>,
}

impl Mast {
    pub async fn connect(gateway: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{FEG}"))?;
        let deadline = Instant::now() + PATIENCE;
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) if Instant::now() >= deadline => return Err(error).context("fegd does not listen"),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let (send, receiver) = mpsc::channel(4096);
        let hello = api::Hello { gateway: gateway.to_owned(), life: gateway.len() as u64, ..api::Hello::default() };
        send.send(from(api::from_gateway::Message::Hello(hello))).await?;
        let receive = FederationClient::new(channel).converse(ReceiverStream::new(receiver)).await?.into_inner();
        let mut mast = Self { send, receive, next: 0, orders: VecDeque::new() };
        let welcome = mast.message().await?;
        ensure!(matches!(welcome, api::to_gateway::Message::Welcome(_)), "no welcome");
        Ok(mast)
    }

    /// Sends a request; its number.
    pub async fn send(&mut self, imsi: &str, kind: api::request::Kind) -> Result<u64> {
        self.next += 1;
        let (imsi, visited) = (imsi.to_owned(), "001-01".to_owned());
        let request = api::Request {
            id: self.next,
            within_ms: 1_000,
            imsi,
            visited,
            kind: Some(kind),
            ..api::Request::default()
        };
        self.send.send(from(api::from_gateway::Message::Request(request))).await?;
        Ok(self.next)
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, imsi: &str, kind: api::request::Kind) -> Result<api::answer::Kind> {
        let wanted = self.send(imsi, kind).await?;
        loop {
            let (id, answer) = self.answer().await?;
            if id == wanted {
                return Ok(answer);
            }
        }
    }

    /// The next answer to any request.
    pub async fn answer(&mut self) -> Result<(u64, api::answer::Kind)> {
        loop {
            match self.message().await? {
                api::to_gateway::Message::Answer(answer) => {
                    return Ok((answer.id, answer.kind.context("an empty answer")?));
                }
                api::to_gateway::Message::HomeRequest(order) => self.orders.push_back(order),
                _ => {}
            }
        }
    }

    /// The next thing that a home network asks.
    pub async fn order(&mut self) -> Result<api::HomeRequest> {
        loop {
            if let Some(order) = self.orders.pop_front() {
                return Ok(order);
            }
            if let api::to_gateway::Message::HomeRequest(order) = self.message().await? {
                self.orders.push_back(order);
            }
        }
    }

    /// Answers what a home network asked.
    pub async fn reply(&mut self, id: u64, outcome: api::home_answer::Outcome) -> Result<()> {
        let answer = api::HomeAnswer { id, outcome: outcome.into(), ..api::HomeAnswer::default() };
        Ok(self.send.send(from(api::from_gateway::Message::HomeAnswer(answer))).await?)
    }

    async fn message(&mut self) -> Result<api::to_gateway::Message> {
        let message =
            tokio::time::timeout(PATIENCE, self.receive.message()).await.context("the gateway hears nothing")?;
        message?.and_then(|message| message.message).context("the gateway's stream ended")
    }
}

fn from(message: api::from_gateway::Message) -> api::FromGateway {
    api::FromGateway { message: Some(message) }
}

/// Somebody who connected to the federation gateway's Diameter port, and says what he likes.
pub(super) struct Peer {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Peer {
    pub async fn connect(address: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((address.parse::<std::net::IpAddr>()?, 0).into())?;
        let stream = tokio::time::timeout(PATIENCE, socket.connect(DIAMETER.parse()?)).await??;
        Ok(Self { stream, heard: Vec::new() })
    }

    pub async fn send(&mut self, octets: &[u8]) -> Result<()> {
        Ok(tokio::time::timeout(PATIENCE, self.stream.write_all(octets)).await.context("nobody reads")??)
    }

    /// The next message; `None` when the connection has ended.
    pub async fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        let limits = Limits::default();
        loop {
            if let Some(length) = framed(&self.heard, &limits)?.filter(|length| *length <= self.heard.len()) {
                return Ok(Some(self.heard.drain(..length).collect()));
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.heard)).await;
            // A connection that is closed while octets wait for it ends by a reset.
            if !matches!(read.context("nothing comes, and the connection stands")?, Ok(1..)) {
                return Ok(None);
            }
        }
    }

    /// What the next answer says; `None` when the connection has ended. Requests that come meanwhile are passed over.
    pub async fn code(&mut self) -> Result<Option<u32>> {
        while let Some(octets) = self.receive().await? {
            let message = Message::decode(&octets, &Limits::default())?;
            if message.header.request {
                continue;
            }
            let code = match message.outcome()? {
                Outcome::Base(code) => code.0,
                Outcome::Experimental { code, .. } => code,
            };
            ensure!(message.header.error == (code / 1000 == 3), "the E bit goes with 3xxx, and this is {code}");
            return Ok(Some(code));
        }
        Ok(None)
    }

    /// Sends a request and says what the answer is.
    pub async fn ask(&mut self, octets: &[u8]) -> Result<Option<u32>> {
        self.send(octets).await?;
        self.code().await
    }

    /// CER, as somebody.
    pub async fn introduce(&mut self, host: &str, realm: &str) -> Result<Option<u32>> {
        let mut writer =
            Writer::new(&Header::request(basalt_diameter::Command::CAPABILITIES_EXCHANGE, Application::BASE));
        writer.text(name::ORIGIN_HOST, host).text(name::ORIGIN_REALM, realm);
        writer.address(name::HOST_IP_ADDRESS, [127, 0, 0, 1].into()).u32(name::VENDOR_ID, 0);
        writer.text(name::PRODUCT_NAME, "foreign");
        writer.group(name::VENDOR_SPECIFIC_APPLICATION_ID, |group| {
            group.u32(name::VENDOR_ID, vendor::TGPP).u32(name::AUTH_APPLICATION_ID, Application::S6A.0);
        });
        self.ask(&writer.finish()).await
    }

    /// The next request of the federation gateway's own.
    pub async fn request(&mut self) -> Result<Vec<u8>> {
        while let Some(octets) = self.receive().await? {
            if Message::header_of(&octets).is_some_and(|header| header.request) {
                return Ok(octets);
            }
        }
        bail!("the connection ended")
    }

    /// The federation gateway closes the connection, whatever it says before.
    pub async fn ends(&mut self) -> Result<()> {
        while self.receive().await?.is_some() {}
        Ok(())
    }
}
