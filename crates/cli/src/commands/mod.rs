//! One file per family of commands.

mod act;
mod describe;
mod doctor;
mod events;
mod gateway;
mod get;
mod import;
mod rule;
mod status;
mod subscriber;
mod top;
mod trace;
mod usage;
mod who;

use crate::args::{Cli, Command, Trace, What};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::text::quoted;
use basalt_doctor::{Finding, Wanted};
use basalt_ids::Imsi;
use clap::CommandFactory as _;
use std::io::Read;
use std::time::Duration;

/// Runs a command and answers with its exit code.
pub(crate) fn run(
    cli: Cli,
    out: &mut Out<'_>,
    stdin: &mut dyn Read,
    machine: fn(&Wanted) -> Vec<Finding>,
) -> Result<u8> {
    if let Command::Completion { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "basalt", &mut script);
        out.raw(&script)?;
        return Ok(0);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(speak(cli, out, stdin, machine))
}

async fn speak(cli: Cli, out: &mut Out<'_>, stdin: &mut dyn Read, machine: fn(&Wanted) -> Vec<Finding>) -> Result<u8> {
    let socket = cli.socket;
    // These two have something to say without a gateway, too.
    match cli.command {
        Command::Doctor { ue, config } => return doctor::run(&socket, ue.as_deref(), &config, machine, out).await,
        Command::Version => return status::version(&socket, out).await,
        Command::Gateway(command) => {
            gateway::run(command, &socket, stdin, out).await?;
            return Ok(0);
        }
        _ => {}
    }
    // A wrong file or IMSI is told before it is asked whether anybody is there.
    let prepared = subscriber::prepare(cli.command, stdin)?;
    let mut client = Client::connect(&socket).await?;
    match prepared {
        subscriber::Prepared::Subscriber(task) => subscriber::run(task, &mut client, out).await?,
        subscriber::Prepared::Other(command) => dispatch(command, &mut client, out).await?,
    }
    Ok(0)
}

async fn dispatch(command: Command, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    match command {
        Command::Get { what } => match what {
            What::Ues => get::ues(client, out).await,
            What::Enbs => get::enbs(client, out).await,
            What::Sessions => get::sessions(client, out).await,
            What::Subscribers => subscriber::list(client, out).await,
            What::Usage => usage::list(client, out).await,
            What::Pools => get::pools(client, out).await,
            What::Status => status::status(client, out).await,
        },
        Command::Describe(what) => describe::run(what, client, out).await,
        Command::Detach { imsi, reattach } => act::detach(&imsi, reattach, client, out).await,
        Command::Page { imsi } => act::page(&imsi, client, out).await,
        Command::Deactivate { imsi, ebi } => act::deactivate(&imsi, ebi, client, out).await,
        Command::Rule(what) => rule::run(what, client, out).await,
        Command::Reset(what) => act::reset(what, client, out).await,
        Command::Events { imsi, follow, last } => events::run(imsi.as_deref(), follow, last, client, out).await,
        Command::Top { count, time } => top::top(count, Duration::from_secs(time), client, out).await,
        Command::Trace(Trace::Ue { imsi, write, snap, count, time }) => {
            let bounds = trace::Bounds { packets: count, time: time.map(Duration::from_secs) };
            trace::trace(&imsi, &write, snap, bounds, client, out).await
        }
        Command::UsageRecords { from, acknowledge, count } => {
            usage::records(from, acknowledge, count, client, out).await
        }
        Command::Who { address, port, at } => who::run(address, port, at, client, out).await,
        Command::Status => status::status(client, out).await,
        Command::Config => status::config(client, out).await,
        // Taken care of before.
        Command::Subscriber(_)
        | Command::Gateway(_)
        | Command::Doctor { .. }
        | Command::Completion { .. }
        | Command::Version => Ok(()),
    }
}

/// Checks an IMSI as far as its digits go.
fn imsi(text: &str) -> Result<String> {
    let digits: Imsi = text.trim().parse().map_err(|error| {
        Error::usage(
            format!("{} is not an IMSI: {error}", quoted(text)),
            "an IMSI has 6 to 15 digits, as in 001010000000001: network code first, leading zeroes included",
        )
    })?;
    Ok(digits.to_string())
}
