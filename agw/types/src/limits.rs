//! How much one gateway holds. Every table has a bound and a stated answer when it is full.

use serde::{Deserialize, Serialize};

/// Bounds of the tables of one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Associations with base stations; one more is closed at once.
    pub links: u32,
    /// Signalling connections of UEs; one more is answered with ERROR INDICATION, control processing overload.
    pub connections: u32,
    /// UEs known, attached or not; the longest detached one makes room, else EMM cause #22.
    pub ues: u32,
    /// UEs that have not proven who they are; one more gets EMM cause #22 with T3346.
    pub half_open: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { links: 4096, connections: 400_000, ues: 400_000, half_open: 20_000 }
    }
}
