//! The orchestrator's memory: objects with all their versions, accounts, the audit log. SQLite or PostgreSQL.
//!
//! What it is: one trait, [`Repository`], and its two dialects behind [`open`]. What it deliberately is not: a judge (who may
//! do what is `orchestrator/api`'s matter) or a cache.
//!
//! Invariants: a list of changes is applied whole or not at all; every change leaves a version that says who, when and what;
//! revisions of an object only grow, also over its deletion; what is spoken of exists; secrets are sealed before they come here.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod change;
mod config_rollouts;
mod dialect;
mod dump;
mod fleet;
mod fleet_records;
mod live;
mod open;
mod pulse;
mod records;
mod releases;
mod repository;
mod telemetry;
mod traces;
mod webhooks;

pub use change::{Change, Precondition, Refusal, Target};
pub use config_rollouts::ConfigRolloutRepository;
pub use dump::{Cell, CellKind, Contents, DumpRepository, Exchange, Item, Sink, Table};
pub use fleet::FleetRepository;
pub use fleet_records::{
    Certificate, CommandRow, Device, EventQuery, FeedEntry, GatewayEvent, GatewayState, GatewayToken, StatePart,
    UsageRow,
};
pub use live::{Counts, Job, LiveRepository, Phone, PhoneNews, PhoneQuery, SumQuery, UsageBy, UsageSum};
pub use open::{Settings, open, open_as_it_is, schema, settle};
pub use records::{
    AuditEntry, Kept, Listed, Object, Page, Query, Replay, Sort, StoredToken, StoredUser, TokenKind, Version,
};
pub use releases::{Release, ReleaseRepository, RolloutRow};
pub use repository::{Error, Repository};
pub use telemetry::{Alarm, AlarmQuery, GatewayNews, HistoryBlock, TelemetryRepository};
pub use traces::{TraceRepository, TraceRow};
pub use webhooks::{Delivery, DeliveryState, WebhookRepository};
