//! Interfaces, addresses, routes and kernel settings of one namespace.
//!
//! Every trap of XDP on veth pairs that was met is handled here, so that neither the gateway nor the reader meets it:
//! GRO on the peer of a redirect target (without it redirected frames vanish), transmit checksums off at senders
//! (XDP forwards half-made ones as they are), room for the tunnel headers in the MTU, IPv6 noise off.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use futures_util::TryStreamExt;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMetric, RouteScope, RouteType};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::netns::NetNs;
use crate::sys;

/// MTU of the far end of a phone's device: more than a phone is ever told.
const LOOSE_MTU: u32 = 9000;

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

/// Lets a namespace send a neighbour on an interface no larger packets than this: those that are are broken up.
///
/// # Errors
/// No such interface, or the kernel refuses.
pub fn narrow(ns: &NetNs, to: Ipv4Addr, interface: &'static str, mtu: u32) -> Result<()> {
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(to, 32)
            .output_interface(index)
            .scope(RouteScope::Link)
            .build();
        route.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        handle.route().add(route).replace().execute().await?;
        Ok(())
    })
}

/// Lets a namespace send no larger packets than this to a host behind a router: the router's network is narrower.
///
/// # Errors
/// No such router, or the kernel refuses.
pub fn narrow_via(ns: &NetNs, to: Ipv4Addr, via: Ipv4Addr, mtu: u32) -> Result<()> {
    ns.run_async(move || async move {
        let mut route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, 32).gateway(via).build();
        route.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        netlink()?.route().add(route).replace().execute().await?;
        Ok(())
    })
}

/// The same for an IPv6 host.
///
/// # Errors
/// No such router, or the kernel refuses.
pub fn narrow6_via(ns: &NetNs, to: Ipv6Addr, via: Ipv6Addr, mtu: u32) -> Result<()> {
    ns.run_async(move || async move {
        let mut route = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(to, 128).gateway(via).build();
        route.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        netlink()?.route().add(route).replace().execute().await?;
        Ok(())
    })
}

/// Gives an interface another MTU.
///
/// # Errors
/// No such interface, or it takes no such packets.
pub fn resize(ns: &NetNs, interface: &'static str, mtu: u32) -> Result<()> {
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        handle.link().set(LinkUnspec::new_with_index(index).mtu(mtu).build()).execute().await?;
        Ok(())
    })
    .with_context(|| format!("an MTU of {mtu} octets for {}/{interface}", ns.name()))
}

/// Removes an interface, and with it the other end of its cable.
///
/// # Errors
/// No such interface, or the kernel refuses.
pub fn remove(ns: &NetNs, interface: &'static str) -> Result<()> {
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        handle.link().del(index).execute().await?;
        Ok(())
    })
    .with_context(|| format!("removing {}/{interface}", ns.name()))
}

/// Brings an interface up or takes it down.
///
/// # Errors
/// No such interface, or the kernel refuses.
pub fn switch(ns: &NetNs, interface: &'static str, up: bool) -> Result<()> {
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        let message = LinkUnspec::new_with_index(index);
        handle.link().set(if up { message.up() } else { message.down() }.build()).execute().await?;
        Ok(())
    })
    .with_context(|| format!("switching {}/{interface}", ns.name()))
}

/// Gives an interface another name, for which it is down meanwhile: kernels before 6.2 want that.
///
/// # Errors
/// No such interface, the name is in use, or the kernel refuses.
pub fn rename(ns: &NetNs, interface: &str, name: &str) -> Result<()> {
    let (interface, name) = (interface.to_owned(), name.to_owned());
    let what = format!("renaming {}/{interface} to {name}", ns.name());
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, &interface).await?;
        let message = || LinkUnspec::new_with_index(index);
        for change in [message().down(), message().name(name), message().up()] {
            handle.link().set(change.build()).execute().await?;
        }
        Ok(())
    })
    .context(what)
}

/// Gives an interface another name besides its own (`ip link property add altname`).
///
/// # Errors
/// No such interface, the name is in use, or the kernel refuses.
pub fn call_also(ns: &NetNs, interface: &str, other: &str) -> Result<()> {
    let (interface, other) = (interface.to_owned(), other.to_owned());
    let what = format!("calling {}/{interface} {other}, too", ns.name());
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, &interface).await?;
        handle.link().property_add(index).alt_ifname(&[&other]).execute().await?;
        Ok(())
    })
    .context(what)
}

/// Gives an interface another hardware address, as a router that is exchanged has, which it announces.
///
/// # Errors
/// No such interface, or the kernel refuses.
pub fn exchange(ns: &NetNs, interface: &'static str, address: [u8; 6]) -> Result<()> {
    ns.run_async(move || async move {
        set(&format!("ipv4/conf/{interface}/arp_notify"), "1")?;
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        handle.link().set(LinkUnspec::new_with_index(index).address(address.to_vec()).build()).execute().await?;
        Ok(())
    })
}

/// Routes everything through another neighbour than before.
///
/// # Errors
/// The neighbour is on no network of ours.
pub fn replace_default_route(ns: &NetNs, via: Ipv4Addr) -> Result<()> {
    ns.run_async(move || async move {
        let route =
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(Ipv4Addr::UNSPECIFIED, 0).gateway(via).build();
        netlink()?.route().add(route).replace().execute().await?;
        Ok(())
    })
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

/// Routes an IPv6 prefix through a neighbour. Where the kernel has no IPv6 nothing happens.
///
/// # Errors
/// The neighbour is on no network of ours.
pub fn add_route6(ns: &NetNs, (network, length): (Ipv6Addr, u8), via: Ipv6Addr) -> Result<()> {
    ns.run_async(move || async move {
        if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
            return Ok(());
        }
        let route = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(network, length).gateway(via).build();
        netlink()?.route().add(route).execute().await?;
        Ok(())
    })
    .with_context(|| format!("routing {network}/{length} via {via} in {}", ns.name()))
}

/// Routes a prefix through a neighbour.
///
/// # Errors
/// The neighbour is not on any link.
pub fn add_route(ns: &NetNs, prefix: (Ipv4Addr, u8), via: Ipv4Addr) -> Result<()> {
    ns.run_async(move || async move {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(prefix.0, prefix.1).gateway(via).build();
        netlink()?.route().add(route).execute().await?;
        Ok(())
    })
    .with_context(|| format!("routing {}/{} in {}", prefix.0, prefix.1, ns.name()))
}

/// Makes every address of a prefix local to a namespace: a thousand base stations without a thousand addresses.
///
/// # Errors
/// The kernel refuses.
pub fn add_local_prefix(ns: &NetNs, prefix: (Ipv4Addr, u8)) -> Result<()> {
    const LOCAL_TABLE: u32 = 255;
    ns.run_async(move || async move {
        let handle = netlink()?;
        let index = index_of(&handle, "lo").await?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(prefix.0, prefix.1)
            .output_interface(index)
            .kind(RouteType::Local)
            .scope(RouteScope::Host)
            .table_id(LOCAL_TABLE)
            .build();
        handle.route().add(route).execute().await?;
        Ok(())
    })
    .with_context(|| format!("making {}/{} local to {}", prefix.0, prefix.1, ns.name()))
}

/// A veth pair of one namespace, for a program that plays the other side of the near end.
#[derive(Clone, Debug)]
pub struct LoosePair {
    /// Index of the far end.
    pub far: u32,
    /// Hardware address of the near end.
    pub near_mac: Vec<u8>,
}

/// Makes a veth pair in a namespace: the near end without ARP and with whole checksums, the far end up. What the near end
/// sends is addressed to itself, so that nobody but the far end's reader takes it.
///
/// # Errors
/// The kernel refuses: no right, or a name in use.
pub fn loose_pair(ns: &NetNs, near: &'static str, far: &'static str) -> Result<LoosePair> {
    ns.run_async(move || async move {
        let handle = netlink()?;
        handle.link().add(LinkVeth::new(near, far).build()).execute().await?;
        disable_ipv6(far);
        sys::set_offload(near, sys::TX_CHECKSUM, false).context("switching transmit checksums off")?;
        let (near_end, far_end) = (find(&handle, near).await?, find(&handle, far).await?);
        let (near, far) = (near_end.header.index, far_end.header.index);
        handle.link().set(LinkUnspec::new_with_index(near).arp(false).build()).execute().await?;
        handle.link().set(LinkUnspec::new_with_index(far).mtu(LOOSE_MTU).arp(false).up().build()).execute().await?;
        let near_mac = near_end.attributes.into_iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(address) => Some(address),
            _ => None,
        });
        Ok(LoosePair { far, near_mac: near_mac.context("the device has no address")? })
    })
    .with_context(|| format!("making the cable {near} - {far} in {}", ns.name()))
}

/// Gives a phone's network device its IPv6 address and sends everything of that version through it. Where the kernel has no IPv6
/// nothing happens.
///
/// # Errors
/// The kernel refuses.
pub fn configure_tun6(ns: &NetNs, interface: &'static str, address: Ipv6Addr) -> Result<()> {
    ns.run(move || {
        for (key, value) in [("addr_gen_mode", "1"), ("accept_ra", "0")] {
            // Where the kernel has no IPv6 there is nothing to switch.
            let _ = set(&format!("ipv6/conf/{interface}/{key}"), value);
        }
        Ok(())
    })?;
    // Everything is behind the one tunnel: neighbours have no addresses to be asked for.
    add_address6(ns, interface, address, 128)?;
    ns.run_async(move || async move {
        if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
            return Ok(());
        }
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        let route = RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(Ipv6Addr::UNSPECIFIED, 0)
            .output_interface(index)
            .build();
        handle.route().add(route).replace().execute().await?;
        Ok(())
    })
}

/// Gives a phone's network device its address and MTU and sends everything through it.
///
/// # Errors
/// The kernel refuses.
pub fn configure_tun(ns: &NetNs, interface: &str, address: Ipv4Addr, mtu: u16) -> Result<()> {
    let interface = interface.to_owned();
    ns.run_async(move || async move {
        disable_ipv6(&interface);
        let handle = netlink()?;
        let index = index_of(&handle, &interface).await?;
        flush_addresses(&handle, index).await?;
        handle.address().add(index, address.into(), 32).execute().await?;
        let message = LinkUnspec::new_with_index(index).mtu(u32::from(mtu)).up().build();
        handle.link().set(message).execute().await?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(Ipv4Addr::UNSPECIFIED, 0)
            .output_interface(index)
            .scope(RouteScope::Link)
            .build();
        handle.route().add(route).replace().execute().await?;
        Ok(())
    })
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

/// Brings a phone's network device up without an address.
///
/// # Errors
/// The kernel refuses.
pub fn raise_tun(ns: &NetNs, interface: &'static str, mtu: u16) -> Result<()> {
    ns.run_async(move || async move {
        disable_ipv6(interface);
        let handle = netlink()?;
        let index = index_of(&handle, interface).await?;
        let message = LinkUnspec::new_with_index(index).mtu(u32::from(mtu)).up().build();
        handle.link().set(message).execute().await?;
        Ok(())
    })
}

async fn flush_addresses(handle: &Handle, index: u32) -> Result<()> {
    let mut addresses = handle.address().get().set_link_index_filter(index).execute();
    while let Some(address) = addresses.try_next().await? {
        handle.address().del(address).execute().await?;
    }
    Ok(())
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
