//! Composes ran, mobility, session, policy and subscribers into one step.
//!
//! ```text
//!   step(now, input, out)
//!      │
//!      ├─ S1AP octets, links ──► ran ── RadioEvent ──► mobility ── Want ──┬─► ran (commands) ─► Send
//!      ├─ answers ────────────────────────────────────► mobility          ├─► session ─► replies ─► mobility
//!      ├─ traffic, operator, config ──────────────────► mobility          ├─► subscribers ─► answer, or Ask
//!      └─ wakeup ─► timers ───────────────────────────► mobility, ran     └─► timers, Save, Tell, Count
//! ```
//!
//! What it is: the only place that sees all rooms. It carries values from one to the other until nothing is left to carry, then
//! writes the records of the UEs that changed, once each. What it deliberately is not: a protocol. No branch here depends on a
//! message's content.
//!
//! Invariants: one input, then all its effects; the same seed and inputs give the same effects; a record of this step stands
//! before its other effects; a timer fires once, and never for a UE of another life.
//!
//! ```
//! use agw_core::Core;
//! # fn config() -> agw_types::GatewayConfig { agw_core::example_config() }
//! use agw_subscribers::Subscribers;
//! use agw_types::{Effects, Input, Limits, Now};
//! use basalt_sansio::{SecureSeed, Time};
//!
//! let seed = SecureSeed([7; 32]);
//! let mut core = Core::new(config(), Limits::default(), 100_000, &seed, Subscribers::new(&seed));
//! let mut effects = Effects::new();
//! let now = Now { mono: Time::ZERO, unix_secs: 0 };
//! core.step(now, Input::Wakeup, &mut effects);
//! assert!(effects.is_empty() && core.next_wakeup().is_none());
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod carry;
mod example;
mod follow;
mod noise;
mod restart;
mod views;

pub use agw_ran::EnbView;
pub use example::example_config;
pub use views::Counts;

use crate::noise::Noise;
use agw_mobility::{Mobility, Want};
use agw_policy::LocalPolicy;
use agw_ran::{Cx, Overload, Ran};
use agw_session::{SessionOut, Sessions};
use agw_subscribers::Subscribers;
use agw_types::{
    Command, ConfigDelta, DataplaneChange, Effect, Effects, GatewayConfig, Input, Limits, Now, OperatorReply,
    RadioEvent, StoredBearers, SubscribedRule, TimerName, Traffic, UeId,
};
use basalt_ids::{Apn, Imsi};
use basalt_sansio::{IdLayout, Outbox, Rng, SecureRng, SecureSeed, Time, Timers};
use basalt_security::Provider;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Timers that fire in one step at most; what is left makes the next step due at once.
const EXPIRIES: usize = 256;

/// One gateway's protocol machine.
#[derive(Debug)]
pub struct Core {
    config: GatewayConfig,
    limits: Limits,
    ran: Ran,
    mobility: Mobility,
    sessions: Sessions,
    policy: LocalPolicy,
    subscribers: Subscribers,
    timers: Timers<(UeId, TimerName)>,
    /// Radio events that mobility has not seen.
    events: Outbox<RadioEvent>,
    event_queue: VecDeque<RadioEvent>,
    /// Wants that were not carried.
    wants: Outbox<Want>,
    queue: VecDeque<Want>,
    session_out: SessionOut,
    /// Subscribers who have a record of rules and bearers.
    with_bearers: BTreeSet<Imsi>,
    /// Such records of an earlier life that their UEs have not been restored for.
    remembered: BTreeMap<Imsi, StoredBearers>,
    /// UEs whose record has to be written at the end of the step.
    dirty: Vec<UeId>,
    /// Effects of the step, before its records are put in front.
    effects: Effects,
    noise: Noise,
    /// No new UEs are taken.
    draining: bool,
}

impl Core {
    /// A gateway that knows nobody. `max_sessions` bounds tunnels; `seed` makes identities unpredictable: 32 octets of entropy,
    /// never the same twice, or a number of a simulator's.
    #[must_use]
    pub fn new(
        config: GatewayConfig,
        limits: Limits,
        max_sessions: u32,
        seed: &SecureSeed,
        subscribers: Subscribers,
    ) -> Self {
        Self::with_provider(config, limits, max_sessions, seed, subscribers, Provider::STANDARD)
    }

    /// The same with other cryptography, for simulators and fuzzers.
    #[must_use]
    pub fn with_provider(
        config: GatewayConfig,
        limits: Limits,
        max_sessions: u32,
        seed: &SecureSeed,
        subscribers: Subscribers,
        provider: Provider,
    ) -> Self {
        let mut rng = SecureRng::new(seed);
        let mut branch = || {
            let mut seed = [0; 32];
            rng.fill(&mut seed);
            SecureSeed(seed)
        };
        let (for_mobility, for_sessions, for_ran) = (branch(), branch(), branch());
        let (layout, shard) = (IdLayout::DEFAULT, 0);
        Self {
            ran: Ran::new(limits, layout, shard, &for_ran),
            mobility: Mobility::new(&config, limits, layout, shard, &for_mobility, provider),
            sessions: Sessions::new(&config, max_sessions, &for_sessions),
            policy: LocalPolicy::new(&config),
            subscribers,
            timers: Timers::new(),
            events: Outbox::new(),
            event_queue: VecDeque::new(),
            wants: Outbox::new(),
            queue: VecDeque::new(),
            session_out: SessionOut::default(),
            with_bearers: BTreeSet::new(),
            remembered: BTreeMap::new(),
            dirty: Vec::new(),
            effects: Effects::new(),
            noise: Noise::default(),
            draining: false,
            limits,
            config,
        }
    }

    /// Takes one input and gives all that comes of it.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Effects) {
        match input {
            Input::LinkUp { link, info } => self.with_ran(now, |ran, cx| ran.link_up(link, info, cx)),
            Input::LinkDown { link } => self.with_ran(now, |ran, cx| ran.link_down(link, cx)),
            Input::LinkRestarted { link } => self.with_ran(now, |ran, cx| ran.link_restarted(link, cx)),
            Input::S1ap { link, stream, pdu } => self.with_ran(now, |ran, cx| ran.receive(link, stream, &pdu, cx)),
            Input::Answer { ticket, answer } => self.mobility.answer(now, ticket, answer, &mut self.wants),
            Input::Traffic(traffic) => self.traffic(now, traffic),
            Input::Config(delta) => self.config(now, *delta),
            Input::Operator { token, command } => self.operator(now, token, &command),
            Input::Wakeup => self.wakeup(now),
        }
        self.finish(now, out);
    }

    /// When the next [`Input::Wakeup`] is due.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        [self.timers.next_wakeup(), self.ran.next_wakeup()].into_iter().flatten().min()
    }

    /// The subscriber list, for the one who keeps it.
    pub fn subscribers_mut(&mut self) -> &mut Subscribers {
        &mut self.subscribers
    }

    /// The subscriber list.
    #[must_use]
    pub const fn subscribers(&self) -> &Subscribers {
        &self.subscribers
    }

    /// Sets a subscriber's static address apart.
    pub fn reserve_address(&mut self, imsi: Imsi, apn: &Apn, address: agw_types::UeAddress) {
        self.sessions.reserve(imsi, apn, address);
    }

    /// Carries everything to where it belongs, writes records, hands the effects over.
    fn finish(&mut self, now: Now, out: &mut Effects) {
        self.carry_all(now);
        self.watch_load(now);
        self.write_records(now, out);
        let noise = &mut self.noise;
        out.extend(self.effects.drain().map(|effect| noise.damp(now.mono, effect)));
    }

    fn with_ran(&mut self, now: Now, call: impl FnOnce(&mut Ran, &mut Cx<'_>)) {
        let mut cx = Cx { now, config: &self.config, events: &mut self.events, effects: &mut self.effects };
        call(&mut self.ran, &mut cx);
    }

    fn traffic(&mut self, now: Now, traffic: Traffic) {
        match traffic {
            Traffic::DownlinkWaiting { address } => match self.sessions.by_address(address) {
                Some(ue) => self.mobility.call(now, ue, &mut self.wants),
                None => self.effects.push(Effect::Dataplane(DataplaneChange::Discard { address })),
            },
            Traffic::ErrorIndication { teid, peer } => {
                let Some(ue) = self.sessions.by_teid(teid) else { return };
                let from = Some((peer.address, peer.teid));
                let sent_there = self.sessions.of(ue).iter().any(|session| {
                    let dedicated = session.bearers.iter().map(|bearer| (bearer.local.1, bearer.remote));
                    core::iter::once((session.local.1, session.remote)).chain(dedicated).any(|end| end == (teid, from))
                });
                // Anyone else's word about this tunnel counts for nothing.
                if sent_there {
                    self.mobility.tunnel_lost(now, ue, &mut self.wants);
                }
            }
        }
    }

    fn config(&mut self, now: Now, delta: ConfigDelta) {
        match delta {
            ConfigDelta::Gateway(config) => self.reconfigure(now, config),
            ConfigDelta::Subscriber { imsi } => self.requalify(now, imsi),
            ConfigDelta::Rules { imsi, rules } => self.rules_changed(now, imsi, rules),
            ConfigDelta::Admission => self.enforce_access(now),
            ConfigDelta::SubscriberGone { imsi } => self.mobility.subscriber_gone(now, imsi, &mut self.wants),
            ConfigDelta::Cancelled { imsi, how } => self.mobility.cancelled(now, imsi, how, &mut self.wants),
            ConfigDelta::Subscription(profile) => self.home_changed(now, &profile),
        }
    }

    fn operator(&mut self, now: Now, token: u64, command: &Command) {
        let reply = match command {
            Command::ResetEnb { enb } => {
                let mut known = false;
                self.with_ran(now, |ran, cx| known = ran.reset_enb(*enb, cx));
                if known { OperatorReply::Started } else { OperatorReply::NotFound }
            }
            Command::SetRule { imsi, apn, rule } => self.change_rules(now, *imsi, |sessions, ue, out| {
                sessions.set_rule(now.mono, ue, apn.as_ref(), (**rule).clone(), out)
            }),
            Command::RemoveRule { imsi, apn, name } => self.change_rules(now, *imsi, |sessions, ue, out| {
                sessions.remove_rule(now.mono, ue, apn.as_ref(), name, out)
            }),
            Command::Drain { on } => {
                self.drain(now, *on);
                OperatorReply::Started
            }
            _ => self.mobility.command(now, command, &mut self.wants),
        };
        self.effects.push(Effect::Reply { token, reply });
    }

    fn change_rules(
        &mut self,
        now: Now,
        imsi: Imsi,
        change: impl FnOnce(&mut Sessions, UeId, &mut SessionOut) -> Result<(), String>,
    ) -> OperatorReply {
        let Some(ue) = self.mobility.find(imsi) else { return OperatorReply::NotFound };
        let result = change(&mut self.sessions, ue, &mut self.session_out);
        self.carry_session(now);
        result.map_or_else(OperatorReply::Refused, |()| OperatorReply::Started)
    }

    /// The rules that a subscriber's sessions begin with, besides those of the access point: from the next session on.
    pub fn subscribe_rules(&mut self, imsi: Imsi, rules: Vec<(Apn, SubscribedRule)>) {
        self.policy.subscribe(imsi, rules);
    }

    fn wakeup(&mut self, now: Now) {
        self.with_ran(now, Ran::wakeup);
        for _ in 0..EXPIRIES {
            let Some((ue, timer)) = self.timers.pop_expired(now.mono) else { break };
            self.mobility.expired(now, ue, timer, &mut self.wants);
            self.carry_all(now);
        }
    }

    /// Base stations keep UEs away while too many are unproven, and let them in again when there is room.
    fn watch_load(&mut self, now: Now) {
        if self.draining {
            return;
        }
        let (load, limit) = (u64::from(self.mobility.half_open()), u64::from(self.limits.half_open));
        let overload = match self.ran.overload() {
            None if load * 10 >= limit * 8 => Some(Overload { reduction: 50 }),
            Some(_) if load * 10 <= limit * 5 => None,
            as_is => as_is,
        };
        if overload != self.ran.overload() {
            self.with_ran(now, |ran, cx| ran.set_overload(overload, cx));
        }
    }
}
