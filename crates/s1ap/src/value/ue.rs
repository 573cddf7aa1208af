//! The two ids of a UE association on S1, and what is done to many of them (TS 36.413 §9.2.3.3, §9.2.3.4, §9.2.3.18, §9.1.8.1).

use basalt_ids::{EnbUeS1apId, MmeUeS1apId};
use serde::{Deserialize, Serialize};

/// Whatever ids of a UE association a message has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UeIds {
    /// The MME's.
    pub mme: Option<MmeUeS1apId>,
    /// The eNodeB's.
    pub enb: Option<EnbUeS1apId>,
}

/// UE S1AP IDs (§9.2.3.18): which UE a UE CONTEXT RELEASE COMMAND is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UeS1apIds {
    /// Both ids.
    Pair(MmeUeS1apId, EnbUeS1apId),
    /// The MME's alone, when the eNodeB's is not known.
    Mme(MmeUeS1apId),
}

impl From<UeS1apIds> for UeIds {
    fn from(ids: UeS1apIds) -> Self {
        match ids {
            UeS1apIds::Pair(mme, enb) => UeIds { mme: Some(mme), enb: Some(enb) },
            UeS1apIds::Mme(mme) => UeIds { mme: Some(mme), enb: None },
        }
    }
}

/// Reset Type (§9.1.8.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetType {
    /// The whole S1 interface.
    Full,
    /// These UE associations, 1 to 256.
    Partial(Vec<UeIds>),
}
