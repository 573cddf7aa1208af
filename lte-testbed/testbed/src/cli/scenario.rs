//! `testbed scenario`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use basalt_sctp::Backend;
use clap::{Args, Subcommand};

use super::options::Rights;
use super::side_by_side::{self, Play};
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
#[derive(Clone, Debug, Args)]
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
    /// So many at a time, each in a lab of its own; those that measure rates are played alone.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,
    /// Plays those that failed so often again, alone; what passes then is named as unsteady. Where every packet counts, once is all.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=5))]
    retries: u8,
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
    let (playable, unplayable): (Vec<_>, Vec<_>) =
        scripts.iter().partition(|script| !unprivileged || !script.needs_root());
    for script in &unplayable {
        tell!("         skip  {:<30} needs root", script.name);
    }
    let mut failed = play_these(args, &options, &playable)?;
    for _ in 0..args.retries {
        let again: Vec<&Script> = failed.extract_if(.., |script| !script.is_exact()).collect();
        if again.is_empty() {
            break;
        }
        tell!("again, alone, what failed:");
        let still = play_these(&RunArgs { jobs: 1, ..args.clone() }, &options, &again)?;
        for script in again.iter().filter(|script| !still.contains(script)) {
            tell!("unsteady {}: it failed, and passed when it was played again", script.name);
        }
        failed.extend(still);
    }
    let (passed, failed, skipped) = (playable.len() - failed.len(), failed.len(), unplayable.len());
    let skipped_too = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    tell!("{passed} passed, {failed} failed{skipped_too}");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays them, and tells of each as it ends; those that failed.
fn play_these<'a>(args: &RunArgs, options: &RunOptions, scripts: &[&'a Script]) -> Result<Vec<&'a Script>> {
    let total = scripts.len();
    let mut failed = Vec::new();
    if args.jobs > 1 && args.file.is_empty() && !options.unprivileged {
        let plan = Play { lanes: args.jobs, lab: &args.lab, arguments: arguments(args) };
        let mut ended = 0;
        side_by_side::play(scripts, &plan, |script, words, passed| {
            ended += 1;
            let place = format!("[{ended}/{total}]");
            tell!("{}", words.replacen("   [1/1]", &format!("{place:>8}"), 1));
            if !passed {
                failed.push(script);
            }
        })?;
        return Ok(failed);
    }
    for (number, script) in scripts.iter().enumerate() {
        let place = format!("[{}/{total}]", number + 1);
        let begin = Instant::now();
        let failure = scenario::play(script, options).err();
        if failure.is_some() {
            failed.push(*script);
        }
        tell_result(&place, script, begin.elapsed().as_secs_f64(), failure, args.log);
    }
    Ok(failed)
}

/// What every run of its own is told, too.
fn arguments(args: &RunArgs) -> Vec<String> {
    let mut arguments = Vec::new();
    for setting in &args.settings {
        arguments.extend(["--set".to_owned(), setting.clone()]);
    }
    if args.log {
        arguments.push("--log".to_owned());
    }
    arguments
}

fn tell_result(place: &str, script: &Script, seconds: f64, failure: Option<scenario::Failure>, log: bool) {
    let word = if failure.is_none() { "ok  " } else { "FAIL" };
    tell!("{place:>8} {word}  {:<30} {seconds:>5.1} s  {}", script.name, script.title);
    let Some(failure) = failure else { return };
    if let Some((number, Some(text))) = failure.line.map(|line| (line, script.lines.get(line - 1))) {
        tell!("         line {number}: {text}");
    }
    tell!("         {}", failure.why);
    if log {
        tell!("{}", failure.gateway);
    }
}
