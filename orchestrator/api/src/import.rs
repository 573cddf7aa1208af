//! Many objects at once: JSON lines or CSV; all or nothing; every wrong row told.

use crate::gate::{Answer, Call};
use crate::problem::RowError;
use crate::{Problem, csv, jobs, objects, sim};
use axum::http::header;
use orchestrator_db::{Object, Precondition, Target};
use orchestrator_model::{FieldError, Kind, parse_strict};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of one import, and rows whose faults are told.
const ROWS: usize = 200_000;
const TOLD: usize = 1000;
/// Rows whose present objects are looked for at a time, and octets of a name at most.
const TOGETHER: usize = 500;
const NAME: usize = 256;

/// A row that was read.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) body: Value,
}

/// Imports, at once or as a job.
pub(crate) async fn import(call: &Call, kind: Kind) -> Result<Answer, Problem> {
    match flag(call, "background")? {
        true => jobs::begin(call, kind).await,
        false => work(call, kind, &AtomicUsize::new(0)).await,
    }
}

pub(crate) fn flag(call: &Call, name: &str) -> Result<bool, Problem> {
    match call.parameter(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::bad(format!("{name} is true or false"))),
    }
}

/// The work itself. How many of a hundred parts are done is told by the way.
pub(crate) async fn work(call: &Call, kind: Kind, percent: &AtomicUsize) -> Result<Answer, Problem> {
    let dry = flag(call, "dry_run")?;
    let rows = rows(call, kind)?;
    let all = rows.len();
    if all > ROWS {
        return Err(Problem::new(413, "too-large", format!("at most {ROWS} rows")));
    }
    let mut wrong = Vec::new();
    let mut changes = Vec::new();
    let mut names = BTreeSet::new();
    let mut created = 0_usize;
    let (mut rows, mut present) = (rows.into_iter(), BTreeMap::new());
    for count in 0..all {
        if count % TOGETHER == 0 {
            // Checking is most of the work; the rest is one transaction.
            percent.store(count * 80 / all, Ordering::Relaxed);
            present = present_of(call, kind, rows.as_slice()).await?;
        }
        let Some(row) = rows.next() else { break };
        let line = row.as_ref().map_or_else(|error| error.line, |row| row.line);
        match one(call, kind, row, &mut names, &present) {
            Ok((change, new)) => {
                created += usize::from(new);
                changes.push(change);
            }
            Err(problem) if problem.status == 422 => wrong.push(RowError { line, errors: problem.errors }),
            Err(problem) => return Err(problem),
        }
        if wrong.len() >= TOLD {
            break;
        }
    }
    if !wrong.is_empty() {
        let detail = format!("{} row(s) are wrong; nothing was imported", wrong.len());
        return Err(Problem { rows: wrong, ..Problem::new(422, "invalid-rows", detail) });
    }
    let (rows, who) = (changes.len(), &call.caller()?.name);
    let answer = || Answer::ok(json!({"rows": rows, "created": created, "replaced": rows - created, "dry_run": dry}));
    if dry {
        call.state.db.rehearse(who, call.now, &changes).await?;
    } else {
        call.apply(&changes, &|_| answer().ok()).await?;
    }
    answer()
}

fn rows(call: &Call, kind: Kind) -> Result<Vec<Result<Row, RowError>>, Problem> {
    match (call.parameter("form"), kind) {
        (None, _) => {}
        (Some("sim"), Kind::Subscriber) => {
            // In a header: addresses are written into logs.
            let op = call.headers.get("x-sim-op").map(|op| op.to_str().unwrap_or_default());
            return Ok(sim::rows(&call.body, op));
        }
        _ => return Err(Problem::bad("form is sim, for subscribers")),
    }
    let form = call.headers.get(header::CONTENT_TYPE).and_then(|form| form.to_str().ok()).unwrap_or_default();
    match form.split(';').next().unwrap_or_default().trim() {
        "application/x-ndjson" | "application/jsonl" => Ok(json_lines(&call.body)),
        "text/csv" => Ok(csv_rows(&call.body)),
        _ => Err(Problem::new(415, "unsupported-form", "send application/x-ndjson or text/csv")),
    }
}

/// The objects that there are of the next rows, by name. What cannot be a name is not asked for.
async fn present_of(
    call: &Call,
    kind: Kind,
    rows: &[Result<Row, RowError>],
) -> Result<BTreeMap<String, Object>, Problem> {
    let names = rows.iter().take(TOGETHER).flatten().map(|row| row.name.as_str());
    let names: Vec<String> =
        names.filter(|name| name.len() <= NAME && !name.contains('\0')).map(str::to_owned).collect();
    let found = call.state.db.objects_named(kind, &call.network, &names).await?;
    Ok(found.into_iter().map(|object| (object.name.clone(), object)).collect())
}

fn one(
    call: &Call,
    kind: Kind,
    row: Result<Row, RowError>,
    names: &mut BTreeSet<String>,
    present: &BTreeMap<String, Object>,
) -> Result<(orchestrator_db::Change, bool), Problem> {
    let row = row.map_err(|error| Problem::fields(error.errors))?;
    if !names.insert(row.name.clone()) {
        return Err(Problem::field("/name", "is there twice", "each name once"));
    }
    let parsed = crate::objects::parse(kind, &row.name, row.body)?;
    let present = present.get(&row.name);
    let place = Target { kind, network: call.network.clone(), name: row.name };
    objects::change(call, place, parsed, present, Precondition::None)
}

fn json_lines(octets: &[u8]) -> Vec<Result<Row, RowError>> {
    let lines = octets.split(|octet| *octet == b'\n').zip(1..);
    let full = lines.filter(|(line, _)| !line.trim_ascii().is_empty()).take(ROWS + 1);
    full.map(|(text, line)| json_line(text, line)).collect()
}

fn json_line(text: &[u8], line: usize) -> Result<Row, RowError> {
    let value = parse_strict(text).map_err(|error| RowError { line, errors: vec![error] })?;
    let Value::Object(mut fields) = value else { return Err(shape(line)) };
    let (name, body) = (fields.remove("name"), fields.remove("body"));
    match (name, body) {
        (Some(Value::String(name)), Some(body)) if fields.is_empty() => Ok(Row { line, name, body }),
        _ => Err(shape(line)),
    }
}

fn shape(line: usize) -> RowError {
    row_error(line, "", "is no row", "{\"name\": NAME, \"body\": DOCUMENT}")
}

pub(crate) fn row_error(line: usize, path: &str, what: &str, allowed: &str) -> RowError {
    let error = FieldError { path: path.to_owned(), what: what.to_owned(), allowed: allowed.to_owned() };
    RowError { line, errors: vec![error] }
}

/// The first row names the columns: `name`, and fields with dots between keys (`keys.k`). A column `FIELD:json` holds JSON
/// values, every other one texts; an empty cell is no field.
fn csv_rows(octets: &[u8]) -> Vec<Result<Row, RowError>> {
    let Ok(text) = core::str::from_utf8(octets) else {
        return vec![Err(row_error(1, "", "is not UTF-8", "text in UTF-8"))];
    };
    let mut rows = match csv::rows(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(rows) => rows.into_iter(),
        Err((line, what)) => return vec![Err(row_error(line, "", what, "CSV as RFC 4180 says"))],
    };
    let Some((first, columns)) = rows.next() else { return Vec::new() };
    if !columns.iter().any(|column| column == "name") {
        return vec![Err(row_error(first, "/name", "there is no such column", "a column `name` and fields"))];
    }
    rows.take(ROWS + 1).map(|(line, cells)| csv_row(line, &columns, cells)).collect()
}

fn csv_row(line: usize, columns: &[String], cells: Vec<String>) -> Result<Row, RowError> {
    if cells.len() != columns.len() {
        let what = format!("has {} cells", cells.len());
        return Err(row_error(line, "", &what, &format!("{} cells, one for each column", columns.len())));
    }
    let (mut name, mut body) = (String::new(), Map::new());
    for (column, cell) in columns.iter().zip(cells) {
        if column == "name" {
            name = cell;
        } else if !cell.is_empty() {
            let (field, value) = match column.strip_suffix(":json") {
                Some(field) => {
                    let path = format!("/{}", field.replace('.', "/"));
                    let value = parse_strict(cell.as_bytes());
                    (field, value.map_err(|error| RowError { line, errors: vec![FieldError { path, ..error }] })?)
                }
                None => (column.as_str(), Value::String(csv::meant(cell))),
            };
            if !set(&mut body, field, value) {
                return Err(row_error(line, field, "two columns are in each other's way", "each field once"));
            }
        }
    }
    Ok(Row { line, name, body: Value::Object(body) })
}

fn set(into: &mut Map<String, Value>, field: &str, value: Value) -> bool {
    match field.split_once('.') {
        None => into.insert(field.to_owned(), value).is_none(),
        Some((first, rest)) => {
            let place = into.entry(first).or_insert_with(|| Value::Object(Map::new()));
            place.as_object_mut().is_some_and(|place| set(place, rest, value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_fields() {
        let text = b"\xef\xbb\xbfname,title,keys.k,keys.opc,active_apns:json\r\n001010000000001,\"A, B\",01,02,\"[{\"\"apn\"\":\"\"i\"\"}]\"\r\n1,,,,\r\n";
        let rows: Vec<Row> =
            csv_rows(text).into_iter().map(|row| row.map_err(|error| format!("{error:?}")).unwrap()).collect();
        assert_eq!(rows[0].name, "001010000000001");
        assert_eq!(
            rows[0].body,
            json!({"title": "A, B", "keys": {"k": "01", "opc": "02"}, "active_apns": [{"apn": "i"}]})
        );
        assert_eq!((rows[1].line, &rows[1].body), (3, &json!({})));
    }

    #[test]
    fn wrong_rows_have_lines() {
        let lines = |octets: &[u8]| {
            csv_rows(octets).into_iter().filter_map(|row| row.err().map(|it| it.line)).collect::<Vec<_>>()
        };
        assert_eq!(lines(b"name,a\n1,2\n1\n1,2,3\n"), [3, 4]);
        assert_eq!(lines(b"a,b\n1,2\n"), [1]);
        assert_eq!(lines(b"name,a:json\n1,{\n"), [2]);
        assert_eq!(lines(b"name,a.b,a\n1,2,3\n"), [2]);
        assert_eq!(lines(b"\xff"), [1]);
        let wrong = json_lines(b"{\"name\":\"1\",\"body\":{}}\n\n[]\n{\"name\":1,\"body\":{}}\n{\"name\":\"1\",\"body\":{},\"network\":\"x\"}");
        assert_eq!(wrong.iter().filter_map(|row| row.as_ref().err().map(|it| it.line)).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
