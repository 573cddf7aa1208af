//! Handover Restriction List (TS 36.413 §9.2.1.22): where a connected UE may go.

use super::ForbiddenInterRats;
use basalt_ids::{Plmn, Tac};
use serde::{Deserialize, Serialize};

/// Where a connected UE may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoverRestrictionList {
    /// Network that serves the UE now.
    pub serving_plmn: Plmn,
    /// Networks equivalent to it, at most 15.
    pub equivalent_plmns: Vec<Plmn>,
    /// Tracking areas that are closed, by network; at most 16 networks.
    pub forbidden_tas: Vec<ForbiddenTas>,
    /// Location areas that are closed, by network; at most 16 networks.
    pub forbidden_las: Vec<ForbiddenLas>,
    /// Other radio access technologies that are closed.
    pub forbidden_inter_rats: Option<ForbiddenInterRats>,
    /// Extension IEs (the restriction of NR is here).
    pub extensions: Vec<super::Extension>,
}

/// Tracking areas of one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForbiddenTas {
    /// The network.
    pub plmn: Plmn,
    /// 1 to 4096 codes.
    pub tacs: Vec<Tac>,
}

/// Location areas of one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForbiddenLas {
    /// The network.
    pub plmn: Plmn,
    /// 1 to 4096 location area codes.
    pub lacs: Vec<u16>,
}
