//! Rules of subscribers and their sessions over the control API.

use super::{Control, imsi, not_subscribed};
use crate::gateway::Gateway;
use crate::{rules, storage};
use agw_subscribers::StoredRules;
use agw_types::{ActiveRule, Command, PolicyRule, Session, SubscribedRule};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::{Apn, Imsi};
use basalt_store::Batch;
use tokio::sync::oneshot;
use tonic::Status;

/// A change of rules, checked.
struct Change {
    imsi: Imsi,
    apn: Apn,
    /// The live session changes too.
    live: bool,
    /// The subscriber is in the list: what shall be kept can be.
    subscribed: bool,
}

/// Sets a rule.
pub(super) async fn set(control: &Control, request: api::SetRuleRequest) -> Result<(), Status> {
    let asked = request.rule.ok_or_else(|| Status::invalid_argument("the request has no rule"))?;
    let (imsi, apn, name) = (imsi(&request.imsi)?, request.apn, asked.name.clone());
    let named = asked == api::Rule { name: name.clone(), ..api::Rule::default() };
    let found =
        control.run(move |gateway| plan(gateway, imsi, &apn).map(|plan| (plan, configured(gateway, &name)))).await?;
    let (change, configured) = found?;
    let rule = if named {
        configured.map_err(Status::invalid_argument)?
    } else {
        rules::read(&rules::from_api(&asked)).map_err(Status::invalid_argument)?
    };
    if !request.session_only && !change.subscribed {
        return Err(not_subscribed(change.imsi));
    }
    if change.live {
        let (apn, rule) = (Some(change.apn.clone()), Box::new(rule.clone()));
        control.command(Command::SetRule { imsi: change.imsi, apn, rule }).await?;
    } else if request.session_only {
        return Err(Status::failed_precondition(
            "the phone has no such session; leave out --session-only to keep the rule",
        ));
    }
    if request.session_only {
        return Ok(());
    }
    let kept = if named { SubscribedRule::Named(rule.name.clone()) } else { SubscribedRule::Own(Box::new(rule)) };
    control.later(move |gateway, done| keep(gateway, &change, Some(kept), "", done)).await
}

/// Removes a rule.
pub(super) async fn remove(control: &Control, request: api::RemoveRuleRequest) -> Result<(), Status> {
    let (imsi, apn, name) = (imsi(&request.imsi)?, request.apn, request.name);
    let wanted = name.clone();
    let found = control
        .run(move |gateway| {
            plan(gateway, imsi, &apn).map(|change| {
                let kept = kept(gateway, &change, &wanted);
                let live = sessions(gateway, imsi)
                    .iter()
                    .any(|session| session.apn == change.apn && active(session, &wanted).is_some());
                (change, kept, live)
            })
        })
        .await?;
    let (change, kept, live) = found?;
    if !live && (!kept || request.session_only) {
        let what = format!("{imsi} has no rule `{}` there; see `basalt rule list {imsi}`", name.escape_debug());
        return Err(Status::not_found(what));
    }
    if live {
        let (apn, name) = (Some(change.apn.clone()), name.clone());
        control.command(Command::RemoveRule { imsi: change.imsi, apn, name }).await?;
    }
    if !kept || request.session_only {
        return Ok(());
    }
    control.later(move |gateway, done| keep(gateway, &change, None, &name, done)).await
}

/// Lists rules.
pub(super) async fn list(control: &Control, request: api::ListRulesRequest) -> Result<api::ListRulesResponse, Status> {
    let imsi = imsi(&request.imsi)?;
    let found = control
        .run(move |gateway| {
            let sessions = sessions(gateway, imsi);
            let known = gateway.stored.contains_key(&imsi) || !sessions.is_empty();
            known.then(|| statuses(gateway, imsi, &sessions))
        })
        .await?;
    found.map(|rules| api::ListRulesResponse { rules }).ok_or_else(|| not_subscribed(imsi))
}

fn sessions(gateway: &Gateway, imsi: Imsi) -> Vec<Session> {
    gateway.core.ue(imsi).map(|view| view.sessions).unwrap_or_default()
}

fn active<'a>(session: &'a Session, name: &str) -> Option<&'a ActiveRule> {
    session.rules.iter().find(|active| active.rule.name == name)
}

fn configured(gateway: &Gateway, name: &str) -> Result<PolicyRule, String> {
    let all = &gateway.effective.gateway.qos.rules;
    all.iter().find(|rule| rule.name == name).cloned().ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|rule| rule.name.as_str()).collect();
        let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        format!(
            "the gateway's configuration has no rule `{}` ({known}): give flows, or define it under [[rule]]",
            name.escape_debug()
        )
    })
}

/// Which session is meant.
fn plan(gateway: &Gateway, imsi: Imsi, apn: &str) -> Result<Change, Status> {
    let live = sessions(gateway, imsi);
    let stored = gateway.stored.get(&imsi);
    let apn = if apn.is_empty() {
        let of_session = live.first().map(|session| session.apn.clone());
        let of_subscriber = stored.and_then(|stored| stored.profile.apns.first()).map(|apn| apn.apn.clone());
        of_session.or(of_subscriber).ok_or_else(|| not_subscribed(imsi))?
    } else {
        let shown = apn.escape_debug();
        apn.parse()
            .map_err(|error| Status::invalid_argument(format!("`{shown}` is not an access point name: {error}")))?
    };
    let live = live.iter().any(|session| session.apn == apn);
    let offered = gateway.effective.gateway.apns.iter().any(|known| known.apn == apn);
    if !live && !offered {
        return Err(Status::invalid_argument(format!("the gateway has no access point `{apn}`; see `basalt config`")));
    }
    Ok(Change { imsi, apn, live, subscribed: stored.is_some() })
}

fn name(rule: &SubscribedRule) -> &str {
    match rule {
        SubscribedRule::Named(name) => name,
        SubscribedRule::Own(rule) => &rule.name,
    }
}

fn kept(gateway: &Gateway, change: &Change, wanted: &str) -> bool {
    let rules = gateway.rules.get(&change.imsi).map_or(&[][..], |stored| stored.rules.as_slice());
    rules.iter().any(|(apn, rule)| *apn == change.apn && name(rule) == wanted)
}

/// Keeps a rule for later sessions, in place of one of its name, or drops the one named `gone`.
fn keep(gateway: &mut Gateway, change: &Change, rule: Option<SubscribedRule>, gone: &str, done: oneshot::Sender<()>) {
    let imsi = change.imsi;
    let mut stored = gateway.rules.get(&imsi).cloned().unwrap_or(StoredRules { imsi, rules: Vec::new() });
    let former = rule.as_ref().map_or(gone, name).to_owned();
    stored.rules.retain(|(apn, other)| *apn != change.apn || name(other) != former);
    stored.rules.extend(rule.map(|rule| (change.apn.clone(), rule)));
    let mut batch = Batch::new();
    storage::put_rules(&mut batch, &stored);
    gateway.save(
        batch,
        Box::new(move |gateway| {
            if stored.rules.is_empty() {
                gateway.rules.remove(&imsi);
            } else {
                gateway.rules.insert(imsi, stored);
            }
            crate::cloud::subscribe(gateway, imsi);
            // The client may have gone.
            let _ = done.send(());
        }),
    );
}

fn statuses(gateway: &Gateway, imsi: Imsi, sessions: &[Session]) -> Vec<api::RuleStatus> {
    let kept = gateway.rules.get(&imsi).map_or(&[][..], |stored| stored.rules.as_slice());
    let is_kept = |apn: &Apn, wanted: &str| kept.iter().any(|(other, rule)| other == apn && name(rule) == wanted);
    let mut all = Vec::new();
    for session in sessions {
        let parts = gateway.dataplane.parts(session.local.1, session.address).unwrap_or_default();
        for active in &session.rules {
            let volume = parts.rules.get(&active.id).copied().unwrap_or_default();
            let (state, ebi) = state(session, active);
            all.push(api::RuleStatus {
                apn: session.apn.to_string(),
                rule: Some(rules::to_api(&active.rule)),
                state,
                ebi,
                subscribed: is_kept(&session.apn, &active.rule.name),
                uplink_bytes: volume.uplink_bytes,
                uplink_packets: volume.uplink_packets,
                downlink_bytes: volume.downlink_bytes,
                downlink_packets: volume.downlink_packets,
            });
        }
    }
    for (apn, rule) in kept {
        let live = sessions.iter().find(|session| session.apn == *apn);
        if live.is_some_and(|session| active(session, name(rule)).is_some()) {
            continue;
        }
        let (shown, state) = match rule {
            SubscribedRule::Own(rule) => (rules::to_api(rule), "for the next session"),
            SubscribedRule::Named(name) => match configured(gateway, name) {
                Ok(rule) => (rules::to_api(&rule), "for the next session"),
                Err(_) => {
                    let rule = api::Rule { name: name.clone(), ..api::Rule::default() };
                    (rule, "not in the gateway's configuration: define it, or remove it here")
                }
            },
        };
        all.push(api::RuleStatus {
            apn: apn.to_string(),
            rule: Some(shown),
            state: state.to_owned(),
            subscribed: true,
            ..api::RuleStatus::default()
        });
    }
    all
}

/// How it is with a rule, in words, and its bearer.
fn state(session: &Session, active: &ActiveRule) -> (String, u32) {
    if let Some(why) = active.refused {
        return (format!("refused: {}", why.words()), 0);
    }
    if active.rule.qos.is_none_or(|qos| qos.bearer == session.qos) {
        return ("active".to_owned(), session.ebi.value().into());
    }
    let bearer = session
        .bearers
        .iter()
        .find(|bearer| bearer.confirmed && bearer.filters.iter().any(|filter| filter.rule == active.id));
    match bearer {
        Some(bearer) if session.remote.is_some() => ("active".to_owned(), bearer.ebi.value().into()),
        Some(bearer) => ("idle".to_owned(), bearer.ebi.value().into()),
        None => ("its bearer is being set up".to_owned(), 0),
    }
}
