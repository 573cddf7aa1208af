//! Ids that exist only inside one gateway.

use basalt_sansio::{SlotId, Time};
use serde::{Deserialize, Serialize};

/// An association with a base station, numbered by the driver (the keeper's association id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u32);

/// A UE known to the gateway, attached or on its way: slot and generation, so that an answer for a past life falls dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UeId(pub SlotId);

/// A UE's signalling connection over one base station. Its number is the MME-UE-S1AP-ID (AMF-UE-NGAP-ID) on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RadioId(pub SlotId);

/// Names a question that is on its way, for its answer: the UE that asked, and which of its questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ticket {
    /// Who asked.
    pub ue: UeId,
    /// Which question of that UE; an answer to an older one is dropped.
    pub sequence: u16,
}

/// What a step is told about time: the monotonic clock that timers live on, and the wall clock that EMM INFORMATION,
/// events and views show. No decision depends on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Monotonic time.
    pub mono: Time,
    /// Seconds since 1970-01-01T00:00:00 UTC, as the machine believes.
    pub unix_secs: u64,
}
