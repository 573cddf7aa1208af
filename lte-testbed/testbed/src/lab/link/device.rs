//! Network devices of phones, and a cable whose far end a program reads.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::{add_address6, disable_ipv6, find, index_of, netlink, set};
use crate::lab::NetNs;
use crate::sys;

/// MTU of the far end of a phone's device: more than a phone is ever told.
const LOOSE_MTU: u32 = 9000;

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
