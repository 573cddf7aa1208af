//! Rates of live sessions that change with the subscription (TS 23.401 §5.4.2.2).
//!
//! ```text
//!   UE                                              network
//!    │                                                 │   the gateway polices the new APN-AMBR at once
//!    │ MODIFY EPS BEARER CONTEXT REQUEST (APN-AMBR)     │   for the default bearer; T3486. An idle UE hears it
//!    │◄────────────────────────────────────────────────│   when it is connected next: nobody is paged for it
//!    │ … ACCEPT                                        │
//!    │────────────────────────────────────────────────►│
//! ```
//!
//! Another class (QCI, ARP) of the default bearer goes with E-RAB MODIFY REQUEST.
//!
//! The base station is told the UE-AMBR at once where it has a context, or with the next one. The gateway polices it, too: as the limit of
//! the only session, or as one that several sessions share.

use crate::{SessionOut, Sessions, UeSessions, encode};
use agw_types::{Ambr, Profile, Session, SessionReply, UeId};
use basalt_ids::Pti;
use basalt_nas::esm::{EsmMessage, ModifyEpsBearerContextRequest};
use basalt_nas::ie::{ApnAmbr, EpsQos};
use basalt_sansio::Time;

impl Sessions {
    /// The aggregate rate of a UE, for the radio; `None` for one without sessions.
    #[must_use]
    pub fn aggregate(&self, ue: UeId) -> Option<Ambr> {
        self.ues.get(&ue).filter(|held| !held.list.is_empty()).map(UeSessions::ambr)
    }

    /// Gives live sessions the rates of a profile.
    pub fn requalify(&mut self, now: Time, ue: UeId, profile: &Profile, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let limits = held.limits();
        let (mut changed, mut paced) = (held.subscribed != profile.ambr, Vec::new());
        held.subscribed = profile.ambr;
        for session in &mut held.list {
            let Some(apn) = profile.apns.iter().find(|apn| apn.apn == session.apn) else { continue };
            let requalified = apn.qos != session.qos;
            if requalified {
                session.qos = apn.qos;
                if !held.requalified.contains(&session.ebi) {
                    held.requalified.push(session.ebi);
                }
            }
            if apn.ambr != session.ambr || requalified {
                session.ambr = apn.ambr;
                changed = true;
                paced.push(session.ebi);
                if !held.untold.contains(&session.ebi) {
                    held.untold.push(session.ebi);
                }
            }
        }
        let shared = held.limits() != limits;
        for session in held.list.iter().filter(|session| shared || paced.contains(&session.ebi)) {
            held.set_tunnel(session, out);
        }
        if changed {
            self.serve_all(ue, out);
            out.reply(SessionReply::Changed { ue });
            self.pump(now, ue, out);
            self.pump_others(now, out);
        }
    }
}

impl UeSessions {
    /// The UE-AMBR in use.
    pub(crate) fn ambr(&self) -> Ambr {
        Ambr::of_ue(self.subscribed, self.list.iter().map(|session| (&session.apn, session.ambr)))
    }

    /// What the limits of all sessions depend on, besides each one's own: the UE-AMBR, and whether they share it.
    pub(crate) fn limits(&self) -> (Ambr, bool) {
        (self.ambr(), self.list.len() > 1)
    }

    /// What a session may carry by itself, and what all of them may together where there are several.
    pub(crate) fn limits_of(&self, session: &Session) -> (Ambr, Option<Ambr>) {
        let (ue, several) = self.limits();
        session.ambr.of_session(ue, several)
    }

    /// Adds a session. The data plane hears what that changes for the others; of the new one it hears when its base station has answered.
    pub(crate) fn add(&mut self, session: Session, out: &mut SessionOut) {
        let (limits, new) = (self.limits(), session.ebi);
        self.list.push(session);
        if self.limits() != limits {
            self.list.iter().filter(|session| session.ebi != new).for_each(|session| self.set_tunnel(session, out));
        }
    }
}

/// MODIFY EPS BEARER CONTEXT REQUEST with the session's rates, and its class when that changed (TS 24.301 §6.4.3.2).
pub(crate) fn request(session: &Session, requalified: bool) -> Option<Vec<u8>> {
    // In kbit/s, rounded up, as they were told when the session began.
    let (uplink, downlink) = (session.ambr.uplink.div_ceil(1000), session.ambr.downlink.div_ceil(1000));
    let mut message = ModifyEpsBearerContextRequest::new();
    message.new_qos = requalified.then(|| EpsQos::non_gbr(session.qos.qci));
    message.apn_ambr = Some(ApnAmbr::new(downlink, uplink));
    encode(Some(session.ebi), Pti(0), EsmMessage::ModifyEpsBearerContextRequest(message))
}
