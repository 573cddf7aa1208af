//! One file per family of commands.

mod act;
mod context;
mod describe;
mod doctor;
mod events;
mod feg;
mod gateway;
mod get;
mod hand_over;
mod import;
mod objects;
mod release;
mod request;
mod rollout;
mod rule;
mod status;
mod stop;
mod subscriber;
mod top;
mod trace;
mod trace_call;
mod up;
mod upgrade;
mod usage;
mod who;

use crate::args::{Cli, Command, Describe, Format, Of, Trace, What, Where};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::kinds::Kind;
use crate::output::Out;
use crate::text::quoted;
use basalt_doctor::{Finding, Wanted};
use basalt_ids::Imsi;
use clap::CommandFactory as _;
use objects::Way;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    let to = cli.to;
    if let Command::Up(up) = &cli.command {
        return up::run(up, out).await;
    }
    match &cli.command {
        Command::Backup { words } => return hand_over::run("orchestratord", "backup", words).await,
        Command::Authority { words } => return hand_over::run("orchestratord", "authority", words).await,
        Command::Init { words } => return hand_over::run("orchestratord", "init", words).await,
        Command::Doctor { of: of @ (Of::Orchestrator | Of::Feg), config, .. } => {
            return hand_over::doctor(*of, config.as_deref(), cli.output).await;
        }
        _ => {}
    }
    if let Some(code) = of_orchestrator(&cli.command, &to, stdin, out).await? {
        return Ok(code);
    }
    let socket = objects::socket(&to)?;
    if let Command::Feg(command) = cli.command {
        feg::run(command, &to, stdin, out).await?;
        return Ok(0);
    }
    // These have something to say without a gateway, too.
    match cli.command {
        Command::Doctor { ue, config, .. } => {
            let config = config.unwrap_or_else(|| "/etc/basalt/agwd.toml".into());
            return doctor::run(&socket, ue.as_deref(), &config, machine, out).await;
        }
        Command::Version => return status::version(&socket, out).await,
        Command::Gateway(command) => {
            gateway::run(command, &to, &socket, stdin, out).await?;
            return Ok(0);
        }
        _ => {}
    }
    // A wrong file or IMSI is told before it is asked whether anybody is there.
    let prepared = subscriber::prepare(cli.command, stdin)?;
    let mut client = Client::connect(&socket).await?;
    match prepared {
        subscriber::Prepared::Other(Command::Get { what, watch: true, .. }) => watch(what, &mut client, out).await?,
        subscriber::Prepared::Subscriber(task) => subscriber::run(task, &mut client, out).await?,
        subscriber::Prepared::Other(command) => dispatch(command, &mut client, out).await?,
    }
    Ok(0)
}

/// Does what is an orchestrator's or the contexts' business; nothing, where a gateway is meant.
async fn of_orchestrator(command: &Command, to: &Where, stdin: &mut dyn Read, out: &mut Out<'_>) -> Result<Option<u8>> {
    match command {
        Command::Context(command) => context::run(command, to, stdin, out).await?,
        Command::Release(command) => release::run(command, to, out).await?,
        Command::Trace(Trace::Call(wanted)) => match Way::find(to)? {
            Way::Orchestrator(at) => trace_call::through(wanted, &at, out).await?,
            Way::Gateway => return Ok(None),
        },
        Command::Rollout(command) => rollout::run(command, to, stdin, out).await?,
        Command::Request(wanted) => request::run(wanted, to, stdin, out).await?,
        Command::Upgrade(command) => return upgrade::run(command, to, out).await.map(Some),
        Command::Get { what: What::Peers, name, .. } => feg::peers(name.as_deref(), to, out).await?,
        Command::Describe(Describe::Peer { host }) => feg::peers(Some(host), to, out).await?,
        Command::TestPing { realm, feg } => feg::ping(realm, feg.as_deref(), to, out).await?,
        Command::Get { what, name, watch } => match (Way::find(to)?, Kind::named(&what.name())) {
            (Way::Orchestrator(at), Ok(kind)) => objects::get(kind, name.as_deref(), *watch, &at, out).await?,
            (Way::Gateway, Ok(_)) if *what != What::Subscribers => drop(Way::Gateway.orchestrator()?),
            (way, Ok(kind)) if name.is_some() && !*watch => {
                objects::get(kind, name.as_deref(), false, &way.either(to).await?, out).await?;
            }
            _ if name.is_some() => {
                return Err(Error::usage("a gateway lists all of them", "`basalt describe` shows one in full"));
            }
            _ => return Ok(None),
        },
        Command::Describe(Describe::Object(words)) => {
            let [kind, name] = words.as_slice() else {
                return Err(Error::usage("an object has a kind and a name", "basalt describe KIND NAME"));
            };
            objects::describe(Kind::named(kind)?, name, &Way::find(to)?.either(to).await?, out).await?;
        }
        Command::Apply { file, dry_run } => {
            objects::apply(file, *dry_run, &Way::find(to)?.either(to).await?, stdin, out).await?;
        }
        Command::Diff { file } => {
            return objects::diff(file, &Way::find(to)?.either(to).await?, stdin, out).await.map(Some);
        }
        Command::Delete { kind, name, file } => {
            let kind = kind.as_deref().map(Kind::named).transpose()?;
            let at = Way::find(to)?.either(to).await?;
            objects::delete(kind, name.as_deref(), file.as_deref(), &at, stdin, out).await?;
        }
        Command::Edit { kind, name } => {
            objects::edit(Kind::named(kind)?, name, &Way::find(to)?.either(to).await?, out).await?;
        }
        _ => return Ok(None),
    }
    Ok(Some(0))
}

/// Between two looks at a gateway's list.
const LOOK: Duration = Duration::from_secs(2);

/// Lists again whenever something is different, until the gateway goes away or the user does.
async fn watch(what: What, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let mut last = Vec::new();
    loop {
        // Ages in a table change all the time: what JSON says decides.
        let told = listed(what, Format::Json, client, out.now).await?;
        if told != last {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let shown = listed(what, out.format, client, now).await?;
            let between: &[u8] = if last.is_empty() || out.is_json() { b"" } else { b"\n" };
            out.raw(between)?;
            out.raw(&shown)?;
            out.finish()?;
            last = told;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn listed(what: What, format: Format, client: &mut Client, now: u64) -> Result<Vec<u8>> {
    let (mut told, mut hints) = (Vec::new(), Vec::new());
    let mut out = Out::new(format, now, &mut told, &mut hints);
    dispatch(Command::Get { what, name: None, watch: false }, client, &mut out).await?;
    Ok(told)
}

async fn dispatch(command: Command, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    match command {
        Command::Get { what, .. } => match what {
            What::Ues => get::ues(client, out).await,
            What::Enbs => get::enbs(client, out).await,
            What::Sessions => get::sessions(client, out).await,
            What::Subscribers => subscriber::list(client, out).await,
            What::Usage => usage::list(client, out).await,
            What::Pools => get::pools(client, out).await,
            What::Status => status::status(client, out).await,
            // An orchestrator's: taken care of before.
            _ => Ok(()),
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
        Command::Trace(Trace::Call(wanted)) => trace_call::here(&wanted, client, out).await,
        Command::UsageRecords { from, acknowledge, count } => {
            usage::records(from, acknowledge, count, client, out).await
        }
        Command::Who { address, port, at } => who::run(address, port, at, client, out).await,
        Command::Status => status::status(client, out).await,
        Command::Config => status::config(client, out).await,
        // Taken care of before.
        Command::Subscriber(_)
        | Command::Gateway(_)
        | Command::Feg(_)
        | Command::TestPing { .. }
        | Command::Apply { .. }
        | Command::Diff { .. }
        | Command::Delete { .. }
        | Command::Edit { .. }
        | Command::Context(_)
        | Command::Release(_)
        | Command::Upgrade(_)
        | Command::Rollout(_)
        | Command::Request(_)
        | Command::Doctor { .. }
        | Command::Completion { .. }
        | Command::Backup { .. }
        | Command::Authority { .. }
        | Command::Init { .. }
        | Command::Up(_)
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
