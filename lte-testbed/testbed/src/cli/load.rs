//! `testbed load`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::options::{GatewayArgs, PhoneArgs};
use crate::lab;
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
    #[arg(long, default_value_t = 1)]
    enbs: u32,
    /// Phones.
    #[arg(long, default_value_t = 100)]
    ues: u32,
    /// Number of the first subscriber.
    #[arg(long, default_value_t = 1)]
    first: u32,
    /// Attaches started per second; 0 attaches one after the other.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Seconds a phone stays attached before it detaches; without it phones stay.
    #[arg(long, value_name = "SECONDS")]
    hold: Option<f64>,
    /// Rounds of attach and detach per phone (needs --hold).
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// What attached phones do: `none`, or `ping:MILLISECONDS` between two pings of a phone.
    #[arg(long, default_value = "none")]
    traffic: String,
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

pub(super) fn run(args: &LoadArgs) -> Result<ExitCode> {
    let plan = LoadPlan {
        enbs: args.enbs.max(1),
        ues: args.ues,
        first: args.first,
        rate: args.rate,
        hold: args.hold.map(Duration::from_secs_f64),
        rounds: if args.hold.is_some() { args.rounds.max(1) } else { 1 },
        traffic: traffic(&args.traffic)?,
        plmn: args.gateway.plmn,
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
        println!("{json}");
    } else {
        println!("{report}");
    }
    let all = report.attaches_done == report.attaches_started;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn traffic(text: &str) -> Result<Traffic> {
    if text == "none" {
        return Ok(Traffic::None);
    }
    let millis: Option<u64> = text.strip_prefix("ping:").and_then(|millis| millis.parse().ok());
    let interval = millis.filter(|millis| *millis > 0).context("--traffic is none or ping:MILLISECONDS")?;
    Ok(Traffic::Ping { target: lab::SERVER, interval: Duration::from_millis(interval) })
}
