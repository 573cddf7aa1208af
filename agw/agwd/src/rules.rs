//! Rules as people write them, in the configuration and over the control API.

use crate::config::file;
use agw_types::{Ambr, Arp, BearerQos, Gate, PolicyRule, RuleQos, SdfFilter};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Qci;

const PRECEDENCE: u32 = 100;
const PRIORITY: u32 = 8;

/// Reads a rule.
///
/// # Errors
/// What is wrong and what to do, as a sentence.
pub fn read(written: &file::Rule) -> Result<PolicyRule, String> {
    let name = &written.name;
    let wrong = |what: String| format!("rule `{}`: {what}", name.escape_debug());
    let filters: Vec<SdfFilter> =
        written.flows.iter().map(|flow| flow.parse()).collect::<Result<_, String>>().map_err(wrong)?;
    let precedence = written.precedence.unwrap_or(PRECEDENCE);
    let precedence = u8::try_from(precedence)
        .map_err(|_| wrong(format!("precedence {precedence} is out of range: use 0 (first) to 255")))?;
    let mut rule = PolicyRule::new(name, precedence, filters);
    rule.gate = gate(written.gate.as_deref()).map_err(wrong)?;
    let unlimited = |rate: Option<u64>| rate.unwrap_or(u64::MAX);
    rule.mbr = Ambr { uplink: unlimited(written.mbr_uplink), downlink: unlimited(written.mbr_downlink) };
    rule.qos = qos(written).map_err(wrong)?;
    rule.rating_group = written.rating_group.unwrap_or(0);
    rule.monitoring_key = written.monitoring_key.unwrap_or(0);
    rule.check()?;
    Ok(rule)
}

fn gate(text: Option<&str>) -> Result<Gate, String> {
    match text {
        None | Some("open") => Ok(Gate::OPEN),
        Some("closed") => Ok(Gate::CLOSED),
        Some("uplink") => Ok(Gate { uplink: true, downlink: false }),
        Some("downlink") => Ok(Gate { uplink: false, downlink: true }),
        Some(other) => Err(format!("`{}` is not a gate: use open, closed, uplink or downlink", other.escape_debug())),
    }
}

fn qos(written: &file::Rule) -> Result<Option<RuleQos>, String> {
    let Some(qci) = written.qci else {
        return if written.gbr_uplink.is_some() || written.gbr_downlink.is_some() {
            Err("guaranteed rates need a bearer of their own: set qci to 1, 2, 3 or 4".to_owned())
        } else {
            Ok(None)
        };
    };
    let small = |value: u32, what: &str| u8::try_from(value).map_err(|_| format!("{what} {value} is out of range"));
    let arp = Arp {
        priority: small(written.priority.unwrap_or(PRIORITY), "priority")?,
        may_preempt: written.may_preempt.unwrap_or(false),
        preemptable: written.preemptable.unwrap_or(true),
    };
    let gbr = match (written.gbr_uplink, written.gbr_downlink) {
        (None, None) => None,
        (uplink, downlink) => Some(Ambr { uplink: uplink.unwrap_or(0), downlink: downlink.unwrap_or(0) }),
    };
    Ok(Some(RuleQos { bearer: BearerQos { qci: Qci(small(qci, "QCI")?), arp }, gbr }))
}

/// Writes a rule so that [`read`] gives it again.
#[must_use]
pub fn show(rule: &PolicyRule) -> file::Rule {
    let limited = |rate: u64| (rate != u64::MAX).then_some(rate);
    let some = |value: u32| (value != 0).then_some(value);
    let (qos, gbr) = (rule.qos, rule.qos.and_then(|qos| qos.gbr));
    let gate = match (rule.gate.uplink, rule.gate.downlink) {
        (true, true) => None,
        (false, false) => Some("closed"),
        (true, false) => Some("uplink"),
        (false, true) => Some("downlink"),
    };
    file::Rule {
        name: rule.name.clone(),
        precedence: Some(rule.precedence.into()),
        flows: rule.filters.iter().map(ToString::to_string).collect(),
        gate: gate.map(str::to_owned),
        qci: qos.map(|qos| qos.bearer.qci.0.into()),
        priority: qos.map(|qos| qos.bearer.arp.priority.into()),
        may_preempt: qos.map(|qos| qos.bearer.arp.may_preempt),
        preemptable: qos.map(|qos| qos.bearer.arp.preemptable),
        mbr_uplink: limited(rule.mbr.uplink),
        mbr_downlink: limited(rule.mbr.downlink),
        gbr_uplink: gbr.map(|gbr| gbr.uplink),
        gbr_downlink: gbr.map(|gbr| gbr.downlink),
        rating_group: some(rule.rating_group),
        monitoring_key: some(rule.monitoring_key),
    }
}

/// A rule as it comes over the control API; 0 and empty text are what is not said.
#[must_use]
pub fn from_api(rule: &api::Rule) -> file::Rule {
    let some = |value: u32| (value != 0).then_some(value);
    let rate = |value: u64| (value != 0).then_some(value);
    file::Rule {
        name: rule.name.clone(),
        precedence: some(rule.precedence),
        flows: rule.flows.clone(),
        gate: (!rule.gate.is_empty()).then(|| rule.gate.clone()),
        qci: some(rule.qci),
        priority: some(rule.priority),
        may_preempt: Some(rule.may_preempt),
        preemptable: Some(!rule.not_preemptable),
        mbr_uplink: rate(rule.mbr_uplink),
        mbr_downlink: rate(rule.mbr_downlink),
        gbr_uplink: rate(rule.gbr_uplink),
        gbr_downlink: rate(rule.gbr_downlink),
        rating_group: some(rule.rating_group),
        monitoring_key: some(rule.monitoring_key),
    }
}

/// A rule as it goes over the control API.
#[must_use]
pub fn to_api(rule: &PolicyRule) -> api::Rule {
    let shown = show(rule);
    api::Rule {
        name: shown.name,
        precedence: rule.precedence.into(),
        flows: shown.flows,
        gate: shown.gate.unwrap_or_else(|| "open".to_owned()),
        qci: shown.qci.unwrap_or(0),
        priority: shown.priority.unwrap_or(0),
        may_preempt: shown.may_preempt.unwrap_or(false),
        not_preemptable: shown.preemptable == Some(false),
        mbr_uplink: shown.mbr_uplink.unwrap_or(0),
        mbr_downlink: shown.mbr_downlink.unwrap_or(0),
        gbr_uplink: shown.gbr_uplink.unwrap_or(0),
        gbr_downlink: shown.gbr_downlink.unwrap_or(0),
        rating_group: rule.rating_group,
        monitoring_key: rule.monitoring_key,
    }
}
