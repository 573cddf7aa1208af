//! Alarms: those that hold, those that were, the rules behind them; and a look at what a rule would find.

use crate::gate::{Answer, Call};
use crate::token::new_secret;
use crate::{Problem, select, webhooks};
use orchestrator_db::{Alarm, AlarmQuery, Delivery, DeliveryState, GatewayNews, Object, Query, Sort, Target};
use orchestrator_model::{AlertRule, Kind, Severity, Silence};
use orchestrator_telemetry::expression::{Expression, World};
use orchestrator_telemetry::message::{Notice, severity, word};
use orchestrator_telemetry::rules::{self, Look, RULES};
use orchestrator_telemetry::watched::{Names, Watched};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Gateways and silences looked at, results shown.
const PAGE: u32 = 500;
const SILENCES: u32 = 1000;
const SHOWN: usize = 100;

/// What was said about the alarms of a network.
#[derive(Default)]
struct Said {
    acknowledged: BTreeMap<String, Object>,
    silences: Vec<Silence>,
}

async fn said(call: &Call, network: &str, alarms: &[Alarm]) -> Result<Said, Problem> {
    let names: Vec<String> =
        alarms.iter().filter(|alarm| alarm.network == network).map(|alarm| alarm.id.to_string()).collect();
    let acknowledged = call.state.db.objects_named(Kind::Acknowledgement, network, &names).await?;
    let query = Query { sort: Sort::Changed, descending: true, limit: SILENCES, ..Query::default() };
    let silences = call.state.db.objects(Kind::Silence, network, &query).await?;
    Ok(Said {
        acknowledged: acknowledged.into_iter().map(|object| (object.name.clone(), object)).collect(),
        silences: silences.items.into_iter().filter_map(|it| serde_json::from_value(it.body).ok()).collect(),
    })
}

fn shown(alarm: &Alarm, said: &Said, now: i64) -> Value {
    let acknowledged = said.acknowledged.get(&alarm.id.to_string());
    let state = match (alarm.cleared_at > 0, acknowledged) {
        (true, _) => "cleared",
        (false, Some(_)) => "acknowledged",
        (false, None) => "raised",
    };
    let rule = rules::find(&alarm.rule);
    json!({
        "id": alarm.id,
        "network": alarm.network,
        "gateway": alarm.gateway,
        "rule": alarm.rule,
        "title": rule.map(|rule| rule.title),
        "subject": alarm.subject,
        "severity": alarm.severity,
        "state": state,
        "silenced": said.silences.iter().any(|it| it.covers(&alarm.gateway, &alarm.rule, now)),
        "since": alarm.since,
        "raised_at": alarm.raised_at,
        "cleared_at": (alarm.cleared_at > 0).then_some(alarm.cleared_at),
        "acknowledged": acknowledged.map(|it| json!({"by": it.changed_by, "at": it.changed_at, "note": it.body["note"]})),
        "text": alarm.words,
        "runbook": rule.map(|rule| rule.runbook()),
    })
}

/// Alarms that are asked for, with all that was said about them.
async fn found(call: &Call) -> Result<(Vec<(Alarm, Value)>, Option<String>), Problem> {
    let text = |name| call.parameter(name).map(str::to_owned);
    let open = match call.parameter("state") {
        None => None,
        Some("open") => Some(true),
        Some("cleared") => Some(false),
        Some(_) => return Err(Problem::bad("state is open or cleared")),
    };
    let mut query = AlarmQuery {
        network: (!call.network.is_empty()).then(|| call.network.clone()),
        gateway: text("gateway"),
        rule: text("rule"),
        open,
        limit: select::limit(call)?,
        ..AlarmQuery::default()
    };
    if let Some(cursor) = call.parameter("cursor") {
        query.below = select::number(cursor)?;
    }
    let page = call.state.db.alarms(&query).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| last.id.to_string());
    let mut of: BTreeMap<String, Said> = BTreeMap::new();
    for alarm in &page.items {
        if !of.contains_key(&alarm.network) {
            of.insert(alarm.network.clone(), said(call, &alarm.network, &page.items).await?);
        }
    }
    let none = Said::default();
    let items = page.items.into_iter().map(|alarm| {
        let value = shown(&alarm, of.get(&alarm.network).unwrap_or(&none), call.now);
        (alarm, value)
    });
    Ok((items.collect(), next))
}

/// Alarms of a network, or of all, the newest first.
pub(crate) async fn list(call: &Call) -> Result<Answer, Problem> {
    let (items, next) = found(call).await?;
    Answer::ok(json!({"items": items.into_iter().map(|(_, shown)| shown).collect::<Vec<_>>(), "next_cursor": next}))
}

async fn one(call: &Call) -> Result<(Alarm, Value), Problem> {
    let id = call.name.parse().map_err(|_| Problem::not_found())?;
    let query = AlarmQuery { network: Some(call.network.clone()), id: Some(id), ..AlarmQuery::default() };
    let page = call.state.db.alarms(&query).await?;
    let said = said(call, &call.network, &page.items).await?;
    let alarm = page.items.into_iter().next().ok_or_else(Problem::not_found)?;
    let value = shown(&alarm, &said, call.now);
    Ok((alarm, value))
}

/// One alarm.
pub(crate) async fn read(call: &Call) -> Result<Answer, Problem> {
    Answer::ok(one(call).await?.1)
}

/// The rules that hold without setup.
pub(crate) fn rules() -> Result<Answer, Problem> {
    let items = RULES.iter().map(|rule| {
        let source = match rule.look {
            Look::Gateway(_) | Look::Always(_) => "gateway",
            Look::Event(_) => "event",
            Look::Orchestrator => "orchestrator",
        };
        json!({
            "name": rule.name,
            "severity": rule.severity,
            "title": rule.title,
            "source": source,
            "for_seconds": rule.after / 1000,
            "clear_after_seconds": rule.clear_after / 1000,
            "runbook": rule.runbook(),
        })
    });
    Answer::ok(json!({ "items": items.collect::<Vec<_>>() }))
}

/// What is wrong with a rule's condition, if anything.
pub(crate) fn check(body: &Value) -> Result<(), Problem> {
    let Ok(rule) = serde_json::from_value::<AlertRule>(body.clone()) else { return Ok(()) };
    let field = if rule.condition.is_some() { "/condition" } else { "/expression" };
    let read = Expression::parse(&rule.promql());
    read.map(|_| ()).map_err(|why| Problem::field(field, &why, "PromQL over what gateways told last"))
}

/// Evaluates a rule that is not there yet over what gateways told last.
pub(crate) async fn preview(call: &Call) -> Result<Answer, Problem> {
    let body = orchestrator_model::parse_strict(&call.body).map_err(|error| crate::gate::malformed(&error))?;
    let parsed = Kind::AlertRule.parse_value("preview", body).map_err(Problem::fields)?;
    check(&parsed.body)?;
    let rule: AlertRule = serde_json::from_value(parsed.body).map_err(|_| Problem::bad("the body is no alert rule"))?;
    let promql = rule.promql();
    let expression = Expression::parse(&promql).map_err(Problem::bad)?;
    let (mut names, mut gateways, mut after) = (Names::default(), Vec::new(), String::new());
    loop {
        let page = call.state.db.gateway_states(&call.network, &after, PAGE).await?;
        after = page.items.last().map(|last| last.gateway.clone()).unwrap_or_default();
        for state in page.items {
            let mut watched = Watched::default();
            let news = GatewayNews {
                network: call.network.clone(),
                gateway: state.gateway.clone(),
                replica: state.replica,
                connected_at: state.connected_at,
                seen_at: state.seen_at,
                state: "{}".to_owned(),
                metrics: state.metrics.to_string(),
                sync: "{}".to_owned(),
            };
            watched.hear(&news, &mut names, call.now, false);
            gateways.push((state.gateway, watched));
        }
        if !page.more {
            break;
        }
    }
    let gateways = gateways.iter().map(|(name, watched)| (name.as_str(), watched)).collect();
    let world = World { now: call.now, network: &call.network, gateways };
    let found = expression.evaluate(&world).map_err(Problem::bad)?;
    let items: Vec<Value> =
        found.iter().take(SHOWN).map(|it| json!({"labels": it.labels, "value": it.value})).collect();
    Answer::ok(json!({
        "expression": promql,
        "holds": found.len(),
        "items": items,
        // Growth is known after a rule was there for some minutes.
        "needs_past": Expression::needs_past(&promql),
    }))
}

async fn receiver(call: &Call) -> Result<(), Problem> {
    let target = Target { kind: Kind::AlertReceiver, network: call.network.clone(), name: call.name.clone() };
    call.state.db.object(&target).await?.map(|_| ()).ok_or_else(Problem::not_found)
}

/// What was or is sent to a receiver.
pub(crate) async fn deliveries(call: &Call) -> Result<Answer, Problem> {
    receiver(call).await?;
    let state = webhooks::state(call)?;
    let to = receiver_place(&call.name);
    let found = call.state.db.deliveries(&call.network, &to, state, select::limit(call)?).await?;
    Answer::ok(json!({"items": found.iter().map(webhooks::shown).collect::<Vec<_>>()}))
}

/// Queues a test for a receiver.
pub(crate) async fn test(call: &Call) -> Result<Answer, Problem> {
    receiver(call).await?;
    let id = new_secret().map_err(|_| Problem::new(503, "no-randomness", "the system has no randomness"))?;
    let id: String = id.chars().take(24).collect();
    let notice = Notice::test(&call.network, call.now);
    let body = serde_json::to_string(&notice).map_err(|_| Problem::new(500, "internal", "the test has no form"))?;
    let delivery = Delivery {
        event: format!("test/{id}"),
        id,
        network: call.network.clone(),
        webhook: receiver_place(&call.name),
        kind: "test".to_owned(),
        body,
        state: DeliveryState::Pending,
        attempts: 0,
        due_at: call.now,
        created_at: call.now,
        changed_at: call.now,
        trouble: String::new(),
    };
    call.state.db.enqueue(&call.network, std::slice::from_ref(&delivery), None).await?;
    Answer::with(202, webhooks::shown(&delivery))
}

/// Where deliveries to a receiver are kept: no webhook has such a name.
#[must_use]
pub fn receiver_place(name: &str) -> String {
    format!("@{name}")
}

/// Alarms as TM Forum has them (TMF642 Alarm Management 4.0).
pub(crate) async fn tmf_list(call: &Call) -> Result<Answer, Problem> {
    let (items, _) = found(call).await?;
    Answer::ok(items.iter().map(|(alarm, shown)| tmf(alarm, shown)).collect::<Vec<_>>())
}

/// One alarm as TM Forum has it.
pub(crate) async fn tmf_read(call: &Call) -> Result<Answer, Problem> {
    let (alarm, shown) = one(call).await?;
    Answer::ok(tmf(&alarm, &shown))
}

fn tmf(alarm: &Alarm, shown: &Value) -> Value {
    use orchestrator_telemetry::message::rfc3339;
    let base = format!("{}/networks/{}/tmf-api", crate::routes::PREFIX, alarm.network);
    let over = alarm.cleared_at > 0;
    let object = if alarm.subject.is_empty() { &alarm.gateway } else { &alarm.subject };
    let severity = match severity(&alarm.severity) {
        _ if over => "cleared",
        Some(Severity::Info) => "warning",
        Some(severity) => word(severity),
        None => "indeterminate",
    };
    let kind = match alarm.rule.as_str() {
        "suspicious-traffic" | "gateway-cloned" | "authentication-failures" => "securityServiceOrMechanismViolation",
        "gateway-offline"
        | "gateway-link-unstable"
        | "base-station-gone"
        | "all-base-stations-gone"
        | "user-plane-path-down"
        | "federation-peer-down"
        | "federation-realm-unreachable" => "communicationsAlarm",
        rule if rule.contains("disk") || rule.contains("memory") || rule.contains("clock") => "equipmentAlarm",
        rule if rule.ends_with("-low") || rule.ends_with("failures") || rule.contains("drops") => {
            "qualityOfServiceAlarm"
        }
        _ => "processingErrorAlarm",
    };
    let mut told = json!({
        "@type": "Alarm",
        "id": alarm.id.to_string(),
        "href": format!("{base}/alarmManagement/v4/alarm/{}", alarm.id),
        "alarmType": kind,
        "perceivedSeverity": severity,
        "probableCause": alarm.rule,
        "specificProblem": alarm.words,
        "alarmDetails": shown["title"],
        "state": if over { "cleared" } else { "raised" },
        "ackState": if shown["acknowledged"].is_null() { "unacknowledged" } else { "acknowledged" },
        "alarmRaisedTime": rfc3339(alarm.raised_at),
        "alarmReportingTime": rfc3339(alarm.raised_at),
        "alarmedObjectType": if alarm.subject.is_empty() { "gateway" } else { "component" },
        "alarmedObject": {"id": object, "href": format!("{base}/resourceInventoryManagement/v4/resource/{}", alarm.gateway)},
        "sourceSystemId": "basalt",
        "proposedRepairedActions": shown["runbook"],
    });
    if over {
        told["alarmClearedTime"] = rfc3339(alarm.cleared_at).into();
    }
    if let Some(by) = shown["acknowledged"]["by"].as_str() {
        told["ackUserId"] = by.into();
        told["ackSystemId"] = "basalt".into();
    }
    told
}
