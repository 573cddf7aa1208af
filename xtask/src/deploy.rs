//! `cargo xtask deploy`: the chart rendered by Helm's own SDK and checked by Kubernetes' schemas, the other files of `deploy/` read.
//!
//! Helm is no package of Debian's; its SDK and the schemas come from PyPI, into an environment of their own below `target`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::env;
use crate::steps::{Outcome, Step};

/// The step of CI. Skipped where there is neither Python nor a registry.
pub(crate) fn check(step: &mut Step) -> Result<Outcome> {
    let python = match tools()? {
        Ok(python) => python,
        Err(reason) => return Ok(Outcome::Skipped(reason)),
    };
    let mut check = Command::new(python);
    check.arg(env::root()?.join("deploy/helm/check.py"));
    step.run(check)?;
    let log = step.log()?;
    let last = log.lines().filter(|line| line.starts_with("chart")).count();
    Ok(Outcome::Passed(format!("{last} renderings and mistakes of the chart")))
}

/// At a terminal.
pub(crate) fn run() -> Result<bool> {
    match tools()? {
        Ok(python) => Ok(Command::new(python).arg(env::root()?.join("deploy/helm/check.py")).status()?.success()),
        Err(reason) => bail!("{reason}"),
    }
}

/// Python with what is needed, or why there is none.
fn tools() -> Result<Result<PathBuf, String>> {
    let wanted = env::root()?.join("deploy/helm/requirements.txt");
    let folder = env::target()?.join("deploy");
    let (python, mark) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let said = std::fs::read_to_string(&wanted)?;
    if std::fs::read_to_string(&mark).is_ok_and(|had| had == said) && python.exists() {
        return Ok(Ok(python));
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output();
    if !made.is_ok_and(|output| output.status.success()) {
        return Ok(Err("python3 with venv is not installed".to_owned()));
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    let installed = install.output()?;
    if !installed.status.success() {
        return Ok(Err("Helm's SDK cannot be had: no registry of Python packages is reached".to_owned()));
    }
    std::fs::write(mark, said)?;
    Ok(Ok(python))
}
