//! Home networks that let their phones go on over other accesses have to find the PDN gateway that has a session (TS 23.401 §5.3.2.1 step 25,
//! TS 29.272 §5.2.5.1).
//!
//! ```text
//!   session stands ──► may the phone go elsewhere? is it untold? ──► NOR (access point, PDN gateway) ──► HSS
//!   the gateway is called otherwise now; the HSS has lost its memory; nobody answered ──► untold again
//! ```

use crate::asking::Purpose;
use crate::types::{FegAnswer, Wish};
use crate::{Effects, Federation, Timer};
use basalt_ids::{Apn, Ebi, Imsi};
use basalt_sansio::{Duration, Time};

/// Between two groups of phones, and how many are in one: 100 a second.
const PAUSE: Duration = Duration::from_millis(100);
const GROUP: usize = 10;

/// A session, and whether the home network knows its PDN gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchored {
    apn: Apn,
    told: bool,
}

impl Federation {
    /// A session stands, or is over (`None`).
    pub(crate) fn session(&mut self, now: Time, imsi: Imsi, ebi: Ebi, apn: Option<Apn>, out: &mut Effects) {
        let Some(known) = self.known.get_mut(&imsi) else { return };
        match apn {
            Some(apn) => {
                known.sessions.insert(ebi, Anchored { apn, told: false });
                self.tell_gateway(now, imsi, out);
            }
            None => drop(known.sessions.remove(&ebi)),
        }
    }

    /// Tells the home network what it does not know of a phone's sessions. One that does not know that the phone is here hears that first.
    pub(crate) fn tell_gateway(&mut self, now: Time, imsi: Imsi, out: &mut Effects) {
        let Some(gateway) = self.config.pdn_gateway.clone() else { return };
        let Some(known) = self.known.get_mut(&imsi).filter(|known| known.present && known.confirmed) else { return };
        let (Some(serving), Some((subscription, _))) = (known.serving, &known.subscription) else { return };
        if !subscription.may_leave() {
            return;
        }
        let mut wishes = Vec::new();
        for (ebi, session) in known.sessions.iter_mut().filter(|(_, session)| !session.told) {
            session.told = true;
            let (context, apn) = (subscription.context_of(&session.apn), session.apn.clone());
            wishes.push((*ebi, Wish::Gateway { context, apn, gateway: gateway.clone() }));
        }
        for (ebi, wish) in wishes {
            self.send(now, imsi, serving, wish, Purpose::Gateway(ebi), out);
        }
    }

    /// What came of telling. Whoever did not answer hears of phone and gateway once more.
    pub(crate) fn gateway_told(&mut self, now: Time, imsi: Imsi, ebi: Ebi, answer: &FegAnswer) {
        if *answer == FegAnswer::Unavailable
            && let Some(session) = self.known.get_mut(&imsi).and_then(|known| known.sessions.get_mut(&ebi))
        {
            session.told = false;
            self.unconfirm(now, imsi);
        }
    }

    /// The home network has forgotten all that it was told of a phone's sessions.
    pub(crate) fn forget_told(&mut self, imsi: Imsi) {
        if let Some(known) = self.known.get_mut(&imsi) {
            known.sessions.values_mut().for_each(|session| session.told = false);
        }
    }

    /// The PDN gateway is called otherwise now: all home networks hear it, a few at a time.
    pub(crate) fn renamed(&mut self) {
        let all: Vec<Imsi> = self.known.iter().filter(|(_, it)| !it.sessions.is_empty()).map(|(it, _)| *it).collect();
        for imsi in all {
            self.forget_told(imsi);
            self.untold.push_back(imsi);
        }
        if !self.untold.is_empty() {
            self.timers.arm(Timer::Tell, Time::ZERO);
        }
    }

    pub(crate) fn tell_some(&mut self, now: Time, out: &mut Effects) {
        for _ in 0..GROUP {
            let Some(imsi) = self.untold.pop_front() else { return };
            self.tell_gateway(now, imsi, out);
        }
        self.timers.arm(Timer::Tell, now + PAUSE);
    }
}
