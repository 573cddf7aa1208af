//! Refusals: which cause a UE is told, and what an operator can do about it.

use agw_types::{AuthFailure, RejectInfo, Unavailable};
use basalt_ids::Imsi;
use basalt_nas::ie::EmmCause;
use std::collections::{BTreeMap, VecDeque};

/// How many refusals of UEs are remembered.
const REMEMBERED: usize = 4096;

/// The cause for a subscriber that cannot be served; `home` when the IMSI is of a network served here.
///
/// The phone must stop trying without being harmed: a cause that makes its SIM invalid until it is switched off (#3, #6, #7, #8,
/// TS 24.301 §5.5.1.2.5) is for those who have proven to be ours, not for a phone that came near a small network or whose
/// subscription was entered a minute too late.
///
/// - A phone of another network gets #11: it puts this network on its list of forbidden ones, goes where it belongs, and
///   does not come back by itself.
/// - A phone of this network gets #15: it leaves this tracking area alone until it is switched off, its flight mode is
///   toggled, or the list expires (12 to 24 h), and looks for another network meanwhile; a home network never gets onto its
///   own forbidden list.
/// - When our side cannot answer, #17 (retry after T3411, then T3402) or #22 (retry after T3346).
#[must_use]
pub const fn cause_for(failure: AuthFailure, home: bool) -> EmmCause {
    match failure {
        AuthFailure::Unknown | AuthFailure::Suspended if home => EmmCause::NoSuitableCellsInTrackingArea,
        AuthFailure::Unknown | AuthFailure::Suspended | AuthFailure::RoamingNotAllowed => EmmCause::PlmnNotAllowed,
        AuthFailure::ResyncRefused => EmmCause::IllegalUe,
        // What the home network says of its own is said to it.
        AuthFailure::Refused(cause) => EmmCause::from_code(cause),
        AuthFailure::Unavailable(Unavailable::Overload | Unavailable::Unreachable) => EmmCause::Congestion,
        AuthFailure::Unavailable(Unavailable::Timeout | Unavailable::KeyUnreadable) => EmmCause::NetworkFailure,
    }
}

/// A failure in words.
#[must_use]
pub const fn words_for(failure: AuthFailure) -> &'static str {
    match failure {
        AuthFailure::Unknown => "the IMSI is in no subscriber list",
        AuthFailure::Suspended => "the subscriber is suspended",
        AuthFailure::RoamingNotAllowed => "the subscriber may not use this network",
        AuthFailure::ResyncRefused => "the SIM's re-synchronisation token is wrong: its K or OPc is not the stored one",
        AuthFailure::Refused(_) => "the home network refuses the subscriber",
        AuthFailure::Unavailable(Unavailable::Unreachable) => "the home network cannot be reached",
        AuthFailure::Unavailable(Unavailable::Timeout) => "the subscriber side did not answer in time",
        AuthFailure::Unavailable(Unavailable::Overload) => "the subscriber side has too much to do",
        AuthFailure::Unavailable(Unavailable::KeyUnreadable) => "the sealed key of the subscriber cannot be opened",
    }
}

/// What an operator can do about a refusal, where the session room gave a cause, too.
#[must_use]
pub(crate) const fn advice_for(cause: EmmCause, esm_cause: Option<u8>) -> &'static str {
    /// "Insufficient resources" (TS 24.301 annex B.1).
    const INSUFFICIENT_RESOURCES: u8 = 26;
    match (cause, esm_cause) {
        (EmmCause::EsmFailure, Some(INSUFFICIENT_RESOURCES)) => {
            "the gateway has no room for another session: do what the reason says; nothing is wrong with the phone"
        }
        _ => advice(cause),
    }
}

/// What an operator can do about a refusal. The one place where a cause becomes advice.
#[must_use]
pub const fn advice(cause: EmmCause) -> &'static str {
    match cause {
        EmmCause::ImsiUnknownInHss | EmmCause::NoSuitableCellsInTrackingArea => {
            "if this phone is yours: add or resume its subscriber, check that its area is configured, then toggle the phone's flight mode"
        }
        EmmCause::IllegalUe | EmmCause::MacFailure => {
            "K, OPc or the algorithm (Milenage, TUAK) of the subscriber do not match its SIM; correct them, then restart the phone"
        }
        EmmCause::ImeiNotAccepted => "emergency calls without a SIM are not offered here; nothing to do",
        EmmCause::IllegalMe => "the equipment is barred; look up its IMEI",
        EmmCause::EpsServicesNotAllowed | EmmCause::EpsAndNonEpsServicesNotAllowed => {
            "the subscription does not allow LTE; change it, then restart the phone"
        }
        EmmCause::UeIdentityCannotBeDerived | EmmCause::ImplicitlyDetached => {
            "nothing to do: the phone attaches again by itself"
        }
        EmmCause::PlmnNotAllowed => {
            "a phone of another network; to let it in, add its subscriber here, then select this network by hand on the phone"
        }
        EmmCause::TrackingAreaNotAllowed | EmmCause::RoamingNotAllowedInTrackingArea => {
            "the cell's tracking area is not served: add it to the areas of the gateway or correct it at the base station"
        }
        EmmCause::NetworkFailure | EmmCause::SevereNetworkFailure => {
            "the gateway could not finish: see its log and `basalt doctor`; the phone tries again by itself"
        }
        EmmCause::EsmFailure => {
            "the access point was refused: compare the phone's APN with the subscriber's and the gateway's; see the ESM cause"
        }
        EmmCause::SynchFailure => {
            "the SIM's sequence number cannot be brought into step: check that K, OPc and algorithm match"
        }
        EmmCause::Congestion => "too much at once; the phone tries again after its back-off time",
        EmmCause::UeSecurityCapabilitiesMismatch => {
            "the phone has no algorithm that the gateway accepts, or its capabilities were changed on the air: compare the algorithm lists"
        }
        EmmCause::SecurityModeRejected => "the phone refused the security mode; look at its own log",
        EmmCause::NonEpsAuthenticationUnacceptable => {
            "the AMF separation bit is not set in the vectors: set AMF 8000 for the subscriber"
        }
        EmmCause::CsDomainNotAvailable | EmmCause::CsServiceTemporarilyNotAvailable => {
            "circuit switched calls are not offered here; use VoLTE or another app for calls"
        }
        EmmCause::NoEpsBearerContextActivated => "nothing to do: the phone attaches again by itself",
        EmmCause::InvalidMandatoryInformation
        | EmmCause::SemanticallyIncorrectMessage
        | EmmCause::MessageTypeNonExistent
        | EmmCause::MessageTypeNotCompatibleWithState
        | EmmCause::InformationElementNonExistent
        | EmmCause::ConditionalIeError
        | EmmCause::MessageNotCompatibleWithState
        | EmmCause::ProtocolErrorUnspecified => {
            "the phone sent a message that breaks the protocol; keep a capture of it and report it to the phone's maker"
        }
        _ => "look the cause up in TS 24.301 annex A",
    }
}

/// The last refusals, by IMSI: also of those that were never let in. Bounded; the oldest goes first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejections {
    by_imsi: BTreeMap<Imsi, RejectInfo>,
    order: VecDeque<Imsi>,
}

impl Rejections {
    pub(crate) fn note(&mut self, info: RejectInfo) {
        let Some(imsi) = info.imsi else { return };
        if self.by_imsi.insert(imsi, info).is_none() {
            self.order.push_back(imsi);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_imsi.remove(&oldest);
            }
        }
    }

    pub(crate) fn of(&self, imsi: Imsi) -> Option<&RejectInfo> {
        self.by_imsi.get(&imsi)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &RejectInfo> {
        self.by_imsi.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(number: u64) -> RejectInfo {
        RejectInfo {
            imsi: Imsi::new(number, 15).ok(),
            procedure: "attach".into(),
            emm_cause: Some(15),
            esm_cause: None,
            reason: String::new(),
            advice: String::new(),
            unix_secs: number,
        }
    }

    #[test]
    fn refusals_are_kept_up_to_a_bound_and_the_newest_of_a_phone_counts() {
        let mut rejections = Rejections::default();
        for number in 0..5000 {
            rejections.note(refusal(number));
        }
        assert_eq!(rejections.by_imsi.len(), REMEMBERED);
        assert!(rejections.of(Imsi::new(0, 15).unwrap()).is_none());
        let last = Imsi::new(4999, 15).unwrap();
        rejections.note(RejectInfo { unix_secs: 7, ..refusal(4999) });
        assert_eq!(rejections.of(last).unwrap().unix_secs, 7);
        assert_eq!((rejections.by_imsi.len(), rejections.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn nobody_unproven_loses_a_sim_to_us() {
        let harmful = [3, 6, 7, 8];
        for failure in [AuthFailure::Unknown, AuthFailure::Suspended, AuthFailure::RoamingNotAllowed] {
            for home in [true, false] {
                assert!(!harmful.contains(&cause_for(failure, home).code()), "{failure:?}");
            }
        }
        assert_eq!(cause_for(AuthFailure::Unknown, false), EmmCause::PlmnNotAllowed);
    }

    #[test]
    fn every_cause_that_is_sent_has_advice_of_its_own() {
        assert_ne!(advice_for(EmmCause::EsmFailure, Some(26)), advice(EmmCause::EsmFailure));
        assert_eq!(advice_for(EmmCause::EsmFailure, Some(27)), advice(EmmCause::EsmFailure));
        let general = advice(EmmCause::Other(200));
        for code in [3, 5, 9, 10, 11, 12, 15, 17, 18, 19, 22, 23, 24, 26, 40, 96, 97, 98, 111] {
            assert_ne!(advice(EmmCause::from_code(code)), general, "cause {code}");
        }
    }
}
