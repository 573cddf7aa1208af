//! Cells of managed base stations.

use crate::Checker;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Settings of the cells of managed base stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RanNetwork {
    /// 1.4 (as 1), 3, 5, 10, 15 or 20 MHz.
    pub bandwidth_mhz: u8,
    /// Downlink EARFCN (TS 36.101 §5.7.3), 0 to 262,143.
    #[schema(maximum = 262_143)]
    pub earfcndl: u32,
    /// Uplink EARFCN of a paired band; absent for TDD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 262_143)]
    pub earfcnul: Option<u32>,
    /// The TDD frame; absent for FDD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tdd: Option<TddConfig>,
}

impl RanNetwork {
    pub(super) fn check(&self, c: &mut Checker) {
        if ![1, 3, 5, 10, 15, 20].contains(&self.bandwidth_mhz) {
            let what = format!("{} MHz is no LTE bandwidth", self.bandwidth_mhz);
            c.wrong_at("bandwidth_mhz", what, "1 (for 1.4), 3, 5, 10, 15 or 20");
        }
        c.range("earfcndl", self.earfcndl, 0..=262_143);
        c.range_if("earfcnul", self.earfcnul, 0..=262_143);
        if let Some(tdd) = self.tdd {
            c.at("tdd", |c| {
                c.range("subframe_assignment", tdd.subframe_assignment, 0..=6);
                c.range("special_subframe_pattern", tdd.special_subframe_pattern, 0..=9);
            });
        }
        if self.tdd.is_some() == self.earfcnul.is_some() {
            c.wrong("is neither FDD nor TDD", "`earfcnul` for FDD, `tdd` for TDD, not both");
        }
    }
}

/// A TDD frame (TS 36.211 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TddConfig {
    /// Uplink-downlink configuration, 0 to 6.
    pub subframe_assignment: u8,
    /// Special subframe configuration, 0 to 9.
    pub special_subframe_pattern: u8,
}
