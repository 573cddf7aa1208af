//! The REST interface: routes and their document, who may do what, and the work behind each.
//!
//! What it is: one table of routes ([`routes`]) from which the listener, the OpenAPI document and the rights follow, and one gate
//! through which every request goes: known? allowed? seen before? then the work, then the audit log. What it deliberately is not:
//! a store (`orchestrator/db`), a judge of documents (`orchestrator/model`) or a process (`orchestrator/orchestratord`).
//!
//! Invariants: no route is served that is not in the table, and none of the table without its right; what somebody may not see
//! does not exist for him (404); no secret leaves; an answer to a write leaves after the write is durable.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod access;
mod accounts;
mod alarms;
mod backup;
mod config_rollouts;
mod csv;
mod document;
mod export;
mod gate;
mod gateways;
mod import;
mod inventory;
mod jobs;
mod jwt;
mod live;
mod numbers;
mod objects;
mod oidc;
mod packing;
mod password;
mod problem;
mod proxy;
mod releases;
mod routes;
mod select;
mod session;
mod shapes;
mod sim;
mod token;
mod traces;
mod users;
mod watch;
mod webhooks;

pub use access::{Caller, Grant, Need, Role, Scope};
pub use alarms::receiver_place;
pub use document::document;
pub use gate::{Counters, State, router};
pub use gateways::{JoinPoint, base64};
pub use oidc::{Fetch, FetchRequest, Fetched, GroupGrant, Oidc, Provider};
pub use packing::accepts;
pub use problem::Problem;
pub use proxy::MetricsServer;
pub use routes::{Operation, Route, routes};
pub use token::{digest_of, new_secret, new_setup_token};
pub use watch::Watchers;
