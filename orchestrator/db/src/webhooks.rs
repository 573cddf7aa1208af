//! The trait of what is stored about webhooks.

use crate::{Error, Object};
use async_trait::async_trait;

/// How the sending of something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is sent when it is due.
    Pending,
    /// It was taken.
    Delivered,
    /// It was refused too often and is not sent any more.
    Dead,
}

impl DeliveryState {
    /// As it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == text)
    }
}

/// Something that is sent to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// By which the receiver recognises one that comes again.
    pub id: String,
    /// Of which network.
    pub network: String,
    /// To which webhook.
    pub webhook: String,
    /// About what: `event/NUMBER` or `test/ID`. Each goes to a webhook once.
    pub event: String,
    /// The kind of event.
    pub kind: String,
    /// What is sent.
    pub body: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// Not before, milliseconds since 1970; so for the others.
    pub due_at: i64,
    /// Since when it waits.
    pub created_at: i64,
    /// When it was tried last.
    pub changed_at: i64,
    /// Why it was not taken the last time.
    pub trouble: String,
}

/// What is stored about webhooks. Times are milliseconds since 1970.
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait WebhookRepository: Send + Sync {
    /// All webhooks with their networks.
    async fn webhooks(&self) -> Result<Vec<(String, Object)>, Error>;

    /// Events of a network above the first number and up to the second were looked at; `None` when it was never begun.
    async fn webhook_mark(&self, network: &str) -> Result<Option<(i64, i64)>, Error>;

    /// Queues what is not there yet, and keeps how far events were looked at, both or none.
    async fn enqueue(&self, network: &str, deliveries: &[Delivery], mark: Option<i64>) -> Result<(), Error>;

    /// Takes what is due: until `until` nobody else takes it.
    async fn take_due(&self, now: i64, until: i64, limit: u32) -> Result<Vec<Delivery>, Error>;

    /// Keeps how a delivery stands after a try.
    async fn settle(&self, delivery: &Delivery) -> Result<(), Error>;

    /// What is or was sent to a webhook, the newest first.
    async fn deliveries(
        &self,
        network: &str,
        webhook: &str,
        state: Option<DeliveryState>,
        limit: u32,
    ) -> Result<Vec<Delivery>, Error>;
}
