//! `testbed lab`.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use basalt_ids::Plmn;
use clap::{Args, Subcommand};

use super::options::LabName;
use crate::gateway::{Gateway, GatewaySetup, subscribers};
use crate::lab::{self, Lab, LabState, NetNs, Process, unprivileged};
use crate::stop;

/// `testbed lab …`
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Make the namespaces and start the internet's services in them.
    Up(UpArgs),
    /// Remove everything `up` made, and what a killed command left behind.
    Down(DownArgs),
    /// Show what is there.
    Status(LabName),
    /// Run a program in one of the lab's namespaces.
    Exec(ExecArgs),
}

/// `testbed lab up …`
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    lab: LabName,
    /// Also start a gateway that knows so many subscribers; it runs until `down`.
    #[arg(long, value_name = "SUBSCRIBERS")]
    gateway: Option<u32>,
}

/// `testbed lab down …`
#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    lab: LabName,
    /// All labs of this machine, whatever their names.
    #[arg(long)]
    all: bool,
}

/// `testbed lab exec NAMESPACE -- PROGRAM …`
#[derive(Debug, Args)]
pub struct ExecArgs {
    #[command(flatten)]
    lab: LabName,
    /// `ran`, `agw`, `internet`, or a phone: `ue1`, `ue2`, …
    namespace: String,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    program: Vec<String>,
}

pub(super) fn run(command: LabCommand) -> Result<()> {
    match command {
        LabCommand::Up(args) => up(&args)?,
        LabCommand::Down(args) if args.all => LabState::names().iter().try_for_each(|name| Lab::down(name))?,
        LabCommand::Down(args) => Lab::down(&args.lab.name)?,
        LabCommand::Status(LabName { name }) => tell!("{}", lab::status(&name)?),
        LabCommand::Exec(args) => exec(&args)?,
    }
    Ok(())
}

fn up(args: &UpArgs) -> Result<()> {
    let name = &args.lab.name;
    if !unprivileged::is_privileged() {
        bail!(
            "a lab that outlives its command needs root: use sudo. Without root, `testbed demo`, `attach`, `load`, \
             `scenario` and `fuzz` make a lab of their own for as long as they run"
        );
    }
    if LabState::load(name).is_some_and(|state| state.lives()) {
        if args.gateway.is_some() {
            bail!("lab {name} is up already: `testbed lab down --lab {name}` first, or choose another name");
        }
        tell!("{}", lab::status(name)?);
        return Ok(());
    }
    stop::take_down(name)?;
    let lab = Lab::up(name)?;
    start_internet(&lab)?;
    if let Some(count) = args.gateway {
        let state_dir = lab.directory().join("state");
        let setup = GatewaySetup { settings: toml::Table::new(), state_dir, unprivileged: false };
        let gateway = Gateway::start(&lab, &setup)?;
        gateway.import(&subscribers(Plmn::new(1, 1, 2)?, 1, count)?, &[])?;
        tell!("try: testbed attach --lab {name} --ues {}", count.min(3));
        tell!("     basalt --socket {} get ues", gateway.socket().display());
        gateway.leave_running();
    } else {
        tell!("try: ip netns exec {name}-internet ping {}", lab::GATEWAY_SGI);
    }
    tell!("{}", lab::status(name)?);
    // It stays from now on.
    stop::forget(name);
    Ok(())
}

/// Starts the internet's services as a process of their own, which stays when this one ends.
fn start_internet(lab: &Lab) -> Result<()> {
    let own = std::env::current_exe()?;
    let _making = stop::making();
    let child = lab.internet.run(move || {
        let mut command = std::process::Command::new(own);
        command.arg("internet").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.spawn()?)
    })?;
    if let Some(process) = Process::find(child.id(), "internet services") {
        lab.remember(process)?;
    }
    Ok(())
}

fn exec(args: &ExecArgs) -> Result<()> {
    let ns = NetNs::open(&format!("{}-{}", args.lab.name, args.namespace)).with_context(|| {
        format!("lab {} has no {}; `testbed lab status` tells what it has", args.lab.name, args.namespace)
    })?;
    let Some((program, arguments)) = args.program.split_first() else { bail!("no program") };
    let (program, arguments) = (program.clone(), arguments.to_vec());
    let status = ns.run(move || {
        let status = std::process::Command::new(&program).args(arguments).status();
        status.with_context(|| format!("running {program}"))
    })?;
    if !status.success() {
        bail!("{} ended with {status}", args.program[0]);
    }
    Ok(())
}
