//! `testbed fuzz`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::options::Rights;
use crate::fuzz::{self, FuzzPlan};

/// `testbed fuzz …`
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Rounds: attaches with something wrong.
    #[arg(long, default_value_t = 1000)]
    rounds: u64,
    /// The seed that decides what is wrong.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Number of the first round, to play a finding again.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Name of the lab.
    #[arg(long, default_value = "basalt-fuzz")]
    lab: String,
    #[command(flatten)]
    rights: Rights,
}

pub(super) fn run(args: &FuzzArgs) -> Result<ExitCode> {
    let unprivileged = args.rights.settle()?;
    let plan = FuzzPlan {
        lab: args.lab.clone(),
        unprivileged,
        seed: args.seed,
        first: args.first,
        rounds: args.rounds,
        settings: fuzz::settings()?,
    };
    let bar = ProgressBar::new(args.rounds);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rounds, {per_sec}, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let result = fuzz::run(&plan, |rounds, attached| {
        bar.set_position(rounds);
        bar.set_message(format!("{attached} got in"));
    });
    bar.finish_and_clear();
    let report = result?;
    tell!(
        "{} rounds, {} phones got in all the same, {} pings of the canary and none lost, the gateway grew by {} KiB",
        report.rounds,
        report.attached,
        report.pings,
        report.growth / 1024
    );
    Ok(ExitCode::SUCCESS)
}
