//! System calls that only ask. Each socket, file or program made here is closed again at once.

use crate::{Attempt, Errno};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::{SystemTime, UNIX_EPOCH};

impl Attempt {
    /// From a system call that answers with a descriptor, which is closed, or with -1.
    fn of_descriptor(answer: libc::c_long) -> Self {
        match i32::try_from(answer) {
            Ok(fd) if fd >= 0 => {
                // SAFETY: the kernel has just given this descriptor to us alone; it is closed by the drop and not used again.
                drop(unsafe { OwnedFd::from_raw_fd(fd) });
                Attempt::Worked
            }
            _ => Attempt::Failed(Errno::last()),
        }
    }
}

/// Opens a socket of IPv4.
pub(super) fn try_socket(kind: libc::c_int, protocol: libc::c_int) -> Attempt {
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_INET, kind | libc::SOCK_CLOEXEC, protocol) };
    Attempt::of_descriptor(fd.into())
}

/// Opens the TUN device, without making an interface.
pub(super) fn try_tun() -> Attempt {
    match std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => Attempt::Worked,
        Err(error) => Attempt::Failed(Errno(error.raw_os_error().unwrap_or(libc::ENOENT))),
    }
}

/// The part of `union bpf_attr` that BPF_PROG_LOAD reads first; what follows counts as zero.
#[repr(C)]
struct ProgramLoad {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
}

/// Loads `r0 = XDP_PASS; exit`, and lets go of it.
pub(super) fn try_bpf() -> Attempt {
    const BPF_PROG_LOAD: libc::c_int = 5;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    // Opcode, registers, offset, immediate value: eight octets each.
    let program: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 2, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let load = ProgramLoad {
        program_type: BPF_PROG_TYPE_XDP,
        instruction_count: 2,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
    };
    // SAFETY: `load` is as long as said, and what it points to lives until the call returns; the kernel only reads it.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const load, size_of::<ProgramLoad>()) };
    Attempt::of_descriptor(fd)
}

/// One random octet, if it can be had without waiting.
pub(super) fn try_random() -> Attempt {
    let mut octet = 0_u8;
    // SAFETY: one octet may be written to `octet`.
    let count = unsafe { libc::getrandom((&raw mut octet).cast(), 1, libc::GRND_NONBLOCK) };
    if count == 1 { Attempt::Worked } else { Attempt::Failed(Errno::last()) }
}

pub(super) fn effective_user() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() }
}

/// Soft limit of open files.
pub(super) fn open_files() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit to be written.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    (result == 0).then_some(limit.rlim_cur)
}

pub(super) fn unix_seconds() -> Option<u64> {
    // A clock before 1970 is as wrong as one of 1970.
    Some(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()))
}

/// Whether somebody tells the kernel that its clock is right.
pub(super) fn clock_synchronised() -> Option<bool> {
    // SAFETY: timex is plain data for which all zeroes are valid.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `timex` is valid to read and write; no mode is set, so nothing is changed.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state >= 0).then_some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_leave_no_descriptor_behind() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        for _ in 0..64 {
            try_socket(libc::SOCK_DGRAM, 0);
            try_bpf();
            try_tun();
        }
        // Other tests of this process open files, too, but not dozens.
        assert!(open() < before + 32);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        assert_eq!(try_socket(libc::SOCK_DGRAM, 0), Attempt::Worked);
        assert!(matches!(try_socket(libc::SOCK_STREAM, 255), Attempt::Failed(Errno(errno)) if errno != 0));
    }

    #[test]
    fn every_process_has_limits_and_a_clock() {
        assert!(open_files().is_some_and(|most| most > 0));
        assert!(unix_seconds().is_some_and(|now| now > 1_700_000_000));
        assert_eq!(try_random(), Attempt::Worked);
    }
}
