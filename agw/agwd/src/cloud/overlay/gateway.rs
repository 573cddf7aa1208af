//! The gateway's own object: its part in a pool, name servers, the way to the internet.

use super::body::{GatewayPool, Network};
use super::{Layers, network};

pub fn lay(layers: &mut Layers<'_>) {
    let routed = layers
        .read::<Network>("networks")
        .first()
        .is_some_and(|(_, network)| network.epc.mobility.ip_allocation_mode == "STATIC");
    let Some((key, own)) = layers.own() else { return };
    let nat = own.epc.nat_enabled.or(routed.then_some(false));
    if let Some(nat) = nat {
        layers.attempt(&key, |file| match (nat, file.internet.mode.as_deref()) {
            // Translation in XDP is NAT, too, and finer: the machine's owner has chosen it.
            (true, Some("xdp-nat")) => {}
            (true, _) => file.internet.mode = Some("nat".to_owned()),
            (false, _) => file.internet.mode = Some("routed".to_owned()),
        });
    }
    if !own.epc.dns_servers.is_empty() {
        layers.attempt(&key, |file| file.internet.dns.clone_from(&own.epc.dns_servers));
    }
    if let Some(address) = own.epc.ipv4_sgw_s1u_addr {
        layers.attempt(&key, |file| file.radio.user_plane = Some(address));
    }
    if let Some(part) = own.pooling.first() {
        let pools = layers.read::<GatewayPool>("gateway-pools");
        match pools.iter().find(|(key, _)| key.name == part.pool) {
            Some((_, pool)) => drop(layers.attempt(&key, |file| {
                file.network.mme_group = Some(pool.mme_group_id);
                file.network.mme_code = Some(part.mme_code);
                file.network.relative_capacity = Some(part.mme_relative_capacity);
            })),
            None => layers.refuse(&key, format!("pooling: there is no gateway pool `{}`", part.pool)),
        }
    }
    let csfb = own.csfb.as_ref().is_some_and(|csfb| csfb.control != "off");
    layers.cannot(
        &key,
        &[
            (own.pooling.len() > 1, "pooling: this gateway is in one pool at a time; the first counts"),
            (own.amf.is_some(), "amf: this gateway does not serve 5G"),
            (csfb, "csfb: this gateway has no way to a circuit-switched core"),
            (own.header_enrichment.is_some(), "header_enrichment: this gateway changes no requests"),
            (own.epc.management.is_some(), "epc.management: interfaces of this machine are settled on it"),
            (own.epc.ipv6_prefix_random, "epc.ipv6_prefix_random: prefixes are given in order"),
            (
                own.epc.congestion_control_enabled == Some(false),
                "epc.congestion_control_enabled: it cannot be turned off",
            ),
            (
                !own.reporting.dynamic_services.is_empty(),
                "reporting.dynamic_services: there are no services beside the gateway",
            ),
        ],
    );
    if let Some(dns) = &own.dns.replaces {
        network::dns(layers, &key, dns);
    }
}
