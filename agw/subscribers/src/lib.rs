//! The local subscriber view: who may use the network, with what profile, and authentication vectors.
//!
//! What it is: the gateway's own list, by which a site runs alone. What it deliberately is not: storage (the daemon keeps
//! [`StoredSubscriber`] records and gives them in) or an HSS client (a question about somebody else's subscriber leaves as an
//! effect; the seam is the `Option` of [`Subscribers::ask`], and [`Federated`] says whose they are).
//!
//! Invariants: a sequence number goes into one vector only, also over a crash (numbers are used up to a bound that is
//! durable); keys are neither printed nor given out.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

pub mod stored;

pub use stored::{Credentials, InvalidKeys, StoredAlgorithm, StoredRules, StoredSubscriber};

use agw_types::{Answer, AuthFailure, AuthMaterial, Effect, Profile, Question, Record, Resync, SubscriberState};
use basalt_ids::{Imsi, Plmn};
use basalt_sansio::{Rng, SecureRng, SecureSeed};
use basalt_security::{AkaAlgorithm, Sqn};
use std::collections::BTreeMap;

/// Vectors made from one durable bound to the next.
const WINDOW: u32 = 64;

/// A subscriber of this gateway, with keys ready for use.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// What it may have.
    pub profile: Profile,
    /// Name for people.
    pub name: String,
    /// May it attach.
    pub state: SubscriberState,
    /// Authentication functions with its keys.
    pub aka: AkaAlgorithm,
    /// Authentication management field.
    pub amf: [u8; 2],
    /// Highest sequence number that may have been used when this was written.
    pub sqn: Sqn,
}

#[derive(Debug)]
struct Entry {
    subscriber: Subscriber,
    /// The last sequence number that may have been used.
    used: Sqn,
    /// Numbers up to this one may be used without telling the store.
    reserved: Sqn,
}

/// Whose subscribers others answer for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Federated {
    /// Networks whose subscribers are never local.
    pub networks: Vec<Plmn>,
    /// Beginnings of IMSIs, in digits, whose subscribers are not either.
    pub beginnings: Vec<String>,
    /// So are all that are not in the list.
    pub others: bool,
}

/// The list.
#[derive(Debug)]
pub struct Subscribers {
    list: BTreeMap<Imsi, Entry>,
    federated: Federated,
    rng: SecureRng,
}

impl Subscribers {
    /// An empty list; `seed` makes challenges unpredictable.
    #[must_use]
    pub fn new(seed: &SecureSeed) -> Self {
        Self { list: BTreeMap::new(), federated: Federated::default(), rng: SecureRng::new(seed) }
    }

    /// Adds or replaces a subscriber. A replaced one keeps the higher of both sequence numbers when its keys are the same to the
    /// caller (`same_keys`); new keys start at the given number.
    pub fn insert(&mut self, subscriber: Subscriber, same_keys: bool) {
        let imsi = subscriber.profile.imsi;
        let mut used = subscriber.sqn;
        let mut reserved = subscriber.sqn;
        if let Some(former) = self.list.get(&imsi).filter(|_| same_keys) {
            used = used.max(former.used);
            reserved = reserved.max(former.reserved);
        }
        self.list.insert(imsi, Entry { subscriber, used, reserved });
    }

    /// After a restart: numbers up to `reserved` may have been used.
    pub fn restore_sqn(&mut self, imsi: Imsi, reserved: Sqn) {
        if let Some(entry) = self.list.get_mut(&imsi) {
            entry.used = entry.used.max(reserved);
            entry.reserved = entry.reserved.max(reserved);
        }
    }

    /// Removes a subscriber. False when there is none.
    pub fn remove(&mut self, imsi: Imsi) -> bool {
        self.list.remove(&imsi).is_some()
    }

    /// One subscriber.
    #[must_use]
    pub fn get(&self, imsi: Imsi) -> Option<&Subscriber> {
        self.list.get(&imsi).map(|entry| &entry.subscriber)
    }

    /// Subscribers after `after`, in order of IMSI.
    pub fn after(&self, after: Option<Imsi>) -> impl Iterator<Item = &Subscriber> {
        use core::ops::Bound;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.list.range((from, Bound::Unbounded)).map(|(_, entry)| &entry.subscriber)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Lets a subscriber attach, or not. False when there is none.
    pub fn set_state(&mut self, imsi: Imsi, state: SubscriberState) -> bool {
        match self.list.get_mut(&imsi) {
            Some(entry) => {
                entry.subscriber.state = state;
                true
            }
            None => false,
        }
    }

    /// Leaves subscribers of others to them.
    pub fn federate(&mut self, federated: Federated) {
        self.federated = federated;
    }

    /// Whether others answer for a subscriber.
    #[must_use]
    pub fn is_federated(&self, imsi: Imsi) -> bool {
        let begins = || {
            let digits = imsi.to_string();
            self.federated.beginnings.iter().any(|beginning| digits.starts_with(beginning.as_str()))
        };
        self.federated.networks.iter().any(|plmn| imsi.belongs_to(*plmn))
            || (!self.federated.beginnings.is_empty() && begins())
            || (self.federated.others && !self.list.contains_key(&imsi))
    }

    /// Answers a question. `None`: somebody else is asked, and the answer comes later. What must be durable before the answer is
    /// used is put into `out`.
    pub fn ask(&mut self, question: &Question, out: &mut Vec<Effect>) -> Option<Answer> {
        if self.is_federated(question.imsi()) {
            return None;
        }
        Some(match question {
            Question::Authenticate { imsi, serving, resync } => {
                match self.vector(*imsi, *serving, resync.as_ref(), out) {
                    Ok(vector) => Answer::Vector(Box::new(vector)),
                    Err(failure) => Answer::NoVector(failure),
                }
            }
            Question::Profile { imsi, .. } => match self.allowed(*imsi) {
                Ok(entry) => Answer::Profile(Box::new(entry.subscriber.profile.clone()), Vec::new()),
                Err(failure) => Answer::NoProfile(failure),
            },
        })
    }

    fn allowed(&mut self, imsi: Imsi) -> Result<&mut Entry, AuthFailure> {
        let entry = self.list.get_mut(&imsi).ok_or(AuthFailure::Unknown)?;
        match entry.subscriber.state {
            SubscriberState::Active => Ok(entry),
            SubscriberState::Suspended => Err(AuthFailure::Suspended),
        }
    }

    fn vector(
        &mut self,
        imsi: Imsi,
        serving: Plmn,
        resync: Option<&Resync>,
        out: &mut Vec<Effect>,
    ) -> Result<AuthMaterial, AuthFailure> {
        let mut rand = [0; 16];
        self.rng.fill(&mut rand);
        let entry = self.allowed(imsi)?;
        if let Some(resync) = resync {
            let highest = entry.subscriber.aka.open_auts(&resync.rand, &resync.auts);
            // The SIM's number replaces ours, also when it is lower (TS 33.102 §6.3.5): it has been given anew.
            let highest = highest.map_err(|_| AuthFailure::ResyncRefused)?;
            entry.used = highest;
            entry.reserved = highest;
        }
        let sqn = entry.used.next().ok_or(AuthFailure::ResyncRefused)?;
        if sqn > entry.reserved {
            entry.reserved = sqn.ahead(WINDOW).unwrap_or(sqn);
            out.push(Effect::Save(Box::new(Record::Sqn { imsi, reserved: entry.reserved.value() })));
        }
        entry.used = sqn;
        let vector = entry.subscriber.aka.vector(&rand, sqn, entry.subscriber.amf);
        let kasme = vector.kasme(serving);
        Ok(AuthMaterial { rand: vector.rand, autn: vector.autn, xres: vector.xres, kasme })
    }
}

#[cfg(test)]
mod tests;
