//! Tracking area lists, PLMN lists and emergency number lists.

use basalt_ids::{Plmn, Tac, Tai};
use serde::{Deserialize, Serialize};

/// Tracking area identity list (TS 24.301 §9.9.3.33): one or more partial lists, together at most 16 areas.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaiList(pub Vec<TaiListPart>);

/// A partial tracking area identity list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TaiListPart {
    /// Type 0: areas of one network with any codes, 1 to 16.
    SamePlmn(Plmn, Vec<Tac>),
    /// Type 1: `count` (1 to 16) areas of one network with codes counting up from the given one.
    Consecutive {
        /// The first area.
        first: Tai,
        /// How many areas, 1 to 16.
        count: u8,
    },
    /// Type 2: areas of any networks, 1 to 16.
    Any(Vec<Tai>),
}

/// List of equivalent networks (TS 24.008 §10.5.1.13), at most 15.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlmnList(pub Vec<Plmn>);

/// Emergency number list (TS 24.008 §10.5.3.13).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmergencyNumberList(pub Vec<EmergencyNumber>);

/// One local emergency number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmergencyNumber {
    /// Service category bits (TS 24.008 §10.5.4.33): 1 police, 2 ambulance, 4 fire, 8 marine guard, 16 mountain rescue.
    pub category: u8,
    /// The number, as dialled.
    pub digits: String,
}
