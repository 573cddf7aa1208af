//! Watches all gateways: history, alarms, what a metrics server is told. One replica does it for all; another goes on when it ends.
//!
//! ```text
//!   database ──what is new──► Watched ──► rules ──► Engine ──► alarms, events ──► receivers (queued; `notify` sends)
//!                                └──minute──► History ──► database
//! ```

mod alarms;
mod otlp;
mod own;
pub(crate) mod remote;
pub(crate) mod syslog;

use crate::notify::Client;
use crate::settings::Settings;
use anyhow::Result;
use orchestrator_api::{Fetch, FetchRequest, Fetched, MetricsServer};
use orchestrator_db::{AlarmQuery, GatewayNews, Repository};
use orchestrator_telemetry::engine::{Engine, Key, Timing};
use orchestrator_telemetry::history::{HOUR, History, Place};
use orchestrator_telemetry::rules::{self, Look, RULES};
use orchestrator_telemetry::watched::{Names, Watched};
use own::Own;
use remote::Remote;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Gateways read at a time.
const PAGE: u32 = 500;
/// What was heard so long before the newest is read again: replicas' clocks differ, and writes wait for each other; milliseconds.
const AGAIN: i64 = 2_000;
/// Looks between two readings of what changes seldom.
const SELDOM: u64 = 5;
/// The history is kept so long, hours.
const KEPT: i64 = 49;
/// Alarms that are over are kept so long, milliseconds.
const ALARMS_KEPT: i64 = 90 * 24 * HOUR;
/// A question to the database that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);

/// What is told of the watch itself.
#[derive(Debug, Default)]
struct Figures {
    /// Alarms that hold.
    alarms: AtomicUsize,
    /// Gateways that are watched.
    gateways: AtomicUsize,
    /// Looks that failed.
    failures: AtomicUsize,
}

/// What the orchestrator itself stands on.
struct Here {
    folder: PathBuf,
    /// The certificate that it was given for the REST interface.
    certificate: Option<PathBuf>,
}

/// The tasks that watch.
#[derive(Clone)]
pub(crate) struct Watching {
    figures: Arc<Figures>,
    remote: Option<Arc<Remote>>,
    tasks: Arc<Vec<tokio::task::AbortHandle>>,
}

impl Watching {
    /// Starts them.
    ///
    /// # Errors
    /// The settings name a metrics server that cannot be used.
    pub(crate) fn start(db: &Arc<dyn Repository>, settings: &Settings) -> Result<Self> {
        let figures = Arc::new(Figures::default());
        let remote = settings.remote_write.as_ref().map(|file| Ok(Arc::new(Remote::new(file, anywhere()?)?)));
        let remote = remote.transpose().map_err(|error: anyhow::Error| error.context("[remote_write]"))?;
        // One of our own does not end in our time.
        let certificate = settings.tls.then(|| settings.tls_certificate.clone()).flatten();
        let here = Here { folder: settings.data_dir.clone(), certificate };
        let watch = run(Arc::clone(db), Arc::clone(&figures), remote.clone(), here);
        let mut tasks = vec![tokio::spawn(watch).abort_handle()];
        if let Some(file) = &settings.syslog {
            tasks.push(tokio::spawn(syslog::run(Arc::clone(db), file.clone())).abort_handle());
        }
        if let Some(file) = &settings.otlp {
            let client = otlp::client(file).map_err(|error| error.context("[otlp]"))?;
            tasks.push(tokio::spawn(otlp::run(Arc::clone(db), client, file.identities)).abort_handle());
        }
        if let Some(remote) = &remote {
            tasks.push(tokio::spawn(Arc::clone(remote).run()).abort_handle());
        }
        Ok(Self { figures, remote, tasks: Arc::new(tasks) })
    }

    /// Ends them.
    pub(crate) fn stop(&self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }

    /// What is told of the watch itself: name, form, help, value.
    pub(crate) fn figures(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed) as u64;
        let it = &self.figures;
        let mut all = vec![
            ("alarms", "gauge", "Alarms that hold; 0 where another replica watches.", of(&it.alarms)),
            ("watched_gateways", "gauge", "Gateways that this replica watches.", of(&it.gateways)),
            ("watch_failures_total", "counter", "Looks at gateways that failed.", of(&it.failures)),
        ];
        if let Some(remote) = &self.remote {
            let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            all.extend([
                (
                    "remote_write_waiting",
                    "gauge",
                    "Readings that wait for the metrics server.",
                    remote.waiting() as u64,
                ),
                ("remote_write_samples_total", "counter", "Values that the metrics server took.", of(&remote.sent)),
                ("remote_write_dropped_total", "counter", "Readings that were dropped.", of(&remote.dropped)),
                (
                    "remote_write_failures_total",
                    "counter",
                    "Requests to the metrics server that failed.",
                    of(&remote.failed),
                ),
            ]);
        }
        all
    }
}

/// For addresses that the settings name: whoever writes them may reach them anyway.
fn anywhere() -> Result<Client> {
    let all = ["0.0.0.0/0", "::/0"].map(|range| range.parse().map_err(|error: String| anyhow::anyhow!(error)));
    Client::new(all.into_iter().collect::<Result<_>>()?)
}

/// The metrics server that queries are passed on to.
pub(crate) fn metrics_server(settings: &Settings) -> Result<Option<Arc<MetricsServer>>> {
    let Some(url) = settings.prometheus_url.clone() else { return Ok(None) };
    let client = Arc::new(anywhere()?);
    let fetch: Fetch = Arc::new(move |request: FetchRequest| -> Fetched {
        let client = Arc::clone(&client);
        Box::pin(async move { client.fetch(&request).await.map_err(|error| format!("{error:#}")) })
    });
    Ok(Some(Arc::new(MetricsServer { url, fetch })))
}

/// Watches until dropped, while this replica is the one that acts.
async fn run(db: Arc<dyn Repository>, figures: Arc<Figures>, remote: Option<Arc<Remote>>, here: Here) {
    let mut watch: Option<Watch> = None;
    loop {
        let looked = look(&db, &mut watch, &figures, remote.as_deref(), &here).await;
        if let Err(error) = looked {
            figures.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, "gateways cannot be watched now");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(
    db: &Arc<dyn Repository>,
    watch: &mut Option<Watch>,
    figures: &Figures,
    remote: Option<&Remote>,
    here: &Here,
) -> Result<()> {
    let began = std::time::Instant::now();
    if !db.leads().await? {
        *watch = None;
        return Ok(());
    }
    let slow = began.elapsed() > SLOW;
    let watch = match watch {
        Some(watch) => watch,
        None => watch.insert(Watch::open(db).await?),
    };
    watch.look(db.as_ref(), slow, remote, here).await?;
    figures.alarms.store(watch.engine.open() + watch.events.len(), Ordering::Relaxed);
    figures.gateways.store(watch.gateways.len(), Ordering::Relaxed);
    Ok(())
}

struct Watch {
    gateways: BTreeMap<Place, Watched>,
    members: BTreeSet<Place>,
    names: Names,
    engine: Engine,
    history: History,
    timings: BTreeMap<&'static str, Timing>,
    own: Vec<Own>,
    /// Networks with rules that need rates.
    rates: BTreeSet<String>,
    /// Alarms about events that hold, with the time of the last such event.
    events: BTreeMap<Key, (i64, i64)>,
    mark: i64,
    heard: i64,
    looks: u64,
    disk: Option<u8>,
    /// What is wrong with the certificate of the REST interface.
    certificate: Option<String>,
    given_up: Vec<(String, String, i64)>,
}

impl Watch {
    /// Goes on where another one ended.
    async fn open(db: &Arc<dyn Repository>) -> Result<Self> {
        let mut watch = Self {
            gateways: BTreeMap::new(),
            members: BTreeSet::new(),
            names: Names::default(),
            engine: Engine::default(),
            history: History::default(),
            timings: RULES.iter().map(|rule| (rule.name, rule.timing())).collect(),
            own: Vec::new(),
            rates: BTreeSet::new(),
            events: BTreeMap::new(),
            mark: db.last_event().await?,
            heard: 0,
            looks: 0,
            disk: None,
            certificate: None,
            given_up: Vec::new(),
        };
        watch.history.restore(&db.history_of(crate::now().div_euclid(HOUR)).await?);
        let mut query = AlarmQuery { open: Some(true), limit: 1000, ..AlarmQuery::default() };
        loop {
            let page = db.alarms(&query).await?;
            query.below = page.items.last().map_or(query.below, |last| last.id);
            page.items.into_iter().for_each(|alarm| watch.restore(alarm));
            if !page.more {
                return Ok(watch);
            }
        }
    }

    fn restore(&mut self, it: orchestrator_db::Alarm) {
        let key = Key { network: it.network, gateway: it.gateway, rule: it.rule, subject: it.subject };
        if let Some(Look::Event(_)) = rules::find(&key.rule).map(|rule| rule.look) {
            self.events.insert(key, (it.id, it.raised_at));
            return;
        }
        if key.rule == "base-station-gone" {
            let gateway = self.gateways.entry((key.network.clone(), key.gateway.clone())).or_default();
            gateway.miss(&key.subject, it.since);
        }
        let clear_after = self.timings.get(key.rule.as_str()).map_or(own::CLEAR_AFTER, |timing| timing.clear_after);
        let severity = orchestrator_telemetry::message::severity(&it.severity);
        self.engine.restore(key, severity.unwrap_or(orchestrator_model::Severity::Major), it.id, it.since, clear_after);
    }

    async fn look(&mut self, db: &dyn Repository, slow: bool, remote: Option<&Remote>, here: &Here) -> Result<()> {
        let seldom = self.looks.is_multiple_of(SELDOM);
        self.looks += 1;
        if seldom {
            self.look_around(db, here).await?;
        }
        self.hear(db, remote).await?;
        if seldom {
            self.compare_links(db).await?;
        }
        let now = crate::now();
        self.judge(db, now).await?;
        self.judge_events(db, now).await?;
        self.judge_orchestrator(db, now, slow).await?;
        if seldom {
            self.judge_own(db, now).await?;
        }
        if self.history.due(now).is_some() {
            let stored = self.history.take(now, &self.gateways);
            db.put_history(&stored).await?;
            if self.looks % 600 < 60 {
                self.names.tidy();
                db.sweep_telemetry(now.div_euclid(HOUR) - KEPT, now - ALARMS_KEPT).await?;
            }
        }
        Ok(())
    }

    /// Who is to be watched, and by which rules.
    async fn look_around(&mut self, db: &dyn Repository, here: &Here) -> Result<()> {
        self.members = db.members().await?.into_iter().collect();
        self.own = own::read(db).await?;
        self.rates = self.own.iter().filter(|rule| rule.rates).map(|rule| rule.network.clone()).collect();
        self.gateways.retain(|place, _| self.members.contains(place));
        self.disk = basalt_doctor::host(&here.folder).disk_free_percent;
        let seen = |path: &PathBuf| basalt_doctor::service::certificate("orchestrator-certificate-expiring", path);
        let seen = here.certificate.as_ref().map(seen).filter(|seen| seen.level != basalt_doctor::Level::Ok);
        self.certificate = seen.map(|seen| seen.found);
        self.given_up = db.given_up(crate::now() - HOUR).await?;
        let (members, own) = (&self.members, &self.own);
        let keep = |key: &Key| {
            let member = key.gateway.is_empty() || members.contains(&(key.network.clone(), key.gateway.clone()));
            let rule = rules::find(&key.rule).is_some()
                || own.iter().any(|rule| rule.network == key.network && rule.timing.rule == key.rule);
            member && rule
        };
        let steps = self.engine.retain(&keep);
        let gone: Vec<Key> = self.events.keys().filter(|key| !keep(key)).cloned().collect();
        self.carry_out(db, steps).await?;
        for key in gone {
            self.end_event(db, &key, crate::now()).await?;
        }
        Ok(())
    }

    /// Takes in what gateways told since the last look.
    async fn hear(&mut self, db: &dyn Repository, remote: Option<&Remote>) -> Result<()> {
        let now = crate::now();
        let mut after = (self.heard - AGAIN, String::new(), String::new());
        loop {
            let news = db.gateway_news((after.0, &after.1, &after.2), PAGE).await?;
            let more = news.len() == PAGE as usize;
            if let Some(last) = news.last() {
                after = (last.seen_at, last.network.clone(), last.gateway.clone());
                self.heard = self.heard.max(last.seen_at.min(now));
            }
            news.iter().for_each(|it| self.take(it, now, remote));
            if !more {
                return Ok(());
            }
        }
    }

    fn take(&mut self, news: &GatewayNews, now: i64, remote: Option<&Remote>) {
        let place = (news.network.clone(), news.gateway.clone());
        if !self.members.contains(&place) {
            return;
        }
        let rates = self.rates.contains(&news.network);
        let gateway = self.gateways.entry(place.clone()).or_default();
        let before = Arc::clone(&gateway.samples);
        gateway.hear(news, &mut self.names, now, rates);
        if let Some(remote) = remote.filter(|_| !Arc::ptr_eq(&before, &gateway.samples)) {
            remote.push(place, news.seen_at, Arc::clone(&gateway.samples));
        }
    }

    /// Finds those that went while another replica's clock was behind.
    async fn compare_links(&mut self, db: &dyn Repository) -> Result<()> {
        for (network, gateway, replica, connected_at, seen_at) in db.gateway_links().await? {
            let place = (network, gateway);
            if let Some(watched) = self.gateways.get_mut(&place) {
                watched.linked = !replica.is_empty();
                watched.seen_at = watched.seen_at.max(seen_at);
                if watched.connects.back().is_some_and(|last| *last < connected_at) {
                    watched.connects.push_back(connected_at);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
