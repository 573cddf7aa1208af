//! Lists and single objects.

use super::{Asked, Orchestrator, text};
use crate::documents::Document;
use crate::error::{Error, Result};
use crate::kinds::Kind;
use crate::output::Out;
use crate::table::Table;
use crate::text as words;
use serde_json::{Value, json};

/// Lists a kind, or shows one; with `watch` it goes on with what changes.
pub(in crate::commands) async fn get(
    kind: &Kind,
    name: Option<&str>,
    watch: bool,
    at: &Orchestrator,
    out: &mut Out<'_>,
) -> Result<()> {
    let network = at.network.as_deref();
    let path = kind.path(network, name)?;
    let objects = match name {
        Some(_) => vec![at.ask("GET", &path, None).await?],
        None => at.list(&path).await?,
    };
    listed(kind, name, &objects, at.shown_network(), out)?;
    match watch {
        true => follow(kind, name, at, out).await,
        false => Ok(()),
    }
}

fn listed(kind: &Kind, name: Option<&str>, objects: &[Value], network: Option<&str>, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        let mut shown = objects.iter().map(|object| Document::shown(kind, network, object));
        let value = match name {
            Some(_) => shown.next(),
            None => Some(json!({ "items": shown.collect::<Vec<_>>() })),
        };
        return Ok(out.json(&value)?);
    }
    let mut titles = vec!["NAME"];
    titles.extend(kind.columns.iter().map(|(title, _)| *title));
    titles.push("CHANGED");
    if out.is_wide() {
        titles.extend(["BY", ">REVISION"]);
    }
    let mut table = Table::new(&titles);
    for object in objects {
        let mut cells = vec![text(object, "/name").to_owned()];
        cells.extend(kind.columns.iter().map(|(_, path)| cell(object, path)));
        let at = object.get("changed_at").and_then(Value::as_u64).unwrap_or_default() / 1000;
        cells.push(words::age(out.now, at));
        if out.is_wide() {
            let revision = object.get("revision").map(Value::to_string).unwrap_or_default();
            cells.extend([text(object, "/changed_by").to_owned(), revision]);
        }
        table.push(cells);
    }
    let hint = format!("No {} yet: `basalt apply -f FILE` makes them.", kind.collection);
    Ok(out.table(&table, &hint)?)
}

fn cell(object: &Value, path: &str) -> String {
    match object.pointer(&format!("/body{path}")) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// One object in full, with its last changes.
pub(in crate::commands) async fn describe(kind: &Kind, name: &str, at: &Orchestrator, out: &mut Out<'_>) -> Result<()> {
    let path = kind.path(at.network.as_deref(), Some(name))?;
    let object = at.ask("GET", &path, None).await?;
    if out.is_json() {
        return Ok(out.json(&object)?);
    }
    let when = object.get("changed_at").and_then(Value::as_u64).unwrap_or_default() / 1000;
    let changed = format!("{} by {}", words::age(out.now, when), text(&object, "/changed_by"));
    let revision = object.get("revision").map(Value::to_string).unwrap_or_default();
    let title = format!("{}/{name}", kind.singular);
    out.fields(&[("object", title), ("changed", changed), ("revision", revision)])?;
    if object.get("has_secrets") == Some(&Value::Bool(true)) {
        out.fields(&[("keys", "kept, never shown".to_owned())])?;
    }
    out.line("")?;
    out.yaml(object.get("body").unwrap_or(&Value::Null))?;
    let versions = at.ask("GET", &format!("{path}/versions?limit=5"), None).await?;
    let mut table = Table::new(&[">REVISION", "WHEN", "WHO", "WHAT"]);
    for version in versions.get("items").and_then(Value::as_array).into_iter().flatten() {
        let when = version.get("at").and_then(Value::as_u64).unwrap_or_default() / 1000;
        let revision = version.get("revision").map(Value::to_string).unwrap_or_default();
        let changes = version.get("difference").and_then(Value::as_array);
        let paths: Vec<&str> = changes.into_iter().flatten().map(|change| text(change, "/path")).collect();
        let what = match version.get("after").is_none_or(Value::is_null) {
            true => "deleted".to_owned(),
            false => paths.join(" "),
        };
        table.row([revision, words::age(out.now, when), text(version, "/who").to_owned(), what]);
    }
    out.line("")?;
    Ok(out.table(&table, "")?)
}

/// Tells what changes, until the orchestrator ends it or the user does.
async fn follow(kind: &Kind, name: Option<&str>, at: &Orchestrator, out: &mut Out<'_>) -> Result<()> {
    if !kind.of_network {
        return Err(Error::usage("only what is part of a network can be watched", "leave --watch out"));
    }
    let root = kind.path(at.network.as_deref(), None)?;
    let network = root.trim_end_matches(kind.collection);
    let path = format!("{network}watch?kinds={}", kind.collection);
    let Asked::Orchestrator(rest) = &at.rest else { return Ok(()) };
    rest.follow(&path, |event, told| {
        if event == "end" {
            out.note(&format!("the orchestrator ended the watch: {}", text(told, "/reason")))?;
            return Ok(());
        }
        if event != "object" || name.is_some_and(|name| text(told, "/name") != name) {
            return Ok(());
        }
        if out.is_json() {
            return Ok(out.json_line(told)?);
        }
        let title = format!("{}/{}", kind.singular, text(told, "/name"));
        let news = match text(told, "/object/changed_by") {
            "" => format!("{title} deleted"),
            who => format!("{title} changed by {who}"),
        };
        Ok(out.line(&news)?)
    })
    .await
}
