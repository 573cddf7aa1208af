//! `fegd`, the federation gateway daemon: sockets, clock and configuration around `feg/relay` and `basalt-diameter-link`.
//!
//! It deliberately takes no protocol decision. SIGTERM and SIGINT drain it: gateways are told to go elsewhere, what is being asked
//! is answered, and peers are told that we go.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod config;
mod convert;
mod doctor;
mod drive;
mod gateways;
mod incoming;
mod managed;
mod metrics;
mod operate;
mod peers;
mod realms;
mod relayed;
mod spans;
mod trace;

use anyhow::Context as _;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

/// The federation gateway of Basalt.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Configuration file.
    #[arg(long, short, global = true, default_value = "/etc/basalt/fegd.toml")]
    config: PathBuf,
    /// Check the configuration and exit.
    #[arg(long)]
    check: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check what keeps a federation gateway from working here; every finding names its cause and its fix
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Doctor { json }) = arguments.command {
        return if doctor::run(&arguments.config, json) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let filter = EnvFilter::try_from_env("BASALT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fegd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let path = &arguments.config;
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = config::read(&text).with_context(|| format!("{} cannot be used", path.display()))?;
    config::resolve(&file).with_context(|| format!("{} cannot be used", path.display()))?;
    if arguments.check {
        eprintln!("{}: no mistakes found", path.display());
        return Ok(());
    }
    event_loop(threads()).context("the system gives no event loop")?.block_on(drive::run(file))
}

/// Half of the processors: a request passes several hands, and to wake another processor for each of them costs more than the work.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1))
}

/// Where there would be one thread beside the main one, the main one does all: the two would wake each other for every request.
fn event_loop(threads: usize) -> std::io::Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.worker_threads(threads).enable_all().build()
}
