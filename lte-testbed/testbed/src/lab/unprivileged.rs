//! A lab without root: the same lab inside a user namespace of one's own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::sys;

/// Capabilities without which there is no lab: CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN (capability.h).
const NEEDED: [u32; 3] = [12, 13, 21];

/// Moves this process, which must still have one thread, into a user namespace where it is root, with network, mount
/// points and `/run` of its own. Kernel SCTP, raw sockets of the host and BPF stay out of reach.
///
/// # Errors
/// The system forbids unprivileged user namespaces.
pub fn become_root_of_own_namespace() -> Result<()> {
    become_root().context(
        "neither root nor a user namespace can be had: use sudo, or let users have namespaces (sysctl \
         kernel.unprivileged_userns_clone=1, user.max_user_namespaces=10000, and on Ubuntu \
         kernel.apparmor_restrict_unprivileged_userns=0)",
    )
}

fn become_root() -> Result<()> {
    let (user, group) = (sys::effective_uid(), sys::effective_gid());
    sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWNS).context("making a user namespace")?;
    // setgroups must be given up before a group can be mapped without privilege (user_namespaces(7)).
    fs::write("/proc/self/setgroups", "deny").context("giving setgroups up")?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1")).context("mapping the group")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1")).context("mapping the user")?;
    // Keep what is mounted from here out of the parent, then take a /run of our own.
    sys::mount(Path::new(""), Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE).context("private mounts")?;
    sys::mount(Path::new("tmpfs"), Path::new("/run"), "tmpfs", 0).context("mounting /run")?;
    Ok(())
}

/// Whether this process may make network namespaces, mounts and raw sockets as it is: root may not in many containers.
#[must_use]
pub fn is_privileged() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    effective.is_some_and(|rights| NEEDED.iter().all(|right| rights & (1 << right) != 0))
}
