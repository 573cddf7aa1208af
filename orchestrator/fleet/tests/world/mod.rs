//! An orchestrator with its database, and gateways that run the real core and driver.
#![allow(dead_code, reason = "each test file uses its part")]

use async_trait::async_trait;
use basalt_cloud_link::{DeviceKey, Dial, Handle, Plan, Site, TcpDial, spawn};
use basalt_cloud_sync::{
    Command, CommandState, Event, Identity, Link, Memory, Page, Progress, Refusal, Settings as SyncSettings,
    UsageRecord,
};
use basalt_control_api::orchestrator::JoinToken;
use basalt_desired::{Digest, ItemKey};
use basalt_sansio::SecureSeed;
use basalt_security::{SEALING_NONCE, SealingKey, Secret};
use orchestrator_db::{Change, EventQuery, GatewayEvent, GatewayToken, Precondition, Repository, Target, open};
use orchestrator_fleet::{Authority, Fleet, Settings, TcpAccept};
use orchestrator_model::Kind;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub const K: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
pub const OPC: &str = "e8ed289deba952e4283b54e88e6183ca";
/// Longer than anything here takes, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn sealing() -> SealingKey {
    SealingKey::from_octets(Secret::new([7; 32]))
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub fn quick() -> Settings {
    Settings {
        beat: Duration::from_secs(1),
        look: Duration::from_millis(50),
        probe: Duration::from_secs(2),
        ..Settings::default()
    }
}

/// Waits for a condition.
pub async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A database in a folder of its own, with a network and a tier.
pub struct Ground {
    pub db: Arc<dyn Repository>,
    pub folder: TempDir,
}

impl Ground {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("db").display());
        let db = open(&orchestrator_db::Settings { address, connections: 8 }).await.unwrap();
        let ground = Self { db, folder };
        ground.put(Kind::Tenant, "", "acme", json!({})).await;
        ground.network("lab").await;
        ground
    }

    pub async fn network(&self, name: &str) {
        self.put(Kind::Network, "", name, json!({"tenant": "acme"})).await;
        self.put(Kind::Tier, name, "stable", json!({})).await;
    }

    pub async fn put(&self, kind: Kind, network: &str, name: &str, body: Value) {
        self.apply(&self.change(kind, network, name, body)).await;
    }

    /// Applies a change, again where the database was locked for too long: what was refused was not applied.
    async fn apply(&self, change: &Change) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = self.db.apply("test", 1, std::slice::from_ref(change)).await {
            assert!(tokio::time::Instant::now() < deadline, "{error}");
        }
    }

    pub fn change(&self, kind: Kind, network: &str, name: &str, body: Value) -> Change {
        let parsed = kind.parse_value(name, body).unwrap();
        let target = Target { kind, network: network.to_owned(), name: name.to_owned() };
        let sealed = (!parsed.secrets.is_empty()).then(|| {
            let text = serde_json::to_vec(&parsed.secrets).unwrap();
            sealing().seal_named(&target.to_string(), [3; SEALING_NONCE], &text)
        });
        let references = parsed.references;
        Change { target, precondition: Precondition::None, body: Some(parsed.body), sealed, references }
    }

    pub async fn delete(&self, kind: Kind, network: &str, name: &str) {
        let target = Target { kind, network: network.to_owned(), name: name.to_owned() };
        let change =
            Change { target, precondition: Precondition::Present, body: None, sealed: None, references: Vec::new() };
        self.apply(&change).await;
    }

    pub async fn subscriber(&self, network: &str, number: u32, title: &str) {
        self.put(Kind::Subscriber, network, &imsi(number), subscriber(title)).await;
    }

    pub async fn subscribers(&self, network: &str, numbers: std::ops::Range<u32>) {
        let changes: Vec<Change> =
            numbers.map(|n| self.change(Kind::Subscriber, network, &imsi(n), subscriber(""))).collect();
        self.db.apply("test", 1, &changes).await.unwrap();
    }

    /// A token's secret, good for a while.
    pub async fn token(&self, network: &str, gateway: &str, expires_at: i64) -> String {
        let secret = hex(&Sha256::digest(format!("{network}{gateway}{expires_at}{}", fastrand())));
        let digest = hex(&Sha256::digest(secret.as_bytes()));
        let token = GatewayToken {
            id: digest[..16].to_owned(),
            digest,
            network: network.to_owned(),
            tier: "stable".to_owned(),
            gateway: gateway.to_owned(),
            created_by: "test".to_owned(),
            created_at: 1,
            expires_at,
            used_at: 0,
            used_by: String::new(),
        };
        self.db.put_gateway_token(&token).await.unwrap();
        secret
    }

    pub async fn events(&self, network: &str, kind: &str) -> Vec<GatewayEvent> {
        let page = self.db.gateway_events(network, &EventQuery { limit: 1000, ..EventQuery::default() }).await.unwrap();
        page.items.into_iter().filter(|event| event.kind == kind).collect()
    }

    pub async fn in_sync(&self, network: &str, gateway: &str) -> bool {
        let state = self.db.gateway_state(network, gateway).await.unwrap();
        state.is_some_and(|state| state.sync["in_sync"] == true && !state.replica.is_empty())
    }
}

fn fastrand() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()
}

pub fn imsi(number: u32) -> String {
    format!("00101{number:010}")
}

pub fn subscriber(title: &str) -> Value {
    json!({"title": title, "keys": {"k": K, "opc": OPC}})
}

pub const FAR: i64 = 4_000_000_000_000;

/// A replica that listens on a free port.
pub struct Replica {
    pub fleet: Arc<Fleet>,
    pub address: String,
    pub fingerprint: [u8; 32],
    task: AbortHandle,
}

impl Replica {
    pub async fn start(db: &Arc<dyn Repository>, settings: Settings) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let authority = Authority::ensure(db.as_ref(), &sealing()).await.unwrap();
        let fingerprint = authority.fingerprint(0).unwrap();
        let fleet = Fleet::new(Arc::clone(db), sealing(), authority, settings).unwrap();
        let serving = Arc::clone(&fleet);
        let task = tokio::spawn(async move { serving.serve(TcpAccept(listener)).await.unwrap() }).abort_handle();
        Self { fleet, address, fingerprint, task }
    }

    pub fn token(&self, secret: &str) -> JoinToken {
        JoinToken { address: self.address.clone(), fingerprint: self.fingerprint, secret: secret.to_owned() }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a gateway keeps over its restarts, with a ledger.
#[derive(Default)]
pub struct Disk {
    pub identity: Mutex<Option<Identity>>,
    pub items: Mutex<BTreeMap<ItemKey, (Digest, String)>>,
    pub secrets: Mutex<BTreeMap<ItemKey, BTreeMap<String, String>>>,
    pub ledger: Mutex<Vec<UsageRecord>>,
    pub ended: Mutex<Vec<UsageRecord>>,
    pub pages: Mutex<Vec<usize>>,
    pub links: Mutex<Vec<Link>>,
    pub commands: Mutex<Vec<Command>>,
    pub events: Mutex<(u64, Vec<Event>)>,
}

pub const LEDGER: u64 = 77;

impl Disk {
    pub fn memory(&self) -> Memory {
        let held = self.items.lock().unwrap().iter().map(|(key, (digest, _))| (key.clone(), *digest)).collect();
        let events = self.events.lock().unwrap().clone();
        Memory { identity: self.identity.lock().unwrap().clone(), held, events }
    }

    pub fn subscribers(&self) -> Vec<String> {
        let items = self.items.lock().unwrap();
        items.keys().filter(|key| key.collection == "subscribers").map(|key| key.name.clone()).collect()
    }

    pub fn title(&self, name: &str) -> Option<String> {
        let key = ItemKey { collection: "subscribers".to_owned(), name: name.to_owned() };
        let items = self.items.lock().unwrap();
        let body: Value = serde_json::from_str(&items.get(&key)?.1).unwrap();
        Some(body["title"].as_str().unwrap().to_owned())
    }

    pub fn use_up(&self, count: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        let mut ended = self.ended.lock().unwrap();
        for _ in 0..count {
            let number = ended.len() as u64 + 1;
            let record = UsageRecord {
                number,
                session: format!("s{}", number % 5),
                epoch: 1,
                sequence: number,
                imsi: imsi(1),
                uplink_bytes: number,
                ..UsageRecord::default()
            };
            ledger.push(record.clone());
            ended.push(record);
        }
    }
}

#[async_trait]
impl Site for Disk {
    async fn apply(&self, page: &Page) -> Vec<Refusal> {
        let mut items = self.items.lock().unwrap();
        self.pages.lock().unwrap().push(page.puts.len() + page.removes.len());
        for key in &page.removes {
            items.remove(key);
        }
        for put in &page.puts {
            items.insert(put.key.clone(), (put.digest, put.body.clone()));
            self.secrets.lock().unwrap().insert(put.key.clone(), put.secrets.clone());
        }
        let refused = page.puts.iter().filter(|put| put.body.contains("unusable"));
        refused.map(|put| Refusal { key: put.key.clone(), reason: "not here".to_owned() }).collect()
    }

    async fn keep(&self, identity: &Identity) {
        *self.identity.lock().unwrap() = Some(identity.clone());
    }

    async fn read_usage(&self, most: usize) -> (u64, Vec<UsageRecord>) {
        (LEDGER, self.ledger.lock().unwrap().iter().take(most).cloned().collect())
    }

    async fn ack_usage(&self, ledger: u64, through: u64) {
        if ledger == LEDGER {
            self.ledger.lock().unwrap().retain(|record| record.number > through);
        }
    }

    async fn keep_events(&self, epoch: u64, events: &[Event], forget: u64) {
        let mut kept = self.events.lock().unwrap();
        kept.0 = epoch;
        kept.1.extend_from_slice(events);
        kept.1.retain(|event| event.number > forget);
    }

    async fn run(&self, command: Command, progress: mpsc::Sender<Progress>) {
        let id = command.id.clone();
        let known = command.kind == "ping";
        self.commands.lock().unwrap().push(command);
        let report = |state, percent, output: &str| Progress {
            data: Vec::new(),
            id: id.clone(),
            state,
            percent,
            output: output.to_owned(),
        };
        if known {
            progress.send(report(CommandState::Running, 50, "one\n")).await.unwrap();
            progress.send(report(CommandState::Done, 100, "two\n")).await.unwrap();
        } else {
            progress.send(report(CommandState::NotSupported, 0, "")).await.unwrap();
        }
    }

    fn tell(&self, link: &Link) {
        self.links.lock().unwrap().push(link.clone());
    }
}

/// A gateway.
pub struct Gateway {
    pub disk: Arc<Disk>,
    pub key: DeviceKey,
    pub name: String,
}

impl Gateway {
    pub fn new(name: &str) -> Self {
        Self { disk: Arc::default(), key: DeviceKey::generate().unwrap(), name: name.to_owned() }
    }

    pub fn plan(&self, token: Option<JoinToken>, seed: u8) -> Plan {
        let settings = SyncSettings {
            longest_wait: Duration::from_millis(500),
            longest_refusal: Duration::from_secs(1),
            report_interval: Duration::from_millis(100),
            urgent_interval: Duration::from_millis(100),
            spread: Duration::from_millis(100),
        };
        Plan {
            settings,
            memory: self.disk.memory(),
            token,
            name: self.name.clone(),
            software: "test".to_owned(),
            key: self.key.clone(),
            seed: SecureSeed([seed; 32]),
        }
    }

    pub fn start(&self, token: Option<JoinToken>, seed: u8) -> Handle {
        self.start_over(token, seed, Arc::new(TcpDial))
    }

    pub fn start_over<D: Dial>(&self, token: Option<JoinToken>, seed: u8, dial: Arc<D>) -> Handle {
        spawn(self.plan(token, seed), Arc::clone(&self.disk), dial)
    }

    pub fn refused(&self) -> bool {
        self.disk.links.lock().unwrap().iter().any(|link| matches!(link, Link::Refused(_)))
    }
}
