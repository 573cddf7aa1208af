//! The trait of what is stored about releases of programs and their rollouts.

use crate::Error;
use async_trait::async_trait;
use serde_json::{Map, Value};

/// A program for gateways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// By which it is known: product, version and platform.
    pub name: String,
    /// The program.
    pub product: String,
    /// Its version.
    pub version: String,
    /// For which processor and system.
    pub platform: String,
    /// Where it is offered, such as `stable`.
    pub channel: String,
    /// Octets.
    pub size: i64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Ed25519, hexadecimal.
    pub signature: String,
    /// Who made it known.
    pub created_by: String,
    /// When, milliseconds since 1970.
    pub created_at: i64,
    /// Octets that are here.
    pub received: i64,
    /// All of it is here, and has this digest.
    pub complete: bool,
}

impl Release {
    /// What a gateway is told of it, in a command `upgrade`.
    #[must_use]
    pub fn arguments(&self) -> Map<String, Value> {
        let words = [
            ("release", &self.name),
            ("product", &self.product),
            ("version", &self.version),
            ("platform", &self.platform),
            ("sha256", &self.sha256),
            ("signature", &self.signature),
        ];
        let size = ("size".to_owned(), Value::from(self.size));
        words.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).chain([size]).collect()
    }
}

/// An upgrade of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutRow {
    /// By which it is known.
    pub id: String,
    /// Of which network.
    pub network: String,
    /// When it was begun, milliseconds since 1970.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it changed last.
    pub changed_at: i64,
    /// It goes on by itself.
    pub active: bool,
    /// All else, as JSON.
    pub body: String,
    /// Grows with each change.
    pub revision: i64,
}

/// What is stored about releases and rollouts.
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait ReleaseRepository: Send + Sync {
    /// Makes a release known. False when one of this name is.
    async fn put_release(&self, release: &Release) -> Result<bool, Error>;

    /// A release.
    async fn release(&self, name: &str) -> Result<Option<Release>, Error>;

    /// All of them, the newest first, at most 1000.
    async fn releases(&self) -> Result<Vec<Release>, Error>;

    /// Forgets a release and its program. False when there is none.
    async fn delete_release(&self, name: &str) -> Result<bool, Error>;

    /// Keeps the next piece of a program: one that begins where the last one ended. Gives how many octets there are now; `None` without
    /// such a release, or when it is complete.
    async fn put_release_data(&self, name: &str, place: i64, octets: &[u8]) -> Result<Option<i64>, Error>;

    /// What there is of a program from a place on, to the end of a piece; nothing at its end.
    async fn release_data(&self, name: &str, place: i64) -> Result<Vec<u8>, Error>;

    /// All of a program is here and right; or it is wrong, and what is here is forgotten.
    async fn settle_release(&self, name: &str, right: bool) -> Result<(), Error>;

    /// Begins a rollout. False when another one to the tier that `plan.tier` of its body names is not done: of two that are asked for at
    /// the same moment, one begins.
    async fn put_rollout(&self, rollout: &RolloutRow) -> Result<bool, Error>;

    /// Keeps what became of a rollout, if it still has the revision before. False when somebody else changed it.
    async fn change_rollout(&self, rollout: &RolloutRow) -> Result<bool, Error>;

    /// One rollout.
    async fn rollout(&self, network: &str, id: &str) -> Result<Option<RolloutRow>, Error>;

    /// Rollouts of a network, the newest first.
    async fn rollouts(&self, network: &str, limit: u32) -> Result<Vec<RolloutRow>, Error>;

    /// Those that go on by themselves, of all networks.
    async fn active_rollouts(&self) -> Result<Vec<RolloutRow>, Error>;
}
