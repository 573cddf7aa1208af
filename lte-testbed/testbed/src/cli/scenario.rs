//! `testbed scenario`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use basalt_sctp::Backend;
use clap::{Args, Subcommand};

use super::options::Rights;
use crate::scenario::{self, RunOptions, Script};

/// `testbed scenario …`
#[derive(Debug, Subcommand)]
pub enum ScenarioCommand {
    /// Name what there is, with one line on each.
    List,
    /// Show a scenario's text.
    Show {
        /// Its name.
        name: String,
    },
    /// Play scenarios against a gateway started for each.
    Run(RunArgs),
}

/// `testbed scenario run …`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Names; a name that ends in `*` means all that begin like it.
    #[arg(required_unless_present_any = ["all", "file"])]
    names: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// A scenario of your own, in this file.
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Name of the lab they are played in.
    #[arg(long, default_value = "basalt-scenario")]
    lab: String,
    #[command(flatten)]
    rights: Rights,
    /// A gateway setting for all of them, such as `dataplane.mode = "software"`.
    #[arg(long = "set", value_name = "KEY = VALUE")]
    settings: Vec<String>,
    /// Show the end of the gateway's output when one fails.
    #[arg(long)]
    log: bool,
}

pub(super) fn run(command: ScenarioCommand) -> Result<ExitCode> {
    match command {
        ScenarioCommand::List => {
            for script in all()? {
                tell!("{:<30} {}", script.name, script.title);
            }
            Ok(ExitCode::SUCCESS)
        }
        ScenarioCommand::Show { name } => {
            let known = all()?;
            let script = known.iter().find(|script| script.name == name).ok_or_else(|| unknown(&name, &known))?;
            tell!("{}", script.lines.join("\n"));
            Ok(ExitCode::SUCCESS)
        }
        ScenarioCommand::Run(args) => play_all(&args),
    }
}

fn all() -> Result<Vec<Script>> {
    scenario::all().map_err(|(name, error)| anyhow::anyhow!("scenario {name}, {error}"))
}

/// Names those that begin alike, to the same degree as the best of them.
fn unknown(name: &str, known: &[Script]) -> anyhow::Error {
    let alike = |script: &Script| script.name.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let best = known.iter().map(alike).max().unwrap_or(0);
    let near: Vec<&str> =
        known.iter().filter(|script| alike(script) == best).map(|script| script.name.as_str()).collect();
    let guess = if best < 3 { ":".to_owned() } else { format!("; did you mean {}?", near.join(", ")) };
    anyhow::anyhow!("there is no scenario {name}{guess} `testbed scenario list` names them all")
}

fn chosen(args: &RunArgs) -> Result<Vec<Script>> {
    let known = all()?;
    let mut scripts = Vec::new();
    for name in &args.names {
        let fits = |script: &&Script| match name.strip_suffix('*') {
            Some(prefix) => script.name.starts_with(prefix),
            None => script.name == *name,
        };
        let before = scripts.len();
        scripts.extend(known.iter().filter(fits).cloned());
        if scripts.len() == before {
            return Err(unknown(name, &known));
        }
    }
    for path in &args.file {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        scripts.push(scenario::parse(&name, &text).with_context(|| path.display().to_string())?);
    }
    Ok(if args.all { known } else { scripts })
}

fn play_all(args: &RunArgs) -> Result<ExitCode> {
    let scripts = chosen(args)?;
    let unprivileged = args.rights.settle()?;
    if unprivileged {
        tell!("without root: SCTP travels in UDP and the data plane is software, in a user namespace");
    }
    let options =
        RunOptions { lab: args.lab.clone(), unprivileged, backend: Backend::Auto, settings: args.settings.clone() };
    let (mut passed, mut failed, mut skipped) = (0u32, 0u32, 0u32);
    for (number, script) in scripts.iter().enumerate() {
        let place = format!("[{}/{}]", number + 1, scripts.len());
        if unprivileged && script.needs_root() {
            tell!("{place:>8} skip  {:<30} needs root", script.name);
            skipped += 1;
            continue;
        }
        let begin = Instant::now();
        let result = scenario::play(script, &options);
        let seconds = begin.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                tell!("{place:>8} ok    {:<30} {seconds:>5.1} s  {}", script.name, script.title);
                passed += 1;
            }
            Err(failure) => {
                tell!("{place:>8} FAIL  {:<30} {seconds:>5.1} s  {}", script.name, script.title);
                let line = failure.line.map(|line| (line, script.lines.get(line - 1)));
                if let Some((number, Some(text))) = line {
                    tell!("         line {number}: {text}");
                }
                tell!("         {}", failure.why);
                if args.log {
                    tell!("{}", failure.gateway);
                }
                failed += 1;
            }
        }
    }
    let skipped_too = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    tell!("{passed} passed, {failed} failed{skipped_too}");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
