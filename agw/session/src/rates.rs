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
//! The base station is told the UE-AMBR at once where it has a context, or with the next one.

use crate::tunnel::set_tunnel;
use crate::{SessionOut, Sessions, encode};
use agw_types::{Ambr, Policy, Profile, Session, SessionReply, UeId};
use basalt_ids::Pti;
use basalt_nas::esm::{EsmMessage, ModifyEpsBearerContextRequest};
use basalt_nas::ie::{ApnAmbr, EpsQos};
use basalt_sansio::Time;

impl Sessions {
    /// The aggregate rate of a UE, for the radio; `None` for one without sessions.
    #[must_use]
    pub fn aggregate(&self, policy: &dyn Policy, ue: UeId) -> Option<Ambr> {
        self.ues.get(&ue).filter(|held| !held.list.is_empty()).map(|held| held.ambr(policy))
    }

    /// Gives live sessions the rates of a profile.
    pub fn requalify(&mut self, now: Time, ue: UeId, profile: &Profile, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let imsi = held.imsi;
        let mut changed = held.subscribed != profile.ambr;
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
                set_tunnel(imsi, session, out);
                if !held.untold.contains(&session.ebi) {
                    held.untold.push(session.ebi);
                }
            }
        }
        if changed {
            self.serve_all(ue, out);
            out.reply(SessionReply::Changed { ue });
            self.pump(now, ue, out);
            self.pump_others(now, out);
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
