//! The trait that both dialects are.

use crate::{
    AuditEntry, Change, Kept, Listed, Object, Page, Query, Refusal, Replay, StoredToken, StoredUser, Target, TokenKind,
    Version,
};
use async_trait::async_trait;
use orchestrator_model::Kind;
use thiserror::Error;

/// Why something was not done.
#[derive(Debug, Error)]
pub enum Error {
    /// The database failed or could not be reached. Nothing was changed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Its tables could not be brought to the present form.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// What is stored cannot be read.
    #[error("stored {0} cannot be read")]
    Damaged(&'static str),
    /// The change was refused.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// A copy of the database cannot be made, or is refused. Nothing was changed.
    #[error("{0}")]
    Copy(String),
    /// The address of the database is neither.
    #[error("`{0}` is no database: use sqlite:PATH or postgres://USER@HOST/NAME")]
    Address(String),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// The orchestrator's memory. Times are milliseconds since 1970.
#[async_trait]
pub trait Repository:
    crate::FleetRepository
    + crate::LiveRepository
    + crate::TelemetryRepository
    + crate::WebhookRepository
    + crate::ReleaseRepository
    + crate::ConfigRolloutRepository
    + crate::TraceRepository
    + crate::DumpRepository
{
    /// Applies all changes or none, and gives the new revisions in the same order. What changes nothing keeps its revision.
    ///
    /// # Errors
    /// [`Error::Refused`] for the first change that cannot be, or [`Error::Database`].
    async fn apply(&self, who: &str, at: i64, changes: &[Change]) -> Result<Vec<i64>, Error>;

    /// As [`Repository::apply`], with the answer to the request in the same transaction: whoever asks again after a crash gets it.
    ///
    /// # Errors
    /// As [`Repository::apply`].
    async fn apply_answered(
        &self,
        who: &str,
        at: i64,
        changes: &[Change],
        kept: Option<&Kept<'_>>,
    ) -> Result<Vec<i64>, Error>;

    /// As [`Repository::apply`], without doing it.
    ///
    /// # Errors
    /// As [`Repository::apply`].
    async fn rehearse(&self, who: &str, at: i64, changes: &[Change]) -> Result<Vec<i64>, Error>;

    /// One object.
    ///
    /// # Errors
    /// [`Error::Database`], [`Error::Damaged`]; so for all that follow.
    async fn object(&self, target: &Target) -> Result<Option<Object>, Error>;

    /// A page of the objects of a kind in a network.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn objects(&self, kind: Kind, network: &str, query: &Query) -> Result<Page<Object>, Error>;

    /// The same page as [`Repository::objects`] gives, for whoever passes it on as it is.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn listed(&self, kind: Kind, network: &str, query: &Query) -> Result<Page<Listed>, Error>;

    /// Versions of an object below a revision, the newest first.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn versions(&self, target: &Target, below: i64, limit: u32) -> Result<Page<Version>, Error>;

    /// One version.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn version(&self, target: &Target, revision: i64) -> Result<Option<Version>, Error>;

    /// Makes or replaces a user.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn put_user(&self, user: &StoredUser) -> Result<(), Error>;

    /// Makes the first user and takes the setup token for it, both or none. False when the token is not (any more) there.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn set_up(&self, token: &str, now: i64, user: &StoredUser) -> Result<bool, Error>;

    /// Counts a failed login and locks the user from the `allowed`-th on; the failures so far. A success is `put_user`'s.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn login_failed(&self, name: &str, allowed: i64, locked_until: i64) -> Result<(), Error>;

    /// Forgets failed logins.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn login_succeeded(&self, name: &str) -> Result<(), Error>;

    /// One user.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn user(&self, name: &str) -> Result<Option<StoredUser>, Error>;

    /// Users after a name, in order; of one tenant (named `…@TENANT`), if one is named.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn users(&self, tenant: Option<&str>, after: &str, limit: u32) -> Result<Page<StoredUser>, Error>;

    /// Deletes a user and all of his tokens. False when there is none.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn delete_user(&self, name: &str) -> Result<bool, Error>;

    /// Keeps a token.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn put_token(&self, token: &StoredToken) -> Result<(), Error>;

    /// A token that has not expired, by its digest.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn token(&self, digest: &str, now: i64) -> Result<Option<StoredToken>, Error>;

    /// The tokens of somebody.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn tokens(&self, owner: &str, kind: TokenKind) -> Result<Vec<StoredToken>, Error>;

    /// Revokes a token of somebody. False when there is none.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn delete_token(&self, owner: &str, id: &str) -> Result<bool, Error>;

    /// Revokes all sessions of somebody but one.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn delete_sessions(&self, owner: &str, but: &str) -> Result<(), Error>;

    /// Writes a line of the audit log.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn audit(&self, entry: &AuditEntry) -> Result<(), Error>;

    /// Lines of the audit log below a number, the newest first; of one network, if one is named.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn audit_log(&self, network: Option<&str>, below: i64, limit: u32) -> Result<Page<AuditEntry>, Error>;

    /// Notes a request that may come again, or says what is known of it. `request` is a digest of its content. One that was
    /// noted before `forgotten_before` is new, and so is the same one when it has had no answer for two minutes: whoever worked on it ended.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn replay(&self, who: &str, id: &str, request: &str, at: i64, forgotten_before: i64)
    -> Result<Replay, Error>;

    /// Keeps the answer of a request; `None` forgets the request, so that it may be tried again.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn answered(&self, who: &str, id: &str, response: Option<&str>) -> Result<(), Error>;

    /// A setting of the installation; `value` is kept when there is none yet. What holds is given back.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn setting(&self, name: &str, value: Option<&str>) -> Result<Option<String>, Error>;

    /// Forgets what has expired: tokens, replays, and audit lines from before a time.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn sweep(&self, now: i64, replays_before: i64, audit_before: i64) -> Result<(), Error>;

    /// Whether this process is the one that acts where one of all replicas must. It stays that until it ends, loses its connection or
    /// stands still for ten seconds; then another one is. With SQLite there is one process.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn leads(&self) -> Result<bool, Error>;

    /// Whether the database answers, now and later. One that does not is no place to serve anybody from: what is asked of it may wait for
    /// minutes.
    fn reachable(&self) -> tokio::sync::watch::Receiver<bool>;

    /// Notes that a replica is there, by the address where gateways find it; the addresses of those that were there since a time, in
    /// order. Times are milliseconds since 1970.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn replicas(&self, address: &str, now: i64, since: i64) -> Result<Vec<String>, Error>;

    /// The same of the addresses where replicas find each other.
    ///
    /// # Errors
    /// See [`Repository::object`].
    async fn replica_links(&self, address: &str, now: i64, since: i64) -> Result<Vec<String>, Error>;

    /// Waits for what runs and closes all connections.
    async fn close(&self);
}
