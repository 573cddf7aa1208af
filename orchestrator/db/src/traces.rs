//! The trait of what is stored about call traces.

use crate::Error;
use async_trait::async_trait;

/// A call trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRow {
    /// By which it is known.
    pub id: String,
    /// Of which network.
    pub network: String,
    /// When it was begun, milliseconds since 1970.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it ends by itself.
    pub ends_at: i64,
    /// All else, as JSON.
    pub body: String,
}

/// What is stored about call traces. What they recorded is the data of commands ([`crate::FleetRepository::command_data`]).
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait TraceRepository: Send + Sync {
    /// Keeps a trace.
    async fn put_trace(&self, trace: &TraceRow) -> Result<(), Error>;

    /// One trace.
    async fn trace(&self, network: &str, id: &str) -> Result<Option<TraceRow>, Error>;

    /// Traces of a network, the newest first.
    async fn traces(&self, network: &str, limit: u32) -> Result<Vec<TraceRow>, Error>;

    /// Forgets a trace, and what the commands named gave. False when there is none.
    async fn delete_trace(&self, network: &str, id: &str, commands: &[String]) -> Result<bool, Error>;
}
