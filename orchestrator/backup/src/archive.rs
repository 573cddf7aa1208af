//! The lines of a copy: written from a database, read by whoever wants them.

use crate::Error;
use crate::age::{self, Lock, Opener};
use crate::digest::{Counted, Summary, line, row};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use orchestrator_db::{CellKind, Item, Repository, Sink, Table, schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use zeroize::Zeroizing;

/// The form of copies.
const FORM: u32 = 1;
/// A line at most: an object or a piece of a command's result is far below.
const LINE: u64 = 32 << 20;
/// Text of databases packs ten to one; what unpacks to this much more is made to fill a disk.
const RATIO: u64 = 200;
/// Below this it does not matter.
const SMALL: u64 = 64 << 20;
/// The sealing key, as its file is called.
const KEY: &str = "sealing.key";

/// What a copy says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The form of the copy.
    basalt_backup: u32,
    /// When it was made, milliseconds since 1970.
    pub made_at: i64,
    /// The version that made it.
    pub version: String,
    /// The number of the newest migration of its database.
    pub schema: i64,
}

/// A copy that was made, or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// What it says of itself.
    pub head: Head,
    /// Whether the sealing key is in it.
    pub has_key: bool,
    /// Its tables.
    pub parts: Summary,
}

/// Writes a copy of a database as it is at one moment. With `key` (32 octets) it can be brought back on a machine that has none; without,
/// the secrets of SIMs in it stay closed to whoever has the copy alone.
///
/// # Errors
/// The database or the output.
pub async fn create<W: Write + Send>(
    db: &dyn Repository,
    key: Option<&[u8; 32]>,
    lock: &Lock,
    made_at: i64,
    out: W,
) -> Result<(Copied, W), Error> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let head = Head { basalt_backup: FORM, made_at, version, schema: schema() };
    let packed = GzEncoder::new(age::seal(lock, out)?, Compression::fast());
    let mut writer = Packer { out: packed, counted: Counted::default() };
    writer.say(&json!(head).to_string())?;
    if let Some(key) = key {
        let line = Zeroizing::new(json!({"secret": KEY, "value": STANDARD.encode(key)}).to_string());
        writer.say(&line)?;
    }
    db.dump(&mut writer).await?;
    writer.end()?;
    let parts = std::mem::take(&mut writer.counted.parts);
    let rows: u64 = parts.values().map(|part| part.rows).sum();
    writer.say(&json!({"complete": true, "tables": parts.len(), "rows": rows}).to_string())?;
    let out = writer.out.finish()?.finish()?;
    Ok((Copied { head, has_key: key.is_some(), parts }, out))
}

struct Packer<W: Write> {
    out: GzEncoder<age::Writer<W>>,
    counted: Counted,
}

impl<W: Write> Packer<W> {
    fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")
    }

    fn end(&mut self) -> std::io::Result<()> {
        let Some((table, part)) = self.counted.end() else { return Ok(()) };
        self.say(&json!({"end": table, "rows": part.rows, "sha256": part.digest}).to_string())
    }
}

impl<W: Write + Send> Sink for Packer<W> {
    fn put(&mut self, item: Item) -> Result<(), orchestrator_db::Error> {
        let said = match item {
            Item::Table(table) => self.end().and_then(|()| {
                self.counted.begin(&table.name);
                let columns: Vec<_> = table.columns.iter().map(|(name, kind)| (name, kind.as_str())).collect();
                self.say(&json!({"table": table.name, "columns": columns}).to_string())
            }),
            Item::Row(row) => {
                let line = line(&row);
                self.counted.row(&line);
                self.say(&line)
            }
        };
        said.map_err(|error| orchestrator_db::Error::Copy(format!("the copy cannot be written: {error}")))
    }
}

/// Counts what goes through.
struct Metered<R> {
    input: R,
    octets: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(octets)?;
        self.octets += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}

type Packed<R> = GzDecoder<BufReader<Metered<age::Reader<R>>>>;

/// Reads a copy, and believes nothing of it.
pub(crate) struct Unpacker<R: Read> {
    input: BufReader<Packed<R>>,
    unpacked: u64,
    pub(crate) head: Head,
    pub(crate) key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) counted: Counted,
    ahead: Option<Value>,
    ended: bool,
}

impl<R: Read> Unpacker<R> {
    pub(crate) fn open(opener: &Opener, input: R) -> Result<Self, Error> {
        let packed = Metered { input: age::open(opener, input)?, octets: 0 };
        let input = BufReader::new(GzDecoder::new(BufReader::new(packed)));
        let head = Head { basalt_backup: 0, made_at: 0, version: String::new(), schema: 0 };
        let (key, ahead, counted) = (None, None, Counted::default());
        let mut reader = Self { input, unpacked: 0, head, key, counted, ahead, ended: false };
        let first = reader.value()?;
        if first.get("basalt_backup").and_then(Value::as_u64).is_some_and(|form| form > u64::from(FORM)) {
            return Err(Error::Later { copy: i64::MAX, known: schema() });
        }
        reader.head = serde_json::from_value(first).map_err(|_| Error::damaged("it is no copy of an orchestrator"))?;
        if reader.head.schema > schema() {
            return Err(Error::Later { copy: reader.head.schema, known: schema() });
        }
        let second = reader.value()?;
        if second.get("secret").and_then(Value::as_str) == Some(KEY) {
            let octets = second.get("value").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
            let key = octets.map(Zeroizing::new).and_then(|octets| <[u8; 32]>::try_from(octets.as_slice()).ok());
            reader.key = Some(Zeroizing::new(key.ok_or_else(|| Error::damaged("its sealing key cannot be read"))?));
        } else {
            reader.ahead = Some(second);
        }
        Ok(reader)
    }

    /// The next table or row; none after the end, which was as it should be.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, Error> {
        if self.ended {
            return Ok(None);
        }
        loop {
            let value = match self.ahead.take() {
                Some(value) => value,
                None => self.value()?,
            };
            if value.is_array() {
                let row = row(value)?;
                self.counted.row(&line(&row));
                return Ok(Some(Item::Row(row)));
            }
            if let Some(name) = value.get("table").and_then(Value::as_str) {
                if self.counted.parts.contains_key(name) || self.counted.end().is_some() {
                    return Err(Error::damaged("a table begins where none can"));
                }
                let columns = value.get("columns").cloned().unwrap_or_default();
                let columns: Vec<(String, String)> =
                    serde_json::from_value(columns).map_err(|_| Error::damaged("a table cannot be read"))?;
                let kind = |(name, kind): (String, String)| {
                    let kind = CellKind::ALL.into_iter().find(|known| known.as_str() == kind);
                    kind.map(|kind| (name, kind)).ok_or_else(|| Error::damaged("a table cannot be read"))
                };
                let columns = columns.into_iter().map(kind).collect::<Result<_, _>>()?;
                self.counted.begin(name);
                return Ok(Some(Item::Table(Table { name: name.to_owned(), columns })));
            }
            if value.get("end").is_some() {
                self.check_table(&value)?;
            } else if value.get("complete") == Some(&json!(true)) {
                self.check_all(&value)?;
                return Ok(None);
            } else {
                return Err(Error::damaged("it has a part that this version does not know"));
            }
        }
    }

    fn check_table(&mut self, said: &Value) -> Result<(), Error> {
        let (name, part) = self.counted.end().ok_or_else(|| Error::damaged("a table ends where none is"))?;
        let own = json!({"end": name, "rows": part.rows, "sha256": part.digest});
        if *said == own { Ok(()) } else { Err(Error::damaged("a table is not what its digest says")) }
    }

    fn check_all(&mut self, said: &Value) -> Result<(), Error> {
        let rows: u64 = self.counted.parts.values().map(|part| part.rows).sum();
        let own = json!({"complete": true, "tables": self.counted.parts.len(), "rows": rows});
        if *said != own || self.counted.end().is_some() {
            return Err(Error::damaged("it has not all that it says"));
        }
        // To the end of the file: the last piece of the encryption has to be there, and nothing behind it.
        let mut rest = [0];
        if self.input.read(&mut rest).map_err(broken)? != 0 {
            return Err(Error::damaged("there is something behind its end"));
        }
        let mut packed = self.input.get_mut().get_mut();
        if Read::read(&mut packed, &mut rest).map_err(broken)? != 0 {
            return Err(Error::damaged("there is something behind its end"));
        }
        self.ended = true;
        Ok(())
    }

    fn value(&mut self) -> Result<Value, Error> {
        let mut line = Zeroizing::new(Vec::new());
        let read = Read::by_ref(&mut self.input).take(LINE).read_until(b'\n', &mut line).map_err(broken)?;
        if line.pop() != Some(b'\n') {
            let what = if read as u64 == LINE { "it has a line beyond any measure" } else { "it is cut off" };
            return Err(Error::damaged(what));
        }
        self.unpacked += read as u64;
        if self.unpacked > SMALL && self.unpacked / RATIO > self.input.get_ref().get_ref().get_ref().octets {
            return Err(Error::damaged("it unpacks to far more than a database does"));
        }
        serde_json::from_slice(&line).map_err(|_| Error::damaged("a line cannot be read"))
    }
}

fn broken(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput | std::io::ErrorKind::UnexpectedEof => {
            Error::damaged("it was changed, or is cut off")
        }
        _ => error.into(),
    }
}
