//! Commands that a daemon's own program does on its machine: it knows its settings and its database, this command does not.

use super::up::find;
use crate::args::{Format, Of};
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use tokio::process::Command;

/// Settings that the packages put there.
const ORCHESTRATOR: &str = "/etc/basalt/orchestratord.toml";
const FEG: &str = "/etc/basalt/fegd.toml";

/// `PROGRAM VERB WORDS…`, at this terminal; its exit code. Without `--config` it has the settings of the packages, where they are.
pub(super) async fn run(program: &'static str, verb: &str, words: &[OsString]) -> Result<u8> {
    let mut all = vec![OsString::from(verb)];
    let named = words.iter().any(|word| word == "--config" || word.to_string_lossy().starts_with("--config="));
    if !named && verb != "init" && Path::new(ORCHESTRATOR).exists() {
        all.extend(["--config".into(), ORCHESTRATOR.into()]);
    }
    all.extend_from_slice(words);
    start(program, &all).await
}

/// The diagnosis of an orchestrator or a federation gateway.
pub(super) async fn doctor(of: Of, config: Option<&Path>, output: Format) -> Result<u8> {
    let (program, usual) = if of == Of::Feg { ("fegd", FEG) } else { ("orchestratord", ORCHESTRATOR) };
    let mut words = vec![OsString::from("doctor")];
    let usual = Some(Path::new(usual)).filter(|path| path.exists());
    if let Some(config) = config.or(usual) {
        words.extend(["--config".into(), config.into()]);
    }
    if output == Format::Json {
        words.push("--json".into());
    }
    start(program, &words).await
}

async fn start(program: &'static str, words: &[impl AsRef<OsStr>]) -> Result<u8> {
    let path = find(program)?;
    let status = Command::new(&path).args(words).status().await.map_err(|error| {
        Error::usage(format!("{} cannot be run: {error}", path.display()), "install basalt-orchestrator or basalt-feg")
    })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Error::USAGE))
}
