//! Gateway and orchestrator over a simulated network (turmoil) that delays, parts and heals, while either side crashes, the database is
//! slow or refuses writes, and the operator goes on changing things. Whatever happens: what was acknowledged is there, usage is counted once, and the gateway
//! ends up with what it should have.
// tidy: allow-file(sleep): in virtual time a sleep is a timer; the one in real time keeps virtual time from outrunning the disk
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod world;

use async_trait::async_trait;
use basalt_cloud_link::Dial;
use basalt_cloud_sync::Input;
use basalt_control_api::orchestrator::JoinToken;
use basalt_sansio::{Rng, SimRng};
use orchestrator_db::open;
use orchestrator_fleet::{Accept, Authority, Fleet, Settings};
use orchestrator_model::Kind;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use world::{FAR, Gateway, Ground, imsi, sealing};

const PORT: u16 = 8481;
/// Real time of a step of virtual time, at first: virtual time runs thirty times as fast.
const PACE: Duration = Duration::from_micros(150);
/// A step of virtual time.
const TICK: Duration = Duration::from_millis(5);

/// What befalls the database: a statement that the orchestrator runs while it writes down what gateways tell.
const ILL: &str = "SELECT RAISE(ABORT, 'the disk is ill')";
const SLOW: &str =
    "SELECT (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000) SELECT COUNT(*) FROM n)";
/// Writes that it befalls.
const BEFALLEN: [&str; 5] = [
    "INSERT ON usage_records",
    "INSERT ON ledgers",
    "INSERT ON gateway_events",
    "INSERT ON gateway_states",
    "UPDATE ON gateway_states",
];

struct SimDial;

#[async_trait]
impl Dial for SimDial {
    type Io = turmoil::net::TcpStream;

    async fn dial(&self, address: &str) -> io::Result<Self::Io> {
        let connected = tokio::time::timeout(Duration::from_secs(5), turmoil::net::TcpStream::connect(address));
        connected.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

struct SimAccept(turmoil::net::TcpListener);

impl Accept for SimAccept {
    type Io = turmoil::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Io, SocketAddr)> {
        self.0.accept().await
    }
}

/// A replica as its supervisor runs it: it is started again until the database is there. Virtual time runs ahead of the disk, so
/// that the database is slow, and sometimes too slow.
async fn orchestrator(address: String) -> turmoil::Result {
    loop {
        if let Err(error) = replica(&address).await {
            println!("the replica ended: {error:#}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn replica(address: &str) -> anyhow::Result<()> {
    let settings = orchestrator_db::Settings { address: address.to_owned(), connections: 4 };
    let db = open(&settings).await?;
    let authority = Authority::ensure(db.as_ref(), &sealing()).await?;
    let settings = Settings { beat: Duration::from_secs(10), ..Settings::default() };
    let fleet = Fleet::new(db, sealing(), authority, settings)?;
    let listener = turmoil::net::TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), PORT)).await?;
    fleet.serve(SimAccept(listener)).await
}

async fn gateway(gateway: Arc<Gateway>, token: Arc<Mutex<Option<JoinToken>>>, seed: u8) -> turmoil::Result {
    let joined = gateway.disk.identity.lock().unwrap().is_some();
    let token = if joined { None } else { token.lock().unwrap().clone() };
    let mut plan = gateway.plan(token, seed);
    plan.settings.longest_wait = Duration::from_secs(10);
    plan.settings.longest_refusal = Duration::from_secs(10);
    let link = basalt_cloud_link::spawn(plan, Arc::clone(&gateway.disk), Arc::new(SimDial));
    loop {
        link.tell(Input::UsageReady).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// What should be, as the operator remembers it: number and title.
type Wanted = std::collections::BTreeMap<u32, String>;

struct Storm {
    runtime: tokio::runtime::Runtime,
    ground: Arc<Ground>,
    gateway: Arc<Gateway>,
    rng: SimRng,
    wanted: Wanted,
    changes: u32,
}

impl Storm {
    /// One change by the operator, acknowledged when the task ends.
    fn change(&mut self) -> JoinHandle<()> {
        let number = u32::try_from(self.rng.below(40)).unwrap() + 1;
        self.changes += 1;
        let ground = Arc::clone(&self.ground);
        if self.wanted.contains_key(&number) && self.rng.chance(1, 3) {
            self.wanted.remove(&number);
            self.runtime.spawn(async move { ground.delete(Kind::Subscriber, "lab", &imsi(number)).await })
        } else {
            let title = format!("change {}", self.changes);
            self.wanted.insert(number, title.clone());
            self.runtime.spawn(async move { ground.subscriber("lab", number, &title).await })
        }
    }

    /// From now on this befalls the database; `None` heals it.
    fn befall(&self, what: Option<&'static str>) -> JoinHandle<()> {
        let path = self.ground.folder.path().join("db");
        self.runtime.spawn(async move {
            let options = SqliteConnectOptions::new().filename(path).busy_timeout(world::PATIENCE);
            let mut connection = options.connect().await.unwrap();
            for (number, writes) in BEFALLEN.iter().enumerate() {
                let mut sql = format!("DROP TRIGGER IF EXISTS befallen_{number};");
                if let Some(what) = what {
                    sql.push_str(&format!("CREATE TRIGGER befallen_{number} BEFORE {writes} BEGIN {what}; END;"));
                }
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            }
            connection.close().await.unwrap();
        })
    }

    fn has(&self) -> Wanted {
        let disk = &self.gateway.disk;
        let titled = |name: String| Some((name[5..].parse().ok()?, disk.title(&name)?));
        disk.subscribers().into_iter().filter_map(titled).collect()
    }

    fn usage(&self) -> Vec<i64> {
        let rows = self.runtime.block_on(self.ground.db.usage("lab", None, 0, 100_000)).unwrap();
        let mut numbers: Vec<i64> = rows.iter().map(|row| row.uplink_bytes).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn storm(seed: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ground = runtime.block_on(Ground::new());
    let (secret, fingerprint) = runtime.block_on(async {
        let authority = Authority::ensure(ground.db.as_ref(), &sealing()).await.unwrap();
        (ground.token("lab", "", FAR).await, authority.fingerprint(0).unwrap())
    });
    let path = format!("sqlite:{}", ground.folder.path().join("db").display());
    let node = Arc::new(Gateway::new("north"));
    let token = JoinToken { address: format!("orchestrator:{PORT}"), fingerprint, secret };
    let token = Arc::new(Mutex::new(Some(token)));
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(300))
        .simulation_duration(Duration::from_secs(100_000))
        .tcp_capacity(1 << 14)
        .build();
    sim.host("orchestrator", move || orchestrator(path.clone()));
    let (cloned, told) = (Arc::clone(&node), Arc::clone(&token));
    sim.host("gateway", move || gateway(Arc::clone(&cloned), Arc::clone(&told), u8::try_from(seed).unwrap()));
    let mut storm = Storm {
        runtime,
        ground: Arc::new(ground),
        gateway: node,
        rng: SimRng::new(seed),
        wanted: Wanted::new(),
        changes: 0,
    };
    let pass = |sim: &mut turmoil::Sim<'_>, millis: u64, pace: Duration| {
        (0..u128::from(millis) / TICK.as_millis()).for_each(|_| {
            sim.step().unwrap();
            // The database lives in real time: virtual time may run ahead of it, but not without measure.
            std::thread::sleep(pace);
        });
    };
    // A writer may hold the database's lock: it lets go of it only while its time passes.
    let await_passing = |sim: &mut turmoil::Sim<'_>, storm: &Storm, task: JoinHandle<()>| {
        while !task.is_finished() {
            pass(sim, 5, PACE);
        }
        storm.runtime.block_on(task).unwrap();
    };
    for _ in 0..24 {
        match storm.rng.below(10) {
            0 => sim.partition("gateway", "orchestrator"),
            1 | 2 => sim.repair("gateway", "orchestrator"),
            3 => {
                sim.crash("gateway");
                sim.bounce("gateway");
            }
            4 => {
                sim.crash("orchestrator");
                sim.bounce("orchestrator");
            }
            5 | 6 => {
                let what = [Some(ILL), Some(SLOW), None][usize::try_from(storm.rng.below(3)).unwrap()];
                let befallen = storm.befall(what);
                await_passing(&mut sim, &storm, befallen);
            }
            _ => {
                let change = storm.change();
                await_passing(&mut sim, &storm, change);
            }
        }
        storm.gateway.disk.use_up(storm.rng.below(40));
        let millis = 100 + storm.rng.below(8_000);
        pass(&mut sim, millis, PACE);
    }
    sim.repair("gateway", "orchestrator");
    let healed = storm.befall(None);
    await_passing(&mut sim, &storm, healed);
    let count = storm.gateway.disk.ended.lock().unwrap().len();
    let expected: Vec<i64> = (1..=i64::try_from(count).unwrap()).collect();
    // A disk so slow that every deadline passes before it has answered is given more time, up to that which it has in the field.
    for second in 0..700 {
        pass(&mut sim, 1000, TICK.min(PACE * (1 << (second / 100))));
        let told = storm.gateway.disk.ledger.lock().unwrap().is_empty();
        if told && storm.has() == storm.wanted && storm.gateway.disk.identity.lock().unwrap().is_some() {
            assert_eq!(storm.usage(), expected, "each record once, seed {seed}");
            return;
        }
    }
    let links = storm.gateway.disk.links.lock().unwrap();
    let links: Vec<_> = links.iter().rev().take(8).collect();
    panic!(
        "seed {seed}: no convergence, links at the end (newest first): {links:?}\nshould have {:?}\nhas {:?}",
        storm.wanted,
        storm.has()
    );
}

#[test]
fn whatever_happens_both_sides_end_up_equal() {
    for seed in 1..=3 {
        storm(seed);
    }
}
