//! The gateway's own network device, by which packets go between the kernel and phones, and what the kernel must know of it.

use crate::config::Config;
use crate::error::Error;
use crate::host::{self, Behind, Firewall, Link, Netlink};
use crate::shelf;
use crate::sockets::{Device, ethtool};
use agw_types::IpPrefix;
use basalt_pipeline::TUNNEL_OVERHEAD;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

/// Next hop of the pools' routes: a neighbour that exists on the gateway's own device only.
const PEER_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 200, 2);
/// MTU of the device where no interface has a larger one. Programs that are not made for packets in several parts (`xdp.frags`), as
/// releases before had them, take at most 3506 on veth.
const USUAL_MTU: u32 = 3000;
/// The largest MTU of the device: jumbo frames of 9,000 octets and the headers that switches allow around them.
pub(super) const LARGEST_MTU: u32 = 9600;

/// The MTU that the device shall have: packets of phones are no larger than what their tunnels' interface takes.
fn wanted_mtu(access_mtu: u32) -> u32 {
    access_mtu.clamp(USUAL_MTU, LARGEST_MTU)
}

/// Largest inner packet that the access interface takes with the tunnel's headers, and the device takes at all.
pub(super) fn tunnel_mtu(config: &Config, access_mtu: u32, device_mtu: u32) -> u32 {
    let fits = access_mtu.saturating_sub(TUNNEL_OVERHEAD as u32);
    config.tunnel_mtu.map_or(fits, |mtu| u32::from(mtu).min(fits)).min(device_mtu)
}

/// Access interface, which there must be, as must that to the internet.
pub(super) async fn access_link(netlink: &Netlink, config: &Config) -> Result<Link, Error> {
    let snapshot = netlink.snapshot().await?;
    let link = |name: &str| snapshot.link(name).cloned().ok_or_else(|| Error::NoInterface(name.into()));
    link(&config.internet_interface)?;
    link(&config.access_interface)
}

/// The software plane's own device, with all around it: a TUN device, or a veth pair where none may be made; a predecessor's, if
/// somebody held it. Gives the largest packet for tunnels, too.
pub(super) async fn software_device(
    netlink: &Netlink,
    config: &Config,
    access_mtu: u32,
) -> Result<(Device, u32), Error> {
    let held = || config.shelf.as_ref().and_then(|shelf| shelf.get(shelf::DEVICE));
    let (device, mtu) = match held().and_then(|held| Device::tun_again(held, &config.device)) {
        Some(device) => (device, None),
        None => match Device::tun_maker() {
            Ok(maker) => {
                netlink.delete_link(&config.device).await?;
                (Device::tun(maker, &config.device)?, None)
            }
            Err(error) => {
                tracing::info!(%error, "/dev/net/tun cannot be opened: a veth pair stands in for the TUN device");
                let (device, mtu) = pair(netlink, config, access_mtu, held()).await?;
                (device, Some(mtu))
            }
        },
    };
    let mtu = match mtu {
        Some(mtu) => mtu,
        None => settle_tun(netlink, config, access_mtu).await?,
    };
    if let Some(shelf) = &config.shelf
        && let Err(error) = shelf.put(shelf::DEVICE, device.kept())
    {
        tracing::warn!(%error, "nobody holds the gateway's device: packets to phones are lost while the daemon changes");
    }
    Ok((device, mtu))
}

async fn settle_tun(netlink: &Netlink, config: &Config, access_mtu: u32) -> Result<u32, Error> {
    let snapshot = netlink.snapshot().await?;
    let link = snapshot.link(&config.device).ok_or_else(|| Error::NoInterface(config.device.clone()))?;
    let whole = wanted_mtu(access_mtu);
    netlink.up(link.index, whole).await?;
    if let Err(error) = netlink.queue(link.index, Config::QUEUE).await {
        tracing::warn!(%error, "bursts to phones, and packets while the daemon changes, find less room");
    }
    let mtu = tunnel_mtu(config, access_mtu, whole);
    settle(netlink, config, link.index, None, mtu, whole).await?;
    Ok(mtu)
}

/// A veth pair, and the largest packet for tunnels.
async fn pair(
    netlink: &Netlink,
    config: &Config,
    access_mtu: u32,
    held: Option<OwnedFd>,
) -> Result<(Device, u32), Error> {
    if held.is_none() {
        netlink.delete_link(&config.device).await?;
    }
    let (near, far) = own_device(netlink, config, access_mtu).await?;
    let device = match held.and_then(|held| Device::pair_again(held, &near, &far)) {
        Some(device) => device,
        None => Device::pair(&near, &far)?,
    };
    let mtu = tunnel_mtu(config, access_mtu, near.mtu);
    // Frames for the near end's own address are nobody's at the far end, where only the socket takes them.
    settle(netlink, config, near.index, Some(near.mac.unwrap_or_default()), mtu, near.mtu).await?;
    Ok((device, mtu))
}

/// The veth pair between the kernel and the programs.
pub(super) async fn own_device(netlink: &Netlink, config: &Config, access_mtu: u32) -> Result<(Link, Link), Error> {
    const ETHTOOL_SGRO: u32 = 0x2c;
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let (mtu, far) = (wanted_mtu(access_mtu), config.peer_device());
    let (device, peer) = match netlink.veth(&config.device, &far, mtu).await {
        Err(error) if mtu > USUAL_MTU => {
            // A program of a release before stands there, and its limit outlasts it.
            tracing::warn!(%error, mtu, "no jumbo frames before the gateway's device is made anew: packets keep to {USUAL_MTU} octets");
            netlink.veth(&config.device, &far, USUAL_MTU).await?
        }
        made => made?,
    };
    // Frames redirected into a veth arrive only where its other end polls: GRO makes it.
    ethtool(&config.device, ETHTOOL_SGRO, 1).map_err(Error::system("switching GRO on"))?;
    // Checksums must be in the packet before a program wraps it.
    ethtool(&config.device, ETHTOOL_STXCSUM, 0).map_err(Error::system("switching checksum offload off"))?;
    Ok((device, peer))
}

/// Switches, address, routes and filter around the gateway's own device: routes to phones say the largest packet for their tunnels.
pub(super) async fn settle(
    netlink: &Netlink,
    config: &Config,
    device: u32,
    peer: Option<basalt_ebpf_abi::Mac>,
    mtu: u32,
    device_mtu: u32,
) -> Result<(), Error> {
    if config.pools6.is_empty() {
        host::without_ipv6(&config.device);
    }
    host::without_ipv6(&config.peer_device());
    host::ipv4_switch(&config.device, "forwarding", "1")?;
    host::ipv4_switch(&config.internet_interface, "forwarding", "1")?;
    host::ipv4_switch(&config.device, "send_redirects", "0")?;
    if config.translates() {
        // What XDP has translated and leaves to the kernel comes in with an external address, which may be our own.
        host::ipv4_switch(&config.device, "accept_local", "1")?;
        host::ipv4_switch(&config.device, "rp_filter", "0")?;
    }
    let gateway = match peer {
        Some(mac) => {
            netlink.permanent_neighbour(device, PEER_ADDRESS, mac).await?;
            Some(PEER_ADDRESS)
        }
        None => None,
    };
    for pool in &config.pools {
        if let Some(address) = pool.gateway {
            netlink.address(device, address, 32).await?;
        }
        let prefix = basalt_ebpf_abi::Prefix::new(pool.network, pool.prefix);
        netlink.route(prefix, device, gateway, mtu).await?;
    }
    if !config.pools6.is_empty() {
        host::ipv6::settle(netlink, config, device, peer, mtu, device_mtu).await?;
    }
    Firewall::install(config)
}

/// How networks behind phones are routed to the gateway's own device, which has a far end or is a TUN device.
pub(super) async fn behind(netlink: &Netlink, config: &Config, far_end: bool, mtu: u32) -> Result<Behind, Error> {
    let snapshot = netlink.snapshot().await?;
    let link = snapshot.link(&config.device).ok_or_else(|| Error::NoInterface(config.device.clone()))?;
    let ipv4 = config.pools.iter().filter_map(|pool| IpPrefix::new(pool.network.into(), pool.prefix));
    let ipv6 = config.pools6.iter().filter_map(|pool| IpPrefix::new(pool.network.into(), pool.prefix));
    Ok(Behind {
        device: link.index,
        ipv4: far_end.then_some(PEER_ADDRESS),
        ipv6: far_end.then_some(host::ipv6::PEER),
        mtu,
        others: ipv4.chain(ipv6).collect(),
    })
}
