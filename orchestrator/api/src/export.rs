//! Everything of a list in one answer, as it is read: JSON lines or CSV, which an import takes back. Secrets are not in it.

use crate::gate::Call;
use crate::{Problem, csv, objects, select};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, header};
use orchestrator_db::{AuditEntry, Error, Object};
use orchestrator_model::Kind;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Entries read at a time, parts that wait for a client, and how long they wait.
const PAGE: u32 = 1000;
const PARTS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    JsonLines,
    Csv,
}

/// The form that is asked for; none is a page of JSON.
pub(crate) fn form(call: &Call) -> Result<Option<Form>, Problem> {
    match call.parameter("format") {
        None | Some("json") => Ok(None),
        Some("ndjson") => Ok(Some(Form::JsonLines)),
        Some("csv") => Ok(Some(Form::Csv)),
        Some(_) => Err(Problem::bad("format is json, ndjson or csv")),
    }
}

type Parts = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// All objects of a kind that fit the filters.
pub(crate) fn objects(call: &Call, kind: Kind, form: Form) -> Result<Response<Body>, Problem> {
    let mut query = select::query(call)?;
    query.limit = PAGE;
    let (call, columns) = (call.clone(), columns(kind));
    let (out, parts) = mpsc::channel(PARTS);
    tokio::spawn(async move {
        if form == Form::Csv {
            let names = columns.iter().map(|column| column.name.clone());
            let head = csv::line(std::iter::once("name".to_owned()).chain(names));
            if !give(&out, Ok(head)).await {
                return;
            }
        }
        loop {
            let page = match objects::page(&call, kind, query.clone()).await {
                Ok(page) => page,
                Err(problem) => {
                    // Cut off without its end, so that nobody takes a part for the whole.
                    give(&out, Err(std::io::Error::other(problem.detail))).await;
                    return;
                }
            };
            let text: String = page.items.iter().map(|object| row(object, &columns, form)).collect();
            query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
            if !give(&out, Ok(text)).await || !page.more {
                return;
            }
        }
    });
    Ok(response(form, kind.collection(), parts))
}

/// The whole audit log from the cursor on, of the installation or of a network, the newest first.
pub(crate) fn audit(call: &Call, form: Form) -> Result<Response<Body>, Problem> {
    let mut below = call.parameter("cursor").map_or(Ok(i64::MAX), select::number)?;
    // It says how large a page is, of which there is none here: what cannot be one is refused all the same.
    select::limit(call)?;
    let call = call.clone();
    let (out, parts) = mpsc::channel(PARTS);
    tokio::spawn(async move {
        if form == Form::Csv && !give(&out, Ok(csv::line(AUDIT.map(str::to_owned)))).await {
            return;
        }
        let network = (!call.network.is_empty()).then_some(call.network.as_str());
        loop {
            let page = match call.state.db.audit_log(network, below, PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    give(&out, Err(failed(&error))).await;
                    return;
                }
            };
            below = page.items.last().map_or(below, |last| last.id);
            let text: String = page.items.iter().map(|entry| audit_row(entry, form)).collect();
            if !give(&out, Ok(text)).await || !page.more {
                return;
            }
        }
    });
    Ok(response(form, "audit", parts))
}

const AUDIT: [&str; 7] = ["id", "at", "who", "network", "action", "target", "outcome"];

fn audit_row(it: &AuditEntry, form: Form) -> String {
    line(&crate::accounts::shown_audit(it), &AUDIT, form)
}

/// All events that are asked for, the newest first.
pub(crate) fn events(call: &Call, form: Form) -> Result<Response<Body>, Problem> {
    let mut query = crate::gateways::event_query(call)?;
    query.limit = PAGE;
    let call = call.clone();
    let (out, parts) = mpsc::channel(PARTS);
    tokio::spawn(async move {
        if form == Form::Csv && !give(&out, Ok(csv::line(EVENT.map(str::to_owned)))).await {
            return;
        }
        loop {
            let page = match call.state.db.gateway_events(&call.network, &query).await {
                Ok(page) => page,
                Err(error) => {
                    give(&out, Err(failed(&error))).await;
                    return;
                }
            };
            query.below = page.items.last().map_or(query.below, |last| last.id);
            let rows = page.items.iter().map(crate::gateways::shown_event);
            let text: String = rows.map(|shown| line(&shown, &EVENT, form)).collect();
            if !give(&out, Ok(text)).await || !page.more {
                return;
            }
        }
    });
    Ok(response(form, "events", parts))
}

const EVENT: [&str; 8] = ["id", "gateway", "at", "kind", "alarm", "imsi", "text", "facts"];

/// A row of what is shown.
fn line(shown: &Value, columns: &[&str], form: Form) -> String {
    match form {
        Form::JsonLines => format!("{shown}\n"),
        Form::Csv => csv::line(columns.iter().map(|name| match &shown[*name] {
            Value::String(text) => csv::harmless(text),
            other => other.to_string(),
        })),
    }
}

fn failed(error: &Error) -> std::io::Error {
    tracing::error!(%error, "an export was cut off");
    std::io::Error::other("the database cannot be read now")
}

async fn give(out: &Parts, part: Result<String, std::io::Error>) -> bool {
    let sent = tokio::time::timeout(PATIENCE, out.send(part.map(Bytes::from))).await;
    sent.is_ok_and(|sent| sent.is_ok())
}

fn response(form: Form, name: &str, parts: mpsc::Receiver<Result<Bytes, std::io::Error>>) -> Response<Body> {
    let (kind, ending) = match form {
        Form::JsonLines => ("application/x-ndjson", "ndjson"),
        Form::Csv => ("text/csv; charset=utf-8", "csv"),
    };
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(parts)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Names of collections are plain words.
    if let Ok(told) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{ending}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, told);
    }
    response
}

/// A column of CSV, as an import reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    /// `title`, or `labels:json`.
    name: String,
    field: String,
    json: bool,
}

/// The fields of a kind, from its schema; those that are only written are left out.
fn columns(kind: Kind) -> Vec<Column> {
    let mut schemas = Vec::new();
    kind.schemas(&mut schemas);
    let schemas: std::collections::BTreeMap<String, Value> =
        schemas.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
    let fields = schemas.get(kind.schema_name()).and_then(|schema| schema["properties"].as_object());
    let column = |(field, schema): (&String, &Value)| {
        let json = !is_text(schema, &schemas);
        let name = if json { format!("{field}:json") } else { field.clone() };
        (schema["writeOnly"] != true).then(|| Column { name, field: field.clone(), json })
    };
    fields.into_iter().flatten().filter_map(column).collect()
}

fn is_text(schema: &Value, all: &std::collections::BTreeMap<String, Value>) -> bool {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return all.get(name).is_some_and(|inner| inner["type"] == "string");
    }
    schema["type"] == "string" || schema["type"] == json!(["string", "null"])
}

fn row(object: &Object, columns: &[Column], form: Form) -> String {
    if form == Form::JsonLines {
        return format!("{}\n", json!({"name": object.name, "body": object.body}));
    }
    let cell = |column: &Column| match object.body.get(&column.field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if !column.json => csv::harmless(text),
        Some(value) => value.to_string(),
    };
    csv::line(std::iter::once(object.name.clone()).chain(columns.iter().map(cell)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_a_secret() {
        let of = columns(Kind::Subscriber);
        let names: Vec<&str> = of.iter().map(|column| column.name.as_str()).collect();
        assert!(names.contains(&"title") && names.contains(&"state") && names.contains(&"labels:json"), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("keys")), "{names:?}");
    }
}
