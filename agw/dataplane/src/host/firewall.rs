//! The packet filter behind the programs: what comes from phones may go to the internet and nowhere else. And NAT.

use crate::config::{Config, Egress};
use crate::error::Error;
use basalt_ebpf_abi::Prefix;
use serde_json::{Value, json};
use std::io;

/// Our table of nftables, replaced as a whole in one transaction. Established connections are not touched by that.
pub(crate) struct Firewall;

const TABLE: &str = "basalt";

impl Firewall {
    /// Installs the rules for this configuration.
    pub(crate) fn install(config: &Config) -> Result<(), Error> {
        apply(&ruleset(config))
    }

    /// Removes our table.
    pub(crate) fn remove() -> Result<(), Error> {
        apply(&json!({"nftables": [add(table()), {"delete": table()}]}))
    }
}

fn apply(ruleset: &Value) -> Result<(), Error> {
    let none: [&str; 0] = [];
    nftables::helper::apply_ruleset_raw(&ruleset.to_string(), None::<&str>, none).map(drop).map_err(|error| {
        Error::System { what: "nft (package nftables)".into(), cause: io::Error::other(error.to_string()) }
    })
}

fn ruleset(config: &Config) -> Value {
    let (device, internet) = (config.device.as_str(), config.internet_interface.as_str());
    let mut commands = vec![add(table()), json!({"delete": table()}), add(table())];
    // Before the usual priority, so that a filter of the operator's may still refuse more.
    commands.push(chain("forward", "filter", "forward", -5));
    commands.push(chain("input", "filter", "input", -5));
    // Phones may reach each other only where the programs let them: then the packet leaves where it came from.
    commands.push(rule(
        "forward",
        vec![interface("iifname", device), interface("oifname", device), json!({"accept": null})],
    ));
    commands.push(rule(
        "forward",
        vec![interface("iifname", device), interface("oifname", internet), json!({"accept": null})],
    ));
    commands.push(rule("forward", vec![interface("iifname", device), json!({"drop": null})]));
    let mut back = vec![interface("iifname", internet), interface("oifname", device)];
    if config.egress == Egress::Nat {
        back.push(
            json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}),
        );
    }
    back.push(json!({"accept": null}));
    commands.push(rule("forward", back));
    commands.push(rule("forward", vec![interface("oifname", device), json!({"drop": null})]));
    let icmp =
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "protocol"}}, "right": "icmp"}});
    let limit = json!({"limit": {"rate": 1000, "per": "second", "burst": 200}});
    commands.push(rule("input", vec![interface("iifname", device), icmp, limit, json!({"accept": null})]));
    commands.push(rule("input", vec![interface("iifname", device), json!({"drop": null})]));
    if config.egress == Egress::Nat {
        commands.push(chain("postrouting", "nat", "postrouting", 100));
        for pool in &config.pools {
            let pool = Prefix::new(pool.network, pool.prefix);
            commands.push(rule(
                "postrouting",
                vec![source_in(pool), interface("oifname", internet), json!({"masquerade": null})],
            ));
        }
    }
    json!({"nftables": commands})
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

fn source_in(prefix: Prefix) -> Value {
    let first = std::net::Ipv4Addr::from(prefix.first()).to_string();
    let right = json!({"prefix": {"addr": first, "len": prefix.length()}});
    json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": right}})
}
