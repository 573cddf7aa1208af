//! The CI step "packages": packed twice alike, read by lintian and systemd, and lived through on a disposable copy of this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{FAST, make};
use crate::steps::{Outcome, Step};
use crate::{demo, env};

/// Versions that the life of a package goes through.
const OLDER: &str = "0.0.1";
const NEWER: &str = "0.0.2";

/// Packs what "build programs" built, and proves the packages.
pub(crate) fn prove(step: &mut Step) -> Result<Outcome> {
    if !["dpkg-deb", "dpkg-shlibdeps", "strip"].into_iter().all(env::has_program) {
        return Ok(Outcome::Skipped("dpkg-dev is not installed".to_owned()));
    }
    let folder = env::target()?.join("package-proof");
    let (older, newer) = (folder.join(OLDER), folder.join(NEWER));
    let made = make(Some(OLDER), demo::PROFILE, FAST, &older)?;
    let first = fs::read(older.join("SHA256SUMS"))?;
    make(Some(OLDER), demo::PROFILE, FAST, &older)?;
    if fs::read(older.join("SHA256SUMS"))? != first {
        bail!("packed twice, the packages differ: {}", older.display());
    }
    make(Some(NEWER), demo::PROFILE, FAST, &newer)?;
    let mut said = vec!["reproducible".to_owned()];
    if env::has_program("lintian") {
        let mut lintian = Command::new("lintian");
        lintian.args(["--fail-on", "error,warning", "--allow-root", "--profile", "debian"]);
        lintian.arg("--suppress-tags-from-file").arg(env::root()?.join("packaging/debian/lintian-known")).args(&made);
        step.run(lintian)?;
        said.push("lintian".to_owned());
    }
    match life(step, &older, &newer)? {
        None => said.push("installed, upgraded, downgraded, removed, purged".to_owned()),
        Some(reason) => said.push(format!("not installed: {reason}")),
    }
    Ok(Outcome::Passed(said.join(", ")))
}

/// Lives through everything on an overlay of this machine that vanishes afterwards; why not, where that is impossible.
fn life(step: &mut Step, older: &Path, newer: &Path) -> Result<Option<String>> {
    let Some(mut unshare) = env::as_root("unshare") else { return Ok(Some("neither root nor sudo".to_owned())) };
    let script = env::root()?.join("packaging/debian/life.sh");
    let absolute = |folder: &Path| folder.canonicalize().with_context(|| folder.display().to_string());
    unshare.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "sh"]);
    unshare.arg(script).arg(absolute(older)?).arg(absolute(newer)?);
    step.run(unshare)?;
    let log = step.log()?;
    Ok(log.lines().find_map(|line| line.strip_prefix("skipped: ").map(str::to_owned)))
}
