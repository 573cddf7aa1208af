//! Identities of base stations, cells and UE associations on S1 (TS 36.413 §9.2.1.37, §9.2.1.38, §9.2.3.3, §9.2.3.4).

use crate::{InvalidId, Plmn};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Identity of an eNodeB within its network: which of the four kinds, and the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EnbId {
    /// Macro eNodeB, 20 bits.
    Macro(u32),
    /// Home eNodeB, 28 bits.
    Home(u32),
    /// Short macro eNodeB, 18 bits.
    ShortMacro(u32),
    /// Long macro eNodeB, 21 bits.
    LongMacro(u32),
}

impl EnbId {
    /// How many bits the identity has: 18, 20, 21 or 28.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            EnbId::ShortMacro(_) => 18,
            EnbId::Macro(_) => 20,
            EnbId::LongMacro(_) => 21,
            EnbId::Home(_) => 28,
        }
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u32 {
        match self {
            EnbId::Macro(v) | EnbId::Home(v) | EnbId::ShortMacro(v) | EnbId::LongMacro(v) => v,
        }
    }
}

/// An eNodeB, worldwide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GlobalEnbId {
    /// Network it belongs to.
    pub plmn: Plmn,
    /// Identity in that network.
    pub enb: EnbId,
}

impl fmt::Display for GlobalEnbId {
    /// `001-01/0x19b`, with the kind for all but macro eNodeBs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:#x}", self.plmn, self.enb.value())?;
        match self.enb {
            EnbId::Macro(_) => Ok(()),
            EnbId::Home(_) => f.write_str(" (home)"),
            EnbId::ShortMacro(_) => f.write_str(" (short macro)"),
            EnbId::LongMacro(_) => f.write_str(" (long macro)"),
        }
    }
}

/// E-UTRAN cell identity, 28 bits; its leading bits are the eNodeB's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Eci(u32);

impl Eci {
    /// A cell identity.
    ///
    /// # Errors
    /// [`InvalidId::Range`] above 28 bits.
    pub const fn new(value: u32) -> Result<Self, InvalidId> {
        if value >> 28 == 0 { Ok(Self(value)) } else { Err(InvalidId::Range) }
    }

    /// The 28 bits.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}

/// E-UTRAN cell global identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ecgi {
    /// Network of the cell.
    pub plmn: Plmn,
    /// Cell in that network.
    pub eci: Eci,
}

impl fmt::Display for Ecgi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:#x}", self.plmn, self.eci.0)
    }
}

/// The MME's id of a UE association, 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MmeUeS1apId(pub u32);

/// The eNodeB's id of a UE association, 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnbUeS1apId(u32);

impl EnbUeS1apId {
    /// An id.
    ///
    /// # Errors
    /// [`InvalidId::Range`] above 24 bits.
    pub const fn new(value: u32) -> Result<Self, InvalidId> {
        if value >> 24 == 0 { Ok(Self(value)) } else { Err(InvalidId::Range) }
    }

    /// The 24 bits.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }
}
