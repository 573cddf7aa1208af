//! What people look at: phones as they are now, sums of usage, how many there are of what.

use crate::{Error, GatewayState, Page};
use async_trait::async_trait;
use orchestrator_model::Kind;
use serde_json::Value;

/// A phone as its gateway told it last.
#[derive(Debug, Clone, PartialEq)]
pub struct Phone {
    /// Its gateway.
    pub gateway: String,
    /// Whose it is.
    pub imsi: String,
    /// `connected`, `idle`, …
    pub state: String,
    /// The base station that it was at last; empty when none is known.
    pub enb: String,
    /// Access points of its sessions.
    pub apns: Vec<String>,
    /// Addresses of its sessions.
    pub addresses: Vec<String>,
    /// All that was told.
    pub facts: Value,
    /// When, milliseconds since 1970.
    pub told_at: i64,
}

impl Phone {
    /// The state of one that its gateway does not know any more.
    pub const GONE: &str = "gone";
}

/// What a gateway told of its phones.
#[derive(Debug, Clone, Copy)]
pub struct PhoneNews<'a> {
    /// When, milliseconds since 1970.
    pub at: i64,
    /// The replica and the stream that it was told on.
    pub stream: (&'a str, i64),
    /// There are no others.
    pub whole: bool,
    /// New or changed; their times are not looked at.
    pub phones: &'a [Phone],
    /// IMSIs of those that are gone.
    pub gone: &'a [String],
}

/// Which phones are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneQuery {
    /// Of this gateway alone.
    pub gateway: Option<String>,
    /// In this state alone.
    pub state: Option<String>,
    /// At this base station alone.
    pub enb: Option<String>,
    /// With a session of this access point.
    pub apn: Option<String>,
    /// With a session of this address.
    pub address: Option<String>,
    /// Whose IMSI begins so.
    pub imsi: String,
    /// The last of the page before: IMSI and gateway.
    pub after: Option<(String, String)>,
    /// At most so many.
    pub limit: u32,
}

/// What usage is summed, and by what.
#[derive(Debug, Clone, Copy)]
pub struct SumQuery<'a> {
    /// Of what there is a sum each.
    pub by: UsageBy,
    /// Of this subscriber alone.
    pub imsi: Option<&'a str>,
    /// Ended at or after, and before.
    pub since: i64,
    /// See `since`.
    pub until: i64,
    /// At most so many.
    pub limit: u32,
}

/// By what usage is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// The phone.
    Imsi,
    /// The access point.
    Apn,
    /// The gateway.
    Gateway,
    /// The cell, or the base station where no cell is known.
    Cell,
    /// Everything in one.
    Network,
}

/// A sum of usage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageSum {
    /// Of what; empty for everything.
    pub key: String,
    /// Octets from phones.
    pub uplink_bytes: u64,
    /// Octets to phones.
    pub downlink_bytes: u64,
    /// Packets from phones.
    pub uplink_packets: u64,
    /// Packets to phones.
    pub downlink_packets: u64,
}

/// How many there are in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Alarms since a time.
    pub alarms: i64,
    /// Changes of objects since a time.
    pub changes: i64,
}

/// Long work.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// By which it is known.
    pub id: String,
    /// What it does.
    pub what: String,
    /// Who wanted it.
    pub created_by: String,
    /// When.
    pub created_at: i64,
    /// When it was heard last.
    pub changed_at: i64,
    /// `running`, `done`, `failed`.
    pub state: String,
    /// 0 to 100.
    pub percent: i64,
    /// What came of it.
    pub result: Value,
}

/// What people look at. Times are milliseconds since 1970.
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait LiveRepository: Send + Sync {
    /// Keeps what a gateway told of its phones. What comes by a stream that is not its present one is not kept.
    async fn put_phones(&self, network: &str, gateway: &str, news: &PhoneNews<'_>) -> Result<(), Error>;

    /// Phones that were told after a time, in order of it. Those that are gone are in the state [`Phone::GONE`].
    async fn phones_since(&self, network: &str, after: i64, limit: u32) -> Result<Vec<Phone>, Error>;

    /// Gateways that were heard after a time, in order of it.
    async fn gateway_states_since(&self, network: &str, after: i64, limit: u32) -> Result<Vec<GatewayState>, Error>;

    /// Phones in order of IMSI.
    async fn phones(&self, network: &str, query: &PhoneQuery) -> Result<Page<Phone>, Error>;

    /// Sums of the usage that ended within a time, the largest first.
    async fn usage_sums(&self, network: &str, query: &SumQuery<'_>) -> Result<Vec<UsageSum>, Error>;

    /// Objects of a kind in a network.
    async fn count(&self, kind: Kind, network: &str) -> Result<i64, Error>;

    /// What happened in a network since a time.
    async fn counts(&self, network: &str, since: i64) -> Result<Counts, Error>;

    /// Keeps a job, or how far it is.
    async fn put_job(&self, network: &str, job: &Job) -> Result<(), Error>;

    /// A job.
    async fn job(&self, network: &str, id: &str) -> Result<Option<Job>, Error>;

    /// Jobs of a network, the newest first.
    async fn jobs(&self, network: &str, limit: u32) -> Result<Vec<Job>, Error>;
}
