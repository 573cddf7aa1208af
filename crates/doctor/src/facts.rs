//! What was found on the machine, as plain values. A fact that could not be read is `None`, [`Attempt::NotTried`] or empty.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A number of errno(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The error of the system call that failed last in this thread.
    #[must_use]
    pub fn last() -> Self {
        Self(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }

    /// Refused for want of rights.
    #[must_use]
    pub fn is_refusal(self) -> bool {
        self.0 == libc::EPERM || self.0 == libc::EACCES
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// Something that was tried and undone at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attempt {
    /// Not tried.
    #[default]
    NotTried,
    /// It works.
    Worked,
    /// It does not.
    Failed(Errno),
}

/// What a driver says about XDP (netdev netlink family, Linux 6.3 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XdpSupport {
    /// Programs run in the driver.
    pub native: bool,
    /// Frames can be redirected away from it.
    pub redirect: bool,
    /// Frames can be redirected to it.
    pub target: bool,
}

/// What ethtool tells about an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Kernel driver.
    pub driver: Option<String>,
    /// Large receive offload is on.
    pub lro: Option<bool>,
    /// Generic receive offload is on.
    pub gro: Option<bool>,
    /// XDP in the driver.
    pub xdp: Option<XdpSupport>,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Switched on by the administrator.
    pub up: bool,
    /// Has a carrier.
    pub running: bool,
    /// Largest packet, octets.
    pub mtu: u32,
    /// Addresses with prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Packets that come in by it are passed on.
    pub forwarding: Option<bool>,
    /// Reverse path filter of this interface: 0 off, 1 strict, 2 loose (RFC 3704).
    pub rp_filter: Option<u8>,
    /// What ethtool tells.
    pub link: Link,
}

/// Where BPF programs can be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BpfFs {
    /// Not looked at.
    #[default]
    Unknown,
    /// The pin directory is on a BPF file system.
    Mounted,
    /// It is not, but the kernel has this file system.
    Mountable,
    /// The kernel has none.
    Absent,
}

/// How packets get from one interface to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forwarding {
    /// Interface of the IPv4 default route with the lowest metric.
    pub default_route: Option<String>,
    /// `net.ipv4.ip_forward`.
    pub ip_forward: Option<bool>,
    /// `net.ipv4.conf.all.rp_filter`: the larger of this and the interface's counts.
    pub rp_filter_all: Option<u8>,
    /// Chains of nftables at the forward hook that drop by default, as "family table chain"; `None` if they could not be listed.
    pub dropping_chains: Option<Vec<String>>,
    /// Connections tracked, and how many fit.
    pub connections: Option<(u64, u64)>,
    /// Name servers of the host.
    pub name_servers: Vec<IpAddr>,
}

/// Ports in use in this network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sockets {
    /// Local ports of kernel SCTP endpoints.
    pub sctp: Vec<u16>,
    /// Somebody holds a raw socket of protocol 132.
    pub raw_sctp: bool,
    /// Bound UDP sockets.
    pub udp: Vec<SocketAddr>,
    /// Listening TCP sockets.
    pub tcp: Vec<SocketAddr>,
}

/// The clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Seconds since 1970 UTC.
    pub unix_seconds: Option<u64>,
    /// The kernel is told by somebody (NTP, PTP, GPS) that the clock is right; adjtimex(2).
    pub synchronised: Option<bool>,
}

/// A file, without its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: u32,
    /// Octets.
    pub length: u64,
}

/// The directory of the state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateDir {
    /// The directory itself; `None` if it does not exist.
    pub directory: Option<FileFacts>,
    /// Something other than the key is in it.
    pub occupied: bool,
    /// Writing a file in it.
    pub write: Attempt,
    /// Median time of an fdatasync(2) of 4 KiB.
    pub sync: Option<Duration>,
    /// Octets free for this user there, or where the directory will be made.
    pub free: Option<u64>,
    /// Magic number of the file system, as in statfs(2).
    pub file_system: Option<u64>,
    /// The key that seals SIM keys; `None` if it does not exist.
    pub key: Option<FileFacts>,
    /// The key could not be looked at.
    pub key_hidden: bool,
}

/// Memory, octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What can be had without swapping.
    pub available: u64,
}

/// What this process may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Open files (soft limit).
    pub open_files: Option<u64>,
}

/// All facts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Kernel release, as uname(1) prints it.
    pub kernel_release: String,
    /// Effective user.
    pub user: Option<u32>,
    /// Effective capabilities, bit by number (capabilities(7)).
    pub capabilities: Option<u64>,
    /// Limits of this process.
    pub limits: Limits,
    /// Loading an XDP program of two instructions.
    pub bpf: Attempt,
    /// `net.core.bpf_jit_enable`.
    pub bpf_jit: Option<u8>,
    /// Where programs can be pinned.
    pub bpf_fs: BpfFs,
    /// Pinned programs, maps and links of a gateway.
    pub pins: usize,
    /// Opening /dev/net/tun.
    pub tun: Attempt,
    /// Talking to nf_tables.
    pub nf_tables: Attempt,
    /// Where the `nft` tool is.
    pub nft: Option<String>,
    /// How many user namespaces may be made.
    pub user_namespaces: Option<u64>,
    /// An administrator or a security module keeps them from ordinary users.
    pub user_namespaces_restricted: bool,
    /// Opening a kernel SCTP socket.
    pub sctp_kernel: Attempt,
    /// Opening a raw socket of protocol 132.
    pub sctp_raw: Attempt,
    /// The kernel's SCTP is loaded.
    pub sctp_module: bool,
    /// Interfaces of this network namespace.
    pub interfaces: Vec<Interface>,
    /// Routing.
    pub forwarding: Forwarding,
    /// Ports.
    pub sockets: Sockets,
    /// Clock.
    pub clock: Clock,
    /// State directory.
    pub state: StateDir,
    /// Memory.
    pub memory: Option<Memory>,
    /// Random numbers can be had without waiting.
    pub entropy: Attempt,
}

impl Facts {
    /// An interface by name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == name)
    }

    /// The interface that has an address.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.addresses.iter().any(|(own, _)| *own == address))
    }

    /// Whether this process has a capability. Unknown counts as yes, so that nothing is reported that was not seen.
    #[must_use]
    pub fn may(&self, capability: u8) -> bool {
        self.capabilities.is_none_or(|set| set >> capability & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_bits() {
        let facts = Facts { capabilities: Some(1 << 12), ..Facts::default() };
        assert!(facts.may(12) && !facts.may(13));
        assert!(Facts::default().may(13));
    }

    #[test]
    fn interfaces_are_found_by_name_and_address() {
        let address = "10.0.0.1".parse().unwrap();
        let s1 = Interface { name: "s1".to_owned(), addresses: vec![(address, 24)], ..Interface::default() };
        let facts = Facts { interfaces: vec![s1.clone()], ..Facts::default() };
        assert_eq!(facts.interface("s1"), Some(&s1));
        assert_eq!(facts.interface_of(address), Some(&s1));
        assert_eq!(facts.interface("s2"), None);
    }

    #[test]
    fn errors_are_told_in_words() {
        assert!(Errno(libc::EPERM).to_string().starts_with("Operation not permitted"));
        assert!(Errno(libc::EPERM).is_refusal() && !Errno(libc::ENOSYS).is_refusal());
    }
}
