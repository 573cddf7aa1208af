//! Whom a page is for (TS 36.413 §9.2.3.13).

use basalt_ids::{Imsi, STmsi};
use serde::{Deserialize, Serialize};

/// UE Paging Identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PagingIdentity {
    /// Temporary identity: the normal case.
    STmsi(STmsi),
    /// IMSI, after which the UE attaches anew.
    Imsi(Imsi),
}
