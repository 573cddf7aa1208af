//! What a home network asks (TS 29.272 §5.2.1.2, §5.2.2, §5.2.4).

use crate::subscription::Subscription;
use crate::types::{Effect, Feg, HomeRequest, Outcome, Urgency};
use crate::{Effects, Federation};
use agw_types::Cancelled;
use basalt_ids::Imsi;
use basalt_sansio::Time;

/// IDR-Flags (TS 29.272 §7.3.103).
const REACHABILITY: u32 = 1;
const STATE: u32 = 1 << 2;
const LOCATION: u32 = 1 << 3;

impl Federation {
    pub(crate) fn home(&mut self, now: Time, feg: Feg, id: u64, request: HomeRequest, out: &mut Effects) {
        let whose = match &request {
            HomeRequest::Cancel(imsi, _) | HomeRequest::Insert(imsi, ..) | HomeRequest::Delete(imsi, ..) => Some(*imsi),
            HomeRequest::Reset(..) => None,
        };
        let outcome = match request {
            HomeRequest::Cancel(imsi, how) => self.cancel(imsi, how, out),
            HomeRequest::Insert(imsi, change, flags) => {
                let outcome = self.insert(now, imsi, *change, out);
                if outcome == Outcome::Done {
                    return self.inserted(now, feg, id, (imsi, flags), out);
                }
                outcome
            }
            HomeRequest::Delete(imsi, flags, contexts) => match self.known.get_mut(&imsi) {
                Some(known) => {
                    if let Some((subscription, _)) = &mut known.subscription {
                        subscription.delete(flags, &contexts);
                    }
                    self.changed(imsi, out);
                    Outcome::Done
                }
                None => Outcome::Unknown,
            },
            HomeRequest::Reset(beginnings, hss) => {
                self.reset(now, &beginnings, &hss);
                Outcome::Done
            }
        };
        if let Some(imsi) = whose.filter(|_| outcome == Outcome::Done) {
            out.push(Effect::Save(imsi, Urgency::Soon));
        }
        out.push(Effect::Reply(feg, id, outcome));
    }

    fn insert(&mut self, now: Time, imsi: Imsi, change: Subscription, out: &mut Effects) -> Outcome {
        let Some(known) = self.known.get_mut(&imsi) else { return Outcome::Unknown };
        // Something may be asked, and nothing changed.
        if change == Subscription::default() {
            return Outcome::Done;
        }
        // A subscription that was forgotten in a restart is asked for as a whole.
        let Some((subscription, until)) = &mut known.subscription else { return Outcome::Unable };
        subscription.merge(change);
        *until = now + self.config.profile_age;
        self.changed(imsi, out);
        Outcome::Done
    }

    /// A change is done: what else the home network wants (TS 29.272 §5.2.2.1.3).
    fn inserted(&mut self, now: Time, feg: Feg, id: u64, (imsi, flags): (Imsi, u32), out: &mut Effects) {
        // What is promised is kept before it is promised.
        let urgency = if flags & REACHABILITY == 0 { Urgency::Soon } else { Urgency::First };
        out.push(Effect::Save(imsi, urgency));
        let (state, location) = (flags & STATE != 0, flags & LOCATION != 0);
        if state || location {
            out.push(Effect::Report { feg, id, imsi, state, location });
        } else {
            out.push(Effect::Reply(feg, id, Outcome::Done));
        }
        if flags & REACHABILITY != 0 {
            self.await_reachable(imsi);
            self.tell_reachable(now, imsi, out);
        }
    }

    /// A phone that registered since is not touched: mobility knows better who is here.
    fn cancel(&mut self, imsi: Imsi, how: Cancelled, out: &mut Effects) -> Outcome {
        let Some(known) = self.known.remove(&imsi) else { return Outcome::Unknown };
        self.timers.cancel(&crate::Timer::Purge(imsi));
        if known.present {
            out.push(Effect::Cancelled(imsi, how));
        }
        Outcome::Done
    }

    /// Live sessions follow the subscription; one that does not allow them ends them.
    fn changed(&mut self, imsi: Imsi, out: &mut Effects) {
        let Some(known) = self.known.get(&imsi).filter(|known| known.present) else { return };
        let Some((subscription, _)) = &known.subscription else { return };
        match subscription.profile(imsi, &self.config.zones.at(known.area), &self.config.apns) {
            Ok(profile) => out.push(Effect::Changed(Box::new(profile))),
            Err(_) => out.push(Effect::Cancelled(imsi, Cancelled::Withdrawn)),
        }
    }

    /// An HSS lost its memory of some, or of all that it has.
    fn reset(&mut self, now: Time, beginnings: &[String], hss: &str) {
        let concerns = |imsi: &Imsi| {
            let digits = imsi.to_string();
            beginnings.is_empty() || beginnings.iter().any(|beginning| digits.starts_with(beginning.as_str()))
        };
        let of = |host: &str| host.is_empty() || host.eq_ignore_ascii_case(hss);
        let lost = self.known.iter().filter(|(imsi, known)| known.present && of(&known.hss) && concerns(imsi));
        let lost: Vec<Imsi> = lost.map(|(imsi, _)| *imsi).collect();
        for imsi in lost {
            self.forget_told(imsi);
            self.unconfirm(now, imsi);
        }
        self.confirm_soon(now);
    }
}
