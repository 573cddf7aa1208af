//! What is shown to an operator about a UE: `basalt get ues`, `basalt describe ue`.

use crate::{RejectInfo, Session};
use basalt_ids::{Ecgi, GlobalEnbId, Guti, Imsi, Tai};
use serde::{Deserialize, Serialize};

/// A UE's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UeState {
    /// An attach is on its way.
    Attaching,
    /// Attached, with a radio connection.
    Connected,
    /// Attached, without a radio connection.
    Idle,
    /// Attached, being called.
    Paging,
    /// On its way out.
    Detaching,
    /// Not attached; kept for its temporary identity and last refusal.
    Detached,
}

/// All there is to show about a UE. No keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UeView {
    /// Who.
    pub imsi: Option<Imsi>,
    /// In one word.
    pub state: UeState,
    /// In words: what it is doing, since when, what it waits for.
    pub description: String,
    /// Temporary identity.
    pub guti: Option<Guti>,
    /// Last cell.
    pub cell: Option<Ecgi>,
    /// Last area.
    pub area: Option<Tai>,
    /// Base station it is connected over.
    pub enb: Option<GlobalEnbId>,
    /// Ciphering algorithm in use, 0 to 3.
    pub ciphering: Option<u8>,
    /// Integrity algorithm in use, 1 to 3.
    pub integrity: Option<u8>,
    /// Sessions.
    pub sessions: Vec<Session>,
    /// Seconds since 1970 UTC of the last sign of life.
    pub last_seen: u64,
    /// The last refusal.
    pub last_reject: Option<RejectInfo>,
}
