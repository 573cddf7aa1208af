//! Where subscribers, sessions and keys are kept.

use super::speaks_for_gateway;
use crate::{Attempt, Facts, Finding, StateDir, Wanted};
use std::time::Duration;

/// From here on an attach in a quiet network takes longer than is promised.
const SLOW_SYNC: Duration = Duration::from_millis(20);
const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

pub(super) fn state_dir(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let dir = wanted.state_dir.display();
    let check = "state-dir";
    let Some(directory) = facts.state.directory else {
        return Some(Finding::ok(check, format!("{dir} will be made at first start")));
    };
    if let Attempt::Failed(error) = facts.state.write {
        if error.is_refusal() && !speaks_for_gateway(wanted, facts) {
            return Some(Finding::ok(check, format!("{dir} is closed to this user, as it should be")));
        }
        return Some(Finding::error(
            check,
            format!("nothing can be written to {dir}: {error}"),
            "agwd promises nothing that it cannot keep, so it will not start",
            "make it writable for agwd; a read-only file system may mean a dying disk (dmesg)",
        ));
    }
    if let Some(kind) = volatile(&facts.state) {
        return Some(Finding::warning(
            check,
            format!("{dir} is on {kind}"),
            "subscribers and sessions are lost when it goes",
            "set state_dir to a disk; for a container, mount a volume there",
        ));
    }
    if directory.mode & 0o007 != 0 {
        return Some(Finding::warning(
            check,
            format!("{dir} is open to everybody (mode {:o})", directory.mode),
            "who is registered where is nobody's business",
            format!("chmod 700 {dir}"),
        ));
    }
    Some(Finding::ok(check, format!("{dir} is writable")))
}

/// File systems that do not outlive what holds them.
fn volatile(state: &StateDir) -> Option<&'static str> {
    match state.file_system? {
        0x0102_1994 | 0x8584_58f6 => Some("a file system in memory"),
        0x794c_7630 => Some("the layer of a container"),
        _ => None,
    }
}

pub(super) fn space(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let free = facts.state.free?;
    let found = format!("{} MiB free for {}", free / MIB, wanted.state_dir.display());
    if free >= GIB {
        return Some(Finding::ok("disk-space", found));
    }
    let cause = "when the disk is full, no phone can attach: the gateway admits none that it could not remember";
    let finding = Finding::error("disk-space", found, cause, "free some: journalctl --vacuum-size=200M, apt clean");
    Some(if free < 100 * MIB { finding } else { finding.at_most_a_warning() })
}

pub(super) fn sync(_: &Wanted, facts: &Facts) -> Option<Finding> {
    let time = facts.state.sync?;
    let found = format!("4 KiB are safe after {:.1} ms", time.as_secs_f64() * 1000.0);
    if time < SLOW_SYNC {
        return Some(Finding::ok("disk-sync", found));
    }
    Some(Finding::warning(
        "disk-sync",
        found,
        "every attach waits for that once or twice; many at a time share it",
        "put state_dir on an SSD; SD cards and network disks are slow",
    ))
}

pub(super) fn key_file(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (check, file) = ("key-file", wanted.key_file.display());
    let state = &facts.state;
    let Some(key) = state.key else {
        if state.key_hidden {
            return Some(Finding::ok(check, format!("{file} is hidden from this user, as it should be")));
        }
        if state.occupied {
            return Some(Finding::error(
                check,
                format!("{file} is missing, though there is state in {}", wanted.state_dir.display()),
                "keys of SIMs in the list cannot be opened, so their phones cannot attach",
                "restore it from a backup; without one, add the subscribers again",
            ));
        }
        return Some(Finding::ok(check, format!("{file} will be made at first start")));
    };
    if key.length == 0 {
        return Some(Finding::error(
            check,
            format!("{file} is empty"),
            "keys of SIMs cannot be opened",
            "restore it from a backup",
        ));
    }
    if key.mode & 0o077 != 0 {
        return Some(Finding::error(
            check,
            format!("{file} can be read by others (mode {:o})", key.mode),
            "whoever has it and the state directory has the keys of all SIMs",
            format!("chmod 600 {file}"),
        ));
    }
    Some(Finding::ok(check, format!("only its owner can read {file}")))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy};
    use super::*;
    use crate::{Errno, FileFacts, Level};

    fn with(change: impl FnOnce(&mut StateDir)) -> Facts {
        let mut facts = healthy();
        change(&mut facts.state);
        facts
    }

    fn level(check: fn(&Wanted, &Facts) -> Option<Finding>, facts: &Facts) -> Level {
        check(&Wanted::default(), facts).unwrap().level
    }

    #[test]
    fn state_must_be_writable_private_and_lasting() {
        assert_eq!(level(state_dir, &healthy()), Level::Ok);
        assert_eq!(level(state_dir, &Facts::default()), Level::Ok);
        assert_eq!(level(state_dir, &with(|s| s.write = Attempt::Failed(Errno(libc::EROFS)))), Level::Error);
        for kind in [0x0102_1994, 0x8584_58f6, 0x794c_7630] {
            assert_eq!(level(state_dir, &with(|s| s.file_system = Some(kind))), Level::Warning);
        }
        let open = FileFacts { mode: 0o755, owner: 0, length: 0 };
        assert_eq!(level(state_dir, &with(|s| s.directory = Some(open))), Level::Warning);
    }

    #[test]
    fn an_ordinary_user_is_kept_out_and_that_is_well() {
        let mut facts = with(|s| s.write = Attempt::Failed(Errno(libc::EACCES)));
        assert_eq!(level(state_dir, &facts), Level::Error);
        facts.user = Some(1000);
        assert_eq!(level(state_dir, &facts), Level::Ok);
    }

    #[test]
    fn a_full_disk_is_seen_coming() {
        assert_eq!(level(space, &healthy()), Level::Ok);
        assert_eq!(level(space, &with(|s| s.free = Some(500 * MIB))), Level::Warning);
        assert_eq!(level(space, &with(|s| s.free = Some(5 * MIB))), Level::Error);
    }

    #[test]
    fn slow_disks_delay_attaches() {
        assert!(sync(&Wanted::default(), &healthy()).unwrap().found.contains("0.8 ms"));
        assert_eq!(level(sync, &broken()), Level::Warning);
        assert_eq!(sync(&Wanted::default(), &Facts::default()), None);
    }

    #[test]
    fn the_key_is_the_owners_alone() {
        assert_eq!(level(key_file, &healthy()), Level::Ok);
        assert!(key_file(&Wanted::default(), &broken()).unwrap().fix.contains("chmod 600"));
        assert_eq!(level(key_file, &with(|s| s.key = Some(FileFacts::default()))), Level::Error);
        assert_eq!(level(key_file, &with(|s| s.key = None)), Level::Error);
        let hidden = with(|s| {
            s.key = None;
            s.key_hidden = true;
        });
        assert_eq!(level(key_file, &hidden), Level::Ok);
        assert_eq!(level(key_file, &Facts::default()), Level::Ok);
    }
}
