//! A subscription that changes while its sessions stand (TS 23.401 §5.4.2.2).

use crate::tunnel::set_tunnel;
use crate::{SessionOut, Sessions};
use agw_types::{Ambr, Policy, Profile, SessionReply, UeId};
use basalt_ids::Imsi;

impl Sessions {
    /// Gives live sessions their new rates: the data plane limits by them at once. The UE's new aggregate rate, for the radio; `None`
    /// when nothing changed, or there is no session.
    pub fn resubscribe(
        &mut self,
        policy: &dyn Policy,
        profile: &Profile,
        out: &mut SessionOut,
    ) -> Option<(UeId, Ambr)> {
        let imsi: Imsi = profile.imsi;
        let ue = *self.by_imsi.get(&imsi)?;
        let held = self.ues.get_mut(&ue)?;
        let before = held.ambr(policy);
        held.subscribed = profile.ambr;
        let mut changed = false;
        for session in &mut held.list {
            // An access point that is not subscribed any more keeps what it has until its session ends.
            let Ok(granted) = policy.grant(profile, Some(&session.apn)) else { continue };
            if granted.apn == session.apn && granted.ambr != session.ambr {
                session.ambr = granted.ambr;
                set_tunnel(imsi, session, out);
                changed = true;
            }
        }
        let after = held.ambr(policy);
        if changed || after != before {
            out.reply(SessionReply::Changed { ue });
        }
        (after != before).then_some((ue, after))
    }
}
