//! `cargo xtask package`: Debian packages of what was built, with their checksums, bill of materials and signature.
//!
//! What goes where is data: `packaging/debian/packages.toml`, the units, configurations and maintainer scripts beside it. The
//! same commit gives the same octets: times are the commit's, owners are root, and nothing of this machine is in a package.

mod again;
mod cross;
mod deb;
mod proof;
mod rights;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::steps::{Outcome, Step, shown};
use crate::{console, demo, ebpf, env};

use cross::Architecture;

pub(crate) use proof::prove;
pub(crate) use rights::demo_within;

/// What is asked of `cargo xtask package`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Take what `make demo` or an earlier run built, instead of building for release
    #[arg(long)]
    built: bool,
    /// For machines of another kind than this one: arm64 or amd64
    #[arg(long)]
    architecture: Option<String>,
    /// Instead of the workspace's version
    #[arg(long)]
    version: Option<String>,
    /// A private key of ssh-keygen: signs the checksums
    #[arg(long)]
    sign: Option<PathBuf>,
    /// Build a second time in a clone elsewhere, and compare: the same commit gives the same octets
    #[arg(long, conflicts_with = "built")]
    twice: bool,
    /// Where to
    #[arg(long, default_value = "target/package")]
    into: PathBuf,
}

/// `packages.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipes {
    common: Common,
    package: Vec<Recipe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    maintainer: String,
    section: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    name: String,
    summary: String,
    description: String,
    /// Installed programs: what they are linked with is depended on.
    programs: Vec<PathBuf>,
    #[serde(default)]
    depends: Vec<String>,
    #[serde(default)]
    recommends: Vec<String>,
    #[serde(default)]
    suggests: Vec<String>,
    #[serde(default)]
    units: Vec<String>,
    /// A system user that the package makes.
    #[serde(default)]
    user: String,
    /// Removed by a purge.
    #[serde(default)]
    state: String,
    /// Whether the units start at once: without configuration they serve.
    #[serde(default)]
    start: bool,
    /// What the administrator does next.
    #[serde(default)]
    next: String,
    files: Vec<Installed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Installed {
    from: String,
    to: PathBuf,
    /// Octal; 644 by default.
    mode: Option<String>,
}

/// For the network.
const SMALL: &[&str] = &["-Zxz"];
/// For the CI step, which packs three times.
const FAST: &[&str] = &["-Zgzip", "-z1"];

/// Where what is packed comes from.
struct Sources {
    root: PathBuf,
    programs: PathBuf,
    bpf: PathBuf,
}

impl Sources {
    fn find(&self, from: &str) -> PathBuf {
        match from.split_once(':') {
            Some(("program", name)) => self.programs.join(name),
            Some(("bpf", name)) => self.bpf.join(name),
            _ => self.root.join(from),
        }
    }
}

/// Makes all packages.
pub(crate) fn run(options: &Options) -> Result<()> {
    let profile = if options.built { demo::folder() } else { "release" };
    let architecture = options.architecture.as_deref().map_or_else(Architecture::own, Architecture::named)?;
    if !options.built {
        build(&architecture)?;
    }
    let into = env::root()?.join(&options.into);
    let made = make(options.version.as_deref(), (&architecture, profile), SMALL, &into)?;
    if let Some(key) = &options.sign {
        sign(&options.into, key)?;
    }
    for package in made {
        println!("{}", package.display());
    }
    println!(
        "{}: checksums, bill of materials{}",
        options.into.display(),
        options.sign.as_ref().map_or("", |_| ", signature")
    );
    if options.twice { again::prove(options, &into) } else { Ok(()) }
}

fn build(architecture: &Architecture) -> Result<()> {
    let mut steps = crate::steps::Steps::new(3, &[]);
    steps.step("console", console::build);
    steps.step("eBPF", |_| ebpf::build(true).map(|object| Outcome::Passed(object.display().to_string())));
    steps.step("programs", |step: &mut Step| {
        let mut cargo = env::cargo(&["build", "--release", "--locked"])?;
        cargo.args(["-p", "agwd", "-p", "basalt-cli", "-p", "orchestratord", "-p", "fegd"]);
        architecture.prepare(&mut cargo)?;
        cargo.env("CARGO_ENCODED_RUSTFLAGS", again::flags()?);
        step.run(cargo)?;
        Ok(Outcome::Passed(String::new()))
    });
    if steps.close() { Ok(()) } else { bail!("what is to be packed was not built") }
}

/// Packages, checksums and bills of materials of what is built for a kind of machine with a profile.
fn make(
    version: Option<&str>,
    (architecture, profile): (&Architecture, &str),
    compression: &'static [&'static str],
    into: &Path,
) -> Result<Vec<PathBuf>> {
    let root = env::root()?;
    let text = fs::read_to_string(root.join("packaging/debian/packages.toml")).context("packages.toml")?;
    let recipes: Recipes = toml::from_str(&text).context("packages.toml")?;
    let target = env::target()?;
    let sources = Sources { root, programs: architecture.programs(&target, profile), bpf: target.join("bpf") };
    let release = deb::Release {
        version: version.map_or_else(workspace_version, |version| Ok(version.to_owned()))?,
        epoch: epoch(),
        compression,
    };
    if into.exists() {
        fs::remove_dir_all(into).with_context(|| format!("cannot clear {}", into.display()))?;
    }
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    let mut made = Vec::new();
    for recipe in &recipes.package {
        made.push(deb::pack(&recipes.common, recipe, (&release, architecture), &sources, into)?);
    }
    sbom::write(&release, into)?;
    checksums(into)?;
    Ok(made)
}

fn workspace_version() -> Result<String> {
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(env::root()?.join("Cargo.toml"))?)?;
    let version = manifest.get("workspace").and_then(|w| w.get("package")?.get("version")?.as_str());
    version.map(str::to_owned).context("Cargo.toml says no version")
}

/// The time of the commit, in seconds of Unix; that of the first release where there is no git.
fn epoch() -> String {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    given.or_else(|| env::output("git", &["log", "-1", "--format=%ct"])).unwrap_or_else(|| "1795219200".to_owned())
}

/// SHA256SUMS, as `sha256sum --check` reads it.
fn checksums(folder: &Path) -> Result<()> {
    let mut names: Vec<_> =
        fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let output = Command::new("sha256sum").arg("--").args(&names).current_dir(folder).output()?;
    if !output.status.success() {
        bail!("sha256sum: {}", String::from_utf8_lossy(&output.stderr));
    }
    fs::write(folder.join("SHA256SUMS"), output.stdout)?;
    Ok(())
}

/// Signs the checksums: `ssh-keygen -Y verify -f SIGNERS -I basalt -n file -s SHA256SUMS.sig < SHA256SUMS` checks it.
fn sign(folder: &Path, key: &Path) -> Result<()> {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-Y", "sign", "-n", "file", "-f"]).arg(key).arg(folder.join("SHA256SUMS"));
    checked(command)
}

fn checked(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| format!("`{}` does not run", shown(&command)))?;
    if output.status.success() {
        return Ok(());
    }
    bail!("`{}`: {}", shown(&command), String::from_utf8_lossy(&output.stderr).trim())
}
