//! Protection of NAS messages (TS 24.301 §4.4, TS 33.401 §8).

mod context;
mod verified;

pub use context::{NasSecurityContext, ProtectError, Side, VerifyError};
pub use verified::{Protection, Verified};

use serde::{Deserialize, Serialize};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From the UE to the network.
    Uplink,
    /// From the network to the UE.
    Downlink,
}

impl From<Direction> for oxirush_security::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Uplink => Self::Uplink,
            Direction::Downlink => Self::Downlink,
        }
    }
}
