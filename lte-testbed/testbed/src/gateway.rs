//! A gateway in the lab: its configuration, its process, and what an operator can see of it.
//!
//! The testbed knows the gateway by its executable, its configuration file, the `basalt` command and its Prometheus port, as
//! any operator does; by nothing else.

mod config;
mod measure;
mod operator;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use self::config::configuration;
pub use self::config::set;
pub use self::measure::Usage;
pub(crate) use self::measure::usage;
pub(crate) use self::operator::write_private;
pub use self::operator::{Lasting, subscribers};
use crate::lab::{Lab, NetNs, Process};
use crate::{stop, sys};

/// How long a gateway may take to start.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct GatewaySetup {
    /// Configuration beyond the lab's own.
    pub settings: Table,
    /// Where it keeps its state.
    pub state_dir: PathBuf,
    /// SCTP over UDP and the software data plane: what works without root.
    pub unprivileged: bool,
}

/// A gateway that was started.
#[derive(Debug)]
pub struct Gateway {
    ns: NetNs,
    child: Option<Child>,
    directory: PathBuf,
    programs: Programs,
    lab: Lab,
    /// The gateway's output is shown in errors.
    log: PathBuf,
}

#[derive(Clone, Debug)]
struct Programs {
    agwd: PathBuf,
    basalt: PathBuf,
}

impl Gateway {
    /// Writes the configuration, starts the daemon in the lab's gateway namespace and waits until it answers.
    ///
    /// # Errors
    /// The executables are not there, or the daemon does not come up; its last words are in the error.
    pub fn start(lab: &Lab, setup: &GatewaySetup) -> Result<Self> {
        let making = stop::making();
        let directory = lab.directory();
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        fs::create_dir_all(&setup.state_dir).with_context(|| format!("making {}", setup.state_dir.display()))?;
        fs::set_permissions(&setup.state_dir, fs::Permissions::from_mode(0o700))?;
        lab.remember_directory(directory.clone())?;
        let config = configuration(setup, &directory)?;
        fs::write(directory.join("agwd.toml"), toml::to_string(&config)?)?;
        let log = directory.join("agwd.log");
        let mut gateway =
            Self { ns: lab.agw.clone(), child: None, directory, programs: Programs::find()?, lab: lab.clone(), log };
        drop(making);
        gateway.launch()?;
        Ok(gateway)
    }

    /// Starts the daemon again, with the configuration it had.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn launch(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Changes a setting (keys joined by dots) for the next start.
    ///
    /// # Errors
    /// The configuration file cannot be read or written.
    pub fn configure(&self, path: &str, value: Value) -> Result<()> {
        let file = self.directory.join("agwd.toml");
        let mut config: Table = toml::from_str(&fs::read_to_string(&file)?)?;
        set(&mut config, path, value)?;
        Ok(fs::write(file, toml::to_string(&config)?)?)
    }

    /// Starts the daemon, and does not wait until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let (agwd, config) = (self.programs.agwd.clone(), self.directory.join("agwd.toml"));
        let making = stop::making();
        let child = self.ns.run(move || {
            let mut command = Command::new(&agwd);
            command.arg("--config").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            // Its own group: a Ctrl-C at the terminal is for the testbed, which ends the gateway in order.
            command.process_group(0);
            command.spawn().with_context(|| format!("starting {}", agwd.display()))
        })?;
        if let Some(process) = Process::find(child.id(), "agwd") {
            self.lab.remember(process)?;
        }
        drop(making);
        self.child = Some(child);
        Ok(())
    }

    /// Waits until the daemon answers.
    ///
    /// # Errors
    /// It has ended, or takes too long; its last words are in the error.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if self.metrics().is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("agwd ended with {status}:\n{}", self.last_words());
            }
            if Instant::now() >= deadline {
                bail!("agwd did not get ready in {} s:\n{}", START_LIMIT.as_secs(), self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the daemon as a crash would. What outlives it, outlives it.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the gateway is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks the daemon to end for a restart (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// It was not running, or does not end.
    pub fn stop_for_restart(&mut self) -> Result<()> {
        self.end(libc::SIGTERM)
    }

    /// Asks the daemon to take everything down (SIGINT) and waits for it.
    ///
    /// # Errors
    /// It was not running, or does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.end(libc::SIGINT)
    }

    fn end(&mut self, signal: libc::c_int) -> Result<()> {
        let mut child = self.child.take().context("the gateway is not running")?;
        sys::signal(child.id(), signal)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        bail!("agwd did not end within 5 s of signal {signal}:\n{}", self.last_words())
    }

    /// Leaves the daemon to itself: it runs on when this value is gone, until its lab goes.
    pub fn leave_running(mut self) {
        drop(self.child.take());
    }

    /// Whether the daemon still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// The daemon's process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The end of what the daemon wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// All that the daemon wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agwd.sock")
    }

    /// The executable of the `basalt` command.
    #[must_use]
    pub fn command(&self) -> &Path {
        &self.programs.basalt
    }

    /// The executable of the daemon.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.programs.agwd
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.stop();
        }
    }
}

impl Programs {
    /// Beside this executable, or where the environment says.
    fn find() -> Result<Self> {
        Ok(Self { agwd: program("BASALT_AGWD", "agwd")?, basalt: program("BASALT_CLI", "basalt")? })
    }
}

/// An executable beside this one, or where the environment says.
pub(crate) fn program(variable: &str, name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.parent().context("this executable is nowhere")?;
    let path = std::env::var_os(variable).map_or_else(|| directory.join(name), PathBuf::from);
    if !path.is_file() {
        bail!("there is no {}: build it (`cargo xtask demo` does), or set {variable}", path.display());
    }
    Ok(path)
}
