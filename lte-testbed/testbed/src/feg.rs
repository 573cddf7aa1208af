//! A federation gateway that has joined an orchestrator, beside the gateway of a lab.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::gateway::program;
use crate::home::spawn;
use crate::lab::Lab;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub struct Feg {
    lab: Lab,
    number: u16,
    child: Option<Child>,
}

impl Feg {
    /// Starts one, numbered from 1, which joins with a token.
    ///
    /// # Errors
    /// The executable is not there, or does not start.
    pub fn start(lab: &Lab, number: u16, token: &str) -> Result<Self> {
        let feg = Self { lab: lab.clone(), number, child: None };
        let (state, control) = (lab.directory().join(format!("feg{number}")), feg.socket());
        let (metrics, listen) = (9_110 + number, feg.address());
        let text = format!(
            "token = \"{token}\"\nstate_dir = {state:?}\ncontrol = {control:?}\nmetrics = \"127.0.0.1:{metrics}\"\n\
             [gateways]\nlisten = \"{listen}\"\n"
        );
        crate::gateway::write_private(&feg.config(), &text)?;
        let mut feg = feg;
        feg.again()?;
        Ok(feg)
    }

    /// Where gateways reach it straight.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", 8_490 + self.number)
    }

    fn config(&self) -> std::path::PathBuf {
        self.lab.directory().join(format!("fegd{}.toml", self.number))
    }

    fn socket(&self) -> std::path::PathBuf {
        self.lab.directory().join(format!("fegd{}.sock", self.number))
    }

    /// Starts it again.
    ///
    /// # Errors
    /// It does not start.
    pub fn again(&mut self) -> Result<()> {
        let program = program("BASALT_FEGD", "fegd")?;
        self.child = Some(spawn(&self.lab, "fegd", program, &["--config"], self.config(), false)?);
        Ok(())
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Runs the `basalt` command against it.
    ///
    /// # Errors
    /// The command fails; what it said is in the error.
    pub fn basalt(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(program("BASALT_CLI", "basalt")?);
        command.arg("--socket").arg(self.socket()).args(words).stdin(Stdio::null());
        let output = command.output().context("running basalt")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "basalt {}: {}", words.join(" "), said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Its peers.
    ///
    /// # Errors
    /// It does not answer.
    pub fn peers(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.basalt(&["-o", "json", "get", "peers"])?)?)
    }

    /// How many answers of home networks it has had.
    ///
    /// # Errors
    /// It does not answer.
    pub fn answers(&self) -> Result<u64> {
        Ok(self.peers()?.as_array().into_iter().flatten().filter_map(|peer| peer["answers"].as_u64()).sum())
    }

    /// Waits until its peer is up.
    ///
    /// # Errors
    /// It is not in time.
    pub fn wait_for_peer(&mut self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if self.peers().is_ok_and(|peers| peers[0]["up"] == true) {
                return Ok(());
            }
            let ended = self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || Instant::now() >= deadline {
                let log = std::fs::read_to_string(self.lab.directory().join("home.log")).unwrap_or_default();
                bail!("federation gateway {} has no peer:\n{log}", self.number);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Feg {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.kill();
    }
}
