//! A request on its way: who asks for what.

use super::{Answer, REPLAY_TIME, State};
use crate::{Caller, Operation, Problem};
use axum::http::HeaderMap;
use orchestrator_db::{Change, Kept, Target};
use orchestrator_model::{Kind, Scope};

/// A request that may be worked on.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) state: State,
    pub(crate) operation: Operation,
    /// Who asks; nobody on open routes.
    pub(crate) caller: Option<Caller>,
    /// The tenant that the address names, where it names a tenant's people.
    pub(crate) tenant: String,
    /// The network that the address names.
    pub(crate) network: String,
    /// The object that the address names.
    pub(crate) name: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) now: i64,
    /// The Idempotency-Key, when this is the first request with it.
    pub(crate) replay: Option<String>,
}

impl Call {
    /// Applies changes, with the answer to this request in the same transaction if it may come again.
    pub(crate) async fn apply(
        &self,
        changes: &[Change],
        answer: &(dyn Fn(&[i64]) -> Option<Answer> + Send + Sync),
    ) -> Result<Vec<i64>, Problem> {
        let who = &self.caller()?.name;
        let response = |revisions: &[i64]| answer(revisions).as_ref().map(Answer::kept).unwrap_or_default();
        let kept = self.replay.as_ref().map(|id| Kept { who, id, response: &response });
        Ok(self.state.db.apply_answered(who, self.now, changes, kept.as_ref()).await?)
    }

    /// The name of what this request makes, the same for the request that comes again: what a process that ended made of it already is
    /// found by it. `None` without an Idempotency-Key.
    pub(crate) fn made_name(&self, what: &str) -> Option<String> {
        let key = self.replay.as_ref()?;
        let who = self.caller.as_ref().map(|caller| caller.name.as_str()).unwrap_or_default();
        let text = [what, who, &self.network, &self.name, key].join("\0");
        let name = crate::token::hex(&<sha2::Sha256 as sha2::Digest>::digest(text.as_bytes()));
        Some(name.chars().take(24).collect())
    }

    /// Whether something that bears this request's name was made by it, and not by one of long ago that had the same key.
    pub(crate) const fn made(&self, at: i64) -> bool {
        at > self.now - REPLAY_TIME
    }

    /// Who asks. Only routes that need nothing are without.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::unauthenticated)
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads the body as a document of this interface.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Problem> {
        let value = orchestrator_model::parse_strict(&self.body).map_err(|error| malformed(&error))?;
        serde_json::from_value(value).map_err(|error| {
            let what = error.to_string();
            // A decoder's message may repeat a value, and the value may be a password.
            let shown = if what.contains('"') { "has a field of a wrong type".to_owned() } else { what };
            Problem::field("", &shown, "a document of the schema")
        })
    }
}

pub(crate) fn malformed(error: &orchestrator_model::FieldError) -> Problem {
    Problem::bad(error.what.clone())
}

/// The place of the object that a call names.
pub(crate) fn target(call: &Call, kind: Kind) -> Target {
    let (network, name) = match (kind, kind.scope()) {
        (Kind::Network, _) => (String::new(), call.network.clone()),
        (_, Scope::Global) => (String::new(), call.name.clone()),
        (_, Scope::Network) => (call.network.clone(), call.name.clone()),
    };
    Target { kind, network, name }
}
