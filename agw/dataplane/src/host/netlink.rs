//! Requests to the kernel about interfaces, addresses, routes and neighbours.

use super::snapshot::{Link, Route, Snapshot};
use crate::error::Error;
use agw_types::IpPrefix;
use basalt_ebpf_abi::{Mac, Prefix};
use futures_util::{Stream, StreamExt, TryStreamExt};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, State};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteScope, RouteType,
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, MulticastGroup, RouteMessageBuilder, new_multicast_connection};
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Says that the kernel has told something unasked. What it was, a snapshot shows.
pub(crate) type Changes = Pin<Box<dyn Stream<Item = ()> + Send>>;

/// A connection to the network namespace of the thread that opened it.
pub(crate) struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> Error {
    let what = what.into();
    move |error| Error::System { what, cause: io::Error::other(error.to_string()) }
}

impl Netlink {
    /// Connects, subscribed to changes of interfaces, addresses, routes and neighbours.
    pub(crate) fn open() -> Result<(Self, Changes), Error> {
        let groups =
            [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv4Route, MulticastGroup::Neigh];
        let (connection, handle, changes) = new_multicast_connection(&groups).map_err(Error::system("netlink"))?;
        Ok((Self { handle, connection: tokio::spawn(connection) }, Box::pin(changes.map(drop))))
    }

    /// Everything at once.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut snapshot = Snapshot::default();
        let mut links = self.handle.link().get().execute();
        while let Some(message) = links.try_next().await.map_err(failed("listing interfaces"))? {
            let link = link(&message);
            snapshot.links.insert(link.index, link);
        }
        let mut addresses = self.handle.address().get().execute();
        while let Some(message) = addresses.try_next().await.map_err(failed("listing addresses"))? {
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
                _ => None,
            });
            snapshot.addresses.extend(local.map(|address| (message.header.index, address, message.header.prefix_len)));
        }
        let wanted = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut routes = self.handle.route().get(wanted).execute();
        while let Some(message) = routes.try_next().await.map_err(failed("listing routes"))? {
            snapshot.routes.extend(route(&message));
        }
        let mut neighbours = self.handle.neighbours().get().set_address_family(AddressFamily::Inet).execute();
        while let Some(message) = neighbours.try_next().await.map_err(failed("listing neighbours"))? {
            snapshot.neighbours.extend(neighbour(&message));
        }
        Ok(snapshot)
    }

    /// Makes a pair of veth interfaces, or leaves it if it is there, and brings both ends up with this MTU.
    pub(crate) async fn veth(&self, name: &str, peer: &str, mtu: u32) -> Result<(Link, Link), Error> {
        let find = |snapshot: &Snapshot| snapshot.link(name).cloned().zip(snapshot.link(peer).cloned());
        if find(&self.snapshot().await?).is_none() {
            self.delete_link(name).await?;
            let request = self.handle.link().add(LinkVeth::new(name, peer).build());
            request.execute().await.map_err(failed(format!("making {name}")))?;
        }
        let (one, other) = find(&self.snapshot().await?).ok_or_else(|| Error::NoInterface(name.into()))?;
        for end in [&one, &other] {
            self.up(end.index, mtu).await?;
        }
        self.ready(&[one.index, other.index]).await?;
        find(&self.snapshot().await?).ok_or_else(|| Error::NoInterface(name.into()))
    }

    /// Waits until the kernel has switched the transmit queues of these interfaces on, which it does in its own time after they are
    /// brought up.
    async fn ready(&self, indices: &[u32]) -> Result<(), Error> {
        const TRIES: u32 = 500;
        for _ in 0..TRIES {
            let links = self.snapshot().await?.links;
            if indices.iter().all(|index| links.get(index).is_some_and(|link| link.ready)) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(Error::System {
            what: "waiting for the gateway's own device".into(),
            cause: io::ErrorKind::TimedOut.into(),
        })
    }

    /// Brings an interface up with this MTU.
    pub(crate) async fn up(&self, index: u32, mtu: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).up().build();
        self.handle.link().set(message).execute().await.map_err(failed("bringing an interface up"))
    }

    /// Lets so many packets wait to leave by an interface.
    pub(crate) async fn queue(&self, index: u32, packets: u32) -> Result<(), Error> {
        let length = LinkAttribute::TxQueueLen(packets);
        let message = LinkUnspec::new_with_index(index).append_extra_attribute(length).build();
        self.handle.link().set(message).execute().await.map_err(failed("setting the length of an interface's queue"))
    }

    /// Removes an interface, if it is there.
    pub(crate) async fn delete_link(&self, name: &str) -> Result<(), Error> {
        let Some(index) = self.snapshot().await?.link(name).map(|link| link.index) else { return Ok(()) };
        self.handle.link().del(index).execute().await.map_err(failed(format!("removing {name}")))
    }

    /// Gives an interface an address.
    pub(crate) async fn address(&self, index: u32, address: Ipv4Addr, length: u8) -> Result<(), Error> {
        let request = self.handle.address().add(index, IpAddr::V4(address), length).replace();
        request.execute().await.map_err(failed(format!("adding {address}")))
    }

    /// Routes a prefix out of an interface, through a gateway on it if one is given, with an MTU of its own.
    pub(crate) async fn route(
        &self,
        prefix: Prefix,
        index: u32,
        gateway: Option<Ipv4Addr>,
        mtu: u32,
    ) -> Result<(), Error> {
        let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(Ipv4Addr::from(prefix.first()), prefix.length())
            .output_interface(index);
        builder = match gateway {
            Some(gateway) => builder.gateway(gateway).onlink(),
            None => builder.scope(RouteScope::Link),
        };
        let mut message = builder.build();
        message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        let request = self.handle.route().add(message).replace();
        request.execute().await.map_err(failed(format!("routing {prefix}")))
    }

    /// The networks that unicast routes of the main table lead out of an interface to, but for link-local ones.
    pub(crate) async fn routes_by(&self, index: u32) -> Result<BTreeSet<IpPrefix>, Error> {
        let requests = [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        let mut networks = BTreeSet::new();
        for wanted in requests {
            let mut routes = self.handle.route().get(wanted).execute();
            while let Some(message) = routes.try_next().await.map_err(failed("listing routes"))? {
                networks.extend(network_by(&message, index));
            }
        }
        Ok(networks)
    }

    /// Removes a route out of an interface.
    pub(crate) async fn remove_route(&self, network: IpPrefix, index: u32) -> Result<(), Error> {
        let message = match network.first() {
            IpAddr::V4(first) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(first, network.length())
                .output_interface(index)
                .scope(RouteScope::NoWhere)
                .build(),
            IpAddr::V6(first) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(first, network.length())
                .output_interface(index)
                .build(),
        };
        self.handle.route().del(message).execute().await.map_err(failed(format!("removing the route to {network}")))
    }

    /// Enters a neighbour that never changes.
    pub(crate) async fn permanent_neighbour(&self, index: u32, address: Ipv4Addr, mac: Mac) -> Result<(), Error> {
        let request = self.handle.neighbours().add(index, IpAddr::V4(address)).link_layer_address(&mac.0).replace();
        request.execute().await.map_err(failed(format!("neighbour {address}")))
    }

    /// Gives an interface an IPv6 address, without looking for others that have it.
    pub(crate) async fn address6(&self, index: u32, address: Ipv6Addr, length: u8) -> Result<(), Error> {
        let mut request = self.handle.address().add(index, IpAddr::V6(address), length).replace();
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        request.execute().await.map_err(failed(format!("adding {address}")))
    }

    /// Routes an IPv6 prefix out of an interface, through a gateway on it if one is given, with an MTU of its own.
    pub(crate) async fn route6(
        &self,
        (network, length): (Ipv6Addr, u8),
        index: u32,
        gateway: Option<Ipv6Addr>,
        mtu: u32,
    ) -> Result<(), Error> {
        let mut builder =
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(network, length).output_interface(index);
        if let Some(gateway) = gateway {
            builder = builder.gateway(gateway).onlink();
        }
        let mut message = builder.build();
        message.attributes.push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
        let request = self.handle.route().add(message).replace();
        request.execute().await.map_err(failed(format!("routing {network}/{length}")))
    }

    /// Enters an IPv6 neighbour that never changes.
    pub(crate) async fn permanent_neighbour6(&self, index: u32, address: Ipv6Addr, mac: Mac) -> Result<(), Error> {
        let request = self.handle.neighbours().add(index, IpAddr::V6(address)).link_layer_address(&mac.0).replace();
        request.execute().await.map_err(failed(format!("neighbour {address}")))
    }

    /// Has the kernel resolve a neighbour and keep it resolved, although no packet of the kernel's goes there.
    pub(crate) async fn keep_resolved(&self, index: u32, address: Ipv4Addr) -> Result<(), Error> {
        let request = || {
            let add = self.handle.neighbours().add(index, IpAddr::V4(address));
            add.state(NeighbourState::None).flags(NeighbourFlags::Use).replace()
        };
        let mut managed = request();
        managed.message_mut().attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        if managed.execute().await.is_ok() {
            return Ok(());
        }
        // Kernels before 5.16 resolve it once; the caller asks again from time to time.
        request().execute().await.map_err(failed(format!("resolving {address}")))
    }
}

fn link(message: &LinkMessage) -> Link {
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 1500,
        up: message.header.flags.contains(LinkFlags::Up),
        ready: false,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::OperState(state) => link.ready = matches!(state, State::Up | State::Unknown),
            LinkAttribute::Address(octets) => link.mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(Mac),
            _ => {}
        }
    }
    link
}

/// The network of a unicast route of the main table that leads out of this interface.
fn network_by(message: &RouteMessage, index: u32) -> Option<IpPrefix> {
    let main = message.header.table == RouteHeader::RT_TABLE_MAIN && message.header.kind == RouteType::Unicast;
    let (mut output, mut first) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => first = Some(IpAddr::V4(*address)),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => first = Some(IpAddr::V6(*address)),
            RouteAttribute::Oif(index) => output = Some(*index),
            _ => {}
        }
    }
    let ours = main && output == Some(index);
    let link_local = matches!(first, Some(IpAddr::V6(address)) if address.is_unicast_link_local());
    IpPrefix::new(first.filter(|_| ours && !link_local)?, message.header.destination_prefix_length)
}

/// A unicast route of the main table with one next hop; others are the kernel's matter.
fn route(message: &RouteMessage) -> Option<Route> {
    let main = message.header.table == RouteHeader::RT_TABLE_MAIN;
    if !main || message.header.kind != RouteType::Unicast || message.header.address_family != AddressFamily::Inet {
        return None;
    }
    let mut destination = Ipv4Addr::UNSPECIFIED;
    let (mut output, mut gateway, mut priority, mut mtu) = (None, None, 0, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination = *address,
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(*address),
            RouteAttribute::Oif(index) => output = Some(*index),
            RouteAttribute::Priority(number) => priority = *number,
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics
                    .iter()
                    .find_map(|metric| if let RouteMetric::Mtu(mtu) = metric { Some(*mtu) } else { None });
            }
            _ => {}
        }
    }
    let prefix = Prefix::new(destination, message.header.destination_prefix_length);
    Some(Route { prefix, output: output?, gateway, priority, mtu: mtu.filter(|mtu| *mtu != 0) })
}

/// A neighbour whose MAC address is known and not known to be wrong.
fn neighbour(message: &NeighbourMessage) -> Option<((u32, Ipv4Addr), Mac)> {
    let usable = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(value)) => address = Some(*value),
            NeighbourAttribute::LinkLayerAddress(octets) => mac = <[u8; 6]>::try_from(octets.as_slice()).ok().map(Mac),
            _ => {}
        }
    }
    usable.then_some(((message.header.ifindex, address?), mac?))
}
