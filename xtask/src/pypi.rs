//! Programs from PyPI, each in a virtual environment of its own in the target folder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::env;

/// Seconds after which an installation that hangs is killed.
const INSTALLING: &str = "240";

/// A collector of OpenTelemetry that others wrote, for the test of ours.
const COLLECTOR: &str = "rotel==0.0.1a15";

/// Rotel's program, installed where it is not there.
pub(crate) fn collector() -> Result<PathBuf> {
    let venv = install("rotel", COLLECTOR)?;
    let python = venv.join("bin/python").display().to_string();
    let Some(package) = env::output(&python, &["-c", "import rotel; print(rotel.__path__[0])"]) else {
        bail!("{COLLECTOR} cannot be imported");
    };
    let program = PathBuf::from(package.trim()).join("rotel-agent");
    if !program.is_file() {
        bail!("{COLLECTOR} has no {}", program.display());
    }
    Ok(program)
}

/// The environment of a program, where `requirement` (`name==version`) is installed; made where it is not there.
pub(crate) fn install(name: &str, requirement: &str) -> Result<PathBuf> {
    let folder = env::target()?.join(name);
    let (venv, marker) = (folder.join("venv"), folder.join("venv").join(requirement));
    if marker.exists() {
        return Ok(venv);
    }
    std::fs::create_dir_all(&folder)?;
    if env::output("python3", &["-c", "import venv, ensurepip"]).is_none() {
        bail!("python3 makes no virtual environment here: please install python3-venv");
    }
    println!("installing {requirement} from PyPI into {}", venv.display());
    let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status()?;
    let mut pip = Command::new("timeout");
    pip.args(["--kill-after=5", INSTALLING]).arg(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "15", requirement]);
    if !made.success() || !pip.status()?.success() {
        bail!("{requirement} cannot be installed from PyPI here");
    }
    std::fs::write(marker, "")?;
    Ok(venv)
}
