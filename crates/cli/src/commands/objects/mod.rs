//! Objects of an orchestrator: list, show, apply, compare, delete and edit them, all kinds by the same verbs; and those that a gateway
//! keeps by itself.

mod change;
mod edit;
mod lone;
mod show;

use crate::args::Where;
use crate::client::Client;
use crate::contexts::{Context, Contexts};
use crate::error::{Error, Result};
use crate::rest::{Access, Request, Rest};
use lone::Lone;
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

/// An orchestrator, and the network that is meant when none is named; or a gateway in its place.
pub(super) struct Orchestrator {
    rest: Asked,
    pub(super) network: Option<String>,
}

/// Who is asked.
enum Asked {
    Orchestrator(Rest),
    Gateway(Box<Lone>),
}

/// The network in the paths that a gateway on its own is asked: it has none.
const NO_NETWORK: &str = "-";

impl Orchestrator {
    pub(super) const fn new(rest: Rest, network: Option<String>) -> Self {
        Self { rest: Asked::Orchestrator(rest), network }
    }

    /// One request; the answer's document.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = Request::new(method, path);
        request.body = body.map(|body| body.to_string().into_bytes());
        self.send(&request).await
    }

    /// One request, in full.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Value> {
        match &self.rest {
            Asked::Orchestrator(rest) => rest.send(request).await,
            Asked::Gateway(lone) => lone.send(request).await,
        }
    }

    /// What an orchestrator has besides documents, as octets.
    pub(super) async fn octets(&self, path: &str) -> Result<Vec<u8>> {
        self.raw(&Request::new("GET", path)).await
    }

    /// One request; the answer's octets.
    pub(super) async fn raw(&self, request: &Request<'_>) -> Result<Vec<u8>> {
        match &self.rest {
            Asked::Orchestrator(rest) => rest.raw(request).await,
            Asked::Gateway(_) => Err(Error::usage("only an orchestrator has that", "name one: `basalt context`")),
        }
    }

    /// All entries of a list.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        match &self.rest {
            Asked::Orchestrator(rest) => rest.list(path).await,
            Asked::Gateway(lone) => lone.list(path).await,
        }
    }

    /// The network as it is shown: none, where there is none.
    fn shown_network(&self) -> Option<&str> {
        self.network.as_deref().filter(|network| *network != NO_NETWORK)
    }
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
        Ok(Self::Orchestrator(Orchestrator::new(rest, said.network.clone().or(context.network.clone()))))
    }

    /// The orchestrator, or the gateway that answers in its place for what it keeps by itself.
    pub(super) async fn either(self, said: &Where) -> Result<Orchestrator> {
        match self {
            Self::Orchestrator(it) => Ok(it),
            Self::Gateway => {
                let client = match Client::connect(&socket(said)?).await {
                    Ok(client) => client,
                    // Nobody was named, and there is no gateway on this machine.
                    Err(Error::Unreachable { .. }) if said.socket.is_none() && said.context.is_none() => {
                        return Self::Gateway.orchestrator();
                    }
                    Err(error) => return Err(error),
                };
                Ok(Orchestrator {
                    rest: Asked::Gateway(Box::new(Lone::new(client))),
                    network: Some(NO_NETWORK.to_owned()),
                })
            }
        }
    }

    /// The orchestrator, for what only orchestrators have.
    pub(super) fn orchestrator(self) -> Result<Orchestrator> {
        match self {
            Self::Orchestrator(it) => Ok(it),
            Self::Gateway => Err(Error::usage(
                "this needs an orchestrator, and none was named (a gateway of this machine would do for subscribers)",
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
