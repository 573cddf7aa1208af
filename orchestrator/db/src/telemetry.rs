//! The trait of what is stored about numbers and alarms.

use crate::{Error, GatewayEvent, Object, Page};
use async_trait::async_trait;
use orchestrator_model::Kind;
pub use orchestrator_telemetry::history::Stored as HistoryBlock;
pub use orchestrator_telemetry::watched::News as GatewayNews;

/// An alarm of a rule. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// That of the event that told of it; grows.
    pub id: i64,
    /// The network; empty for the orchestrator itself.
    pub network: String,
    /// The gateway; empty when it is about none.
    pub gateway: String,
    /// The rule.
    pub rule: String,
    /// What at the gateway; empty for the gateway itself.
    pub subject: String,
    /// `info`, `minor`, `major` or `critical`.
    pub severity: String,
    /// Since when its cause is there.
    pub since: i64,
    /// When it was raised.
    pub raised_at: i64,
    /// When it was over; 0 while it holds.
    pub cleared_at: i64,
    /// For people.
    pub words: String,
}

/// Which alarms are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmQuery {
    /// Of this network alone; of the orchestrator itself, when empty; of all, when absent.
    pub network: Option<String>,
    /// About this gateway alone.
    pub gateway: Option<String>,
    /// Of this rule alone.
    pub rule: Option<String>,
    /// This one alone.
    pub id: Option<i64>,
    /// Those that hold, or those that are over; both, when absent.
    pub open: Option<bool>,
    /// Numbers below this one alone.
    pub below: i64,
    /// At most so many, the newest first.
    pub limit: u32,
}

impl Default for AlarmQuery {
    fn default() -> Self {
        Self { network: None, gateway: None, rule: None, id: None, open: None, below: i64::MAX, limit: 100 }
    }
}

/// What is stored about numbers and alarms. Times are milliseconds since 1970.
///
/// # Errors
/// All of them: [`Error::Database`], [`Error::Damaged`].
#[async_trait]
pub trait TelemetryRepository: Send + Sync {
    /// Gateways of all networks that were heard after a place (when, network, gateway), in that order.
    async fn gateway_news(&self, after: (i64, &str, &str), limit: u32) -> Result<Vec<GatewayNews>, Error>;

    /// All gateways that joined, are not revoked and still configured: network and name.
    async fn members(&self) -> Result<Vec<(String, String)>, Error>;

    /// Keeps hours, in the place of what was known of them.
    async fn put_history(&self, blocks: &[HistoryBlock]) -> Result<(), Error>;

    /// Hours of a gateway, or of a network when it is empty, from one on to another; hours since 1970.
    async fn history(&self, network: &str, gateway: &str, hours: (i64, i64)) -> Result<Vec<HistoryBlock>, Error>;

    /// One hour of all gateways and networks.
    async fn history_of(&self, hour: i64) -> Result<Vec<HistoryBlock>, Error>;

    /// Keeps an alarm and the event that tells of it, both or none, and gives its number. Told again, it is the same one.
    async fn raise_alarm(&self, alarm: &Alarm, event: &GatewayEvent) -> Result<i64, Error>;

    /// Keeps an alarm about an event that is there already; its number is the event's. False when it is there.
    async fn adopt_alarm(&self, alarm: &Alarm) -> Result<bool, Error>;

    /// An alarm is over. False when it was before.
    async fn clear_alarm(&self, id: i64, at: i64) -> Result<bool, Error>;

    /// Alarms that fit, the newest first.
    async fn alarms(&self, query: &AlarmQuery) -> Result<Page<Alarm>, Error>;

    /// All objects of a kind, with their networks.
    async fn objects_everywhere(&self, kind: Kind) -> Result<Vec<(String, Object)>, Error>;

    /// How all gateways are linked: network, name, replica (empty for none), since when, heard when.
    async fn gateway_links(&self) -> Result<Vec<(String, String, String, i64, i64)>, Error>;

    /// Alarm events of all networks above a number, in order: network and event.
    async fn alarm_events(&self, above: i64, limit: u32) -> Result<Vec<(String, GatewayEvent)>, Error>;

    /// Events of all networks above a number, in order: network and event.
    async fn events_everywhere(&self, above: i64, limit: u32) -> Result<Vec<(String, GatewayEvent)>, Error>;

    /// The largest number of an event.
    async fn last_event(&self) -> Result<i64, Error>;

    /// Phones of a network by gateway and base station: how many are connected, and how many idle; of one gateway, if named.
    async fn phones_by_cell(
        &self,
        network: &str,
        gateway: Option<&str>,
    ) -> Result<Vec<(String, String, i64, i64)>, Error>;

    /// Deliveries that were given up since a time: network, webhook (or receiver), how many.
    async fn given_up(&self, since: i64) -> Result<Vec<(String, String, i64)>, Error>;

    /// Forgets hours from before an hour, and alarms that were over before a time.
    async fn sweep_telemetry(&self, hour: i64, alarms_before: i64) -> Result<(), Error>;
}
