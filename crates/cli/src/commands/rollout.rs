//! Staged changes of objects: begun from a file, looked at, stopped.

use super::objects::{Orchestrator, Way, text};
use crate::args::{BeginRollout, RolloutCommand, Where};
use crate::documents;
use crate::error::{Error, Result};
use crate::kinds::{Kind, plain};
use crate::output::Out;
use crate::table::Table;
use serde_json::{Value, json};
use std::io::Read;

pub(super) async fn run(command: &RolloutCommand, to: &Where, stdin: &mut dyn Read, out: &mut Out<'_>) -> Result<()> {
    let at = Way::find(to)?.orchestrator()?;
    let network = at.network.as_deref().ok_or_else(|| {
        Error::usage(
            "a staged change is of one network, and none was named",
            "give --network NAME, or a context that has one",
        )
    })?;
    let path = format!("/networks/{}/config-rollouts", plain(network)?);
    let act = |id: &str, act: &str| Ok::<_, Error>((format!("{path}/{}/act", plain(id)?), json!({ "act": act })));
    let (act, body) = match command {
        RolloutCommand::Begin(wanted) => (path.clone(), plan(wanted, network, &at, stdin)?),
        RolloutCommand::List => return list(&at.ask("GET", &path, None).await?, out),
        RolloutCommand::Show { id } => {
            return show(&at.ask("GET", &format!("{path}/{}", plain(id)?), None).await?, out);
        }
        RolloutCommand::Pause { id } => act(id, "pause")?,
        RolloutCommand::Resume { id } => act(id, "resume")?,
        RolloutCommand::RollBack { id } => act(id, "roll-back")?,
        RolloutCommand::Cancel { id } => act(id, "cancel")?,
    };
    show(&at.ask("POST", &act, Some(&body)).await?, out)
}

fn plan(wanted: &BeginRollout, network: &str, at: &Orchestrator, stdin: &mut dyn Read) -> Result<Value> {
    let mut changes = Vec::new();
    if let Some(file) = &wanted.file {
        for document in documents::read(file, at.network.as_deref(), stdin)? {
            if document.kind.of_network && document.network.as_deref() != Some(network) {
                let words = format!("{} is of another network", document.title());
                return Err(Error::usage(words, "a staged change is of one network"));
            }
            changes.push(json!({"kind": document.kind.collection, "name": document.name, "body": document.body}));
        }
    }
    for gone in &wanted.delete {
        let (kind, name) = gone
            .split_once('/')
            .ok_or_else(|| Error::usage(format!("{gone} is no KIND/NAME"), "such as --delete apn/old"))?;
        changes.push(json!({"kind": Kind::named(kind)?.collection, "name": plain(name)?, "body": null}));
    }
    Ok(json!({
        "changes": changes,
        "tier": wanted.tier,
        "canary_percent": wanted.canary,
        "soak_minutes": wanted.soak,
        "at_once": wanted.at_once,
        "most_failures": wanted.most_failures,
        "roll_back": !wanted.pause_only,
    }))
}

fn parts<'a>(known: &'a Value, field: &str) -> &'a [Value] {
    known.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn list(known: &Value, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(known)?);
    }
    let mut table = Table::new(&["ID", "OBJECTS", "STATE", "STAGE", "GATEWAYS", "WHY"]);
    for it in parts(known, "items") {
        let word = |path: &str| text(it, path).to_owned();
        let names: Vec<String> =
            parts(it, "changes").iter().map(|it| format!("{}/{}", text(it, "/kind"), text(it, "/name"))).collect();
        let done = parts(it, "gateways").iter().filter(|it| text(it, "/step") == "done").count();
        table.row([
            word("/id"),
            names.join(", "),
            word("/state"),
            word("/stage"),
            format!("{done} of {}", parts(it, "gateways").len()),
            word("/words"),
        ]);
    }
    Ok(out.table(&table, "no staged changes; `basalt rollout begin -f FILE` begins one")?)
}

fn show(known: &Value, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(known)?);
    }
    let word = |path: &str| text(known, path).to_owned();
    let why = if word("/words").is_empty() { String::new() } else { format!(": {}", word("/words")) };
    out.fields(&[("rollout", word("/id")), ("state", format!("{}, {}{why}", word("/state"), word("/stage")))])?;
    for change in parts(known, "changes") {
        let side = |name: &str| change.get(name).filter(|body| !body.is_null());
        let what = match (side("before"), side("after")) {
            (None, _) => "is made",
            (_, None) => "is deleted",
            _ => "is changed",
        };
        out.line(&format!("{}/{} {what}", text(change, "/kind"), text(change, "/name")))?;
    }
    if parts(known, "gateways").is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["GATEWAY", "STEP", "FIRST", "WHY"]);
    for it in parts(known, "gateways") {
        let word = |path: &str| text(it, path).to_owned();
        let first = if it.get("canary") == Some(&Value::Bool(true)) { "yes" } else { "" };
        table.row([word("/gateway"), word("/step"), first.to_owned(), word("/words")]);
    }
    Ok(out.table(&table, "")?)
}
