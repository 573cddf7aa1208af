//! The seam behind which rules and QoS are decided.

use crate::{Ambr, ApnProfile, PolicyRule, Profile, RuleQos, SdfFilter};
use basalt_ids::{Apn, Imsi};

/// Decides what a session may have. `agw/policy` implements it locally; Gx comes to stand behind it.
pub trait Policy {
    /// The access point that `profile` grants when the UE asks for `requested` (`None`: it named none).
    ///
    /// # Errors
    /// The ESM cause value to refuse with (TS 24.301 §9.9.4.4).
    fn grant(&self, profile: &Profile, requested: Option<&Apn>) -> Result<ApnProfile, u8>;

    /// The rules that a subscriber's session has from the beginning, in order, each name once.
    fn rules(&self, imsi: Imsi, apn: &Apn) -> Vec<PolicyRule>;

    /// The rule that comes of a UE's request for resources.
    ///
    /// # Errors
    /// The ESM cause value to refuse with (TS 24.301 §6.5.3.4).
    fn resource(&self, imsi: Imsi, apn: &Apn, request: ResourceRequest) -> Result<PolicyRule, u8>;
}

/// What a UE asks for (TS 24.301 §6.5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRequest {
    /// Name for the rule.
    pub name: String,
    /// Precedence of the first flow.
    pub precedence: u8,
    /// Flows.
    pub filters: Vec<SdfFilter>,
    /// QoS.
    pub qos: RuleQos,
    /// Maximum rates, bit/s.
    pub mbr: Ambr,
}
