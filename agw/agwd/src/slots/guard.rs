//! The guard of a trial: a process of the program that ran before, which looks on and brings that back when the new one fails.
//!
//! ```text
//! settled? -> done     ended or too late? -> failed, ended for good -> the former program again, where nobody else starts it
//! ```

use super::Slots;
use anyhow::Context as _;
use clap::Args;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at whether the trial is settled, milliseconds.
const LOOK: i32 = 250;
/// After the time of the trial, in which the new program gives up by itself.
const GRACE: Duration = Duration::from_secs(10);
/// A daemon that was told to end has so long.
const FAREWELL: Duration = Duration::from_secs(5);
/// Says to a daemon that whoever started it does so again.
const SUPERVISED: [&str; 2] = ["NOTIFY_SOCKET", "BASALT_SUPERVISED"];

/// Arguments of `agwd guard`, which agwd starts by itself.
#[derive(Debug, Clone, Args)]
pub struct GuardArgs {
    /// Folder of the slots.
    #[arg(long)]
    folder: PathBuf,
    /// The command whose trial it is.
    #[arg(long)]
    command: String,
    /// The daemon on trial.
    #[arg(long)]
    pid: i32,
    /// Its time.
    #[arg(long)]
    seconds: u64,
    /// Leave whoever started this without a child.
    #[arg(long)]
    detach: bool,
    /// Words of the daemon.
    #[arg(last = true)]
    words: Vec<OsString>,
}

/// Starts the guard of a trial of this process.
///
/// # Errors
/// It cannot be started: then nothing is to be tried.
pub fn start(slots: &Slots, command: &str, seconds: u64, run_dir: &Path) -> anyhow::Result<()> {
    let log = File::create(run_dir.join("guard.log")).context("the guard's log")?;
    let mut guard = Command::new(super::own_program());
    guard.args(["guard", "--detach", "--command", command, "--folder"]).arg(slots.folder());
    guard.args(["--pid", &std::process::id().to_string(), "--seconds", &seconds.to_string(), "--"]);
    guard.args(super::own_words()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let status = guard.status().context("the guard of the trial cannot be started")?;
    anyhow::ensure!(status.success(), "the guard of the trial does not start: {status}");
    Ok(())
}

/// Looks on until the trial is settled.
///
/// # Errors
/// The former program cannot be started again.
pub fn run(args: &GuardArgs) -> anyhow::Result<()> {
    if args.detach {
        let words = std::env::args_os().skip(1).filter(|word| word != "--detach");
        let mut again = Command::new(super::own_program());
        // A process group of its own: what ends the daemon does not end the guard.
        again.args(words).process_group(0).spawn().context("the guard cannot be started")?;
        return Ok(());
    }
    let slots = Slots::in_folder(args.folder.clone());
    let daemon = Daemon::open(args.pid);
    let until = Instant::now() + Duration::from_secs(args.seconds) + GRACE;
    loop {
        if slots.load().trial.is_none_or(|trial| trial.command != args.command) {
            return Ok(());
        }
        let ended = daemon.ends_within(LOOK);
        if !ended && Instant::now() < until {
            continue;
        }
        let why = if ended { "it ended" } else { "it did not say in time that it is well" };
        tracing::error!(why, "the new version did not do");
        if !slots.change(|state| state.fail(&args.command, why)).context("slots cannot be written")? {
            return Ok(());
        }
        if !ended {
            daemon.end();
        }
        if SUPERVISED.iter().any(|name| std::env::var_os(name).is_some()) {
            return Ok(());
        }
        let state = slots.load();
        let error = Command::new(slots.program(state.active, &state)).args(&args.words).exec();
        return Err(error).context("the former program cannot be started");
    }
}

/// A process that is not ours, held so that its number cannot become another's.
struct Daemon {
    process: Option<OwnedFd>,
    pid: i32,
}

impl Daemon {
    fn open(pid: i32) -> Self {
        // SAFETY: pidfd_open(2) takes plain numbers.
        let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let descriptor = i32::try_from(descriptor).ok().filter(|descriptor| *descriptor >= 0);
        // SAFETY: it was opened just now, and nobody else has it.
        Self { process: descriptor.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }), pid }
    }

    fn ends_within(&self, milliseconds: i32) -> bool {
        let Some(process) = &self.process else { return true };
        let mut wait = libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, alive for the call.
        unsafe { libc::poll(&raw mut wait, 1, milliseconds) > 0 }
    }

    fn end(&self) {
        for (signal, wait) in [(libc::SIGTERM, FAREWELL), (libc::SIGKILL, FAREWELL)] {
            // SAFETY: kill(2) takes two numbers; the process is held, so the number is still its.
            unsafe { libc::kill(self.pid, signal) };
            if self.ends_within(i32::try_from(wait.as_millis()).unwrap_or(5000)) {
                return;
            }
        }
    }
}
