//! `testbed kill-harness`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::kills::{self, KillPlan};
use crate::load::{self, LoadPlan};
use crate::network::{Network, NetworkPlan};

/// `testbed kill-harness`
#[derive(Debug, Args)]
pub struct KillArgs {
    /// How often the gateway is killed.
    #[arg(long, default_value_t = 1000)]
    kills: u32,
    /// Decides every instant.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Packets each second in each direction.
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Attached phones that the packets are for.
    #[arg(long, default_value_t = 4)]
    phones: u32,
    /// Every so many kills the gateway is asked for tables of another size; 0 for never.
    #[arg(long, default_value_t = 25)]
    rebuild_every: u32,
    /// The gateway carries the packets itself, without XDP.
    #[arg(long)]
    software: bool,
    /// Name of the lab.
    #[arg(long, default_value = "basalt-kills")]
    lab: String,
    /// Where the gateway keeps its state, emptied before; in memory if it is not said.
    #[arg(long)]
    state_dir: Option<PathBuf>,
}

pub(super) fn run(args: &KillArgs) -> Result<ExitCode> {
    if let Some(state) = &args.state_dir {
        // There may be none.
        let _ = std::fs::remove_dir_all(state);
    }
    let mut plan = NetworkPlan { state_dir: args.state_dir.clone(), ..NetworkPlan::new(&args.lab, false) };
    // Exactly this one: a gateway without the programs' object would take the other.
    let mode = if args.software { "software" } else { "xdp-native" };
    crate::gateway::set(&mut plan.settings, "dataplane.mode", mode.into())?;
    let mut network = Network::start(&plan)?;
    let load = LoadPlan::attached(args.phones)?;
    network.gateway.import(&crate::gateway::subscribers(load.plmn, 1, args.phones)?, &[])?;
    let radio = network.radio()?;
    load::bring_up_enbs(&radio, &load)?;
    let attached = load::run(&radio, &load, true)?;
    if attached.attaches_done != args.phones {
        bail!("{} of {} phones attached", attached.attaches_done, args.phones);
    }
    let plan = KillPlan { kills: args.kills, seed: args.seed, rate: args.rate, rebuild_every: args.rebuild_every };
    let internet = network.lab.internet.clone();
    let report = kills::run(&mut network.gateway, &radio, &internet, args.phones as usize, &plan)?;
    drop(radio);
    network.end()?;
    tell!("{}", serde_json::to_string_pretty(&report)?);
    if report.is_exact() {
        return Ok(ExitCode::SUCCESS);
    }
    let (up, down) = (report.uplink, report.downlink);
    eprintln!(
        "lost {}, reordered {}, doubled {}; accounted less sent: {} octets up, {} down",
        up.lost + down.lost,
        up.reordered + down.reordered,
        up.doubled + down.doubled,
        up.difference(),
        down.difference()
    );
    Ok(ExitCode::FAILURE)
}
