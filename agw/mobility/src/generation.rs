//! What differs between generations in the procedures they share: identify, authenticate, secure.

use agw_types::Question;
use basalt_ids::{Imsi, Plmn};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{AuthenticationReject, AuthenticationRequest, IdentityRequest, SecurityModeCommand};
use basalt_nas::ie::{
    Autn, IdentityType, ImeisvRequest, KeySetIdentifier, MsNetworkCapability, Rand, SelectedNasAlgorithms,
    UeAdditionalSecurityCapability, UeNetworkCapability, UeSecurityCapability,
};
use basalt_security::{AlgorithmOrder, Algorithms, NoCommonAlgorithm};
use core::fmt::Debug;

/// A generation of mobile systems, as far as the common procedures see it: the octets of their messages and what a UE says of
/// its algorithms. The procedures themselves, their timers and their failures are the same (TS 24.301 §5.4, TS 24.501 §5.4).
pub trait Generation: Clone + Debug + PartialEq {
    /// What a UE says of its algorithms.
    type Capability: Clone + Debug + PartialEq;

    /// Asks who the UE is, permanently.
    fn identity_request() -> Vec<u8>;

    /// Challenges the UE; the keys that come of it get the identifier `ksi`.
    fn authentication_request(ksi: u8, rand: [u8; 16], autn: [u8; 16]) -> Vec<u8>;

    /// Tells the UE that it failed.
    fn authentication_reject() -> Vec<u8>;

    /// The operator's most wanted algorithms that the UE has.
    ///
    /// # Errors
    /// When there are none.
    fn select(order: &AlgorithmOrder, capability: &Self::Capability) -> Result<Algorithms, NoCommonAlgorithm>;

    /// Takes keys into use, with the capability as it was received.
    fn security_mode_command(ksi: u8, algorithms: Algorithms, capability: &Self::Capability, imeisv: bool) -> Vec<u8>;

    /// Asks the subscriber side for a vector.
    fn question(imsi: Imsi, serving: Plmn, resync: Option<agw_types::Resync>) -> Question;
}

/// The evolved packet system (4G).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eps;

/// Capabilities of an EPS UE, octets kept as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpsCapability {
    /// UE network capability: replayed in security mode, told to base stations.
    pub network: UeNetworkCapability,
    /// MS network capability, if the UE sent it: its GEA bits are replayed too.
    pub ms: Option<MsNetworkCapability>,
    /// UE additional security capability, if the UE sent it: replayed.
    pub additional: Option<UeAdditionalSecurityCapability>,
}

impl EpsCapability {
    /// Ciphering and integrity algorithms in the form of S1AP: bit 15 is algorithm 1 (TS 36.413 §9.2.1.40).
    #[must_use]
    pub const fn for_radio(&self) -> (u16, u16) {
        ((self.network.eea() as u16) << 9, (self.network.eia() as u16) << 9)
    }
}

impl Generation for Eps {
    type Capability = EpsCapability;

    fn identity_request() -> Vec<u8> {
        octets(EmmMessage::IdentityRequest(IdentityRequest::new(IdentityType::Imsi)))
    }

    fn authentication_request(ksi: u8, rand: [u8; 16], autn: [u8; 16]) -> Vec<u8> {
        let request = AuthenticationRequest::new(KeySetIdentifier::native(ksi), Rand(rand), Autn(autn));
        octets(EmmMessage::AuthenticationRequest(request))
    }

    fn authentication_reject() -> Vec<u8> {
        octets(EmmMessage::AuthenticationReject(AuthenticationReject::new()))
    }

    fn select(order: &AlgorithmOrder, capability: &EpsCapability) -> Result<Algorithms, NoCommonAlgorithm> {
        order.select(capability.network.eea(), capability.network.eia())
    }

    fn security_mode_command(ksi: u8, algorithms: Algorithms, capability: &EpsCapability, imeisv: bool) -> Vec<u8> {
        let selected = SelectedNasAlgorithms {
            ciphering: algorithms.ciphering.number(),
            integrity: algorithms.integrity.number(),
        };
        let replayed = UeSecurityCapability::replay_of(&capability.network, capability.ms.as_ref());
        let mut command = SecurityModeCommand::new(selected, KeySetIdentifier::native(ksi), replayed);
        command.imeisv_request = imeisv.then_some(ImeisvRequest(true));
        command.replayed_additional_capability = capability.additional;
        octets(EmmMessage::SecurityModeCommand(command))
    }

    fn question(imsi: Imsi, serving: Plmn, resync: Option<agw_types::Resync>) -> Question {
        Question::Authenticate { imsi, serving, resync }
    }
}

/// The octets of one of our own messages. None of those made here can be too long for its length indicators; if one were, the
/// UE would get nothing and its timers go on.
pub(crate) fn octets(message: EmmMessage) -> Vec<u8> {
    message.encode().unwrap_or_default()
}
