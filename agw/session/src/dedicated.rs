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

mod answers;
mod template;

use crate::admission::Promise;
use crate::binding::{self, Wanted};
use crate::{SessionOut, Sessions, UeSessions, encode, rates};
use agw_types::{
    Bearer, BearerFilter, BearerModify, BearerRates, BearerSetup, Event, Outcome, Procedure, RuleRefusal, Session,
    SessionReply, TimerName, UeId,
};
use basalt_ids::{Ebi, Pti};
use basalt_nas::esm::{DeactivateEpsBearerContextRequest, EsmMessage, ModifyEpsBearerContextRequest};
use basalt_nas::ie::{EsmCause, Tft};
use basalt_sansio::Time;
use std::collections::BTreeSet;
use template::{activation, change, qos, taken};

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
        // The phone may use it before its answer arrives, and have it when the gateway has died meanwhile.
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, session, out);
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
        self.serve(ue, session, out);
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
        self.serve(ue, session, out);
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

    /// Takes a dedicated bearer away: its tunnel rests, its promise is free, what ran for it is over.
    pub(crate) fn drop_bearer(&mut self, now: Time, ue: UeId, ebi: Ebi, reason: &str, out: &mut SessionOut) {
        let Some(held) = self.ues.get_mut(&ue) else { return };
        let imsi = held.imsi;
        let Some((session, bearer)) = held.take_bearer(ebi) else { return };
        if held.changing.take_if(|running| running.ebi == ebi).is_some() {
            out.stop(ue, TimerName::DedicatedBearer);
        }
        held.given_up.retain(|(other, _)| *other != ebi);
        held.settling.retain(|(other, _)| *other != ebi);
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
            if !bearer.confirmed {
                // Offered by an earlier life of the gateway.
                return Some(Step::End(session.ebi, bearer.ebi));
            }
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
    /// Whether a bearer is being deactivated.
    pub(crate) fn takes_away(&self, ebi: Ebi) -> bool {
        self.changing.as_ref().is_some_and(|running| running.ebi == ebi && matches!(running.what, What::Deactivate))
    }

    fn has_given_up(&self, bearer: &Bearer, wanted: &Wanted, session: &Session) -> bool {
        let Some((_, target)) = self.given_up.iter().find(|(ebi, _)| *ebi == bearer.ebi) else { return false };
        let all = wanted.filters(&bearer.filters, &taken(session, Some(bearer.ebi)));
        all.is_some_and(|all| change(&bearer.filters, &all).1 == target.filters && wanted.rates == target.rates)
    }
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
