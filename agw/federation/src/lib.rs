//! Subscribers of other networks: whom to ask for them, and what stands for an answer that does not come.
//!
//! ```text
//!   mobility ── Ask ──► vector at hand? ──► Answer at once, more are fetched behind
//!                       │ no
//!                       ▼
//!                    choice of a federation gateway by IMSI ──► Send (number) ──► Answered ──► Answer
//!                       ▲                                         │
//!                       └─ stream lost, no answer, drain ─────────┘   same number, so that nothing is done twice
//!                                                                 time is over: remembered profile, or a cause with back-off
//! ```
//!
//! What it is: the gateway's side of federation as values. What it deliberately is not: streams, TLS, or Diameter.
//!
//! Invariants: every question is answered once, by its deadline; a vector is given out once; what is remembered has an age limit;
//! tables have bounds; a stream that is reset refuses nobody.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod anchors;
mod answers;
mod asking;
mod confirm;
mod home;
mod known;
mod reachable;
mod subscription;
#[cfg(test)]
mod tests;
mod types;
mod zones;

pub use known::Remembered;
pub use subscription::{Access, Accesses, Subscription};
pub use types::{
    Config, Effect, Equipment, EquipmentStatus, Feg, FegAnswer, HomeRequest, Input, Outcome, PdnGateway, Urgency, Wish,
};
pub use zones::Zones;

use crate::asking::Asked;
use crate::known::Known;
use basalt_ids::Imsi;
use basalt_sansio::{Outbox, SecureRng, SecureSeed, Time, Timers};
use std::collections::{BTreeMap, VecDeque};

/// Effects of a step.
pub type Effects = Outbox<Effect>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Timer {
    /// The federation gateway that has a request does not answer: another one gets it.
    Elsewhere(u64),
    /// The time of a request is over.
    Over(u64),
    /// A phone that left long ago is told away.
    Purge(Imsi),
    /// The next phones are confirmed.
    Confirm,
    /// The next home networks hear what the PDN gateway is called.
    Tell,
}

/// How a federation gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Down,
    Draining,
    Up,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Federation {
    config: Config,
    streams: Vec<Stream>,
    asked: BTreeMap<u64, Asked>,
    known: BTreeMap<Imsi, Known>,
    /// Phones whose home network has to hear once more that they are here.
    unconfirmed: VecDeque<Imsi>,
    /// Phones whose home network has to hear which PDN gateway they have.
    untold: VecDeque<Imsi>,
    timers: Timers<Timer>,
    next: u64,
    /// Since when there is no stream at all.
    dark: Option<Time>,
    rng: SecureRng,
}

impl Federation {
    /// Nobody is known. `seed`: for times that do not coincide.
    #[must_use]
    pub fn new(config: Config, seed: &SecureSeed) -> Self {
        Self {
            streams: vec![Stream::Down; config.fegs.len()],
            config,
            asked: BTreeMap::new(),
            known: BTreeMap::new(),
            unconfirmed: VecDeque::new(),
            untold: VecDeque::new(),
            timers: Timers::new(),
            next: 0,
            dark: Some(Time::ZERO),
            rng: SecureRng::new(seed),
        }
    }

    /// Takes one input. Time never goes back.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        match input {
            Input::Ask(ticket, question) => self.ask(now, ticket, question, out),
            Input::Up(feg, draining) => {
                let stream = if draining { Stream::Draining } else { Stream::Up };
                self.stream(now, feg, stream, out);
            }
            Input::Down(feg) => self.stream(now, feg, Stream::Down, out),
            Input::Answered(feg, id, answer) => self.answered(now, feg, id, answer, out),
            Input::Home(feg, id, request) => self.home(now, feg, id, request, out),
            Input::Restored(imsi, serving) => self.restored(now, imsi, serving),
            Input::Left(imsi) => self.left(now, imsi),
            Input::Connected(imsi, connected) => self.connected(now, imsi, connected, out),
            Input::Session(imsi, ebi, apn) => self.session(now, imsi, ebi, apn, out),
            Input::Wakeup => self.wakeup(now, out),
        }
    }

    /// Takes another configuration. Federation gateways keep their places: the list grows only, and one that is not asked any more has no
    /// stream.
    pub fn configure(&mut self, config: Config) {
        let places = config.fegs.len().max(self.streams.len());
        self.streams.resize(places, Stream::Down);
        let renamed = self.config.pdn_gateway != config.pdn_gateway;
        self.config = config;
        if renamed {
            self.renamed();
        }
    }

    /// When [`Input::Wakeup`] is wanted.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.timers.next_wakeup()
    }

    /// What is remembered of a phone, for the disk; `None` when nothing is. `unix`: the same moment in seconds since 1970 UTC.
    #[must_use]
    pub fn remembered_of(&self, now: Time, unix: u64, imsi: Imsi) -> Option<Remembered> {
        self.known.get(&imsi).map(|known| known.stored(imsi, now, unix))
    }

    /// Takes back what was remembered before a restart; what is over is forgotten.
    pub fn restore(&mut self, now: Time, unix: u64, from: Remembered) {
        if self.known.len() < asking::REMEMBERED {
            self.known.insert(from.imsi, Known::restored(from, now, unix));
        }
    }

    /// Questions that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.asked.len()
    }

    /// Phones that something is remembered of.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.known.len()
    }

    fn wakeup(&mut self, now: Time, out: &mut Effects) {
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::Elsewhere(id) => self.elsewhere(now, id, out),
                Timer::Over(id) => self.over(now, id, out),
                Timer::Purge(imsi) => self.purge(now, imsi, out),
                Timer::Confirm => self.confirm(now, out),
                Timer::Tell => self.tell_some(now, out),
            }
        }
    }
}
