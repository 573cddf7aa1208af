//! Reading the machine. Nothing here fails: what cannot be read is an absent fact.

mod kernel;
mod links;
mod netlink;
mod proc;
mod storage;

use crate::{Clock, Facts, Forwarding, Interface, Limits, Sockets, Wanted};
use std::net::IpAddr;
use std::path::Path;

pub(crate) use storage::free;

/// The machine, as far as somebody far away wants to know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Host {
    /// Of the file system of a directory, in whole percent.
    pub disk_free_percent: Option<u8>,
    /// Available without swapping, in whole percent.
    pub memory_free_percent: Option<u8>,
    /// Something keeps the kernel's clock right.
    pub clock_synchronised: Option<bool>,
}

/// Looks at the machine; `dir` need not be there yet. It costs some system calls.
#[must_use]
pub fn host(dir: &Path) -> Host {
    let percent = |part: u64, whole: u64| u8::try_from(part.saturating_mul(100).checked_div(whole)?).ok();
    let existing = dir.ancestors().find(|path| path.exists());
    let disk = existing.and_then(storage::space);
    let memory = proc::memory(&proc::read("/proc/meminfo"));
    Host {
        disk_free_percent: disk.and_then(|(free, total)| percent(free, total)),
        memory_free_percent: memory.and_then(|it| percent(it.available, it.total)),
        clock_synchronised: kernel::clock_synchronised(),
    }
}

impl Facts {
    /// Looks around in this process's network namespace, with this process's rights. Writes and removes one small file in the
    /// state directory if there is one; changes nothing else. May make the kernel load its SCTP, TUN and nf_tables modules.
    #[must_use]
    pub fn gather(wanted: &Wanted) -> Self {
        // Before the socket is tried, which may load it.
        let sctp_module = Path::new("/proc/net/sctp").exists();
        let status = proc::read("/proc/self/status");
        Self {
            kernel_release: proc::read("/proc/sys/kernel/osrelease").trim().to_owned(),
            user: Some(kernel::effective_user()),
            capabilities: proc::capabilities(&status),
            limits: Limits { open_files: kernel::open_files() },
            bpf: kernel::try_bpf(),
            bpf_jit: proc::number("/proc/sys/net/core/bpf_jit_enable"),
            bpf_fs: storage::bpf_fs(&wanted.pin_dir),
            pins: storage::pins(&wanted.pin_dir),
            tun: kernel::try_tun(),
            nf_tables: netlink::try_nf_tables(),
            nft: storage::find_tool("nft"),
            user_namespaces: proc::number("/proc/sys/user/max_user_namespaces"),
            user_namespaces_restricted: proc::user_namespaces_restricted(),
            sctp_kernel: kernel::try_socket(libc::SOCK_STREAM, libc::IPPROTO_SCTP),
            sctp_raw: kernel::try_socket(libc::SOCK_RAW, libc::IPPROTO_SCTP),
            sctp_module,
            interfaces: interfaces(),
            forwarding: forwarding(),
            sockets: sockets(),
            clock: Clock { unix_seconds: kernel::unix_seconds(), synchronised: kernel::clock_synchronised() },
            state: storage::state(wanted),
            memory: proc::memory(&proc::read("/proc/meminfo")),
            entropy: kernel::try_random(),
        }
    }
}

fn interfaces() -> Vec<Interface> {
    let mut interfaces = links::interfaces();
    let family = netlink::netdev_family();
    for interface in &mut interfaces {
        let name = &interface.name;
        let forwarding = proc::number::<u8>(&format!("/proc/sys/net/ipv4/conf/{name}/forwarding"));
        interface.forwarding = forwarding.map(|value| value != 0);
        interface.rp_filter = proc::number(&format!("/proc/sys/net/ipv4/conf/{name}/rp_filter"));
        interface.link = links::ethtool(name);
        interface.link.xdp = family.and_then(|family| netlink::xdp_support(family, links::index(name)?));
    }
    interfaces
}

fn forwarding() -> Forwarding {
    let connections = proc::number("/proc/sys/net/netfilter/nf_conntrack_count")
        .zip(proc::number("/proc/sys/net/netfilter/nf_conntrack_max"));
    Forwarding {
        default_route: proc::default_route(&proc::read("/proc/net/route")),
        ip_forward: proc::number::<u8>("/proc/sys/net/ipv4/ip_forward").map(|value| value != 0),
        rp_filter_all: proc::number("/proc/sys/net/ipv4/conf/all/rp_filter"),
        dropping_chains: netlink::dropping_chains(),
        connections,
        name_servers: name_servers(),
    }
}

/// The servers of resolv.conf, or those behind the local resolver of systemd if that is all it names.
fn name_servers() -> Vec<IpAddr> {
    let servers = proc::name_servers(&proc::read("/etc/resolv.conf"));
    if servers.iter().all(IpAddr::is_loopback) {
        let behind = proc::name_servers(&proc::read("/run/systemd/resolve/resolv.conf"));
        if !behind.is_empty() {
            return behind;
        }
    }
    servers
}

fn sockets() -> Sockets {
    let mut udp = proc::sockets(&proc::read("/proc/net/udp"), None);
    udp.extend(proc::sockets(&proc::read("/proc/net/udp6"), None));
    let mut tcp = proc::sockets(&proc::read("/proc/net/tcp"), Some(proc::TCP_LISTEN));
    tcp.extend(proc::sockets(&proc::read("/proc/net/tcp6"), Some(proc::TCP_LISTEN)));
    let mut raw = proc::sockets(&proc::read("/proc/net/raw"), None);
    raw.extend(proc::sockets(&proc::read("/proc/net/raw6"), None));
    // In the tables of raw sockets, the port is the protocol.
    let raw_sctp = raw.iter().any(|socket| i32::from(socket.port()) == libc::IPPROTO_SCTP);
    Sockets { sctp: proc::sctp_ports(&proc::read("/proc/net/sctp/eps")), raw_sctp, udp, tcp }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge;

    #[test]
    fn this_machine_can_be_looked_at() {
        let wanted = Wanted { state_dir: "/nonexistent".into(), ..Wanted::default() };
        let facts = Facts::gather(&wanted);
        assert!(facts.kernel_release.starts_with(|c: char| c.is_ascii_digit()));
        assert!(facts.interface("lo").is_some_and(|lo| lo.mtu > 1000));
        assert!(facts.memory.is_some_and(|memory| memory.total >= memory.available && memory.available > 0));
        assert!(facts.clock.unix_seconds.is_some_and(|now| now > 1_700_000_000));
        assert!(judge(&wanted, &facts).len() > 20);
    }

    #[test]
    fn a_socket_of_ours_is_seen() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert!(sockets().udp.contains(&address));
        let listener = std::net::TcpListener::bind("[::1]:0");
        if let Ok(listener) = listener {
            assert!(sockets().tcp.contains(&listener.local_addr().unwrap()));
        }
    }
}
