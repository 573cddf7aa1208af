//! What a lab is made of, in a file that outlives the process that made it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::sys;

const DIRECTORY: &str = "/run/basalt-lab";
/// How often a lab's file is written whose directory another lab takes along.
const TRIES: usize = 10;

/// A process, with what tells it from a later one of the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// When it was started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
    /// What it is.
    pub what: String,
}

impl Process {
    /// The process `pid`; `None` if it does not live.
    #[must_use]
    pub fn find(pid: u32, what: &str) -> Option<Self> {
        Some(Self { pid, started: start_time(pid)?, what: what.to_owned() })
    }

    /// This process.
    #[must_use]
    pub fn current(what: &str) -> Self {
        let pid = std::process::id();
        Self { pid, started: start_time(pid).unwrap_or(0), what: what.to_owned() }
    }

    /// Whether it still lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// Ends it: politely, then, after two seconds, not.
    pub fn end(&self) {
        if self.pid == std::process::id() || !self.lives() || sys::signal(self.pid, libc::SIGTERM).is_err() {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.lives() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        if self.lives() {
            let _ = sys::signal(self.pid, libc::SIGKILL);
        }
    }
}

/// See the module's description.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LabState {
    name: String,
    /// The process that works with it right now.
    #[serde(default)]
    pub owner: Option<Process>,
    /// Processes that go with it.
    #[serde(default)]
    pub processes: Vec<Process>,
    /// Directories that go with it.
    #[serde(default)]
    pub directories: Vec<PathBuf>,
}

impl LabState {
    /// A lab with nothing in it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), owner: None, processes: Vec::new(), directories: Vec::new() }
    }

    /// What the file says; `None` if there is none that can be read.
    #[must_use]
    pub fn load(name: &str) -> Option<Self> {
        serde_json::from_slice(&fs::read(path_of(name)).ok()?).ok()
    }

    /// Names of all labs that have a file.
    #[must_use]
    pub fn names() -> Vec<String> {
        let Ok(entries) = fs::read_dir(DIRECTORY) else { return Vec::new() };
        let name = |entry: io::Result<fs::DirEntry>| {
            Some(entry.ok()?.file_name().to_string_lossy().strip_suffix(".json")?.to_owned())
        };
        entries.filter_map(name).collect()
    }

    /// Where the files of a lab's gateway are.
    #[must_use]
    pub fn directory(name: &str) -> PathBuf {
        Path::new(DIRECTORY).join(name)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self) -> Result<()> {
        let path = path_of(&self.name);
        let text = serde_json::to_vec_pretty(self)?;
        let write = || {
            fs::create_dir_all(DIRECTORY)?;
            let new = path.with_extension("new");
            fs::write(&new, &text)?;
            fs::rename(&new, &path)
        };
        // Another lab that ends takes the directory along as long as it is empty, which it may be for a moment here.
        let is_gone = |written: &io::Result<()>| written.as_ref().is_err_and(|it| it.kind() == io::ErrorKind::NotFound);
        let written = (0..TRIES).map(|_| write()).find(|written| !is_gone(written)).unwrap_or_else(write);
        written.with_context(|| format!("writing {}", path.display()))
    }

    /// Removes the file. Not an error if there is none.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(name: &str) -> Result<()> {
        match fs::remove_file(path_of(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("removing the lab's file")?,
            _ => {}
        }
        // Stays where there is another lab.
        let _ = fs::remove_dir(DIRECTORY);
        Ok(())
    }

    /// The process that works with the lab, if it lives and is another one.
    #[must_use]
    pub fn living_owner(&self) -> Option<u32> {
        self.owner.as_ref().filter(|owner| owner.pid != std::process::id() && owner.lives()).map(|owner| owner.pid)
    }

    /// Whether a process that goes with the lab lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.processes.iter().chain(&self.owner).any(Process::lives)
    }

    /// Ends all processes that go with the lab.
    pub fn end_processes(&self) {
        self.processes.iter().for_each(Process::end);
    }

    /// Removes the directories that go with the lab.
    pub fn remove_directories(&self) {
        for directory in &self.directories {
            // Only what a lab makes; a state file that was tampered with removes nothing else.
            let own = directory.components().any(|part| part.as_os_str().to_string_lossy().contains("basalt"));
            if own {
                remove_directory(directory);
            }
        }
    }
}

/// Removes a directory with all that is in it and mounted below it, as far as that goes.
pub fn remove_directory(directory: &Path) {
    unmount_below(directory);
    let _ = remove_tree(directory);
}

/// Forgets ended children of this process with this name: a keeper is its child since the gateway that started it ended.
pub fn reap(name: &str) {
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for entry in processes.filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let mut fields = tail.split_ascii_whitespace();
        let is_ended = fields.next() == Some("Z");
        let is_ours = fields.next().and_then(|parent| parent.parse().ok()) == Some(std::process::id());
        if is_ended && is_ours && head.split_once('(').is_some_and(|(_, comm)| comm == name) {
            sys::reap(pid);
        }
    }
}

/// Detaches what is mounted below a directory: a gateway's BPF file system.
fn unmount_below(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4)).map(Path::new);
    let mut below: Vec<&Path> = points.filter(|point| point.starts_with(directory)).collect();
    // The innermost first.
    below.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    for point in below {
        let _ = sys::unmount(point);
    }
}

/// Like `remove_dir_all`, but works in bpffs, where files cannot be opened.
fn remove_tree(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name).with_extension("json")
}

/// Field 22 of `/proc/PID/stat`, counted after the command name, which may hold anything. A zombie counts as dead.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_number_and_birth() {
        let own = Process::current("test");
        assert!(own.lives());
        assert_eq!(Process::find(own.pid, "test"), Some(own.clone()));
        let earlier = Process { started: own.started.wrapping_sub(1), ..own };
        assert!(!earlier.lives());
    }

    #[test]
    fn trees_are_removed_whole() {
        let root = std::env::temp_dir().join(format!("basalt-remove-tree-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/c"), "x").unwrap();
        remove_tree(&root).unwrap();
        assert!(!root.exists());
    }
}
