//! What is stored, as values.

use basalt_security::SealedKey;
use serde_json::Value;

/// An object as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Grows with each change; the entity tag.
    pub revision: i64,
    /// When it was changed, milliseconds since 1970.
    pub changed_at: i64,
    /// By whom.
    pub changed_by: String,
    /// Its body, without secrets.
    pub body: Value,
    /// Its secrets.
    pub sealed: Option<SealedKey>,
    /// The revision at which the secrets were last given; 0 when there are none.
    pub secrets_mark: i64,
}

/// An object as it is listed: nothing of it is looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Grows with each change; the entity tag.
    pub revision: i64,
    /// When it was changed, milliseconds since 1970.
    pub changed_at: i64,
    /// By whom.
    pub changed_by: String,
    /// Its body, JSON without secrets.
    pub body: String,
    /// It has secrets.
    pub has_secrets: bool,
}

/// One change of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Its number.
    pub revision: i64,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// By whom.
    pub who: String,
    /// The body before; `None` when there was no object.
    pub before: Option<Value>,
    /// The body after; `None` when it was deleted.
    pub after: Option<Value>,
    /// Secrets after.
    pub sealed: Option<SealedKey>,
    /// Whether the secrets were given anew by this change.
    pub secrets_changed: bool,
}

/// By what a list is ordered. The name breaks ties.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The name, by octets.
    #[default]
    Name,
    /// The time of the last change.
    Changed,
}

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Order.
    pub sort: Sort,
    /// The largest first.
    pub descending: bool,
    /// Fields (keys joined by dots, each of letters, digits, `_` and `-`) and the texts that they must have; at most 8.
    pub filters: Vec<(String, String)>,
    /// The last entry of the page before: its time of change and its name.
    pub after: Option<(i64, String)>,
    /// Entries of a page.
    pub limit: u32,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Whether there are more.
    pub more: bool,
}

/// A local user.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredUser {
    /// The name.
    pub name: String,
    /// The password's hash, in a form that is the caller's.
    pub password: String,
    /// What the user may do, in a form that is the caller's.
    pub grants: String,
    /// Failed logins in a row.
    pub failures: i64,
    /// Until when no login is tried, milliseconds since 1970.
    pub locked_until: i64,
    /// Since when, milliseconds since 1970.
    pub created_at: i64,
}

impl core::fmt::Debug for StoredUser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StoredUser").field("name", &self.name).field("grants", &self.grants).finish_non_exhaustive()
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A person's login.
    Session,
    /// A program's key.
    ApiKey,
    /// The first user may be made with it, once.
    Setup,
}

impl TokenKind {
    /// As it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::ApiKey => "api_key",
            Self::Setup => "setup",
        }
    }

    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        [Self::Session, Self::ApiKey, Self::Setup].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A token, known by its digest only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// SHA-256 of the token, in hexadecimal.
    pub digest: String,
    /// By which it is named.
    pub id: String,
    /// What it is for.
    pub kind: TokenKind,
    /// Whose it is.
    pub owner: String,
    /// Name for people.
    pub title: String,
    /// What it may do at most, in a form that is the caller's.
    pub grants: String,
    /// Since when, milliseconds since 1970.
    pub created_at: i64,
    /// Until when, milliseconds since 1970.
    pub expires_at: i64,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; 0 for a new one.
    pub id: i64,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// Who.
    pub who: String,
    /// In which network; empty outside.
    pub network: String,
    /// What was asked: method and route.
    pub action: String,
    /// Of what: the address.
    pub target: String,
    /// The status that was answered.
    pub outcome: i64,
}

/// What is known of a request that may come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// It is new; it is noted now.
    New,
    /// It came with another content.
    Other,
    /// It is being worked on.
    Running,
    /// It was answered so.
    Answered(String),
}

/// The answer to a request that may come again, kept with the changes that it tells of.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// Who asked.
    pub who: &'a str,
    /// The request.
    pub id: &'a str,
    /// The answer, from the new revisions.
    pub response: &'a (dyn Fn(&[i64]) -> String + Send + Sync),
}
