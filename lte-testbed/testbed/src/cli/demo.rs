//! `testbed demo`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::attach::ctrl_c;
use crate::demo::{Demo, DemoPlan};
use crate::lab::unprivileged;

/// `testbed demo …`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Go through it once, write target/demo/summary.json and end; the exit code says whether everything worked.
    #[arg(long)]
    once: bool,
    /// Phones.
    #[arg(long, default_value_t = 3)]
    ues: u32,
    /// Name of the lab.
    #[arg(long, default_value = "basalt", env = "BASALT_LAB")]
    lab: String,
}

const SUMMARY: &str = "target/demo/summary.json";

pub(super) fn run(args: &DemoArgs) -> Result<ExitCode> {
    let unprivileged = !unprivileged::is_privileged();
    if unprivileged {
        println!("Not root: SCTP travels in UDP, packets go through the software data plane, in a user namespace.");
        println!("Skipped: XDP and raw-IP SCTP. `sudo make demo` shows them.");
        unprivileged::become_root_of_own_namespace()?;
    }
    let stop = ctrl_c()?;
    if let Some(folder) = Path::new(SUMMARY).parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut demo = Demo::start(DemoPlan { lab: args.lab.clone(), ues: args.ues.max(1), unprivileged })?;
    demo.play(&stop)?;
    let worked = demo.write_summary(Path::new(SUMMARY))?.failures.is_empty();
    if !args.once {
        demo.stay(&stop)?;
    }
    demo.end()?;
    println!(
        "{}",
        if worked { "Everything worked; nothing is left behind." } else { "Not everything worked; see above." }
    );
    Ok(if worked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
