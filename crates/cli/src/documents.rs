//! Files of objects for an orchestrator: YAML or JSON, one document or many.
//!
//! ```yaml
//! kind: apn
//! name: internet
//! network: lab          # unless the context or --network says it
//! body: {pdn_type: ipv4v6}
//! ```

use crate::error::{Error, Result};
use crate::kinds::Kind;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::Path;

/// Octets of a file.
const FILE: u64 = 64 << 20;

/// An object as a file says it should be.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) kind: &'static Kind,
    pub(crate) network: Option<String>,
    pub(crate) name: String,
    pub(crate) body: Value,
}

impl Document {
    /// What people call it: `apn/internet`.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.kind.singular, self.name)
    }

    /// Its path at the orchestrator.
    pub(crate) fn path(&self) -> Result<String> {
        self.kind.path(self.network.as_deref(), Some(&self.name))
    }

    /// The form in which it is shown and read again.
    pub(crate) fn shown(kind: &Kind, network: Option<&str>, object: &Value) -> Value {
        let mut shown = Map::new();
        shown.insert("kind".to_owned(), kind.singular.into());
        if let Some(network) = network.filter(|_| kind.of_network) {
            shown.insert("network".to_owned(), network.into());
        }
        for field in ["name", "revision", "body"] {
            if let Some(value) = object.get(field) {
                shown.insert(field.to_owned(), value.clone());
            }
        }
        Value::Object(shown)
    }
}

/// Reads a file, or standard input where its name is `-`; in the order in which they can be applied.
///
/// # Errors
/// It cannot be read, or something in it is no object: named with its place.
pub(crate) fn read(path: &Path, network: Option<&str>, stdin: &mut dyn Read) -> Result<Vec<Document>> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        stdin.take(FILE).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(FILE).read_to_string(&mut text))
    };
    read.map_err(|error| {
        Error::usage(format!("{} cannot be read: {error}", path.display()), "give a file of YAML or JSON, or -")
    })?;
    let mut documents = parse(&text, network).map_err(|(place, what)| {
        let fix = "an object is {kind: apn, name: internet, body: {...}}; `basalt get KIND NAME -o yaml` shows one";
        Error::usage(format!("{}, object {place}: {what}", path.display()), fix)
    })?;
    documents.sort_by_key(|document| crate::kinds::KINDS.iter().position(|kind| kind == document.kind));
    Ok(documents)
}

type Fault = (usize, String);

fn parse(text: &str, network: Option<&str>) -> std::result::Result<Vec<Document>, Fault> {
    let mut values = Vec::new();
    // YAML has JSON in it.
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let place = values.len() + 1;
        let value = Value::deserialize(document).map_err(|error| (place, error.to_string()))?;
        match value {
            Value::Null => {}
            Value::Array(several) => values.extend(several),
            mut list if list.get("items").is_some_and(Value::is_array) => {
                if let Value::Array(several) = list["items"].take() {
                    values.extend(several);
                }
            }
            one => values.push(one),
        }
    }
    if values.is_empty() {
        return Err((1, "there is none".to_owned()));
    }
    (1..).zip(values).map(|(place, value)| object(value, network).map_err(|what| (place, what))).collect()
}

fn object(value: Value, network: Option<&str>) -> std::result::Result<Document, String> {
    let Value::Object(mut fields) = value else { return Err("it is no mapping".to_owned()) };
    let mut text = |field: &str| match fields.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        // An IMSI without quotes is a number to YAML.
        Some(Value::Number(_)) => Err(format!("`{field}` needs quotes, so that its digits stay what they are")),
        Some(_) => Err(format!("`{field}` is a text")),
    };
    let kind = text("kind")?.ok_or("`kind` is missing")?;
    let name = text("name")?.ok_or("`name` is missing")?;
    let of = text("network")?;
    let body = fields.remove("body").unwrap_or_else(|| json!({}));
    fields.remove("revision");
    if let Some(unknown) = fields.keys().next() {
        return Err(format!("`{unknown}` is unknown here; kind, network, name and body are known"));
    }
    let kind = Kind::named(&kind).map_err(|error| error.to_string())?;
    Ok(Document { kind, network: of.or(network.map(str::to_owned)), name, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Document>> {
        read(Path::new("-"), Some("lab"), &mut text.as_bytes())
    }

    #[test]
    fn yaml_and_json_are_read_in_the_order_of_applying() {
        let yaml = "kind: subscriber\nname: '001010000000001'\nbody: {title: pump}\n---\nkind: apn\nname: internet\n";
        let json = r#"{"items": [{"kind": "subscriber", "name": "001010000000001", "body": {"title": "pump"}},
                      {"kind": "apn", "network": "lab", "name": "internet", "revision": 7}]}"#;
        for text in [yaml, json] {
            let documents = read_text(text).unwrap();
            let titles: Vec<String> = documents.iter().map(Document::title).collect();
            assert_eq!(titles, ["apn/internet", "subscriber/001010000000001"]);
            assert_eq!(documents[0].path().unwrap(), "/networks/lab/apns/internet");
            assert_eq!(documents[1].body["title"], "pump");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("", "object 1: there is none"),
            ("kind: apn\n", "`name` is missing"),
            ("kind: apn\nname: a\n---\nkind: subscriber\nname: 310410000000001\n", "object 2: `name` needs quotes"),
            ("kind: cow\nname: a\n", "`cow` is no kind"),
            ("kind: apn\nname: a\nbdy: {}\n", "`bdy` is unknown"),
            ("[[1]]", "no mapping"),
            ("a: [", "object 1"),
        ];
        for (text, words) in cases {
            let error = read_text(text).unwrap_err();
            assert!(error.to_string().contains(words), "{text:?}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert!(read(Path::new("/nowhere"), None, &mut std::io::empty()).is_err());
    }
}
