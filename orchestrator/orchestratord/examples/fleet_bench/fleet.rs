//! Gateways: the real core and driver, each over a connection of its own, with a site that keeps what it is told in memory.

use crate::daemon::Daemon;
use async_trait::async_trait;
use basalt_cloud_link::{DeviceKey, Dial, Handle, Plan, Site, TcpDial, spawn};
use basalt_cloud_sync::{Command, Event, Identity, Link, Memory, Page, Progress, Refusal, Settings, UsageRecord};
use basalt_control_api::orchestrator::JoinToken;
use basalt_sansio::SecureSeed;
use serde_json::json;
use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

const PATIENCE: Duration = Duration::from_secs(1800);
/// Lines of one import.
const ROWS: usize = 100_000;
/// Tokens that are asked for at once.
const AT_ONCE: usize = 8;

/// What all gateways report to.
#[derive(Default)]
struct Board {
    octets: AtomicU64,
    refusals: AtomicU64,
    /// The object whose arrival is waited for: part of its body, and how many gateways have it.
    wanted: Mutex<String>,
    arrived: AtomicU64,
    news: Notify,
}

/// What a gateway holds.
struct Held {
    board: Arc<Board>,
    up: AtomicBool,
    subscribers: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Site for Held {
    async fn apply(&self, page: &Page) -> Vec<Refusal> {
        let of_subscribers = page.puts.iter().filter(|put| put.key.collection == "subscribers");
        self.subscribers.lock().unwrap().extend(of_subscribers.map(|put| put.key.name.clone()));
        let wanted = self.board.wanted.lock().unwrap().clone();
        if !wanted.is_empty() && page.puts.iter().any(|put| put.body.contains(&wanted)) {
            self.board.arrived.fetch_add(1, Relaxed);
            self.board.news.notify_waiters();
        }
        Vec::new()
    }

    async fn keep(&self, _: &Identity) {}

    async fn read_usage(&self, _: usize) -> (u64, Vec<UsageRecord>) {
        (1, Vec::new())
    }

    async fn ack_usage(&self, _: u64, _: u64) {}

    async fn keep_events(&self, _: u64, _: &[Event], _: u64) {}

    async fn run(&self, _: Command, _: mpsc::Sender<Progress>) {}

    fn tell(&self, link: &Link) {
        match link {
            Link::Up => self.up.store(true, Relaxed),
            Link::Down(_) => self.up.store(false, Relaxed),
            Link::Refused(_) => {
                self.board.refusals.fetch_add(1, Relaxed);
            }
            Link::Certified(_) => {}
        }
    }
}

/// TCP that counts octets of both directions.
struct Counting(Arc<Board>);

struct Counted(TcpStream, Arc<Board>);

#[async_trait]
impl Dial for Counting {
    type Io = Counted;

    async fn dial(&self, address: &str) -> io::Result<Counted> {
        Ok(Counted(TcpDial.dial(address).await?, Arc::clone(&self.0)))
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.0).poll_read(cx, buf);
        self.1.octets.fetch_add((buf.filled().len() - before) as u64, Relaxed);
        done
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.0).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = &done {
            self.1.octets.fetch_add(*count as u64, Relaxed);
        }
        done
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// All gateways.
pub struct Fleet {
    board: Arc<Board>,
    plans: Vec<Plan>,
    gateways: Vec<Arc<Held>>,
    _links: Vec<Handle>,
}

/// Makes networks `n0`, `n1`, ... with a tier each.
pub async fn networks(daemon: &Daemon, count: usize) {
    daemon.ask("PUT", "/tenants/bench", Some("{}".to_owned())).await;
    for n in 0..count {
        daemon.ask("PUT", &format!("/networks/n{n}"), Some(json!({"tenant": "bench"}).to_string())).await;
        daemon.ask("PUT", &format!("/networks/n{n}/tiers/stable"), Some("{}".to_owned())).await;
    }
}

/// Gives each gateway subscribers by a label; how many there are.
pub async fn subscribers(daemon: &Daemon, gateways: usize, each: usize) -> usize {
    let per_network = crate::NETWORK * each;
    let total = gateways * each;
    for first in (0..total).step_by(ROWS.min(per_network)) {
        let last = (first + ROWS.min(per_network)).min(total);
        let lines = (first..last).map(|number| subscriber(number, each, ""));
        let path = format!("/networks/n{}/subscribers/import", first / per_network);
        daemon.send("POST", &path, "application/x-ndjson", lines.collect::<Vec<_>>().join("\n")).await;
    }
    total
}

fn imsi(number: usize) -> String {
    format!("00101{:010}", number + 1)
}

fn subscriber(number: usize, each: usize, title: &str) -> String {
    json!({"name": imsi(number), "body": body(number, each, title)}).to_string()
}

fn body(number: usize, each: usize, title: &str) -> serde_json::Value {
    let keys = json!({"k": format!("{number:032x}"), "opc": format!("{:032x}", number + 1)});
    json!({"title": title, "keys": keys, "labels": {"site": format!("g{}", number / each)}})
}

fn network(gateway: usize) -> String {
    format!("n{}", gateway / crate::NETWORK)
}

impl Fleet {
    /// Makes the gateways at the orchestrator, and a token for each.
    pub async fn make(daemon: &Daemon, count: usize) -> Self {
        for first in (0..count).step_by(crate::NETWORK) {
            let lines = (first..(first + crate::NETWORK).min(count)).map(|number| {
                let selection = json!({"labels": {"site": format!("g{number}")}});
                json!({"name": format!("g{number}"), "body": {"tier": "stable", "subscribers": selection}}).to_string()
            });
            let path = format!("/networks/{}/gateways/import", network(first));
            daemon.send("POST", &path, "application/x-ndjson", lines.collect::<Vec<_>>().join("\n")).await;
        }
        let board = Arc::<Board>::default();
        let mut plans = Vec::with_capacity(count);
        for first in (0..count).step_by(AT_ONCE) {
            let asked = (first..(first + AT_ONCE).min(count)).map(|number| token(daemon, number));
            let tokens = futures(asked).await;
            plans.extend((first..).zip(tokens).map(|(number, token)| plan(number, token)));
        }
        let held = |_| Held { board: Arc::clone(&board), up: AtomicBool::new(false), subscribers: Mutex::default() };
        let gateways = (0..count).map(held).map(Arc::new).collect();
        Self { board, plans, gateways, _links: Vec::new() }
    }

    /// All gateways begin to join.
    pub fn start(&mut self) {
        let dial = Arc::new(Counting(Arc::clone(&self.board)));
        let pairs = self.plans.drain(..).zip(&self.gateways);
        self._links = pairs.map(|(plan, site)| spawn(plan, Arc::clone(site), Arc::clone(&dial))).collect();
    }

    /// Waits until each gateway holds so many subscribers.
    pub async fn until_held(&self, count: usize) {
        self.until("holding", |gateway| gateway.subscribers.lock().unwrap().len() >= count).await;
    }

    /// Waits until each gateway is connected.
    pub async fn until_up(&self) {
        self.until("connected", |gateway| gateway.up.load(Relaxed)).await;
    }

    async fn until(&self, what: &str, fits: impl Fn(&Held) -> bool) {
        let began = Instant::now();
        let mut told = 0;
        loop {
            let count = self.gateways.iter().filter(|gateway| fits(gateway)).count();
            if count == self.gateways.len() {
                return;
            }
            if began.elapsed().as_secs() / 10 > told {
                told = began.elapsed().as_secs() / 10;
                eprintln!("  {count} of {} are {what}", self.gateways.len());
            }
            assert!(began.elapsed() < PATIENCE, "{count} of {} are {what}", self.gateways.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Links are looked at anew from here on.
    pub fn forget_links(&self) {
        self.gateways.iter().for_each(|gateway| gateway.up.store(false, Relaxed));
    }

    /// Octets on the wire so far, of all gateways in both directions.
    pub fn octets(&self) -> u64 {
        self.board.octets.load(Relaxed)
    }

    /// Times that a gateway was refused.
    pub fn refusals(&self) -> u64 {
        self.board.refusals.load(Relaxed)
    }

    /// Changes subscribers one after the other; from the request until the gateway has it.
    pub async fn changes(&self, daemon: &Daemon, count: usize) -> Vec<Duration> {
        let each = self.gateways[0].subscribers.lock().unwrap().len();
        let mut times = Vec::new();
        for change in 0..count {
            let number = (change * 7919) % (self.gateways.len() * each);
            let title = format!("change {change} of {count}");
            let path = format!("/networks/{}/subscribers/{}", network(number / each), imsi(number));
            times.push(self.change(daemon, &path, &title, body(number, each, &title).to_string(), 1).await);
        }
        times
    }

    /// Changes a policy rule of the first network, until all of its gateways have it.
    pub async fn policy(&self, daemon: &Daemon) -> Duration {
        let rule = json!({"priority": 7, "monitoring_key": "a policy of all"}).to_string();
        let count = self.gateways.len().min(crate::NETWORK) as u64;
        self.change(daemon, "/networks/n0/policy-rules/bench", "a policy of all", rule, count).await
    }

    async fn change(&self, daemon: &Daemon, path: &str, mark: &str, body: String, count: u64) -> Duration {
        mark.clone_into(&mut self.board.wanted.lock().unwrap());
        self.board.arrived.store(0, Relaxed);
        let began = Instant::now();
        daemon.ask("PUT", path, Some(body)).await;
        while self.board.arrived.load(Relaxed) < count {
            assert!(began.elapsed() < PATIENCE, "{mark} does not arrive");
            // Woken by news; a wake-up that was missed costs a millisecond.
            let _ = tokio::time::timeout(Duration::from_millis(1), self.board.news.notified()).await;
        }
        began.elapsed()
    }
}

async fn token(daemon: &Daemon, number: usize) -> JoinToken {
    let body = json!({"tier": "stable", "hours": 24, "gateway": format!("g{number}")}).to_string();
    let path = format!("/networks/{}/gateway-tokens", network(number));
    let made = daemon.ask("POST", &path, Some(body)).await;
    made["token"].as_str().unwrap().parse().unwrap()
}

/// Runs requests side by side.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in &mut running {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        if running.iter().all(|(_, done)| done.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}

fn plan(number: usize, token: JoinToken) -> Plan {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Plan {
        settings: Settings::default(),
        memory: Memory::default(),
        token: Some(token),
        name: format!("g{number}"),
        software: "bench".to_owned(),
        key: DeviceKey::generate().unwrap(),
        seed: SecureSeed(seed),
    }
}
