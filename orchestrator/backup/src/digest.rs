//! Rows as lines, and the count and digest by which a table is recognised.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchestrator_db::{Cell, Item, Sink};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What a table has: rows, and the digest of their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Rows.
    pub rows: u64,
    /// SHA-256 of their lines, in hexadecimal digits.
    pub digest: String,
}

/// Tables by name.
pub type Summary = BTreeMap<String, Part>;

/// A row, as a line without its end.
pub(crate) fn line(row: &[Cell]) -> String {
    let cells = row.iter().map(|cell| match cell {
        Cell::Null => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Integer(number) => json!(number),
        // All bits of it, whatever it is.
        Cell::Real(number) => json!({ "bits": number.to_bits() }),
        Cell::Octets(octets) => json!({ "octets": STANDARD.encode(octets) }),
    });
    Value::Array(cells.collect()).to_string()
}

/// The row of a line.
pub(crate) fn row(value: Value) -> Result<Vec<Cell>, Error> {
    let wrong = || Error::damaged("a row cannot be read");
    let Value::Array(cells) = value else { return Err(wrong()) };
    let cell = |value| match value {
        Value::Null => Some(Cell::Null),
        Value::String(text) => Some(Cell::Text(text)),
        Value::Number(number) => number.as_i64().map(Cell::Integer),
        Value::Object(held) if held.len() == 1 => {
            let bits = held.get("bits").and_then(Value::as_u64).map(|bits| Cell::Real(f64::from_bits(bits)));
            let octets = held.get("octets").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
            bits.or_else(|| octets.map(Cell::Octets))
        }
        _ => None,
    };
    cells.into_iter().map(|value| cell(value).ok_or_else(wrong)).collect()
}

/// Counts and digests what goes by.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) parts: Summary,
    current: Option<(String, u64, Sha256)>,
}

impl Counted {
    pub(crate) fn begin(&mut self, table: &str) {
        self.end();
        self.current = Some((table.to_owned(), 0, Sha256::new()));
    }

    pub(crate) fn row(&mut self, line: &str) {
        if let Some((_, rows, digest)) = &mut self.current {
            *rows += 1;
            digest.update(line.as_bytes());
            digest.update(b"\n");
        }
    }

    /// The table that ended, if there was one.
    pub(crate) fn end(&mut self) -> Option<(String, Part)> {
        let (table, rows, digest) = self.current.take()?;
        let digest = digest.finalize().iter().map(|octet| format!("{octet:02x}")).collect();
        let part = Part { rows, digest };
        self.parts.insert(table.clone(), part.clone());
        Some((table, part))
    }
}

impl Sink for Counted {
    fn put(&mut self, item: Item) -> Result<(), orchestrator_db::Error> {
        match item {
            Item::Table(table) => self.begin(&table.name),
            Item::Row(row) => self.row(&line(&row)),
        }
        Ok(())
    }
}
