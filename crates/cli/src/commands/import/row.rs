//! From a row to a request: which column is where, and what its cells mean.

use super::super::subscriber::{ambr, static_address};
use crate::csv::{self, Record};
use crate::keys::KeyTexts;
use crate::text::{self, looks_like_key, quoted};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Imsi;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

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
    (Column::StaticIpv6, &["static_ipv6", "ipv6", "ipv6_prefix"]),
    (Column::PdnType, &["pdn_type"]),
    (Column::FramedRoutes, &["framed_routes", "framed_route", "networks"]),
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

/// Whether a value is of one access point only.
const fn own(column: Column) -> bool {
    matches!(column, Column::StaticIp | Column::StaticIpv6 | Column::FramedRoutes)
}

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
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
    StaticIpv6,
    PdnType,
    FramedRoutes,
    Qci,
    Priority,
    Ambr,
    AmbrDownlink,
    AmbrUplink,
    ApnAmbrDownlink,
    ApnAmbrUplink,
    State,
}

/// Which column is where.
pub(super) fn columns(title: &Record) -> std::result::Result<BTreeMap<Column, usize>, (String, String)> {
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
    (format!("column {} is not known", quoted(name)), fix)
}

/// One row, by column.
pub(super) struct Cells<'a> {
    columns: &'a BTreeMap<Column, usize>,
    cells: &'a [String],
}

impl<'a> Cells<'a> {
    /// A row under its title.
    pub(super) fn new(columns: &'a BTreeMap<Column, usize>, cells: &'a [String]) -> Self {
        Self { columns, cells }
    }

    /// The cell of a column, as it was before a spreadsheet's apostrophe; empty if there is none.
    fn get(&self, column: Column) -> &str {
        let index = self.columns.get(&column);
        csv::unescape(index.and_then(|index| self.cells.get(*index)).map(|cell| cell.trim()).unwrap_or_default())
    }

    fn secret(&self, column: Column) -> Option<Zeroizing<String>> {
        let text = self.get(column);
        (!text.is_empty()).then(|| Zeroizing::new(text.to_owned()))
    }

    /// What the row asks for. The error is one sentence without keys.
    pub(super) fn request(&self, replace: bool) -> std::result::Result<api::AddSubscriberRequest, String> {
        self.no_key_elsewhere()?;
        let tuak = match self.get(Column::Algorithm).to_ascii_lowercase().as_str() {
            "" | "milenage" => false,
            "tuak" => true,
            other => return Err(format!("algorithm {} is none of milenage and tuak", quoted(other))),
        };
        let keys = KeyTexts {
            k: self.secret(Column::K),
            opc: self.secret(Column::Opc),
            op: self.secret(Column::Op),
            sqn: match self.get(Column::Sqn) {
                "" => None,
                text => Some(text.parse().map_err(|_| format!("sqn {} is not a decimal number", quoted(text)))?),
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

    /// A key in another column would be stored, shown and logged in the open.
    fn no_key_elsewhere(&self) -> std::result::Result<(), String> {
        let keys = [Column::K, Column::Opc, Column::Op];
        let others = COLUMNS.iter().filter(|(column, _)| !keys.contains(column));
        match others.into_iter().find(|(column, _)| looks_like_key(self.get(*column))) {
            Some((_, names)) => Err(format!(
                "{} holds what looks like a key: check that the columns of the row are those of the title",
                names.first().copied().unwrap_or_default()
            )),
            None => Ok(()),
        }
    }

    fn imsi(&self) -> std::result::Result<String, String> {
        let text = self.get(Column::Imsi);
        if text.contains(['E', 'e']) && text.contains('+') {
            return Err(format!(
                "imsi {} was turned into a number by a spreadsheet: format the column as text and enter it again",
                quoted(text)
            ));
        }
        let imsi: Imsi =
            text.parse().map_err(|error| format!("imsi {}: {error}; it has 6 to 15 digits", quoted(text)))?;
        Ok(imsi.to_string())
    }

    fn state(&self) -> std::result::Result<api::SubscriberState, String> {
        match self.get(Column::State).to_ascii_lowercase().as_str() {
            "" => Ok(api::SubscriberState::Unspecified),
            "active" => Ok(api::SubscriberState::Active),
            "suspended" => Ok(api::SubscriberState::Suspended),
            other => Err(format!("state {} is none of active and suspended", quoted(other))),
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
        let of_apns = [
            Column::StaticIp,
            Column::StaticIpv6,
            Column::PdnType,
            Column::FramedRoutes,
            Column::Qci,
            Column::Priority,
            Column::ApnAmbrDownlink,
            Column::ApnAmbrUplink,
        ];
        if names.is_empty() && of_apns.iter().any(|column| !self.get(*column).is_empty()) {
            names.push("internet");
        }
        let count = names.len();
        let apns = names.into_iter().enumerate().map(|(index, name)| {
            let item = |column, what| self.item(column, what, index, count);
            let number = |column, what| match item(column, what)? {
                "" => Ok(0),
                text => text.parse().map_err(|_| format!("{what} {} is not a number", quoted(text))),
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
                static_ipv6: item(Column::StaticIpv6, "static_ipv6")?.to_owned(),
                pdn_type: item(Column::PdnType, "pdn_type")?.to_owned(),
                framed_routes: networks(item(Column::FramedRoutes, "framed_routes")?),
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
            1 if own(column) && index > 0 => "",
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

/// Networks behind the phone of one access point.
fn networks(item: &str) -> Vec<String> {
    item.split('+').map(str::trim).filter(|network| !network.is_empty()).map(str::to_owned).collect()
}

/// Values in one cell.
fn list(cell: &str) -> Vec<&str> {
    cell.split([';', ',', '|', ' ']).map(str::trim).filter(|item| !item.is_empty()).collect()
}
