//! Starting and finding the keeper: the second process of this binary, which owns the SCTP associations, and holds what the software data
//! plane goes on with after a change of the daemon ([`shelf`]).

use crate::config::{Effective, SctpChoice};
use crate::shelf;
use anyhow::{Context as _, bail};
use basalt_sctp::keeper::{Client, Error, ServeConfig, Welcome};
use basalt_sctp::{Backend, Config};
use clap::Args;
use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::Instant;

/// Arguments of `agwd keeper`, which agwd starts by itself.
#[derive(Debug, Clone, Args)]
pub struct KeeperArgs {
    /// Unix socket to serve on.
    #[arg(long)]
    pub socket: PathBuf,
    /// Addresses to serve S1AP on.
    #[arg(long = "listen", required = true)]
    pub listen: Vec<IpAddr>,
    /// S1AP port.
    #[arg(long, default_value_t = 36412)]
    pub port: u16,
    /// auto, kernel, raw-ip or udp:PORT.
    #[arg(long, default_value = "auto")]
    pub sctp: String,
    /// Most base stations at a time.
    #[arg(long, default_value_t = 4096)]
    pub associations: usize,
}

/// Runs the keeper until SIGTERM.
///
/// # Errors
/// When S1AP cannot be served.
pub fn run(args: &KeeperArgs) -> anyhow::Result<()> {
    let backend = match args.sctp.as_str() {
        "auto" => Backend::Auto,
        "kernel" => Backend::Kernel,
        "raw-ip" => Backend::RawIp,
        other => match other.strip_prefix("udp:").map(str::parse) {
            Some(Ok(port)) => Backend::Udp { port },
            _ => bail!("`{other}` is none of auto, kernel, raw-ip, udp:PORT"),
        },
    };
    let mut config = Config::s1ap_listener(args.listen.clone()).with_backend(backend).with_port(args.port);
    config.max_associations = args.associations;
    let pid_file = pid_file(&args.socket);
    std::fs::write(&pid_file, std::process::id().to_string())
        .with_context(|| format!("cannot write {}", pid_file.display()))?;
    if let Err(error) = shelf::serve(&shelf::of(&args.socket)) {
        tracing::warn!(%error, "no shelf: a data plane in the daemon loses packets while the daemon changes");
    }
    let ran = basalt_sctp::keeper::run(ServeConfig::new([config]), &args.socket);
    // The file may be gone already; nobody needs it any more.
    let _ = std::fs::remove_file(&pid_file);
    ran.context("the keeper cannot serve S1AP")
}

fn pid_file(socket: &Path) -> PathBuf {
    socket.with_extension("pid")
}

/// How long a fresh keeper may take until it answers.
const START: Duration = Duration::from_secs(10);

/// Connects to the keeper, and starts it first when there is none.
///
/// # Errors
/// When the keeper does not start; its own words are in the error.
pub async fn connect(effective: &Effective) -> anyhow::Result<(Client, Welcome)> {
    let socket = effective.keeper_socket();
    match Client::connect(&socket).await {
        Ok(connected) => return Ok(connected),
        Err(Error::Io { .. } | Error::Disconnected) => {}
        Err(error) => return Err(error).context("the keeper refuses this daemon"),
    }
    let log = effective.run_dir.join("keeper.log");
    let mut child = spawn(effective, &socket, &log)?;
    let deadline = Instant::now() + START;
    let mut poll = tokio::time::interval(Duration::from_millis(5));
    loop {
        poll.tick().await;
        if let Ok(connected) = Client::connect(&socket).await {
            return Ok(connected);
        }
        if let Some(status) = child.try_wait().context("cannot watch the keeper")? {
            let words = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = words.trim().lines().rev().take(4).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!("the keeper ended at once ({status}):\n{}", last.join("\n"));
        }
        if Instant::now() > deadline {
            bail!("the keeper does not answer on {}; see {}", socket.display(), log.display());
        }
    }
}

fn spawn(effective: &Effective, socket: &Path, log: &Path) -> anyhow::Result<Child> {
    let program = crate::slots::own_program();
    let log_file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.arg("keeper").arg("--socket").arg(socket).arg("--port").arg(effective.port.to_string());
    for address in &effective.listen {
        command.arg("--listen").arg(address.to_string());
    }
    let sctp = match effective.sctp {
        SctpChoice::Auto => "auto".to_owned(),
        SctpChoice::Kernel => "kernel".to_owned(),
        SctpChoice::RawIp => "raw-ip".to_owned(),
        SctpChoice::Udp(port) => format!("udp:{port}"),
    };
    command.arg("--sctp").arg(sctp).arg("--associations").arg(effective.limits.links.to_string());
    // A process group of its own: what ends the daemon does not end the keeper.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file).process_group(0);
    command.spawn().context("cannot start the keeper")
}

/// The keeper of this configuration, if one runs. The number in the file may be another process's by now: it must have been
/// started as the keeper of this socket.
fn running(effective: &Effective) -> Option<i32> {
    let socket = effective.keeper_socket();
    let pid: i32 = std::fs::read_to_string(pid_file(&socket)).ok()?.trim().parse().ok()?;
    let started_as = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = started_as.split(|octet| *octet == 0);
    let ours = words.any(|word| word == b"keeper") && words.any(|word| word == socket.as_os_str().as_encoded_bytes());
    ours.then_some(pid)
}

/// Enters the mount namespace of a keeper that runs: what the last daemon pinned (programs and maps that forward packets right
/// now) is mounted there. Matters where each start has a mount namespace of its own, as under
/// `ip netns exec`, and what is pinned is on a mount of that namespace alone. Must be called
/// before any thread exists; relative paths mean something else afterwards.
pub fn join_mounts(effective: &Effective) {
    let Some(pid) = running(effective) else { return };
    let theirs = format!("/proc/{pid}/ns/mnt");
    let same = std::fs::read_link(&theirs).ok() == std::fs::read_link("/proc/self/ns/mnt").ok();
    if same || agw_dataplane::is_bpf_filesystem(&effective.pin_dir) {
        return;
    }
    let joined = File::open(&theirs).and_then(|namespace| {
        // SAFETY: setns(2) takes an open descriptor and a flag.
        match unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNS) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    });
    match joined {
        Ok(()) => tracing::debug!(keeper = pid, "in the keeper's mount namespace"),
        Err(error) => {
            tracing::warn!(%error, "cannot enter the keeper's mount namespace: what is pinned there is not seen")
        }
    }
}

/// Ends the keeper, and with it every association.
pub fn stop(effective: &Effective) {
    if let Some(pid) = running(effective) {
        // SAFETY: kill(2) takes two numbers.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}
