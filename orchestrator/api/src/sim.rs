//! Files of SIM vendors: a head that names the columns, somewhere behind words about the order, and a line for each card.
//!
//! ```text
//! * Customer: ACME                         IMSI,ICCID,PIN1,Ki,OPC
//! var_out: IMSI/ICCID/PIN1/Ki/OPC    or    001010000000001,8988…,1234,465B…,E8ED…
//! 001010000000001 8988… 1234 465B… E8ED…
//! ```
//! Taken are IMSI, K, OPc or OP, ICCID (as a label) and MSISDN; PINs and other keys are left out and named. Columns of keys that a
//! transport key protects are refused: their values are not the card's.

use crate::import::{Row, row_error};
use crate::problem::RowError;
use crate::token::{hex, unhex};
use basalt_security::{Milenage, Secret};
use serde_json::{Map, Value, json};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Imsi,
    Iccid,
    Msisdn,
    K,
    Opc,
    Op,
    Other,
}

/// Rows of a file of a vendor. `op` is the operator's constant where the file has neither OPc nor OP.
pub(crate) fn rows(octets: &[u8], op: Option<&str>) -> Vec<Result<Row, RowError>> {
    let Ok(text) = core::str::from_utf8(octets) else {
        return vec![Err(row_error(1, "", "is not UTF-8", "text in UTF-8"))];
    };
    let mut lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let head = lines.find_map(|(line, number)| Some((head(line)?, number)));
    let Some(((columns, separator), number)) = head else {
        return vec![Err(row_error(1, "", "no line names the columns", "a head with IMSI, KI (or K), and OPC or OP"))];
    };
    let columns = match columns {
        Ok(columns) => columns,
        Err(name) => {
            let what = format!("the column {name} is protected by a transport key");
            return vec![Err(row_error(number, "/keys", &what, "keys in clear; ask the vendor for the transport key"))];
        }
    };
    let has = |wanted| columns.contains(&wanted);
    if !has(Column::K) || !(has(Column::Opc) || has(Column::Op) || op.is_some()) {
        let allowed = "columns IMSI, KI (or K), and OPC or OP; or the header X-Sim-Op";
        return vec![Err(row_error(number, "/keys", "the head has no keys", allowed))];
    }
    let full = lines.filter(|(line, _)| !line.trim().is_empty() && !line.trim_start().starts_with(['*', '#']));
    full.map(|(line, number)| row(&columns, &cells(line, separator), number, op)).collect()
}

type Head = (Result<Vec<Column>, String>, Option<char>);

/// The columns, if a line names them, and what stands between cells; `None` is white space.
fn head(line: &str) -> Option<Head> {
    let line = line.trim();
    let named = line.get(..8).filter(|word| word.eq_ignore_ascii_case("var_out:"));
    let line = named.map_or(line, |word| &line[word.len()..]).trim_start_matches(['*', '#']).trim();
    let separator = [',', ';', '\t', '|', '/'].into_iter().find(|separator| line.contains(*separator));
    let names = cells(line, separator);
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
    };
    if !names.iter().any(|name| plain(name) == "IMSI") || names.len() < 2 {
        return None;
    }
    let protected = names.iter().find(|name| ["EKI", "EK", "EOPC", "KIENC", "OPCENC"].contains(&plain(name).as_str()));
    let columns = names.iter().map(|name| match plain(name).as_str() {
        "IMSI" => Column::Imsi,
        "ICCID" => Column::Iccid,
        "MSISDN" => Column::Msisdn,
        "K" | "KI" => Column::K,
        "OPC" => Column::Opc,
        "OP" => Column::Op,
        _ => Column::Other,
    });
    let columns: Vec<Column> = columns.collect();
    // Behind a head with strokes most vendors part the cells by blanks.
    let separator = if separator == Some('/') { None } else { separator };
    Some((protected.map_or(Ok(columns), |name| Err(name.clone())), separator))
}

fn cells(line: &str, separator: Option<char>) -> Vec<String> {
    let clean = |cell: &str| cell.trim().trim_matches('"').trim().to_owned();
    match separator {
        Some(separator) => line.split(separator).map(clean).collect(),
        None => line.split_whitespace().map(clean).collect(),
    }
}

fn row(columns: &[Column], cells: &[String], line: usize, op: Option<&str>) -> Result<Row, RowError> {
    if cells.len() != columns.len() {
        let what = format!("has {} cells", cells.len());
        return Err(row_error(line, "", &what, &format!("{}, one for each column of the head", columns.len())));
    }
    let get = |wanted| {
        let mut pairs = columns.iter().zip(cells).filter(|(column, cell)| **column == wanted && !cell.is_empty());
        pairs.next().map(|(_, cell)| cell.as_str())
    };
    let key = |path: &str, text: Option<&str>| {
        let octets = text.and_then(unhex).and_then(|octets| <[u8; 16]>::try_from(octets).ok());
        octets.ok_or_else(|| row_error(line, path, "is no key", "32 hexadecimal digits"))
    };
    let k = key("/keys/k", get(Column::K))?;
    let opc = match (get(Column::Opc), get(Column::Op).or(op)) {
        (Some(opc), _) => key("/keys/opc", Some(opc))?,
        (None, op) => {
            let op = Secret::new(key("/keys/op", op)?);
            *Milenage::opc(&Secret::new(k), &op).expose()
        }
    };
    let mut body = Map::new();
    body.insert("keys".to_owned(), json!({"k": hex(&k), "opc": hex(&opc)}));
    if let Some(iccid) = get(Column::Iccid) {
        body.insert("labels".to_owned(), json!({ "iccid": iccid }));
    }
    if let Some(msisdn) = get(Column::Msisdn) {
        body.insert("msisdn".to_owned(), msisdn.into());
    }
    let name = get(Column::Imsi).unwrap_or_default().to_owned();
    Ok(Row { line, name, body: Value::Object(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TS 35.208 §4.3, test set 1.
    const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
    const OP: &str = "CDC202D5123E20F62B6D676AC72CB318";
    const OPC: &str = "CD63CB71954A9F4E48A5994E37A02BAF";

    fn good(text: &str, op: Option<&str>) -> Vec<Row> {
        rows(text.as_bytes(), op).into_iter().map(|row| row.map_err(|error| format!("{error:?}")).unwrap()).collect()
    }

    #[test]
    fn the_usual_files_are_read() {
        for text in [
            format!("IMSI,ICCID,PIN1,Ki,OPC\n001010000000001,8988,1234,{K},{OPC}\n"),
            format!("\u{feff}\"Imsi\";\"Iccid\";\"PIN1\";\"KI\";\"OP\"\r\n\"001010000000001\";\"8988\";1;{K};{OP}\r\n"),
            format!(
                "* Customer: ACME\nQuantity: 1\n\nvar_out: IMSI/ICCID/PIN1/Ki/OPC\n001010000000001 8988 1234 {K} {OPC}\n"
            ),
            format!("# order 7\nIMSI ICCID PIN1 K OPc\n\n001010000000001   8988 1234 {K} {OPC}\n# end\n"),
        ] {
            let rows = good(&text, None);
            assert_eq!((rows.len(), rows[0].name.as_str()), (1, "001010000000001"), "{text}");
            assert_eq!(rows[0].body["keys"], json!({"k": K.to_lowercase(), "opc": OPC.to_lowercase()}), "{text}");
            assert_eq!(rows[0].body["labels"]["iccid"], "8988");
        }
        let rows = good(&format!("IMSI,KI,MSISDN\n001010000000001,{K},491\n"), Some(OP));
        assert_eq!(
            (&rows[0].body["keys"]["opc"], &rows[0].body["msisdn"]),
            (&json!(OPC.to_lowercase()), &json!("491"))
        );
    }

    #[test]
    fn what_is_wrong_is_told_by_line_and_without_the_key() {
        let told = |text: &str| {
            let wrong: Vec<RowError> = rows(text.as_bytes(), None).into_iter().filter_map(Result::err).collect();
            assert!(wrong.iter().all(|error| !format!("{error:?}").contains(K)), "{wrong:?}");
            wrong.iter().map(|error| (error.line, error.errors[0].path.clone())).collect::<Vec<_>>()
        };
        let at = |line, path: &str| vec![(line, path.to_owned())];
        assert_eq!(told("hello\nworld\n"), at(1, ""));
        assert_eq!(told("x\nIMSI,PIN1\n1,2\n"), at(2, "/keys"));
        assert_eq!(told(&format!("IMSI,eKI,OPC\n1,{K},{OPC}\n")), at(1, "/keys"));
        assert_eq!(told(&format!("IMSI,KI,OPC\n1,{K}\n")), at(2, ""));
        assert_eq!(
            told(&format!("IMSI,KI,OPC\n1,{K}00,{OPC}\n2,{K},\n")),
            [at(2, "/keys/k"), at(3, "/keys/op")].concat()
        );
    }
}
