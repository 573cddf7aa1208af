//! The trait of what is stored about staged changes of objects.

use crate::{Error, RolloutRow};
use async_trait::async_trait;

/// What is stored about staged changes of objects. Whatever changes of one is told in its network's feed.
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait ConfigRolloutRepository: Send + Sync {
    /// Begins a staged change. When another one that is not done is about one of its objects (`changes` of the bodies), nothing is done and that
    /// object is given: collection and name. Of two that are asked for at the same moment, one begins.
    async fn put_config_rollout(&self, rollout: &RolloutRow) -> Result<Option<(String, String)>, Error>;

    /// Keeps what became of one, if it still has the revision before. False when somebody else changed it.
    async fn change_config_rollout(&self, rollout: &RolloutRow) -> Result<bool, Error>;

    /// One staged change.
    async fn config_rollout(&self, network: &str, id: &str) -> Result<Option<RolloutRow>, Error>;

    /// Staged changes of a network, the newest first.
    async fn config_rollouts(&self, network: &str, limit: u32) -> Result<Vec<RolloutRow>, Error>;

    /// Those that go on by themselves: of one network, or of all. The oldest first.
    async fn active_config_rollouts(&self, network: Option<&str>) -> Result<Vec<RolloutRow>, Error>;
}
