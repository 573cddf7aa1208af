//! What the program does besides serving: copies of the database, generations of the authority, the exchange of the sealing key, a first setup, a diagnosis.
//!
//! `basalt backup`, `basalt init` and `basalt doctor --of orchestrator` hand their words over to these.

mod authority;
mod backup;
mod doctor;
mod init;
mod sealing;

use crate::settings::{Arguments, Settings};
use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The certificate authority of the gateways: show it, make its next generation, retire the former ones
    #[command(subcommand)]
    Authority(authority::Words),
    /// Encrypted copies of the database: make, check, practise, bring back
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Set up an orchestrator on this machine for good: user, folders, key, database, unit; may be run again
    Init(init::Init),
    /// Check what keeps an orchestrator from working here; every finding names its cause and its fix
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The key that seals secrets: exchange it for another
    #[command(subcommand)]
    Sealing(sealing::Sealing),
}

/// Runs one of them.
pub(crate) async fn run(command: &Command, arguments: &Arguments) -> Result<ExitCode> {
    match command {
        Command::Authority(words) => authority::run(words, &Settings::resolve(arguments)?).await?,
        Command::Backup(backup) => backup::run(backup, &Settings::resolve(arguments)?).await?,
        Command::Sealing(sealing) => sealing::run(sealing, &Settings::resolve(arguments)?).await?,
        Command::Init(init) => init::run(init).await?,
        Command::Doctor { json } => {
            let well = doctor::run(arguments, *json).await;
            return Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}
