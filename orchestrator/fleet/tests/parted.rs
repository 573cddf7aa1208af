//! A gateway, two replicas and a federation gateway over a simulated network (turmoil) that parts and heals, while each of them crashes.
//! Whatever happens: nobody gets an answer to what another one asked, and once the network is whole, requests are answered again, both
//! ways, within the time in which a silent connection is noticed.
// tidy: allow-file(sleep): in virtual time a sleep is a timer; the one in real time lets the database keep up with virtual time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use async_trait::async_trait;
use basalt_cloud_link::{Dial, secure_channel};
use basalt_control_api::federation::v1 as api;
use basalt_control_api::federation::v1::federation_client::FederationClient;
use basalt_control_api::federation::v1::federation_relay_client::FederationRelayClient;
use basalt_sansio::{Rng, SimRng};
use orchestrator_db::open;
use orchestrator_fleet::{Accept, Authority, Fleet, Io, Reach, Reached, Settings};
use orchestrator_model::Kind;
use serde_json::json;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use world::{FAR, Gateway, Ground, Replica, quick, sealing, until};

const PORT: u16 = 8481;
const REPLICAS: [&str; 2] = ["one", "other"];
/// A step of virtual time, and the real time that it takes at least.
const TICK: Duration = Duration::from_millis(5);
const PACE: Duration = Duration::from_micros(150);
/// Virtual seconds after which all goes on once the network is whole: a federation gateway that is silent is noticed after 20.
const RECOVERY: u64 = 60;
/// A request is asked anew on a new stream after this.
const WITHIN: Duration = Duration::from_secs(3);

async fn dial(address: &str) -> io::Result<turmoil::net::TcpStream> {
    let connected = tokio::time::timeout(Duration::from_secs(5), turmoil::net::TcpStream::connect(address));
    connected.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

struct Sim;

#[async_trait]
impl Dial for Sim {
    type Io = turmoil::net::TcpStream;

    async fn dial(&self, address: &str) -> io::Result<Self::Io> {
        dial(address).await
    }
}

impl Reach for Sim {
    fn reach(&self, address: &str) -> Reached {
        let address = address.to_owned();
        Box::pin(async move { Ok(Box::new(dial(&address).await?) as Box<dyn Io>) })
    }
}

struct SimAccept(turmoil::net::TcpListener);

impl Accept for SimAccept {
    type Io = turmoil::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Io, SocketAddr)> {
        self.0.accept().await
    }
}

/// As its supervisor runs it.
async fn replica(name: &'static str, database: String) -> turmoil::Result {
    loop {
        if let Err(error) = serve(name, &database).await {
            println!("replica {name} ended: {error:#}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn serve(name: &str, database: &str) -> anyhow::Result<()> {
    let db = open(&orchestrator_db::Settings { address: database.to_owned(), connections: 4 }).await?;
    let authority = Authority::ensure(db.as_ref(), &sealing()).await?;
    let fleet =
        Fleet::new(db, sealing(), authority, Settings { beat: Duration::from_secs(10), ..Settings::default() })?;
    let listener = turmoil::net::TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), PORT)).await?;
    let place = format!("{name}:{PORT}");
    tokio::select! {
        ended = fleet.meet(&place, Arc::new(Sim)) => ended,
        ended = Arc::clone(&fleet).serve(SimAccept(listener)) => ended,
    }
}

/// What the gateway has seen.
#[derive(Default)]
struct Seen {
    asked: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    next: u64,
}

/// A gateway that asks one request after the other, on whichever replica takes its stream.
async fn gateway(who: Arc<Gateway>, seen: Arc<Mutex<Seen>>) -> turmoil::Result {
    for turn in 0_usize.. {
        let ended = converse(&who, &seen, REPLICAS[turn % 2]).await;
        assert!(ended.is_err());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn converse(who: &Gateway, seen: &Mutex<Seen>, place: &str) -> Result<(), Status> {
    let mut identity = who.disk.identity.lock().unwrap().clone().unwrap();
    identity.address = format!("{place}:{PORT}");
    let channel = secure_channel(&Arc::new(Sim), &identity, &who.key).await;
    let channel = channel.map_err(|_| Status::unavailable("no connection"))?;
    let (send, messages) = mpsc::channel(16);
    let hello = api::Hello { life: 7, feg: "feg1".to_owned(), ..api::Hello::default() };
    let say = async |message| {
        let sent = send.send(api::FromGateway { message: Some(message) }).await;
        sent.map_err(|_| Status::unavailable("the stream takes nothing"))
    };
    say(api::from_gateway::Message::Hello(hello)).await?;
    let mut stream = FederationClient::new(channel).converse(ReceiverStream::new(messages)).await?.into_inner();
    let over = || Status::unavailable("the stream is over");
    stream.message().await?.ok_or_else(over)?;
    loop {
        let id = {
            let mut seen = seen.lock().unwrap();
            seen.next += 1;
            let id = seen.next;
            seen.asked.insert(id);
            id
        };
        say(api::from_gateway::Message::Request(api::Request { id, within_ms: 3000, ..api::Request::default() }))
            .await?;
        // The federation gateway asks something of its own first, and answers when it has heard what came of it.
        let asked = tokio::time::timeout(WITHIN, stream.message()).await.map_err(|_| over())??.ok_or_else(over)?;
        assert!(matches!(asked.message, Some(api::to_gateway::Message::HomeRequest(home)) if home.id == id));
        let done = api::HomeAnswer { id, outcome: 1, ..api::HomeAnswer::default() };
        say(api::from_gateway::Message::HomeAnswer(done)).await?;
        let answer = tokio::time::timeout(WITHIN, stream.message()).await.map_err(|_| over())??.ok_or_else(over)?;
        assert!(matches!(answer.message, Some(api::to_gateway::Message::Answer(answer)) if answer.id == id));
        assert!(seen.lock().unwrap().answered.insert(id), "an answer comes once");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A federation gateway at one replica, and at the other one when that goes.
async fn feg(who: Arc<Gateway>, seen: Arc<Mutex<Seen>>) -> turmoil::Result {
    for turn in 1_usize.. {
        // Why it ended is not asked: it is tried again.
        let _ = work(&who, &seen, REPLICAS[turn % 2]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn work(who: &Gateway, seen: &Mutex<Seen>, place: &str) -> Result<(), Status> {
    let mut identity = who.disk.identity.lock().unwrap().clone().unwrap();
    identity.address = format!("{place}:{PORT}");
    let channel = secure_channel(&Arc::new(Sim), &identity, &who.key).await;
    let channel = channel.map_err(|_| Status::unavailable("no connection"))?;
    let (send, messages) = mpsc::channel(64);
    let mut stream = FederationRelayClient::new(channel).serve(ReceiverStream::new(messages)).await?.into_inner();
    loop {
        let told = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
        let told = told.map_err(|_| Status::unavailable("silence"))??.ok_or_else(|| Status::unavailable("over"))?;
        let number = told.stream;
        let message = match told.kind {
            Some(api::to_feg::Kind::Opened(hello)) => {
                assert_eq!(hello.gateway, "mast");
                Some(api::to_gateway::Message::Welcome(api::Welcome::default()))
            }
            Some(api::to_feg::Kind::Message(message)) => match message.message {
                Some(api::from_gateway::Message::Request(request)) => {
                    assert!(seen.lock().unwrap().asked.contains(&request.id), "nobody asked this");
                    Some(api::to_gateway::Message::HomeRequest(api::HomeRequest {
                        id: request.id,
                        ..Default::default()
                    }))
                }
                Some(api::from_gateway::Message::HomeAnswer(home)) => {
                    Some(api::to_gateway::Message::Answer(api::Answer { id: home.id, kind: None }))
                }
                _ => None,
            },
            _ => None,
        };
        let kind = message.map(|message| api::from_feg::Kind::Message(api::ToGateway { message: Some(message) }));
        send.send(api::FromFeg { stream: number, kind }).await.map_err(|_| Status::unavailable("over"))?;
    }
}

/// Two that joined in real time.
async fn joined(ground: &Ground) -> [Arc<Gateway>; 2] {
    let replica = Replica::start(&ground.db, quick()).await;
    let feg = json!({"tier": "stable", "feg": {"host": "feg1.example.net", "realm": "example.net"}});
    ground.put(Kind::Gateway, "lab", "feg1", feg).await;
    let mut both = Vec::new();
    for (name, seed) in [("mast", 1), ("feg1", 2)] {
        let gateway = Gateway::new(name);
        let link = gateway.start(Some(replica.token(&ground.token("lab", name, FAR).await)), seed);
        until("joined", async || gateway.disk.identity.lock().unwrap().is_some().then_some(())).await;
        link.abort();
        both.push(Arc::new(gateway));
    }
    both.try_into().unwrap_or_else(|_| panic!("two"))
}

fn parted(seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ground = runtime.block_on(Ground::new());
    let [mast, feg1] = runtime.block_on(joined(&ground));
    let database = format!("sqlite:{}", ground.folder.path().join("db").display());
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(100))
        .simulation_duration(Duration::from_secs(100_000))
        .tcp_capacity(1 << 14)
        .build();
    for name in REPLICAS {
        let database = database.clone();
        sim.host(name, move || replica(name, database.clone()));
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (who, sees) = (Arc::clone(&mast), Arc::clone(&seen));
    sim.host("mast", move || gateway(Arc::clone(&who), Arc::clone(&sees)));
    let (who, sees) = (Arc::clone(&feg1), Arc::clone(&seen));
    sim.host("feg1", move || feg(Arc::clone(&who), Arc::clone(&sees)));
    let pass = |sim: &mut turmoil::Sim<'_>, millis: u64| {
        (0..u128::from(millis) / TICK.as_millis()).for_each(|_| {
            sim.step().unwrap();
            std::thread::sleep(PACE);
        });
    };
    let answered = || seen.lock().unwrap().answered.len();
    let goes_on = |sim: &mut turmoil::Sim<'_>, when: &str| {
        let before = answered();
        for _ in 0..RECOVERY {
            pass(sim, 1000);
            if answered() > before + 3 {
                return;
            }
        }
        panic!("seed {seed}: no requests are answered {when}");
    };
    goes_on(&mut sim, "at the beginning");
    let links = [("one", "other"), ("mast", "one"), ("mast", "other"), ("feg1", "one"), ("feg1", "other")];
    let mut rng = SimRng::new(seed);
    let mut pick = |most: usize| usize::try_from(rng.below(most as u64)).unwrap();
    for _ in 0..4 {
        for _ in 0..3 {
            match pick(8) {
                0 => {
                    let name = ["one", "other", "mast", "feg1"][pick(4)];
                    sim.crash(name);
                    sim.bounce(name);
                }
                1 => {
                    let (a, b) = links[pick(5)];
                    sim.repair(a, b);
                }
                _ => {
                    let (a, b) = links[pick(5)];
                    sim.partition(a, b);
                }
            }
            pass(&mut sim, 200 + pick(6000) as u64);
        }
        links.iter().for_each(|(a, b)| sim.repair(*a, *b));
        goes_on(&mut sim, "after the network is whole");
    }
    println!("seed {seed}: {} of {} requests were answered", answered(), seen.lock().unwrap().asked.len());
}

#[test]
fn requests_find_their_way_again_whenever_the_network_is_whole() {
    for seed in 1..=2 {
        parted(seed);
    }
}
