//! Benches of a whole gateway process: real SCTP, real NAS security, records on disk, a data plane in the kernel.
//!
//! The figures are the gateway's processor time (daemon and keeper) and what phones see. Testbed and gateway share the
//! machine, so rates are lower bounds; processor time per attach is not touched by that.

mod federation;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use basalt_ids::Plmn;
use serde_json::{Map, Value, json};

use crate::gateway::subscribers;
use crate::load::{self, LoadPlan, Report};
use crate::network::{Network, NetworkPlan};

pub use federation::federation;

/// The lab's name, so that a demo may stand beside it.
const LAB: &str = "basalt-bench";
/// Attaches one after the other.
const SEQUENTIAL: u32 = 1_000;
/// Attaches in the open-loop runs.
const CROWD: u32 = 3_000;
/// Base stations.
const ENBS: u32 = 4;
/// Starts per second that no gateway keeps up with: what it then does is its best.
const FLOOD: f64 = 20_000.0;

/// Attaches: one at a time, as many as go, and at 70 % of that.
///
/// # Errors
/// No lab, no gateway, or an attach that failed.
pub fn attach() -> Result<Map<String, Value>> {
    let bench = Bench::start(SEQUENTIAL + 2 * CROWD)?;
    let alone = bench.run(1, SEQUENTIAL, 0.0)?;
    let flood = bench.run(1 + SEQUENTIAL, CROWD, FLOOD)?;
    let rate = flood.report.attach_per_s * 0.7;
    let loaded = bench.run(1 + SEQUENTIAL + CROWD, CROWD, rate)?;
    let micros = |millis: f64| (millis * 1000.0).round();
    let mut figures = Map::new();
    let mut put = |key: &str, value: Value| figures.insert(key.to_owned(), value);
    put("attach_cpu_us", json!(loaded.cpu_us_per_attach.round()));
    put("attach_cpu_alone_us", json!(alone.cpu_us_per_attach.round()));
    put("attach_cpu_flood_us", json!(flood.cpu_us_per_attach.round()));
    put("attach_p50_us", json!(micros(alone.report.attach.p50_ms)));
    put("attach_alone_p99_us", json!(micros(alone.report.attach.p99_ms)));
    put("attach_p99_us", json!(micros(loaded.report.attach.p99_ms)));
    put("attach_per_s", json!(flood.report.attach_per_s.round()));
    put("attach_load_per_s", json!(rate.round()));
    put("attaches", json!(SEQUENTIAL + 2 * CROWD));
    put("testbed_cpu_us", json!(loaded.report.testbed_cpu_us_per_attach.round()));
    Ok(figures)
}

/// A gateway that nobody uses: memory, and the size of its executable.
///
/// # Errors
/// No lab or no gateway.
pub fn idle() -> Result<Map<String, Value>> {
    let bench = Bench::start(1)?;
    let usage = bench.network.gateway.usage()?;
    let binary = std::fs::metadata(bench.network.gateway.program())?.len();
    let mut figures = Map::new();
    figures.insert("agwd_idle_rss_mb".to_owned(), json!(megabytes(usage.resident)));
    figures.insert("agwd_binary_mb".to_owned(), json!(megabytes(binary)));
    Ok(figures)
}

/// Of 10^6 octets, with one decimal.
fn megabytes(octets: u64) -> f64 {
    (octets as f64 / 1e5).round() / 10.0
}

struct Bench {
    network: Network,
    _state: StateDir,
}

struct Run {
    report: Report,
    cpu_us_per_attach: f64,
}

impl Bench {
    fn start(phones: u32) -> Result<Self> {
        let state = StateDir::new();
        let plan = NetworkPlan { state_dir: Some(state.0.clone()), ..NetworkPlan::new(LAB, false) };
        let network = Network::start(&plan)?;
        network.gateway.import(&subscribers(plmn()?, 1, phones)?, &[])?;
        Ok(Self { network, _state: state })
    }

    /// Attaches `ues` phones from number `first`; all must succeed.
    fn run(&self, first: u32, ues: u32, rate: f64) -> Result<Run> {
        let patience = Duration::from_secs(60);
        let plan = LoadPlan { enbs: ENBS, first, rate, patience, ..LoadPlan::attached(ues)? };
        let radio = self.network.radio()?;
        load::bring_up_enbs(&radio, &plan)?;
        let (before, started) = (self.network.gateway.cpu_with_keeper()?, Instant::now());
        let report = load::run(&radio, &plan, true)?;
        let cpu = self.network.gateway.cpu_with_keeper()?.saturating_sub(before);
        eprintln!("{report}in {:.1} s, gateway CPU {} us", started.elapsed().as_secs_f64(), cpu);
        if report.attaches_done != ues {
            bail!("{} of {ues} phones attached: {:?}", report.attaches_done, report.failures);
        }
        Ok(Run { cpu_us_per_attach: cpu as f64 / f64::from(ues), report })
    }
}

fn plmn() -> Result<Plmn> {
    Ok(Plmn::new(1, 1, 2)?)
}

/// Kept on the disk that is measured, not in memory; removed at the end.
struct StateDir(PathBuf);

impl StateDir {
    /// An empty one.
    fn new() -> Self {
        let state = Self(PathBuf::from("target/bench/state"));
        state.clear();
        state
    }

    fn clear(&self) {
        // There may be none.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        self.clear();
    }
}
