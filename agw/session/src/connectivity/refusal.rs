//! Why a connection is refused, and what phone and operator are told of it.

use crate::pool::NoAddress;
use crate::{SessionOut, Sessions, encode};
use agw_types::{Event, Outcome, Procedure, Profile, RejectInfo, SessionReply, UeId};
use basalt_ids::Pti;
use basalt_nas::esm::{EsmMessage, PdnConnectivityReject, PdnConnectivityRequest};
use basalt_nas::ie::{EsmCause, GprsTimer3, RequestType};

/// Why a connection is refused.
pub(super) struct Refused {
    pub(super) cause: EsmCause,
    pub(super) reason: &'static str,
    pub(super) advice: &'static str,
}

impl Sessions {
    /// PDN CONNECTIVITY REJECT, within ATTACH REJECT or by itself.
    pub(super) fn refuse(
        &mut self,
        ue: UeId,
        attach: bool,
        pti: Pti,
        profile: &Profile,
        refused: &Refused,
        out: &mut SessionOut,
    ) {
        let cause = refused.cause.code();
        out.ended(Procedure::PdnConnectivity, Outcome::EsmCause(cause));
        let mut message = PdnConnectivityReject::new(refused.cause);
        if matches!(refused.cause, EsmCause::InsufficientResources | EsmCause::MissingOrUnknownApn) {
            message.back_off = Some(GprsTimer3::at_least(self.config.timers.backoff));
        }
        let message = EsmMessage::PdnConnectivityReject(message);
        if !attach {
            out.tell(Event::Rejected(RejectInfo {
                imsi: Some(profile.imsi),
                procedure: "PDN connectivity".to_owned(),
                emm_cause: None,
                esm_cause: Some(cause),
                reason: refused.reason.to_owned(),
                advice: refused.advice.to_owned(),
                unix_secs: 0,
            }));
            out.send(ue, None, pti, message);
            return;
        }
        self.ues.remove(&ue);
        if self.by_imsi.get(&profile.imsi) == Some(&ue) {
            self.by_imsi.remove(&profile.imsi);
        }
        let reason = format!("{}: {}", refused.reason, refused.advice);
        let esm = encode(None, pti, message).unwrap_or_default();
        out.reply(SessionReply::AttachRejected { ue, esm, cause, reason });
    }
}

pub(super) const UNKNOWN_APN: Refused = Refused {
    cause: EsmCause::MissingOrUnknownApn,
    reason: "the phone asks for an access point that does not exist here",
    advice: "correct the access point name in the phone's settings, or add it to the gateway's configuration",
};

pub(super) fn wrong_type(cause: EsmCause) -> Refused {
    Refused {
        cause,
        reason: "the phone asks for a kind of session that the access point or the subscriber does not have",
        advice: "set the access point to another type (IPv4, IPv6, IPv4v6) on the phone, or give it a pool of that type",
    }
}

impl From<NoAddress> for Refused {
    fn from(why: NoAddress) -> Self {
        let (reason, advice) = match why {
            NoAddress::Exhausted => (
                "no address is left in the access point's pools",
                "add a pool to it; those given back rest for the quarantine first",
            ),
            NoAddress::StaticInUse => (
                "the subscriber's static address is in use by another session",
                "give this subscriber another address, or detach the phone that holds it",
            ),
            NoAddress::StaticOutside => (
                "the subscriber's static address lies in no pool of the access point",
                "correct the address, or add a pool that contains it",
            ),
        };
        Refused { cause: EsmCause::InsufficientResources, reason, advice }
    }
}

/// What can be said against a request before anything is looked up.
pub(super) fn unacceptable(pti: Pti, request: &PdnConnectivityRequest) -> Option<Refused> {
    let (cause, reason, advice) = if pti.0 == 0 || pti.0 == 255 {
        (EsmCause::InvalidPtiValue, "the request has no transaction identity", "the phone is faulty")
    } else if matches!(request.request_type, RequestType::Emergency | RequestType::HandoverOfEmergency) {
        (
            EsmCause::ServiceOptionNotSupported,
            "emergency sessions are not offered by this gateway",
            "none; the phone looks for another network",
        )
    } else {
        return None;
    };
    Some(Refused { cause, reason, advice })
}
