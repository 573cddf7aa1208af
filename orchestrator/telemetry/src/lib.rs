//! What is known of gateways in numbers, and what follows from it: history, KPIs, alarms, what a metrics server is told.
//!
//! ```text
//!   metrics, state ──► Watched (one gateway) ──minute──► History ──► blocks in the database ──► charts, KPIs
//!                          │                                └──► remote write
//!                          └──► rules ──► Engine (holds, hysteresis) ──► raised, cleared ──► receivers
//! ```
//! What it is: values and functions over them; whoever calls says what time it is. What it deliberately is not: a time-series
//! database (a fixed set of series, minutes, two days), a reader of the orchestrator's database or a sender: `orchestratord` is.
//!
//! Invariants: nothing a gateway says becomes a label but the labels of its metrics, and those are bounded; memory grows with
//! gateways, not with time; an alarm is raised once for its cause, and not cleared before its cause was away for a while.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod block;
pub mod chart;
pub mod enforce;
pub mod engine;
pub mod exposition;
pub mod expression;
pub mod history;
pub mod message;
pub mod remote_write;
pub mod rules;
pub mod sample;
pub mod series;
pub mod watched;
