//! The trait of what is stored about gateways.

use crate::{
    Certificate, CommandRow, Device, Error, EventQuery, FeedEntry, GatewayEvent, GatewayState, GatewayToken, Object,
    Page, StatePart, UsageRow,
};
use async_trait::async_trait;
use orchestrator_model::Kind;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// What is stored about gateways. Times are milliseconds since 1970.
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait FleetRepository: Send + Sync {
    /// Grows with each change that this process made, and is told by it; what other processes changed is found by looking.
    fn wakes(&self) -> watch::Receiver<u64>;

    /// The last number of each network's feed.
    async fn feeds(&self) -> Result<Vec<(String, i64)>, Error>;

    /// Entries of a network's feed after a number, in order.
    async fn feed(&self, network: &str, after: i64, limit: u32) -> Result<Vec<FeedEntry>, Error>;

    /// Objects of a kind by name, in any order; those that are not there are left out.
    async fn objects_named(&self, kind: Kind, network: &str, names: &[String]) -> Result<Vec<Object>, Error>;

    /// Keeps a token.
    async fn put_gateway_token(&self, token: &GatewayToken) -> Result<(), Error>;

    /// A token by its digest, used or not, expired or not.
    async fn gateway_token(&self, digest: &str) -> Result<Option<GatewayToken>, Error>;

    /// Tokens of a network, the newest first.
    async fn gateway_tokens(&self, network: &str) -> Result<Vec<GatewayToken>, Error>;

    /// Takes a token back. False when there is none.
    async fn delete_gateway_token(&self, network: &str, id: &str) -> Result<bool, Error>;

    /// Uses a token for a device, both or none. False when the token was used, has expired or is gone, or when the gateway has a
    /// device that is not revoked.
    async fn enrol(&self, digest: &str, now: i64, device: &Device) -> Result<bool, Error>;

    /// The device of a gateway.
    async fn device(&self, network: &str, gateway: &str) -> Result<Option<Device>, Error>;

    /// Keeps a certificate.
    async fn put_certificate(&self, certificate: &Certificate) -> Result<(), Error>;

    /// A certificate by its fingerprint.
    async fn certificate(&self, fingerprint: &str) -> Result<Option<Certificate>, Error>;

    /// When the newest certificates of gateways end that are not revoked; of the gateways from one name on to another in their order.
    async fn certificate_ends(&self, network: &str, from: &str, to: &str) -> Result<BTreeMap<String, i64>, Error>;

    /// Certificates of a gateway, the newest first, at most 100.
    async fn certificates(&self, network: &str, gateway: &str) -> Result<Vec<Certificate>, Error>;

    /// Gateways that may join no more soon: those that are not revoked and whose newest certificate ends after one time and before
    /// another; network, name, and when it ends. At most 1000.
    async fn expiring(&self, after: i64, before: i64) -> Result<Vec<(String, String, i64)>, Error>;

    /// Gateways that are not revoked and have had no certificate since a time (milliseconds since 1970); network and name. At most 1000.
    async fn certified_before(&self, at: i64) -> Result<Vec<(String, String)>, Error>;

    /// Revokes device and certificates of a gateway; it must join again with a token. False when it had never joined.
    async fn revoke(&self, network: &str, gateway: &str, now: i64) -> Result<bool, Error>;

    /// A gateway talks to a stream of a replica now.
    async fn gateway_connected(
        &self,
        network: &str,
        gateway: &str,
        now: i64,
        replica: &str,
        stream: i64,
    ) -> Result<(), Error>;

    /// Something new of a gateway, heard on a stream of a replica.
    async fn put_gateway_state(
        &self,
        network: &str,
        gateway: &str,
        now: i64,
        stream: (&str, i64),
        parts: &[StatePart],
    ) -> Result<(), Error>;

    /// The last that is known of a gateway.
    async fn gateway_state(&self, network: &str, gateway: &str) -> Result<Option<GatewayState>, Error>;

    /// Of all gateways of a network after a name, in order.
    async fn gateway_states(&self, network: &str, after: &str, limit: u32) -> Result<Page<GatewayState>, Error>;

    /// Keeps events that are not there yet.
    async fn put_gateway_events(&self, network: &str, events: &[GatewayEvent]) -> Result<(), Error>;

    /// Events of a network that fit, in the order that is asked for.
    async fn gateway_events(&self, network: &str, query: &EventQuery) -> Result<Page<GatewayEvent>, Error>;

    /// Keeps usage records that are not there yet, and how far the ledger was received, in one.
    async fn put_usage(
        &self,
        network: &str,
        gateway: &str,
        ledger: (i64, i64),
        records: &[UsageRow],
    ) -> Result<(), Error>;

    /// The ledger of a gateway that was received last, and how far.
    async fn ledger(&self, network: &str, gateway: &str) -> Result<Option<(i64, i64)>, Error>;

    /// Usage records of a network in order of their end, of one subscriber if asked, from a time on, after a place.
    async fn usage(&self, network: &str, imsi: Option<&str>, since: i64, limit: u32) -> Result<Vec<UsageRow>, Error>;

    /// Queues a command.
    async fn put_command(&self, network: &str, command: &CommandRow) -> Result<(), Error>;

    /// A command.
    async fn command(&self, network: &str, id: &str) -> Result<Option<CommandRow>, Error>;

    /// Commands of a gateway, the newest first.
    async fn commands(&self, network: &str, gateway: &str, limit: u32) -> Result<Vec<CommandRow>, Error>;

    /// Commands of a gateway that wait and have not expired, the oldest first.
    async fn queued_commands(&self, network: &str, gateway: &str, now: i64) -> Result<Vec<CommandRow>, Error>;

    /// Keeps a piece of what a command gave, unless it is there. `place` is that of its first octet; pieces come in order. Gives how
    /// many octets there are now.
    async fn put_command_data(&self, network: &str, id: &str, place: i64, octets: &[u8]) -> Result<i64, Error>;

    /// The piece of what a command gave that begins at a place, and how many octets there are; no octets when nothing begins there.
    async fn command_data(&self, network: &str, id: &str, place: i64) -> Result<(Vec<u8>, i64), Error>;

    /// How a command is. One that has ended stays as it ended. What it printed is added; the last 64 KiB are kept. A report of
    /// progress whose number is not above that of the one before was taken already; 0 is none of the gateway's. The end is taken whatever
    /// its number: a gateway whose clock was set back numbers it lower. `report` is number and time.
    async fn command_progress(
        &self,
        network: &str,
        id: &str,
        report: (i64, i64),
        state: &str,
        percent: i64,
        output: &str,
    ) -> Result<(), Error>;

    /// Forgets feed entries and events from before a time, expired tokens and ended commands.
    async fn sweep_fleet(&self, feed_before: i64, events_before: i64) -> Result<(), Error>;
}
