//! What comes of an answer, or of none.

use crate::asking::{Asked, Purpose, REMEMBERED};
use crate::known::Known;
use crate::subscription::Subscription;
use crate::types::{Effect, EquipmentStatus, Feg, FegAnswer, Urgency, Wish};
use crate::{Effects, Federation};
use agw_types::{Answer, AuthFailure, Cancelled, Unavailable};
use basalt_ids::{Imsi, Tac};
use basalt_sansio::Time;

/// EMM causes (TS 24.301 §9.9.3.9).
const ILLEGAL_ME: u8 = 6;
const NETWORK_FAILURE: u8 = 17;
/// Causes that a home network may have its phones told; any other becomes #17.
const CAUSES: [u8; 12] = [3, 6, 7, 8, 11, 12, 13, 14, 15, 17, 22, 42];

const UNREACHABLE: AuthFailure = AuthFailure::Unavailable(Unavailable::Unreachable);

impl Federation {
    /// A federation gateway answers.
    pub(crate) fn answered(&mut self, now: Time, feg: Feg, id: u64, answer: FegAnswer, out: &mut Effects) {
        if let Some(asked) = self.take_asked(now, feg, id, &answer, out) {
            self.settle(now, asked, answer, out);
        }
    }

    /// Acts on an answer; [`FegAnswer::Unavailable`] stands for none.
    pub(crate) fn settle(&mut self, now: Time, asked: Asked, answer: FegAnswer, out: &mut Effects) {
        if let FegAnswer::Refused(cause, reason) = &answer {
            out.push(Effect::Tell(asked.imsi, format!("cause #{cause}: {reason}")));
        }
        let imsi = asked.imsi;
        match asked.purpose.clone() {
            Purpose::Vector(ticket) => {
                let answer = self.vectors(now, &asked, answer);
                out.push(Effect::Answer(ticket, answer));
            }
            Purpose::More => drop(self.vectors_kept(now, &asked, answer)),
            Purpose::Check(ticket, area, imeisv) => {
                if self.may_be_served(&answer) {
                    let wish = Wish::Locate { attach: true, imeisv };
                    self.send(now, asked.imsi, asked.serving, wish, Purpose::Profile(ticket, area), out);
                } else {
                    out.push(Effect::Count("equipment refused"));
                    out.push(Effect::Answer(ticket, Answer::NoProfile(AuthFailure::Refused(ILLEGAL_ME))));
                }
            }
            Purpose::Profile(ticket, area) => {
                let answer = self.located(now, &asked, area, answer, out);
                out.push(Effect::Answer(ticket, answer));
            }
            Purpose::Confirm => self.confirmed(now, &asked, answer, out),
            Purpose::Purge => {}
            // Told when the phone shows itself again.
            Purpose::Notify if answer == FegAnswer::Unavailable => self.await_reachable(imsi),
            Purpose::Notify => {}
            Purpose::Gateway(ebi) => self.gateway_told(now, imsi, ebi, &answer),
        }
        out.push(Effect::Save(imsi, Urgency::Soon));
    }

    fn vectors(&mut self, now: Time, asked: &Asked, answer: FegAnswer) -> Answer {
        let failure = self.vectors_kept(now, asked, answer);
        let vector = self.known.get_mut(&asked.imsi).and_then(|known| known.take(asked.serving, now));
        match (failure, vector) {
            (None, Some(vector)) => Answer::Vector(Box::new(vector)),
            // A home network that gives what it gave before gives nothing.
            (None, None) => Answer::NoVector(AuthFailure::Refused(NETWORK_FAILURE)),
            (Some(failure), _) => Answer::NoVector(failure),
        }
    }

    /// Keeps vectors for use; otherwise why there are none.
    fn vectors_kept(&mut self, now: Time, asked: &Asked, answer: FegAnswer) -> Option<AuthFailure> {
        match answer {
            FegAnswer::Vectors(list) => {
                let room = self.known.len() < REMEMBERED || self.known.contains_key(&asked.imsi);
                if !room {
                    return Some(AuthFailure::Unavailable(Unavailable::Overload));
                }
                let until = now + self.config.vector_age;
                self.known.entry(asked.imsi).or_default().keep(asked.serving, until, list);
                None
            }
            FegAnswer::Refused(cause, _) => Some(refused(cause)),
            _ => Some(UNREACHABLE),
        }
    }

    fn may_be_served(&self, answer: &FegAnswer) -> bool {
        let equipment = &self.config.equipment;
        match answer {
            FegAnswer::Equipment(EquipmentStatus::Permitted) => true,
            FegAnswer::Equipment(EquipmentStatus::Tracked) => !equipment.refuse_tracked,
            FegAnswer::Equipment(EquipmentStatus::Prohibited) => false,
            FegAnswer::Refused(..) => !equipment.refuse_unknown,
            _ => !equipment.refuse_unchecked,
        }
    }

    /// The phone is located, or the profile that is remembered stands for the answer.
    fn located(&mut self, now: Time, asked: &Asked, area: Tac, answer: FegAnswer, out: &mut Effects) -> Answer {
        let Asked { imsi, serving, .. } = *asked;
        match answer {
            FegAnswer::Located(subscription, hss) => {
                let judged = self.judged(imsi, &subscription, Some(area));
                if let Some(known) = self.remember(now, imsi, *subscription) {
                    (known.serving, known.area, known.hss) = (Some(serving), Some(area), hss);
                    (known.confirmed, known.present) = (true, matches!(judged, Answer::Profile(..)));
                }
                judged
            }
            FegAnswer::Refused(cause, _) => {
                self.known.remove(&imsi);
                Answer::NoProfile(refused(cause))
            }
            _ => {
                let known = self.known.get(&imsi).and_then(|known| known.subscription.as_ref());
                let fresh = known.filter(|(_, until)| now <= *until);
                let Some((subscription, _)) = fresh else { return Answer::NoProfile(UNREACHABLE) };
                let judged = self.judged(imsi, subscription, Some(area));
                out.push(Effect::Count("profile remembered"));
                if let Some(known) = self.known.get_mut(&imsi) {
                    (known.serving, known.area) = (Some(serving), Some(area));
                    known.present = matches!(judged, Answer::Profile(..));
                }
                self.unconfirm(now, imsi);
                judged
            }
        }
    }

    fn remember(&mut self, now: Time, imsi: Imsi, subscription: Subscription) -> Option<&mut Known> {
        if self.known.len() >= REMEMBERED && !self.known.contains_key(&imsi) {
            return None;
        }
        let until = now + self.config.profile_age;
        let known = self.known.entry(imsi).or_default();
        known.subscription = Some((subscription, until));
        Some(known)
    }

    /// A home network heard once more that a phone is here.
    fn confirmed(&mut self, now: Time, asked: &Asked, answer: FegAnswer, out: &mut Effects) {
        match answer {
            FegAnswer::Located(subscription, hss) => {
                let imsi = asked.imsi;
                let area = self.known.get(&imsi).and_then(|known| known.area);
                match subscription.profile(imsi, &self.config.zones.at(area), &self.config.apns) {
                    Ok(profile) => out.push(Effect::Changed(Box::new(profile))),
                    Err(_) => out.push(Effect::Cancelled(imsi, Cancelled::Withdrawn)),
                }
                if let Some(known) = self.remember(now, imsi, *subscription) {
                    known.confirmed = true;
                    known.hss = hss;
                }
                self.tell_gateway(now, imsi, out);
            }
            FegAnswer::Refused(..) => {
                self.known.remove(&asked.imsi);
                out.push(Effect::Cancelled(asked.imsi, Cancelled::Withdrawn));
            }
            _ => self.unconfirm(now, asked.imsi),
        }
    }
}

/// What a home network's cause becomes.
fn refused(cause: u8) -> AuthFailure {
    AuthFailure::Refused(if CAUSES.contains(&cause) { cause } else { NETWORK_FAILURE })
}
