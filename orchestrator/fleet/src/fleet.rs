//! What all conversations of a replica share.

use crate::alarm::Alarms;
use crate::authority::Authority;
use crate::catalog::Catalogs;
use crate::listen::{self, Accept};
use crate::neighbours::Neighbours;
use crate::registry::Registry;
use crate::relay::Relays;
use crate::{releases, watch};
use basalt_security::SealingKey;
use orchestrator_db::Repository;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;

/// The authority is looked at once in so many looks at the feeds.
const AUTHORITY_LOOKS: u32 = 10;

/// Bounds of the conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a certificate is good.
    pub certificate_life: Duration,
    /// Between two beats.
    pub beat: Duration,
    /// How often the feeds are looked at for what other replicas changed.
    pub look: Duration,
    /// How long a gateway may take to show that it is still there when another claims to be it.
    pub probe: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            certificate_life: Duration::from_secs(3 * 24 * 3600),
            beat: Duration::from_secs(30),
            look: Duration::from_millis(500),
            probe: Duration::from_secs(5),
        }
    }
}

/// One replica's part in the conversations.
pub struct Fleet {
    pub(crate) db: Arc<dyn Repository>,
    pub(crate) key: SealingKey,
    authority: RwLock<Arc<Authority>>,
    /// SHA-256 of the certificate that new tokens name, in hexadecimal.
    fingerprint: tokio::sync::watch::Sender<String>,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) catalogs: Catalogs,
    pub(crate) relays: Relays,
    pub(crate) neighbours: Neighbours,
    pub(crate) alarms: Alarms,
    /// Turns of gateways that fetch programs.
    pub(crate) fetching: Arc<Semaphore>,
    /// Names this process among the replicas.
    pub(crate) replica: String,
    /// Where gateways find the replicas.
    pub(crate) places: tokio::sync::watch::Sender<Vec<String>>,
}

impl Fleet {
    /// A replica that is about to serve.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(
        db: Arc<dyn Repository>,
        key: SealingKey,
        authority: Authority,
        settings: Settings,
    ) -> anyhow::Result<Arc<Self>> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
        let number = u64::from_be_bytes(name);
        let fleet = Self {
            alarms: Alarms::new(Arc::clone(&db), number),
            catalogs: Catalogs::default(),
            relays: Relays::default(),
            neighbours: Neighbours::default(),
            fetching: Arc::new(Semaphore::new(releases::FETCHING)),
            registry: Registry::default(),
            replica: format!("{number:016x}"),
            places: tokio::sync::watch::Sender::default(),
            db,
            key,
            fingerprint: tokio::sync::watch::Sender::new(shown(&authority)),
            authority: RwLock::new(Arc::new(authority)),
            settings,
        };
        Ok(Arc::new(fleet))
    }

    /// Serves gateways until the task is dropped.
    ///
    /// # Errors
    /// The listener failed, or the authority cannot sign for itself.
    pub async fn serve<A: Accept>(self: Arc<Self>, listener: A) -> anyhow::Result<()> {
        let watcher = watch::watch(Arc::clone(&self));
        let follower = Arc::clone(&self);
        let listener = listen::listen(Arc::clone(&self), listener);
        tokio::select! {
            () = watcher => Ok(()),
            () = follower.follow_authority() => Ok(()),
            ended = listener => ended,
        }
    }

    /// Returns when the database does not answer: another replica may serve better.
    pub(crate) async fn cut_off(&self) {
        let mut reachable = self.db.reachable();
        // Whoever tells it lives as long as the database.
        if reachable.wait_for(|reachable| !*reachable).await.is_err() {
            core::future::pending::<()>().await;
        }
    }

    /// The authority as it is now.
    pub(crate) fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// SHA-256 of the certificate by which gateways that join recognise the orchestrator, in hexadecimal, as it changes.
    #[must_use]
    pub fn fingerprint(&self) -> tokio::sync::watch::Receiver<String> {
        self.fingerprint.subscribe()
    }

    /// Takes over generations of the authority that somebody made or retired, and notices when the next one's time has come.
    async fn follow_authority(&self) {
        loop {
            tokio::time::sleep(self.settings.look * AUTHORITY_LOOKS).await;
            match Authority::load(self.db.as_ref(), &self.key).await {
                Ok(loaded) => {
                    self.fingerprint.send_if_modified(|held| {
                        let new = shown(&loaded);
                        new != std::mem::replace(held, new.clone())
                    });
                    *self.authority.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                }
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the authority cannot be looked at"),
            }
        }
    }

    /// Gateways that talk to this replica.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.registry.len()
    }
}

fn shown(authority: &Authority) -> String {
    authority.fingerprint(seconds()).map(|fingerprint| hex(&fingerprint)).unwrap_or_default()
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    u64::try_from(now() / 1000).unwrap_or(0)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Octets in hexadecimal digits.
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets from hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok());
    text.len().is_multiple_of(2).then(|| pairs.collect::<Option<_>>())?
}
