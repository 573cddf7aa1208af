//! Dedicated bearers: activated, modified and deactivated until they are what the rules want (TS 24.301 §6.4.2 to §6.4.4).
//!
//! ```text
//!   UE                                              network
//!    │ ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST   │   a rule came; T3485, with the E-RAB
//!    │◄────────────────────────────────────────────────│
//!    │ … ACCEPT / REJECT                               │
//!    │────────────────────────────────────────────────►│   its flows move to the bearer / the rule is refused
//!    │ MODIFY EPS BEARER CONTEXT REQUEST               │   a rule of the bearer came, went or changed; T3486
//!    │◄────────────────────────────────────────────────│
//!    │ DEACTIVATE EPS BEARER CONTEXT REQUEST           │   its last rule went; T3495
//!    │◄────────────────────────────────────────────────│
//! ```
//!
//! One procedure runs for a UE at a time. When it is over, the next difference between what there is and what the rules want starts
//! the next one, so that rules may come and go meanwhile. An idle UE is called first. What cannot be had is marked in its rule and not
//! asked for again before something changes.

use crate::admission::Promise;
use crate::binding::{self, Wanted};
use crate::{SessionOut, Sessions, UeSessions, encode, rates};
use agw_types::{
    Bearer, BearerFailure, BearerFilter, BearerModify, BearerRates, BearerSetup, Effect, Event, Metric, Outcome,
    Procedure, RadioCause, RuleRefusal, Session, SessionReply, TimerName, UeId,
};
use basalt_ids::{Ebi, Pti};
use basalt_nas::esm::{
    ActivateDedicatedEpsBearerContextRequest, DeactivateEpsBearerContextRequest, EsmMessage,
    ModifyEpsBearerContextRequest,
};
use basalt_nas::ie::{EpsQos, EsmCause, GbrRates, LinkedEbi, Tft, TftOperation};
use basalt_sansio::Time;
use std::collections::BTreeSet;

/// A procedure on its way.
#[derive(Debug)]
pub(crate) struct Changing {
    /// Default bearer of the session.
    session: Ebi,
    pub(crate) ebi: Ebi,
    what: What,
    /// The message, for repetition.
    esm: Vec<u8>,
    sent: u8,
    /// The base station has answered what it was asked with the message.
    radio: bool,
}

#[derive(Debug)]
enum What {
    Activate,
    Modify(Target),
    Deactivate,
    /// New rates of a session, told on its default bearer.
    Rates,
}

/// What a modification makes of a bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    filters: Vec<BearerFilter>,
    rates: Option<BearerRates>,
}

/// What is to be done next.
enum Step {
    End(Ebi, Ebi),
    Modify(Ebi, Ebi, Wanted),
    Start(Ebi, Wanted),
    Rates(Ebi),
}

/// Transmissions of each request (TS 24.301 §6.4.2.6, §6.4.3.6, §6.4.4.6).
const ATTEMPTS: u8 = 5;

impl Sessions {
    /// Starts what brings the UE's bearers nearer to its rules, if nothing runs.
    pub(crate) fn pump(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        // Each turn starts a procedure, calls the UE, or gives something up.
        while let Some(held) = self.ues.get(&ue) {
            if held.changing.is_some() {
                return;
            }
            let Some(step) = next_step(held) else { return };
            let connected = held.list.iter().any(|session| session.remote.is_some());
            if !connected {
                if matches!(step, Step::Rates(_)) {
                    // They hold here already; nobody is called to hear of it.
                    return;
                }
                out.reply(SessionReply::Call { ue });
                return;
            }
            match step {
                Step::End(session, ebi) => {
                    self.start_end(ue, session, ebi, Pti(0), EsmCause::RegularDeactivation, out);
                }
                Step::Modify(session, ebi, wanted) => self.start_modification(now, ue, session, ebi, &wanted, out),
                Step::Start(session, wanted) => self.start_activation(now, ue, session, &wanted, out),
                Step::Rates(session) => self.start_rates(ue, session, out),
            }
        }
    }

    fn start_rates(&mut self, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.untold.retain(|untold| *untold != ebi);
        let requalified = held.requalified.contains(&ebi);
        held.requalified.retain(|other| *other != ebi);
        let Some((esm, qos)) =
            held.session(ebi).and_then(|session| Some((rates::request(session, requalified)?, session.qos)))
        else {
            return;
        };
        let running = Changing { session: ebi, ebi, what: What::Rates, esm: esm.clone(), sent: 1, radio: !requalified };
        held.changing = Some(Box::new(running));
        out.arm(ue, TimerName::DedicatedBearer, self.config.timers.t3486);
        out.reply(if requalified {
            SessionReply::BearerChanging { ue, bearer: BearerModify { ebi, qos, rates: None, nas: esm } }
        } else {
            SessionReply::Send { ue, esm }
        });
    }

    fn start_activation(&mut self, now: Time, ue: UeId, session: Ebi, wanted: &Wanted, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else { return };
        let Some(ebi) = held.free_ebi() else {
            self.refuse_rules(ue, session, &wanted.rules(), RuleRefusal::TooManyBearers, out);
            return;
        };
        let Some(home) = held.session(session) else { return };
        let filters = wanted.filters(&[], &taken(home, None));
        let Some((filters, esm)) = filters.and_then(|filters| {
            let pti = held.transaction(session, &wanted.rules());
            let esm = activation(session, ebi, pti, wanted, &filters)?;
            Some((filters, esm))
        }) else {
            self.refuse_rules(ue, session, &wanted.rules(), RuleRefusal::TooManyBearers, out);
            return;
        };
        if !self.admit(now, ue, session, ebi, wanted.rates, wanted.qos.arp, out) {
            self.refuse_rules(ue, session, &wanted.rules(), RuleRefusal::Admission, out);
            return;
        }
        let Some(teid) = self.teids.take(now, &mut self.rng) else {
            self.admission.release((ue, ebi));
            self.refuse_rules(ue, session, &wanted.rules(), RuleRefusal::Admission, out);
            return;
        };
        let bearer = Bearer {
            ebi,
            qos: wanted.qos,
            rates: wanted.rates,
            local: (self.config.user_plane, teid),
            remote: None,
            confirmed: false,
            filters,
        };
        let setup = bearer_setup(&bearer);
        self.by_teid.insert(teid, ue);
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.answered(session, &wanted.rules());
        if let Some(session) = held.session_mut(session) {
            session.bearers.push(bearer);
        }
        held.changing =
            Some(Box::new(Changing { session, ebi, what: What::Activate, esm: esm.clone(), sent: 1, radio: false }));
        out.arm(ue, TimerName::DedicatedBearer, self.config.timers.t3485);
        out.reply(SessionReply::BearerReady { ue, esm, bearer: setup, ambr: None });
    }

    fn start_modification(
        &mut self,
        now: Time,
        ue: UeId,
        session: Ebi,
        ebi: Ebi,
        wanted: &Wanted,
        out: &mut SessionOut,
    ) {
        let Some(held) = self.ues.get(&ue) else { return };
        let Some(home) = held.session(session) else { return };
        let Some(bearer) = home.bearers.iter().find(|bearer| bearer.ebi == ebi) else { return };
        let new: BTreeSet<u32> =
            wanted.rules().into_iter().filter(|id| bearer.filters.iter().all(|known| known.rule != *id)).collect();
        let Some(all) = wanted.filters(&bearer.filters, &taken(home, Some(ebi))) else {
            let rules = if new.is_empty() { wanted.rules() } else { new };
            self.refuse_rules(ue, session, &rules, RuleRefusal::TooManyBearers, out);
            return;
        };
        let (operation, filters) = change(&bearer.filters, &all);
        let target = Target { filters, rates: wanted.rates };
        let requalified = bearer.rates != target.rates;
        let pti = held.transaction(session, &wanted.rules());
        let mut message = ModifyEpsBearerContextRequest::new();
        message.new_qos = requalified.then(|| qos(wanted));
        message.tft = operation.map(|operation| Tft::new(operation).encode());
        let fits = message.tft.as_ref().is_none_or(binding::fits);
        let esm = encode(Some(ebi), pti, EsmMessage::ModifyEpsBearerContextRequest(message)).filter(|_| fits);
        let admitted = !requalified || self.admit(now, ue, session, ebi, wanted.rates, wanted.qos.arp, out);
        let (Some(esm), true) = (esm, admitted) else {
            let why = if admitted { RuleRefusal::TooManyBearers } else { RuleRefusal::Admission };
            self.give_up(ue, ebi, target);
            self.refuse_rules(ue, session, &new, why, out);
            return;
        };
        let Some(held) = self.ues.get_mut(&ue) else { return };
        held.answered(session, &wanted.rules());
        let bearer = BearerModify { ebi, qos: wanted.qos, rates: wanted.rates, nas: esm.clone() };
        let what = What::Modify(target);
        held.changing = Some(Box::new(Changing { session, ebi, what, esm: esm.clone(), sent: 1, radio: !requalified }));
        out.arm(ue, TimerName::DedicatedBearer, self.config.timers.t3486);
        out.reply(if requalified {
            SessionReply::BearerChanging { ue, bearer }
        } else {
            SessionReply::Send { ue, esm }
        });
    }

    /// DEACTIVATE EPS BEARER CONTEXT REQUEST for a dedicated bearer.
    pub(crate) fn start_end(
        &mut self,
        ue: UeId,
        session: Ebi,
        ebi: Ebi,
        pti: Pti,
        cause: EsmCause,
        out: &mut SessionOut,
    ) {
        let message = EsmMessage::DeactivateEpsBearerContextRequest(DeactivateEpsBearerContextRequest::new(cause));
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(esm) = encode(Some(ebi), pti, message) else { return };
        held.changing =
            Some(Box::new(Changing { session, ebi, what: What::Deactivate, esm: esm.clone(), sent: 1, radio: true }));
        out.arm(ue, TimerName::DedicatedBearer, self.config.timers.t3495);
        out.reply(SessionReply::BearerEnding { ue, esm: Some(esm), bearers: vec![ebi] });
    }

    /// Promises a bearer its rates; bearers that have to go for it lose theirs. True for one without guaranteed rates.
    #[allow(clippy::too_many_arguments, reason = "what a promise is about")]
    fn admit(
        &mut self,
        now: Time,
        ue: UeId,
        session: Ebi,
        ebi: Ebi,
        rates: Option<BearerRates>,
        arp: agw_types::Arp,
        out: &mut SessionOut,
    ) -> bool {
        let Some(rates) = rates else {
            self.admission.release((ue, ebi));
            return true;
        };
        let Some(home) = self.ues.get(&ue).and_then(|held| held.session(session)) else { return false };
        let enb = home.remote.map(|(address, _)| address);
        let promise = Promise { rates: rates.guaranteed, apn: home.apn.clone(), enb, arp };
        let Some(victims) = self.admission.admit(&self.config.qos, (ue, ebi), promise) else {
            out.ended(Procedure::Admission, Outcome::Failure);
            return false;
        };
        out.ended(Procedure::Admission, Outcome::Success);
        for (other, ebi) in victims {
            self.preempted(now, other, ebi, out);
        }
        true
    }

    /// A bearer has to go for a more important one.
    fn preempted(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        out.ended(Procedure::Admission, Outcome::Superseded);
        let Some((session, rules)) = self.ues.get(&ue).and_then(|held| held.rules_of(ebi)) else { return };
        self.refuse_rules(ue, session, &rules, RuleRefusal::Preempted, out);
        let running = self.ues.get(&ue).and_then(|held| held.changing.as_ref()).is_some_and(|run| run.ebi == ebi);
        if running {
            // It was just being set up or changed: that ends here.
            self.drop_bearer(now, ue, ebi, "a more important bearer took its place", out);
            out.reply(SessionReply::BearerEnding { ue, esm: None, bearers: vec![ebi] });
        }
        self.pump_later.push(ue);
    }

    /// Marks rules as refused, and tells it.
    pub(crate) fn refuse_rules(
        &mut self,
        ue: UeId,
        session: Ebi,
        rules: &BTreeSet<u32>,
        why: RuleRefusal,
        out: &mut SessionOut,
    ) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let imsi = held.imsi;
        let requested = held.refuse_transaction(session, rules);
        let Some(home) = held.session_mut(session) else { return };
        for active in home.rules.iter_mut().filter(|active| rules.contains(&active.id)) {
            active.refused = Some(why);
            let (rule, reason) = (active.rule.name.clone(), why.words().to_owned());
            out.tell(Event::RuleRefused { imsi, rule, reason });
        }
        if let Some((pti, rule)) = requested {
            home.rules.retain(|active| active.id != rule);
            crate::resource::refuse(ue, pti, cause_of(why), out);
        }
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, session, out);
        self.retry_later(ue, why, out);
    }

    /// Does not ask for this change of a bearer again until another one is wanted.
    fn give_up(&mut self, ue: UeId, ebi: Ebi, target: Target) {
        if let Some(held) = self.ues.get_mut(&ue) {
            held.given_up.retain(|(other, _)| *other != ebi);
            held.given_up.push((ebi, target));
        }
    }

    /// The base station set a dedicated bearer up or moved it: true when there is such a bearer.
    pub(crate) fn bearer_connected(&mut self, ue: UeId, endpoint: &agw_types::BearerEndpoint) -> bool {
        let Some(held) = self.ues.get_mut(&ue) else { return false };
        let Some(bearer) = held.bearer_mut(endpoint.ebi) else { return false };
        bearer.remote = Some((endpoint.address, endpoint.teid));
        if let Some(running) = held.changing.as_mut().filter(|running| running.ebi == endpoint.ebi) {
            running.radio |= matches!(running.what, What::Activate);
        }
        true
    }

    /// The base station could not set bearers up. One that was refused because of a handover is asked for again after it.
    pub(crate) fn bearers_failed(&mut self, now: Time, ue: UeId, failed: &[BearerFailure], out: &mut SessionOut) {
        for failure in failed {
            let Some(held) = self.ues.get(&ue) else { return };
            let Some((session, rules)) = held.rules_of(failure.ebi) else { continue };
            let running = held.changing.as_ref().is_some_and(|running| running.ebi == failure.ebi);
            if running && failure.cause == RadioCause::Handover {
                continue;
            }
            if running {
                out.ended(Procedure::DedicatedBearer, Outcome::PeerRefused);
            }
            self.refuse_rules(ue, session, &rules, RuleRefusal::Radio, out);
            self.drop_bearer(now, ue, failure.ebi, "the base station could not set the bearer up", out);
        }
    }

    /// The base station gave bearers up; the phone knows (TS 24.301 §6.4.4.6).
    pub(crate) fn dropped(&mut self, now: Time, ue: UeId, bearers: &[Ebi], out: &mut SessionOut) {
        for ebi in bearers {
            let Some((session, rules)) = self.ues.get(&ue).and_then(|held| held.rules_of(*ebi)) else { continue };
            self.refuse_rules(ue, session, &rules, RuleRefusal::Radio, out);
            self.drop_bearer(now, ue, *ebi, "the base station gave the bearer up", out);
        }
        self.end_where(now, ue, "the base station gave the bearer up", |s| bearers.contains(&s.ebi), out);
        self.pump(now, ue, out);
    }

    /// The base station changed the QoS of bearers, or could not: then the phone has not heard of it (TS 36.413 §8.2.2.2).
    pub(crate) fn modified(
        &mut self,
        now: Time,
        ue: UeId,
        modified: &[Ebi],
        failed: &[BearerFailure],
        out: &mut SessionOut,
    ) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(running) = &mut held.changing else { return };
        if !matches!(running.what, What::Modify(_) | What::Rates) {
            return;
        }
        running.radio |= modified.contains(&running.ebi);
        let failure = failed.iter().find(|failure| failure.ebi == running.ebi);
        if failure.is_some_and(|failure| failure.cause != RadioCause::Handover) {
            self.modification_failed(now, ue, Outcome::PeerRefused, RuleRefusal::Radio, out);
        }
    }

    /// The path was switched: what the old base station was asked and did not answer is asked of the new one.
    pub(crate) fn ask_again(&mut self, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        if held.changing.as_ref().is_some_and(|running| !running.radio) {
            self.repeat(ue, out);
        }
    }

    /// ACTIVATE DEDICATED EPS BEARER CONTEXT ACCEPT. False when no such procedure runs.
    pub(crate) fn dedicated_accepted(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) -> bool {
        let Some(held) = self.ues.get_mut(&ue) else { return false };
        let Some(running) = held.changing.take_if(|run| run.ebi == ebi && matches!(run.what, What::Activate)) else {
            return false;
        };
        out.stop(ue, TimerName::DedicatedBearer);
        let imsi = held.imsi;
        if let Some(session) = held.session_mut(running.session)
            && let Some(bearer) = session.bearers.iter_mut().find(|bearer| bearer.ebi == ebi)
        {
            bearer.confirmed = true;
            let qci = bearer.qos.qci.0;
            let named = |active: &&agw_types::ActiveRule| bearer.filters.iter().any(|known| known.rule == active.id);
            let rules = session.rules.iter().filter(named).map(|active| active.rule.name.clone()).collect();
            out.tell(Event::BearerStarted { imsi, ebi, qci, rules });
        }
        held.retries = 0;
        out.ended(Procedure::DedicatedBearer, Outcome::Success);
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, running.session, out);
        self.pump(now, ue, out);
        true
    }

    /// ACTIVATE DEDICATED EPS BEARER CONTEXT REJECT. False when no such procedure runs.
    pub(crate) fn dedicated_rejected(
        &mut self,
        now: Time,
        ue: UeId,
        ebi: Ebi,
        cause: EsmCause,
        out: &mut SessionOut,
    ) -> bool {
        let running = |run: &Changing| run.ebi == ebi && matches!(run.what, What::Activate);
        if !self.ues.get(&ue).and_then(|held| held.changing.as_deref()).is_some_and(running) {
            return false;
        }
        self.activation_failed(now, ue, ebi, Outcome::PeerRefused, RuleRefusal::Phone(cause.code()), out);
        true
    }

    fn activation_failed(
        &mut self,
        now: Time,
        ue: UeId,
        ebi: Ebi,
        outcome: Outcome,
        why: RuleRefusal,
        out: &mut SessionOut,
    ) {
        out.ended(Procedure::DedicatedBearer, outcome);
        if let Some((session, rules)) = self.ues.get(&ue).and_then(|held| held.rules_of(ebi)) {
            self.refuse_rules(ue, session, &rules, why, out);
        }
        self.drop_bearer(now, ue, ebi, why.words(), out);
        out.reply(SessionReply::BearerEnding { ue, esm: None, bearers: vec![ebi] });
        self.pump(now, ue, out);
    }

    /// MODIFY EPS BEARER CONTEXT ACCEPT. False when no such procedure runs.
    pub(crate) fn modification_accepted(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) -> bool {
        let Some(held) = self.ues.get_mut(&ue) else { return false };
        let modifies = |run: &mut Box<Changing>| run.ebi == ebi && matches!(run.what, What::Modify(_) | What::Rates);
        let Some(running) = held.changing.take_if(modifies) else { return false };
        out.stop(ue, TimerName::DedicatedBearer);
        if let (What::Modify(target), Some(bearer)) = (running.what, held.bearer_mut(ebi)) {
            bearer.filters = target.filters;
            bearer.rates = target.rates;
        }
        out.ended(Procedure::BearerModification, Outcome::Success);
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, running.session, out);
        self.pump(now, ue, out);
        true
    }

    /// MODIFY EPS BEARER CONTEXT REJECT. False when no such procedure runs. A phone that does not know the bearer has it no more
    /// (TS 24.301 §6.4.3.4).
    pub(crate) fn modification_rejected(
        &mut self,
        now: Time,
        ue: UeId,
        ebi: Ebi,
        cause: EsmCause,
        out: &mut SessionOut,
    ) -> bool {
        let running = |run: &Changing| run.ebi == ebi && matches!(run.what, What::Modify(_) | What::Rates);
        if !self.ues.get(&ue).and_then(|held| held.changing.as_deref()).is_some_and(running) {
            return false;
        }
        self.modification_failed(now, ue, Outcome::PeerRefused, RuleRefusal::Phone(cause.code()), out);
        if cause == EsmCause::InvalidEpsBearerIdentity {
            self.lost_by_phone(now, ue, ebi, out);
        }
        true
    }

    /// The bearer stays as it was, and its promise with it.
    fn modification_failed(&mut self, now: Time, ue: UeId, outcome: Outcome, why: RuleRefusal, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(running) = held.changing.take() else { return };
        out.stop(ue, TimerName::DedicatedBearer);
        out.ended(Procedure::BearerModification, outcome);
        let What::Modify(target) = running.what else {
            // The phone keeps its old rates; what passes is decided here.
            self.pump(now, ue, out);
            return;
        };
        let (session, ebi) = (running.session, running.ebi);
        let Some(home) = held.session(session) else { return };
        let Some(bearer) = home.bearers.iter().find(|bearer| bearer.ebi == ebi) else { return };
        let known = |rule: u32| bearer.filters.iter().any(|known| known.rule == rule);
        let new: BTreeSet<u32> = target.filters.iter().map(|new| new.rule).filter(|rule| !known(*rule)).collect();
        if let Some(rates) = bearer.rates {
            let enb = home.remote.map(|(address, _)| address);
            let promise = Promise { rates: rates.guaranteed, apn: home.apn.clone(), enb, arp: bearer.qos.arp };
            self.admission.restore((ue, ebi), promise);
        } else {
            self.admission.release((ue, ebi));
        }
        self.give_up(ue, ebi, target);
        self.refuse_rules(ue, session, &new, why, out);
        self.pump(now, ue, out);
    }

    /// DEACTIVATE EPS BEARER CONTEXT ACCEPT for a dedicated bearer. False when no such procedure runs.
    pub(crate) fn dedicated_ended(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) -> bool {
        let running = |run: &Changing| run.ebi == ebi && matches!(run.what, What::Deactivate);
        if !self.ues.get(&ue).and_then(|held| held.changing.as_deref()).is_some_and(running) {
            return false;
        }
        out.ended(Procedure::BearerDeactivation, Outcome::Success);
        self.drop_bearer(now, ue, ebi, "deactivated", out);
        self.pump(now, ue, out);
        true
    }

    /// The phone has not got a bearer that is kept for it here.
    pub(crate) fn lost_by_phone(&mut self, now: Time, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some((session, rules)) = self.ues.get(&ue).and_then(|held| held.rules_of(ebi)) else { return };
        self.refuse_rules(ue, session, &rules, RuleRefusal::Released, out);
        self.drop_bearer(now, ue, ebi, "the phone no longer has the bearer", out);
        out.reply(SessionReply::BearerEnding { ue, esm: None, bearers: vec![ebi] });
        self.pump(now, ue, out);
    }

    /// T3485, T3486 or T3495 of a dedicated bearer: again, or given up.
    pub(crate) fn dedicated_expired(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let Some(running) = &mut held.changing else { return };
        if running.sent < ATTEMPTS {
            running.sent += 1;
            out.effects.push(Effect::Count(Metric::Retransmitted(running.what.name())));
            self.repeat(ue, out);
            return;
        }
        let ebi = running.ebi;
        match running.what {
            What::Activate => self.activation_failed(now, ue, ebi, Outcome::Timeout, RuleRefusal::Timeout, out),
            What::Modify(_) | What::Rates => {
                self.modification_failed(now, ue, Outcome::Timeout, RuleRefusal::Timeout, out);
            }
            What::Deactivate => {
                out.ended(Procedure::BearerDeactivation, Outcome::Timeout);
                self.drop_bearer(now, ue, ebi, "deactivated without an answer of the phone", out);
                self.pump(now, ue, out);
            }
        }
    }

    /// Says again what runs: by itself when the base station has done its part, else together with it.
    fn repeat(&mut self, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else { return };
        let Some(running) = &held.changing else { return };
        let timers = &self.config.timers;
        let (esm, ebi) = (running.esm.clone(), running.ebi);
        let bearer = held.bearer(ebi);
        let after = match running.what {
            What::Activate => timers.t3485,
            What::Modify(_) | What::Rates => timers.t3486,
            What::Deactivate => timers.t3495,
        };
        out.arm(ue, TimerName::DedicatedBearer, after);
        out.reply(match (&running.what, bearer) {
            (What::Activate, Some(bearer)) if !running.radio => {
                SessionReply::BearerReady { ue, esm, bearer: bearer_setup(bearer), ambr: None }
            }
            (What::Modify(target), Some(bearer)) if !running.radio => {
                let bearer = BearerModify { ebi, qos: bearer.qos, rates: target.rates, nas: esm };
                SessionReply::BearerChanging { ue, bearer }
            }
            (What::Rates, _) if !running.radio => {
                let qos = held.session(ebi).map(|session| session.qos);
                let modify = |qos| BearerModify { ebi, qos, rates: None, nas: esm.clone() };
                match qos.map(modify) {
                    Some(bearer) => SessionReply::BearerChanging { ue, bearer },
                    None => SessionReply::Send { ue, esm },
                }
            }
            _ => SessionReply::Send { ue, esm },
        });
    }

    /// Takes a dedicated bearer away: its tunnel rests, its promise is free, what ran for it is over.
    pub(crate) fn drop_bearer(&mut self, now: Time, ue: UeId, ebi: Ebi, reason: &str, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let imsi = held.imsi;
        let Some((session, bearer)) = held.take_bearer(ebi) else { return };
        if held.changing.take_if(|running| running.ebi == ebi).is_some() {
            out.stop(ue, TimerName::DedicatedBearer);
        }
        held.given_up.retain(|(other, _)| *other != ebi);
        self.admission.release((ue, ebi));
        self.by_teid.remove(&bearer.local.1);
        self.teids.release(now, self.config.timers.quarantine, bearer.local.1);
        if bearer.confirmed {
            out.tell(Event::BearerEnded { imsi, ebi, reason: reason.to_owned() });
        }
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, session, out);
    }

    /// The radio is gone: what was not finished is undone, and asked for again with the next connection.
    pub(crate) fn interrupt(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        if let Some(running) = held.changing.take() {
            out.stop(ue, TimerName::DedicatedBearer);
            out.ended(running.what.procedure(), Outcome::RadioLost);
            if matches!(running.what, What::Rates) {
                held.untold.push(running.session);
                if !running.radio {
                    held.requalified.push(running.session);
                }
            }
        }
        held.pardon(RuleRefusal::passes);
        let bearers = held.list.iter().flat_map(|session| &session.bearers);
        let (stay, go): (Vec<_>, Vec<_>) =
            bearers.map(|bearer| (bearer.ebi, bearer.confirmed)).partition(|(_, ok)| *ok);
        for (ebi, _) in stay {
            self.admission.leave_enb((ue, ebi));
        }
        for (ebi, _) in go {
            self.drop_bearer(now, ue, ebi, "the radio was lost before it stood", out);
        }
    }

    /// The phone is at a base station: promises count there from now on. Those that it cannot keep end.
    pub(crate) fn rehome(&mut self, now: Time, ue: UeId, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else { return };
        let promised: Vec<_> = held
            .list
            .iter()
            .flat_map(|session| session.bearers.iter().map(move |bearer| (session.ebi, bearer)))
            .filter(|(_, bearer)| bearer.confirmed && bearer.rates.is_some())
            .map(|(session, bearer)| (session, bearer.ebi, bearer.rates, bearer.qos.arp))
            .collect();
        for (session, ebi, rates, arp) in promised {
            if !self.admit(now, ue, session, ebi, rates, arp, out)
                && let Some((_, rules)) = self.ues.get(&ue).and_then(|held| held.rules_of(ebi))
            {
                self.refuse_rules(ue, session, &rules, RuleRefusal::Admission, out);
            }
        }
    }
}

impl What {
    const fn name(&self) -> &'static str {
        match self {
            What::Activate => "ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST",
            What::Modify(_) | What::Rates => "MODIFY EPS BEARER CONTEXT REQUEST",
            What::Deactivate => "DEACTIVATE EPS BEARER CONTEXT REQUEST",
        }
    }

    const fn procedure(&self) -> Procedure {
        match self {
            What::Activate => Procedure::DedicatedBearer,
            What::Modify(_) | What::Rates => Procedure::BearerModification,
            What::Deactivate => Procedure::BearerDeactivation,
        }
    }
}

/// The first difference between what there is and what the rules want.
fn next_step(held: &UeSessions) -> Option<Step> {
    let ending = held.ending.as_ref().map(|ending| ending.ebi);
    for session in held.list.iter().filter(|session| session.confirmed && Some(session.ebi) != ending) {
        let wanted = binding::wanted(session);
        for bearer in &session.bearers {
            let Some(wanted) = wanted.iter().find(|wanted| wanted.qos == bearer.qos) else {
                return Some(Step::End(session.ebi, bearer.ebi));
            };
            if !wanted.is(bearer) && !held.has_given_up(bearer, wanted, session) {
                return Some(Step::Modify(session.ebi, bearer.ebi, wanted.clone()));
            }
        }
        let missing = wanted.into_iter().find(|wanted| session.bearers.iter().all(|bearer| bearer.qos != wanted.qos));
        if let Some(wanted) = missing {
            return Some(Step::Start(session.ebi, wanted));
        }
    }
    let tellable = |session: &&Session| session.confirmed && Some(session.ebi) != ending;
    let untold = held.list.iter().filter(tellable).find(|session| held.untold.contains(&session.ebi));
    untold.map(|session| Step::Rates(session.ebi))
}

impl UeSessions {
    fn has_given_up(&self, bearer: &Bearer, wanted: &Wanted, session: &Session) -> bool {
        let Some((_, target)) = self.given_up.iter().find(|(ebi, _)| *ebi == bearer.ebi) else { return false };
        let all = wanted.filters(&bearer.filters, &taken(session, Some(bearer.ebi)));
        all.is_some_and(|all| change(&bearer.filters, &all).1 == target.filters && wanted.rates == target.rates)
    }
}

/// The next change of a template and what it leaves: replaced filters first, then new ones, then those that go. A bearer is never
/// without filters.
fn change(present: &[BearerFilter], all: &[BearerFilter]) -> (Option<TftOperation>, Vec<BearerFilter>) {
    let same_place = |a: &BearerFilter, b: &BearerFilter| (a.rule, a.index) == (b.rule, b.index);
    let told = |filters: &[BearerFilter]| filters.iter().map(binding::packet_filter).collect();
    let other: Vec<BearerFilter> =
        all.iter().filter(|new| present.iter().any(|old| same_place(old, new) && old != *new)).cloned().collect();
    if !other.is_empty() {
        let left = present.iter().map(|old| other.iter().find(|new| same_place(old, new)).unwrap_or(old).clone());
        return (Some(TftOperation::Replace(told(&other))), left.collect());
    }
    let new: Vec<BearerFilter> =
        all.iter().filter(|new| !present.iter().any(|old| same_place(old, new))).cloned().collect();
    if !new.is_empty() {
        let operation = TftOperation::Add(told(&new));
        return (Some(operation), present.iter().cloned().chain(new).collect());
    }
    let gone: Vec<u8> =
        present.iter().filter(|old| !all.iter().any(|new| same_place(old, new))).map(|old| old.id).collect();
    let operation = (!gone.is_empty()).then_some(TftOperation::DeleteFilters(gone));
    (operation, all.to_vec())
}

/// Precedences of a session's filters, those of one bearer left out.
fn taken(session: &Session, but: Option<Ebi>) -> BTreeSet<u8> {
    let others = session.bearers.iter().filter(|bearer| Some(bearer.ebi) != but);
    others.flat_map(|bearer| &bearer.filters).map(|filter| filter.precedence).collect()
}

fn qos(wanted: &Wanted) -> EpsQos {
    // In kbit/s, rounded up: less would not be what is guaranteed.
    let kilo = |rate: u64| rate.div_ceil(1000);
    match wanted.rates {
        None => EpsQos::non_gbr(wanted.qos.qci),
        Some(BearerRates { guaranteed, maximum }) => EpsQos::gbr(
            wanted.qos.qci,
            &GbrRates {
                max_uplink: kilo(maximum.uplink),
                max_downlink: kilo(maximum.downlink),
                guaranteed_uplink: kilo(guaranteed.uplink),
                guaranteed_downlink: kilo(guaranteed.downlink),
            },
        ),
    }
}

/// ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST. `None` when its filters are too long for one element.
fn activation(session: Ebi, ebi: Ebi, pti: Pti, wanted: &Wanted, filters: &[BearerFilter]) -> Option<Vec<u8>> {
    let tft = Tft::new(TftOperation::Create(filters.iter().map(binding::packet_filter).collect())).encode();
    if !binding::fits(&tft) {
        return None;
    }
    let message = ActivateDedicatedEpsBearerContextRequest::new(LinkedEbi::from(session), qos(wanted), tft);
    encode(Some(ebi), pti, EsmMessage::ActivateDedicatedEpsBearerContextRequest(message))
}

/// A dedicated bearer as the base station is told of it.
pub(crate) fn bearer_setup(bearer: &Bearer) -> BearerSetup {
    let (address, teid) = bearer.local;
    BearerSetup { ebi: bearer.ebi, qos: bearer.qos, rates: bearer.rates, address, teid, nas: None }
}

/// What a phone is told that asked for the rule itself.
const fn cause_of(why: RuleRefusal) -> EsmCause {
    match why {
        RuleRefusal::Admission | RuleRefusal::Preempted | RuleRefusal::Radio => EsmCause::InsufficientResources,
        RuleRefusal::TooManyBearers => EsmCause::MaximumBearersReached,
        RuleRefusal::Phone(_) | RuleRefusal::Timeout | RuleRefusal::Released => EsmCause::RequestRejectedUnspecified,
    }
}
