//! `testbed load`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::options::{GatewayArgs, PhoneArgs};
use crate::load::{self, LoadPlan, Traffic};
use crate::network::Network;
use crate::radio::Radio;

/// `testbed load …`
#[derive(Debug, Args)]
pub struct LoadArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    phones: PhoneArgs,
    /// Base stations.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    enbs: u32,
    /// Phones.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    ues: u32,
    /// Number of the first subscriber.
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// Attaches started per second; 0 attaches one after the other.
    #[arg(long, default_value = "0", value_name = "PER SECOND", value_parser = super::options::not_negative)]
    rate: f64,
    /// Seconds a phone stays attached before it detaches [default: phones stay attached; with --traffic, 5].
    #[arg(long, value_name = "SECONDS", value_parser = super::options::seconds)]
    hold: Option<Duration>,
    /// Rounds of attach and detach per phone.
    #[arg(long, default_value_t = 1, requires = "hold", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// What attached phones do: `none`; `ping:MILLISECONDS` between two pings of a phone; `udp:KBIT` or `udp:KBIT/OCTETS`,
    /// each phone sends so many kbit/s in datagrams of so many octets (1200), which the server sends back.
    #[arg(long, default_value = "none")]
    traffic: Traffic,
    /// Seconds to wait for what is still under way at the end.
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Also write the summary as JSON to this file.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

/// How long phones stay that have something to do.
const TRAFFIC_HOLD: Duration = Duration::from_secs(5);

pub(super) fn run(args: &LoadArgs) -> Result<ExitCode> {
    let plan = LoadPlan {
        enbs: args.enbs,
        first_enb: args.gateway.first_enb.saturating_sub(1),
        ues: args.ues,
        first: args.first,
        rate: args.rate,
        at_once: 1,
        hold: args.hold.or_else(|| (args.traffic != Traffic::None).then_some(TRAFFIC_HOLD)),
        rounds: args.rounds,
        traffic: args.traffic,
        plmn: args.gateway.plmn,
        home: args.gateway.home(),
        tac: args.gateway.tac(),
        profile: args.phones.profile(),
        patience: Duration::from_secs(args.patience),
        enb_address: args.gateway.enb_address,
    };
    let found = args.gateway.find(plan.first, plan.ues)?;
    let report = {
        let radio = Radio::start(&found.radio)?;
        load::bring_up_enbs(&radio, &plan)?;
        load::run(&radio, &plan, args.quiet || args.json)?
    };
    found.network.map_or(Ok(()), Network::end)?;
    let json = serde_json::to_string_pretty(&report)?;
    if let Some(path) = &args.summary {
        std::fs::write(path, format!("{json}\n")).with_context(|| format!("writing {}", path.display()))?;
    }
    if args.json {
        tell!("{json}");
    } else {
        tell!("{report}");
    }
    let all = report.attaches_done == report.attaches_started;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
