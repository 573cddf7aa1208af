//! Whether packages can be made again, octet for octet, from the same commit in another folder (`cargo xtask package --twice`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Options, checked};
use crate::env;

/// Builds everything once more in a clone elsewhere, with nothing that is built here, and compares the checksums.
pub(super) fn prove(options: &Options, made: &Path) -> Result<()> {
    let changed =
        env::output("git", &["status", "--porcelain", "--untracked-files=no"]).context("this is no git checkout")?;
    if !changed.is_empty() {
        bail!("only what is committed can be made again, and there are changes:\n{changed}");
    }
    let elsewhere = Path::new("/var/tmp").join(format!("basalt-again-{}", std::process::id()));
    fs::create_dir(&elsewhere).with_context(|| format!("cannot make {}", elsewhere.display()))?;
    let clone = elsewhere.join("basalt");
    checked({
        let mut git = Command::new("git");
        git.args(["clone", "--quiet"]).arg(env::root()?).arg(&clone);
        git
    })?;
    println!("once more, in {}: this takes as long as the first time, and some gigabytes", clone.display());
    let mut cargo = env::cargo(&["run", "--quiet", "--package", "xtask", "--", "package"])?;
    cargo.current_dir(&clone).env("CARGO_TARGET_DIR", clone.join("target"));
    for (name, value) in [("--architecture", &options.architecture), ("--version", &options.version)] {
        if let Some(value) = value {
            cargo.args([name, value]);
        }
    }
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("it could not be built a second time, in {}: look there, then remove it", clone.display());
    }
    let sums = |folder: &Path| fs::read_to_string(folder.join("SHA256SUMS"));
    let (first, second) = (sums(made)?, sums(&clone.join("target/package"))?);
    let differing: Vec<&str> = first.lines().filter(|line| !second.lines().any(|other| other == *line)).collect();
    if !differing.is_empty() {
        bail!("not the same a second time (the other is kept in {}):\n{}", clone.display(), differing.join("\n"));
    }
    fs::remove_dir_all(&elsewhere)?;
    println!("the same a second time: {} files", first.lines().count());
    Ok(())
}

/// Flags that keep the folders of this machine out of programs (panics name the sources of dependencies), as
/// `CARGO_ENCODED_RUSTFLAGS` wants them.
pub(super) fn flags() -> Result<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("there is no home folder")?;
    // The longer path last: the last that fits counts.
    let folders = [(home, "/usr/src/cargo"), (env::root()?, "/usr/src/basalt"), (env::target()?, "/usr/src/target")];
    let said = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut flags: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    flags.extend(folders.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    Ok(flags.join("\u{1f}"))
}
