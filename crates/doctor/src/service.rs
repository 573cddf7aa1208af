//! What daemons have in common that serve over TCP and keep something in a folder: ports, folders, names, certificates.
//!
//! Each function looks and judges at once: what it looks at is small, and its tests bring the fault about.

mod certificate;
mod port;

use crate::{Finding, Level};
use basalt_control_api::gateway::v1;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::net::ToSocketAddrs as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

pub use certificate::certificate;
pub use port::port;

const MIB: u64 = 1 << 20;
/// 2026-01-01 UTC: this software did not exist before.
const EARLIEST: u64 = 1_767_225_600;

/// A folder in which a daemon keeps what others must not read: there, closed, writable, with room.
#[must_use]
pub fn folder(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let cause = "nothing has been kept yet, or it is another folder than before";
            return Finding::warning(
                check,
                format!("{shown} is not there"),
                cause,
                "the daemon makes it at its first start",
            );
        }
        Err(error) => {
            let fix = "run this as root, or as the daemon's user";
            return Finding::error(check, format!("{shown}: {error}"), "it cannot be looked at", fix);
        }
    };
    if !found.is_dir() {
        let fix = format!("move it away, or name another folder: {shown}");
        return Finding::error(check, format!("{shown} is no folder"), "the daemon will not start", fix);
    }
    let mode = found.mode() & 0o777;
    if mode & 0o007 != 0 {
        let cause = "every user of this machine may look into it";
        return Finding::error(check, format!("{shown} has mode {mode:03o}"), cause, format!("chmod 700 {shown}"));
    }
    let probe = path.join(format!(".basalt-doctor-{}", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&probe);
    let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, &[0; 4096]));
    let _ = fs::remove_file(&probe);
    if let Err(error) = written {
        let cause = "the daemon can keep nothing";
        return Finding::error(
            check,
            format!("{shown} cannot be written: {error}"),
            cause,
            "make room, or mount it for writing",
        );
    }
    Finding::ok(check, format!("{shown} can be written, closed to others"))
}

/// Room on the file system of a path.
#[must_use]
pub fn space(check: &'static str, path: &Path) -> Option<Finding> {
    let there = path.ancestors().find(|path| path.exists())?;
    Some(judge_space(check, crate::gather::free(there)?, &path.display().to_string()))
}

fn judge_space(check: &'static str, free: u64, path: &str) -> Finding {
    let found = format!("{} MiB free for {path}", free / MIB);
    let (cause, fix) =
        ("a full disk stops the database: nothing is acknowledged any more", "make room, or move it to a larger disk");
    match free {
        free if free < 256 * MIB => Finding::error(check, found, cause, fix),
        free if free < 2048 * MIB => Finding::warning(check, found, cause, fix),
        _ => Finding::ok(check, found),
    }
}

/// A file of which others must not read anything, `octets` long if that is known.
#[must_use]
pub fn secret_file(check: &'static str, path: &Path, octets: Option<u64>) -> Option<Finding> {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            let fix = "run this as root, or as the daemon's user";
            return Some(Finding::error(
                check,
                format!("{shown}: {error}"),
                "the daemon will not start without it",
                fix,
            ));
        }
    };
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        let cause = "others may read it; the daemon refuses it";
        return Some(Finding::error(
            check,
            format!("{shown} has mode {mode:03o}"),
            cause,
            format!("chmod 600 {shown}"),
        ));
    }
    if octets.is_some_and(|octets| octets != found.len()) {
        let cause = "it was cut off or overwritten; what it sealed does not open";
        let fix = "bring it back from a backup: basalt backup restore";
        return Some(Finding::error(check, format!("{shown} has {} octets", found.len()), cause, fix));
    }
    Some(Finding::ok(check, format!("{shown} is closed to others")))
}

/// A name that must lead somewhere: `HOST:PORT`.
#[must_use]
pub fn name(check: &'static str, place: &str, whose: &str) -> Finding {
    match place.to_socket_addrs().map(|mut all| all.next()) {
        Ok(Some(address)) => Finding::ok(check, format!("{place} is {address}")),
        Ok(None) | Err(_) => Finding::error(
            check,
            format!("{place} leads nowhere"),
            format!("{whose} cannot be found under it"),
            "correct the name, its entry in the DNS, or /etc/resolv.conf",
        ),
    }
}

/// A clock that can be right.
#[must_use]
pub fn clock() -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    judge_clock(now)
}

fn judge_clock(now: u64) -> Finding {
    if now >= EARLIEST {
        return Finding::ok("clock", format!("{now} s since 1970"));
    }
    Finding::error(
        "clock",
        format!("{now} s since 1970: before this software was made"),
        "certificates are not valid yet, times of events are wrong",
        "timedatectl set-ntp true, or date --set",
    )
}

/// Findings for people, or as JSON with the names of the gateway's.
#[must_use]
pub fn report(findings: &[Finding], json: bool) -> String {
    if json {
        let one = |finding: &Finding| {
            let wire = v1::Finding::from(finding.clone());
            let level = finding.level.to_string();
            serde_json::json!({"check": wire.check, "level": level, "found": wire.found,
                               "cause": wire.cause, "fix": wire.fix})
        };
        return format!("{:#}\n", serde_json::Value::Array(findings.iter().map(one).collect()));
    }
    let mut text = String::new();
    for finding in findings {
        text += &format!("{:8} {:19} {}\n", finding.level, finding.check, finding.found);
        for (name, words) in [("cause", &finding.cause), ("fix", &finding.fix)] {
            if !words.is_empty() {
                text += &format!("{:8} {name:>19} {words}\n", "");
            }
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    text + &format!("{} errors, {} warnings, {} ok\n", count(Level::Error), count(Level::Warning), count(Level::Ok))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn folders_have_to_be_there_closed_and_writable() {
        let ground = tempfile::tempdir().unwrap();
        let path = ground.path().join("data");
        assert_eq!(folder("data-dir", &path).level, Level::Warning);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(folder("data-dir", &path).fix.starts_with("chmod 700"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(folder("data-dir", &path).level, Level::Ok);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "nothing of the doctor's stays");
        let file = ground.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(folder("data-dir", &file).found.contains("no folder"));
        assert_eq!(folder("data-dir", Path::new("/proc/self/task")).level, Level::Error);
    }

    #[test]
    fn disks_run_short_in_steps() {
        let level = |free| judge_space("disk", free, "/x").level;
        assert_eq!([level(10 * MIB), level(1000 * MIB), level(9000 * MIB)], [Level::Error, Level::Warning, Level::Ok]);
        assert!(space("disk", Path::new("/nonexistent/folder")).is_some());
    }

    #[test]
    fn secrets_are_closed_and_whole() {
        let ground = tempfile::tempdir().unwrap();
        let path = ground.path().join("key");
        let look = || secret_file("sealing-key", &path, Some(32));
        assert_eq!(look(), None);
        fs::write(&path, [0; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(look().unwrap().fix.starts_with("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(look().unwrap().level, Level::Ok);
        fs::write(&path, [0; 31]).unwrap();
        assert!(look().unwrap().found.contains("31 octets"));
    }

    #[test]
    fn names_lead_somewhere_and_clocks_go() {
        assert_eq!(name("gateway-address", "127.0.0.1:1", "this").level, Level::Ok);
        assert_eq!(name("gateway-address", "no-such-name.invalid:1", "this").level, Level::Error);
        assert_eq!((judge_clock(0).level, judge_clock(EARLIEST).level), (Level::Error, Level::Ok));
        assert_eq!(clock().level, Level::Ok);
    }

    #[test]
    fn a_report_says_everything_in_both_forms() {
        let findings = [Finding::ok("a", "fine"), Finding::error("b", "bad", "because", "do")];
        let text = report(&findings, false);
        assert!(text.contains("because") && text.ends_with("1 errors, 0 warnings, 1 ok\n"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report(&findings, true)).unwrap();
        assert_eq!(json[1]["level"], "error");
        assert_eq!(json[1]["fix"], "do");
    }
}
