//! Policy rules, the sets they form, their quality and rating groups.

use super::body::{BaseName, Flow, Network, PolicyRule, QosProfile, RatingGroup};
use super::{Items, Layers};
use crate::config::{Effective, file};
use agw_types::SubscribedRule;
use basalt_desired::ItemKey;
use basalt_ids::Apn;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the part of a rule is called that drops, where another part passes.
const DENY: &str = ".deny";
/// The last precedence that there is.
const LAST: u32 = 255;

pub fn lay(layers: &mut Layers<'_>) {
    let rules = layers.read::<PolicyRule>("policy-rules");
    let profiles: BTreeMap<String, QosProfile> = named(layers.read("qos-profiles"));
    let groups: BTreeMap<String, RatingGroup> = named(layers.read("rating-groups"));
    let precedences = precedences(&rules);
    for (key, rule) in &rules {
        let precedence = precedences.get(&rule.priority).copied().unwrap_or(LAST);
        let written = match write(&key.name, rule, precedence, &profiles, &groups) {
            Ok(written) => written,
            Err(reason) => {
                layers.refuse(key, reason);
                continue;
            }
        };
        layers.attempt(key, |file| {
            file.rule.retain(|other| written.iter().all(|new| new.name != other.name));
            file.rule.extend(written);
        });
        let counted = matches!(rule.tracking_type.as_str(), "ONLY_OCS" | "OCS_AND_PCRF");
        layers.cannot(
            key,
            &[
                (
                    counted,
                    "tracking_type: this gateway asks no online charging system; the rest of the rule is in force",
                ),
                (
                    !rule.header_enrichment_targets.is_empty(),
                    "header_enrichment_targets: this gateway changes no requests; the rest of the rule is in force",
                ),
            ],
        );
    }
}

fn named<T>(list: Vec<(ItemKey, T)>) -> BTreeMap<String, T> {
    list.into_iter().map(|(key, value)| (key.name, value)).collect()
}

/// Priorities up to 255 are precedences; where there are higher ones, the order of all of them is kept.
fn precedences(rules: &[(ItemKey, PolicyRule)]) -> BTreeMap<u32, u32> {
    let mut all: Vec<u32> = rules.iter().map(|(_, rule)| rule.priority).collect();
    all.sort_unstable();
    all.dedup();
    let fits = all.last().is_none_or(|last| *last <= LAST);
    (0_u32..).zip(all).map(|(rank, priority)| (priority, if fits { priority } else { rank.min(LAST) })).collect()
}

fn write(
    name: &str,
    rule: &PolicyRule,
    precedence: u32,
    profiles: &BTreeMap<String, QosProfile>,
    groups: &BTreeMap<String, RatingGroup>,
) -> Result<Vec<file::Rule>, String> {
    if rule.app_name.is_some() || rule.app_service_type.is_some() {
        return Err("this gateway does not recognise applications: say flows instead of app_name".to_owned());
    }
    if rule.redirect.as_ref().is_some_and(|redirect| redirect.enabled) {
        return Err("this gateway redirects no traffic".to_owned());
    }
    let mut written = file::Rule { name: name.to_owned(), precedence: Some(precedence), ..file::Rule::default() };
    if let Some(profile) = &rule.qos_profile {
        let profile = profiles.get(profile).ok_or_else(|| format!("there is no QoS profile `{profile}`"))?;
        quality(profile, &mut written);
    }
    if let Some(group) = &rule.rating_group {
        let group = groups.get(group).ok_or_else(|| format!("there is no rating group `{group}`"))?;
        written.rating_group = Some(group.id);
        match group.limit_type.as_str() {
            "INFINITE_BLOCKED" => written.gate = Some("closed".to_owned()),
            "FINITE" => {
                return Err(
                    "its rating group needs an online charging system, which this gateway does not ask".to_owned()
                );
            }
            _ => {}
        }
    }
    written.monitoring_key = rule.monitoring_key.as_deref().map(monitoring_key);
    if rule.flow_list.is_empty() {
        written.flows = vec!["both ip".to_owned()];
        return check(vec![written]);
    }
    let flows = |action: &str| -> Result<Vec<String>, String> {
        rule.flow_list.iter().filter(|flow| flow.action == action).map(self::flow).collect()
    };
    let (permitted, denied) = (flows("PERMIT")?, flows("DENY")?);
    let mut all = Vec::new();
    if !denied.is_empty() {
        let name = if permitted.is_empty() { name.to_owned() } else { format!("{name}{DENY}") };
        let gate = Some("closed".to_owned());
        // What is dropped needs no bearer.
        all.push(file::Rule { name, precedence: Some(precedence), flows: denied, gate, ..file::Rule::default() });
    }
    if !permitted.is_empty() {
        written.flows = permitted;
        all.push(written);
    }
    check(all)
}

fn check(rules: Vec<file::Rule>) -> Result<Vec<file::Rule>, String> {
    for rule in &rules {
        crate::rules::read(rule)?;
    }
    Ok(rules)
}

fn quality(profile: &QosProfile, rule: &mut file::Rule) {
    rule.qci = Some(profile.qci);
    rule.priority = Some(profile.arp.priority_level.max(1));
    rule.may_preempt = Some(profile.arp.preemption_capability);
    rule.preemptable = Some(profile.arp.preemption_vulnerability);
    let (max, guaranteed) = (profile.max.as_ref(), profile.guaranteed.as_ref());
    rule.mbr_uplink = max.map(|rates| rates.max_ul_bit_rate);
    rule.mbr_downlink = max.map(|rates| rates.max_dl_bit_rate);
    rule.gbr_uplink = guaranteed.map(|rates| rates.max_ul_bit_rate);
    rule.gbr_downlink = guaranteed.map(|rates| rates.max_dl_bit_rate);
}

/// A number as it is, other keys by a digest of 31 bits that is the same everywhere (FNV-1a).
fn monitoring_key(key: &str) -> u32 {
    key.parse().unwrap_or_else(|_| {
        let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
        (hash >> 1).max(1)
    })
}

/// A flow in the gateway's words: the far end is the destination of what phones send and the source of what they receive.
fn flow(flow: &Flow) -> Result<String, String> {
    let uplink = flow.direction == "UPLINK";
    let (remote, local) = if uplink { (&flow.ip_dst, &flow.ip_src) } else { (&flow.ip_src, &flow.ip_dst) };
    let (remote_port, local_port) =
        if uplink { (flow.port_dst, flow.port_src) } else { (flow.port_src, flow.port_dst) };
    if local.as_deref().is_some_and(|prefix| !matches!(prefix, "0.0.0.0/0" | "::/0")) {
        let field = if uplink { "ip_src" } else { "ip_dst" };
        return Err(format!("`{field}` names the phone's side: its address is the session's, leave it away"));
    }
    let mut text = if uplink { "uplink".to_owned() } else { "downlink".to_owned() };
    match flow.ip_proto {
        Some(protocol) => text.push_str(&format!(" protocol {protocol}")),
        None => text.push_str(" ip"),
    }
    if let Some(prefix) = remote.as_deref().filter(|prefix| *prefix != "0.0.0.0/0") {
        text.push_str(&format!(" remote {prefix}"));
    }
    if let Some(port) = remote_port {
        text.push_str(&format!(" remote-port {port}"));
    }
    if let Some(port) = local_port {
        text.push_str(&format!(" local-port {port}"));
    }
    Ok(text)
}

/// Names of the rules in force that hold for every session of the network.
pub fn general(layers: &mut Layers<'_>, network: &Network) -> Vec<String> {
    let mut names = expand(layers.items, &network.policy_rules, &network.base_names);
    if names.is_empty() {
        names.extend(network.epc.default_rule.clone());
    }
    in_force(&layers.effective, names)
}

/// Those that a configuration has, with their parts.
fn in_force(effective: &Effective, names: Vec<String>) -> Vec<String> {
    let parts = names.into_iter().flat_map(|name| [format!("{name}{DENY}"), name]);
    parts.filter(|name| effective.gateway.qos.rules.iter().any(|rule| rule.name == *name)).collect()
}

fn expand(items: &Items, rules: &[String], base_names: &[String]) -> Vec<String> {
    let mut names = rules.to_vec();
    for base_name in base_names {
        let set: BaseName = body(items, "base-names", base_name).unwrap_or_default();
        names.extend(set.policy_rules);
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn body<T: DeserializeOwned>(items: &Items, collection: &str, name: &str) -> Option<T> {
    let key = ItemKey { collection: collection.to_owned(), name: name.to_owned() };
    serde_json::from_str(&items.get(&key)?.body).ok()
}

/// The names of rules and base names in fields of a body.
fn names_of(body: &Value, field: &str) -> Vec<String> {
    let list = body.get(field).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The rules that a subscriber has of its own, by access point, as far as they are in force here.
pub fn named_rules(
    items: &Items,
    effective: &Effective,
    subscriber: &Value,
    apns: &[Apn],
) -> Vec<(Apn, SubscribedRule)> {
    let mut everywhere = names_of(subscriber, "active_policies");
    if let Some(plan) = subscriber.get("data_plan").and_then(Value::as_str)
        && let Some(plan) = body::<Value>(items, "data-plans", plan)
    {
        everywhere.extend(names_of(&plan, "policy_rules"));
    }
    let everywhere = expand(items, &everywhere, &names_of(subscriber, "active_base_names"));
    let own = subscriber.get("active_apns").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut rules = Vec::new();
    for apn in apns {
        let here = own.iter().find(|it| it.get("apn").and_then(Value::as_str) == Some(apn.as_str()));
        let mut names = everywhere.clone();
        names.extend(here.map(|here| names_of(here, "policies")).unwrap_or_default());
        let named = in_force(effective, expand(items, &names, &[]));
        rules.extend(named.into_iter().map(|name| (apn.clone(), SubscribedRule::Named(name))));
    }
    rules
}
