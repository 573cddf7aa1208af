//! `testbed demo`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::options::{LabName, Rights};
use crate::demo::{Demo, DemoPlan, Summary};
use crate::stop;

/// `testbed demo …`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Go through it once, write summary.json and end; the exit code says whether everything worked.
    #[arg(long)]
    once: bool,
    /// Phones.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=200))]
    ues: u32,
    /// Phones of a foreign operator instead: two federation gateways through the orchestrator, one killed, one drained. Goes through
    /// it once and ends.
    #[arg(long)]
    federated: bool,
    /// Phones without ciphering, so that tshark also reads (and judges) what NAS messages carry.
    #[arg(long)]
    null_ciphering: bool,
    /// Where summary.json and signalling.pcap go.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/demo")]
    into: PathBuf,
    #[command(flatten)]
    rights: Rights,
    #[command(flatten)]
    lab: LabName,
}

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode> {
    // With the rights of now: root of a user namespace has less.
    std::fs::create_dir_all(&args.into).with_context(|| format!("making {}", args.into.display()))?;
    let unprivileged = args.rights.settle()?;
    if unprivileged {
        tell!("Without root: SCTP travels in UDP, packets go through the software data plane, in a user namespace.");
        tell!("Skipped: XDP, and SCTP over raw IP or in the kernel. `sudo make demo` shows them.");
    }
    if args.federated {
        crate::demo::federated::play(&args.lab.name, unprivileged)?;
        tell!("Everything worked; nothing is left behind.");
        return Ok(ExitCode::SUCCESS);
    }
    let plan = DemoPlan {
        lab: args.lab.name.clone(),
        ues: args.ues,
        unprivileged,
        null_ciphering: args.null_ciphering,
        into: args.into.clone(),
    };
    let mut demo = match Demo::start(plan) {
        Ok(demo) => demo,
        Err(error) => {
            let failures = vec![format!("{error:#}")];
            Summary { ues_requested: args.ues, failures, ..Summary::default() }.write(&args.into)?;
            return Err(error);
        }
    };
    let worked = demo.play()?;
    if !args.once {
        demo.stay(&stop::requests()?)?;
    }
    demo.end()?;
    tell!(
        "{}",
        if worked { "Everything worked; nothing is left behind." } else { "Not everything worked; see above." }
    );
    Ok(if worked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
