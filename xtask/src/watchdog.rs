//! An end for commands that do not come to one: a CI run that hangs tells nothing.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Kills a process and all of its descendants when its time is up. Dropping it calls it off.
pub(crate) struct Watchdog {
    /// Held only to be dropped: the thread sees it go.
    calm: Option<SyncSender<()>>,
    thread: Option<JoinHandle<bool>>,
}

impl Watchdog {
    pub(crate) fn start(pid: u32, limit: Duration) -> Self {
        let (calm, alarm) = sync_channel::<()>(1);
        let thread = thread::spawn(move || {
            let late = alarm.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if late {
                kill_tree(pid);
            }
            late
        });
        Self { calm: Some(calm), thread: Some(thread) }
    }

    /// Calls it off; whether it had to bite.
    pub(crate) fn has_bitten(mut self) -> bool {
        drop(self.calm.take());
        self.thread.take().is_some_and(|thread| thread.join().unwrap_or(false))
    }
}

fn kill_tree(root: u32) {
    let parents = parents();
    let mut doomed = vec![root];
    let mut next = 0;
    while let Some(parent) = doomed.get(next).copied() {
        doomed.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    // Some may have ended meanwhile, which is all that was wanted.
    let _ = Command::new("kill").arg("-KILL").args(doomed.iter().map(u32::to_string)).status();
}

/// The parent of every process.
fn parents() -> BTreeMap<u32, u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect()
}

/// The fourth field of `/proc/PID/stat`, behind a name that may contain anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let began = Instant::now();
        let mut child = Command::new("sh").args(["-c", "sh -c 'tail -f /dev/null'; true"]).spawn().unwrap();
        let watchdog = Watchdog::start(child.id(), Duration::from_millis(200));
        assert!(!child.wait().unwrap().success());
        assert!(watchdog.has_bitten());
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_ends_by_itself_is_left_alone() {
        let mut child = Command::new("true").spawn().unwrap();
        let watchdog = Watchdog::start(child.id(), Duration::from_secs(60));
        assert!(child.wait().unwrap().success());
        assert!(!watchdog.has_bitten());
    }

    #[test]
    fn parents_are_found_behind_odd_names() {
        assert_eq!(parent("12 (a) b (c) S 7 12 0"), Some(7));
        assert_eq!(parent("nonsense"), None);
    }
}
