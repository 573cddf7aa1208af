//! What can be typed.

mod attach;
mod attack;
mod bench;
mod demo;
mod federation_kills;
mod fuzz;
mod hss;
mod kills;
mod lab;
mod load;
mod managed;
mod options;
mod rates;
mod scenario;
mod side_by_side;
mod subscribers;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::internet::Services;
use crate::{lab as the_lab, stop};

/// The other side of the air: eNodeBs, phones, an internet, and the lab they meet in.
#[derive(Debug, Parser)]
#[command(name = "testbed", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make, remove or show a lab of network namespaces.
    Lab {
        #[command(subcommand)]
        command: lab::LabCommand,
    },
    /// Attach phones and keep them until Ctrl-C; each is a namespace in which any program is the phone.
    Attach(attach::AttachArgs),
    /// Attach many phones at a rate and measure.
    Load(load::LoadArgs),
    /// List, show or play scenarios.
    Scenario {
        #[command(subcommand)]
        command: scenario::ScenarioCommand,
    },
    /// List or play attacks on a gateway, while a canary phone pings without loss.
    Attack {
        #[command(subcommand)]
        command: attack::AttackCommand,
    },
    /// Attach with any one message damaged, while a canary phone pings without loss.
    Fuzz(fuzz::FuzzArgs),
    /// Kill a gateway at random instants under numbered packets in both directions: lost, reordered and miscounted are counted.
    KillHarness(kills::KillArgs),
    /// Kill federation gateways, orchestrator and gateway at random instants under attaching phones of a foreign network: each attach is
    /// done or refused with a cause, none hangs, no vector is used twice.
    FederationKills(federation_kills::FederationKillArgs),
    /// Measure by the receiver whether a subscriber's rates are kept, for packets of all kinds in both directions.
    Rates(rates::RatesArgs),
    /// Print the lab's subscribers, for the gateway's list.
    Subscribers(subscribers::SubscribersArgs),
    /// Bring a whole network up, show that it works, and stay for exploring.
    Demo(demo::DemoArgs),
    /// Change objects at an orchestrator and see packets and phones at its gateway follow, without dropping anybody.
    Managed(managed::ManagedArgs),
    /// Measure a gateway of its own, for `cargo xtask bench`.
    Bench {
        /// What.
        name: bench::BenchName,
    },
    /// Be an HSS with EIR; standard input tells it how to behave, and what to ask of gateways.
    Hss(hss::HssArgs),
    /// The internet's services, for `lab up`.
    #[command(hide = true)]
    Internet,
}

/// Reads the command line, does what it says and turns the result into an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let result = run(Cli::parse());
    // Who takes everything down also ends the process: what fails meanwhile is of no interest.
    let _making = stop::making();
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Lab { command } => lab::run(command)?,
        Command::Attach(args) => return attach::run(&args),
        Command::Load(args) => return load::run(&args),
        Command::Scenario { command } => return scenario::run(command),
        Command::Attack { command } => return attack::run(command),
        Command::Fuzz(args) => return fuzz::run(&args),
        Command::KillHarness(args) => return kills::run(&args),
        Command::FederationKills(args) => return federation_kills::run(&args),
        Command::Rates(args) => return rates::run(&args),
        Command::Subscribers(args) => subscribers::run(&args)?,
        Command::Demo(args) => return demo::run(&args),
        Command::Managed(args) => return managed::run(&args),
        Command::Bench { name } => bench::run(name)?,
        Command::Hss(args) => hss::run(&args)?,
        Command::Internet => {
            the_lab::netns::runtime()?.block_on(Services::serve_for_ever(the_lab::SERVER))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
