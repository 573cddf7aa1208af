//! The gateway's host: interfaces, addresses, routes, neighbours, offloads, switches and the packet filter.

mod behind;
mod bpffs;
mod firewall;
pub(crate) mod ipv6;
mod netlink;
mod snapshot;

pub(crate) use behind::Behind;
pub(crate) use bpffs::ensure as ensure_bpf_filesystem;
pub use bpffs::is_bpf as is_bpf_filesystem;
pub(crate) use firewall::Firewall;
pub(crate) use netlink::{Changes, Netlink};
pub(crate) use snapshot::{Link, Route, Snapshot};

use crate::error::Error;
use std::fs;

/// Sets a network switch of the kernel for one interface: `/proc/sys/net/ipv4/conf/INTERFACE/NAME`.
pub(crate) fn ipv4_switch(interface: &str, name: &str, value: &str) -> Result<(), Error> {
    write(&format!("/proc/sys/net/ipv4/conf/{interface}/{name}"), value)
}

/// Keeps IPv6, with its router solicitations and neighbour discovery, off an interface of ours. Where the kernel has no IPv6 there is
/// nothing to do.
pub(crate) fn without_ipv6(interface: &str) {
    let _ = write(&format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"), "1");
}

fn write(path: &str, value: &str) -> Result<(), Error> {
    if fs::read_to_string(path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    fs::write(path, value).map_err(Error::system(format!("writing {value} to {path}")))
}
