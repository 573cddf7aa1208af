//! A BPF file system to pin things in.

use crate::error::Error;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{fs, io};

const MAGIC: u64 = 0xcafe_4a11;

/// Where systemd mounts it, when there is systemd.
const USUAL: &str = "/sys/fs/bpf";

/// Makes sure that the folder exists and is on a BPF file system, mounting one there if need be.
pub(crate) fn ensure(folder: &Path) -> Result<(), Error> {
    let refused = || Error::NoBpfFilesystem(folder.to_path_buf());
    if folder.starts_with(USUAL) && !is_bpf(Path::new(USUAL)) {
        mount(Path::new(USUAL)).map_err(|_| refused())?;
    }
    fs::create_dir_all(folder).map_err(|_| refused())?;
    if !is_bpf(folder) {
        mount(folder).map_err(|_| refused())?;
    }
    if is_bpf(folder) { Ok(()) } else { Err(refused()) }
}

fn mount(folder: &Path) -> io::Result<()> {
    let target = CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: all strings are terminated and live across the call.
    let result = unsafe { libc::mount(c"bpf".as_ptr(), target.as_ptr(), c"bpf".as_ptr(), 0, std::ptr::null()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether this path exists and is on a BPF file system.
#[must_use]
pub fn is_bpf(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: all octets zero is a valid value.
    let mut answer: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the string is terminated, the answer has room.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut answer) };
    result == 0 && answer.f_type as u64 & 0xffff_ffff == MAGIC
}
