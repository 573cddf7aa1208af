//! All that a database holds, table by table, in a form that says nothing of which database it is: for copies and their way back.

use crate::Error;
use async_trait::async_trait;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Real,
    /// Octets.
    Octets,
}

impl CellKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Integer, Self::Real, Self::Octets];

    /// As copies name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Octets => "octets",
        }
    }

    /// From a column's type, as SQLite and PostgreSQL name those that are used here.
    pub(crate) fn of_type(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "text" | "character varying" => Some(Self::Text),
            "bigint" | "integer" | "smallint" => Some(Self::Integer),
            "real" | "double precision" => Some(Self::Real),
            "blob" | "bytea" => Some(Self::Octets),
            _ => None,
        }
    }
}

/// What stands in a row and column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Octets.
    Octets(Vec<u8>),
}

/// A table: its name, and its columns with what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<(String, CellKind)>,
}

/// A part of a database's contents. The rows of a table follow it.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A table begins.
    Table(Table),
    /// A row of it, a cell for each column.
    Row(Vec<Cell>),
}

/// Takes contents.
pub trait Sink: Send {
    /// Takes the next part.
    ///
    /// # Errors
    /// It cannot be kept; the copy ends there.
    fn put(&mut self, item: Item) -> Result<(), Error>;
}

/// Gives contents, and judges what became of them.
pub trait Contents: Send {
    /// The next part; none at the end, which has been found whole then.
    ///
    /// # Errors
    /// The contents are not what they say they are.
    fn next(&mut self) -> Result<Option<Item>, Error>;

    /// Takes what the database has now, in the tables and columns that were given to it.
    fn proof(&mut self) -> &mut dyn Sink;

    /// Whether that is the same.
    ///
    /// # Errors
    /// It is not: nothing is to be kept.
    fn judge(&mut self) -> Result<(), Error>;
}

/// Copies of the whole database.
#[async_trait]
pub trait DumpRepository: Send + Sync {
    /// Gives all tables, as they are at one moment, rows in the order of their keys.
    ///
    /// # Errors
    /// [`Error::Database`], or those of the sink.
    async fn dump(&self, to: &mut dyn Sink) -> Result<(), Error>;

    /// Fills an empty database, or with `replace` one that is not, in one transaction: it has all of it, proved by reading it
    /// back, or is as it was. Sessions and setup links of the past are not brought back to life.
    ///
    /// # Errors
    /// [`Error::Copy`]: the contents are not for this database, it is not empty, or an orchestrator works with it; [`Error::Database`].
    async fn load(&self, from: &mut dyn Contents, replace: bool) -> Result<(), Error>;

    /// Goes over everything that is sealed, objects with all their versions and secrets of the installation, and puts in its place what
    /// `exchange` makes of it; `None` leaves it. What somebody changed meanwhile is looked at again. How many were exchanged.
    ///
    /// # Errors
    /// [`Error::Database`], or the one of `exchange`.
    async fn exchange_sealed(&self, exchange: &(dyn Exchange + Sync)) -> Result<u64, Error>;
}

/// Gives something sealed anew.
pub trait Exchange {
    /// Of an object (`networks/NETWORK/KIND/NAME`), as it is stored.
    ///
    /// # Errors
    /// It does not open.
    fn object(&self, target: &str, sealed: &str) -> Result<Option<String>, Error>;

    /// Of a setting of the installation.
    ///
    /// # Errors
    /// It does not open.
    fn setting(&self, name: &str, value: &str) -> Result<Option<String>, Error>;
}
