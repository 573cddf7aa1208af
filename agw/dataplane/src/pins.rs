//! What is pinned is held open, too: whoever removes pins detaches no program and loses no counter, and the pins are put back, since the
//! next gateway looks for them. And whether links lead to interfaces is asked of the kernel.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Commands of `bpf(2)`.
const OBJ_PIN: libc::c_long = 6;
const OBJ_GET: libc::c_long = 7;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
/// `BPF_LINK_TYPE_XDP`.
const XDP: u32 = 6;

/// The part of `union bpf_attr` that the first two read.
#[repr(C)]
struct Attributes {
    path: u64,
    fd: u32,
    flags: u32,
}

/// The part that the third one reads.
#[repr(C)]
struct Asked {
    fd: u32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_link_info`, and what stands there of a link of XDP.
#[repr(C, align(8))]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    padding: u32,
    interface: u32,
}

/// Pins that this process answers for.
#[derive(Debug, Default)]
pub(crate) struct Pins(Vec<(PathBuf, OwnedFd)>);

impl Pins {
    /// Holds what is pinned here from now on.
    pub(crate) fn hold(&mut self, path: &Path) {
        self.let_go(path);
        match get(path) {
            Ok(fd) => self.0.push((path.to_path_buf(), fd)),
            Err(error) => {
                tracing::warn!(%error, pin = %path.display(), "a pin cannot be held: whoever removes it ends it")
            }
        }
    }

    /// What is pinned here is not wanted any more.
    pub(crate) fn let_go(&mut self, path: &Path) {
        self.0.retain(|(held, _)| held != path);
    }

    /// A pin has another name.
    pub(crate) fn renamed(&mut self, from: &Path, to: &Path) {
        self.0.iter_mut().filter(|(held, _)| held == from).for_each(|(held, _)| *held = to.to_path_buf());
    }

    /// Whether what is pinned here is a link that leads to no interface any more.
    pub(crate) fn is_detached(&self, path: &Path) -> bool {
        let link = self.0.iter().find(|(held, _)| held == path);
        let info = link.and_then(|(_, fd)| link_info(fd).ok());
        info.is_some_and(|info| info.kind == XDP && info.interface == 0)
    }

    /// Puts pins back that somebody has removed. Gives how many there were.
    pub(crate) fn put_back(&self) -> usize {
        let mut count = 0;
        for (path, fd) in self.0.iter().filter(|(path, _)| !path.exists()) {
            let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
            match folder.and_then(|()| pin(fd, path)) {
                Ok(()) => count += 1,
                // Tried again at the next look.
                Err(error) => {
                    tracing::warn!(%error, pin = %path.display(), "somebody removed a pin; it cannot be put back")
                }
            }
        }
        count
    }
}

fn get(path: &Path) -> io::Result<OwnedFd> {
    let fd = call(OBJ_GET, path, 0)?;
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn pin(fd: &OwnedFd, path: &Path) -> io::Result<()> {
    call(OBJ_PIN, path, fd.as_raw_fd().cast_unsigned()).map(drop)
}

fn link_info(fd: &OwnedFd) -> io::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    let length = u32::try_from(size_of::<LinkInfo>()).map_err(io::Error::other)?;
    let asked = Asked { fd: fd.as_raw_fd().cast_unsigned(), length, info: (&raw mut info) as u64 };
    // SAFETY: the kernel writes no more than `length` octets of `info`, which lives across the call.
    unsafe { bpf(OBJ_GET_INFO_BY_FD, &asked) }.map(|_| info)
}

fn call(command: libc::c_long, path: &Path, fd: u32) -> io::Result<i32> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = Attributes { path: path.as_ptr() as u64, fd, flags: 0 };
    // SAFETY: the kernel reads the path, which lives across the call.
    unsafe { bpf(command, &attributes) }
}

/// # Safety
/// What the attributes point to is as the command wants it, across the call.
unsafe fn bpf<T>(command: libc::c_long, attributes: &T) -> io::Result<i32> {
    // SAFETY: the kernel reads the attributes; for what they point to, the caller stands.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const *attributes, size_of::<T>()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(io::Error::other)
}
