//! A program that runs for this command: found, started with its log, watched, stopped.

use super::folders::Folders;
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

/// A program that was told to stop has so long for it.
const FAREWELL: Duration = Duration::from_secs(30);
/// How much of a log's end is shown, octets and lines.
const TAIL: u64 = 4096;
const LINES: usize = 5;

/// What a program is told.
#[derive(Clone, Copy)]
pub(super) enum Signal {
    /// SIGINT: to `agwd`, that nothing stays.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// One of the two programs.
pub(super) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    /// Where the log was when it started.
    from: u64,
}

impl Child {
    /// Starts it. What it says goes to `lines`, what it logs to a file.
    pub(super) fn start<W: AsRef<OsStr>>(name: &'static str, words: &[W], folders: &Folders) -> Result<Self> {
        let program = find(name)?;
        let log = folders.base.join(format!("{name}.log"));
        let cannot = |error: std::io::Error| {
            let words = format!("{} cannot be written: {error}", log.display());
            Error::usage(words, "use sudo, or name a folder of yours by --state-dir")
        };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).map_err(cannot)?;
        let from = file.metadata().map_err(cannot)?.len();
        let mut command = Command::new(&program);
        // A group of its own: Ctrl-C at the terminal is for this command, which stops both in order.
        command.args(words).process_group(0).kill_on_drop(true).env("BASALT_SUPERVISED", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut process = command.spawn().map_err(|error| {
            let words = format!("{} cannot be started: {error}", program.display());
            Error::usage(words, "build it for this machine: cargo build --profile fast -p agwd -p orchestratord")
        })?;
        let Some(stdout) = process.stdout.take() else {
            return Err(std::io::Error::other("a program without standard output").into());
        };
        Ok(Self { name, process, lines: BufReader::new(stdout).lines(), log, from })
    }

    pub(super) fn log_words(&self) -> String {
        format!("log in {}", self.log.display())
    }

    /// The next line that it says; none, when it ends.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.ok().flatten()
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// It ended by itself.
    pub(super) fn died(&self, status: std::io::Result<ExitStatus>) -> Error {
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let said = self.said();
        let fix = if said.contains("ddress already in use") || said.contains("ddress in use") {
            "something listens there already: stop it (another `basalt up`? `systemctl status agwd orchestratord`), \
             or choose by --listen and --gateway-listen"
                .to_owned()
        } else {
            format!("{} has all of it", self.log.display())
        };
        Error::Refused { code: "failed_precondition", what: format!("{} ended ({how}):\n{said}", self.name), fix }
    }

    /// It is not ready in time.
    pub(super) fn late(&self) -> Error {
        let what = format!("{} is not ready:\n{}", self.name, self.said());
        Error::Unreachable { what, fix: format!("{} has all of it", self.log.display()) }
    }

    /// The last lines of its log, of this run.
    fn said(&self) -> String {
        let read = || {
            let mut file = std::fs::File::open(&self.log)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.from.max(end.saturating_sub(TAIL))))?;
            let mut octets = Vec::new();
            file.read_to_end(&mut octets)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&octets).into_owned())
        };
        let text = read().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default();
        if last.is_empty() { "it said nothing".to_owned() } else { last.join("\n") }
    }

    /// Tells it to stop and waits; one that does not is killed.
    pub(super) async fn stop(&mut self, signal: Signal) {
        if let Some(id) = self.process.id() {
            let name = match signal {
                Signal::Interrupt => "INT",
                Signal::Terminate => "TERM",
            };
            // The shell's own `kill` is wherever there is a shell.
            let told = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &id.to_string()]).status().await;
            let gone = async {
                let _ = self.process.wait().await;
            };
            if told.is_ok_and(|status| status.success()) && tokio::time::timeout(FAREWELL, gone).await.is_ok() {
                return;
            }
        }
        // It has ended already, or does so now.
        let _ = self.process.kill().await;
    }
}

/// Ends the keeper of a gateway that is no more, if there is one: nothing stays behind this command.
pub(super) async fn end_keeper(folders: &Folders) {
    let socket = folders.socket.with_file_name("keeper.sock");
    let Ok(pid) = std::fs::read_to_string(socket.with_extension("pid")) else { return };
    let pid = pid.trim();
    // The number may be another process's by now: it must have been started as the keeper of this socket.
    let started_as = std::fs::read(format!("/proc/{}/cmdline", pid.parse::<u32>().unwrap_or(0))).unwrap_or_default();
    let mut words = started_as.split(|octet| *octet == 0);
    if words.any(|word| word == b"keeper") && words.any(|word| word == socket.as_os_str().as_encoded_bytes()) {
        // It may have ended just now.
        let _ = Command::new("sh").args(["-c", "kill -TERM \"$0\"", pid]).status().await;
    }
}

/// A program: beside this one, or in the path.
pub(in crate::commands) fn find(name: &str) -> Result<PathBuf> {
    let said = std::env::var_os(format!("BASALT_{}", name.to_ascii_uppercase())).map(PathBuf::from);
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(name)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let mut all = said.into_iter().chain(beside).chain(in_path);
    all.find(|path| is_program(path)).ok_or_else(|| {
        let words = format!("{name} is neither beside `basalt` nor in the path");
        Error::usage(
            words,
            "build it (cargo build --profile fast -p agwd -p orchestratord), put all three into one folder",
        )
    })
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
