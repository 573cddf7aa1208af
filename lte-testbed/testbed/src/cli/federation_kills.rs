//! `testbed federation-kills`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::options::Rights;
use crate::federated::Federated;
use crate::federation_kills::{self, FederationKillPlan};

/// `testbed federation-kills`
#[derive(Debug, Args)]
pub struct FederationKillArgs {
    /// How often something is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Decides victims and instants.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Phones that attach and leave.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=200))]
    phones: u32,
    /// How long phones wait for an answer to ATTACH REQUEST, seconds.
    #[arg(long, default_value_t = 15)]
    t3410: u64,
    /// Name of the lab.
    #[arg(long, default_value = "basalt-fed-kills")]
    lab: String,
    #[command(flatten)]
    rights: Rights,
}

pub(super) fn run(args: &FederationKillArgs) -> Result<ExitCode> {
    let unprivileged = args.rights.settle()?;
    let mut federated = Federated::start(&args.lab, unprivileged, args.phones, &|_| ())?;
    let plan = FederationKillPlan { kills: args.kills, seed: args.seed, phones: args.phones, t3410: args.t3410 };
    let report = federation_kills::run(&mut federated, &plan)?;
    federated.end()?;
    tell!("{}", serde_json::to_string_pretty(&report)?);
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
