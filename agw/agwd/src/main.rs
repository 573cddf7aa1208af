//! `agwd`, the access gateway daemon: threads, sockets, clock and disk around `agw/core`.
//!
//! It deliberately takes no protocol decision. One loop owns the core; each input is stepped, what must be durable goes to the
//! store's thread, and effects leave in order once it is.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod calls;
mod cloud;
mod config;
mod control;
mod convert;
mod diagnose;
mod doctor;
mod events;
mod federation;
mod gateway;
mod keeper;
mod metrics;
mod packets;
mod reports;
mod rules;
mod shelf;
mod slots;
mod spans;
mod start;
mod storage;
mod subscribers;
mod tables;
mod tap;
mod usage;
mod version;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The access gateway of Basalt.
///
/// SIGTERM stops the daemon and leaves base stations associated and packets flowing, for a restart; SIGINT (Ctrl-C) stops
/// everything and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(version = version::version())]
struct Arguments {
    /// Configuration file.
    #[arg(long, short, default_value = "/etc/basalt/agwd.toml")]
    config: PathBuf,
    /// Print the configuration in force (defaults and detected values filled in) and exit.
    #[arg(long)]
    print_config: bool,
    /// Check the configuration and exit.
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Own the SCTP associations for a daemon; started by agwd itself.
    #[command(hide = true)]
    Keeper(keeper::KeeperArgs),
    /// Look on while another version is tried; started by agwd itself.
    #[command(hide = true)]
    Guard(slots::GuardArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("BASALT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| tap::Writer))
        .init();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agwd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    forbid_core_dumps();
    match &arguments.command {
        Some(Subcommands::Keeper(args)) => return keeper::run(args),
        Some(Subcommands::Guard(args)) => return slots::guard(args),
        None => {}
    }
    // Before all else that another version might see differently.
    slots::hand_over(&config::state_dir(&arguments.config), !arguments.check && !arguments.print_config);
    let (file, text) = config::read(&arguments.config)?;
    let mut machine = config::Machine::detect();
    [&file.radio.interface, &file.internet.interface].into_iter().flatten().for_each(|name| machine.ask_for(name));
    let effective = config::resolve(&file, &text, &machine).map_err(|mut error| {
        error.path = Some(arguments.config.clone());
        error
    })?;
    if arguments.print_config {
        // A closed pipe (`| head`) is no failure of ours.
        let _ = std::io::stdout().write_all(effective.to_toml().as_bytes());
        return Ok(());
    }
    if arguments.check {
        eprintln!("{}: no mistakes found", arguments.config.display());
        return Ok(());
    }
    let effective = effective.absolute().context("cannot tell the current folder")?;
    keeper::join_mounts(&effective);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("the system gives no event loop")?;
    let state_dir = effective.state_dir.clone();
    let ran = runtime.block_on(start::run(effective, cloud::Local { file, machine }));
    drop(runtime);
    match ran {
        Ok(start::Ended::Again) => Err(slots::again(&state_dir)),
        Ok(start::Ended::Stopped) => slots::stopped(&state_dir),
        Err(error) => Err(failed_on_trial(&state_dir, error)),
    }
}

/// A version on trial that cannot run lets the former one come back at once.
fn failed_on_trial(state_dir: &std::path::Path, error: anyhow::Error) -> anyhow::Error {
    let all = slots::Slots::of(state_dir);
    let Some(trial) = all.load().trial else { return error };
    tracing::error!(%error, version = trial.version, "on trial, and it does not run");
    match all.change(|state| state.fail(&trial.command, &format!("{error:#}"))) {
        Ok(true) => slots::again(state_dir),
        _ => error,
    }
}

/// SIM keys are in this process's memory: it leaves none of it in a core dump, and nobody but root may look into it.
fn forbid_core_dumps() {
    // SAFETY: prctl(PR_SET_DUMPABLE) takes plain numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}
