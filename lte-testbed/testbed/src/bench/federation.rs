//! Attaches of a foreign network's phones beside those of the gateway's own: the same load, the same gateway, the same minute.
//!
//! ```text
//!   own phones     ── S1AP ──► agwd
//!   foreign phones ── S1AP ──► agwd ── gRPC ──► fegd ── Diameter over TCP ──► HSS of the testbed
//! ```
//!
//! The gateway has a route to the federation gateway. Rounds alternate, so that both kinds find the machine alike; figures are of the
//! round in the middle. Phones, gateway, federation gateway and HSS share the machine: the rate falls by what all of them do, the
//! gateway's own processor time by what the gateway does.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use basalt_ids::Plmn;
use serde_json::{Map, Value, json};
use toml::Table;

use super::{LAB, StateDir, plmn};
use crate::gateway::{self, subscribers};
use crate::home::{self, Beside, Home};
use crate::load::{self, LoadPlan, Report};
use crate::network::{Network, NetworkPlan};

/// Attaches of each kind in each round.
const CROWD: u32 = 2_000;
/// Rounds of each kind.
const ROUNDS: u32 = 5;
/// Attaches of each kind, one after the other.
const SEQUENTIAL: u32 = 500;
/// Attaches under way at a time: enough that nobody waits for a phone.
const AT_ONCE: u32 = 64;
/// Base stations.
const ENBS: u32 = 4;

/// Rates, latencies and processor time of both kinds.
///
/// # Errors
/// No lab, no gateway, or an attach that failed.
pub fn federation() -> Result<Map<String, Value>> {
    let bench = Bench::start()?;
    let [own, foreign] = [plmn()?, foreign()?];
    let alone = [bench.run(own, 1, SEQUENTIAL, 1)?, bench.run(foreign, 1, SEQUENTIAL, 1)?];
    let (mut local, mut federated) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let first = 1 + SEQUENTIAL + round * CROWD;
        local.push(bench.run(own, first, CROWD, AT_ONCE)?);
        federated.push(bench.run(foreign, first, CROWD, AT_ONCE)?);
    }
    let (local, federated) = (middle(local)?, middle(federated)?);
    let mut figures = Map::new();
    for (name, alone, crowd) in [("local", &alone[0], &local), ("federated", &alone[1], &federated)] {
        let mut put = |key: &str, value: f64| figures.insert(format!("{name}_{key}"), json!(value.round()));
        put("attach_per_s", crowd.report.attach_per_s);
        put("attach_p50_us", alone.report.attach.p50_ms * 1000.0);
        put("attach_p99_us", alone.report.attach.p99_ms * 1000.0);
        put("gateway_cpu_us", crowd.cpu.gateway);
        put("machine_cpu_us", crowd.cpu.all(&crowd.report));
    }
    let mut put = |key: &str, value: f64| figures.insert(key.to_owned(), json!(value.round()));
    put("federated_extra_cpu_us", federated.cpu.gateway - local.cpu.gateway);
    put("feg_cpu_us", federated.cpu.feg);
    put("hss_cpu_us", federated.cpu.hss);
    put("federated_extra_p50_us", (alone[1].report.attach.p50_ms - alone[0].report.attach.p50_ms) * 1000.0);
    put("requests_per_attach_percent", federated.requests * 100.0);
    put("attaches", f64::from(2 * (SEQUENTIAL + ROUNDS * CROWD)));
    Ok(figures)
}

/// Processor time an attach, microseconds.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    /// Of the gateway and its keeper.
    gateway: f64,
    feg: f64,
    hss: f64,
}

impl Cpu {
    /// Of everything that has a part in it.
    fn all(&self, report: &Report) -> f64 {
        self.gateway + self.feg + self.hss + report.testbed_cpu_us_per_attach
    }
}

struct Run {
    report: Report,
    cpu: Cpu,
    /// Requests that the home network had, an attach.
    requests: f64,
}

/// The round with the rate in the middle.
fn middle(mut runs: Vec<Run>) -> Result<Run> {
    runs.sort_by(|one, other| one.report.attach_per_s.total_cmp(&other.report.attach_per_s));
    let place = runs.len() / 2;
    runs.into_iter().nth(place).context("no rounds")
}

struct Bench {
    // In the order in which they must go.
    home: Home,
    network: Network,
    _state: StateDir,
}

impl Bench {
    fn start() -> Result<Self> {
        let state = StateDir::new();
        let phones = SEQUENTIAL + ROUNDS * CROWD;
        let mut settings = Table::new();
        for setting in home::settings(foreign()?) {
            let (key, value) = setting.split_once(" = ").context("no setting")?;
            gateway::set(
                &mut settings,
                key,
                format!("v = {value}").parse::<Table>()?.remove("v").context("no value")?,
            )?;
        }
        let plan = NetworkPlan { settings, state_dir: Some(state.0.clone()), ..NetworkPlan::new(LAB, false) };
        let network = Network::start(&plan)?;
        network.gateway.import(&subscribers(plmn()?, 1, phones)?, &[])?;
        let beside = Beside { collector: false, capture: false };
        let home = Home::start(&network.lab, foreign()?, &subscribers(foreign()?, 1, phones)?, beside)?;
        let bench = Self { home, network, _state: state };
        bench.wait_for_stream()?;
        Ok(bench)
    }

    fn wait_for_stream(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.network.gateway.metrics()?.get("basalt_agw_federation_gateways") != Some(&1.0) {
            if Instant::now() >= deadline {
                bail!("the gateway does not find the federation gateway:\n{}", self.network.gateway.last_words());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Attaches `ues` phones of a network from number `first`, so many at a time; all must succeed.
    fn run(&self, home: Plmn, first: u32, ues: u32, at_once: u32) -> Result<Run> {
        let patience = Duration::from_secs(60);
        let plan = LoadPlan { enbs: ENBS, first, home, at_once, patience, ..LoadPlan::attached(ues)? };
        let radio = self.network.radio()?;
        load::bring_up_enbs(&radio, &plan)?;
        let before = self.spent()?;
        let report = load::run(&radio, &plan, true)?;
        let after = self.spent()?;
        eprintln!("{home}: {report}");
        if report.attaches_done != ues {
            bail!("{} of {ues} phones of {home} attached: {:?}", report.attaches_done, report.failures);
        }
        let each = |place: usize| after[place].saturating_sub(before[place]) as f64 / f64::from(ues);
        Ok(Run { report, cpu: Cpu { gateway: each(0), feg: each(1), hss: each(2) }, requests: each(3) })
    }

    /// Processor time of the gateway, the federation gateway and the HSS, microseconds, and how many requests the HSS had.
    fn spent(&self) -> Result<[u64; 4]> {
        let [feg, hss] = self.home.cpu()?;
        let requests = ["AIR", "ULR", "ECR", "NOR", "PUR"].map(|command| self.home.saw(command) as u64);
        Ok([self.network.gateway.cpu_with_keeper()?, feg, hss, requests.iter().sum()])
    }
}

fn foreign() -> Result<Plmn> {
    Ok(Plmn::new(999, 70, 2)?)
}
