//! Elements about EPS bearers.

use crate::codec::{Element, HalfOctet};
use basalt_ids::Ebi;
use core::fmt;
use serde::{Deserialize, Serialize};

/// EPS bearer context status (TS 24.301 §9.9.2.1): which bearers the sender holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct EpsBearerContextStatus(
    /// Bit n (1 to 15) stands for bearer n; bit 0 is spare.
    pub u16,
);

impl EpsBearerContextStatus {
    /// True when bearer `ebi` is active.
    #[must_use]
    pub const fn contains(self, ebi: Ebi) -> bool {
        self.0 >> ebi.value() & 1 == 1
    }

    /// Adds bearer `ebi`.
    pub fn insert(&mut self, ebi: Ebi) {
        self.0 |= 1 << ebi.value();
    }

    /// The active bearers, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = Ebi> {
        (1..=15u8).filter_map(|n| Ebi::new(n).ok()).filter(move |ebi| self.contains(*ebi))
    }
}

impl FromIterator<Ebi> for EpsBearerContextStatus {
    fn from_iter<T: IntoIterator<Item = Ebi>>(bearers: T) -> Self {
        let mut status = Self::default();
        for ebi in bearers {
            status.insert(ebi);
        }
        status
    }
}

impl fmt::Debug for EpsBearerContextStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Ebi::value)).finish()
    }
}

/// Linked EPS bearer identity (TS 24.301 §9.9.4.6): the default bearer of the PDN connection meant. Reserved codes (0 to 4 in
/// older releases, 0 always) are kept, so that the answer can say #43.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkedEbi(
    /// Four bits.
    pub u8,
);

impl LinkedEbi {
    /// The bearer, `None` for 0.
    #[must_use]
    pub fn ebi(self) -> Option<Ebi> {
        Ebi::new(self.0).ok()
    }
}

/// Traffic flow template or aggregate (TS 24.008 §10.5.6.12), not decoded: the octets after the length indicator. What
/// they say: [`Tft::decode`](super::Tft::decode).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrafficFlow(pub Vec<u8>);

impl Element for EpsBearerContextStatus {
    /// First octet bearers 7 to 0, second octet bearers 15 to 8.
    fn read(octets: &[u8]) -> Option<Self> {
        let &[low, high, ..] = octets else {
            return None;
        };
        Some(Self(u16::from_le_bytes([low, high])))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }
}

impl HalfOctet for LinkedEbi {
    fn from_half(bits: u8) -> Self {
        Self(bits & 0x0f)
    }

    fn half(&self) -> u8 {
        self.0 & 0x0f
    }
}

impl From<Ebi> for LinkedEbi {
    fn from(ebi: Ebi) -> Self {
        Self(ebi.value())
    }
}

impl Element for TrafficFlow {
    /// At least the octet of operation and filter count.
    fn read(octets: &[u8]) -> Option<Self> {
        (!octets.is_empty()).then(|| Self(octets.to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}
