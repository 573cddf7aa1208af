//! `cargo xtask setup`: installs what building, testing and the demo need, where it is missing.
//!
//! On Debian and Ubuntu, with root or `sudo`. It says what it does and what it cannot do, and takes no time when all is
//! there. Without root nothing is installed and the rest runs with what there is.

use std::process::Command;

use anyhow::{Result, bail};

use crate::steps::shown;
use crate::{env, pypi, schemathesis};

/// Programs, the package that has each, and whether the demo needs it too.
const PROGRAMS: [(&str, &str, bool); 18] = [
    ("ip", "iproute2", true),
    ("nft", "nftables", true),
    ("ethtool", "ethtool", true),
    ("ping", "iputils-ping", true),
    ("curl", "curl", true),
    ("iperf3", "iperf3", true),
    // The tests of the web console drive it.
    ("chromium", "chromium", false),
    ("tshark", "tshark", false),
    // What packages are made and read with.
    ("dpkg-shlibdeps", "dpkg-dev", false),
    ("lintian", "lintian", false),
    // A bare Debian that they are installed on.
    ("debootstrap", "debootstrap", false),
    // A Diameter peer that others wrote, with its list of who may connect.
    ("freeDiameterd", "freediameter freediameter-extensions", false),
    // What the orchestrator's metrics and alarms are sent to, and judged by (promtool).
    ("prometheus", "prometheus", false),
    ("prometheus-alertmanager", "prometheus-alertmanager", false),
    // A mail server that takes alarms.
    ("aiosmtpd", "python3-aiosmtpd", false),
    // Backups are read by another program, and a database is spoilt by one.
    ("age", "age", false),
    ("sqlite3", "sqlite3", false),
    // The tests of the orchestrator start servers of their own from its binaries; this one is its wrapper on the path.
    ("pg_lsclusters", "postgresql", false),
];

const BPF_LINKER: &str = "0.13.0";
/// Of LLVM, as bpf-linker's features name them.
const LINKER_KNOWS: std::ops::RangeInclusive<u32> = 21..=23;

/// Installs what is missing; whether everything needed is there now.
pub(crate) fn run(only_demo: bool) -> Result<bool> {
    let mut complete = true;
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _, demo)| (*demo || !only_demo) && !env::has_program(program))
        .flat_map(|(_, packages, _)| packages.split(' '))
        .collect();
    missing.extend(node());
    if !only_demo && env::output("python3", &["-c", "import venv, ensurepip"]).is_none() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        println!("tools: all there");
    } else if let Err(error) = install(&missing) {
        println!("tools: {error:#}");
        complete = false;
    }
    if !only_demo && let Err(error) = schemathesis::install() {
        // Its step is skipped then.
        println!("schemathesis: {error:#}");
    }
    if !only_demo && let Err(error) = pypi::collector() {
        // Its test is skipped then.
        println!("collector of OpenTelemetry: {error:#}");
    }
    if let Err(error) = bpf() {
        println!("eBPF: {error:#}");
        println!("eBPF: until then the data plane runs in software, and the tests of the XDP programs are skipped");
        complete = false;
    }
    Ok(complete || !env::is_ci())
}

/// What the web console is built with, where it is missing and the distribution has a version that will do. Without it the
/// orchestrator has no console.
fn node() -> Vec<&'static str> {
    if env::has_program("node") {
        return Vec::new();
    }
    let policy = env::output("apt-cache", &["policy", "nodejs"]).unwrap_or_default();
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    let major = candidate.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    if major.is_some_and(|major| major >= crate::console::NODE) { vec!["nodejs", "npm"] } else { Vec::new() }
}

/// Installs packages of the distribution.
fn install(packages: &[&str]) -> Result<()> {
    if !env::has_program("apt-get") {
        bail!("this is neither Debian nor Ubuntu: please install what corresponds to {}", packages.join(" "));
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    let Some(mut update) = env::as_root("apt-get") else {
        bail!("neither root nor sudo: please have this run: {by_hand}");
    };
    println!("installing {} by apt-get", packages.join(" "));
    update.args(["update", "--quiet", "--quiet"]);
    // Lists that are a little old still install; a network that is gone shows in the next command.
    let _ = update.status();
    // Packages that ask questions (tshark) get their defaults.
    let Some(mut apt) = env::as_root("env") else { bail!("root is gone") };
    apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet", "--quiet"]);
    apt.args(["--no-install-recommends"]).args(packages);
    checked(&mut apt)
}

/// Makes sure of a compiler with `core` for BPF, and of bpf-linker with an LLVM that is as new.
fn bpf() -> Result<()> {
    let compiler = match bpf_compiler() {
        Some(compiler) => compiler,
        None => {
            install_bpf_compiler()?;
            match bpf_compiler() {
                Some(compiler) => compiler,
                None => bail!("the compiler was installed and is not found"),
            }
        }
    };
    if env::output("bpf-linker", &["--version"]).is_some() {
        println!("eBPF: all there");
        return Ok(());
    }
    let Some(llvm) = compiler.llvm else { bail!("the compiler does not say which LLVM it has") };
    if !LINKER_KNOWS.contains(&llvm) {
        bail!(
            "the compiler has LLVM {llvm}, which bpf-linker {BPF_LINKER} does not know: please install another bpf-linker"
        );
    }
    install_linker(llvm)
}

struct BpfCompiler {
    /// The major version of its LLVM.
    llvm: Option<u32>,
}

fn bpf_compiler() -> Option<BpfCompiler> {
    let of = |version: Option<String>| version.map(|text| BpfCompiler { llvm: llvm_major(&text) });
    if let Some(rustc) = std::env::var_os("BASALT_BPF_RUSTC") {
        return of(env::output(&rustc.to_string_lossy(), &["-vV"]));
    }
    if let Some(nightly) = nightly_with_source() {
        return of(env::output("rustup", &["run", &nightly, "rustc", "-vV"]));
    }
    env::output("dpkg", &["-s", "libstd-rust-web-dev-bpf"])?;
    let files = env::output("dpkg", &["-L", "rustc-web"])?;
    let rustc = files.lines().find(|line| line.ends_with("bin/rustc"))?;
    of(env::output(rustc, &["-vV"]))
}

/// A nightly of rustup that has the sources of `core`.
fn nightly_with_source() -> Option<String> {
    let list = env::output("rustup", &["toolchain", "list"])?;
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| name.starts_with("nightly")).map(str::to_owned).find(|name| {
        let sysroot = env::output("rustup", &["run", name, "rustc", "--print", "sysroot"]).unwrap_or_default();
        std::path::Path::new(&sysroot).join("lib/rustlib/src/rust/library/core").is_dir()
    })
}

fn llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.parse().ok()
}

fn install_bpf_compiler() -> Result<()> {
    if has_candidate("rustc-web") && has_candidate("libstd-rust-web-dev-bpf") {
        return install(&["rustc-web", "libstd-rust-web-dev-bpf"]);
    }
    // The lists may be missing altogether, as on a fresh machine.
    if let Some(mut update) = env::as_root("apt-get") {
        update.args(["update", "--quiet", "--quiet"]);
        if update.status().is_ok_and(|status| status.success()) && has_candidate("libstd-rust-web-dev-bpf") {
            return install(&["rustc-web", "libstd-rust-web-dev-bpf"]);
        }
    }
    println!("no compiler for BPF among the packages: installing a nightly by rustup");
    let mut rustup = Command::new("rustup");
    rustup.args(["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"]);
    checked(&mut rustup)
}

fn has_candidate(package: &str) -> bool {
    let policy = env::output("apt-cache", &["policy", package]).unwrap_or_default();
    policy.lines().any(|line| line.trim().strip_prefix("Candidate: ").is_some_and(|version| version != "(none)"))
}

fn install_linker(llvm: u32) -> Result<()> {
    let config = format!("llvm-config-{llvm}");
    if !env::has_program(&config) {
        install(&[&format!("llvm-{llvm}-dev")])?;
    }
    let Some(prefix) = env::output(&config, &["--prefix"]) else { bail!("{config} does not run") };
    println!("installing bpf-linker {BPF_LINKER} by cargo: some minutes, once");
    let mut cargo = env::cargo(&["install", "bpf-linker", "--version", BPF_LINKER, "--locked", "--quiet"])?;
    cargo.args(["--no-default-features", "--features", &format!("llvm-{llvm}")]).env("LLVM_PREFIX", prefix);
    checked(&mut cargo)
}

fn checked(command: &mut Command) -> Result<()> {
    let status = command.status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`{}` failed ({status})", shown(command)),
        Err(error) => bail!("`{}` does not run: {error}", shown(command)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_llvm_is_read() {
        let told =
            "rustc 1.96.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        assert_eq!(llvm_major(told), Some(22));
        assert_eq!(llvm_major("rustc 1.96.0"), None);
    }
}
