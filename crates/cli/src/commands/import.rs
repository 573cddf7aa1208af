//! Many subscribers at a time, as CSV: all of them or none.

use super::subscriber::{ambr, static_address};
use crate::client::Client;
use crate::csv::{self, Record};
use crate::error::{Error, Result};
use crate::keys::KeyTexts;
use crate::output::Out;
use crate::text;
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Imsi;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use zeroize::{Zeroize as _, Zeroizing};

/// Columns that are read, each with the names it may have. The first is the one that help and errors tell.
const COLUMNS: &[(Column, &[&str])] = &[
    (Column::Imsi, &["imsi"]),
    (Column::K, &["k", "ki", "key"]),
    (Column::Opc, &["opc", "topc"]),
    (Column::Op, &["op", "top"]),
    (Column::Sqn, &["sqn"]),
    (Column::Amf, &["amf"]),
    (Column::Algorithm, &["algorithm", "alg", "algo"]),
    (Column::Name, &["name", "label"]),
    (Column::Msisdn, &["msisdn", "phone", "phone_number", "number"]),
    (Column::Apn, &["apn", "apns", "dnn"]),
    (Column::StaticIp, &["static_ip", "static_ipv4", "ip", "ipv4", "ip_address"]),
    (Column::Qci, &["qci"]),
    (Column::Priority, &["priority", "arp"]),
    (Column::Ambr, &["ambr"]),
    (Column::AmbrDownlink, &["ambr_dl", "ambr_down", "ambr_downlink", "dl", "down", "downlink"]),
    (Column::AmbrUplink, &["ambr_ul", "ambr_up", "ambr_uplink", "ul", "up", "uplink"]),
    (Column::ApnAmbrDownlink, &["apn_ambr_dl"]),
    (Column::ApnAmbrUplink, &["apn_ambr_ul"]),
    (Column::State, &["state", "status"]),
];

/// Columns of SIM vendors' files that a gateway has no use for.
const IGNORED: &[&str] = &[
    "iccid", "eid", "acc", "adm", "adm1", "pin", "pin1", "pin2", "puk", "puk1", "puk2", "kic", "kid", "kik", "kic1",
    "kid1", "kik1",
];

/// Row errors shown to people; programs get all.
const SHOWN: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Imsi,
    K,
    Opc,
    Op,
    Sqn,
    Amf,
    Algorithm,
    Name,
    Msisdn,
    Apn,
    StaticIp,
    Qci,
    Priority,
    Ambr,
    AmbrDownlink,
    AmbrUplink,
    ApnAmbrDownlink,
    ApnAmbrUplink,
    State,
}

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
        let cells = Cells { columns: &columns, cells: &record.cells };
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

/// Which column is where.
fn columns(title: &Record) -> std::result::Result<BTreeMap<Column, usize>, (String, String)> {
    let mut columns = BTreeMap::new();
    for (index, cell) in title.cells.iter().enumerate() {
        let name = cell.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        if name.is_empty() || name.starts_with('#') || IGNORED.contains(&name.as_str()) {
            continue;
        }
        let Some((column, names)) = COLUMNS.iter().find(|(_, names)| names.contains(&name.as_str())) else {
            return Err(unknown_column(&name));
        };
        if columns.insert(*column, index).is_some() {
            return Err((format!("two columns are {}", names[0]), "remove one of them".to_owned()));
        }
    }
    if !columns.contains_key(&Column::Imsi) {
        let fix = "the first line names the columns, such as imsi,k,opc,name: see `basalt subscriber import --help`";
        return Err(("no column is named imsi".to_owned(), fix.to_owned()));
    }
    Ok(columns)
}

fn unknown_column(name: &str) -> (String, String) {
    let names = COLUMNS.iter().flat_map(|(_, names)| names.iter());
    let nearest = names.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    let fix = match nearest {
        Some(nearest) if strsim::jaro_winkler(name, nearest) > 0.75 => {
            format!("did you mean {nearest}? To have it ignored, begin its name with #")
        }
        _ => {
            let all: Vec<&str> = COLUMNS.iter().map(|(_, names)| names[0]).collect();
            format!("columns are {}; to have it ignored, begin its name with #", all.join(", "))
        }
    };
    (format!("column `{}` is not known", name.escape_debug()), fix)
}

/// One row, by column.
struct Cells<'a> {
    columns: &'a BTreeMap<Column, usize>,
    cells: &'a [String],
}

impl Cells<'_> {
    /// The cell of a column, as it was before a spreadsheet's apostrophe; empty if there is none.
    fn get(&self, column: Column) -> &str {
        let index = self.columns.get(&column);
        csv::unescape(index.and_then(|index| self.cells.get(*index)).map(|cell| cell.trim()).unwrap_or_default())
    }

    fn secret(&self, column: Column) -> Option<Zeroizing<String>> {
        let text = self.get(column);
        (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
    }

    fn request(&self, replace: bool) -> std::result::Result<api::AddSubscriberRequest, String> {
        let tuak = match self.get(Column::Algorithm).to_ascii_lowercase().as_str() {
            "" | "milenage" => false,
            "tuak" => true,
            other => return Err(format!("algorithm `{}` is none of milenage and tuak", other.escape_debug())),
        };
        let keys = KeyTexts {
            k: self.secret(Column::K),
            opc: self.secret(Column::Opc),
            op: self.secret(Column::Op),
            sqn: match self.get(Column::Sqn) {
                "" => None,
                text => {
                    Some(text.parse().map_err(|_| format!("sqn `{}` is not a decimal number", text.escape_debug()))?)
                }
            },
        };
        let keys = if keys.is_empty() && replace { None } else { Some(keys.octets(tuak)?.into_request()) };
        let (ambr_downlink, ambr_uplink) = self.ambr()?;
        let algorithm = if tuak { api::AuthAlgorithm::Tuak } else { api::AuthAlgorithm::Milenage };
        let subscriber = api::Subscriber {
            imsi: self.imsi()?,
            name: self.get(Column::Name).to_owned(),
            msisdn: self.get(Column::Msisdn).trim_start_matches('+').to_owned(),
            state: self.state()?.into(),
            algorithm: algorithm.into(),
            ambr_uplink,
            ambr_downlink,
            apns: self.apns()?,
            amf: self.get(Column::Amf).to_ascii_lowercase(),
        };
        Ok(api::AddSubscriberRequest { subscriber: Some(subscriber), keys, replace })
    }

    fn imsi(&self) -> std::result::Result<String, String> {
        let text = self.get(Column::Imsi);
        if text.contains(['E', 'e']) && text.contains('+') {
            return Err(format!(
                "imsi `{}` was turned into a number by a spreadsheet: format the column as text and enter it again",
                text.escape_debug()
            ));
        }
        let imsi: Imsi =
            text.parse().map_err(|error| format!("imsi `{}`: {error}; it has 6 to 15 digits", text.escape_debug()))?;
        Ok(imsi.to_string())
    }

    fn state(&self) -> std::result::Result<api::SubscriberState, String> {
        match self.get(Column::State).to_ascii_lowercase().as_str() {
            "" => Ok(api::SubscriberState::Unspecified),
            "active" => Ok(api::SubscriberState::Active),
            "suspended" => Ok(api::SubscriberState::Suspended),
            other => Err(format!("state `{}` is none of active and suspended", other.escape_debug())),
        }
    }

    fn ambr(&self) -> std::result::Result<(u64, u64), String> {
        let both = self.get(Column::Ambr);
        let (down, up) = (self.get(Column::AmbrDownlink), self.get(Column::AmbrUplink));
        if !both.is_empty() && (!down.is_empty() || !up.is_empty()) {
            return Err("ambr is there together with ambr_dl or ambr_ul: empty one of them".to_owned());
        }
        if !both.is_empty() {
            return ambr(both);
        }
        let rate = |text: &str| if text.is_empty() { Ok(0) } else { text::parse_rate(text) };
        Ok((rate(down)?, rate(up)?))
    }

    fn apns(&self) -> std::result::Result<Vec<api::SubscribedApn>, String> {
        let mut names = list(self.get(Column::Apn));
        let of_apns = [Column::StaticIp, Column::Qci, Column::Priority, Column::ApnAmbrDownlink, Column::ApnAmbrUplink];
        if names.is_empty() && of_apns.iter().any(|column| !self.get(*column).is_empty()) {
            names.push("internet");
        }
        let count = names.len();
        let apns = names.into_iter().enumerate().map(|(index, name)| {
            let item = |column, what| self.item(column, what, index, count);
            let number = |column, what| match item(column, what)? {
                "" => Ok(0),
                text => text.parse().map_err(|_| format!("{what} `{}` is not a number", text.escape_debug())),
            };
            let rate = |column, what| match item(column, what)? {
                "" => Ok(0),
                text => text::parse_rate(text),
            };
            Ok(api::SubscribedApn {
                apn: name.to_owned(),
                qci: number(Column::Qci, "qci")?,
                priority: number(Column::Priority, "priority")?,
                ambr_uplink: rate(Column::ApnAmbrUplink, "apn_ambr_ul")?,
                ambr_downlink: rate(Column::ApnAmbrDownlink, "apn_ambr_dl")?,
                static_ipv4: match item(Column::StaticIp, "static_ip")? {
                    "" => String::new(),
                    text => static_address(text)?,
                },
            })
        });
        apns.collect()
    }

    /// The value of one of `count` access points in a cell with a list: an address belongs to one of them, so a single one is
    /// the first's; any other single value is everybody's.
    fn item(&self, column: Column, what: &str, index: usize, count: usize) -> std::result::Result<&str, String> {
        let items = list(self.get(column));
        let item = match items.len() {
            0 => "",
            1 if column == Column::StaticIp && index > 0 => "",
            1 => items[0],
            len if len == count => items[index],
            len => {
                return Err(format!(
                    "{what} has {len} values for {count} access points: give one for each, - for none"
                ));
            }
        };
        Ok(if item == "-" { "" } else { item })
    }
}

/// Values in one cell.
fn list(cell: &str) -> Vec<&str> {
    cell.split([';', ',', '|', ' ']).map(str::trim).filter(|item| !item.is_empty()).collect()
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

/// Columns of an exported file.
pub(super) const EXPORTED: [&str; 14] = [
    "imsi",
    "name",
    "msisdn",
    "state",
    "algorithm",
    "amf",
    "ambr_dl",
    "ambr_ul",
    "apn",
    "static_ip",
    "qci",
    "priority",
    "apn_ambr_dl",
    "apn_ambr_ul",
];

/// One subscriber in those columns.
pub(super) fn exported(subscriber: &api::Subscriber) -> [String; 14] {
    let each = |of: &dyn Fn(&api::SubscribedApn) -> String| {
        let items: Vec<String> = subscriber
            .apns
            .iter()
            .map(|apn| Some(of(apn)).filter(|item| !item.is_empty()).unwrap_or("-".to_owned()))
            .collect();
        if items.iter().all(|item| item == "-") { String::new() } else { items.join(";") }
    };
    // An access point without a rate of its own has the subscriber's, and shall have it still when that is edited.
    let own = |rate: u64, of_all: u64| if rate == of_all { String::new() } else { rate.to_string() };
    let unless_unlimited = |rate: u64| if rate == 0 { String::new() } else { rate.to_string() };
    [
        subscriber.imsi.clone(),
        subscriber.name.clone(),
        subscriber.msisdn.clone(),
        crate::view::subscriber_state(subscriber).to_owned(),
        crate::view::algorithm(subscriber).to_owned(),
        subscriber.amf.clone(),
        unless_unlimited(subscriber.ambr_downlink),
        unless_unlimited(subscriber.ambr_uplink),
        each(&|apn| apn.apn.clone()),
        each(&|apn| apn.static_ipv4.clone()),
        each(&|apn| apn.qci.to_string()),
        each(&|apn| apn.priority.to_string()),
        each(&|apn| own(apn.ambr_downlink, subscriber.ambr_downlink)),
        each(&|apn| own(apn.ambr_uplink, subscriber.ambr_uplink)),
    ]
}

#[cfg(test)]
mod tests;
