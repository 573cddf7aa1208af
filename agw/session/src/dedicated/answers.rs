//! What phone and base station answer, and what follows when they do not.

use super::{ATTEMPTS, Changing, What, bearer_setup};
use crate::admission::Promise;
use crate::{SessionOut, Sessions};
use agw_types::{
    BearerFailure, BearerModify, Effect, Event, Metric, Outcome, Procedure, RadioCause, RuleRefusal, SessionReply,
    TimerName, UeId,
};
use basalt_ids::Ebi;
use basalt_nas::ie::EsmCause;
use basalt_sansio::Time;
use std::collections::BTreeSet;

impl Sessions {
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
        self.settle(now, ue, ebi, out);
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
        self.settle(now, ue, ebi, out);
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
        self.settle(now, ue, ebi, out);
        let Some(held) = self.ues.get_mut(&ue) else { return };
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
    pub(super) fn repeat(&mut self, ue: UeId, out: &mut SessionOut) {
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
}
