//! The work on objects: read, write, versions, back to a version.

use crate::access::Place;
use crate::gate::{Answer, Call, malformed, target};
use crate::import::flag;
use crate::{Problem, Role, alarms, select};
use axum::http::header;
use basalt_security::{SEALING_NONCE, SealedKey};
use orchestrator_db::{Change, Listed, Object, Page, Precondition, Query, Target, Version};
use orchestrator_model::{Kind, Parsed, parse_strict};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

type Secrets = BTreeMap<String, String>;

pub(crate) async fn list(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let query = select::query(call)?;
    if kind != Kind::Network && call.parameter("fields").is_none() {
        return Ok(Answer::text(listed(&call.state.db.listed(kind, &call.network, &query).await?)));
    }
    let page = page(call, kind, query).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| select::cursor(last.changed_at, &last.name));
    // A page is large: nothing of it is copied.
    let items = page.items.into_iter().map(|object| select::fields(call, into_shown(object)));
    let items = Value::Array(items.collect::<Result<Vec<_>, _>>()?);
    let next = next.map_or(Value::Null, Value::String);
    Ok(Answer::of(200, Value::Object(Map::from_iter([("items".to_owned(), items), ("next_cursor".to_owned(), next)]))))
}

/// A page as it is stored: a body is JSON already.
fn listed(page: &Page<Listed>) -> String {
    let mut text = String::with_capacity(page.items.iter().map(|it| it.body.len() + 200).sum::<usize>() + 100);
    text.push_str("{\"items\":[");
    for (index, it) in page.items.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let (name, by) = (Value::from(it.name.as_str()), Value::from(it.changed_by.as_str()));
        let Listed { revision, changed_at, body, has_secrets, .. } = it;
        text.push_str(&format!(
            "{comma}{{\"name\":{name},\"revision\":{revision},\"changed_at\":{changed_at},\"changed_by\":{by},\
             \"has_secrets\":{has_secrets},\"body\":{body}}}"
        ));
    }
    let next = page.items.last().filter(|_| page.more).map(|last| select::cursor(last.changed_at, &last.name));
    text.push_str(&format!("],\"next_cursor\":{}}}", next.map_or(Value::Null, Value::String)));
    text
}

/// A page of what the caller may see.
pub(crate) async fn page(call: &Call, kind: Kind, query: Query) -> Result<Page<Object>, Problem> {
    match kind {
        Kind::Network => visible_networks(call, query).await,
        _ => Ok(call.state.db.objects(kind, &call.network, &query).await?),
    }
}

/// The networks that the caller may see. Those of others cost a look, and are not told.
async fn visible_networks(call: &Call, mut query: Query) -> Result<Page<Object>, Problem> {
    let caller = call.caller()?;
    if caller.may(Role::Viewer, Place::Installation) {
        return Ok(call.state.db.objects(Kind::Network, "", &query).await?);
    }
    let limit = query.limit as usize;
    let mut items = Vec::new();
    loop {
        let page = call.state.db.objects(Kind::Network, "", &query).await?;
        query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
        for object in page.items {
            let place = Place::Network { name: &object.name, tenant: tenant_of(&object.body) };
            if caller.may(Role::Viewer, place) {
                items.push(object);
            }
        }
        if !page.more || items.len() > limit {
            break;
        }
    }
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Page { items, more })
}

pub(crate) async fn read(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let object = call.state.db.object(&target(call, kind)).await?.ok_or_else(Problem::not_found)?;
    let mut answer = Answer::ok(select::fields(call, shown(&object))?)?;
    answer.revision = Some(object.revision);
    Ok(answer)
}

pub(crate) async fn put(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let body = parse_strict(&call.body).map_err(|error| malformed(&error))?;
    let place = target(call, kind);
    let parsed = parse(kind, &place.name, body)?;
    let present = call.state.db.object(&place).await?;
    store(call, place, parsed, present, precondition(call)?).await
}

pub(crate) async fn patch(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let patch = parse_strict(&call.body).map_err(|error| malformed(&error))?;
    let place = target(call, kind);
    let present = call.state.db.object(&place).await?.ok_or_else(Problem::not_found)?;
    let mut body = present.body.clone();
    merge(&mut body, patch);
    let parsed = parse(kind, &place.name, body)?;
    let condition = match precondition(call)? {
        // What was patched is what was read.
        Precondition::None | Precondition::Present => Precondition::Revision(present.revision),
        told => told,
    };
    store(call, place, parsed, Some(present), condition).await
}

pub(crate) async fn delete(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let precondition = match precondition(call)? {
        Precondition::None => Precondition::Present,
        told => told,
    };
    if kind == Kind::Tenant && !call.state.db.users(Some(&call.name), "", 1).await?.items.is_empty() {
        return Err(Problem::new(409, "in-use", "the tenant still has users"));
    }
    let change =
        [Change { target: target(call, kind), precondition, body: None, sealed: None, references: Vec::new() }];
    let who = &call.caller()?.name;
    match flag(call, "dry_run")? {
        true => call.state.db.rehearse(who, call.now, &change).await?,
        false => call.state.db.apply(who, call.now, &change).await?,
    };
    Ok(Answer::nothing())
}

pub(crate) async fn versions(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let below = match call.parameter("cursor") {
        None => i64::MAX,
        Some(cursor) => select::number(cursor)?,
    };
    let page = call.state.db.versions(&target(call, kind), below, select::limit(call)?).await?;
    let next = page.items.last().filter(|_| page.more).map(|version| version.revision.to_string());
    Answer::ok(json!({"items": page.items.iter().map(shown_version).collect::<Vec<_>>(), "next_cursor": next}))
}

pub(crate) async fn rollback(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    let asked = parse_strict(&call.body).map_err(|error| malformed(&error))?;
    let revision =
        asked.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.get("revision")?.as_i64());
    let revision =
        revision.ok_or_else(|| Problem::field("/revision", "is missing or has company", "{\"revision\": NUMBER}"))?;
    let place = target(call, kind);
    let version = call.state.db.version(&place, revision).await?.ok_or_else(Problem::not_found)?;
    let body = version.after.ok_or_else(|| Problem::new(409, "was-deleted", "at that version there was no object"))?;
    // What was valid then may not be now.
    let parsed = parse(kind, &place.name, body)?;
    let condition = precondition(call)?;
    may_own(call, kind, &parsed.body, None)?;
    may_hear(call, kind, &parsed.body, None)?;
    let (references, body) = (parsed.references, Some(parsed.body));
    let change = Change { target: place.clone(), precondition: condition, body, sealed: version.sealed, references };
    finish(call, &place, change, true).await
}

async fn store(
    call: &Call,
    place: Target,
    parsed: Parsed,
    present: Option<Object>,
    condition: Precondition,
) -> Result<Answer, Problem> {
    may_own(call, place.kind, &parsed.body, present.as_ref())?;
    let existed = present.is_some();
    let (change, _) = change(call, place.clone(), parsed, present.as_ref(), condition)?;
    finish(call, &place, change, existed).await
}

async fn finish(call: &Call, place: &Target, change: Change, existed: bool) -> Result<Answer, Problem> {
    let status = if existed { 200 } else { 201 };
    let (body, has_secrets, who) = (change.body.clone(), change.sealed.is_some(), call.caller()?.name.clone());
    // As it will be read after the change, for the case that nobody lives to read it.
    let foreseen = |revisions: &[i64]| {
        let revision = *revisions.first()?;
        let shown = json!({"name": place.name, "revision": revision, "changed_at": call.now, "changed_by": who,
                           "has_secrets": has_secrets, "body": body});
        Some(Answer { revision: Some(revision), ..Answer::with(status, shown).ok()? })
    };
    if flag(call, "dry_run")? {
        let revisions = call.state.db.rehearse(&call.caller()?.name, call.now, &[change]).await?;
        return foreseen(&revisions).ok_or_else(|| Problem::new(500, "internal", "the answer has no form"));
    }
    let revisions = call.apply(&[change], &foreseen).await?;
    let written = |object: &Object| revisions.first() == Some(&object.revision);
    let Some(object) = call.state.db.object(place).await?.filter(written) else {
        // Somebody has changed it since: what is answered is what was written, not what he wrote.
        return foreseen(&revisions).ok_or_else(|| Problem::new(500, "internal", "the answer has no form"));
    };
    let mut answer = Answer::with(status, shown(&object))?;
    answer.revision = Some(object.revision);
    Ok(answer)
}

/// A network belongs to whom the caller may speak for: also the tenant that the body names must be his.
pub(crate) fn may_own(call: &Call, kind: Kind, body: &Value, present: Option<&Object>) -> Result<(), Problem> {
    let tenant = tenant_of(body);
    let same = present.is_some_and(|present| tenant_of(&present.body) == tenant);
    if kind != Kind::Network || same || call.caller()?.may(Role::Admin, Place::Tenant(tenant)) {
        return Ok(());
    }
    Err(Problem::new(403, "forbidden", "networks of that tenant are not yours to make"))
}

/// Of alarms of the orchestrator itself only those are told who may see the whole installation.
fn may_hear(call: &Call, kind: Kind, body: &Value, present: Option<&Object>) -> Result<(), Problem> {
    let hears = |body: &Value| body.get("of_orchestrator").and_then(Value::as_bool).unwrap_or(false);
    // Where it is so already, whoever changes the address would hear in the place of who was meant.
    let concerned = kind == Kind::AlertReceiver && (hears(body) || present.is_some_and(|object| hears(&object.body)));
    if !concerned || call.caller()?.may(Role::Viewer, Place::Installation) {
        return Ok(());
    }
    Err(Problem::new(
        403,
        "forbidden",
        "alarms of the orchestrator itself are for those who may see the whole installation",
    ))
}

fn tenant_of(body: &Value) -> &str {
    body.get("tenant").and_then(Value::as_str).unwrap_or_default()
}

/// The change that makes a document the object's. Secrets that it does not bring are those of before.
pub(crate) fn change(
    call: &Call,
    place: Target,
    parsed: Parsed,
    present: Option<&Object>,
    condition: Precondition,
) -> Result<(Change, bool), Problem> {
    may_hear(call, place.kind, &parsed.body, present)?;
    let mut secrets = Secrets::new();
    let lacks = parsed.needed_secrets.iter().any(|name| !parsed.secrets.contains_key(name));
    let former = present.and_then(|object| object.sealed.as_ref()).filter(|_| lacks);
    if let Some(sealed) = former {
        secrets = open(call, &place, sealed)?;
    }
    let brought = !parsed.secrets.is_empty();
    secrets.extend(parsed.secrets);
    secrets.retain(|name, _| parsed.needed_secrets.contains(name));
    if let Some(name) = parsed.needed_secrets.iter().find(|name| !secrets.contains_key(*name)) {
        return Err(Problem::field("", &format!("the secret `{name}` is missing"), "the secret, with a new object"));
    }
    let sealed = if brought { Some(seal(call, &place, &secrets)?) } else { None };
    // Secrets of before belong to the revision that they were read from.
    let condition = match (&condition, present) {
        (Precondition::None, Some(object)) if former.is_some() => Precondition::Revision(object.revision),
        _ => condition,
    };
    let created = present.is_none();
    let (references, body) = (parsed.references, Some(parsed.body));
    Ok((Change { target: place, precondition: condition, body, sealed, references }, created))
}

fn seal(call: &Call, place: &Target, secrets: &Secrets) -> Result<SealedKey, Problem> {
    let mut nonce = [0; SEALING_NONCE];
    let failed = || Problem::new(503, "no-randomness", "the system has no randomness");
    getrandom::fill(&mut nonce).map_err(|_| failed())?;
    let text = serde_json::to_vec(secrets).map_err(|_| failed())?;
    Ok(call.state.key.seal_named(&place.to_string(), nonce, &text))
}

fn open(call: &Call, place: &Target, sealed: &SealedKey) -> Result<Secrets, Problem> {
    let opened = call.state.key.open_named(&place.to_string(), sealed).ok();
    let secrets = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
    secrets.ok_or_else(|| {
        Problem::new(500, "sealed", "the stored secrets do not open with this sealing key; give them anew")
    })
}

/// `If-Match` and `If-None-Match` (RFC 9110 §13.1).
fn precondition(call: &Call) -> Result<Precondition, Problem> {
    let header = |name| call.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (header(header::IF_MATCH), header(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Precondition::None),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some("*"), None) => Ok(Precondition::Present),
        (Some(tag), None) => {
            let revision =
                tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|tag| tag.parse().ok());
            revision
                .map(Precondition::Revision)
                .ok_or_else(|| Problem::new(412, "changed-meanwhile", "no such entity tag"))
        }
        // It cannot be of a revision and absent: whatever there is, one of the two does not hold.
        _ => Err(Problem::new(412, "changed-meanwhile", "If-Match and If-None-Match contradict each other")),
    }
}

/// JSON merge patch (RFC 7396). The depth is bounded by the reader of the patch.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(fields) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(into) = target else { return };
    for (name, value) in fields {
        if value.is_null() {
            into.remove(&name);
        } else {
            merge(into.entry(name).or_insert(Value::Null), value);
        }
    }
}

pub(crate) fn shown(object: &Object) -> Value {
    into_shown(object.clone())
}

fn into_shown(object: Object) -> Value {
    let fields = [
        ("name", Value::String(object.name)),
        ("revision", object.revision.into()),
        ("changed_at", object.changed_at.into()),
        ("changed_by", Value::String(object.changed_by)),
        ("has_secrets", object.sealed.is_some().into()),
        ("body", object.body),
    ];
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn shown_version(version: &Version) -> Value {
    let mut difference = Vec::new();
    let none = Value::Null;
    differ("", version.before.as_ref().unwrap_or(&none), version.after.as_ref().unwrap_or(&none), &mut difference);
    json!({
        "revision": version.revision,
        "at": version.at,
        "who": version.who,
        "secrets_changed": version.secrets_changed,
        "before": version.before,
        "after": version.after,
        "difference": difference,
    })
}

/// The places where two bodies differ, as JSON pointers.
fn differ(path: &str, before: &Value, after: &Value, out: &mut Vec<Value>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                let place = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                differ(&place, old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), out);
            }
        }
        _ if before == after => {}
        _ => out.push(json!({"path": path, "before": before, "after": after})),
    }
}

/// Reads a body and checks it, also where the model cannot.
pub(crate) fn parse(kind: Kind, name: &str, body: Value) -> Result<Parsed, Problem> {
    let parsed = kind.parse_value(name, body).map_err(Problem::fields)?;
    if kind == Kind::AlertRule {
        alarms::check(&parsed.body)?;
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_that_of_the_rfc() {
        // RFC 7396 appendix A, in part.
        for (target, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        ] {
            let mut merged = target;
            merge(&mut merged, patch);
            assert_eq!(merged, expected);
        }
    }

    #[test]
    fn differences_have_places() {
        let mut out = Vec::new();
        differ("", &json!({"a": 1, "b": {"c": 2}}), &json!({"a": 1, "b": {"c": 3}, "d/e": 4}), &mut out);
        assert_eq!(
            out,
            [json!({"path": "/b/c", "before": 2, "after": 3}), json!({"path": "/d~1e", "before": null, "after": 4})]
        );
    }
}
