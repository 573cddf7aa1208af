//! Routes: where to, by whom, and how large packets on them may be.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{RouteAttribute, RouteMetric, RouteScope, RouteType};

use super::{index_of, netlink};
use crate::lab::NetNs;

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
