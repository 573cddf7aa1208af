//! PDN connections as [`Session`] values: bearers, address pools, tunnels, and the ESM desk (TS 24.301 clause 6).
//!
//! What it is: for each UE the sessions it has, the addresses and tunnel endpoints behind them, and the ESM procedures by
//! which they come and go. What it deliberately is not: trust (mobility lets only protected messages through), radio (it
//! says which bearers to set up, never how) or policy (asked through [`Policy`]).
//!
//! Invariants: an address and a TEID belong to one session at a time, and rest before another gets them; the data plane is
//! told of a tunnel when the base station's endpoint is known, of idleness when it is not, and of every end; at most one
//! ESM procedure of each kind runs for a UE.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod addresses;
mod admission;
mod binding;
mod connectivity;
mod dedicated;
mod ending;
mod forwarding;
mod pco;
mod pdn_type;
mod pool;
mod rates;
mod records;
mod resource;
mod rest;
mod retry;
mod rules;
mod settling;
mod teid;
mod tunnel;
mod uplink;
mod withdrawal;

use agw_types::{
    Ambr, ApnConfig, BearerSetup, DataplaneChange, Effect, Event, GatewayConfig, IpPrefix, Metric, Outcome, Policy,
    Procedure, Session, SessionReply, SessionRequest, StoredSession, TimerName, UeAddress, UeId,
};
use basalt_ids::{Apn, Ebi, Imsi, Pti, Teid};
use basalt_nas::esm::{EsmMessage, EsmPdu};
use basalt_sansio::{Duration, SecureRng, SecureSeed, Time};
use core::net::IpAddr;
use std::collections::BTreeMap;

use addresses::ApnAddresses;
use admission::Admission;
use connectivity::Connecting;
use dedicated::{Changing, Target};
use ending::Ending;
use rest::{Rest, Resting};
use rules::Requested;
use teid::Teids;

/// What handling a request gave.
#[derive(Debug, Default)]
pub struct SessionOut {
    /// For mobility.
    pub replies: Vec<SessionReply>,
    /// Data plane changes, counts and events, in order.
    pub effects: Vec<Effect>,
    /// Timers to start, or to stop (`None`).
    pub timers: Vec<(UeId, TimerName, Option<Duration>)>,
}

impl SessionOut {
    fn reply(&mut self, reply: SessionReply) {
        self.replies.push(reply);
    }

    fn dataplane(&mut self, change: DataplaneChange) {
        self.effects.push(Effect::Dataplane(change));
    }

    fn tell(&mut self, event: Event) {
        self.effects.push(Effect::Tell(Box::new(event)));
    }

    fn ended(&mut self, procedure: Procedure, outcome: Outcome) {
        self.effects.push(Effect::Count(Metric::Procedure { procedure, outcome }));
    }

    fn arm(&mut self, ue: UeId, timer: TimerName, after: Duration) {
        self.timers.push((ue, timer, Some(after)));
    }

    fn stop(&mut self, ue: UeId, timer: TimerName) {
        self.timers.push((ue, timer, None));
    }

    /// Sends an ESM message by itself. A message that cannot be encoded is one of ours and too long: it is not sent.
    fn send(&mut self, ue: UeId, ebi: Option<Ebi>, pti: Pti, message: EsmMessage) {
        if let Some(esm) = encode(ebi, pti, message) {
            self.reply(SessionReply::Send { ue, esm });
        }
    }
}

fn encode(ebi: Option<Ebi>, pti: Pti, message: EsmMessage) -> Option<Vec<u8>> {
    EsmPdu { ebi, pti, message }.encode().ok()
}

/// All sessions of a gateway.
#[derive(Debug)]
pub struct Sessions {
    config: GatewayConfig,
    pools: BTreeMap<Apn, ApnAddresses>,
    /// Static addresses set apart, kept for when the pools are made anew.
    reserved: BTreeMap<(Apn, UeAddress), u64>,
    teids: Teids,
    rng: SecureRng,
    ues: BTreeMap<UeId, UeSessions>,
    by_imsi: BTreeMap<Imsi, UeId>,
    by_address: BTreeMap<UeAddress, UeId>,
    by_teid: BTreeMap<Teid, UeId>,
    resting: Resting,
    admission: Admission,
    /// UEs whose bearers have to be looked at once more: a more important bearer took something of them.
    pump_later: Vec<UeId>,
}

/// What one UE has.
#[derive(Debug)]
struct UeSessions {
    imsi: Imsi,
    /// Subscribed aggregate rate.
    subscribed: Ambr,
    list: Vec<Session>,
    connecting: Option<Box<Connecting>>,
    ending: Option<Box<Ending>>,
    /// A dedicated bearer's procedure.
    changing: Option<Box<Changing>>,
    /// Dedicated bearers whose procedure has just ended, and until when they settle.
    settling: Vec<(Ebi, Time)>,
    /// Changes of bearers that were refused: not asked for again as long as the rules want the same.
    given_up: Vec<(Ebi, Target)>,
    /// What the UE asked for and was granted, as long as its procedure has not begun.
    requested: Vec<Requested>,
    /// The gateway's endpoints of data that follows the UE to another base station.
    forwarding: Vec<Teid>,
    /// Default bearers of sessions whose new rates the UE has not been told.
    untold: Vec<Ebi>,
    /// Those of them whose class changed: the base station has not been told either.
    requalified: Vec<Ebi>,
    /// Access points of its sessions that are not in the subscription any more.
    withdrawn: Vec<Apn>,
    /// Refused rules wait for another chance.
    retrying: bool,
    /// How many they had since a bearer stood.
    retries: u8,
}

impl UeSessions {
    fn new(imsi: Imsi, subscribed: Ambr) -> Self {
        Self {
            imsi,
            subscribed,
            list: Vec::new(),
            connecting: None,
            ending: None,
            changing: None,
            settling: Vec::new(),
            given_up: Vec::new(),
            requested: Vec::new(),
            forwarding: Vec::new(),
            untold: Vec::new(),
            requalified: Vec::new(),
            withdrawn: Vec::new(),
            retrying: false,
            retries: 0,
        }
    }

    fn session(&self, ebi: Ebi) -> Option<&Session> {
        self.list.iter().find(|session| session.ebi == ebi)
    }

    fn session_mut(&mut self, ebi: Ebi) -> Option<&mut Session> {
        self.list.iter_mut().find(|session| session.ebi == ebi)
    }
}

impl Sessions {
    /// No sessions yet. `limit` is the most tunnels at a time; `seed` makes TEIDs unpredictable.
    #[must_use]
    pub fn new(config: &GatewayConfig, limit: u32, seed: &SecureSeed) -> Self {
        let pools = make_pools(&config.apns);
        Self {
            config: config.clone(),
            pools,
            reserved: BTreeMap::new(),
            teids: Teids::new(limit),
            rng: SecureRng::new(seed),
            ues: BTreeMap::new(),
            by_imsi: BTreeMap::new(),
            by_address: BTreeMap::new(),
            by_teid: BTreeMap::new(),
            resting: Resting::default(),
            admission: Admission::default(),
            pump_later: Vec::new(),
        }
    }

    /// Carries a request out.
    pub fn handle(&mut self, now: Time, policy: &dyn Policy, request: SessionRequest, out: &mut SessionOut) {
        match request {
            SessionRequest::Attach { ue, esm, profile } => self.attach(now, policy, ue, &esm, &profile, out),
            SessionRequest::Uplink { ue, esm, profile } => self.uplink(now, policy, ue, &esm, &profile, out),
            SessionRequest::Connected { ue, bearers, failed, switched } => {
                self.connected(now, ue, &bearers, &failed, switched, out);
            }
            SessionRequest::Modified { ue, modified, failed } => self.modified(now, ue, &modified, &failed, out),
            SessionRequest::Dropped { ue, bearers } => self.dropped(now, ue, &bearers, out),
            SessionRequest::Idle { ue } => self.idle(now, ue, out),
            SessionRequest::Resume { ue } => self.resume(ue, out),
            SessionRequest::HandOver { ue } => self.hand_over(ue, out),
            SessionRequest::Forward { ue, tunnels } => self.forward(now, ue, &tunnels, out),
            SessionRequest::HandoverOver { ue, arrived } => self.handover_over(now, ue, arrived, out),
            SessionRequest::Synchronise { ue, active } => self.synchronise(now, ue, active, out),
            SessionRequest::Release { ue } => self.release(now, ue, "the phone is detached", out),
            SessionRequest::Deactivate { ue, ebi } => self.deactivate(now, ue, ebi, out),
            SessionRequest::Expired { ue, timer } => self.expired(now, ue, timer, out),
        }
        self.pump_others(now, out);
    }

    /// Goes on with those whose bearers others took.
    fn pump_others(&mut self, now: Time, out: &mut SessionOut) {
        while let Some(ue) = self.pump_later.pop() {
            self.pump(now, ue, out);
        }
    }

    /// Guaranteed rates of all bearers together, bit/s.
    #[must_use]
    pub fn promised(&self) -> Ambr {
        self.admission.promised()
    }

    /// The UE's sessions; empty when it has none.
    #[must_use]
    pub fn of(&self, ue: UeId) -> &[Session] {
        self.ues.get(&ue).map_or(&[], |held| held.list.as_slice())
    }

    /// All sessions, by UE.
    pub fn iter(&self) -> impl Iterator<Item = (UeId, Imsi, &Session)> {
        self.ues.iter().flat_map(|(ue, held)| held.list.iter().map(move |session| (*ue, held.imsi, session)))
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// The UE that holds an address.
    #[must_use]
    pub fn by_address(&self, address: UeAddress) -> Option<UeId> {
        self.by_address.get(&address).copied()
    }

    /// The UE that holds a tunnel.
    #[must_use]
    pub fn by_teid(&self, teid: Teid) -> Option<UeId> {
        self.by_teid.get(&teid).copied()
    }

    /// Addresses that can be given out now, and all, for each pool of each access point.
    pub fn room(&mut self, now: Time) -> Vec<(Apn, IpPrefix, u32, u32)> {
        let rooms = self.pools.iter_mut().flat_map(|(apn, pools)| {
            let rooms = pools.room(now).into_iter();
            rooms.map(|(network, free, all)| (apn.clone(), network, free, all))
        });
        rooms.collect()
    }

    /// Sets a subscriber's static address apart, before anybody else gets it.
    pub fn reserve(&mut self, imsi: Imsi, apn: &Apn, address: UeAddress) {
        self.reserved.insert((apn.clone(), address), imsi.value());
        if let Some(pool) = self.pools.get_mut(apn) {
            pool.reserve(imsi.value(), address);
        }
    }

    /// Sessions as they are kept.
    #[must_use]
    pub fn stored(&self, ue: UeId) -> Vec<StoredSession> {
        let kept = self.of(ue).iter().map(|session| StoredSession {
            ebi: session.ebi,
            apn: session.apn.clone(),
            address: session.address,
            framed_routes: session.framed_routes.clone(),
            qos: session.qos,
            ambr: session.ambr,
            local: session.local,
            remote: session.remote,
        });
        kept.collect()
    }

    /// Takes stored sessions over. Gives back those that could not be: their address or tunnel belongs to another, or to
    /// no pool of the configuration.
    pub fn restore(
        &mut self,
        ue: UeId,
        imsi: Imsi,
        subscribed: Ambr,
        stored: Vec<StoredSession>,
    ) -> Vec<StoredSession> {
        let mut refused = Vec::new();
        let mut held = UeSessions::new(imsi, subscribed);
        for session in stored {
            let pool = self.pools.get_mut(&session.apn);
            let housed = pool.is_some_and(|p| p.restore(session.address)) || self.retired(session.address);
            if self.by_address.contains_key(&session.address) || !housed {
                refused.push(session);
                continue;
            }
            if !self.teids.restore(session.local.1) {
                if let Some(pool) = self.pools.get_mut(&session.apn) {
                    pool.release(Time::ZERO, Duration::ZERO, imsi.value(), session.address);
                }
                refused.push(session);
                continue;
            }
            self.by_address.insert(session.address, ue);
            self.by_teid.insert(session.local.1, ue);
            held.list.push(Session {
                ebi: session.ebi,
                apn: session.apn,
                address: session.address,
                framed_routes: session.framed_routes,
                qos: session.qos,
                ambr: session.ambr,
                local: session.local,
                remote: session.remote,
                confirmed: true,
                rules: Vec::new(),
                bearers: Vec::new(),
            });
        }
        self.by_imsi.insert(imsi, ue);
        self.ues.insert(ue, held);
        refused
    }

    /// Whether all of an address is of former pools.
    fn retired(&self, address: UeAddress) -> bool {
        let of = |address: IpAddr| self.config.retired.iter().any(|network| network.contains(address));
        address.ipv4().is_none_or(|ipv4| of(ipv4.into()))
            && address.prefix().is_none_or(|prefix| of(prefix.network().into()))
    }

    /// Takes a new configuration. Sessions keep their addresses, also those whose pool is gone, until they end.
    pub fn configure(&mut self, config: &GatewayConfig) {
        self.config = config.clone();
        let former = core::mem::replace(&mut self.pools, make_pools(&config.apns));
        for ((apn, address), owner) in &self.reserved {
            if let Some(pool) = self.pools.get_mut(apn) {
                pool.reserve(*owner, *address);
            }
        }
        for held in self.ues.values() {
            for session in &held.list {
                if let Some(pool) = self.pools.get_mut(&session.apn) {
                    pool.restore(session.address);
                }
            }
        }
        for (apn, former) in former {
            if let Some(pool) = self.pools.get_mut(&apn) {
                pool.inherit(&former);
            }
        }
    }

    /// Ends one session: address and tunnel rest, the data plane forgets it.
    fn forget(&mut self, now: Time, ue: UeId, imsi: Imsi, session: &Session, reason: &str, out: &mut SessionOut) {
        let quarantine = self.config.timers.quarantine;
        for bearer in &session.bearers {
            self.admission.release((ue, bearer.ebi));
            self.by_teid.remove(&bearer.local.1);
            self.teids.release(now, quarantine, bearer.local.1);
            if bearer.confirmed {
                out.tell(Event::BearerEnded { imsi, ebi: bearer.ebi, reason: reason.to_owned() });
            }
        }
        self.by_teid.remove(&session.local.1);
        self.teids.release(now, quarantine, session.local.1);
        self.by_address.remove(&session.address);
        if let Some(pool) = self.pools.get_mut(&session.apn) {
            pool.release(now, quarantine, imsi.value(), session.address);
        }
        let (apn, address, teid) = (session.apn.clone(), session.address, session.local.1);
        self.resting.add(now, ue, Rest { until: now + quarantine, apn, address, teid });
        out.dataplane(DataplaneChange::Remove { teid: session.local.1, address: session.address });
        if session.confirmed {
            out.tell(Event::SessionEnded { imsi, ebi: session.ebi, reason: reason.to_owned() });
        }
    }

    fn release(&mut self, now: Time, ue: UeId, reason: &str, out: &mut SessionOut) {
        self.stop_forwarding(now, ue, out);
        let Some(held) = self.ues.remove(&ue) else { return };
        if self.by_imsi.get(&held.imsi) == Some(&ue) {
            self.by_imsi.remove(&held.imsi);
        }
        for session in &held.list {
            self.forget(now, ue, held.imsi, session, reason, out);
        }
        for timer in [
            TimerName::T3485,
            TimerName::T3489,
            TimerName::T3495,
            TimerName::DedicatedBearer,
            TimerName::BearerSettling,
            TimerName::RuleRetry,
        ] {
            out.stop(ue, timer);
        }
    }
}

fn make_pools(apns: &[ApnConfig]) -> BTreeMap<Apn, ApnAddresses> {
    apns.iter().map(|apn| (apn.apn.clone(), ApnAddresses::new(apn))).collect()
}

fn bearer_setup(session: &Session) -> BearerSetup {
    BearerSetup {
        ebi: session.ebi,
        qos: session.qos,
        rates: None,
        address: session.local.0,
        teid: session.local.1,
        nas: None,
    }
}

#[cfg(test)]
mod tests;
