//! The packet filter behind the programs: what comes from phones may go to the internet and nowhere else. And NAT.

use super::ipv6;
use crate::config::{Config, Egress};
use crate::error::Error;
use basalt_ebpf_abi::Prefix;
use serde_json::{Value, json};
use std::io;
use std::net::Ipv4Addr;

/// Our table of nftables, replaced as a whole in one transaction. Established connections are not touched by that.
pub(crate) struct Firewall;

const TABLE: &str = "basalt";

impl Firewall {
    /// Installs the rules for this configuration.
    pub(crate) fn install(config: &Config) -> Result<(), Error> {
        apply(&ruleset(config))?;
        match ipv6_here() {
            true => apply(&ipv6::ruleset(config)),
            false => Ok(()),
        }
    }

    /// Removes our table.
    pub(crate) fn remove() -> Result<(), Error> {
        let ipv6 = if ipv6_here() { apply(&ipv6::removal()) } else { Ok(()) };
        apply(&json!({"nftables": [add(table()), {"delete": table()}]})).and(ipv6)
    }
}

/// Whether the kernel has IPv6.
fn ipv6_here() -> bool {
    std::path::Path::new("/proc/sys/net/ipv6").exists()
}

fn apply(ruleset: &Value) -> Result<(), Error> {
    let none: [&str; 0] = [];
    nftables::helper::apply_ruleset_raw(&ruleset.to_string(), None::<&str>, none).map(drop).map_err(|error| {
        Error::System { what: "nft (package nftables)".into(), cause: io::Error::other(error.to_string()) }
    })
}

fn ruleset(config: &Config) -> Value {
    let internet = config.internet_interface.as_str();
    let mut commands = vec![add(table()), json!({"delete": table()}), add(table())];
    // Before the usual priority, so that a filter of the operator's may still refuse more.
    for hook in ["forward", "input", "output"] {
        commands.push(chain(hook, "filter", hook, -5));
    }
    commands.extend(forward(config));
    commands.extend(input(config));
    commands.extend(output(config));
    let masqueraded = pools(config, Egress::Nat);
    if !masqueraded.is_empty() {
        commands.push(chain("postrouting", "nat", "postrouting", 100));
        for pool in masqueraded {
            commands.push(rule(
                "postrouting",
                vec![address_in("saddr", pool), interface("oifname", internet), json!({"masquerade": null})],
            ));
            // What is permitted on other networks knows no way to phones either.
            for permitted in &config.permitted {
                let masqueraded =
                    vec![address_in("saddr", pool), address_in("daddr", *permitted), json!({"masquerade": null})];
                commands.push(rule("postrouting", masqueraded));
            }
        }
    }
    json!({"nftables": commands})
}

/// Pools of which phones leave so.
fn pools(config: &Config, egress: Egress) -> Vec<Prefix> {
    let pools = config.pools.iter().map(|pool| Prefix::new(pool.network, pool.prefix));
    pools.filter(|pool| config.egress_of(Ipv4Addr::from(pool.first())).0 == egress).collect()
}

/// From phones to the internet, to what is permitted, and among each other where programs let it pass: that leaves where it came
/// from. To phones, from the internet (behind NAT: only what they asked for) and as answers from what is permitted; to networks behind phones,
/// from the internet.
fn forward(config: &Config) -> Vec<Value> {
    let (device, internet) = (config.device.as_str(), config.internet_interface.as_str());
    let from_phones = || interface("iifname", device);
    let to_phones = || interface("oifname", device);
    let mut rules = vec![vec![from_phones(), to_phones(), accept()]];
    // What has a VLAN of its own goes nowhere else.
    let tagged = config.pool_egress.iter().filter(|own| own.vlan.is_some());
    rules.extend(
        tagged.map(|own| vec![from_phones(), interface("oifname", internet), address_in("saddr", own.pool), refuse()]),
    );
    rules.push(vec![from_phones(), interface("oifname", internet), accept()]);
    rules.extend(config.permitted.iter().map(|prefix| vec![from_phones(), address_in("daddr", *prefix), accept()]));
    rules.push(vec![from_phones(), refuse()]);
    let routed = pools(config, Egress::Routed);
    rules.extend(
        routed
            .into_iter()
            .map(|pool| vec![interface("iifname", internet), to_phones(), address_in("daddr", pool), accept()]),
    );
    rules.push(vec![to_phones(), established(), accept()]);
    // What is in no pool and yet routed to phones is a network behind one, which others may reach.
    let pools = config.pools.iter().map(|pool| Prefix::new(pool.network, pool.prefix));
    rules.extend(pools.map(|pool| vec![to_phones(), address_in("daddr", pool), refuse()]));
    rules.push(vec![interface("iifname", internet), to_phones(), accept()]);
    rules.push(vec![to_phones(), refuse()]);
    rules.into_iter().map(|statements| rule("forward", statements)).collect()
}

/// Phones may ping the gateway's address in their pool, and use what is permitted.
fn input(config: &Config) -> Vec<Value> {
    let from_phones = || interface("iifname", &config.device);
    let limit = json!({"limit": {"rate": 1000, "per": "second", "burst": 200}});
    let mut rules = vec![vec![from_phones(), icmp(), limit, accept()]];
    rules.extend(config.permitted.iter().map(|prefix| vec![from_phones(), address_in("daddr", *prefix), accept()]));
    rules.push(vec![from_phones(), refuse()]);
    rules.into_iter().map(|statements| rule("input", statements)).collect()
}

/// No redirects to phones that talk to each other. And while this process is being replaced, base stations are not told that nobody
/// listens to GTP-U: some would give the path up.
fn output(config: &Config) -> Vec<Value> {
    let of_type = |name: &str| json!({"match": {"op": "==", "left": field("icmp", "type"), "right": name}});
    let port_unreachable = json!({"match": {"op": "==", "left": field("icmp", "code"), "right": 3}});
    let unreachable = vec![
        interface("oifname", &config.access_interface),
        of_type("destination-unreachable"),
        port_unreachable,
        refuse(),
    ];
    let redirect = vec![interface("oifname", &config.device), of_type("redirect"), refuse()];
    [redirect, unreachable].into_iter().map(|statements| rule("output", statements)).collect()
}

fn accept() -> Value {
    json!({"accept": null})
}

fn refuse() -> Value {
    json!({"drop": null})
}

fn field(protocol: &str, name: &str) -> Value {
    json!({"payload": {"protocol": protocol, "field": name}})
}

fn icmp() -> Value {
    json!({"match": {"op": "==", "left": field("ip", "protocol"), "right": "icmp"}})
}

fn established() -> Value {
    json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}})
}

fn table() -> Value {
    json!({"table": {"family": "ip", "name": TABLE}})
}

fn add(what: Value) -> Value {
    json!({"add": what})
}

fn chain(name: &str, kind: &str, hook: &str, priority: i32) -> Value {
    add(json!({"chain": {
        "family": "ip", "table": TABLE, "name": name, "type": kind, "hook": hook, "prio": priority, "policy": "accept"
    }}))
}

fn rule(chain: &str, statements: Vec<Value>) -> Value {
    add(json!({"rule": {"family": "ip", "table": TABLE, "chain": chain, "expr": statements}}))
}

fn interface(key: &str, name: &str) -> Value {
    json!({"match": {"op": "==", "left": {"meta": {"key": key}}, "right": name}})
}

fn address_in(name: &str, prefix: Prefix) -> Value {
    let first = std::net::Ipv4Addr::from(prefix.first()).to_string();
    let right = json!({"prefix": {"addr": first, "len": prefix.length()}});
    json!({"match": {"op": "==", "left": field("ip", name), "right": right}})
}
