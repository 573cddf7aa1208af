//! IPv6 of the host: forwarding, routes to the pools, and the packet filter between phones and the internet.
//!
//! IPv6 packets of phones always go by the kernel, which finds the next hop by neighbour discovery and answers what is too big.

use super::{Netlink, write};
use crate::config::{Config, Egress};
use crate::error::Error;
use crate::router::ROUTER;
use agw_types::PrefixPool;
use basalt_ebpf_abi::Mac;
use serde_json::{Value, json};
use std::fs;
use std::net::Ipv6Addr;

/// Next hop of the pools' routes: a neighbour that exists on the gateway's own device only.
pub(crate) const PEER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const TABLE: &str = "basalt";

/// Switches IPv6 forwarding on and routes the pools to the gateway's own device. `peer` is the far end of it, where it has one.
pub(crate) async fn settle(
    netlink: &Netlink,
    config: &Config,
    device: u32,
    peer: Option<Mac>,
    mtu: u32,
    device_mtu: u32,
) -> Result<(), Error> {
    let whole = device_mtu.to_string();
    for (name, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("disable_ipv6", "0"), ("mtu", &whole)] {
        switch(&config.device, name, value)?;
    }
    // Who forwards hears no Router Advertisements any more unless told so, and the host may have its own address by them.
    for interface in [&config.internet_interface, &config.access_interface] {
        let heard = fs::read_to_string(place(interface, "accept_ra"));
        if heard.is_ok_and(|now| now.trim() == "1") {
            switch(interface, "accept_ra", "2")?;
        }
    }
    // The kernel knows it for all interfaces only; from others than ours, the filter refuses what is for phones.
    switch("all", "forwarding", "1")?;
    netlink.address6(device, ROUTER, 64).await?;
    let gateway = match peer {
        Some(mac) => {
            netlink.permanent_neighbour6(device, PEER, mac).await?;
            Some(PEER)
        }
        None => None,
    };
    for pool in &config.pools6 {
        netlink.route6((pool.network, pool.prefix), device, gateway, mtu).await?;
    }
    Ok(())
}

fn place(interface: &str, name: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{interface}/{name}")
}

fn switch(interface: &str, name: &str, value: &str) -> Result<(), Error> {
    write(&place(interface, name), value)
}

/// What replaces our IPv6 table of nftables: as for IPv4, phones reach the internet and nothing else; no address of the gateway at all. To pools
/// that are routed, others may begin to talk; to the others, of what comes from the internet only answers pass. Behind `nat`, unique local
/// addresses (RFC 4193) are translated.
pub(crate) fn ruleset(config: &Config) -> Value {
    let mut commands = vec![add(table()), json!({"delete": table()})];
    if config.pools6.is_empty() {
        return json!({"nftables": commands});
    }
    commands.push(add(table()));
    let (device, internet) = (config.device.as_str(), config.internet_interface.as_str());
    let (from_phones, to_phones) = (|| interface("iifname", device), || interface("oifname", device));
    for hook in ["forward", "input", "output"] {
        commands.push(chain(hook, "filter", hook, -5));
    }
    let mut forward =
        vec![vec![from_phones(), to_phones(), accept()], vec![from_phones(), interface("oifname", internet), accept()]];
    forward.push(vec![from_phones(), refuse()]);
    let of = |egress| config.pools6.iter().filter(move |pool| config.egress_of6(pool) == egress);
    forward.extend(
        of(Egress::Routed)
            .map(|pool| vec![interface("iifname", internet), to_phones(), address_in("daddr", pool), accept()]),
    );
    forward.push(vec![to_phones(), established(), accept()]);
    // What is in no pool and yet routed to phones is a network behind one, which others may reach.
    forward.extend(config.pools6.iter().map(|pool| vec![to_phones(), address_in("daddr", pool), refuse()]));
    forward.push(vec![interface("iifname", internet), to_phones(), accept()]);
    forward.push(vec![to_phones(), refuse()]);
    commands.extend(forward.into_iter().map(|statements| rule("forward", statements)));
    // Of the gateway, phones know its link-local address alone, in whose name programs and slow path answer.
    commands.push(rule("input", vec![from_phones(), refuse()]));
    commands.push(rule("output", vec![to_phones(), icmp("nd-redirect"), refuse()]));
    if of(Egress::Nat).next().is_some() {
        commands.push(chain("postrouting", "nat", "postrouting", 100));
        for pool in of(Egress::Nat).filter(|pool| pool.network.is_unique_local()) {
            let statements =
                vec![address_in("saddr", pool), interface("oifname", internet), json!({"masquerade": null})];
            commands.push(rule("postrouting", statements));
        }
    }
    json!({"nftables": commands})
}

/// Removes our IPv6 table.
pub(crate) fn removal() -> Value {
    json!({"nftables": [add(table()), {"delete": table()}]})
}

fn accept() -> Value {
    json!({"accept": null})
}

fn refuse() -> Value {
    json!({"drop": null})
}

fn icmp(kind: &str) -> Value {
    let left = json!({"payload": {"protocol": "icmpv6", "field": "type"}});
    json!({"match": {"op": "==", "left": left, "right": kind}})
}

fn established() -> Value {
    json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}})
}

fn table() -> Value {
    json!({"table": {"family": "ip6", "name": TABLE}})
}

fn add(what: Value) -> Value {
    json!({"add": what})
}

fn chain(name: &str, kind: &str, hook: &str, priority: i32) -> Value {
    add(json!({"chain": {
        "family": "ip6", "table": TABLE, "name": name, "type": kind, "hook": hook, "prio": priority, "policy": "accept"
    }}))
}

fn rule(chain: &str, statements: Vec<Value>) -> Value {
    add(json!({"rule": {"family": "ip6", "table": TABLE, "chain": chain, "expr": statements}}))
}

fn interface(key: &str, name: &str) -> Value {
    json!({"match": {"op": "==", "left": {"meta": {"key": key}}, "right": name}})
}

fn address_in(name: &str, pool: &PrefixPool) -> Value {
    let left = json!({"payload": {"protocol": "ip6", "field": name}});
    let right = json!({"prefix": {"addr": pool.network.to_string(), "len": pool.prefix}});
    json!({"match": {"op": "==", "left": left, "right": right}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Pool6Egress;

    /// What is done with packets from the internet to addresses of each pool, and whose sources are translated.
    fn treated(config: &Config, pool: &PrefixPool) -> (Vec<Value>, bool) {
        let ruleset = ruleset(config);
        let rules = ruleset["nftables"].as_array().unwrap().iter().map(|command| &command["add"]["rule"]);
        let of = |direction| {
            move |rule: &&Value| rule["expr"].as_array().is_some_and(|e| e.contains(&address_in(direction, pool)))
        };
        let into = rules.clone().filter(|rule| rule["chain"] == "forward").filter(of("daddr"));
        let verdict = |rule: &Value| rule["expr"].as_array().unwrap().last().unwrap().clone();
        (
            into.map(verdict).collect(),
            rules.filter(|rule| rule["chain"] == "postrouting").any(|rule| of("saddr")(&rule)),
        )
    }

    #[test]
    fn each_pool_is_open_or_closed_as_its_access_point_says() {
        let pool =
            |number| PrefixPool { network: Ipv6Addr::new(0xfd00, number, 0, 0, 0, 0, 0, 0), prefix: 48, each: 64 };
        let own = |egress| vec![Pool6Egress { pool: pool(2), egress, vlan: false }];
        let mut config = Config::new("s1", [10, 91, 0, 1].into(), "sgi", Vec::new());
        config.pools6 = vec![pool(1), pool(2)];
        let (open, closed) = (vec![accept(), refuse()], vec![refuse()]);
        for (usual, other, first, second) in [
            (Egress::Nat, Egress::Routed, (&closed, true), (&open, false)),
            (Egress::Routed, Egress::Translated, (&open, false), (&closed, false)),
            (Egress::Routed, Egress::Nat, (&open, false), (&closed, true)),
            (Egress::Translated, Egress::Translated, (&closed, false), (&closed, false)),
        ] {
            (config.egress, config.pool6_egress) = (usual, own(other));
            for (number, (into, translated)) in [(1, first), (2, second)] {
                assert_eq!(treated(&config, &pool(number)), (into.clone(), translated), "{usual:?} {other:?} {number}");
            }
        }
        config.pool6_egress[0].vlan = true;
        assert!(config.check().is_err_and(|error| error.to_string().contains("VLAN")));
    }

    #[test]
    fn phones_reach_no_address_of_the_gateway() {
        let mut config = Config::new("s1", [10, 91, 0, 1].into(), "sgi", Vec::new());
        config.pools6 = vec![PrefixPool { network: Ipv6Addr::LOCALHOST, prefix: 48, each: 64 }];
        let ruleset = ruleset(&config);
        let rules = ruleset["nftables"].as_array().unwrap().iter().map(|command| &command["add"]["rule"]);
        let input: Vec<&Value> = rules.filter(|rule| rule["chain"] == "input").map(|rule| &rule["expr"]).collect();
        assert_eq!(input, [&json!([interface("iifname", &config.device), refuse()])]);
    }
}
