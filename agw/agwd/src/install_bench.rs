//! Prints as flat JSON how many sessions a second a gateway installs by its own path: `cargo run -p agwd --example install_bench` as root, after
//! `cargo xtask ebpf`.
//!
//! A step keeps a phone's record and sets its tunnel, as the one does with which an attach or a service request ends. From there all is as it is in
//! the daemon: the loop, the journal on disk with its group commits, effects that wait until their record is durable, rates, accounting, and
//! the tables of programs that run on veth. What is left out is what comes before: signalling, and the core's own work for it, which
//! `cargo xtask bench attach` has with all of this.

#![allow(dead_code, unused_imports, reason = "the daemon's modules, of which this uses the loop")]

mod calls;
mod cloud;
mod config;
mod control;
mod convert;
mod diagnose;
mod doctor;
mod events;
mod federation;
mod gateway;
mod keeper;
#[path = "../../dataplane/tests/lab/mod.rs"]
mod lab;
mod metrics;
mod packets;
mod reports;
mod rules;
mod shelf;
mod slots;
mod spans;
mod start;
mod storage;
mod subscribers;
mod tables;
mod tap;
mod usage;
mod version;

use agw_core::Core;
use agw_dataplane::Dataplane;
use agw_subscribers::Subscribers;
use agw_types::{DataplaneChange, Effect, Peer, Record, StoredSession, StoredUe, Tunnel, TunnelState};
use anyhow::{Context as _, Result, ensure};
use basalt_ids::{Imsi, Teid};
use basalt_sansio::SecureSeed;
use basalt_sctp::keeper::{Client, ServeConfig};
use basalt_sctp::{Backend, Config};
use basalt_security::SealingKey;
use basalt_store::{Batch, CommitQueue};
use gateway::{Gateway, Job, Parts};
use lab::{ACCESS, Lab, STATION};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Few enough to be done before the loop compares tables with a core that does not know them.
const SESSIONS: u32 = 30_000;
/// Steps between two looks at the journal, as the loop takes events of its keeper.
const AT_ONCE: usize = 256;
/// Of which the fastest counts: whatever else the machine does only slows it down.
const RUNS: usize = 5;
/// Bits of a TEID that are its place.
const INDEX_BITS: u32 = 16;
const POOL: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 0);

fn main() -> ExitCode {
    let mut best = 0.0_f64;
    for _ in 0..RUNS {
        let lab = Lab::new();
        let pins = lab.pins.clone();
        match lab.within("g", move || measure(&pins)) {
            Ok(rate) => best = best.max(rate),
            Err(error) => {
                eprintln!("install_bench: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{{\n  \"gateway_sessions_installed_per_s\": {best:.0}\n}}");
    ExitCode::SUCCESS
}

/// Sessions a second, in the namespace of the calling thread.
fn measure(pins: &Path) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let text = settings(folder.path(), pins);
    let path = folder.path().join("agwd.toml");
    std::fs::write(&path, &text)?;
    let (file, text) = config::read(&path)?;
    let machine = config::Machine::detect();
    let effective = config::resolve(&file, &text, &machine)?;
    std::fs::create_dir_all(&effective.run_dir)?;
    let socket = effective.keeper_socket();
    serve_keeper(socket.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let keeper = connect(&socket).await?;
        let (store, loaded, _) = storage::open(&effective.state_dir)?;
        let (dataplane, mut traffic) = Dataplane::open(start::dataplane_config(&effective)).await?;
        let (completed, mut completions) = mpsc::channel(65_536);
        let commits = CommitQueue::spawn(store, 16_384, move |completion| {
            // The loop is gone at the end.
            let _ = completed.blocking_send(completion);
        })?;
        let mut reports = dataplane.reports().context("reports")?;
        let seed = || SecureSeed([7; 32]);
        let subscribers = Subscribers::new(&seed());
        let core = Core::new(effective.gateway.clone(), effective.limits, effective.max_sessions, &seed(), subscribers);
        let sealing = SealingKey::load_or_create(&effective.key_file, |_| Ok(()))?;
        let usage = usage::Usage::new(loaded.usage, effective.usage_interval, effective.usage_retention.as_secs(), 0);
        let parts = Parts {
            core,
            effective,
            stored: std::collections::BTreeMap::new(),
            sealing,
            metrics: metrics::Metrics::new()?,
            dataplane,
            carrier: "udp",
            usage,
            managed: loaded.managed,
            local: cloud::Local { file, machine },
            commits,
            keeper,
        };
        let mut gateway = Gateway::new(parts);
        let (jobs, mut queue) = mpsc::channel::<Job>(4);
        let (stop, stopped) = oneshot::channel();
        let sender = tokio::spawn(install(jobs, stop));
        let ended = async {
            // Whoever installs has ended, well or not.
            let _ = stopped.await;
        };
        gateway.serve(&mut queue, &mut completions, &mut traffic, &mut reports, ended).await?;
        let took = sender.await??;
        let there = gateway.dataplane.installed().len();
        ensure!(there == SESSIONS as usize, "{there} of {SESSIONS} sessions are in the tables");
        gateway.close();
        Ok(f64::from(SESSIONS) / took.as_secs_f64())
    })
}

/// Has the loop take all steps, and waits until the last one is done.
async fn install(jobs: mpsc::Sender<Job>, stop: oneshot::Sender<()>) -> Result<Duration> {
    let sample = sample()?;
    let steps = (0..SESSIONS).map(|number| step(&sample, number)).collect::<Result<Vec<_>>>()?;
    let mut steps = steps.into_iter();
    let began = Instant::now();
    while steps.len() > 0 {
        let some: Vec<[Effect; 2]> = steps.by_ref().take(AT_ONCE).collect();
        let job: Job = Box::new(|gateway| {
            for step in some {
                gateway.take_effects(|_, _, effects| step.into_iter().for_each(|effect| effects.push(effect)));
            }
        });
        jobs.send(job).await.ok().context("the loop has ended")?;
    }
    let (last, done) = oneshot::channel();
    let job: Job = Box::new(|gateway| {
        let told: Job = Box::new(|_| {
            // Whoever waits may have given up.
            let _ = last.send(());
        });
        gateway.save(Batch::new(), told);
    });
    jobs.send(job).await.ok().context("the loop has ended")?;
    done.await?;
    let took = began.elapsed();
    // The loop may have ended by itself.
    let _ = stop.send(());
    Ok(took)
}

/// What a phone's record is like.
fn sample() -> Result<StoredUe> {
    let hex = include_str!("../../../fixtures/records/v2/phone.hex").split_whitespace().collect::<String>();
    let digits = hex.as_bytes().chunks(2).map(std::str::from_utf8);
    let octets = digits.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect::<Result<Vec<u8>>>()?;
    storage::decode(&octets).context("the golden record of a phone")
}

/// The effects of the step with which a phone is connected.
fn step(sample: &StoredUe, number: u32) -> Result<[Effect; 2]> {
    let teid = teid_of(number)?;
    let imsi: Imsi = format!("00101{number:010}").parse()?;
    let address = Ipv4Addr::from_bits(POOL.to_bits() + 8 + number).into();
    let peer = Peer { address: STATION.into(), teid: Teid(0x0100_0000 + number) };
    let first = sample.sessions.first().context("a session")?;
    let session = StoredSession {
        address,
        local: (ACCESS.into(), teid),
        remote: Some((peer.address, peer.teid)),
        ..first.clone()
    };
    let tunnel = Tunnel {
        teid,
        address,
        framed_routes: Vec::new(),
        ebi: session.ebi,
        imsi,
        state: TunnelState::Connected(peer),
        ambr: session.ambr,
        ue_ambr: None,
    };
    let record = StoredUe { imsi, sessions: vec![session], ..sample.clone() };
    let saved = Effect::Save(Box::new(Record::Ue(Box::new(record))));
    Ok([saved, Effect::Dataplane(DataplaneChange::Set(tunnel))])
}

/// A TEID of the place of this number: an index of 16 bits below, something that no guess hits above.
fn teid_of(number: u32) -> Result<Teid> {
    ensure!(number < (1 << INDEX_BITS) - 1, "more sessions than places");
    Ok(Teid(0x5a5 << INDEX_BITS | (number + 1)))
}

fn settings(folder: &Path, pins: &Path) -> String {
    let (state, run, pins) = (folder.join("state"), folder.join("run"), pins.display());
    format!(
        "state_dir = {state:?}\nrun_dir = {run:?}\n[network]\nplmns = [\"001-01\"]\n\
         [radio]\nlisten = [\"{ACCESS}\"]\ninterface = \"s1u\"\n\
         [internet]\ninterface = \"sgi\"\nmode = \"routed\"\n\
         [dataplane]\nmode = \"xdp-native\"\nmax_sessions = {}\npin_dir = \"{pins}\"\n\
         [[apn]]\nname = \"internet\"\npools = [\"{POOL}/16\"]\n",
        1 << INDEX_BITS
    )
}

/// An SCTP keeper without base stations, for as long as this process lives.
fn serve_keeper(socket: PathBuf) {
    std::thread::spawn(move || {
        let listener = Config::s1ap_listener([ACCESS.into()]).with_backend(Backend::Udp { port: 9899 });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        // Its end shows: nobody answers on the socket.
        let _ =
            runtime.map(|runtime| runtime.block_on(basalt_sctp::keeper::serve(ServeConfig::new([listener]), &socket)));
    });
}

async fn connect(socket: &Path) -> Result<Client> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match Client::connect(socket).await {
            Ok((client, _)) => return Ok(client),
            Err(error) if Instant::now() >= deadline => return Err(error).context("the keeper does not answer"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
