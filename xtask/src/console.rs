//! `cargo xtask console`: builds the web console of `nms-ui`, which `orchestratord` carries if it was built before it.
//!
//! The steps of CI for it are here too. All of them need Node; where it is missing or too old they say so and are skipped, and
//! the orchestrator is built without a console.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::steps::{Outcome, Step, Steps};
use crate::watchdog::Watchdog;
use crate::{demo, env};

/// The oldest major version of Node that the build's tools run with.
pub(crate) const NODE: u32 = 20;
/// Name of the lab whose console is operated.
const CONSOLE_LAB: &str = "console";
/// How often what comes over the network is tried.
const TRIES: usize = 3;

/// Builds the console; whether it worked.
pub(crate) fn run() -> Result<bool> {
    let mut steps = Steps::new(1, &[]);
    steps.step("console", build);
    Ok(steps.close())
}

/// Writes pictures of every page to `target/screenshots`.
pub(crate) fn screenshots() -> Result<bool> {
    let mut steps = Steps::new(1, &[]);
    steps.step("console screenshots", |step| {
        if let Some(outcome) = prepare(step)? {
            return Ok(outcome);
        }
        step.run(npm(&["run", "build:mock"])?)?;
        step.run(npm(&["run", "screenshots"])?)?;
        Ok(Outcome::Passed("target/screenshots".to_owned()))
    });
    Ok(steps.close())
}

/// Builds the console into `nms-ui/dist`; fails where its first load is too large.
pub(crate) fn build(step: &mut Step) -> Result<Outcome> {
    if let Some(outcome) = prepare(step)? {
        return Ok(outcome);
    }
    step.run(npm(&["run", "build"])?)?;
    let log = step.log()?;
    Ok(Outcome::Passed(log.lines().rfind(|line| line.starts_with("first load")).unwrap_or_default().to_owned()))
}

/// Lint and unit tests; the types are checked by the build.
pub(crate) fn test(step: &mut Step) -> Result<Outcome> {
    if let Some(outcome) = prepare(step)? {
        return Ok(outcome);
    }
    step.run(npm(&["run", "lint"])?)?;
    step.run(npm(&["run", "test"])?)?;
    Ok(Outcome::Passed(String::new()))
}

/// In Chromium against `mock-api`: what people do, error paths, and axe on every page in both themes.
pub(crate) fn browse(step: &mut Step) -> Result<Outcome> {
    if let Some(outcome) = prepare(step)? {
        return Ok(outcome);
    }
    if !env::has_program("chromium") {
        return Ok(Outcome::Skipped("Chromium is not installed".to_owned()));
    }
    step.run(npm(&["run", "build:mock"])?)?;
    step.run(npm(&["run", "e2e:mock"])?)?;
    step.run(npm(&["run", "e2e:performance"])?)?;
    Ok(Outcome::Passed(String::new()))
}

/// In Chromium against the real stack: a network from its first user on; then a demo that stays up, whose phones, gateway and rates
/// follow what is done on the pages.
pub(crate) fn operate(step: &mut Step) -> Result<Outcome> {
    /// A step of a demo takes a second, and a busy machine is ten times slower.
    const READY: Duration = Duration::from_secs(180);
    if let Some(outcome) = prepare(step)? {
        return Ok(outcome);
    }
    if !env::has_program("chromium") {
        return Ok(Outcome::Skipped("Chromium is not installed".to_owned()));
    }
    if !matches!(env::privilege(), env::Privilege::Root) {
        return Ok(Outcome::Skipped("the rate of a phone is measured in its namespace, which takes root".to_owned()));
    }
    let programs = demo::program("agwd")?;
    let mut managed = npm(&["run", "e2e:managed"])?;
    managed.env("BASALT_PROGRAMS", programs.parent().context("programs are in no folder")?);
    step.run(managed)?;
    let mut testbed = demo::testbed()?;
    testbed.args(["demo", "--into", "target/demo/console", "--lab", CONSOLE_LAB]);
    let mut demo = testbed.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let dog = Watchdog::start(demo.id(), 2 * READY);
    let (tell, told) = mpsc::channel();
    let story = BufReader::new(demo.stdout.take().context("no output")?);
    // It is read to its end: a demo that nobody listens to would stop.
    let listener = thread::spawn(move || {
        let lines = story.lines().map_while(Result::ok);
        for line in lines {
            if let Some((address, _)) = line.strip_prefix("The console: ").and_then(|rest| rest.split_once("/ ")) {
                let _ = tell.send(address.to_owned());
            }
        }
    });
    let worked = told.recv_timeout(READY).context("the demo tells no address of its console").and_then(|address| {
        let mut e2e = npm(&["run", "e2e:real"])?;
        e2e.env("BASALT_CONSOLE", address).env("BASALT_LAB", CONSOLE_LAB);
        step.run(e2e)
    });
    step.run({
        let mut kill = Command::new("kill");
        kill.args(["-INT", &demo.id().to_string()]);
        kill
    })?;
    demo.wait()?;
    let _ = listener.join();
    if dog.has_bitten() {
        bail!("the demo did not come to an end");
    }
    worked.map(|()| Outcome::Passed("target/screenshots/real".to_owned()))
}

/// Makes sure of Node and of the packages; an outcome where nothing can be done.
fn prepare(step: &mut Step) -> Result<Option<Outcome>> {
    let Some(node) = node_version().filter(|node| *node >= NODE) else {
        return Ok(Some(Outcome::Skipped(format!("Node {NODE} or newer is not here: no console"))));
    };
    if !env::has_program("npm") {
        return Ok(Some(Outcome::Skipped(format!("Node {node} is here and npm is not: no console"))));
    }
    if are_packages_there()? {
        return Ok(None);
    }
    for _ in 1..TRIES {
        if step.run(npm(&["ci", "--ignore-scripts"])?).is_ok() {
            return Ok(None);
        }
    }
    match step.run(npm(&["ci", "--ignore-scripts"])?) {
        Err(error) if env::is_ci() => Err(error),
        Err(_) => Ok(Some(Outcome::Skipped("the packages cannot be fetched now: no console".to_owned()))),
        Ok(()) => Ok(None),
    }
}

fn node_version() -> Option<u32> {
    let told = env::output("node", &["--version"])?;
    told.strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn folder() -> Result<PathBuf> {
    Ok(env::root()?.join("nms-ui"))
}

/// Whether the packages that are installed are those of the lock file.
fn are_packages_there() -> Result<bool> {
    let changed = |path: PathBuf| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    let installed = changed(folder()?.join("node_modules/.package-lock.json"));
    let wanted = changed(folder()?.join("package-lock.json")).context("nms-ui has no package-lock.json")?;
    Ok(installed.is_some_and(|installed| installed >= wanted))
}

fn npm(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("npm");
    command.current_dir(folder()?).args(arguments).env("NO_COLOR", "1").env("CI", "true");
    Ok(command)
}
