//! The seam behind which rules and QoS are decided.

use crate::{Ambr, ApnProfile, Profile};
use basalt_ids::Apn;

/// Decides what a session may have. `agw/policy` implements it locally; Gx comes to stand behind it.
pub trait Policy {
    /// The access point that `profile` grants when the UE asks for `requested` (`None`: it named none).
    ///
    /// # Errors
    /// The ESM cause value to refuse with (TS 24.301 §9.9.4.4).
    fn grant(&self, profile: &Profile, requested: Option<&Apn>) -> Result<ApnProfile, u8>;

    /// The UE's aggregate rate for the radio, from what is subscribed and the rates of its sessions (TS 23.401 §4.7.3).
    fn ue_ambr(&self, subscribed: Ambr, sessions: &mut dyn Iterator<Item = Ambr>) -> Ambr;
}
