//! Files, directories and the file systems below them.

use crate::{Attempt, BpfFs, Errno, FileFacts, StateDir, Wanted};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
/// How often a small write is made safe to learn how long that takes.
const SYNCS: usize = 9;
/// After that time, what was measured must do: a gateway that diagnoses itself serves nobody meanwhile.
const PATIENCE: Duration = Duration::from_millis(100);

/// Everything about the state directory and the key.
pub(super) fn state(wanted: &Wanted) -> StateDir {
    let dir = &wanted.state_dir;
    let directory = metadata(dir).ok();
    let key = metadata(&wanted.key_file);
    let existing = dir.ancestors().find(|path| path.exists());
    let (write, sync) = if directory.is_some() { try_writing(dir) } else { (Attempt::NotTried, None) };
    StateDir {
        directory,
        occupied: occupied(dir, &wanted.key_file),
        write,
        sync,
        free: existing.and_then(free),
        file_system: existing.and_then(file_system),
        key_hidden: key.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied),
        key: key.ok(),
    }
}

fn metadata(path: &Path) -> io::Result<FileFacts> {
    let found = fs::metadata(path)?;
    Ok(FileFacts { mode: found.mode() & 0o7777, owner: found.uid(), length: found.len() })
}

fn occupied(dir: &Path, key: &Path) -> bool {
    let Ok(entries) = fs::read_dir(dir) else { return false };
    // What file systems and the doctor itself put there is not state.
    let is_state = |name: &std::ffi::OsStr| name != "lost+found" && !name.as_bytes().starts_with(b".");
    entries.flatten().any(|entry| entry.path() != key && is_state(&entry.file_name()))
}

/// Writes a file of its own, measures, and removes it.
fn try_writing(dir: &Path) -> (Attempt, Option<Duration>) {
    let path = dir.join(format!(".basalt-doctor-{}", std::process::id()));
    let result =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| measure(&mut file));
    // If it could not be made there is nothing to remove; if it cannot be removed, its name says whose it is.
    let _ = fs::remove_file(&path);
    match result {
        Ok(time) => (Attempt::Worked, Some(time)),
        Err(error) => (Attempt::Failed(Errno(error.raw_os_error().unwrap_or(libc::EIO))), None),
    }
}

/// Median time until 4 KiB are safe.
fn measure(file: &mut File) -> io::Result<Duration> {
    let mut times = Vec::with_capacity(SYNCS);
    while times.len() < SYNCS && times.iter().sum::<Duration>() < PATIENCE {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Octets that this user may still fill.
pub(crate) fn free(path: &Path) -> Option<u64> {
    space(path).map(|(free, _)| free)
}

/// Octets that this user may still fill, and of the whole file system.
pub(super) fn space(path: &Path) -> Option<(u64, u64)> {
    let path = c_path(path)?;
    let mut answer = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: a NUL-terminated path, and room for one statvfs.
    if unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: statvfs has succeeded, so it has filled the answer.
    let answer = unsafe { answer.assume_init() };
    Some((answer.f_bavail.saturating_mul(answer.f_frsize), answer.f_blocks.saturating_mul(answer.f_frsize)))
}

/// Magic number of the file system a path is on.
fn file_system(path: &Path) -> Option<u64> {
    let path = c_path(path)?;
    let mut answer = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: a NUL-terminated path, and room for one statfs.
    if unsafe { libc::statfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: statfs has succeeded, so it has filled the answer.
    let magic = unsafe { answer.assume_init() }.f_type;
    // The type of the field differs between machines; a magic number has 32 bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low 32 bits are what is wanted")]
    Some(u64::from(magic as u32))
}

fn c_path(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}

/// Whether the pin directory is on a BPF file system, or could be.
pub(super) fn bpf_fs(pin_dir: &Path) -> BpfFs {
    if file_system(pin_dir) == Some(BPF_FS_MAGIC) {
        return BpfFs::Mounted;
    }
    let Ok(known) = fs::read_to_string("/proc/filesystems") else { return BpfFs::Unknown };
    let mountable = known.lines().any(|line| line.split_ascii_whitespace().next_back() == Some("bpf"));
    if mountable { BpfFs::Mountable } else { BpfFs::Absent }
}

/// What a gateway has pinned: files one folder below its pin directory.
pub(super) fn pins(pin_dir: &Path) -> usize {
    let files = |dir: PathBuf| fs::read_dir(dir).map_or(0, |entries| entries.flatten().count());
    ["links", "programs", "maps"].into_iter().map(|folder| files(pin_dir.join(folder))).sum()
}

/// Where a program is: in the path, or where administrators' programs are even if the path does not say so.
pub(super) fn find_tool(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|file| is_program(file)).map(|file| file.display().to_string())
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn wanted(dir: &Path) -> Wanted {
        Wanted { state_dir: dir.join("state"), key_file: dir.join("state/seal.key"), ..Wanted::default() }
    }

    #[test]
    fn before_the_first_start_there_is_nothing_but_room() {
        let dir = tempfile::tempdir().unwrap();
        let found = state(&wanted(dir.path()));
        assert_eq!((found.directory, found.key, found.occupied), (None, None, false));
        assert!(found.free.is_some_and(|free| free > 0));
        assert_eq!(found.write, Attempt::NotTried);
    }

    #[test]
    fn a_state_directory_is_tried_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = wanted(dir.path());
        fs::create_dir(&wanted.state_dir).unwrap();
        fs::write(&wanted.key_file, [1; 32]).unwrap();
        fs::set_permissions(&wanted.key_file, fs::Permissions::from_mode(0o640)).unwrap();
        let found = state(&wanted);
        assert_eq!(found.write, Attempt::Worked);
        assert!(found.sync.is_some());
        assert_eq!(found.key.map(|key| (key.mode, key.length)), Some((0o640, 32)));
        assert!(!found.occupied, "the key is not state");
        assert_eq!(fs::read_dir(&wanted.state_dir).unwrap().count(), 1, "nothing is left behind");
        fs::write(wanted.state_dir.join("journal"), b"x").unwrap();
        assert!(state(&wanted).occupied);
    }

    #[test]
    fn tools_are_found() {
        assert!(find_tool("sh").is_some_and(|path| path.ends_with("/sh")));
        assert_eq!(find_tool("no-such-tool-anywhere"), None);
    }

    #[test]
    fn pins_are_counted_by_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(pins(dir.path()), 0);
        for file in ["maps/a", "maps/b", "links/c", "other/d"] {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(pins(dir.path()), 3);
        assert_ne!(bpf_fs(dir.path()), BpfFs::Mounted);
    }
}
