//! Routes of the kernel to networks behind phones.

use super::Netlink;
use crate::error::Error;
use agw_types::IpPrefix;
use basalt_ebpf_abi::Prefix;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where such routes lead, and which there are.
pub(crate) struct Behind {
    /// The gateway's own device.
    pub(crate) device: u32,
    /// Next hops on it, where it is not a TUN device.
    pub(crate) ipv4: Option<Ipv4Addr>,
    /// For IPv6.
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// What fits into a tunnel.
    pub(crate) mtu: u32,
    /// Routes that are none of these: those of the pools.
    pub(crate) others: BTreeSet<IpPrefix>,
}

impl Behind {
    /// Makes the routes exactly these: what a process before this one has left is removed, too.
    pub(crate) async fn follow(&self, netlink: &Netlink, wanted: &BTreeSet<IpPrefix>) -> Result<(), Error> {
        let there = netlink.routes_by(self.device).await?;
        let mut first = Ok(());
        for network in there.iter().filter(|network| !wanted.contains(network) && !self.others.contains(network)) {
            first = first.and(netlink.remove_route(*network, self.device).await);
        }
        for network in wanted.iter().filter(|network| !there.contains(network)) {
            first = first.and(self.add(netlink, *network).await);
        }
        first
    }

    async fn add(&self, netlink: &Netlink, network: IpPrefix) -> Result<(), Error> {
        match network.first() {
            IpAddr::V4(address) => {
                netlink.route(Prefix::new(address, network.length()), self.device, self.ipv4, self.mtu).await
            }
            IpAddr::V6(address) => netlink.route6((address, network.length()), self.device, self.ipv6, self.mtu).await,
        }
    }
}
