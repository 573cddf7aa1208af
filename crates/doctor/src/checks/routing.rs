//! How packets of phones get to the internet and back.

use super::{internet, radio};
use crate::{Facts, Finding, Interface, Wanted};
use std::net::{IpAddr, Ipv4Addr};

pub(super) fn default_route(_: &Wanted, facts: &Facts) -> Option<Finding> {
    match &facts.forwarding.default_route {
        Some(interface) => Some(Finding::ok("default-route", format!("by {interface}"))),
        None => Some(Finding::warning(
            "default-route",
            "none",
            "phones attach, but reach nothing beyond this site",
            "ip route add default via ROUTER; make it permanent in the network configuration of the system",
        )),
    }
}

/// The gateway's own interface towards phones.
const OWN_DEVICE: &str = "bslt0";

pub(super) fn ip_forward(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let check = "ip-forward";
    if facts.forwarding.ip_forward? {
        return Some(Finding::ok(check, "on"));
    }
    let Some((name, interface)) = internet(wanted, facts) else {
        return Some(Finding::ok(check, "off; there is no internet side to pass packets on to"));
    };
    if !wanted.gateway_running {
        return Some(Finding::ok(check, "off; agwd switches it on for the interfaces that need it"));
    }
    // What counts is the interface by which a packet comes in.
    let passes = |interface: Option<&Interface>| interface.is_none_or(|found| found.forwarding != Some(false));
    if passes(interface) && passes(facts.interface(OWN_DEVICE)) {
        return Some(Finding::ok(check, format!("on for {name} and phones")));
    }
    Some(Finding::error(
        check,
        format!("off for {name} or {OWN_DEVICE}"),
        "the kernel does not pass packets between phones and the internet; something switched it off after agwd had switched it on",
        "sysctl -w net.ipv4.ip_forward=1, and write it to /etc/sysctl.d/basalt.conf",
    ))
}

pub(super) fn rp_filter(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let all = facts.forwarding.rp_filter_all?;
    let interfaces = [radio(wanted, facts), internet(wanted, facts)];
    let strict: Vec<&str> = interfaces
        .into_iter()
        .flatten()
        .filter(|(_, interface)| interface.and_then(|i| i.rp_filter).unwrap_or(0).max(all) == 1)
        .map(|(name, _)| name)
        .collect();
    let Some(first) = strict.first() else {
        return Some(Finding::ok("rp-filter", "lets packets of phones pass"));
    };
    let mut names = strict.clone();
    names.dedup();
    Some(Finding::warning(
        "rp-filter",
        format!("strict on {}", names.join(" and ")),
        "if packets of a base station or a phone come in by another interface than answers leave, they are dropped without a trace",
        format!(
            "sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.{first}.rp_filter=2, where routes are asymmetric"
        ),
    ))
}

pub(super) fn forward_filter(_: &Wanted, facts: &Facts) -> Option<Finding> {
    let chains = facts.forwarding.dropping_chains.as_deref()?;
    let Some(first) = chains.first() else {
        return Some(Finding::ok("forward-filter", "no firewall drops forwarded packets by default"));
    };
    Some(Finding::warning(
        "forward-filter",
        format!("dropped by default in: {}", chains.join("; ")),
        "unless a rule there lets them through, phones attach but have no internet (Docker and many firewalls do this)",
        format!(
            "let the phones' addresses pass: nft insert rule {first} ip saddr 10.45.0.0/16 accept, and the same with daddr"
        ),
    ))
}

pub(super) fn connections(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let (count, most) = facts.forwarding.connections.filter(|_| wanted.nat)?;
    if count < most / 10 * 8 {
        return Some(Finding::ok("connections", format!("{count} of {most} tracked")));
    }
    Some(Finding::warning(
        "connections",
        format!("{count} of {most} tracked"),
        "when the table is full, new connections of phones are dropped",
        format!("sysctl -w net.netfilter.nf_conntrack_max={}", most.saturating_mul(4)),
    ))
}

pub(super) fn name_servers(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    let host = facts.forwarding.name_servers.iter().filter_map(|server| match server {
        IpAddr::V4(v4) if !v4.is_loopback() && !v4.is_unspecified() => Some(*v4),
        _ => None,
    });
    let servers: Vec<Ipv4Addr> = if wanted.dns.is_empty() { host.collect() } else { wanted.dns.clone() };
    if servers.is_empty() {
        return Some(Finding::error(
            "dns",
            "no IPv4 name server that phones could use",
            "phones ping addresses but open no page",
            "[internet] dns = [\"9.9.9.9\", \"1.1.1.1\"], or those of your provider",
        ));
    }
    if let Some(loopback) = servers.iter().find(|server| server.is_loopback()) {
        return Some(Finding::error(
            "dns",
            format!("{loopback} is told to phones"),
            "that is the phone itself",
            "[internet] dns: addresses that phones can reach",
        ));
    }
    let servers: Vec<String> = servers.iter().map(Ipv4Addr::to_string).collect();
    Some(Finding::ok("dns", servers.join(", ")))
}

pub(super) fn pools(wanted: &Wanted, facts: &Facts) -> Option<Finding> {
    for (network, length) in &wanted.pools {
        for interface in &facts.interfaces {
            for (address, prefix) in &interface.addresses {
                let IpAddr::V4(address) = address else { continue };
                // The first address of a pool is the gateway's own.
                let own = address.to_bits() == network.to_bits().wrapping_add(1);
                if !own && overlap((*network, *length), (*address, *prefix)) {
                    return Some(overlapping(*network, *length, &interface.name, *address, *prefix));
                }
            }
        }
    }
    if wanted.pools.is_empty() {
        return None;
    }
    let pools: Vec<String> = wanted.pools.iter().map(|(network, length)| format!("{network}/{length}")).collect();
    Some(Finding::ok("pools", format!("{} apart from the networks of this machine", pools.join(", "))))
}

fn overlapping(network: Ipv4Addr, length: u8, interface: &str, address: Ipv4Addr, prefix: u8) -> Finding {
    Finding::error(
        "pools",
        format!("{network}/{length} overlaps with {address}/{prefix} of {interface}"),
        "packets of phones with such addresses go to the wrong side",
        "give phones another network: [[apn]] pools = [\"10.46.0.0/16\"]",
    )
}

fn overlap(a: (Ipv4Addr, u8), b: (Ipv4Addr, u8)) -> bool {
    let length = u32::from(a.1.min(b.1).min(32));
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    a.0.to_bits() & mask == b.0.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy, wanted};
    use super::*;
    use crate::{Forwarding, Level};

    fn with(change: impl FnOnce(&mut Forwarding)) -> Facts {
        let mut facts = healthy();
        change(&mut facts.forwarding);
        facts
    }

    #[test]
    fn the_way_out() {
        assert!(default_route(&wanted(), &healthy()).unwrap().found.contains("wan"));
        assert_eq!(default_route(&wanted(), &broken()).unwrap().level, Level::Warning);
    }

    #[test]
    fn a_running_gateway_needs_forwarding() {
        let off = with(|f| f.ip_forward = Some(false));
        assert_eq!(ip_forward(&wanted(), &off).unwrap().level, Level::Ok, "agwd switches it on");
        let running = Wanted { gateway_running: true, ..wanted() };
        assert_eq!(ip_forward(&running, &off).unwrap().level, Level::Ok, "for its interfaces only");
        let mut broken = off.clone();
        broken.interfaces[1].forwarding = Some(false);
        assert_eq!(ip_forward(&running, &broken).unwrap().level, Level::Error);
        assert_eq!(ip_forward(&running, &healthy()).unwrap().level, Level::Ok);
        assert_eq!(ip_forward(&running, &Facts::default()), None);
        let alone = Wanted { internet_interface: None, ..running };
        let inside = Facts { forwarding: Forwarding { default_route: None, ..off.forwarding }, ..off };
        assert_eq!(ip_forward(&alone, &inside).unwrap().level, Level::Ok);
    }

    #[test]
    fn the_larger_reverse_path_filter_counts() {
        let strict = |all, own| {
            let mut facts = with(|f| f.rp_filter_all = Some(all));
            facts.interfaces[0].rp_filter = Some(own);
            rp_filter(&wanted(), &facts).unwrap().level
        };
        assert_eq!(strict(0, 0), Level::Ok);
        assert_eq!(strict(0, 1), Level::Warning);
        assert_eq!(strict(1, 0), Level::Warning);
        assert_eq!(strict(2, 1), Level::Ok);
        assert_eq!(strict(1, 2), Level::Warning, "the other interface is strict still");
    }

    #[test]
    fn firewalls_are_named() {
        let finding = forward_filter(&wanted(), &broken()).unwrap();
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.fix.contains("nft insert rule ip filter FORWARD"));
        assert_eq!(forward_filter(&wanted(), &healthy()).unwrap().level, Level::Ok);
        assert_eq!(forward_filter(&wanted(), &Facts::default()), None);
    }

    #[test]
    fn tracked_connections_have_an_end() {
        assert_eq!(connections(&wanted(), &healthy()).unwrap().level, Level::Ok);
        assert_eq!(connections(&wanted(), &broken()).unwrap().level, Level::Warning);
        assert_eq!(connections(&Wanted { nat: false, ..wanted() }, &broken()), None);
    }

    #[test]
    fn the_hosts_own_resolver_is_of_no_use_to_phones() {
        assert_eq!(name_servers(&wanted(), &broken()).unwrap().level, Level::Error);
        assert_eq!(name_servers(&wanted(), &healthy()).unwrap().found, "192.0.2.53");
        let configured = |dns: &str| Wanted { dns: vec![dns.parse().unwrap()], ..wanted() };
        assert_eq!(name_servers(&configured("9.9.9.9"), &broken()).unwrap().found, "9.9.9.9");
        assert_eq!(name_servers(&configured("127.0.0.1"), &healthy()).unwrap().level, Level::Error);
    }

    #[test]
    fn pools_and_networks_stay_apart() {
        assert_eq!(pools(&wanted(), &healthy()).unwrap().level, Level::Ok);
        let clash = pools(&wanted(), &broken()).unwrap();
        assert_eq!(clash.level, Level::Error);
        assert!(clash.found.contains("10.45.7.7/24 of s1"));
        let mut own = healthy();
        own.interfaces[0].addresses = vec![("10.45.0.1".parse().unwrap(), 16)];
        assert_eq!(pools(&wanted(), &own).unwrap().level, Level::Ok);
    }

    #[test]
    fn overlap_is_symmetric() {
        let net = |text: &str, length| (text.parse().unwrap(), length);
        assert!(overlap(net("10.0.0.0", 8), net("10.45.1.2", 24)));
        assert!(overlap(net("10.45.1.2", 24), net("10.0.0.0", 8)));
        assert!(overlap(net("0.0.0.0", 0), net("1.2.3.4", 32)));
        assert!(!overlap(net("10.45.0.0", 16), net("10.46.0.0", 16)));
    }
}
