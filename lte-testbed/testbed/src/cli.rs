//! What can be typed.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::internet::Services;
use crate::lab::{self, Lab, NetNs, Process};

/// The other side of the air: eNodeBs, phones, an internet, and the lab they meet in.
#[derive(Debug, Parser)]
#[command(name = "testbed", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes, removes or shows a lab of network namespaces.
    Lab {
        #[command(subcommand)]
        command: LabCommand,
    },
    /// The internet's services, for `lab up`.
    #[command(hide = true)]
    Internet,
}

#[derive(Debug, Subcommand)]
enum LabCommand {
    /// Makes the namespaces and starts the internet's services in them.
    Up(LabName),
    /// Removes everything `up` made.
    Down(LabName),
    /// Shows what is there.
    Status(LabName),
}

/// Which lab.
#[derive(Clone, Debug, Args)]
pub struct LabName {
    /// Name of the lab; its namespaces begin with it.
    #[arg(long = "lab", value_name = "NAME", default_value = "basalt", env = "BASALT_LAB")]
    pub name: String,
}

/// Reads the command line, does what it says and turns the result into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Lab { command } => lab_command(command)?,
        Command::Internet => lab::netns::runtime()?.block_on(Services::serve_for_ever(lab::SERVER))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn lab_command(command: LabCommand) -> Result<()> {
    match command {
        LabCommand::Up(LabName { name }) => {
            let lab = Lab::up(&name)?;
            start_internet(&lab)?;
            println!("{}", lab::status(&name)?);
            println!("try: ip netns exec {name}-internet ping {}", lab::GATEWAY_SGI);
        }
        LabCommand::Down(LabName { name }) => Lab::down(&name)?,
        LabCommand::Status(LabName { name }) => println!("{}", lab::status(&name)?),
    }
    Ok(())
}

/// Starts the internet's services as a process of their own, which stays when this one ends.
fn start_internet(lab: &Lab) -> Result<()> {
    use std::process::Stdio;
    let own = std::env::current_exe()?;
    let child = spawn_in(&lab.internet, move || {
        let mut command = std::process::Command::new(own);
        command.arg("internet").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    })?;
    if let Some(process) = Process::find(child.id(), "internet services") {
        lab.remember(process)?;
    }
    Ok(())
}

/// Starts a process in a namespace.
fn spawn_in(
    ns: &NetNs,
    command: impl FnOnce() -> Result<std::process::Command> + Send + 'static,
) -> Result<std::process::Child> {
    ns.run(move || Ok(command()?.spawn()?))
}
