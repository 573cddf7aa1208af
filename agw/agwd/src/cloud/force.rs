//! Puts a configuration into force while the gateway runs.
//!
//! What the core acts on changes between two inputs. What the data plane is made of (pools, ways to the internet, name servers that
//! phones may reach) is taken over by opening it anew over the tables that it left: programs and tables of XDP stay where they are,
//! so that packets go on. Addresses of sessions whose pool is gone stay theirs until they end. What cannot change while the gateway
//! runs waits for a restart, and is said to.

use super::managed;
use crate::config::Effective;
use crate::gateway::{Gateway, Job};
use crate::{start, tables, usage};
use agw_dataplane::{Config, Dataplane, Egress, Plane, Report};
use agw_types::{AddressPool, Command, ConfigDelta, Input, IpPrefix, PrefixPool, Traffic, Tunnel, UeAddress};
use basalt_ebpf_abi::{MAX_POOLS, MAX_POOLS6};
use basalt_ids::Teid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use tokio::sync::mpsc;

/// A configuration that waits for the loop to open the data plane anew, and what happens then.
pub struct Wanted {
    effective: Effective,
    then: Job,
}

/// Pools of former configurations in which there are sessions yet.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Of IPv4.
    pub pools: Vec<AddressPool>,
    /// Of IPv6.
    pub pools6: Vec<PrefixPool>,
}

impl Retired {
    /// Their networks.
    pub fn networks(&self) -> Vec<IpPrefix> {
        self.pools.iter().filter_map(prefix).chain(self.pools6.iter().filter_map(prefix6)).collect()
    }
}

/// Makes `effective` what runs, then does `then`; soon, when the data plane must change for it. Gives what waits for a restart.
pub fn put(gateway: &mut Gateway, effective: Effective, then: Job) -> Vec<String> {
    let (mut effective, pending) = without_restart(&gateway.effective, effective);
    effective.gateway.retired = gateway.retired.networks();
    if plane_differs(&gateway.effective, &effective) {
        gateway.wanted = Some(Wanted { effective, then });
    } else {
        adopt(gateway, effective);
        then(gateway);
    }
    pending
}

/// What runs next: the parts that only a restart changes stay as they are, and are named where they differ.
fn without_restart(now: &Effective, mut next: Effective) -> (Effective, Vec<String>) {
    let mut pending = Vec::new();
    if next.user_plane != now.user_plane {
        pending.push(format!("the address towards base stations stays {} until agwd is restarted", now.user_plane));
        next.user_plane = now.user_plane;
        next.gateway.user_plane = now.gateway.user_plane;
    }
    (next, pending)
}

fn plane_differs(now: &Effective, next: &Effective) -> bool {
    let pools = |effective: &Effective| -> Vec<_> {
        effective.gateway.apns.iter().map(|apn| (apn.pools.clone(), apn.pools6.clone())).collect()
    };
    pools(now) != pools(next)
        || now.gateway.dns6 != next.gateway.dns6
        || now.egress != next.egress
        || now.apn_egress != next.apn_egress
        || now.blocked != next.blocked
        || now.dns_inside != next.dns_inside
        || now.phone_to_phone != next.phone_to_phone
        || now.translation != next.translation
}

fn adopt(gateway: &mut Gateway, effective: Effective) {
    let changed = effective.gateway != gateway.effective.gateway;
    let federated = changed || effective.federation != gateway.effective.federation;
    let config = effective.gateway.clone();
    gateway.effective = effective;
    if changed {
        gateway.step(Input::Config(Box::new(ConfigDelta::Gateway(config))));
    }
    if federated {
        crate::federation::follow(gateway);
    }
}

/// Opens the data plane anew for what is wanted, and goes on with it. Without the new one, the former one is opened again, and what was
/// wanted is refused.
///
/// # Errors
/// Neither of them can be opened.
pub async fn carry_out(
    gateway: &mut Gateway,
    traffic: &mut mpsc::Receiver<Traffic>,
    reports: &mut mpsc::Receiver<Report>,
) -> anyhow::Result<()> {
    let Some(Wanted { mut effective, then }) = gateway.wanted.take() else { return Ok(()) };
    usage::collect(gateway, None);
    let carried = gateway.usage();
    let retired = retired(gateway, &effective);
    effective.gateway.retired = retired.networks();
    let ruled: BTreeSet<Teid> = gateway.core.services().filter_map(|service| tables::session_of(&service)).collect();
    let ruled = |tunnel: &Tunnel| ruled.contains(&tunnel.teid);
    let burst_ms = gateway.effective.burst_ms;
    let tunnels = gateway.core.tunnels();
    let restore: Vec<_> = tunnels.map(|tunnel| tables::remembered(tunnel, ruled, &gateway.usage, burst_ms)).collect();
    let config = |effective: &Effective, retired: &Retired| {
        let mut config = start::dataplane_config(effective);
        start::add_retired(&mut config, retired);
        config.restore.clone_from(&restore);
        config
    };
    // The former one lets go of its sockets and devices first.
    let (placeholder, _) = Dataplane::open(placeholder(config(&gateway.effective, &gateway.retired))).await?;
    drop(std::mem::replace(&mut gateway.dataplane, placeholder));
    let opened = match Dataplane::open(config(&effective, &retired)).await {
        Ok(opened) => {
            managed::keep_retired(gateway, retired);
            (opened, Some(effective))
        }
        Err(error) => {
            tracing::error!(%error, "the data plane does not take the new configuration; the former one goes on");
            managed::not_carried_out(gateway, &error.to_string());
            (Dataplane::open(config(&gateway.effective, &gateway.retired)).await?, None)
        }
    };
    let ((dataplane, new_traffic), effective) = opened;
    *traffic = new_traffic;
    if let Some(new_reports) = dataplane.reports() {
        *reports = new_reports;
    }
    gateway.dataplane = dataplane;
    gateway.goes_on_from(carried);
    if let Some(effective) = effective {
        adopt(gateway, effective);
    }
    homeless(gateway);
    let installed = crate::convert::installed(gateway);
    gateway.take_effects(|core, now, effects| core.reconcile(now, &installed, effects));
    then(gateway);
    Ok(())
}

/// What stands in for a data plane that is being opened: no packet comes to it, so that it needs no way to the internet.
fn placeholder(mut config: Config) -> Config {
    config.plane = Plane::Memory;
    config.egress = Egress::Nat;
    config.pool_egress.clear();
    config.pool6_egress.clear();
    config
}

/// Pools that a configuration does not have and that sessions have addresses of, as far as they are apart from its own.
fn retired(gateway: &Gateway, next: &Effective) -> Retired {
    let addresses: Vec<UeAddress> = gateway.core.tunnels().map(|tunnel| tunnel.address).collect();
    let own = |pick: fn(&UeAddress) -> Option<IpAddr>| -> Vec<IpAddr> { addresses.iter().filter_map(pick).collect() };
    let (now, new) = (&gateway.effective.gateway.apns, &next.gateway.apns);
    let former = now.iter().flat_map(|apn| &apn.pools).chain(&gateway.retired.pools).copied();
    let pools = keep(former, new.iter().flat_map(|apn| &apn.pools).copied(), &own(ipv4), MAX_POOLS, prefix);
    let former = now.iter().flat_map(|apn| &apn.pools6).chain(&gateway.retired.pools6).copied();
    let pools6 = keep(former, new.iter().flat_map(|apn| &apn.pools6).copied(), &own(ipv6), MAX_POOLS6, prefix6);
    Retired { pools, pools6 }
}

fn keep<T: Copy + PartialEq>(
    former: impl Iterator<Item = T>,
    new: impl Iterator<Item = T>,
    used: &[IpAddr],
    most: usize,
    network: fn(&T) -> Option<IpPrefix>,
) -> Vec<T> {
    let new: Vec<T> = new.collect();
    let mut kept: Vec<T> = Vec::new();
    for pool in former {
        let Some(own) = network(&pool) else { continue };
        let apart = |other: &T| network(other).is_none_or(|other| !own.overlaps(other));
        let room = new.len() + kept.len() < most;
        if room && new.iter().chain(&kept).all(apart) && used.iter().any(|address| own.contains(*address)) {
            kept.push(pool);
        }
    }
    kept
}

fn prefix(pool: &AddressPool) -> Option<IpPrefix> {
    IpPrefix::new(pool.network.into(), pool.prefix)
}

fn prefix6(pool: &PrefixPool) -> Option<IpPrefix> {
    IpPrefix::new(pool.network.into(), pool.prefix)
}

fn ipv4(address: &UeAddress) -> Option<IpAddr> {
    address.ipv4().map(IpAddr::V4)
}

fn ipv6(address: &UeAddress) -> Option<IpAddr> {
    address.prefix().map(|prefix| IpAddr::V6(prefix.network()))
}

/// Phones whose addresses are in no pool any more, since another took a part of theirs, attach again and get others
/// (TS 24.301 §5.5.2.3.1, re-attach required).
fn homeless(gateway: &mut Gateway) {
    let (apns, retired) = (&gateway.effective.gateway.apns, &gateway.retired);
    let networks: Vec<IpPrefix> = apns
        .iter()
        .flat_map(|apn| apn.pools.iter().filter_map(prefix).chain(apn.pools6.iter().filter_map(prefix6)))
        .chain(retired.pools.iter().filter_map(prefix))
        .chain(retired.pools6.iter().filter_map(prefix6))
        .collect();
    let housed = |address: Option<IpAddr>| {
        address.is_none_or(|address| networks.iter().any(|network| network.contains(address)))
    };
    let homeless = gateway.core.tunnels().filter(|it| !housed(ipv4(&it.address)) || !housed(ipv6(&it.address)));
    let homeless: BTreeSet<_> = homeless.map(|tunnel| tunnel.imsi).collect();
    for imsi in homeless {
        // Nobody waits for the reply.
        drop(gateway.command(Command::Detach { imsi, reattach: true }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agw_dataplane::{PoolEgress, Vlan};
    use basalt_ebpf_abi::Prefix;

    #[tokio::test]
    async fn a_gateway_with_vlans_and_translation_is_opened_anew_too() {
        let network = "10.45.0.0".parse().unwrap();
        let pools = vec![AddressPool { network, prefix: 24, gateway: None }];
        let mut config = Config::new("s1", "10.1.0.1".parse().unwrap(), "wan".to_owned(), pools);
        let vlan = Vlan { id: 7, address: "10.9.0.2".parse().unwrap(), router: "10.9.0.1".parse().unwrap() };
        config.egress = Egress::Translated;
        config.pool_egress =
            vec![PoolEgress { pool: Prefix::new(network, 24), egress: Egress::Routed, vlan: Some(vlan) }];
        let (opened, _) = Dataplane::open(placeholder(config)).await.unwrap();
        assert!(opened.installed().is_empty());
    }
}
