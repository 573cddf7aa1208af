//! Objects of an orchestrator: list, show, apply, compare, delete and edit them, all kinds by the same verbs.

mod change;
mod edit;
mod show;

use crate::args::Where;
use crate::contexts::{Context, Contexts};
use crate::error::{Error, Result};
use crate::rest::{Access, Rest};
use serde_json::Value;
use std::path::PathBuf;

pub(super) use change::{apply, delete, diff};
pub(super) use edit::edit;
pub(super) use show::{describe, get};

/// Where a command goes.
pub(super) enum Way {
    /// To an orchestrator.
    Orchestrator(Orchestrator),
    /// To a gateway.
    Gateway,
}

/// An orchestrator, and the network that is meant when none is named.
pub(super) struct Orchestrator {
    pub(super) rest: Rest,
    pub(super) network: Option<String>,
}

impl Way {
    /// What is said on the command line or by the environment comes before the context, the context before the usual socket.
    pub(super) fn find(said: &Where) -> Result<Self> {
        let context = match said.socket {
            // A socket that is named is meant.
            Some(_) if said.context.is_none() && said.orchestrator.is_none() => Context::default(),
            _ => Contexts::read(&said.contexts_path()?)?.take(said.context.as_deref())?.unwrap_or_default(),
        };
        let url = said.orchestrator.clone().or(context.orchestrator.clone());
        let Some(url) = url else {
            return Ok(Self::Gateway);
        };
        let key = said.api_key()?.or(context.key()?);
        let authorities = said.ca.as_deref().or(context.ca.as_deref());
        let rest = Rest::new(Access { url: &url, key: key.as_deref(), authorities })?;
        Ok(Self::Orchestrator(Orchestrator { rest, network: said.network.clone().or(context.network.clone()) }))
    }

    /// The orchestrator, for what only orchestrators have.
    pub(super) fn orchestrator(self) -> Result<Orchestrator> {
        match self {
            Self::Orchestrator(it) => Ok(it),
            Self::Gateway => Err(Error::usage(
                "this needs an orchestrator, and none was named",
                "basalt context add NAME --orchestrator https://HOST:8480 --network NETWORK, or --orchestrator and BASALT_API_KEY",
            )),
        }
    }
}

/// The gateway's socket for what only gateways answer: also where the context is an orchestrator, it is that of this machine.
pub(super) fn socket(said: &Where) -> Result<PathBuf> {
    if let Some(socket) = &said.socket {
        return Ok(socket.clone());
    }
    let context = Contexts::read(&said.contexts_path()?)?.take(said.context.as_deref())?;
    let usual = || PathBuf::from(basalt_control_api::DEFAULT_CONTROL_SOCKET);
    Ok(context.and_then(|context| context.socket).unwrap_or_else(usual))
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
