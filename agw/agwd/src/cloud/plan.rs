//! Data plans and rules of subscribers that the orchestrator manages.

use super::overlay;
use crate::gateway::Gateway;
use crate::usage::{self, StoredPlan, StoredTerm};
use agw_types::{ConfigDelta, Input, SubscribedRule};
use basalt_desired::ItemKey;
use basalt_ids::{Apn, Imsi};
use basalt_store::Batch;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Gives subscribers the plans that the orchestrator says, durably with `batch`. One without a plan there keeps what it was given here,
/// unless that came from there.
pub fn give(gateway: &mut Gateway, names: &BTreeSet<String>, gone: &[Imsi], batch: &mut Batch) {
    let imsis = names.iter().filter_map(|name| name.parse::<Imsi>().ok());
    for imsi in imsis.collect::<BTreeSet<_>>() {
        let said = body(gateway, imsi).and_then(|body| plan_of(gateway, imsi, &body));
        let has = gateway.usage.accounts.plans.get(&imsi).copied();
        let plan = match (said, has) {
            (Some(said), Some(has)) if same(&said, &has) => continue,
            (Some(said), _) => Some(said),
            (None, Some(_)) if gateway.managed.planned.contains(&imsi) => None,
            (None, _) => continue,
        };
        match plan {
            Some(_) => gateway.managed.planned.insert(imsi),
            None => gateway.managed.planned.remove(&imsi),
        };
        gateway.usage.accounts.put_plan(imsi, plan, batch);
        gateway.managed.replanned.insert(imsi);
    }
    for imsi in gone {
        if gateway.managed.planned.remove(imsi) {
            gateway.usage.accounts.put_plan(*imsi, None, batch);
            gateway.managed.replanned.insert(*imsi);
        }
    }
}

/// Plans and rules of these subscribers hold from now on.
pub fn in_force(gateway: &mut Gateway, names: &BTreeSet<String>) {
    for imsi in std::mem::take(&mut gateway.managed.replanned) {
        usage::replanned(gateway, imsi);
    }
    for imsi in names.iter().filter_map(|name| name.parse::<Imsi>().ok()).collect::<BTreeSet<_>>() {
        let rules = rules_of(gateway, imsi);
        if gateway.managed.rules.get(&imsi).map_or(&[][..], Vec::as_slice) != rules.as_slice() {
            match rules.is_empty() {
                true => gateway.managed.rules.remove(&imsi),
                false => gateway.managed.rules.insert(imsi, rules),
            };
            subscribe(gateway, imsi);
        }
    }
}

/// Tells the core a subscriber's rules: those that were given here, and those that the orchestrator gave.
pub fn subscribe(gateway: &mut Gateway, imsi: Imsi) {
    let mut rules = gateway.rules.get(&imsi).map(|stored| stored.rules.clone()).unwrap_or_default();
    rules.extend(gateway.managed.rules.get(&imsi).cloned().unwrap_or_default());
    gateway.step(Input::Config(Box::new(ConfigDelta::Rules { imsi, rules })));
}

/// What the orchestrator gave, after a start: nothing is stepped yet.
pub fn restore_rules(gateway: &mut Gateway) {
    let of = |key: &ItemKey| (key.collection == "subscribers").then(|| key.name.parse::<Imsi>().ok()).flatten();
    let all: Vec<Imsi> = gateway.managed.items().keys().filter_map(of).collect();
    for imsi in all {
        if body(gateway, imsi).is_some_and(|body| body.get("data_plan").is_some_and(|plan| !plan.is_null())) {
            gateway.managed.planned.insert(imsi);
        }
        let rules = rules_of(gateway, imsi);
        if !rules.is_empty() {
            gateway.managed.rules.insert(imsi, rules.clone());
            let own = gateway.rules.get(&imsi).map(|stored| stored.rules.clone()).unwrap_or_default();
            gateway.core.subscribe_rules(imsi, own.into_iter().chain(rules).collect());
        }
    }
}

fn rules_of(gateway: &Gateway, imsi: Imsi) -> Vec<(Apn, SubscribedRule)> {
    let (Some(body), Some(stored)) = (body(gateway, imsi), gateway.stored.get(&imsi)) else { return Vec::new() };
    let apns: Vec<Apn> = stored.profile.apns.iter().map(|apn| apn.apn.clone()).collect();
    overlay::named_rules(gateway.managed.items(), &gateway.effective, &body, &apns)
}

fn body(gateway: &Gateway, imsi: Imsi) -> Option<Value> {
    let key = ItemKey { collection: "subscribers".to_owned(), name: imsi.to_string() };
    serde_json::from_str(&gateway.managed.items().get(&key)?.body).ok()
}

fn plan_of(gateway: &Gateway, imsi: Imsi, subscriber: &Value) -> Option<StoredPlan> {
    let name = subscriber.get("data_plan")?.as_str()?.to_owned();
    let key = ItemKey { collection: "data-plans".to_owned(), name };
    let plan: Value = serde_json::from_str(&gateway.managed.items().get(&key)?.body).ok()?;
    read(imsi, &plan).ok().flatten()
}

/// A data plan as this gateway keeps one; `None` for one without a quota.
///
/// # Errors
/// What this gateway cannot keep of it.
pub fn read(imsi: Imsi, plan: &Value) -> Result<Option<StoredPlan>, String> {
    let number = |pointer: &str| plan.pointer(pointer).and_then(Value::as_u64);
    let Some(octets) = number("/quota_octets") else { return Ok(None) };
    let term = match number("/period_days") {
        Some(1) => StoredTerm::Day,
        Some(28..=31) => StoredTerm::Month,
        Some(days) => {
            return Err(format!(
                "period_days: {days} days are no period of this gateway; use 1, or 28 to 31 for a month"
            ));
        }
        None => return Err("period_days is missing".to_owned()),
    };
    let slow = match (number("/after_quota/max_ul_bit_rate"), number("/after_quota/max_dl_bit_rate")) {
        (Some(uplink), Some(downlink)) => Some(uplink.min(downlink)),
        _ => None,
    };
    Ok(Some(StoredPlan { imsi, octets, term, slow, extra: 0, extra_for: 0 }))
}

fn same(said: &StoredPlan, has: &StoredPlan) -> bool {
    (said.octets, said.term, said.slow) == (has.octets, has.term, has.slow)
}

/// Plans in which something cannot be kept here, by name.
pub fn unkept(items: &overlay::Items) -> BTreeMap<ItemKey, String> {
    let Ok(nobody) = "001010000000000".parse::<Imsi>() else { return BTreeMap::new() };
    let plans = items.iter().filter(|(key, _)| key.collection == "data-plans");
    let reasons = plans.filter_map(|(key, item)| {
        let plan: Value = serde_json::from_str(&item.body).ok()?;
        let after = |field: &str| plan.pointer(&format!("/after_quota/{field}")).and_then(Value::as_u64);
        let reason = match read(nobody, &plan) {
            Err(reason) => reason,
            Ok(Some(_)) if after("max_ul_bit_rate") != after("max_dl_bit_rate") => {
                "after_quota: both directions get the lower rate".to_owned()
            }
            Ok(_) => return None,
        };
        Some((key.clone(), reason))
    });
    reasons.collect()
}
