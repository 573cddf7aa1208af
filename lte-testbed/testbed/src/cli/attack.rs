//! `testbed attack`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};

use super::options::Rights;
use crate::attack::{ALL, Attack};

/// `testbed attack …`
#[derive(Debug, Subcommand)]
pub enum AttackCommand {
    /// Name what there is, with one line on each.
    List,
    /// Play attacks, each against a gateway started for it; one that gets nowhere has passed.
    Run(RunArgs),
}

/// `testbed attack run …`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Rows, such as G05; a name that ends in `*` means all that begin like it.
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Name of the lab they are played in.
    #[arg(long, default_value = "basalt-attack")]
    lab: String,
    #[command(flatten)]
    rights: Rights,
}

pub(super) fn run(command: AttackCommand) -> Result<ExitCode> {
    match command {
        AttackCommand::List => {
            for attack in &ALL {
                tell!("{}  {}", attack.id, attack.title);
            }
            Ok(ExitCode::SUCCESS)
        }
        AttackCommand::Run(args) => play_all(&args),
    }
}

fn chosen(args: &RunArgs) -> Result<Vec<&'static Attack>> {
    if args.all {
        return Ok(ALL.iter().collect());
    }
    let mut attacks = Vec::new();
    for name in &args.names {
        let fits = |attack: &&Attack| match name.strip_suffix('*') {
            Some(prefix) => attack.id.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase()),
            None => attack.id.eq_ignore_ascii_case(name),
        };
        let before = attacks.len();
        attacks.extend(ALL.iter().filter(fits));
        if attacks.len() == before {
            return Err(anyhow!("there is no attack {name}; `testbed attack list` names them all"));
        }
    }
    Ok(attacks)
}

fn play_all(args: &RunArgs) -> Result<ExitCode> {
    let attacks = chosen(args)?;
    let unprivileged = args.rights.settle()?;
    if unprivileged {
        tell!("without root: SCTP travels in UDP and the data plane is software, in a user namespace");
    }
    let mut failed = 0u32;
    for (number, attack) in attacks.iter().enumerate() {
        let place = format!("[{}/{}]", number + 1, attacks.len());
        let begin = Instant::now();
        let result = attack.run(&args.lab, unprivileged);
        let seconds = begin.elapsed().as_secs_f64();
        match result {
            Ok(()) => tell!("{place:>8} ok    {} {seconds:>5.1} s  {}", attack.id, attack.title),
            Err(error) => {
                tell!("{place:>8} FAIL  {} {seconds:>5.1} s  {}", attack.id, attack.title);
                tell!("         {error:#}");
                failed += 1;
            }
        }
    }
    tell!("{} passed, {failed} failed", attacks.len() - failed as usize);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
