//! Interfaces, addresses, routes and kernel settings of one namespace.
//!
//! Every trap of XDP on veth pairs that was met is handled here, so that neither the gateway nor the reader meets it:
//! GRO on the peer of a redirect target (without it redirected frames vanish), transmit checksums off at senders
//! (XDP forwards half-made ones as they are), room for the tunnel headers in the MTU, IPv6 noise off.

mod change;
mod device;
mod route;

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkMessage};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth};

pub use self::change::{call_also, exchange, remove, rename, resize, switch};
pub use self::device::{LoosePair, configure_tun, configure_tun6, loose_pair, raise_tun};
pub use self::route::{
    add_local_prefix, add_route, add_route6, narrow, narrow_via, narrow6_via, replace_default_route,
};
use super::netns::NetNs;
use crate::sys;

/// Interface of a phone and of a host behind it towards each other.
pub const LAN: &str = "lan0";

/// The end of a cable between a phone and what is behind it.
#[must_use]
pub fn lan_end(ns: &NetNs, address: Ipv4Addr, length: u8) -> End {
    End { ns: ns.clone(), name: LAN, address: (address, length) }
}

/// One end of a veth pair.
#[derive(Clone, Debug)]
pub struct End {
    /// Where it lives.
    pub ns: NetNs,
    /// Interface name.
    pub name: &'static str,
    /// Its address and prefix length.
    pub address: (Ipv4Addr, u8),
}

/// Joins two namespaces by a veth pair of the given MTU, both ends up and fit for XDP redirects.
///
/// # Errors
/// The kernel refuses: no right, or a name in use.
pub fn join(a: &End, b: &End, mtu: u32) -> Result<()> {
    use std::os::fd::AsRawFd;
    let (name, mtu_a) = (a.name, mtu);
    let peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name(b.name.to_owned())
        .mtu(mtu)
        .setns_by_fd(b.ns.file().as_raw_fd())
        .build();
    // The descriptor in the message must stay open until the kernel has read it.
    let keep = b.ns.clone();
    a.ns.run_async(move || async move {
        let veth = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(name)
            .mtu(mtu_a)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        netlink()?.link().add(veth).execute().await?;
        drop(keep);
        Ok(())
    })
    .with_context(|| format!("making the cable {}/{} - {}/{}", a.ns.name(), a.name, b.ns.name(), b.name))?;
    // Both ends are fitted out before either is up: an interface that comes up looks whether its peer has GRO, and
    // only then says that frames can be redirected into it.
    for (what, act) in [("fitting out", fit_out as fn(&End) -> Result<()>), ("bringing up", bring_up)] {
        for end in [a, b] {
            act(end).with_context(|| format!("{what} {}/{}", end.ns.name(), end.name))?;
        }
    }
    Ok(())
}

fn fit_out(end: &End) -> Result<()> {
    let name = end.name;
    end.ns.run(move || {
        // An interface that is up with IPv6 announces itself at once.
        disable_ipv6(name);
        sys::set_offload(name, sys::GRO, true).context("switching GRO on")?;
        sys::set_offload(name, sys::TX_CHECKSUM, false).context("switching transmit checksums off")
    })
}

fn bring_up(end: &End) -> Result<()> {
    let (name, address) = (end.name, end.address);
    end.ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, name).await?;
        handle.address().add(index, address.0.into(), address.1).execute().await?;
        set_up(&handle, index).await
    })
}

/// Prepares a namespace: loopback up, IPv6 off, no reverse-path filter (phones use many addresses).
///
/// # Errors
/// The kernel refuses.
pub fn prepare(ns: &NetNs) -> Result<()> {
    ns.run_async(|| async {
        for interface in ["all", "default", "lo"] {
            disable_ipv6(interface);
            set(&format!("ipv4/conf/{interface}/rp_filter"), "0")?;
        }
        let handle = netlink()?;
        let index = index_of(&handle, "lo").await?;
        set_up(&handle, index).await
    })
    .with_context(|| format!("preparing {}", ns.name()))
}

/// Lets a namespace forward packets.
///
/// # Errors
/// The setting cannot be written.
pub fn forward(ns: &NetNs) -> Result<()> {
    ns.run(|| set("ipv4/ip_forward", "1"))
}

/// Lets a namespace forward IPv6 packets.
///
/// # Errors
/// The setting cannot be written.
pub fn forward6(ns: &NetNs) -> Result<()> {
    ns.run(|| set("ipv6/conf/all/forwarding", "1"))
}

/// Adds an address to an interface.
///
/// # Errors
/// No such interface, or the address is there already.
pub fn add_address(ns: &NetNs, interface: &'static str, address: Ipv4Addr, prefix: u8) -> Result<()> {
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        handle.address().add(index, address.into(), prefix).execute().await?;
        Ok(())
    })
    .with_context(|| format!("adding {address}/{prefix} to {}/{interface}", ns.name()))
}

/// Adds an IPv6 address to an interface, which gets IPv6 by it. Where the kernel has no IPv6 nothing happens.
///
/// # Errors
/// No such interface.
pub fn add_address6(ns: &NetNs, interface: &str, address: Ipv6Addr, prefix: u8) -> Result<()> {
    let name = interface.to_owned();
    ns.run_async(move || async move {
        let interface = name.as_str();
        if set(&format!("ipv6/conf/{interface}/disable_ipv6"), "0").is_err() {
            return Ok(());
        }
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        let mut request = handle.address().add(index, address.into(), prefix);
        // Nobody else is on the cable.
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        request.execute().await?;
        Ok(())
    })
    .with_context(|| format!("adding {address}/{prefix} to {}/{interface}", ns.name()))
}

/// Brings an interface up with an address, fit for packets of so many octets.
///
/// # Errors
/// No such interface, or the kernel refuses.
pub fn raise(ns: &NetNs, interface: &'static str, address: (Ipv4Addr, u8), mtu: u32) -> Result<()> {
    ns.run_async(move || async move {
        disable_ipv6(interface);
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        handle.address().add(index, address.0.into(), address.1).execute().await?;
        handle.link().set(LinkUnspec::new_with_index(index).mtu(mtu).up().build()).execute().await?;
        Ok(())
    })
    .with_context(|| format!("bringing up {}/{interface}", ns.name()))
}

/// A netlink conversation of the calling thread's namespace, on the calling runtime.
fn netlink() -> Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection().context("opening netlink")?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn index_of(handle: &Handle, name: &str) -> Result<u32> {
    Ok(find(handle, name).await?.header.index)
}

async fn find(handle: &Handle, name: &str) -> Result<LinkMessage> {
    let found = handle.link().get().match_name(name.to_owned()).execute().try_next().await?;
    found.ok_or_else(|| anyhow!("there is no interface {name}"))
}

async fn set_up(handle: &Handle, index: u32) -> Result<()> {
    handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await?;
    Ok(())
}

/// Where the kernel has no IPv6 there is nothing to switch off.
fn disable_ipv6(interface: &str) {
    let _ = set(&format!("ipv6/conf/{interface}/disable_ipv6"), "1");
}

/// Writes a setting of the calling thread's network namespace.
fn set(key: &str, value: &str) -> Result<()> {
    let path = PathBuf::from("/proc/sys/net").join(key);
    fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
}
