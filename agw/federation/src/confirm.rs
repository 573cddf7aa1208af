//! Phones whose home network has to hear once more that they are here (TS 23.007 §4A: after an HSS lost its memory; and after an
//! outage, or a restart of this gateway). A few at a time, so that the home network is not flooded when it comes back.

use crate::asking::Purpose;
use crate::types::{Effect, Urgency, Wish};
use crate::{Effects, Federation, Stream, Timer};
use basalt_ids::{Imsi, Plmn};
use basalt_sansio::{Duration, Rng as _, Time};

/// Between two groups, and how many are in one: 100 a second.
const PAUSE: Duration = Duration::from_millis(100);
const GROUP: usize = 10;
/// Between two tries while nobody answers.
const REST: Duration = Duration::from_secs(10);

impl Federation {
    /// A phone was kept over a restart.
    pub(crate) fn restored(&mut self, now: Time, imsi: Imsi, serving: Plmn) {
        let known = self.known.entry(imsi).or_default();
        (known.serving, known.present) = (Some(serving), true);
        self.unconfirm(now, imsi);
    }

    /// A phone left; after long its home network hears it.
    pub(crate) fn left(&mut self, now: Time, imsi: Imsi) {
        if let Some(known) = self.known.get_mut(&imsi) {
            (known.present, known.connected) = (false, false);
            known.sessions.clear();
            self.timers.arm(Timer::Purge(imsi), now + self.config.profile_age);
        }
    }

    pub(crate) fn purge(&mut self, now: Time, imsi: Imsi, out: &mut Effects) {
        let Some(known) = self.known.remove(&imsi) else { return };
        out.push(Effect::Save(imsi, Urgency::Soon));
        if let Some(serving) = known.serving {
            self.send(now, imsi, serving, Wish::Purge, Purpose::Purge, out);
        }
    }

    pub(crate) fn unconfirm(&mut self, now: Time, imsi: Imsi) {
        if let Some(known) = self.known.get_mut(&imsi) {
            known.confirmed = false;
            if !self.unconfirmed.contains(&imsi) {
                self.unconfirmed.push_back(imsi);
            }
            if !self.timers.is_armed(&Timer::Confirm) {
                self.timers.arm(Timer::Confirm, now + REST);
            }
        }
    }

    /// Somebody can be asked again.
    pub(crate) fn confirm_soon(&mut self, now: Time) {
        if !self.unconfirmed.is_empty() {
            let jitter = Duration::from_millis(self.rng.below(1000));
            self.timers.arm(Timer::Confirm, now + jitter);
        }
    }

    pub(crate) fn confirm(&mut self, now: Time, out: &mut Effects) {
        let reachable = self.streams.contains(&Stream::Up);
        let most = if reachable { GROUP } else { 0 };
        let mut group = Vec::new();
        while group.len() < most
            && let Some(imsi) = self.unconfirmed.pop_front()
        {
            let known = self.known.get(&imsi).filter(|known| known.present && !known.confirmed);
            if let Some(serving) = known.and_then(|known| known.serving) {
                group.push((imsi, serving));
            }
        }
        if !self.unconfirmed.is_empty() {
            self.timers.arm(Timer::Confirm, now + if reachable { PAUSE } else { REST });
        }
        for (imsi, serving) in group {
            out.push(Effect::Count("location confirmed anew"));
            let wish = Wish::Locate { attach: false, imeisv: None };
            self.send(now, imsi, serving, wish, Purpose::Confirm, out);
        }
    }
}
