//! Follows the kernel's routes and neighbours: next hops for programs, and which destinations phones may reach.

use crate::config::{Config, Egress};
use crate::destinations::Rules;
use crate::host::{Behind, Changes, Firewall, Netlink, Route, Snapshot};
use crate::interfaces::Interfaces;
use crate::plane::Shared;
use crate::reports::Report;
use basalt_ebpf_abi::{Class, NextHop, ON_LINK_NEXT_HOP, Prefix};
use basalt_pipeline::TUNNEL_OVERHEAD;
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// How long changes are collected before looking at all of them.
const SETTLE: Duration = Duration::from_millis(5);
/// Unresolved neighbours are asked for again that often.
const RETRY: Duration = Duration::from_secs(1);
/// Resolved ones, too, for kernels that do not keep them by themselves.
const REFRESH: Duration = Duration::from_secs(30);

/// Next hops from here to [`ON_LINK_NEXT_HOP`] are those of VLANs.
const LAST_ROUTER: u8 = 190;

/// A router of the internet, and the largest packet of routes by it where they have one of their own: each such way has a next hop.
pub(crate) type Router = (Ipv4Addr, Option<u32>);

/// Which neighbours the kernel shall ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    /// None.
    Nobody,
    /// Those whose address is not known.
    Unresolved,
    /// All that matter.
    All,
}

/// A task that runs as long as the data plane.
pub(crate) struct Resolver {
    pub(crate) netlink: Netlink,
    pub(crate) changes: Changes,
    pub(crate) news: mpsc::Receiver<(Ipv4Addr, u32)>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: Config,
    /// Whether programs forward to egress gateways by themselves.
    pub(crate) direct: bool,
    pub(crate) stations: BTreeMap<Ipv4Addr, u32>,
    pub(crate) gateways: BTreeMap<Router, u8>,
    pub(crate) rules: Rules,
    /// Routes to networks behind phones.
    pub(crate) behind: Behind,
    /// Interfaces that may go and come back, as soon as the data plane stands.
    pub(crate) interfaces: Option<Interfaces>,
}

impl Resolver {
    /// Runs until the data plane is gone.
    pub(crate) async fn run(mut self) {
        let mut tick = interval(RETRY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refreshed = Instant::now();
        let networks = self.shared.state().sessions.networks.changed();
        self.route_behind().await;
        loop {
            tokio::select! {
                news = self.news.recv() => match news {
                    Some((peer, hop)) => {
                        self.stations.insert(peer, hop);
                        while let Ok((peer, hop)) = self.news.try_recv() {
                            self.stations.insert(peer, hop);
                        }
                        self.refresh(Ask::Unresolved).await;
                    }
                    None => return,
                },
                change = self.changes.next() => {
                    if change.is_none() {
                        tracing::error!("netlink has ended: routes and neighbours are not followed any more");
                        return;
                    }
                    sleep(SETTLE).await;
                    while timeout(Duration::ZERO, self.changes.next()).await.is_ok_and(|change| change.is_some()) {}
                    self.refresh(Ask::Nobody).await;
                }
                () = networks.notified() => self.route_behind().await,
                _ = tick.tick() => {
                    let (pins, programs) = self.interfaces.as_ref().map_or((0, 0), Interfaces::repair);
                    if pins + programs > 0 {
                        self.shared.report(Report::Meddled { pins, programs });
                    }
                    let all = refreshed.elapsed() >= REFRESH;
                    if all {
                        refreshed = Instant::now();
                    }
                    if all {
                        self.refresh(Ask::All).await;
                    } else if self.unresolved() {
                        self.refresh(Ask::Unresolved).await;
                    }
                }
            }
        }
    }

    /// Has the kernel route what is behind phones to them.
    async fn route_behind(&mut self) {
        let wanted: BTreeSet<_> = self.shared.state().sessions.networks.all().collect();
        if let Err(error) = self.behind.follow(&self.netlink, &wanted).await {
            tracing::warn!(%error, "networks behind phones");
        }
    }

    fn hop(&self, index: u32) -> Option<&NextHop> {
        self.shared.tables.next_hops.get(index as usize)
    }

    fn unresolved(&self) -> bool {
        if self.interfaces.as_ref().is_some_and(Interfaces::waiting) {
            return true;
        }
        let gateways = self.gateways.values().map(|hop| u32::from(*hop));
        let mut all = self.stations.values().copied().chain(gateways);
        all.any(|hop| self.hop(hop).is_some_and(|hop| hop.ifindex.get() == 0))
    }

    /// Looks at everything once, and has the kernel ask for neighbours.
    pub(crate) async fn refresh(&mut self, ask: Ask) {
        let snapshot = match self.netlink.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, "routes and neighbours could not be read");
                return;
            }
        };
        let ask = if self.follow_interfaces(&snapshot) { ask.max(Ask::Unresolved) } else { ask };
        self.follow_destinations(&snapshot);
        self.follow_mtu(&snapshot);
        let gateways = self.gateways.iter().map(|((address, mtu), hop)| (*address, *mtu, u32::from(*hop)));
        let stations = self.stations.iter().map(|(address, hop)| (*address, None, *hop));
        let wanted: Vec<(Ipv4Addr, Option<u32>, u32)> = stations.chain(gateways).collect();
        for (address, mtu, hop) in wanted {
            let resolved = snapshot.resolved(address);
            let known = resolved.is_some();
            if let Some(entry) = self.hop(hop) {
                match resolved {
                    Some((link, source, destination)) => {
                        entry.follow(link.index, mtu.unwrap_or(link.mtu).min(link.mtu), source, destination);
                    }
                    None => entry.forget(),
                }
            }
            if ask == Ask::Nobody || (known && ask == Ask::Unresolved) {
                continue;
            }
            let Some((link, neighbour)) = snapshot.way(address) else { continue };
            if let Err(error) = self.netlink.keep_resolved(link.index, neighbour).await {
                tracing::debug!(%address, %error, "asking for a neighbour");
            }
        }
        self.shared.state().hops.learn(snapshot);
    }

    /// Has programs, filter and names follow the interfaces, and tells what became of these. Whether one has come, gone or changed.
    fn follow_interfaces(&mut self, snapshot: &Snapshot) -> bool {
        let Some(interfaces) = &mut self.interfaces else { return false };
        let changes = interfaces.follow(snapshot);
        if changes.renamed {
            self.config = interfaces.named(&self.config);
            if let Err(error) = Firewall::install(&self.config) {
                tracing::error!(%error, "the packet filter does not know an interface by its new name");
            }
        }
        self.shared.note_interfaces(interfaces.all());
        for interface in interfaces.news(std::time::Instant::now()) {
            self.shared.report(Report::Interface(interface));
        }
        changes.any
    }

    /// What is on the internet's link gets packets of the smallest size that a route to it has; and connections agree on segments that fit
    /// both into tunnels and through the usual way to the internet.
    fn follow_mtu(&self, snapshot: &Snapshot) {
        let Some(link) = snapshot.link(&self.config.internet_interface) else { return };
        if let Some(hop) = self.hop(ON_LINK_NEXT_HOP) {
            let beside = snapshot.routes.iter().filter(|route| route.output == link.index && route.gateway.is_none());
            hop.mtu.set(beside.filter_map(|route| route.mtu).fold(link.mtu, u32::min));
        }
        // One limit for all tunnels costs packets nothing: that of the narrowest way to a base station.
        let stations = self.stations.keys().filter_map(|station| snapshot.route_mtu(*station));
        let narrowest = stations.fold(u32::MAX, u32::min).saturating_sub(TUNNEL_OVERHEAD as u32);
        if let Some(settings) = self.shared.tables.settings.get(0) {
            settings.tunnel_mtu.set(self.behind.mtu.min(narrowest));
        }
        if let (Some(settings), Some(usual)) =
            (self.shared.tables.settings.get(0), snapshot.usual_mtu(&self.config.internet_interface))
        {
            settings.segment.set(self.config.segment(settings.tunnel_mtu.get().min(usual)));
        }
    }

    /// Compiles the destination rules, if they have changed.
    fn follow_destinations(&mut self, snapshot: &Snapshot) {
        let rules = rules(&self.config, snapshot, self.direct.then_some(&mut self.gateways));
        if rules == self.rules {
            return;
        }
        let tables = &self.shared.tables;
        if let (Some(settings), Some(destinations)) = (tables.settings.get(0), tables.destinations.get(0)) {
            let left = rules.write(settings, destinations);
            if left > 0 {
                tracing::info!(left, "destination rules left to the kernel's filter");
            }
        }
        self.rules = rules;
    }
}

/// Which destinations phones may reach. `gateways` collects the egress gateways that programs may send to directly.
pub(crate) fn rules(config: &Config, snapshot: &Snapshot, gateways: Option<&mut BTreeMap<Router, u8>>) -> Rules {
    let mut rules = Rules::default();
    rules.rank(config.permitted.iter().map(|prefix| (*prefix, Class::KERNEL)).collect());
    let own = |address: Ipv4Addr| Prefix::new(address, 32);
    rules.rank(config.pools.iter().filter_map(|pool| Some((own(pool.gateway?), Class::GATEWAY))).collect());
    let mut denied = Rules::nowhere();
    denied.extend(config.pools.iter().map(|pool| (Prefix::new(pool.network, pool.prefix), Class::PHONES)));
    denied.extend(config.forbidden.iter().map(|prefix| (*prefix, Class::DENY)));
    denied.push((own(config.access_address), Class::DENY));
    for (index, address, length) in &snapshot.addresses {
        let link = snapshot.links.get(index);
        if link.is_some_and(|link| link.name == config.device) {
            continue;
        }
        denied.push((own(*address), Class::DENY));
        if link.is_some_and(|link| link.name != config.internet_interface) {
            denied.push((Prefix::new(*address, *length), Class::DENY));
        }
    }
    rules.rank(denied);
    let internet = snapshot.link(&config.internet_interface).map(|link| link.index);
    let elsewhere = elsewhere(config, snapshot, internet);
    if let Some(gateways) = gateways.filter(|_| config.direct()) {
        // What is translated or tagged is so, whether the kernel has a router for it or not.
        let beside = config.egresses().any(|(egress, vlan)| egress == Egress::Translated || vlan.is_some());
        let on_link = if beside { Class(ON_LINK_NEXT_HOP as u8) } else { Class::KERNEL };
        rules.rank(direct_routes(&snapshot.routes, (internet, &elsewhere), on_link, gateways));
    } else if !elsewhere.is_empty() {
        let class = |route: &Route| if elsewhere.contains(&route.output) { Class::DENY } else { Class::KERNEL };
        let mut routes: Vec<&Route> = snapshot.routes.iter().collect();
        routes.sort_by_key(|route| route.priority);
        rules.rank(routes.into_iter().map(|route| (route.prefix, class(route))).collect());
    }
    rules
}

/// Interfaces by which nothing of phones leaves: all but the internet's and their own. The kernel's filter refuses what would; programs know why.
fn elsewhere(config: &Config, snapshot: &Snapshot, internet: Option<u32>) -> BTreeSet<u32> {
    let ways = snapshot.routes.iter().map(|route| route.output).filter(|_| internet.is_some());
    let others = |index: &u32| {
        let link = snapshot.links.get(index);
        Some(*index) != internet && link.is_some_and(|link| link.name != config.device)
    };
    ways.filter(others).collect()
}

/// Routes through a gateway on the internet interface become direct; those that lead elsewhere are refused; all others are the kernel's.
fn direct_routes(
    routes: &[Route],
    (internet, elsewhere): (Option<u32>, &BTreeSet<u32>),
    on_link: Class,
    gateways: &mut BTreeMap<Router, u8>,
) -> Vec<(Prefix, Class)> {
    let mut best: BTreeMap<(u32, u8), &Route> = BTreeMap::new();
    for route in routes {
        let entry = best.entry((route.prefix.first(), route.prefix.length())).or_insert(route);
        if route.priority < entry.priority {
            *entry = route;
        }
    }
    let mut hop = |gateway: Router| -> Class {
        if let Some(hop) = gateways.get(&gateway) {
            return Class(*hop);
        }
        let next = gateways.values().max().map_or(Class::FIRST_HOP, |last| last + 1);
        if next >= LAST_ROUTER {
            return on_link;
        }
        gateways.insert(gateway, next);
        Class(next)
    };
    best.values()
        .map(|route| match route.gateway {
            _ if elsewhere.contains(&route.output) => (route.prefix, Class::DENY),
            _ if Some(route.output) != internet => (route.prefix, Class::KERNEL),
            Some(gateway) => (route.prefix, hop((gateway, route.mtu))),
            None => (route.prefix, on_link),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Link;
    use agw_types::AddressPool;

    fn prefix(address: [u8; 4], length: u8) -> Prefix {
        Prefix::new(address.into(), length)
    }

    #[test]
    fn what_is_routed_elsewhere_than_to_the_internet_is_refused() {
        let pool = AddressPool { network: [10, 93, 0, 0].into(), prefix: 16, gateway: None };
        let mut config = Config::new("s1", [10, 91, 0, 1].into(), "sgi", vec![pool]);
        config.device = "bslt0".to_owned();
        let link = |(index, name): (u32, &str)| {
            (index, Link { index, name: name.to_owned(), mac: None, mtu: 1500, up: true, ready: true })
        };
        let route = |address, length, output, gateway: Option<[u8; 4]>| Route {
            prefix: prefix(address, length),
            output,
            gateway: gateway.map(Into::into),
            priority: 0,
            mtu: None,
        };
        let snapshot = Snapshot {
            links: [(1, "s1"), (2, "sgi"), (3, "bslt0"), (4, "manage")].map(link).into(),
            routes: vec![
                route([0, 0, 0, 0], 0, 2, Some([10, 92, 0, 2])),
                route([10, 91, 1, 0], 24, 1, Some([10, 91, 0, 2])),
                route([10, 91, 1, 128], 25, 2, Some([10, 92, 0, 2])),
                route([10, 94, 0, 0], 24, 3, None),
                route([172, 16, 0, 0], 12, 4, None),
                route([192, 0, 2, 0], 24, 0, None),
            ],
            ..Snapshot::default()
        };
        for egress in [Egress::Routed, Egress::Nat] {
            config.egress = egress;
            let mut gateways = BTreeMap::new();
            let rules = rules(&config, &snapshot, Some(&mut gateways));
            let class = |address: [u8; 4]| rules.class(address.into());
            assert_eq!([class([10, 91, 1, 1]), class([172, 16, 0, 1])], [Class::DENY; 2], "{egress:?}");
            assert_eq!([class([10, 94, 0, 1]), class([192, 0, 2, 1])], [Class::KERNEL; 2], "{egress:?}");
            let way = if egress == Egress::Routed { Class::FIRST_HOP } else { Class::KERNEL.0 };
            assert_eq!([class([8, 8, 8, 8]), class([10, 91, 1, 129])], [Class(way); 2], "{egress:?}");
        }
        let before = Snapshot { links: BTreeMap::new(), ..snapshot };
        let unknown = rules(&config, &before, None);
        assert_eq!(unknown.class([172, 16, 0, 1].into()), Class::KERNEL, "who leads where is not known");
    }
}
