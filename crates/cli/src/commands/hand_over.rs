//! Commands that a daemon's own program does on its machine: it knows its settings and its database, this command does not.

use super::up::find;
use crate::args::{Format, Of};
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use tokio::process::Command;

/// Settings that the packages put there.
const ORCHESTRATOR: &str = "/etc/basalt/orchestratord.toml";
/// What its unit has in its environment: the database's address, perhaps the sealing key.
const ENVIRONMENT: &str = "/etc/basalt/orchestratord.env";
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
    let mut command = Command::new(&path);
    if program == "orchestratord" {
        command.envs(environment(&std::fs::read_to_string(ENVIRONMENT).unwrap_or_default()));
    }
    let status = command.args(words).status().await.map_err(|error| {
        Error::usage(format!("{} cannot be run: {error}", path.display()), "install basalt-orchestrator or basalt-feg")
    })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Error::USAGE))
}

/// The variables of an environment file (systemd.exec(5)) that are not set here already.
fn environment(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let unset = pairs.filter(|(name, _)| std::env::var_os(name).is_none());
    let plain = |value: &str| {
        let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        inner.unwrap_or(value).to_owned()
    };
    unset.map(|(name, value)| (name.trim().to_owned(), plain(value.trim()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_environment_is_read_and_what_is_set_stays() {
        let text = "# ours\nBASALT_TEST_A=postgres://u:p=1@h/x\n; no\nBASALT_TEST_B = \"b c\"\nPATH=/nowhere\n\nword\n";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(environment(text), [pair("BASALT_TEST_A", "postgres://u:p=1@h/x"), pair("BASALT_TEST_B", "b c")]);
    }
}
