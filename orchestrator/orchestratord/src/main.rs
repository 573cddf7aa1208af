//! The orchestrator's daemon: settings, sealing key, database, certificate authority, listener. Wiring only.

mod commands;
mod console;
mod docs;
mod first;
mod gateways;
mod metrics;
mod notify;
mod oidc;
mod sealing;
mod serve;
mod settings;
mod tiles;
mod tls;
mod watching;

use anyhow::{Context, Result};
use axum::http::HeaderMap;
use axum::routing::get;
use clap::Parser;
use orchestrator_api::{Counters, State, digest_of, new_setup_token, router};
use orchestrator_db::{Repository, StoredToken, TokenKind, open};
use settings::{Arguments, Settings};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_rustls::TlsAcceptor;

const DAY: i64 = 24 * 3600 * 1000;
/// Requests that run when the daemon is told to stop may take so long.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// The audit log is kept a year.
const AUDIT_DAYS: i64 = 366;
/// Replicas that were away longer read their networks anew.
const FEED_DAYS: i64 = 1;
/// Events of gateways, ended commands and certificates, used tokens.
const EVENT_DAYS: i64 = 90;

#[tokio::main]
async fn main() -> Result<std::process::ExitCode> {
    let arguments = Arguments::parse();
    if let Some(command) = &arguments.command {
        return commands::run(command, &arguments).await;
    }
    let settings = Settings::resolve(&arguments)?;
    if arguments.print_config {
        print!("{}", settings.shown()?);
        return Ok(std::process::ExitCode::SUCCESS);
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    run(&settings, arguments.first_network.as_deref()).await?;
    Ok(std::process::ExitCode::SUCCESS)
}

async fn run(settings: &Settings, first_network: Option<&str>) -> Result<()> {
    let folder = &settings.data_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))?;
    let address = settings.database.clone();
    let db = open(&orchestrator_db::Settings { address, connections: settings.database_connections }).await?;
    let key = sealing::open_for(settings, db.as_ref()).await?;
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
    let address = listener.local_addr()?;
    let mut stop_signals = StopSignals::listen()?;
    let gateways = gateways::open(settings, &db, &key).await?;
    let certificate = settings.certificate()?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    if certificate.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "the REST interface speaks plain HTTP to others: set tls, or put a TLS proxy before it");
    }
    say(&format!("REST interface on {scheme}://{address}/api/v1, document on /api/v1/openapi.json"));
    if let Some(token) = setup_token(db.as_ref()).await? {
        // For the person at the terminal only: standard output, not the log.
        say(&format!("make the first user within a day: {scheme}://{address}/setup#{token}"));
    }
    if let Some(network) = first_network {
        match first::prepare(db.as_ref(), network, &gateways.here).await? {
            Some(token) => say(&format!("a gateway of this machine joins with {token}")),
            None => say(&format!(
                "no token for a gateway of this machine: there are other networks, and none named {network}"
            )),
        }
    }
    let counters = Arc::new(Counters::default());
    let (fleet, join) = (Arc::clone(&gateways.fleet), Some(gateways.join.clone()));
    let client = Arc::new(notify::Client::new(settings.webhook_allow()?)?);
    let smtp = settings.smtp.as_ref().map(|file| notify::smtp::Smtp::new(file, notify::smtp::connector(&client)));
    let smtp = smtp.transpose()?.map(Arc::new);
    let notifier = tokio::spawn(notify::run(Arc::clone(&db), key.clone(), client, smtp));
    let watch = watching::Watching::start(&db, settings)?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let state = State {
        db: Arc::clone(&db),
        key,
        counters: Arc::clone(&counters),
        join,
        secure: certificate.is_some(),
        oidc: Arc::new(oidc::open(settings)?),
        metrics_server: watching::metrics_server(settings)?,
        grafana: settings.grafana_url.clone(),
        watchers: Arc::default(),
        stop: stopped.clone(),
    };
    let told = watch.clone();
    let metrics = get(move || async move { metrics::answer(&counters, fleet.connected(), &told) });
    let tiles: Option<Arc<Path>> = settings.map_tiles.as_deref().map(Arc::from);
    let map = get(move |headers: HeaderMap| tiles::answer(tiles.clone(), headers));
    let app = console::around(router(state).route("/metrics", metrics).route(tiles::PATH, map).merge(docs::router()));
    let sweeper = tokio::spawn(sweep(Arc::clone(&db), stopped.clone()));
    let acceptor = certificate.clone().map(tls::Certificate::config).transpose()?.map(TlsAcceptor::from);
    if let Some(certificate) = certificate {
        tokio::spawn(certificate.follow());
    }
    let server = tokio::spawn(serve::serve(listener, app, acceptor, stopped));
    let mut conversations = tokio::spawn(gateways.serve());
    basalt_supervise::ready();
    tokio::select! {
        () = stop_signals.asked() => {}
        ended = &mut conversations => ended.context("the conversations with gateways")??,
    }
    conversations.abort();
    basalt_supervise::stopping();
    tracing::info!("stopping: no new requests, the last answers leave");
    stop.send_replace(true);
    if tokio::time::timeout(LAST_ANSWERS, server).await.is_err() {
        tracing::warn!("some requests were cut off");
    }
    sweeper.abort();
    notifier.abort();
    watch.stop();
    db.close().await;
    Ok(())
}

/// How the daemon is told to stop. Listened to from the moment it says that it is ready.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A new setup token as long as there is no user; the former one is void then.
async fn setup_token(db: &dyn Repository) -> Result<Option<String>> {
    if !db.users(None, "", 1).await?.items.is_empty() {
        return Ok(None);
    }
    for former in db.tokens("", TokenKind::Setup).await? {
        db.delete_token("", &former.id).await?;
    }
    let token = new_setup_token().context("the system has no randomness")?;
    let digest = digest_of(&token);
    let stored = StoredToken {
        id: digest.chars().take(16).collect(),
        digest,
        kind: TokenKind::Setup,
        owner: String::new(),
        title: String::new(),
        grants: "[]".to_owned(),
        created_at: now(),
        expires_at: now() + DAY,
    };
    db.put_token(&stored).await?;
    Ok(Some(token))
}

/// Forgets what has expired, every hour, where this replica is the one that acts.
async fn sweep(db: Arc<dyn Repository>, mut stop: tokio::sync::watch::Receiver<bool>) {
    let mut hours = tokio::time::interval(Duration::from_secs(3600));
    loop {
        tokio::select! {
            _ = hours.tick() => {
                let swept = async {
                    if !db.leads().await? {
                        return Ok(());
                    }
                    db.sweep(now(), now() - DAY, now() - AUDIT_DAYS * DAY).await?;
                    db.sweep_fleet(now() - FEED_DAYS * DAY, now() - EVENT_DAYS * DAY).await
                };
                if let Err(error) = swept.await {
                    tracing::warn!(%error, "what has expired could not be forgotten");
                }
            }
            _ = stop.changed() => return,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Tells whoever started the daemon; nobody may be listening any more.
fn say(words: &str) {
    let _ = writeln!(std::io::stdout(), "orchestratord: {words}");
}
