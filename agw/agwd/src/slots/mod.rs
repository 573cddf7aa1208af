//! Programs of this gateway: the installed one and two slots, of which one runs.
//!
//! ```text
//! STATE_DIR/slots/state.json     what runs, what is tried, what became of it
//!                 a/agwd b/agwd  programs that the orchestrator sent
//!                 incoming/      what has come of the next one
//! ```
//!
//! The installed program (a package's, as a rule) is what the system starts. It hands over to a slot's, if one is in use and its file is
//! whole; so whatever becomes of the slots, the gateway starts. A new program begins in place of the running one (phones stay: keeper,
//! data plane and store do), on trial: a [`mod@guard`] of the program before it looks on, and brings that back when the new one ends, hangs,
//! or does not say within its time that it is well ([`trial`]).

mod guard;
mod state;
pub mod trial;

pub use guard::{GuardArgs, run as guard, start as start_guard};
pub use state::{Before, Installed, Package, Place, State, Trial};

use crate::version;
use anyhow::Context as _;
use basalt_release::{Digester, hex};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tells the installed program that it is the one on trial, and of which command: nobody else started it.
const TRIAL: &str = "BASALT_TRIAL";

/// The folder of the slots.
#[derive(Debug, Clone)]
pub struct Slots {
    folder: PathBuf,
}

impl Slots {
    /// Those of a gateway by its folder of state.
    pub fn of(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("slots") }
    }

    /// Those in a folder.
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is known of them. A file that cannot be read is as none: the installed program runs then.
    pub fn load(&self) -> State {
        let read = || serde_json::from_slice(&std::fs::read(self.folder.join("state.json")).ok()?).ok();
        read().unwrap_or_default()
    }

    /// Changes what is known, one after the other.
    ///
    /// # Errors
    /// The disk's.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> io::Result<T> {
        self.make(&self.folder)?;
        let lock = File::create(self.folder.join("lock"))?;
        // SAFETY: flock(2) takes an open descriptor and a flag; the lock ends with the descriptor.
        if unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut state = self.load();
        let answer = change(&mut state);
        let written = self.folder.join("state.json.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&written)?;
        file.write_all(&serde_json::to_vec_pretty(&state)?)?;
        file.sync_all()?;
        std::fs::rename(&written, self.folder.join("state.json"))?;
        File::open(&self.folder)?.sync_all()?;
        Ok(answer)
    }

    /// A slot's program; the package's, as it was, for the package.
    pub fn program(&self, place: Place, state: &State) -> PathBuf {
        match (place.folder(), &state.package) {
            (Some(slot), _) => self.folder.join(slot).join("agwd"),
            (None, Some(package)) => package.program.clone(),
            (None, None) => own_program(),
        }
    }

    /// Whether a program is one of a slot.
    fn holds(&self, program: &Path) -> bool {
        std::path::absolute(&self.folder).is_ok_and(|folder| program.starts_with(folder))
    }

    /// Begins a trial, and remembers the installed program if that is the one that runs.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(&self, trial: Trial) -> io::Result<()> {
        let program = own_program();
        let package = (!self.holds(&program)).then(|| Package { program, version: version::version().to_owned() });
        self.change(|state| {
            state.package = package.or_else(|| state.package.take());
            state.begin(trial);
        })
    }

    /// The file into which a program comes, by its digest.
    ///
    /// # Errors
    /// The disk's.
    pub fn incoming(&self, sha256: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join("incoming");
        self.make(&folder)?;
        let wanted = folder.join(format!("{sha256}.part"));
        // What was begun of others is not gone on with.
        for entry in std::fs::read_dir(&folder)?.flatten().filter(|entry| entry.path() != wanted) {
            std::fs::remove_file(entry.path())?;
        }
        Ok(wanted)
    }

    /// Puts a program that has come, whose digest was found right, into a slot.
    ///
    /// # Errors
    /// The disk's.
    pub fn install(&self, incoming: &Path, place: Place, installed: &Installed) -> io::Result<PathBuf> {
        let slot = place.folder().ok_or_else(|| io::Error::other("a package is not installed so"))?;
        let folder = self.folder.join(slot);
        self.make(&folder)?;
        let program = folder.join("agwd");
        let file = OpenOptions::new().read(true).open(incoming)?;
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(incoming, &program)?;
        File::open(&folder)?.sync_all()?;
        self.change(|state| state.installed.insert(place, installed.clone()))?;
        Ok(program)
    }

    fn make(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    /// Whether a slot's file is what was put there.
    fn is_whole(&self, place: Place, state: &State) -> bool {
        let digest = digest_of(&self.program(place, state)).map(|(digest, _)| hex(&digest));
        let wanted = state.installed.get(&place).map(|installed| installed.sha256.as_str());
        digest.is_ok_and(|digest| Some(digest.as_str()) == wanted)
    }
}

/// SHA-256 and length of a file.
///
/// # Errors
/// The disk's.
pub fn digest_of(path: &Path) -> io::Result<([u8; 32], u64)> {
    let mut file = File::open(path)?;
    let (mut digest, mut length, mut buffer) = (Digester::default(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((digest.finish(), length));
        }
        digest.update(buffer.get(..read).unwrap_or_default());
        length += read as u64;
    }
}

/// This program's file, also when another one was put in its place meanwhile.
pub fn own_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| "agwd".into());
    match own.to_str().and_then(|own| own.strip_suffix(" (deleted)")) {
        Some(place) => place.into(),
        None => own,
    }
}

/// Words that this daemon was started with.
pub fn own_words() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// Hands over to the program of the slot that is in use, if this is the installed one and there is such a slot. `starts` is false when
/// only the configuration is looked at. Must be called before any thread exists.
pub fn hand_over(state_dir: &Path, starts: bool) {
    let slots = Slots::of(state_dir);
    let own = own_program();
    if !slots.folder.join("state.json").exists() || slots.holds(&own) {
        return;
    }
    let tried = slots.load().trial.filter(|trial| trial.place == Place::Package).map(|trial| trial.command);
    if starts && tried.is_some() && std::env::var(TRIAL).ok() == tried {
        return;
    }
    let place = if starts {
        let package = Package { program: own, version: version::version().to_owned() };
        match slots.change(|state| state.started(&package)) {
            Ok(place) => place,
            Err(error) => return tracing::error!(%error, "slots cannot be read; the installed program runs"),
        }
    } else {
        slots.load().active
    };
    if place == Place::Package {
        return;
    }
    let state = slots.load();
    if !slots.is_whole(place, &state) {
        tracing::error!(slot = %place.words(), "its program is damaged or gone; the installed program runs");
        if starts && let Err(error) = slots.change(State::leave_slots) {
            tracing::error!(%error, "slots cannot be written");
        }
        return;
    }
    let error = Command::new(slots.program(place, &state)).args(own_words()).env_remove(TRIAL).exec();
    tracing::error!(%error, slot = %place.words(), "its program cannot be started; the installed program runs");
}

/// Replaces this process by the program that is to run: the same, another slot's, or one on trial. What it had open closes with it; the
/// keeper and the data plane stay. Gives why not.
pub fn again(state_dir: &Path) -> anyhow::Error {
    let slots = Slots::of(state_dir);
    let state = slots.load();
    if let Some(trial) = &state.trial {
        let program = slots.program(trial.place, &state);
        tracing::info!(program = %program.display(), version = trial.version, "starting again, with another version");
        let error = Command::new(program).args(own_words()).env(TRIAL, &trial.command).exec();
        tracing::error!(%error, "it cannot be started; starting again as before");
        if let Err(error) = slots.change(|state| state.fail(&trial.command, &format!("it cannot be started: {error}")))
        {
            return anyhow::Error::new(error).context("slots cannot be written");
        }
    }
    let program = slots.program(slots.load().active, &state);
    tracing::info!(program = %program.display(), "starting again");
    let error = Command::new(&program).args(own_words()).env_remove(TRIAL).exec();
    anyhow::Error::new(error).context(format!("{} cannot start again", program.display()))
}

/// The daemon stops while it is on trial, by somebody's will: it is not known whether it works, and so what ran before it comes back.
///
/// # Errors
/// The disk's.
pub fn stopped(state_dir: &Path) -> anyhow::Result<()> {
    let slots = Slots::of(state_dir);
    if let Some(trial) = slots.load().trial {
        let settled = slots.change(|state| state.fail(&trial.command, "it was stopped before it was found well"));
        settled.context("slots cannot be written")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_put_into_a_slot_and_told_from_another() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::of(folder.path());
        let incoming = slots.incoming("ab").unwrap();
        std::fs::write(&incoming, b"program").unwrap();
        let (digest, length) = digest_of(&incoming).unwrap();
        assert_eq!(length, 7);
        let installed = Installed { version: "2".to_owned(), sha256: hex(&digest) };
        let program = slots.install(&incoming, Place::A, &installed).unwrap();
        assert!(!incoming.exists() && slots.is_whole(Place::A, &slots.load()));
        assert!(!slots.is_whole(Place::B, &slots.load()));
        std::fs::write(&program, b"Program").unwrap();
        assert!(!slots.is_whole(Place::A, &slots.load()));
        // A part of another release goes when the next one is begun.
        std::fs::write(slots.incoming("cd").unwrap(), b"x").unwrap();
        let next = slots.incoming("ef").unwrap();
        assert!(!next.with_file_name("cd.part").exists());
    }

    #[test]
    fn a_damaged_file_of_state_is_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::of(folder.path());
        slots.change(|state| state.active = Place::B).unwrap();
        assert_eq!(slots.load().active, Place::B);
        std::fs::write(slots.folder().join("state.json"), b"{\"active\":").unwrap();
        assert_eq!(slots.load(), State::default());
    }
}
