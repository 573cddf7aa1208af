//! The vocabulary in which the rooms of the access gateway meet.
//!
//! `ran`, `mobility`, `session`, `policy` and `subscribers` never import each other. Each takes and gives the values of this
//! crate, and `agw/core` carries them from room to room inside one `step`:
//!
//! ```text
//!   Input ─► core ─► ran ── RadioEvent ──► mobility ── SessionRequest ──► session ── SessionReply ─┐
//!             ▲       ▲                     │   ▲   └─ Question ──► subscribers ── Answer ──┐      │
//!             │       └──── RadioCommand ───┘   └───────────────────────────────────────────┴──────┘
//!             └──────────── Effect: Send, Save, Dataplane, Count, Tell, Ask
//! ```
//!
//! What it deliberately is not: behaviour. Values here decide nothing; they are serialisable, comparable and printable, and
//! none of them prints a key.
//!
//! Invariants: radio events and commands, questions, sessions and tunnels carry nothing that exists in 4G only, except where a
//! variant or field says so; the 5G adapters add variants, they do not change these.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod access;
mod address;
mod config;
mod dataplane;
mod effect;
mod event;
mod filter;
mod ids;
mod input;
mod limits;
mod metric;
mod policy;
mod radio;
mod rule;
mod session;
pub mod stored;
mod subscriber;
mod timer;
mod trace;

pub use access::{AccessLists, Equipment};
pub use address::{IpPrefix, PdnTypes, Prefix64, UeAddress};
pub use config::{
    AddressPool, ApnConfig, GatewayConfig, NetworkName, PagingPolicy, PrefixPool, ProcedureTimers, SecurityOrder,
};
pub use dataplane::{BearerTunnel, DataplaneChange, FlowRule, Peer, SessionService, Traffic, Tunnel, TunnelState};
pub use effect::{Effect, Effects, OperatorReply, Record, RecordKey};
pub use event::{Event, RejectInfo};
pub use filter::{FlowDirection, SdfFilter};
pub use ids::{LinkId, Now, RadioId, Ticket, UeId};
pub use input::{Cancelled, Command, ConfigDelta, Input, LinkInfo};
pub use limits::Limits;
pub use metric::{Metric, Outcome, Procedure};
pub use policy::{Policy, ResourceRequest};
pub use radio::{
    Area, BearerEndpoint, BearerFailure, BearerModify, BearerSetup, ContextSetup, EstablishmentCause,
    ForwardingTunnels, HandoverSetup, Paging, PagingId, RadioCause, RadioCommand, RadioEvent, RadioEventKind,
};
pub use rule::{
    ActiveRule, ApnQos, Bearer, BearerFilter, BearerRates, Gate, MAX_FILTERS, MAX_SESSION_FILTERS, Marking, PolicyRule,
    QosConfig, RATING_GROUP, RequestedQos, RuleQos, RuleRefusal, SubscribedRule, is_guaranteed,
};
pub use session::{Ambr, Arp, BearerQos, Session, SessionReply, SessionRequest, status_bit};
pub use stored::{StoredBearers, StoredLink, StoredRadio, StoredRest, StoredSession, StoredSessionBearers, StoredUe};
pub use subscriber::{
    Answer, ApnProfile, AuthFailure, AuthMaterial, Profile, Question, Resync, SubscriberState, Unavailable,
};
pub use timer::TimerName;
pub use trace::{UeState, UeView};
