//! What of a list is wanted: page, order, filters, fields.

use crate::Problem;
use crate::gate::Call;
use orchestrator_db::{Query, Sort};
use serde_json::{Map, Value};

/// Entries of a page, unless told, and at most.
const PAGE: u32 = 100;
const MOST: u32 = 1000;
/// Filters, and fields, of one request.
const PARTS: usize = 8;

/// Entries of a page.
pub(crate) fn limit(call: &Call) -> Result<u32, Problem> {
    let Some(text) = call.parameter("limit") else { return Ok(PAGE) };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Problem::bad("limit is 1 to 1000"))
}

/// The query that a request asks for.
pub(crate) fn query(call: &Call) -> Result<Query, Problem> {
    let (descending, sort) = match call.parameter("sort").unwrap_or("name") {
        "name" => (false, Sort::Name),
        "-name" => (true, Sort::Name),
        "changed_at" => (false, Sort::Changed),
        "-changed_at" => (true, Sort::Changed),
        _ => return Err(Problem::bad("sort is name, -name, changed_at or -changed_at")),
    };
    let mut filters = Vec::new();
    for (_, text) in call.query.iter().filter(|(key, _)| key == "filter") {
        let pair = text.split_once(':').filter(|(field, _)| is_field(field) && filters.len() < PARTS);
        let (field, wanted) = pair.ok_or_else(|| Problem::bad("filter is FIELD:TEXT, at most 8 times"))?;
        filters.push((field.to_owned(), wanted.to_owned()));
    }
    let after =
        call.parameter("cursor").map(|cursor| open(cursor).ok_or_else(|| Problem::bad("the cursor is none of ours")));
    Ok(Query { sort, descending, filters, after: after.transpose()?, limit: limit(call)? })
}

/// A cursor that is a number.
pub(crate) fn number(cursor: &str) -> Result<i64, Problem> {
    let digits = (1..=18).contains(&cursor.len()) && cursor.bytes().all(|b| b.is_ascii_digit());
    let number = cursor.parse().ok().filter(|_| digits);
    number.ok_or_else(|| Problem::bad("the cursor is none of ours"))
}

/// The cursor after an entry.
pub(crate) fn cursor(changed_at: i64, name: &str) -> String {
    format!("{changed_at}~{name}")
}

fn open(cursor: &str) -> Option<(i64, String)> {
    let (changed, name) = cursor.split_once('~')?;
    let digits = (1..=18).contains(&changed.len()) && changed.bytes().all(|b| b.is_ascii_digit());
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    let named = name.len() <= 128 && name.bytes().all(good) && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if digits && named { Some((changed.parse().ok()?, name.to_owned())) } else { None }
}

/// Only the fields that are wanted, the name always.
pub(crate) fn fields(call: &Call, shown: Value) -> Result<Value, Problem> {
    let Some(wanted) = call.parameter("fields") else { return Ok(shown) };
    let wanted: Vec<&str> = wanted.split(',').collect();
    if wanted.len() > 4 * PARTS || !wanted.iter().all(|field| is_field(field)) {
        return Err(Problem::bad("fields are names joined by commas, such as name,body.state"));
    }
    let mut chosen = Map::new();
    for field in wanted.iter().chain(&["name"]) {
        copy(&shown, &mut chosen, field);
    }
    Ok(Value::Object(chosen))
}

fn copy(from: &Value, to: &mut Map<String, Value>, field: &str) {
    match field.split_once('.') {
        None => {
            if let Some(value) = from.get(field) {
                to.insert(field.to_owned(), value.clone());
            }
        }
        Some((first, rest)) => {
            let Some(inner) = from.get(first).filter(|inner| inner.is_object()) else { return };
            let place = to.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(place) = place {
                copy(inner, place, rest);
            }
        }
    }
}

fn is_field(text: &str) -> bool {
    let part = |part: &str| {
        (1..=40).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    text.split('.').count() <= 5 && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_names_and_nothing_else() {
        for (text, good) in [
            ("a.b.c.d.e", true),
            ("a.b.c.d.e.f", false),
            ("state", true),
            ("a.b-c_1", true),
            ("", false),
            ("a..b", false),
            ("a'", false),
            ("a.\"b", false),
        ] {
            assert_eq!(is_field(text), good, "{text}");
        }
    }

    #[test]
    fn chosen_fields_keep_their_place() {
        let from = json!({"name": "n", "body": {"a": 1, "b": {"c": 2, "d": 3}}});
        let mut to = Map::new();
        for field in ["body.b.c", "body.a", "body.none", "name"] {
            copy(&from, &mut to, field);
        }
        assert_eq!(Value::Object(to), json!({"name": "n", "body": {"a": 1, "b": {"c": 2}}}));
    }

    #[test]
    fn cursors_of_others_are_refused() {
        assert_eq!(open("5~a:b"), Some((5, "a:b".to_owned())));
        assert!(["", "zz", "5", "~a", "5~", "-5~a", "5~\u{e9}", "5~.a"].iter().all(|cursor| open(cursor).is_none()));
    }
}
