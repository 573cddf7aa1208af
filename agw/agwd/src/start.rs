//! From a configuration to a running gateway: store, keeper, data plane, core, and what each knows of the past.

use crate::config::{ApnEgress, DataplaneMode, Effective, EgressMode};
use crate::gateway::{Gateway, Parts, link_id, link_up};
use crate::metrics::{self, Metrics};
use crate::spans::Spans;
use crate::storage::{self, Loaded};
use crate::usage::Usage;
use crate::{cloud, control, convert, federation, keeper, shelf, tables};
use agw_core::Core;
use agw_dataplane::{Dataplane, Egress, Limited, Plane, Pool6Egress, PoolEgress};
use agw_subscribers::{StoredSubscriber, Subscribers};
use agw_types::{Ambr, ConfigDelta, Input, Peer, StoredUe, Tunnel, TunnelState};
use anyhow::Context as _;
use basalt_ebpf_abi::Prefix;
use basalt_ids::Imsi;
use basalt_sansio::SecureSeed;
use basalt_sctp::Carrier;
use basalt_sctp::keeper::Welcome;
use basalt_security::{SealingKey, Sqn};
use basalt_store::{Batch, CommitQueue, OpenReport};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// Batches that may wait for the disk before the loop waits itself.
const COMMITS: usize = 16_384;
/// Completions that may wait for the loop. More than batches can be under way: the store's thread never waits for a loop that
/// itself waits for the disk.
const COMPLETIONS: usize = 4 * COMMITS;
/// Jobs of the control API that may wait.
const JOBS: usize = 256;

/// How a daemon ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It is to be started again in its own place, as the same program or another.
    Again,
}

/// How the daemon was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// SIGTERM: the keeper and the data plane stay, for the next daemon.
    Restart,
    /// SIGINT: nothing stays.
    All,
}

/// Runs the gateway.
///
/// # Errors
/// Whatever keeps it from serving, with cause and fix.
pub async fn run(effective: Effective, local: cloud::Local) -> anyhow::Result<Ended> {
    make_folder(&effective.state_dir, 0o700)?;
    make_folder(&effective.run_dir, 0o755)?;
    let (store, mut loaded, report) = storage::open(&effective.state_dir)?;
    tell_damage(&report, &loaded);
    let mut effective = with_the_orchestrators(effective, &local, &mut loaded.managed);
    let retired = std::mem::take(&mut loaded.managed.retired);
    effective.gateway.retired = retired.networks();
    let sealing = SealingKey::load_or_create(&effective.key_file, |key| {
        getrandom::fill(key).map_err(|error| std::io::Error::other(error.to_string()))
    })?;
    let (client, welcome) = keeper::connect(&effective).await?;
    let carrier = carrier_name(&welcome, &effective);
    let same_keeper = loaded.keeper_instance == Some(welcome.instance);
    let mut plane_config = dataplane_config(&effective);
    add_retired(&mut plane_config, &retired);
    plane_config.shelf = Some(shelf::shelf(&effective.keeper_socket()));
    let (every, keep) = (effective.usage_interval, effective.usage_retention.as_secs());
    let usage = Usage::new(std::mem::take(&mut loaded.usage), every, keep, unix_secs());
    plane_config.restore = remembered_tunnels(&loaded, &usage, effective.burst_ms);
    let (dataplane, mut traffic) =
        Dataplane::open(plane_config.clone()).await.context("cannot set the data plane up")?;
    tracing::info!(mode = dataplane.mode().name(), sctp = carrier, "data plane and SCTP are up");

    let (subscribers, stored) = subscribers(&mut loaded, &sealing)?;
    let core = Core::new(effective.gateway.clone(), effective.limits, effective.max_sessions, &seed()?, subscribers);
    let (completed, mut completions) = mpsc::channel(COMPLETIONS);
    let commits = CommitQueue::spawn(store, COMMITS, move |completion| {
        // The loop is gone only when the daemon ends.
        let _ = completed.blocking_send(completion);
    })
    .context("the system gives no thread for the store")?;
    let mut reports = dataplane.reports().context("nobody else takes the data plane's reports")?;
    let metrics = Metrics::new().context("metrics")?;
    let (events, control_socket, listen) = (stored.len(), effective.control_socket(), effective.metrics);
    let parts = Parts {
        core,
        effective,
        stored,
        sealing,
        metrics: metrics.clone(),
        dataplane,
        carrier,
        usage,
        managed: std::mem::take(&mut loaded.managed),
        local,
        commits,
        keeper: client,
    };
    let mut gateway = Gateway::new(parts);
    gateway.retired = retired;
    let remembered = std::mem::take(&mut loaded.federated);
    restore(&mut gateway, loaded, &welcome, same_keeper);
    tracing::info!(subscribers = events, base_stations = welcome.live.len(), "state restored");

    let (jobs, mut job_queue) = mpsc::channel(JOBS);
    if gateway.managed.ledger() == 0 {
        let mut batch = Batch::new();
        gateway.managed.number_ledger(cloud::ledger_number()?, &mut batch);
        gateway.save(batch, Box::new(|_| {}));
    }
    if let Some(otlp) = &gateway.effective.otlp {
        let spans = Spans::start(otlp, &gateway.effective.gateway.name).map_err(anyhow::Error::msg);
        gateway.calls.tell_spans(spans.context("[otlp]")?);
    }
    cloud::start(&mut gateway, &jobs, seed()?)?;
    federation::start(&mut gateway, &jobs, seed()?, remembered).context("[federation]")?;
    control::serve(&control_socket, jobs.clone()).await?;
    let refresh = move || {
        let jobs = jobs.clone();
        async move {
            let (done, wait) = oneshot::channel();
            let job: crate::gateway::Job = Box::new(move |gateway| {
                gateway.refresh();
                // The scraper may have gone.
                let _ = done.send(());
            });
            if jobs.send(job).await.is_ok() {
                // An error means that the daemon is ending.
                let _ = wait.await;
            }
        }
    };
    metrics::serve(listen, metrics, refresh).await?;
    let (stop_sender, stop_receiver) = oneshot::channel();
    watch_signals(stop_sender)?;
    let mut how = Stop::Restart;
    let stopped = async {
        how = stop_receiver.await.unwrap_or(Stop::Restart);
    };
    tracing::info!("ready");
    basalt_supervise::ready();
    let served = gateway.serve(&mut job_queue, &mut completions, &mut traffic, &mut reports, stopped).await;
    let (effective, again) = (gateway.effective.clone(), gateway.restarts());
    gateway.close();
    if served.is_ok() && again {
        return Ok(Ended::Again);
    }
    if how == Stop::All {
        keeper::stop(&effective);
        if let Err(error) = Dataplane::teardown(&plane_config).await {
            tracing::warn!(%error, "the data plane was not taken down wholly");
        }
    }
    served.map(|()| Ended::Stopped)
}

/// The configuration with what the orchestrator said before: a gateway goes on as it was, with its orchestrator or without.
fn with_the_orchestrators(effective: Effective, local: &cloud::Local, managed: &mut cloud::Managed) -> Effective {
    match cloud::overlay(local, managed.name(), managed.items()) {
        Ok(cloud::Overlaid { effective, refused }) => {
            for (key, reason) in &refused {
                tracing::warn!(
                    collection = key.collection,
                    name = key.name,
                    reason,
                    "of the orchestrator, and not in force"
                );
            }
            managed.note_configuration(refused);
            effective
        }
        Err(error) => {
            tracing::error!(%error, "what the orchestrator said cannot be laid over the file; the file alone counts");
            effective
        }
    }
}

/// Makes a folder with these rights, unless it is there.
fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot make {}: run as root, or set state_dir and run_dir", path.display()))
}

/// Seconds since 1970 UTC.
fn unix_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn seed() -> anyhow::Result<SecureSeed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(SecureSeed(seed))
}

fn tell_damage(report: &OpenReport, loaded: &Loaded) {
    for damage in &report.damage {
        tracing::error!(?damage, "part of the store is damaged; a copy is kept beside it, everything else is loaded");
    }
    if let Some(torn) = &report.torn {
        tracing::info!(?torn, "the last write before the crash was cut short; nothing that was promised is lost");
    }
    for record in &loaded.unreadable {
        tracing::error!(record, "a record of another version or a damaged one is left where it is");
    }
}

fn carrier_name(welcome: &Welcome, effective: &Effective) -> &'static str {
    let of = |carrier: Carrier| match carrier {
        Carrier::Kernel => "kernel",
        Carrier::RawIp => "raw-ip",
        Carrier::Udp => "udp",
    };
    match (welcome.live.first(), effective.sctp) {
        (Some(live), _) => of(live.carrier),
        (None, crate::config::SctpChoice::Kernel) => "kernel",
        (None, crate::config::SctpChoice::RawIp) => "raw-ip",
        (None, crate::config::SctpChoice::Udp(_)) => "udp",
        (None, crate::config::SctpChoice::Auto) if basalt_sctp::probe().kernel => "kernel",
        (None, crate::config::SctpChoice::Auto) => "raw-ip",
    }
}

/// Opens the subscribers' keys. Those that do not open are left out, loudly.
fn subscribers(
    loaded: &mut Loaded,
    sealing: &SealingKey,
) -> anyhow::Result<(Subscribers, BTreeMap<Imsi, StoredSubscriber>)> {
    let mut list = Subscribers::new(&seed()?);
    let mut stored = BTreeMap::new();
    let mut closed = 0_u32;
    for subscriber in std::mem::take(&mut loaded.subscribers) {
        match subscriber.open(sealing) {
            Ok(open) => {
                list.insert(open, false);
                stored.insert(subscriber.imsi(), subscriber);
            }
            Err(_) => closed += 1,
        }
    }
    if closed > 0 {
        tracing::error!(
            subscribers = closed,
            "keys do not open with this sealing key: bring back the right key file, or add the subscribers again"
        );
    }
    for (imsi, reserved) in std::mem::take(&mut loaded.sqns) {
        list.restore_sqn(imsi, Sqn::new(reserved).unwrap_or_default());
    }
    Ok((list, stored))
}

/// Brings store, base stations and data plane into one picture.
fn restore(gateway: &mut Gateway, loaded: Loaded, welcome: &Welcome, same_keeper: bool) {
    let statics: Vec<_> = gateway
        .stored
        .values()
        .flat_map(|subscriber| {
            let imsi = subscriber.imsi();
            subscriber.profile.apns.iter().filter_map(move |apn| Some((imsi, apn.apn.clone(), apn.static_address()?)))
        })
        .collect();
    for (imsi, apn, address) in statics {
        gateway.core.reserve_address(imsi, &apn, address);
    }
    for rules in loaded.rules {
        gateway.core.subscribe_rules(rules.imsi, rules.rules.clone());
        gateway.rules.insert(rules.imsi, rules);
    }
    cloud::restore_rules(gateway);
    if !same_keeper {
        let mut batch = Batch::new();
        storage::put_keeper_instance(&mut batch, welcome.instance);
        gateway.save(batch, Box::new(|_| {}));
    }
    let alive: Vec<_> = welcome.live.iter().map(|live| link_id(live.id)).collect();
    let (links, ues) = (loaded.links, loaded.ues);
    let known: Vec<_> = links.iter().map(|link| link.link).collect();
    gateway.core.remember_bearers(loaded.bearers);
    gateway.take_effects(|core, now, effects| core.restore(now, links, ues, effects));
    for link in &known {
        // A base station of another keeper, or one that left while nobody looked.
        if !same_keeper || !alive.contains(link) {
            gateway.step(Input::LinkDown { link: *link });
        }
    }
    for live in &welcome.live {
        let resumed = same_keeper && known.contains(&link_id(live.id));
        if let Some(input) = link_up(live, resumed) {
            gateway.step(input);
        }
    }
    gateway.step(Input::Config(Box::new(ConfigDelta::Admission)));
    let installed = convert::installed(gateway);
    gateway.take_effects(|core, now, effects| core.reconcile(now, &installed, effects));
}

/// The tunnels of all phones that were kept, with their rates.
fn remembered_tunnels(loaded: &Loaded, usage: &Usage, burst_ms: u64) -> Vec<Limited> {
    let ruled: BTreeSet<Imsi> = loaded.bearers.iter().map(|bearers| bearers.imsi).collect();
    let all = loaded.ues.iter().flat_map(tunnels);
    all.map(|tunnel| tables::remembered(tunnel, |tunnel| ruled.contains(&tunnel.imsi), usage, burst_ms)).collect()
}

/// The tunnels of a phone that was kept.
fn tunnels(ue: &StoredUe) -> impl Iterator<Item = Tunnel> {
    let of_ue = Ambr::of_ue(ue.ambr, ue.sessions.iter().map(|session| (&session.apn, session.ambr)));
    ue.sessions.iter().map(move |session| {
        let (ambr, ue_ambr) = session.ambr.of_session(of_ue, ue.sessions.len() > 1);
        Tunnel {
            teid: session.local.1,
            address: session.address,
            framed_routes: session.framed_routes.clone(),
            ebi: session.ebi,
            imsi: ue.imsi,
            state: match session.remote {
                Some((address, teid)) => TunnelState::Connected(Peer { address, teid }),
                None => TunnelState::Idle,
            },
            ambr,
            ue_ambr,
        }
    })
}

pub fn dataplane_config(effective: &Effective) -> agw_dataplane::Config {
    // Without a way to the internet, phones reach what is behind the radio interface.
    let internet = effective.internet_interface.clone().unwrap_or_else(|| effective.radio_interface.clone());
    let pools = effective.gateway.apns.iter().flat_map(|apn| apn.pools.iter().copied()).collect();
    let mut config = agw_dataplane::Config::new(&effective.radio_interface, effective.user_plane, internet, pools);
    config.pools6 = effective.gateway.apns.iter().flat_map(|apn| apn.pools6.iter().copied()).collect();
    config.dns6.clone_from(&effective.gateway.dns6);
    config.phone_mtu = effective.gateway.mtu;
    config.egress = egress(effective.egress);
    config.pool_egress = pool_egress(effective);
    config.pool6_egress = pool6_egress(effective);
    config.translation = effective.translation.clone();
    config.plane = match effective.dataplane {
        DataplaneMode::Auto => Plane::Auto,
        DataplaneMode::XdpNative => Plane::XdpNative,
        DataplaneMode::XdpGeneric => Plane::XdpGeneric,
        DataplaneMode::Software => Plane::Software,
    };
    config.sessions = effective.max_sessions;
    config.forbidden = effective.blocked.iter().map(|(network, length)| Prefix::new(*network, *length)).collect();
    config.permitted = effective.dns_inside.iter().map(|server| Prefix::new(*server, 32)).collect();
    config.phone_to_phone = effective.phone_to_phone;
    config.bpf_directory = effective.pin_dir.clone();
    config.buffer_per_phone = effective.buffer_packets;
    config.tunnel_mtu = None;
    config.accounting = true;
    config.burst = Duration::from_millis(effective.burst_ms);
    config
}

/// Former pools stay in the tables, those that no pool of now has a part of.
pub fn add_retired(config: &mut agw_dataplane::Config, retired: &cloud::Retired) {
    let own: Vec<_> = config.pools.iter().map(|pool| Prefix::new(pool.network, pool.prefix)).collect();
    let apart = |pool: &&agw_types::AddressPool| {
        let pool = Prefix::new(pool.network, pool.prefix);
        own.iter().all(|other| !other.contains(pool.first().into()) && !pool.contains(other.first().into()))
    };
    config.pools.extend(retired.pools.iter().filter(apart));
    let network = |pool: &agw_types::PrefixPool| agw_types::IpPrefix::new(pool.network.into(), pool.prefix);
    let own: Vec<_> = config.pools6.iter().filter_map(network).collect();
    let apart = |pool: &&agw_types::PrefixPool| network(pool).is_some_and(|it| own.iter().all(|own| !own.overlaps(it)));
    config.pools6.extend(retired.pools6.iter().filter(apart));
}

fn egress(mode: EgressMode) -> Egress {
    match mode {
        EgressMode::Nat => Egress::Nat,
        EgressMode::Routed => Egress::Routed,
        EgressMode::XdpNat => Egress::Translated,
    }
}

/// Ways of the pools of access points that have one of their own.
fn pool_egress(effective: &Effective) -> Vec<PoolEgress> {
    let mut list = Vec::new();
    for own in &effective.apn_egress {
        let pools = effective.gateway.apns.get(own.apn).map(|apn| apn.pools.as_slice()).unwrap_or_default();
        let of = |pool: &agw_types::AddressPool| {
            let pool = Prefix::new(pool.network, pool.prefix);
            PoolEgress { pool, egress: egress(own.mode), vlan: own.vlan }
        };
        list.extend(pools.iter().map(of));
    }
    list
}

fn pool6_egress(effective: &Effective) -> Vec<Pool6Egress> {
    let of = |own: &ApnEgress| {
        let pools = effective.gateway.apns.get(own.apn).map(|apn| apn.pools6.clone()).unwrap_or_default();
        let (egress, vlan) = (egress(own.mode), own.vlan.is_some());
        pools.into_iter().map(move |pool| Pool6Egress { pool, egress, vlan })
    };
    effective.apn_egress.iter().flat_map(of).collect()
}

fn watch_signals(stop: oneshot::Sender<Stop>) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    tokio::spawn(async move {
        let how = tokio::select! {
            _ = interrupt.recv() => Stop::All,
            _ = terminate.recv() => Stop::Restart,
        };
        basalt_supervise::stopping();
        // The gateway may have ended by itself.
        let _ = stop.send(how);
    });
    Ok(())
}
