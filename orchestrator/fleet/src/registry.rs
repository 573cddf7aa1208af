//! Which gateways talk to this replica, and how their conversations are reached.

use orchestrator_db::Object;
use orchestrator_model::Kind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// An object of a network that changed; `None` when it is gone.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) object: Option<Arc<Object>>,
}

/// What a conversation is told from outside.
#[derive(Debug)]
pub(crate) enum Nudge {
    /// Objects of its network changed.
    Objects(Arc<Vec<Changed>>),
    /// So much changed that everything is looked at again.
    Everything,
    /// There are commands for it.
    Commands,
    /// Its certificates may have been revoked.
    Certificates,
    /// It may talk to another replica now.
    Streams,
    /// Somebody else claims to be it: does it still answer?
    Probe(oneshot::Sender<bool>),
    /// It talks on a newer stream.
    Superseded,
}

/// A conversation that stands.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Numbers streams of this replica.
    pub(crate) stream: i64,
    /// The daemon's life at the other end.
    pub(crate) instance: Vec<u8>,
    pub(crate) nudges: mpsc::Sender<Nudge>,
}

#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// By network, then by gateway.
    live: BTreeMap<String, BTreeMap<String, Live>>,
    next: i64,
}

impl Registry {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().live.values().map(BTreeMap::len).sum()
    }

    /// A number for a new stream.
    pub(crate) fn number(&self) -> i64 {
        let mut inner = self.lock();
        inner.next += 1;
        inner.next
    }

    pub(crate) fn get(&self, network: &str, gateway: &str) -> Option<Live> {
        self.lock().live.get(network)?.get(gateway).cloned()
    }

    /// Puts a conversation in the place of `former` (none, or a stream of that number). False when another came first.
    pub(crate) fn insert(&self, network: &str, gateway: &str, former: Option<i64>, live: Live) -> bool {
        let mut inner = self.lock();
        let gateways = inner.live.entry(network.to_owned()).or_default();
        if gateways.get(gateway).map(|it| it.stream) != former {
            return false;
        }
        gateways.insert(gateway.to_owned(), live);
        true
    }

    /// Takes a conversation out, if it is still that stream.
    pub(crate) fn remove(&self, network: &str, gateway: &str, stream: i64) {
        let mut inner = self.lock();
        let Some(gateways) = inner.live.get_mut(network) else { return };
        if gateways.get(gateway).is_some_and(|live| live.stream == stream) {
            gateways.remove(gateway);
        }
        if gateways.is_empty() {
            inner.live.remove(network);
        }
    }

    pub(crate) fn of_network(&self, network: &str) -> Vec<(String, Live)> {
        let inner = self.lock();
        let gateways = inner.live.get(network).into_iter().flatten();
        gateways.map(|(name, live)| (name.clone(), live.clone())).collect()
    }

    pub(crate) fn networks(&self) -> Vec<String> {
        self.lock().live.keys().cloned().collect()
    }
}
