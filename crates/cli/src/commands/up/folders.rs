//! Where `basalt up` keeps what it needs, and the gateway's configuration for whoever has none.

use crate::args::Up;
use crate::error::{Error, Result};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where a gateway's configuration is, on a machine that has one.
const USUAL: &str = "/etc/basalt/agwd.toml";

/// Folders and files.
pub(super) struct Folders {
    /// Logs, and everything that has no other place.
    pub(super) base: PathBuf,
    /// Of the orchestrator.
    pub(super) orchestrator: PathBuf,
    pub(super) gateway_config: PathBuf,
    /// The gateway's control socket.
    pub(super) socket: PathBuf,
}

impl Folders {
    /// Makes what is not there.
    pub(super) fn prepare(up: &Up) -> Result<Self> {
        let base = std::path::absolute(up.state_dir.clone().unwrap_or_else(usual_base))?;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&base);
        made.map_err(|error| {
            let words = format!("{} cannot be made: {error}", base.display());
            Error::usage(words, "use sudo, or name a folder of yours by --state-dir")
        })?;
        let said = up.gateway_config.clone().or_else(|| {
            let usual = PathBuf::from(USUAL);
            (up.state_dir.is_none() && usual.exists()).then_some(usual)
        });
        let (gateway_config, run) = match said {
            Some(config) => {
                let run = run_dir(&config)?;
                (config, run)
            }
            None => written(&base, up.state_dir.is_none() && is_root())?,
        };
        Ok(Self { orchestrator: base.join("orchestrator"), base, gateway_config, socket: run.join("agwd.sock") })
    }
}

/// The same folder as that of the programs by themselves.
fn usual_base() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/lib/basalt");
    }
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    home.join(".local/share/basalt")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Writes a gateway's configuration for the test network 001-01, unless it was written before: whoever changed it meant it.
fn written(base: &Path, of_machine: bool) -> Result<(PathBuf, PathBuf)> {
    let config = base.join("agwd.toml");
    if config.exists() {
        let run = run_dir(&config)?;
        return Ok((config, run));
    }
    let run = if of_machine { PathBuf::from("/run/basalt") } else { base.join("run") };
    let text = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let words = format!(
        "# Written by `basalt up`, and kept as you change it. What the orchestrator says goes before it.\n\
         state_dir = {}\nrun_dir = {}\n\n[network]\nplmns = [\"001-01\"]\ntacs = [1]\n",
        text(&base.join("gateway")),
        text(&run)
    );
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&config)?;
    file.write_all(words.as_bytes())?;
    Ok((config, run))
}

/// Where a gateway with this configuration has its socket.
fn run_dir(config: &Path) -> Result<PathBuf> {
    let wrong = |why: String| {
        let words = format!("{} is no configuration of a gateway: {why}", config.display());
        Error::usage(words, "`agwd --check --config FILE` tells more")
    };
    let text = std::fs::read_to_string(config).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let said = table.get("run_dir").and_then(toml::Value::as_str);
    Ok(said.map_or_else(|| PathBuf::from("/run/basalt"), PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_written_once_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (config, run) = written(folder.path(), false).unwrap();
        assert_eq!(run, folder.path().join("run"));
        assert_eq!(run_dir(&config).unwrap(), run);
        let changed = std::fs::read_to_string(&config).unwrap().replace("/run\"", "/elsewhere\"");
        std::fs::write(&config, &changed).unwrap();
        assert_eq!(written(folder.path(), false).unwrap().1, folder.path().join("elsewhere"));
        assert_eq!(std::fs::read_to_string(&config).unwrap(), changed);
        std::fs::write(&config, "x = [").unwrap();
        assert_eq!(written(folder.path(), false).unwrap_err().exit_code(), 2);
    }
}
