//! Rules that were refused are asked for again at once when the UE is connected anew; those for which there was no room also while it
//! stays connected, after a while that doubles each time.

use crate::{SessionOut, Sessions};
use agw_types::{RuleRefusal, TimerName, UeId};
use basalt_sansio::{Duration, Time};

/// Before the first attempt after a refusal.
const FIRST: Duration = Duration::from_secs(30);
/// How often the time doubles at most: up to 16 minutes.
const DOUBLINGS: u8 = 5;

impl Sessions {
    /// Rules were refused: they have another chance later, if there may be room then.
    pub(crate) fn retry_later(&mut self, ue: UeId, why: RuleRefusal, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue).filter(|held| is_for_room(why) && !held.retrying) else { return };
        held.retrying = true;
        let after = Duration::from_secs(FIRST.as_secs() << held.retries);
        held.retries = (held.retries + 1).min(DOUBLINGS);
        out.arm(ue, TimerName::RuleRetry, after);
    }

    /// It is later. Nobody is called for it: an idle UE's rules have their chance when it is connected.
    pub(crate) fn retry(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.retrying = false;
        if held.list.iter().any(|session| session.remote.is_some()) {
            held.pardon(is_for_room);
            self.pump(now, ue, out);
        }
    }
}

impl crate::UeSessions {
    /// What was refused for such reasons is wanted again.
    pub(crate) fn pardon(&mut self, which: impl Fn(RuleRefusal) -> bool) {
        self.given_up.clear();
        for active in self.list.iter_mut().flat_map(|session| &mut session.rules) {
            active.refused = active.refused.filter(|why| !which(*why));
        }
    }
}

/// There was no room: here, or at the base station.
const fn is_for_room(why: RuleRefusal) -> bool {
    matches!(why, RuleRefusal::Admission | RuleRefusal::Preempted | RuleRefusal::Radio)
}
