//! The CI step "packages": packed twice alike, read by lintian and systemd, and lived through on a bare Debian that has what they
//! depend on and nothing else; where none can be made, on a disposable copy of this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cross::Architecture;
use super::{FAST, make};
use crate::steps::{Outcome, Step};
use crate::{demo, env};

/// Versions that the life of a package goes through.
const OLDER: &str = "0.0.1";
const NEWER: &str = "0.0.2";

/// Packs what "build" built, and proves the packages.
pub(crate) fn prove(step: &mut Step) -> Result<Outcome> {
    if !["dpkg-deb", "dpkg-shlibdeps", "strip"].into_iter().all(env::has_program) {
        return Ok(Outcome::Skipped("dpkg-dev is not installed".to_owned()));
    }
    let folder = env::target()?.join("package-proof");
    let (older, newer) = (folder.join(OLDER), folder.join(NEWER));
    let own = Architecture::own()?;
    let built = (&own, demo::folder());
    let made = make(Some(OLDER), built, FAST, &older)?;
    let first = fs::read(older.join("SHA256SUMS"))?;
    make(Some(OLDER), built, FAST, &older)?;
    if fs::read(older.join("SHA256SUMS"))? != first {
        bail!("packed twice, the packages differ: {}", older.display());
    }
    make(Some(NEWER), built, FAST, &newer)?;
    let mut said = vec!["reproducible".to_owned()];
    if env::has_program("lintian") {
        let mut lintian = Command::new("lintian");
        lintian.args(["--fail-on", "error,warning", "--allow-root", "--profile", "debian"]);
        lintian.arg("--suppress-tags-from-file").arg(env::root()?.join("packaging/debian/lintian-known")).args(&made);
        step.run(lintian)?;
        said.push("lintian".to_owned());
    }
    let (system, which) = match bare(step, &folder, &made)? {
        Ok(system) => (system, "a bare Debian".to_owned()),
        Err(why) => (PathBuf::from("/"), format!("a copy of this machine ({why})")),
    };
    match life(step, &older, &newer, &system)? {
        None => said.push(format!("installed, upgraded, downgraded, removed, purged on {which}")),
        Some(reason) => said.push(format!("not installed: {reason}")),
    }
    Ok(Outcome::Passed(said.join(", ")))
}

/// A bare Debian of this machine's release with what the packages depend on, kept for the next time; why not, where there is none.
fn bare(step: &mut Step, folder: &Path, packages: &[PathBuf]) -> Result<Result<PathBuf, String>> {
    let is_root = env::output("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if !is_root || !env::has_program("debootstrap") {
        return Ok(Err("debootstrap and root are needed for a bare one".to_owned()));
    }
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("stable").to_owned();
    let sites = env::output("apt-get", &["indextargets", "--format", "$(CODENAME) $(SITE)", "Created-By: Packages"]);
    let sites = sites.unwrap_or_default();
    let Some(site) = sites.lines().find_map(|line| line.strip_prefix(&format!("{suite} "))) else {
        return Ok(Err("apt knows no source of this release".to_owned()));
    };
    let names = dependencies(packages)?;
    let system = folder.join(format!("bare-{suite}"));
    let list = folder.join(format!("bare-{suite}.list"));
    if fs::read_to_string(&list).is_ok_and(|kept| kept == names) {
        return Ok(Ok(system));
    }
    if system.exists() {
        fs::remove_dir_all(&system)?;
    }
    let mut make = Command::new("debootstrap");
    make.args(["--variant=minbase", &format!("--include={names}"), &suite]).arg(&system).arg(site);
    if step.run(make).is_err() {
        return Ok(Err("debootstrap failed, see the log".to_owned()));
    }
    fs::write(&list, names)?;
    Ok(Ok(system))
}

/// Names of what the packages depend on besides each other, as debootstrap wants them.
fn dependencies(packages: &[PathBuf]) -> Result<String> {
    let mut names = std::collections::BTreeSet::new();
    for package in packages {
        let output = Command::new("dpkg-deb").arg("--field").arg(package).arg("Depends").output()?;
        let text = String::from_utf8(output.stdout).context("Depends")?;
        let first = |one: &str| one.split(['|', '(', ':']).next().unwrap_or_default().trim().to_owned();
        names.extend(text.split(',').map(first).filter(|name| !name.is_empty() && !name.starts_with("basalt-")));
    }
    Ok(names.into_iter().collect::<Vec<_>>().join(","))
}

/// Lives through everything on an overlay of a system that vanishes afterwards; why not, where that is impossible.
fn life(step: &mut Step, older: &Path, newer: &Path, system: &Path) -> Result<Option<String>> {
    let Some(mut unshare) = env::as_root("unshare") else { return Ok(Some("neither root nor sudo".to_owned())) };
    let script = env::root()?.join("packaging/debian/life.sh");
    let absolute = |folder: &Path| folder.canonicalize().with_context(|| folder.display().to_string());
    unshare.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "sh"]);
    unshare.arg(script).arg(absolute(older)?).arg(absolute(newer)?).arg(absolute(system)?);
    step.run(unshare)?;
    let log = step.log()?;
    Ok(log.lines().find_map(|line| line.strip_prefix("skipped: ").map(str::to_owned)))
}
