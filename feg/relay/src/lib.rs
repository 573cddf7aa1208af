//! Between gateways and Diameter peers, without input or output.
//!
//! ```text
//!   gateways ── Asked ──► answered before? being asked? ──► quota ──► route by PLMN ──► ToHss
//!            ◄─ Answer ── remembered for who asks again ◄── read, judged ◄─ HssAnswered
//!   gateways ◄─ Ask ──── who has the phone, or all ◄──────── filters ◄──────── FromHss
//!            ── Replied ─► counted together ───────────────────────────────► ToPeer
//! ```
//!
//! What it is: one place that knows which request is which. What it deliberately is not: sockets, clocks, or phones.
//!
//! Invariants: a request's number of one life of a gateway reaches a home network once; every request is answered once on every
//! stream that asked it, by its deadline; tables have bounds, and what does not fit is refused at once; a home network reaches
//! only phones of its own.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod backward;
mod forward;
mod quota;
mod routing;
#[cfg(test)]
mod tests;
mod types;

pub use routing::{Network, Networks};
pub use types::{
    Answer, Ask, AskId, Config, Effect, Equipment, GatewayId, Input, Metric, Number, Outcome, Request, Token, Wish,
};

use crate::backward::Backward;
use crate::forward::Forward;
use crate::types::Gateway;
use basalt_diameter::node::Handle;
use basalt_ids::Imsi;
use basalt_sansio::{DetHashMap, DetState, Outbox, Rng, SecureRng, SecureSeed, Time, Timers};
use std::collections::BTreeMap;

/// Effects of a step.
pub type Effects = Outbox<Effect>;

/// Phones whose gateway is remembered; beyond that, gateways are asked.
const LOCATIONS: usize = 2_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Timer {
    /// The oldest answers are forgotten.
    Forget,
    /// Gateways do not answer a home network's request.
    Backward(Handle),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Relay {
    config: Config,
    gateways: BTreeMap<GatewayId, Gateway>,
    forward: Forward,
    backward: Backward,
    /// Which gateway has located a phone last.
    located: DetHashMap<Imsi, String>,
    timers: Timers<Timer>,
    /// Beginning of Session-Ids of this life.
    life: u64,
    sessions: u64,
}

impl Relay {
    /// A relay without gateways. `seed`: session identifiers and tables cannot be guessed.
    #[must_use]
    pub fn new(config: Config, seed: &SecureSeed) -> Self {
        let mut rng = SecureRng::new(seed);
        Self {
            config,
            gateways: BTreeMap::new(),
            forward: Forward::new((rng.next_u64(), rng.next_u64())),
            backward: Backward::default(),
            located: DetHashMap::with_hasher(DetState::keyed(rng.next_u64(), rng.next_u64())),
            timers: Timers::new(),
            life: rng.next_u64(),
            sessions: 0,
        }
    }

    /// Takes one input. Time never goes back.
    pub fn step(&mut self, now: Time, input: Input<'_>, out: &mut Effects) {
        match input {
            Input::GatewayUp { gateway, name, life } => {
                self.gateways.insert(gateway, Gateway::new(name, life, now, &self.config));
            }
            Input::GatewayDown { gateway } => {
                self.gateways.remove(&gateway);
                self.gateway_left(gateway, out);
            }
            Input::Asked { gateway, request } => self.asked(now, gateway, request, out),
            Input::HssAnswered { token, result } => self.hss_answered(now, token, result, out),
            Input::FromHss { handle, octets } => self.home_asks(now, handle, octets, out),
            Input::Replied { gateway, ask, outcome, told } => self.replied(gateway, ask, (outcome, told), out),
            Input::Wakeup => self.wakeup(now, out),
        }
    }

    /// Takes another configuration. What is being asked is answered; quotas begin anew with the next stream of a gateway.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// When [`Input::Wakeup`] is wanted.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.timers.next_wakeup()
    }

    /// Names of gateways that are connected.
    pub fn gateways(&self) -> impl Iterator<Item = &str> {
        self.gateways.values().map(|gateway| gateway.name.as_str())
    }

    /// Requests that wait for home networks.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.forward.waiting()
    }

    fn wakeup(&mut self, now: Time, out: &mut Effects) {
        while let Some(timer) = self.timers.pop_expired(now) {
            match timer {
                Timer::Forget => {
                    if let Some(until) = self.forward.forget(now) {
                        self.timers.arm(Timer::Forget, until);
                    }
                }
                Timer::Backward(handle) => self.silent(handle, out),
            }
        }
    }

    /// A new Session-Id (RFC 6733 §8.8).
    fn session(&mut self) -> String {
        self.sessions += 1;
        format!("{};{};{}", self.config.local.host, self.life, self.sessions)
    }

    fn locate(&mut self, imsi: Imsi, gateway: GatewayId) {
        let Some(gateway) = self.gateways.get(&gateway) else { return };
        if self.located.len() < LOCATIONS || self.located.contains_key(&imsi) {
            self.located.insert(imsi, gateway.name.clone());
        }
    }
}
