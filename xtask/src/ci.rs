//! `cargo xtask ci`: exactly what CI runs, and `make test`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::steps::{Outcome, Step, Steps};
use crate::{console, demo, deploy, env, package, pypi, schemathesis, tidy};

/// The clippy configuration of cores, codecs and identities.
const CORE_LINTS: &str = "xtask/clippy/core";

/// What a step does.
type Run = fn(&mut Step) -> Result<Outcome>;

/// Steps in which real programs run beside each other: a failure is played again, once, and what passes then is told as unsteady.
/// (Scenarios are played again one by one.)
const AGAIN: [&str; 11] = [
    "tests",
    "console in Chromium",
    "packages",
    "demo",
    "demo with the unit's rights",
    "demo without root",
    "demo of federation",
    "demo read by tshark",
    "managed by an orchestrator",
    "console of the demo",
    "basalt up",
];

const STEPS: [(&str, Run); 28] = [
    ("setup", set_up),
    ("format", format),
    ("tidy", laws),
    ("console", console::build),
    ("console tests", console::test),
    ("clippy", clippy),
    ("clippy of cores", clippy_cores),
    ("documentation", documentation),
    ("supply chain", supply_chain),
    ("eBPF", |_| demo::build_ebpf()),
    ("build", build),
    ("tests", tests),
    ("fuzz harnesses", fuzz),
    ("console in Chromium", console::browse),
    ("schemathesis", schemathesis::run),
    ("deployment", deploy::check),
    ("packages", package::prove),
    ("demo", run_demo),
    ("demo with the unit's rights", package::demo_within),
    ("demo without root", rootless_demo),
    ("demo of federation", federated_demo),
    ("demo read by tshark", readable_demo),
    ("demo interrupted", interrupted_demo),
    ("managed by an orchestrator", managed),
    ("console of the demo", console::operate),
    ("basalt up", one_machine),
    ("scenarios", scenarios),
    ("attacks", attacks),
];

/// Runs all steps, or those named; whether nothing failed. The virtual machine comes last: it is rarely there.
pub(crate) fn ci(only: &[String], no_setup: bool) -> Result<bool> {
    demo::take_programs_of_tests();
    let mut steps = Steps::new(STEPS.len() + 1, only);
    for (name, run) in STEPS {
        if no_setup && name == "setup" {
            steps.step(name, |_| Ok(Outcome::Skipped("as asked".to_owned())));
        } else if AGAIN.contains(&name) {
            steps.step(name, |step| step.with_second_try(run));
        } else {
            steps.step(name, run);
        }
    }
    steps.step("virtual machine", vm);
    Ok(steps.close())
}

/// `cargo test` with arguments; whether it succeeded.
pub(crate) fn test(args: &[String]) -> Result<bool> {
    let mut command = env::cargo(&["test"])?;
    if !args.iter().any(|arg| ["-p", "--package", "--workspace"].contains(&arg.as_str())) {
        command.args(["--workspace", "--no-fail-fast"]);
    }
    command.args(args);
    let status = command.status().context("cannot run cargo")?;
    Ok(status.success())
}

/// The virtual machine's tests alone.
pub(crate) fn vm_test() -> Result<bool> {
    let mut steps = Steps::new(1, &[]);
    steps.step("virtual machine", vm);
    Ok(steps.close())
}

fn set_up(step: &mut Step) -> Result<Outcome> {
    // In a process of its own, so that what apt and cargo say goes to the log.
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("setup");
    step.run(command)?;
    let log = step.log()?;
    let said = log.lines().filter(|line| line.starts_with("tools: ") || line.starts_with("eBPF: "));
    Ok(Outcome::Passed(said.collect::<Vec<_>>().join("; ")))
}

fn format(step: &mut Step) -> Result<Outcome> {
    let colourless = ["--", "--color", "never"];
    let mut everything = env::cargo(&["fmt", "--check"])?;
    everything.args(colourless);
    step.run(everything)?;
    for apart in ["ebpf/programs", "fuzz"] {
        let manifest = format!("{apart}/Cargo.toml");
        if env::root()?.join(&manifest).is_file() {
            let mut one = env::cargo(&["fmt", "--check", "--manifest-path", &manifest])?;
            one.args(colourless);
            step.run(one)?;
        }
    }
    Ok(Outcome::Passed(String::new()))
}

fn laws(step: &mut Step) -> Result<Outcome> {
    let findings = tidy::check()?;
    for finding in &findings {
        step.note(&finding.to_string())?;
    }
    let errors = findings.iter().filter(|finding| !finding.warning).count();
    if errors > 0 {
        bail!("{errors} places break a rule: cargo xtask tidy");
    }
    Ok(Outcome::Passed(format!("{} warnings", findings.len())))
}

fn clippy(step: &mut Step) -> Result<Outcome> {
    step.run(env::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])?)?;
    Ok(Outcome::Passed(String::new()))
}

/// Once more over the code (not the tests) of cores, codecs and identities, with the list of what they may not name.
fn clippy_cores(step: &mut Step) -> Result<Outcome> {
    let mut cargo = env::cargo(&["clippy", "--no-deps", "--locked"])?;
    cargo.env("CLIPPY_CONF_DIR", env::root()?.join(CORE_LINTS));
    let pure = tidy::pure_packages()?;
    for name in &pure {
        cargo.args(["--package", name]);
    }
    cargo.args(["--", "--deny", "warnings"]);
    step.run(cargo)?;
    Ok(Outcome::Passed(format!("{} packages", pure.len())))
}

fn documentation(step: &mut Step) -> Result<Outcome> {
    let mut cargo = env::cargo(&["doc", "--workspace", "--no-deps", "--locked"])?;
    cargo.env("RUSTDOCFLAGS", "--deny warnings");
    step.run(cargo)?;
    Ok(Outcome::Passed(String::new()))
}

fn supply_chain(step: &mut Step) -> Result<Outcome> {
    if env::output("cargo", &["deny", "--version"]).is_none() {
        return Ok(Outcome::Skipped("cargo-deny is not installed; licences are checked by tidy".to_owned()));
    }
    // Advisories come from the network: an old list is better than none.
    step.run(env::cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"])?)?;
    Ok(Outcome::Passed(String::new()))
}

/// Each harness for a few seconds, as a plain test.
fn fuzz(step: &mut Step) -> Result<Outcome> {
    if !env::root()?.join("fuzz/Cargo.toml").is_file() {
        return Ok(Outcome::Skipped("there is no fuzz/".to_owned()));
    }
    let mut cargo = env::cargo(&["test", "--manifest-path", "fuzz/Cargo.toml", "--no-fail-fast", "--locked"])?;
    cargo.env("CARGO_TARGET_DIR", env::target()?.join("fuzz"));
    step.run_tests(cargo)
}

/// Programs, tests and examples at once: whatever they share is compiled once, with the same features.
fn build(step: &mut Step) -> Result<Outcome> {
    step.run(env::cargo(&["build", "--workspace", "--lib", "--bins", "--tests", "--examples", "--locked"])?)?;
    Ok(Outcome::Passed(String::new()))
}

fn tests(step: &mut Step) -> Result<Outcome> {
    let mut cargo = env::cargo(&["test", "--workspace", "--no-fail-fast", "--locked"])?;
    // Where it cannot be had, its test says that it is skipped.
    if let Ok(program) = pypi::collector() {
        cargo.env("BASALT_ROTEL", program);
    }
    step.run_tests(cargo)
}

fn run_demo(step: &mut Step) -> Result<Outcome> {
    let mut testbed = demo::testbed()?;
    testbed.args(["demo", "--once"]);
    step.run(testbed)?;
    Ok(Outcome::Passed(String::new()))
}

/// Changes at an orchestrator, seen by phones and packets of its gateway.
fn managed(step: &mut Step) -> Result<Outcome> {
    let mut testbed = demo::testbed()?;
    testbed.args(["managed", "--lab", "managed"]);
    step.run(testbed)?;
    Ok(Outcome::Passed(String::new()))
}

/// Orchestrator and gateway of one machine, as a newcomer starts them; and what the handbook tells operators to do.
fn one_machine(step: &mut Step) -> Result<Outcome> {
    // Of the workspace, with its features: of the package alone, all that it depends on would be compiled once more.
    let mut cargo =
        env::cargo(&["test", "--workspace", "--test", "up", "--test", "upgrade", "--test", "handbook", "--locked"])?;
    cargo.env("BASALT_PROGRAMS", env::target()?.join(demo::folder()));
    step.run_tests(cargo)
}

/// The same in a user namespace, as a user without root has it.
fn rootless_demo(step: &mut Step) -> Result<Outcome> {
    let probe = ["--user", "--map-root-user", "--net", "--mount", "true"];
    if env::output("unshare", &probe).is_none() {
        return Ok(Outcome::Skipped("user namespaces are forbidden here".to_owned()));
    }
    step.run(demo_apart("rootless", "--rootless")?)?;
    Ok(Outcome::Passed(String::new()))
}

/// Phones of a foreign operator, through the orchestrator and two federation gateways; and while these are killed.
fn federated_demo(step: &mut Step) -> Result<Outcome> {
    step.run(demo_apart("federated", "--federated")?)?;
    let mut kills = demo::testbed()?;
    kills.args(["federation-kills", "--kills", "12", "--lab", "basalt-fed-kills"]);
    step.run(kills)?;
    Ok(Outcome::Passed(String::new()))
}

/// The same with phones that do not cipher: tshark reads (and the demo fails for what it finds wrong in) S1AP, all of NAS,
/// and GTP-U.
fn readable_demo(step: &mut Step) -> Result<Outcome> {
    if !env::has_program("tshark") {
        return Ok(Outcome::Skipped("tshark is not installed".to_owned()));
    }
    step.run(demo_apart("readable", "--null-ciphering")?)?;
    Ok(Outcome::Passed(String::new()))
}

/// Ctrl-C at several moments leaves nothing behind: no lab, no gateway, no keeper.
fn interrupted_demo(step: &mut Step) -> Result<Outcome> {
    const MOMENTS_MS: [u64; 6] = [30, 80, 150, 300, 900, 2500];
    let lab = "basalt-interrupted";
    for moment in MOMENTS_MS.map(Duration::from_millis) {
        let mut testbed = demo::testbed()?;
        testbed.args(["demo", "--into", "target/demo/interrupted", "--lab", lab]);
        let mut demo = testbed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(moment);
        let mut kill = env::as_root("kill").unwrap_or_else(|| Command::new("kill"));
        step.run({
            kill.args(["-INT", &demo.id().to_string()]);
            kill
        })?;
        demo.wait()?;
        let status = demo::testbed()?.args(["lab", "status", "--lab", lab]).output()?;
        let status = String::from_utf8_lossy(&status.stdout).trim().to_owned();
        if !status.ends_with("is down") {
            bail!("interrupted after {moment:?}: {status}");
        }
        if let Some(process) = process_with(&format!("/{lab}/"))? {
            bail!("interrupted after {moment:?}, process {process} is left");
        }
    }
    Ok(Outcome::Passed(format!("{} times", MOMENTS_MS.len())))
}

/// A process that has these words in its command line.
fn process_with(words: &str) -> Result<Option<String>> {
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(words) {
            return Ok(Some(entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// A demo of another kind, with its own summary.
fn demo_apart(name: &str, option: &str) -> Result<Command> {
    let mut testbed = demo::testbed()?;
    testbed
        .args(["demo", "--once", option, "--into", &format!("target/demo/{name}"), "--lab"])
        .arg(format!("basalt-{name}"));
    Ok(testbed)
}

fn scenarios(step: &mut Step) -> Result<Outcome> {
    let mut testbed = demo::testbed()?;
    testbed.args(["scenario", "run", "--all", "--jobs", "2", "--retries", "1"]);
    step.run_tests(testbed)
}

fn attacks(step: &mut Step) -> Result<Outcome> {
    let mut testbed = demo::testbed()?;
    testbed.args(["attack", "run", "--all"]);
    step.run_tests(testbed)
}

fn vm(step: &mut Step) -> Result<Outcome> {
    let folder = match std::env::var_os("BASALT_VM_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => env::root()?.join("../vm"),
    };
    if !folder.join("rootfs").is_dir() {
        let words = format!("no virtual machine in {}: run `vm.sh setup` there", folder.display());
        return Ok(Outcome::Skipped(words));
    }
    let folder = folder.canonicalize()?;
    demo::build_ebpf()?;
    for (package, test) in [("basalt-sctp", "vm"), ("agw-dataplane", "verifier")] {
        let mut cargo = env::cargo(&["test", "--package", package, "--test", test, "--locked"])?;
        cargo.env("BASALT_VM_DIR", &folder);
        step.run_tests(cargo)?;
    }
    Ok(Outcome::Tested(step.counts()))
}
