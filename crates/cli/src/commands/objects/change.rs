//! Applying, comparing and deleting objects.

use super::Orchestrator;
use crate::documents::{self, Document};
use crate::error::{Error, Result};
use crate::kinds::Kind;
use crate::output::Out;
use crate::rest::Request;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Exit code of `diff` when something differs.
const DIFFERS: u8 = 1;

/// Makes objects as a file says, one after the other: what is referred to comes first.
pub(in crate::commands) async fn apply(
    file: &Path,
    dry_run: bool,
    at: &Orchestrator,
    stdin: &mut dyn Read,
    out: &mut Out<'_>,
) -> Result<()> {
    let documents = documents::read(file, at.network.as_deref(), stdin)?;
    if dry_run {
        return rehearse(&documents, at, out).await;
    }
    let mut told = Vec::new();
    for document in &documents {
        let path = document.path()?;
        let before = present(at, &path).await?;
        let after = at.ask("PUT", &path, Some(&document.body)).await.map_err(|error| named(document, error))?;
        let what = match before {
            None => "created",
            Some(before) if before.get("body") == after.get("body") => "unchanged",
            Some(_) => "changed",
        };
        if out.is_json() {
            told.push(json!({"kind": document.kind.singular, "name": document.name, "result": what}));
        } else {
            out.line(&format!("{} {what}", document.title()))?;
        }
    }
    if out.is_json() { Ok(out.json(&told)?) } else { Ok(()) }
}

/// The object, if it is there.
async fn present(at: &Orchestrator, path: &str) -> Result<Option<Value>> {
    match at.ask("GET", path, None).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same refusal, with the object that it is about.
fn named(document: &Document, error: Error) -> Error {
    match error {
        Error::Refused { code, what, fix } => {
            Error::Refused { code, what: format!("{}: {what}", document.title()), fix }
        }
        other => other,
    }
}

/// Has the orchestrator check everything and change nothing, kind by kind.
async fn rehearse(documents: &[Document], at: &Orchestrator, out: &mut Out<'_>) -> Result<()> {
    let mut groups: BTreeMap<String, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        if document.kind.of_network {
            groups.entry(document.kind.path(document.network.as_deref(), None)?).or_default().push(document);
        } else {
            let path = document.path()?;
            let before = present(at, &path).await?;
            let after = at.ask("PUT", &format!("{path}?dry_run=true"), Some(&document.body)).await;
            let after = after.map_err(|error| named(document, error))?;
            let what = match before {
                None => "created",
                Some(before) if before.get("body") == after.get("body") => "unchanged",
                Some(_) => "changed",
            };
            match out.is_json() {
                true => out.json(&json!({"kind": document.kind.singular, "name": document.name, "result": what}))?,
                false => out.line(&format!("{} would be {what}", document.title()))?,
            }
        }
    }
    for (path, group) in groups {
        let lines = group.iter().map(|document| json!({"name": document.name, "body": document.body}).to_string());
        let path = format!("{path}/import?dry_run=true");
        let mut request = Request::new("POST", &path);
        request.form = "application/x-ndjson";
        request.body = Some(lines.collect::<Vec<_>>().join("\n").into_bytes());
        let answer = at.send(&request).await?;
        let count = |field: &str| answer.get(field).and_then(Value::as_u64).unwrap_or_default();
        if out.is_json() {
            out.json(&answer)?;
        } else {
            let what = group.first().map_or("", |document| document.kind.collection);
            let (created, replaced) = (count("created"), count("replaced"));
            out.line(&format!("{what}: {created} would be created, {replaced} replaced"))?;
        }
    }
    Ok(())
}

/// Shows in what the objects of a file differ from those that are there.
pub(in crate::commands) async fn diff(
    file: &Path,
    at: &Orchestrator,
    stdin: &mut dyn Read,
    out: &mut Out<'_>,
) -> Result<u8> {
    let documents = documents::read(file, at.network.as_deref(), stdin)?;
    let mut found = Vec::new();
    for document in &documents {
        let there = present(at, &document.path()?).await?;
        let mut differences = Vec::new();
        match &there {
            None => differences.push((String::new(), None, Some(Value::from("is not there")))),
            Some(there) => compare("", there.get("body"), &document.body, &mut differences),
        }
        found.extend(differences.into_iter().map(|difference| (document.title(), difference)));
    }
    if out.is_json() {
        let shown = found.iter().map(
            |(title, (path, there, wanted))| json!({"object": title, "path": path, "there": there, "wanted": wanted}),
        );
        out.json(&shown.collect::<Vec<_>>())?;
    } else {
        let mut last = "";
        for (title, (path, there, wanted)) in &found {
            if last != title {
                out.line(title)?;
                last = title;
            }
            let shown = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
            match path.as_str() {
                "" => out.line("+ would be created")?,
                _ => {
                    out.line(&format!("- {path}: {}", shown(there)))?;
                    out.line(&format!("+ {path}: {}", shown(wanted)))?;
                }
            }
        }
        if found.is_empty() {
            out.note("nothing differs; what a file does not mention goes back to its default when it is applied")?;
        }
    }
    Ok(if found.is_empty() { 0 } else { DIFFERS })
}

type Difference = (String, Option<Value>, Option<Value>);

/// What a file mentions, against what is there. Keys are never answered, and cannot be compared.
fn compare(path: &str, there: Option<&Value>, wanted: &Value, differences: &mut Vec<Difference>) {
    if path == "/keys" || there == Some(wanted) {
        return;
    }
    match (there, wanted) {
        (Some(Value::Object(there)), Value::Object(fields)) => {
            for (name, value) in fields {
                compare(&format!("{path}/{name}"), there.get(name), value, differences);
            }
        }
        // Of each entry, too, only what is mentioned.
        (Some(Value::Array(there)), Value::Array(wanted)) if there.len() == wanted.len() => {
            for (place, (there, wanted)) in there.iter().zip(wanted).enumerate() {
                compare(&format!("{path}/{place}"), Some(there), wanted, differences);
            }
        }
        // A number may be written as 1 or 1.0, an absent value as null.
        (None, Value::Null) => {}
        (Some(there), wanted) if there.is_number() && there.as_f64() == wanted.as_f64() => {}
        _ => differences.push((path.to_owned(), there.cloned(), Some(wanted.clone()))),
    }
}

/// Deletes one object, or those of a file: what refers to others goes first.
pub(in crate::commands) async fn delete(
    kind: Option<&Kind>,
    name: Option<&str>,
    file: Option<&Path>,
    at: &Orchestrator,
    stdin: &mut dyn Read,
    out: &mut Out<'_>,
) -> Result<()> {
    let mut paths = Vec::new();
    match (kind, name, file) {
        (Some(kind), Some(name), None) => {
            paths.push((format!("{}/{name}", kind.singular), kind.path(at.network.as_deref(), Some(name))?));
        }
        (_, _, Some(file)) => {
            for document in documents::read(file, at.network.as_deref(), stdin)?.iter().rev() {
                paths.push((document.title(), document.path()?));
            }
        }
        _ => return Err(Error::usage("what is to be deleted?", "basalt delete KIND NAME, or basalt delete -f FILE")),
    }
    for (title, path) in paths {
        let what = match at.ask("DELETE", &path, None).await {
            Ok(_) => "deleted",
            // The rest of the file is still to go.
            Err(error) if error.is_absent() && file.is_some() => "is not there",
            Err(error) => return Err(error),
        };
        if !out.is_json() {
            out.line(&format!("{title} {what}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_file_mentions_is_compared() {
        let there = json!({"qci": 9, "dns": ["192.0.2.1"], "ambr": {"up": 1, "down": 2}, "state": "active"});
        let differences = |wanted: Value| {
            let mut found = Vec::new();
            compare("", Some(&there), &wanted, &mut found);
            found.into_iter().map(|(path, ..)| path).collect::<Vec<_>>()
        };
        assert!(differences(json!({"qci": 9.0, "ambr": {"up": 1}, "keys": {"k": "00"}, "vlan": null})).is_empty());
        assert_eq!(
            differences(json!({"qci": 8, "ambr": {"up": 2, "down": 2}, "new": 1})),
            ["/ambr/up", "/new", "/qci"]
        );
        assert_eq!(differences(json!({"dns": []})), ["/dns"]);
    }
}
