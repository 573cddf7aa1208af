//! The values that IEs hold (TS 36.413 §9.2).

mod bearer;
mod cause;
mod diagnostics;
mod enums;
mod handover;
mod mobility;
mod node;
mod paging;
mod security;
mod transport;
mod ue;

pub use bearer::*;
pub use cause::*;
pub use diagnostics::*;
pub use enums::*;
pub use handover::*;
pub use mobility::*;
pub use node::*;
pub use paging::*;
pub use security::*;
pub use transport::*;
pub use ue::*;

use serde::{Deserialize, Serialize};

/// One IE of an `iE-Extensions` container, kept as it was received (TS 36.413 §9.3.7, `ProtocolExtensionField`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Identifier of the IE.
    pub id: u16,
    /// What a receiver does that does not comprehend it.
    pub criticality: Criticality,
    /// The encoded value.
    pub value: Vec<u8>,
}
