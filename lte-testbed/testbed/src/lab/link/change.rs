//! Changes of an interface that is there: its size, state, names and hardware.

use anyhow::{Context, Result};
use rtnetlink::LinkUnspec;

use super::{index_of, netlink, set};
use crate::lab::NetNs;

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
