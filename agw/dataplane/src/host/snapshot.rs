//! What the kernel knows about the network, at one moment.

use basalt_ebpf_abi::{Mac, Prefix};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mac: Option<Mac>,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
    /// The link is there and the kernel has switched its transmit queue on: until then, packets vanish.
    pub(crate) ready: bool,
}

/// A unicast route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) prefix: Prefix,
    pub(crate) output: u32,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) priority: u32,
    /// Largest packet of this way, if it is smaller than the interface's.
    pub(crate) mtu: Option<u32>,
}

/// Interfaces, addresses, routes and resolved neighbours. IPv4 only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) links: BTreeMap<u32, Link>,
    pub(crate) addresses: Vec<(u32, Ipv4Addr, u8)>,
    pub(crate) routes: Vec<Route>,
    pub(crate) neighbours: BTreeMap<(u32, Ipv4Addr), Mac>,
}

impl Snapshot {
    /// The interface of this name.
    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The route towards an address: longest prefix, then lowest priority number.
    fn route(&self, to: Ipv4Addr) -> Option<&Route> {
        let fits = self.routes.iter().filter(|route| route.prefix.contains(to));
        fits.min_by_key(|route| (core::cmp::Reverse(route.prefix.length()), route.priority))
    }

    /// The interface towards an address, and the neighbour to ask for.
    pub(crate) fn way(&self, to: Ipv4Addr) -> Option<(&Link, Ipv4Addr)> {
        let best = self.route(to)?;
        Some((self.links.get(&best.output)?, best.gateway.unwrap_or(to)))
    }

    /// Largest packet that the way to an address carries, if its route says less than the interface.
    pub(crate) fn route_mtu(&self, to: Ipv4Addr) -> Option<u32> {
        self.route(to)?.mtu
    }

    /// Largest packet that the interface of this name and the default routes by it carry: what most connections of phones meet.
    pub(crate) fn usual_mtu(&self, name: &str) -> Option<u32> {
        let link = self.link(name)?;
        let default = |route: &&Route| route.prefix.length() == 0 && route.output == link.index;
        let best = self.routes.iter().filter(default).min_by_key(|route| route.priority);
        Some(best.and_then(|route| route.mtu).unwrap_or(link.mtu).min(link.mtu))
    }

    /// The interface towards an address with the MAC address of the neighbour on the way, if it is resolved and up.
    pub(crate) fn resolved(&self, to: Ipv4Addr) -> Option<(&Link, Mac, Mac)> {
        let (link, neighbour) = self.way(to)?;
        let destination = self.neighbours.get(&(link.index, neighbour))?;
        Some((link, link.mac.filter(|_| link.up)?, *destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, up: bool) -> (u32, Link) {
        (index, Link { index, name: format!("eth{index}"), mac: Some(Mac([index as u8; 6])), mtu: 1500, up, ready: up })
    }

    fn route(network: [u8; 4], length: u8, output: u32, gateway: Option<[u8; 4]>, priority: u32) -> Route {
        Route {
            prefix: Prefix::new(network.into(), length),
            output,
            gateway: gateway.map(Into::into),
            priority,
            mtu: None,
        }
    }

    #[test]
    fn the_usual_mtu_is_that_of_the_default_route_in_force() {
        let narrow = |priority, mtu| Route { mtu, ..route([0, 0, 0, 0], 0, 1, Some([192, 0, 2, 1]), priority) };
        let mut snapshot = Snapshot { links: [link(1, true), link(2, true)].into(), ..Snapshot::default() };
        assert_eq!(snapshot.usual_mtu("eth1"), Some(1500));
        snapshot.routes = vec![narrow(100, Some(1200)), narrow(50, Some(1400))];
        assert_eq!(snapshot.usual_mtu("eth1"), Some(1400));
        // A route does not carry more than its interface.
        snapshot.routes.push(narrow(10, Some(9000)));
        assert_eq!(snapshot.usual_mtu("eth1"), Some(1500));
        assert_eq!(snapshot.usual_mtu("eth2"), Some(1500));
        assert_eq!(snapshot.usual_mtu("eth3"), None);
    }

    #[test]
    fn the_most_specific_route_of_the_lowest_priority_counts() {
        let snapshot = Snapshot {
            links: [link(1, true), link(2, true), link(3, false)].into(),
            routes: vec![
                route([0, 0, 0, 0], 0, 1, Some([192, 0, 2, 1]), 100),
                route([0, 0, 0, 0], 0, 2, Some([192, 0, 2, 2]), 50),
                route([10, 0, 0, 0], 8, 1, None, 0),
                route([10, 3, 0, 0], 16, 3, None, 0),
            ],
            neighbours: [((2, [192, 0, 2, 2].into()), Mac([9; 6])), ((3, [10, 3, 0, 1].into()), Mac([8; 6]))].into(),
            ..Snapshot::default()
        };
        let way = |address: [u8; 4]| snapshot.way(address.into()).map(|(link, via)| (link.index, via.octets()));
        assert_eq!(way([8, 8, 8, 8]), Some((2, [192, 0, 2, 2])));
        assert_eq!(way([10, 1, 1, 1]), Some((1, [10, 1, 1, 1])));
        let resolved = |address: [u8; 4]| snapshot.resolved(address.into()).map(|(_, _, mac)| mac);
        assert_eq!(resolved([8, 8, 8, 8]), Some(Mac([9; 6])));
        assert_eq!(resolved([10, 1, 1, 1]), None, "no neighbour");
        assert_eq!(resolved([10, 3, 0, 1]), None, "interface is down");
    }
}
