//! Rules of subscribers: set, removed and listed.

use super::imsi as parse_imsi;
use crate::args::{Rule, SetRule};
use crate::client::Client;
use crate::error::Result;
use crate::output::Out;
use crate::table::Table;
use basalt_control_api::gateway::v1 as api;

pub(super) async fn run(what: Rule, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    match what {
        Rule::Set(set) => self::set(*set, client, out).await,
        Rule::Remove { imsi, name, apn, session_only } => {
            let imsi = parse_imsi(&imsi)?;
            let apn = apn.unwrap_or_default();
            let request = api::RemoveRuleRequest { imsi: imsi.clone(), apn, name: name.clone(), session_only };
            client.ask(|mut client| async move { client.remove_rule(request).await }).await?;
            done(
                out,
                "rule remove",
                &imsi,
                &format!("rule {name} of {imsi} is gone; a bearer of its own is being ended"),
            )
        }
        Rule::List { imsi } => list(&imsi, client, out).await,
    }
}

async fn set(set: SetRule, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let imsi = parse_imsi(&set.imsi)?;
    let rule = api::Rule {
        name: set.name.clone(),
        precedence: set.precedence.unwrap_or(0),
        flows: set.flows,
        gate: set.gate.unwrap_or_default(),
        qci: set.qci.unwrap_or(0),
        priority: set.priority.unwrap_or(0),
        may_preempt: set.may_preempt,
        not_preemptable: set.not_preemptable,
        mbr_uplink: set.mbr_uplink.unwrap_or(0),
        mbr_downlink: set.mbr_downlink.unwrap_or(0),
        gbr_uplink: set.gbr_uplink.unwrap_or(0),
        gbr_downlink: set.gbr_downlink.unwrap_or(0),
        rating_group: set.rating_group.unwrap_or(0),
        monitoring_key: set.monitoring_key.unwrap_or(0),
    };
    let request = api::SetRuleRequest {
        imsi: imsi.clone(),
        apn: set.apn.unwrap_or_default(),
        rule: Some(rule),
        session_only: set.session_only,
    };
    client.ask(|mut client| async move { client.set_rule(request).await }).await?;
    let words = format!("{imsi} has rule {}; `basalt rule list {imsi}` shows whether its bearer stands", set.name);
    done(out, "rule set", &imsi, &words)
}

async fn list(imsi: &str, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let imsi = parse_imsi(imsi)?;
    let request = api::ListRulesRequest { imsi };
    let answer = client.ask(|mut client| async move { client.list_rules(request).await }).await?;
    if out.is_json() {
        let rules: Vec<_> = answer.rules.iter().map(json).collect();
        return Ok(out.json(&rules)?);
    }
    let mut table =
        Table::new(&["RULE", "APN", ">PREC", ">QCI", ">EBI", "GATE", ">UP BYTES", ">DOWN BYTES", "STATE", "FLOWS"]);
    let none = api::Rule::default();
    for status in &answer.rules {
        let rule = status.rule.as_ref().unwrap_or(&none);
        let some = |number: u32| if number == 0 { String::new() } else { number.to_string() };
        table.row([
            rule.name.clone(),
            status.apn.clone(),
            rule.precedence.to_string(),
            some(rule.qci),
            some(status.ebi),
            rule.gate.clone(),
            status.uplink_bytes.to_string(),
            status.downlink_bytes.to_string(),
            status.state.clone(),
            rule.flows.join("; "),
        ]);
    }
    Ok(out.table(&table, "no rules; `basalt rule set` adds one")?)
}

fn json(status: &api::RuleStatus) -> serde_json::Value {
    let none = api::Rule::default();
    let rule = status.rule.as_ref().unwrap_or(&none);
    serde_json::json!({
        "name": rule.name,
        "apn": status.apn,
        "precedence": rule.precedence,
        "flows": rule.flows,
        "gate": rule.gate,
        "qci": rule.qci,
        "priority": rule.priority,
        "may_preempt": rule.may_preempt,
        "preemptable": !rule.not_preemptable,
        "mbr_uplink": rule.mbr_uplink,
        "mbr_downlink": rule.mbr_downlink,
        "gbr_uplink": rule.gbr_uplink,
        "gbr_downlink": rule.gbr_downlink,
        "rating_group": rule.rating_group,
        "monitoring_key": rule.monitoring_key,
        "state": status.state,
        "ebi": status.ebi,
        "subscribed": status.subscribed,
        "uplink_bytes": status.uplink_bytes,
        "uplink_packets": status.uplink_packets,
        "downlink_bytes": status.downlink_bytes,
        "downlink_packets": status.downlink_packets,
    })
}

fn done(out: &mut Out<'_>, command: &str, subject: &str, words: &str) -> Result<()> {
    if out.is_json() {
        let answer = serde_json::json!({ "command": command, "subject": subject, "started": true });
        return Ok(out.json(&answer)?);
    }
    Ok(out.line(words)?)
}
