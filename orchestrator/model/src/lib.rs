//! What operators configure, as values: objects, what is allowed in them, and what one gateway needs of all of it.
//!
//! What it is: the documents of networks, gateways, radios, subscribers, policy and alarms, with validation that names the
//! field, what is wrong and what is allowed; a gateway's [`DesiredState`] and the [`DigestTree`] by which two sides find their
//! differences. What it deliberately is not: storage, transport, or a judge of who may do what.
//!
//! Invariants: what [`Kind::parse`] accepts is valid by itself and has no secret left in its body; the same objects give the
//! same digest on every machine and in every version of this crate; a desired state holds only what its gateway needs.
//!
//! ```
//! use orchestrator_model::Kind;
//! let body = br#"{"qci": 9, "arp": {"priority_level": 16}}"#;
//! let errors = Kind::QosProfile.parse("best-effort", body).unwrap_err();
//! assert_eq!(errors[0].path, "/arp/priority_level");
//! assert_eq!(errors[0].allowed, "1 (highest) to 15");
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod alarm;
mod automatic;
mod check;
mod config_rollout;
mod desired;
mod federation;
mod gateway;
mod kind;
mod network;
mod place;
mod policy;
mod radio;
mod rollout;
mod silence;
mod strict;
mod subscriber;
mod tenant;
mod webhook;

pub use basalt_desired::{BUCKETS, Difference, Digest, DigestTree, ItemKey, object_digest};

pub use alarm::{AlertReceiver, AlertRule, Comparison, ReceiverChannel, Severity, SimpleCondition};
pub use automatic::{AutomaticUpgrades, UpgradeWindow};
pub use check::{Checker, FieldError};
pub use config_rollout::{
    ConfigFacts, ConfigGateway, ConfigRollout, ConfigRolloutPlan, ConfigSeen, ConfigStage, ConfigStep, Ground,
    StagedChange,
};
pub use desired::{DesiredState, Source, SubscriberSelection, key_of};
pub use federation::{
    Carrier, DiameterPeer, DiameterTransport, Federation, GxGy, HomeNetwork, NeutralHostRoute, PartnerPeer,
    PeerTransport, VisitorLimits, VisitorPolicy,
};
pub use gateway::{
    AmfIdentity, Csfb, FegIdentity, Gateway, GatewayDns, GatewayEpc, GatewayPool, HeaderEnrichment,
    ManagementInterface, NonEpsControl, Pooling, Reporting, Tier,
};
pub use kind::{Document, Kind, Parsed, Reference, Scope};
pub use network::{
    AllocationMode, Dns, DnsRecord, EpcNetwork, ImeiRange, Mobility, Network, RanNetwork, RateLimit, ServiceArea,
    SuciProfile, SuciScheme, TddConfig, Timers,
};
pub use place::{Degrees, Place};
pub use policy::{
    Action, AddressFamily, Arp, BaseName, DataPlan, FlowDirection, FlowRule, PolicyRule, QosProfile, RatingGroup,
    RatingLimit, Redirect, RedirectAddress, Tracking,
};
pub use radio::{Apn, Egress, Enodeb, EnodebMode, Gnodeb, PdnType, TrackingArea};
pub use rollout::{Facts, GatewayStep, Order, Rollout, RolloutAct, RolloutPlan, RolloutState, Seen, Stage, Step};
pub use silence::{Acknowledgement, Silence};
pub use strict::parse_strict;
pub use subscriber::{AuthAlgorithm, Rat, SimKeys, StaticAddress, Subscriber, SubscriberApn, SubscriberState};
pub use tenant::Tenant;
pub use webhook::Webhook;
