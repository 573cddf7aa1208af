//! Two gateways, two replicas and two federation gateways over a simulated network (turmoil) that parts and heals, while each of them
//! crashes. Whatever happens: nobody gets an answer to what another one asked, a request reaches a federation gateway once over each of its
//! streams, and once the network is whole, requests of both gateways are answered again, both ways, within the time in which a silent
//! connection is noticed.
//!
//! `BASALT_SEEDS=40` plays so many courses instead of the usual few.
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
use std::collections::{BTreeMap, BTreeSet};
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
const GATEWAYS: [&str; 2] = ["mast", "hill"];
const FEGS: [&str; 2] = ["feg1", "feg2"];
/// Courses, unless told.
const SEEDS: u64 = 3;
/// Numbers of one gateway's requests; the other one's begin here.
const NUMBERS: u64 = 1 << 40;
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

/// What a gateway has seen.
struct Seen {
    gateway: &'static str,
    asked: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    next: u64,
}

/// What all gateways have.
type All = [Arc<Mutex<Seen>>; 2];

fn all() -> All {
    [0, 1].map(|place| {
        let (gateway, next) = (GATEWAYS[place], NUMBERS * place as u64);
        Arc::new(Mutex::new(Seen { gateway, asked: BTreeSet::new(), answered: BTreeSet::new(), next }))
    })
}

fn seen_by<'a>(all: &'a All, gateway: &str) -> &'a Mutex<Seen> {
    all.iter().find(|seen| seen.lock().unwrap().gateway == gateway).expect("a gateway that there is")
}

/// A gateway that asks one request after the other, of one federation gateway and then of the other, on whichever replica takes its
/// stream.
async fn gateway(who: Arc<Gateway>, seen: Arc<Mutex<Seen>>) -> turmoil::Result {
    for turn in 0_usize.. {
        let ended = converse(&who, &seen, REPLICAS[turn % 2], FEGS[turn / 2 % 2]).await;
        assert!(ended.is_err());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn converse(who: &Gateway, seen: &Mutex<Seen>, place: &str, feg: &str) -> Result<(), Status> {
    let mut identity = who.disk.identity.lock().unwrap().clone().unwrap();
    identity.address = format!("{place}:{PORT}");
    let channel = secure_channel(&Arc::new(Sim), &identity, &who.key).await;
    let channel = channel.map_err(|_| Status::unavailable("no connection"))?;
    let (send, messages) = mpsc::channel(16);
    let hello = api::Hello { life: 7, feg: feg.to_owned(), ..api::Hello::default() };
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
async fn feg(who: Arc<Gateway>, all: All) -> turmoil::Result {
    for turn in 1_usize.. {
        // Why it ended is not asked: it is tried again.
        let _ = work(&who, &all, REPLICAS[turn % 2]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

async fn work(who: &Gateway, all: &All, place: &str) -> Result<(), Status> {
    let mut identity = who.disk.identity.lock().unwrap().clone().unwrap();
    identity.address = format!("{place}:{PORT}");
    let channel = secure_channel(&Arc::new(Sim), &identity, &who.key).await;
    let channel = channel.map_err(|_| Status::unavailable("no connection"))?;
    let (send, messages) = mpsc::channel(64);
    let mut stream = FederationRelayClient::new(channel).serve(ReceiverStream::new(messages)).await?.into_inner();
    // Whose each stream is, and what came over it.
    let mut streams: BTreeMap<u64, (String, BTreeSet<u64>)> = BTreeMap::new();
    loop {
        let told = tokio::time::timeout(Duration::from_secs(20), stream.message()).await;
        let told = told.map_err(|_| Status::unavailable("silence"))??.ok_or_else(|| Status::unavailable("over"))?;
        let number = told.stream;
        let message = match told.kind {
            Some(api::to_feg::Kind::Opened(hello)) => {
                let before = streams.insert(number, (hello.gateway, BTreeSet::new()));
                assert!(before.is_none(), "a stream begins once");
                Some(api::to_gateway::Message::Welcome(api::Welcome::default()))
            }
            Some(api::to_feg::Kind::Message(message)) => match message.message {
                Some(api::from_gateway::Message::Request(request)) => {
                    let (gateway, came) = streams.get_mut(&number).expect("a stream that began");
                    assert!(seen_by(all, gateway).lock().unwrap().asked.contains(&request.id), "it did not ask this");
                    assert!(came.insert(request.id), "a request comes once");
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

/// All that joined in real time, by name.
async fn joined(ground: &Ground) -> BTreeMap<&'static str, Arc<Gateway>> {
    let replica = Replica::start(&ground.db, quick()).await;
    for name in FEGS {
        let feg = json!({"tier": "stable", "feg": {"host": format!("{name}.example.net"), "realm": "example.net"}});
        ground.put(Kind::Gateway, "lab", name, feg).await;
    }
    let mut all = BTreeMap::new();
    for (name, seed) in GATEWAYS.into_iter().chain(FEGS).zip(1..) {
        let gateway = Gateway::new(name);
        let link = gateway.start(Some(replica.token(&ground.token("lab", name, FAR).await)), seed);
        until("joined", async || gateway.disk.identity.lock().unwrap().is_some().then_some(())).await;
        link.abort();
        all.insert(name, Arc::new(gateway));
    }
    all
}

fn parted(seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ground = runtime.block_on(Ground::new());
    let whose = runtime.block_on(joined(&ground));
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
    let all = all();
    for (name, seen) in GATEWAYS.iter().zip(&all) {
        let (who, sees) = (Arc::clone(&whose[name]), Arc::clone(seen));
        sim.host(*name, move || gateway(Arc::clone(&who), Arc::clone(&sees)));
    }
    for name in FEGS {
        let (who, sees) = (Arc::clone(&whose[name]), all.clone());
        sim.host(name, move || feg(Arc::clone(&who), sees.clone()));
    }
    let pass = |sim: &mut turmoil::Sim<'_>, millis: u64| {
        (0..u128::from(millis) / TICK.as_millis()).for_each(|_| {
            sim.step().unwrap();
            std::thread::sleep(PACE);
        });
    };
    let answered = || all.each_ref().map(|seen| seen.lock().unwrap().answered.len());
    let goes_on = |sim: &mut turmoil::Sim<'_>, when: &str| {
        let before = answered();
        for _ in 0..RECOVERY {
            pass(sim, 1000);
            if answered().iter().zip(before).all(|(now, before)| *now > before + 3) {
                return;
            }
        }
        panic!("seed {seed}: of {before:?} answers there are {:?} {when}", answered());
    };
    goes_on(&mut sim, "at the beginning");
    let hosts: Vec<&str> = REPLICAS.into_iter().chain(GATEWAYS).chain(FEGS).collect();
    let ends = GATEWAYS.into_iter().chain(FEGS);
    let mut links: Vec<(&str, &str)> = ends.flat_map(|end| REPLICAS.map(|replica| (end, replica))).collect();
    links.push((REPLICAS[0], REPLICAS[1]));
    let mut rng = SimRng::new(seed);
    let mut pick = |most: usize| usize::try_from(rng.below(most as u64)).unwrap();
    for _ in 0..4 {
        for _ in 0..4 {
            match pick(8) {
                0 => {
                    let name = hosts[pick(hosts.len())];
                    sim.crash(name);
                    sim.bounce(name);
                }
                1 => {
                    let (a, b) = links[pick(links.len())];
                    sim.repair(a, b);
                }
                _ => {
                    let (a, b) = links[pick(links.len())];
                    sim.partition(a, b);
                }
            }
            pass(&mut sim, 200 + pick(6000) as u64);
        }
        links.iter().for_each(|(a, b)| sim.repair(*a, *b));
        goes_on(&mut sim, "after the network is whole");
    }
    let asked = all.each_ref().map(|seen| seen.lock().unwrap().asked.len());
    println!("seed {seed}: {:?} of {asked:?} requests were answered", answered());
}

#[test]
fn requests_find_their_way_again_whenever_the_network_is_whole() {
    let seeds = std::env::var("BASALT_SEEDS").ok().map_or(SEEDS, |text| text.parse().expect("a number of courses"));
    (1..=seeds).for_each(parted);
}
