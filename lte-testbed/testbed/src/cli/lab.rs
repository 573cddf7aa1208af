//! `testbed lab`.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::options::LabName;
use crate::lab::{self, Lab, NetNs, Process};

/// `testbed lab …`
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Make the namespaces and start the internet's services in them.
    Up(LabName),
    /// Remove everything `up` made, and what a killed command left behind.
    Down(LabName),
    /// Show what is there.
    Status(LabName),
    /// Run a program in one of the lab's namespaces.
    Exec(ExecArgs),
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
        LabCommand::Up(LabName { name }) => {
            let lab = Lab::up(&name)?;
            start_internet(&lab)?;
            println!("{}", lab::status(&name)?);
            println!("try: ip netns exec {name}-internet ping {}", lab::GATEWAY_SGI);
        }
        LabCommand::Down(LabName { name }) => Lab::down(&name)?,
        LabCommand::Status(LabName { name }) => println!("{}", lab::status(&name)?),
        LabCommand::Exec(args) => exec(&args)?,
    }
    Ok(())
}

/// Starts the internet's services as a process of their own, which stays when this one ends.
fn start_internet(lab: &Lab) -> Result<()> {
    let own = std::env::current_exe()?;
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
    let ns = NetNs::open(&format!("{}-{}", args.lab.name, args.namespace))?;
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
