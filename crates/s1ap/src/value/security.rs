//! Security capabilities and keys (TS 36.413 §9.2.1.26, §9.2.1.40, §9.2.1.41).

use core::fmt;
use serde::{Deserialize, Serialize};

/// Algorithms that the UE supports (§9.2.1.40): bit 15 is EEA1 or EIA1, bit 14 EEA2 or EIA2, bit 13 EEA3 or EIA3. The null
/// algorithms have no bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UeSecurityCapabilities {
    /// Encryption algorithms.
    pub encryption: u16,
    /// Integrity protection algorithms.
    pub integrity: u16,
}

impl UeSecurityCapabilities {
    /// From the octets of the NAS UE network capability (TS 24.301 §9.9.3.34), whose first bit is the null algorithm.
    #[must_use]
    pub const fn from_nas(eea: u8, eia: u8) -> Self {
        Self { encryption: (eea as u16) << 9, integrity: (eia as u16) << 9 }
    }
}

/// NR algorithms that the UE supports, for dual connectivity (§9.2.1.148): bit 15 is NEA1 or NIA1 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NrUeSecurityCapabilities {
    /// Encryption algorithms.
    pub encryption: u16,
    /// Integrity protection algorithms.
    pub integrity: u16,
}

/// K_eNB or NH, 256 bits (§9.2.1.41). Not shown by `Debug`; a serialized one, as in a recording, is in clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityKey(pub [u8; 32]);

impl fmt::Debug for SecurityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecurityKey(…)")
    }
}

/// Security Context (§9.2.1.26): the next hop to derive K_eNB from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityContext {
    /// Next hop chaining count, 0 to 7.
    pub next_hop_chaining_count: u8,
    /// Next hop parameter.
    pub next_hop: SecurityKey,
}
