//! S6a and S13 (TS 29.272) from the side of the MME: requests and answers as values.
//!
//! What it is: what is asked of an HSS and an EIR, what they answer, and what an HSS asks of us; and the one function that turns an
//! answer's result into what a phone is told ([`cause`]). What it deliberately is not: peers, sockets, or who asked.
//!
//! Invariants: nothing that a peer sends panics; a vector whose parts have impossible lengths is no vector; keys are never shown.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod cause;
mod equipment;
mod hss;
mod location;
mod name;
mod request;
mod subscription;
mod vectors;

pub use equipment::{EquipmentStatus, equipment_answer, equipment_request};
pub use hss::{Cancellation, FromHss, HssRequest, Inserted, Reply, read_hss_request, refuse, refuse_for, reply};
pub use location::{
    GatewayIdentity, Located, Notification, PdnGateway, Terminal, notification, purge, purge_answer, update_location,
    update_location_answer,
};
pub use request::{Refusal, To, Visit, realm_of};
pub use subscription::{Ambr, ApnConfiguration, Apns, Arp, PdnType, Qos, Subscription, access_restriction};
pub use vectors::{Resync, Vector, authentication, authentication_answer};
