//! Temporary identities of EPS (TS 23.003 §2.8).

use crate::Plmn;
use core::fmt;
use serde::{Deserialize, Serialize};

/// MME group identity, 16 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MmeGroupId(pub u16);

/// MME code within its group, 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MmeCode(pub u8);

/// Temporary identity of a UE within one MME, 32 bits; all ones is not a valid value (TS 23.003 §2.4 by analogy).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MTmsi(pub u32);

/// Globally unique MME identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gummei {
    /// Network the MME belongs to.
    pub plmn: Plmn,
    /// Group (pool) of the MME.
    pub group: MmeGroupId,
    /// MME within the group.
    pub code: MmeCode,
}

/// Short form used over the radio: MME code and M-TMSI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct STmsi {
    /// MME code.
    pub mme_code: MmeCode,
    /// Temporary identity in that MME.
    pub m_tmsi: MTmsi,
}

/// Globally unique temporary identity of a UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Guti {
    /// The MME that gave it.
    pub gummei: Gummei,
    /// Temporary identity in that MME.
    pub m_tmsi: MTmsi,
}

impl Guti {
    /// The short form.
    #[must_use]
    pub const fn s_tmsi(self) -> STmsi {
        STmsi { mme_code: self.gummei.code, m_tmsi: self.m_tmsi }
    }
}

impl fmt::Display for Guti {
    /// `001-01/0002/01/c0000001`: network, group, code, M-TMSI in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gummei { plmn, group, code } = self.gummei;
        write!(f, "{plmn}/{:04x}/{:02x}/{:08x}", group.0, code.0, self.m_tmsi.0)
    }
}
