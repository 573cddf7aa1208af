//! Access points: blocks of addresses, servers, ways to the internet, rules that all of their sessions have.

use super::body::{Apn, Gateway, Network};
use super::{Layers, apn_mut, rules};
use crate::config::file;
use basalt_desired::ItemKey;

/// Addresses of the one access point that nobody has said any for.
const USUAL: &str = "10.45.0.0/16";

pub fn lay(layers: &mut Layers<'_>) {
    let network = layers.read::<Network>("networks").into_iter().next();
    let own = layers.own().map(|(_, own)| own).unwrap_or_default();
    let mut list = layers.read::<Apn>("apns");
    // The one that is usual comes first where blocks are said for one only.
    list.sort_by_key(|(key, _)| (key.name != "internet", key.name.clone()));
    let general: Vec<String> = network.as_ref().map(|(_, network)| rules::general(layers, network)).unwrap_or_default();
    if list.is_empty() && general.is_empty() {
        return;
    }
    materialise(layers, &list);
    let mut shared = shared_blocks(&own, network.as_ref().map(|(_, network)| network), &layers.file.network.tacs);
    for (key, apn) in &list {
        let blocks = blocks(layers, key, apn, &mut shared);
        one(layers, key, apn, &own, blocks);
    }
    if let Some((key, _)) = &network {
        layers.attempt(key, |file| {
            for apn in &mut file.apn {
                let new: Vec<String> = general.iter().filter(|name| !apn.rules.contains(name)).cloned().collect();
                apn.rules.extend(new);
            }
        });
    }
}

/// Makes the access point that there is by default visible; it goes when the orchestrator names others.
fn materialise(layers: &mut Layers<'_>, list: &[(ItemKey, Apn)]) {
    if layers.file.apn.is_empty() && (list.is_empty() || list.iter().any(|(key, _)| key.name == "internet")) {
        let pools = vec![USUAL.to_owned()];
        layers.file.apn.push(file::Apn { name: "internet".to_owned(), pools, ..file::Apn::default() });
    }
}

/// Blocks that the gateway or its network has for an access point without its own.
fn shared_blocks(own: &Gateway, network: Option<&Network>, tacs: &[u16]) -> Vec<String> {
    let of_gateway: Vec<String> = own.epc.ip_block.iter().chain(&own.epc.ipv6_block).cloned().collect();
    if !of_gateway.is_empty() {
        return of_gateway;
    }
    let Some(mobility) = network.map(|network| &network.epc.mobility) else { return Vec::new() };
    if mobility.ip_allocation_mode == "STATIC" {
        let of = |tac: &u16| mobility.static_ip_blocks_by_tac.get(&tac.to_string()).cloned().unwrap_or_default();
        return tacs.iter().flat_map(of).collect();
    }
    mobility.nat_ip_blocks.clone()
}

fn blocks(layers: &mut Layers<'_>, key: &ItemKey, apn: &Apn, shared: &mut Vec<String>) -> Vec<String> {
    if let Some(blocks) = apn.ip_blocks.get(layers.name).filter(|blocks| !blocks.is_empty()) {
        return blocks.clone();
    }
    if !shared.is_empty() {
        return core::mem::take(shared);
    }
    let local = apn_mut(&mut layers.file, &key.name).map(|apn| apn.pools.clone()).unwrap_or_default();
    let taken = layers.file.apn.iter().any(|apn| apn.pools.iter().any(|pool| pool == USUAL));
    match local.is_empty() && !taken && layers.local.apn.is_empty() {
        true => vec![USUAL.to_owned()],
        false => local,
    }
}

fn one(layers: &mut Layers<'_>, key: &ItemKey, apn: &Apn, own: &Gateway, blocks: Vec<String>) {
    if blocks.is_empty() {
        let name = layers.name.to_owned();
        layers.refuse(key, format!("it has no addresses on this gateway: give it `ip_blocks` for `{name}`"));
        return;
    }
    let there = layers.attempt(key, |file| {
        if apn_mut(file, &key.name).is_none() {
            file.apn.push(file::Apn { name: key.name.clone(), ..file::Apn::default() });
        }
        let Some(entry) = apn_mut(file, &key.name) else { return };
        if entry.pools != blocks {
            // What the file says of its own pools does not fit others.
            (entry.pools, entry.delegate, entry.pdn_types) = (blocks, None, None);
        }
    });
    if !there {
        return;
    }
    layers.attempt(key, |file| {
        let Some(entry) = apn_mut(file, &key.name) else { return };
        if !apn.dns_servers.is_empty() {
            entry.dns.clone_from(&apn.dns_servers);
        }
        let p_cscf = if apn.p_cscf.is_empty() { &own.epc.p_cscf } else { &apn.p_cscf };
        if !p_cscf.is_empty() {
            entry.p_cscf.clone_from(p_cscf);
        }
    });
    layers.attempt(key, |file| {
        let Some(entry) = apn_mut(file, &key.name) else { return };
        if let Some(egress) = &apn.egress {
            entry.mode = Some(egress.replace('_', "-"));
        }
        if let Some(vlan) = apn.vlan {
            entry.vlan = Some(vlan);
            entry.vlan_address = apn.vlan_address.or(entry.vlan_address);
            entry.vlan_router = apn.vlan_router.or(entry.vlan_router);
        }
    });
    layers.cannot(key, &[(apn.sst.is_some(), "sst: this gateway does not serve 5G")]);
}
