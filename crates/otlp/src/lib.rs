//! Tells a collector of OpenTelemetry what happens: spans of signalling, and events as log records, by OTLP over gRPC.
//!
//! What it is: the values that are told ([`Span`], [`Log`]), the context by which processes tell one trace together ([`Context`], W3C
//! Trace Context), a [`Client`] that hands a batch to the collector, and an [`Exporter`] that does so beside whoever tells. What it
//! deliberately is not: a tracer within the program; who tells knows what happened, and says it when it is over.
//!
//! Invariants: whoever tells never waits; what waits is bounded, and what is dropped is counted; a collector that is slow, away or
//! talks nonsense costs nothing but what it is not told.
//!
//! ```
//! use basalt_otlp::Context;
//! let attach = Context::new();
//! let told = attach.to_string();
//! assert_eq!(told.parse(), Ok(attach));
//! assert_eq!(attach.child().trace, attach.trace);
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod client;
mod connect;
mod context;
mod encode;
mod exporter;
mod settings;

pub use client::{Client, Failure};
pub use context::{Context, NotAContext};
pub use exporter::{Exporter, Figures};
pub use settings::{Settings, masked};

/// Who tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`: the program, such as `agwd`.
    pub service: &'static str,
    /// `service.instance.id`: the gateway's or daemon's name.
    pub instance: String,
    /// `service.version`.
    pub version: &'static str,
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Names and values.
pub type Attributes = Vec<(&'static str, Value)>;

/// What a span is to the one that it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A part of the work.
    Internal,
    /// Another one asked for it.
    Server,
    /// Another one is asked.
    Client,
}

/// Something that took a time, and is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its own place in its trace.
    pub context: Context,
    /// The span that it is a part of.
    pub parent: Option<Context>,
    /// In words that do not differ from phone to phone, such as `attach`.
    pub name: String,
    /// What it is to its parent.
    pub kind: Kind,
    /// Microseconds since 1970 UTC.
    pub began: u64,
    /// Microseconds since 1970 UTC, not before `began`.
    pub ended: u64,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// What else is known.
    pub attributes: Attributes,
    /// What happened meanwhile.
    pub events: Vec<Happened>,
}

/// Something that happened during a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// Microseconds since 1970 UTC.
    pub at: u64,
    /// Such as `AUTHENTICATION REQUEST`.
    pub name: String,
    /// What else is known.
    pub attributes: Attributes,
}

/// How much a log record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It is good to know.
    Info,
    /// Somebody should look.
    Warn,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Microseconds since 1970 UTC.
    pub at: u64,
    /// How much it matters.
    pub severity: Severity,
    /// Its kind, such as `reject`.
    pub name: String,
    /// In words.
    pub words: String,
    /// What else is known.
    pub attributes: Attributes,
}
