//! What is stored about gateways, as values. Times are milliseconds since 1970.

use serde_json::Value;

/// One change of a network's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Grows by one within the network.
    pub number: i64,
    /// A collection of objects, or one of [`FeedEntry::COMMANDS`] and [`FeedEntry::CERTIFICATES`], then named by the gateway.
    pub what: String,
    /// The object's name.
    pub name: String,
}

impl FeedEntry {
    /// A gateway has a new command.
    pub const COMMANDS: &'static str = "!commands";
    /// A gateway's certificates were revoked.
    pub const CERTIFICATES: &'static str = "!certificates";
    /// A gateway talks to a replica.
    pub const STREAMS: &'static str = "!streams";
    /// A staged change of objects began or went on; named by it.
    pub const CONFIG_ROLLOUTS: &'static str = "!config-rollouts";
}

/// A token for one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayToken {
    /// SHA-256 of the secret, in hexadecimal.
    pub digest: String,
    /// By which it is named.
    pub id: String,
    /// Of which network.
    pub network: String,
    /// Of which tier the gateway becomes.
    pub tier: String,
    /// The gateway's name; empty when it may choose.
    pub gateway: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: i64,
    /// Until when it is good.
    pub expires_at: i64,
    /// When it was used; 0 when it was not.
    pub used_at: i64,
    /// By which gateway.
    pub used_by: String,
}

/// The device key of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its network.
    pub network: String,
    /// Its name.
    pub gateway: String,
    /// Public key, in hexadecimal.
    pub public_key: String,
    /// Since when.
    pub enrolled_at: i64,
    /// Since when it is refused; 0 when it is not.
    pub revoked_at: i64,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256, in hexadecimal.
    pub fingerprint: String,
    /// Of which network.
    pub network: String,
    /// Of which gateway.
    pub gateway: String,
    /// Since when.
    pub issued_at: i64,
    /// Until when.
    pub expires_at: i64,
    /// Since when it is refused; 0 when it is not.
    pub revoked_at: i64,
}

/// The last that is known of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayState {
    /// Its name.
    pub gateway: String,
    /// The replica that it talks to; empty when it talks to none.
    pub replica: String,
    /// The conversation, as that replica numbers it.
    pub stream: i64,
    /// Since when it talks, or talked last.
    pub connected_at: i64,
    /// When it was heard last.
    pub seen_at: i64,
    /// What it told of itself.
    pub state: Value,
    /// Its metrics.
    pub metrics: Value,
    /// How far it has what it should.
    pub sync: Value,
}

impl GatewayState {
    /// In what a gateway told of itself: by how many milliseconds its clock was ahead of the replica's that heard it.
    pub const CLOCK_AHEAD: &str = "clock_ahead_ms";

    /// By how many milliseconds the gateway's clock was ahead when it told of itself last; with the time that this took on its way.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<i64> {
        self.state.get(Self::CLOCK_AHEAD)?.as_i64()
    }
}

/// A part of [`GatewayState`] that is new.
#[derive(Debug, Clone, PartialEq)]
pub enum StatePart {
    /// What it told of itself.
    State(Value),
    /// Its metrics, all of them.
    Metrics(Value),
    /// How far it has what it should.
    Sync(Value),
    /// It was heard.
    Seen,
    /// It does not talk to this stream of this replica any more.
    Gone,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayEvent {
    /// Its number here; 0 for a new one.
    pub id: i64,
    /// About which gateway; empty when none is known.
    pub gateway: String,
    /// The epoch of its number.
    pub epoch: i64,
    /// Its number at the gateway.
    pub number: i64,
    /// When.
    pub at: i64,
    /// What.
    pub kind: String,
    /// Somebody should look.
    pub alarm: bool,
    /// About which phone, or empty.
    pub imsi: String,
    /// In words.
    pub words: String,
    /// All facts, JSON.
    pub facts: String,
}

/// Which events are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Of this gateway alone.
    pub gateway: Option<String>,
    /// Of this kind alone.
    pub kind: Option<String>,
    /// About this phone alone.
    pub imsi: Option<String>,
    /// Only what somebody should look at.
    pub alarms: bool,
    /// At this time or later, milliseconds since 1970.
    pub since: i64,
    /// Before this time.
    pub until: i64,
    /// Numbers above this one alone; the oldest come first then.
    pub above: Option<i64>,
    /// Numbers below this one alone.
    pub below: i64,
    /// At most so many.
    pub limit: u32,
}

impl Default for EventQuery {
    fn default() -> Self {
        let (since, until, below) = (i64::MIN, i64::MAX, i64::MAX);
        Self { gateway: None, kind: None, imsi: None, alarms: false, since, until, above: None, below, limit: 100 }
    }
}

/// What a session used in a while.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageRow {
    /// The gateway.
    pub gateway: String,
    /// The session.
    pub session: String,
    /// Which life of its counters.
    pub epoch: i64,
    /// Within the epoch.
    pub sequence: i64,
    /// Whose.
    pub imsi: String,
    /// Network.
    pub apn: String,
    /// Where the phone was when the record came: its cell, or base station. Read; what is put finds it by itself.
    pub cell: String,
    /// From.
    pub began_at: i64,
    /// Until.
    pub ended_at: i64,
    /// Octets from the phone.
    pub uplink_bytes: i64,
    /// Octets to the phone.
    pub downlink_bytes: i64,
    /// Packets from the phone.
    pub uplink_packets: i64,
    /// Packets to the phone.
    pub downlink_packets: i64,
    /// The session ended with it.
    pub last: bool,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// By which it is known.
    pub id: String,
    /// At which gateway.
    pub gateway: String,
    /// What.
    pub kind: String,
    /// JSON object.
    pub arguments: String,
    /// Who wanted it.
    pub created_by: String,
    /// When.
    pub created_at: i64,
    /// After which it is not begun.
    pub expires_at: i64,
    /// `queued`, `sent`, `running`, `done`, `failed`, `not-supported`.
    pub state: String,
    /// 0 to 100.
    pub percent: i64,
    /// What it printed, the last part of it.
    pub output: String,
    /// When it changed last.
    pub changed_at: i64,
}
