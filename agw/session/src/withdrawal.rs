//! A home network takes access points out of a subscription (TS 29.272 §5.2.2.2): their sessions end, one after the other, and with the
//! last of them the UE is detached.
//!
//! ```text
//!   UE                                        network              home network
//!    │                                           │◄── DSR, IDR ─────────│
//!    │ DEACTIVATE EPS BEARER CONTEXT REQUEST      │                      │   for one session
//!    │◄──────────────────────────────────────────│                      │
//!    │ … ACCEPT                                  │                      │
//!    │──────────────────────────────────────────►│   then for the next one
//! ```

use crate::{SessionOut, Sessions};
use agw_types::{Profile, UeId};
use basalt_sansio::Time;

impl Sessions {
    /// The access points of a UE are those of this profile from now on.
    pub fn withdraw(&mut self, now: Time, ue: UeId, profile: &Profile, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let names = held.list.iter().map(|session| &session.apn);
        let gone = names.filter(|apn| profile.apns.iter().all(|granted| granted.apn != **apn));
        held.withdrawn = gone.cloned().collect();
        self.end_withdrawn(now, ue, out);
    }

    /// Goes on with the next one, when the former has ended.
    pub(crate) fn end_withdrawn(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue).filter(|held| held.ending.is_none()) else { return };
        let next = held.list.iter().find(|session| held.withdrawn.contains(&session.apn));
        if let Some(ebi) = next.map(|session| session.ebi) {
            self.deactivate(now, ue, ebi, out);
        }
    }
}
