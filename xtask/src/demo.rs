//! `cargo xtask demo`: builds everything and hands over to the testbed, which makes the lab and tells the story.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::steps::{Outcome, Step, Steps};
use crate::{console, ebpf, env, setup};

/// Sets up, builds, and runs the demo with these arguments; whether it did all it should.
pub(crate) fn run(args: &[String]) -> Result<bool> {
    setup::run(true)?;
    let mut steps = Steps::new(3, &[]);
    let built = steps.step("build console", console::build)
        & steps.step("build", build_programs)
        & steps.step("build eBPF", |_| build_ebpf());
    if !built {
        bail!("the demo cannot start");
    }
    let mut testbed = testbed()?;
    testbed.arg("demo").args(args);
    if !matches!(env::privilege(), env::Privilege::Root | env::Privilege::Sudo) {
        println!("neither root nor sudo: the demo runs what it can in a user namespace");
    }
    // Its output is the demo, and Ctrl-C is for it: it takes the lab down and ends.
    let status = testbed.status().context("cannot run the testbed")?;
    Ok(status.success())
}

/// Takes down labs that were left behind.
pub(crate) fn clean() -> Result<bool> {
    if !program("testbed")?.is_file() {
        println!("the testbed was never built here: there is nothing to clean");
        return Ok(true);
    }
    let status = testbed()?.args(["lab", "down", "--all"]).status().context("cannot run the testbed")?;
    Ok(status.success())
}

/// The profile that people run the demo with.
const PROFILE: &str = "fast";

/// Set where programs are those that were built beside the tests.
static BESIDE_TESTS: OnceLock<()> = OnceLock::new();

/// From here on, programs are those that were built beside the tests: compiled once, with assertions and overflow checks.
pub(crate) fn take_programs_of_tests() {
    let _ = BESIDE_TESTS.set(());
}

/// The folder, below cargo's, of the programs that are run and packed.
pub(crate) fn folder() -> &'static str {
    if BESIDE_TESTS.get().is_some() { "debug" } else { PROFILE }
}

/// Builds the programs that the demo runs.
fn build_programs(step: &mut Step) -> Result<Outcome> {
    step.run(env::cargo(&["build", "--profile", PROFILE, "--workspace", "--exclude", "xtask", "--bins", "--locked"])?)?;
    Ok(Outcome::Passed(String::new()))
}

/// Builds the XDP programs; skipped, outside CI, where there is no compiler for them.
pub(crate) fn build_ebpf() -> Result<Outcome> {
    match ebpf::build(true) {
        Ok(object) => Ok(Outcome::Passed(object.display().to_string())),
        Err(error) if env::is_ci() => Err(error),
        Err(error) => {
            let words = format!("{error:#}");
            let first = words.lines().next().unwrap_or_default();
            Ok(Outcome::Skipped(format!("{first} The data plane runs in software.")))
        }
    }
}

/// The testbed, as root where that is possible.
pub(crate) fn testbed() -> Result<Command> {
    let path = program("testbed")?;
    let mut command = env::as_root(&path).unwrap_or_else(|| Command::new(&path));
    command.current_dir(env::root()?);
    Ok(command)
}

pub(crate) fn program(name: &str) -> Result<PathBuf> {
    Ok(env::target()?.join(folder()).join(name))
}
