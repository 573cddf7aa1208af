//! Events that somebody should look at: who came with a wrong certificate, token or name.

use crate::fleet::now;
use orchestrator_db::{GatewayEvent, Repository};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The same alarm about the same gateway or address is written down at most so often, milliseconds.
const REST: i64 = 10_000;
/// Sources remembered; beyond that all of them rest together.
const SOURCES: usize = 1_000;

/// Writes alarms down, and does not let strangers fill the disk.
pub(crate) struct Alarms {
    db: Arc<dyn Repository>,
    epoch: i64,
    next: AtomicI64,
    last: Mutex<BTreeMap<(String, &'static str), i64>>,
}

/// Whom an alarm is about, as far as known.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) network: String,
    pub(crate) gateway: String,
    /// Where it came from.
    pub(crate) peer: String,
}

impl Alarms {
    pub(crate) fn new(db: Arc<dyn Repository>, number: u64) -> Self {
        // Epochs of gateways are positive: ours are negative, so that they never meet.
        let epoch = -i64::try_from(number >> 2).unwrap_or(1) - 1;
        Self { db, epoch, next: AtomicI64::new(1), last: Mutex::new(BTreeMap::new()) }
    }

    /// Tells and writes down.
    pub(crate) async fn raise(&self, kind: &'static str, about: About, words: String) {
        tracing::warn!(alarm = kind, network = about.network, gateway = about.gateway, peer = about.peer, "{words}");
        let at = now();
        let source =
            if about.gateway.is_empty() { about.peer.clone() } else { format!("{}/{}", about.network, about.gateway) };
        if !self.may(source, kind, at) {
            return;
        }
        let event = GatewayEvent {
            id: 0,
            gateway: about.gateway,
            epoch: self.epoch,
            number: self.next.fetch_add(1, Ordering::Relaxed),
            at,
            kind: kind.to_owned(),
            alarm: true,
            imsi: String::new(),
            words,
            facts: serde_json::json!({ "peer": about.peer }).to_string(),
        };
        if let Err(error) = self.db.put_gateway_events(&about.network, &[event]).await {
            tracing::error!(%error, alarm = kind, "an alarm could not be written down");
        }
    }

    fn may(&self, source: String, kind: &'static str, at: i64) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, told| *told + REST > at);
        if last.len() >= SOURCES || last.contains_key(&(source.clone(), kind)) {
            return false;
        }
        last.insert((source, kind), at);
        true
    }
}
