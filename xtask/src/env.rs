//! Where things are, and what this machine can do.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The workspace's folder.
pub(crate) fn root() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    folder.map(Path::to_path_buf).context("xtask is not in a workspace")
}

/// Where cargo builds.
pub(crate) fn target() -> Result<PathBuf> {
    let root = root()?;
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder)))
}

/// Cargo, in the workspace's folder.
pub(crate) fn cargo(args: &[&str]) -> Result<Command> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()?).args(args);
    Ok(command)
}

/// What a command prints, if it runs and succeeds.
pub(crate) fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is where programs are looked for. The folders of system tools are looked through even where they
/// are not in `PATH`, as for users on Debian.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(name).is_file())
}

/// Whether this process may do anything.
pub(crate) fn is_root() -> bool {
    output("id", &["-u"]).as_deref() == Some("0")
}

/// Whether CI runs us: no questions, no leniency.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// How to become root, if it is possible without a question.
pub(crate) enum Privilege {
    /// We are.
    Root,
    /// `sudo` may be asked.
    Sudo,
    /// There is no way.
    None,
}

pub(crate) fn privilege() -> Privilege {
    if is_root() {
        return Privilege::Root;
    }
    // Without a terminal nobody can type a password.
    let interactive = std::io::IsTerminal::is_terminal(&std::io::stdin()) && !is_ci();
    if has_program("sudo") && (interactive || output("sudo", &["-n", "true"]).is_some()) {
        Privilege::Sudo
    } else {
        Privilege::None
    }
}

/// A command that runs as root, if there is a way.
pub(crate) fn as_root(program: impl AsRef<std::ffi::OsStr>) -> Option<Command> {
    match privilege() {
        Privilege::Root => Some(Command::new(program)),
        Privilege::Sudo => {
            let mut command = Command::new("sudo");
            command.arg(program);
            Some(command)
        }
        Privilege::None => None,
    }
}
