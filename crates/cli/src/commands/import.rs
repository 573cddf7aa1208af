//! Many subscribers at a time, as CSV: all of them or none.

mod export;
mod row;

use crate::client::Client;
use crate::csv;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::text;
use basalt_control_api::gateway::v1 as api;
use row::{Cells, columns};
use std::io::Read;
use std::path::Path;
use zeroize::{Zeroize as _, Zeroizing};

pub(super) use export::{EXPORTED, exported};

/// Row errors shown to people; programs get all.
const SHOWN: usize = 40;

/// A file that was read.
pub(super) struct Import {
    rows: Vec<Row>,
    errors: Vec<RowError>,
    dry_run: bool,
}

struct Row {
    place: Place,
    request: api::AddSubscriberRequest,
}

/// Where a row is: counted from 1 without the title, and as an editor counts lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    row: usize,
    line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RowError {
    place: Place,
    message: String,
}

/// Reads a file, or standard input if its name is a hyphen.
pub(super) fn read(file: &Path, dry_run: bool, replace: bool, stdin: &mut dyn Read) -> Result<Import> {
    let mut octets = Zeroizing::new(Vec::new());
    let result = if file == Path::new("-") {
        stdin.read_to_end(&mut octets).map(drop)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut octets)).map(drop)
    };
    result.map_err(|error| {
        Error::usage(format!("{} cannot be read: {error}", file.display()), "check name and rights of the file")
    })?;
    let text = std::str::from_utf8(&octets).map_err(|error| {
        let line = 1 + octets[..error.valid_up_to()].iter().filter(|octet| **octet == b'\n').count();
        Error::usage(
            format!("{}, line {line}: not UTF-8", file.display()),
            "save it as \"CSV UTF-8\" in the spreadsheet, or convert it: iconv -f WINDOWS-1252 -t UTF-8",
        )
    })?;
    parse(text, dry_run, replace).map_err(|(what, fix)| Error::usage(format!("{}: {what}", file.display()), fix))
}

/// From text to requests. The error is about the file as a whole: what, and fix.
fn parse(text: &str, dry_run: bool, replace: bool) -> std::result::Result<Import, (String, String)> {
    if text.trim_start().starts_with(['[', '{']) {
        return Err((
            "this is JSON, and CSV is wanted".to_owned(),
            "one line for each subscriber below a title such as imsi,k,opc: see `basalt subscriber import --help`"
                .to_owned(),
        ));
    }
    let mut records =
        csv::parse(text).map_err(|what| (what, "check the quotation marks in that line".to_owned()))?.into_iter();
    let title = records.next().ok_or_else(|| {
        (
            "the file is empty".to_owned(),
            "the first line names the columns: see `basalt subscriber import --help`".to_owned(),
        )
    })?;
    let columns = columns(&title)?;
    let mut import = Import { rows: Vec::new(), errors: Vec::new(), dry_run };
    for (row, mut record) in (1..).zip(records) {
        let place = Place { row, line: record.line };
        let cells = Cells::new(&columns, &record.cells);
        match cells.request(replace) {
            Ok(request) => import.rows.push(Row { place, request }),
            Err(message) => import.errors.push(RowError { place, message }),
        }
        record.cells.zeroize();
    }
    if import.rows.is_empty() && import.errors.is_empty() {
        return Err(("there is no row below the title".to_owned(), "add one line for each subscriber".to_owned()));
    }
    Ok(import)
}

/// Sends it, or only has it checked.
pub(super) async fn run(import: Import, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let Import { rows, mut errors, dry_run } = import;
    let total = rows.len() + errors.len();
    let (places, requests): (Vec<Place>, Vec<_>) = rows.into_iter().map(|row| (row.place, row.request)).unzip();
    // With wrong rows nothing is stored, but the gateway's opinion of the others belongs into the same list.
    let check_only = dry_run || !errors.is_empty();
    let mut answer = api::ImportSubscribersResponse::default();
    if !requests.is_empty() {
        answer = client.import(requests, check_only).await?;
    }
    for error in std::mem::take(&mut answer.errors) {
        let index = usize::try_from(error.row).unwrap_or(0).wrapping_sub(1);
        let place = places.get(index).copied().unwrap_or(Place { row: index.wrapping_add(1), line: 0 });
        errors.push(RowError { place, message: error.message });
    }
    errors.sort();
    tell(&answer, &errors, dry_run, total, out)
}

fn tell(
    answer: &api::ImportSubscribersResponse,
    errors: &[RowError],
    dry_run: bool,
    total: usize,
    out: &mut Out<'_>,
) -> Result<()> {
    let stored = errors.is_empty() && !dry_run;
    if out.is_json() {
        let list: Vec<_> = errors
            .iter()
            .map(|error| serde_json::json!({ "row": error.place.row, "line": error.place.line, "message": error.message }))
            .collect();
        let counts = if errors.is_empty() { (answer.imported, answer.replaced) } else { (0, 0) };
        out.json(&serde_json::json!({
            "rows": total, "imported": counts.0, "replaced": counts.1, "dry_run": dry_run, "stored": stored, "errors": list,
        }))?;
    }
    if errors.is_empty() {
        if !out.is_json() {
            let added = text::counted(answer.imported.into(), "subscriber", "subscribers");
            let what = if dry_run { "Nothing was stored. The import would be: " } else { "" };
            out.line(&format!("{what}{added} added, {} replaced", answer.replaced))?;
        }
        return Ok(());
    }
    for error in errors.iter().take(SHOWN) {
        out.note(&format!("row {} (line {}): {}", error.place.row, error.place.line, error.message))?;
    }
    if errors.len() > SHOWN {
        out.note(&format!("... and {} more; -o json lists them all", errors.len() - SHOWN))?;
    }
    Err(Error::Refused {
        code: "invalid_rows",
        what: format!(
            "nothing was imported: {} of {} wrong",
            errors.len(),
            text::counted(total as u64, "row is", "rows are")
        ),
        fix: "correct the file and import it again: all rows or none are taken".to_owned(),
    })
}

#[cfg(test)]
mod tests;
