//! Questions on their way to a home network.

use crate::subscription::Subscription;
use crate::types::{Effect, Feg, FegAnswer, Urgency, Wish};
use crate::{Effects, Federation, Stream, Timer};
use agw_types::{Answer, AuthFailure, Question, Ticket, Unavailable};
use basalt_ids::{Ebi, Imeisv, Imsi, Plmn, Tac};
use basalt_sansio::{Duration, Time};

/// Phones that something is remembered of at most.
pub(crate) const REMEMBERED: usize = 200_000;

/// How long a gateway without any stream lets questions wait for one.
const GRACE: Duration = Duration::from_secs(5);

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Mobility waits for a vector.
    Vector(Ticket),
    /// More vectors, for later.
    More,
    /// Mobility waits for the profile; the phone's equipment is checked first.
    Check(Ticket, Tac, Option<Imeisv>),
    /// Mobility waits for the profile of a phone in an area.
    Profile(Ticket, Tac),
    /// Nobody waits: the home network hears that the phone is here.
    Confirm,
    /// Nobody waits: it hears that the phone is not.
    Purge,
    /// Nobody waits: it hears that the phone can be reached.
    Notify,
    /// Nobody waits: it hears which PDN gateway has a session.
    Gateway(Ebi),
}

impl Purpose {
    pub(crate) const fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Vector(ticket) | Self::Check(ticket, ..) | Self::Profile(ticket, _) => Some(*ticket),
            Self::More | Self::Confirm | Self::Purge | Self::Notify | Self::Gateway(_) => None,
        }
    }
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) imsi: Imsi,
    pub(crate) serving: Plmn,
    pub(crate) purpose: Purpose,
    wish: Wish,
    deadline: Time,
    /// Who has it.
    at: Option<Feg>,
    tried: Vec<Feg>,
}

impl Federation {
    /// Mobility asks.
    pub(crate) fn ask(&mut self, now: Time, ticket: Ticket, question: Question, out: &mut Effects) {
        let imsi = question.imsi();
        match question {
            Question::Authenticate { serving, resync, .. } => {
                let known = self.known.get_mut(&imsi);
                if resync.is_some() {
                    known.into_iter().for_each(crate::known::Known::discard);
                } else if let Some(known) = known
                    && let Some(vector) = known.take(serving, now)
                {
                    let more = known.at_hand() == 0;
                    out.push(Effect::Save(imsi, Urgency::First));
                    out.push(Effect::Count("vector at hand"));
                    out.push(Effect::Answer(ticket, Answer::Vector(Box::new(vector))));
                    if more {
                        let wish = Wish::Vectors { count: self.config.vectors, immediate: false, resync: None };
                        self.send(now, imsi, serving, wish, Purpose::More, out);
                    }
                    return;
                }
                let wish = Wish::Vectors { count: self.config.vectors, immediate: true, resync };
                self.send(now, imsi, serving, wish, Purpose::Vector(ticket), out);
            }
            Question::Profile { serving, area, attach: false, .. } => {
                let known = self.known.get(&imsi).and_then(|known| known.subscription.as_ref());
                match known.map(|(subscription, _)| self.judged(imsi, subscription, Some(area))) {
                    Some(answer) => out.push(Effect::Answer(ticket, answer)),
                    None => {
                        let wish = Wish::Locate { attach: false, imeisv: None };
                        self.send(now, imsi, serving, wish, Purpose::Profile(ticket, area), out);
                    }
                }
            }
            Question::Profile { serving, area, imeisv, .. } => {
                self.locate(now, (ticket, area), imsi, serving, imeisv, out)
            }
        }
    }

    fn locate(
        &mut self,
        now: Time,
        (ticket, area): (Ticket, Tac),
        imsi: Imsi,
        serving: Plmn,
        imeisv: Option<Imeisv>,
        out: &mut Effects,
    ) {
        self.timers.cancel(&Timer::Purge(imsi));
        match imeisv.filter(|_| self.config.equipment.check) {
            Some(equipment) => {
                self.send(now, imsi, serving, Wish::Check(equipment), Purpose::Check(ticket, area, imeisv), out);
            }
            None => {
                let wish = Wish::Locate { attach: true, imeisv };
                self.send(now, imsi, serving, wish, Purpose::Profile(ticket, area), out);
            }
        }
    }

    /// What a subscription comes to in a tracking area: the profile and the areas in which the phone is not served, or a refusal.
    pub(crate) fn judged(&self, imsi: Imsi, subscription: &Subscription, area: Option<Tac>) -> Answer {
        match subscription.profile(imsi, &self.config.zones.at(area), &self.config.apns) {
            Ok(profile) => Answer::Profile(Box::new(profile), self.config.zones.barred(&subscription.zone_codes)),
            Err(failure) => Answer::NoProfile(failure),
        }
    }

    /// Sends a request to the best federation gateway. What mobility waits for is answered even if there is none.
    pub(crate) fn send(
        &mut self,
        now: Time,
        imsi: Imsi,
        serving: Plmn,
        wish: Wish,
        purpose: Purpose,
        out: &mut Effects,
    ) {
        if self.asked.len() >= self.config.waiting {
            out.push(Effect::Count("too many questions"));
            if let Some(ticket) = purpose.ticket() {
                let failure = AuthFailure::Unavailable(Unavailable::Overload);
                let vector = matches!(purpose, Purpose::Vector(_));
                let answer = if vector { Answer::NoVector(failure) } else { Answer::NoProfile(failure) };
                out.push(Effect::Answer(ticket, answer));
            }
            return;
        }
        self.next += 1;
        let id = self.next;
        let deadline = now + self.config.patience;
        let asked = Asked { imsi, serving, purpose, wish, deadline, at: None, tried: Vec::new() };
        self.asked.insert(id, asked);
        self.timers.arm(Timer::Over(id), deadline);
        // A stream that was reset comes back within moments, and is waited for; who has been alone for longer need not wait.
        let alone = self.dark.is_some_and(|since| now.since(since) > GRACE);
        if !self.dispatch(now, id, out) && alone {
            self.over(now, id, out);
        }
    }

    /// Gives a request to the best federation gateway that has not had it. False when there is none.
    fn dispatch(&mut self, now: Time, id: u64, out: &mut Effects) -> bool {
        let Some(asked) = self.asked.get_mut(&id) else { return true };
        let key = asked.imsi.value();
        let fresh = |feg: &usize| !asked.tried.contains(&Feg(*feg));
        let best = |wanted: Stream| {
            let fegs = (0..self.streams.len()).filter(|feg| self.streams.get(*feg) == Some(&wanted)).filter(fresh);
            fegs.max_by_key(|feg| score(key, self.config.fegs.get(*feg).map_or("", String::as_str)))
        };
        let Some(feg) = best(Stream::Up).or_else(|| best(Stream::Draining)).map(Feg) else {
            asked.at = None;
            return false;
        };
        asked.at = Some(feg);
        asked.tried.push(feg);
        let within = asked.deadline.since(now);
        let (imsi, visited, wish) = (asked.imsi, asked.serving, asked.wish.clone());
        out.push(Effect::Send { feg, id, imsi, visited, within, wish });
        // Half of what is left is for another one, if this one is silent.
        self.timers.arm(Timer::Elsewhere(id), now + within / 2);
        true
    }

    /// The one that has it is silent.
    pub(crate) fn elsewhere(&mut self, now: Time, id: u64, out: &mut Effects) {
        let before = self.asked.get(&id).and_then(|asked| asked.at);
        if !self.dispatch(now, id, out)
            && let Some(asked) = self.asked.get_mut(&id)
        {
            // It still may answer.
            asked.at = before;
        }
    }

    /// A federation gateway came, goes or went.
    pub(crate) fn stream(&mut self, now: Time, feg: Feg, stream: Stream, out: &mut Effects) {
        let Some(place) = self.streams.get_mut(feg.0) else { return };
        let before = core::mem::replace(place, stream);
        let dark = self.streams.iter().all(|stream| *stream == Stream::Down);
        self.dark = dark.then(|| self.dark.unwrap_or(now));
        if stream == Stream::Down {
            let mut left = Vec::new();
            for (id, asked) in &mut self.asked {
                // What it would have answered is lost: it may be asked again when it is back.
                asked.tried.retain(|one| *one != feg);
                if asked.at == Some(feg) {
                    left.push(*id);
                }
            }
            for id in left {
                // With nobody else at hand it waits for whoever comes back first.
                self.dispatch(now, id, out);
            }
        } else if before == Stream::Down {
            let idle: Vec<u64> = self.asked.iter().filter(|(_, asked)| asked.at.is_none()).map(|(id, _)| *id).collect();
            for id in idle {
                self.dispatch(now, id, out);
            }
            self.confirm_soon(now);
        }
    }

    /// An answer came: the request it belongs to, unless another answer came first.
    pub(crate) fn take_asked(
        &mut self,
        now: Time,
        feg: Feg,
        id: u64,
        answer: &FegAnswer,
        out: &mut Effects,
    ) -> Option<Asked> {
        let asked = self.asked.get(&id)?;
        if !asked.tried.contains(&feg) {
            return None;
        }
        // Who could not reach the home network does not speak for others who might.
        if matches!(answer, FegAnswer::Unavailable) && asked.deadline > now && self.dispatch(now, id, out) {
            return None;
        }
        self.timers.cancel(&Timer::Over(id));
        self.timers.cancel(&Timer::Elsewhere(id));
        self.asked.remove(&id)
    }

    /// The time of a request is over.
    pub(crate) fn over(&mut self, now: Time, id: u64, out: &mut Effects) {
        let Some(asked) = self.asked.remove(&id) else { return };
        self.timers.cancel(&Timer::Over(id));
        self.timers.cancel(&Timer::Elsewhere(id));
        self.settle(now, asked, FegAnswer::Unavailable, out);
    }
}

/// How much a phone likes a federation gateway: the same wherever it is asked (rendezvous hashing: FNV-1a, then splitmix64's finish).
fn score(key: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
    let mut mixed = key ^ hash;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
