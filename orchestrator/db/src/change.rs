//! What is asked of the repository, and what it refuses.

use basalt_security::SealedKey;
use orchestrator_model::{Kind, Reference, Scope};
use serde_json::Value;
use thiserror::Error;

/// An object's place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Of what kind.
    pub kind: Kind,
    /// Its network; empty for global kinds.
    pub network: String,
    /// Its name.
    pub name: String,
}

impl Target {
    /// Where another object that this one speaks of lives.
    #[must_use]
    pub fn of_reference(&self, reference: &Reference) -> Self {
        let network = match reference.kind.scope() {
            Scope::Global => String::new(),
            Scope::Network => match self.kind {
                Kind::Network => self.name.clone(),
                _ => self.network.clone(),
            },
        };
        Self { kind: reference.kind, network, name: reference.name.clone() }
    }
}

impl core::fmt::Display for Target {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.network.as_str() {
            "" => write!(f, "{}/{}", self.kind.collection(), self.name),
            network => write!(f, "networks/{network}/{}/{}", self.kind.collection(), self.name),
        }
    }
}

/// What must hold for a change to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: created or replaced.
    None,
    /// There must be none yet.
    Absent,
    /// There must be one, of whatever revision.
    Present,
    /// There must be one of this revision.
    Revision(i64),
}

/// One change of a list.
#[derive(Debug, Clone)]
pub struct Change {
    /// Of what.
    pub target: Target,
    /// Its condition.
    pub precondition: Precondition,
    /// The new body; `None` deletes.
    pub body: Option<Value>,
    /// New sealed secrets; those of before stay, when absent.
    pub sealed: Option<SealedKey>,
    /// What the new body speaks of.
    pub references: Vec<Reference>,
}

/// Why a list of changes was not applied. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is one already.
    #[error("{0} exists already")]
    Exists(Target),
    /// There is none.
    #[error("there is no {0}")]
    Missing(Target),
    /// It was changed meanwhile.
    #[error("{target} is at revision {present}, not at {wanted}")]
    Changed {
        /// Which.
        target: Target,
        /// The revision that was asked for.
        wanted: i64,
        /// The revision it has.
        present: i64,
    },
    /// It speaks of something that is not there.
    #[error("{target}: {path} names {wanted}, which does not exist")]
    Dangling {
        /// Which.
        target: Target,
        /// The field.
        path: String,
        /// What it names.
        wanted: Target,
    },
    /// Another one speaks of it.
    #[error("{target} is used by {by}")]
    InUse {
        /// Which.
        target: Target,
        /// By whom, as far as told.
        by: String,
    },
}
