//! Rules of sessions: where they come from, and what the data plane is told of them.

use crate::{SessionOut, Sessions, UeSessions};
use agw_types::{
    ActiveRule, Ambr, Bearer, BearerTunnel, DataplaneChange, FlowRule, Gate, MAX_FILTERS, MAX_SESSION_FILTERS, Marking,
    Peer, PolicyRule, Session, SessionReply, SessionService, UeId,
};
use basalt_ids::{Apn, Ebi, Pti};
use basalt_sansio::Time;
use std::collections::BTreeSet;

/// A UE's request whose answer is the procedure of a bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) session: Ebi,
    pub(crate) rule: u32,
    pub(crate) pti: Pti,
}

impl Sessions {
    /// Gives a session a rule, in place of one of the same name. What it needs of bearers follows by signalling.
    ///
    /// # Errors
    /// What is wrong and what to do, in words; nothing has changed then.
    pub fn set_rule(
        &mut self,
        now: Time,
        ue: UeId,
        apn: Option<&Apn>,
        rule: PolicyRule,
        out: &mut SessionOut,
    ) -> Result<(), String> {
        rule.check()?;
        let session = self.named(ue, apn)?;
        self.put_rule(ue, session, rule, out)?;
        self.pump(now, ue, out);
        self.pump_others(now, out);
        Ok(())
    }

    /// Takes a rule from a session; its bearer ends with its last rule.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn remove_rule(
        &mut self,
        now: Time,
        ue: UeId,
        apn: Option<&Apn>,
        name: &str,
        out: &mut SessionOut,
    ) -> Result<(), String> {
        let ebi = self.named(ue, apn)?;
        let Some(held) = self.ues.get_mut(&ue) else { return Err(NO_SESSION.to_owned()) };
        let Some(session) = held.session_mut(ebi) else { return Err(NO_SESSION.to_owned()) };
        let before = session.rules.len();
        session.rules.retain(|active| active.rule.name != name);
        if session.rules.len() == before {
            let names: Vec<&str> = session.rules.iter().map(|active| active.rule.name.as_str()).collect();
            let known =
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
            return Err(format!("the session has no rule `{}`: {known}", name.escape_debug()));
        }
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, ebi, out);
        self.pump(now, ue, out);
        self.pump_others(now, out);
        Ok(())
    }

    /// The default bearer of the session that an operator means.
    fn named(&self, ue: UeId, apn: Option<&Apn>) -> Result<Ebi, String> {
        let list = self.of(ue);
        let found = match apn {
            None => list.first(),
            Some(apn) => list.iter().find(|session| session.apn == *apn),
        };
        match (found, apn) {
            (Some(session), _) => Ok(session.ebi),
            (None, Some(apn)) => Err(format!("the phone has no session on `{apn}`: see `basalt describe ue`")),
            (None, None) => Err(NO_SESSION.to_owned()),
        }
    }

    /// Puts a valid rule into a session. Gives its number.
    pub(crate) fn put_rule(
        &mut self,
        ue: UeId,
        ebi: Ebi,
        rule: PolicyRule,
        out: &mut SessionOut,
    ) -> Result<u32, String> {
        let Some(held) = self.ues.get_mut(&ue) else { return Err(NO_SESSION.to_owned()) };
        let Some(session) = held.session_mut(ebi) else { return Err(NO_SESSION.to_owned()) };
        room(session, &rule)?;
        let id = match session.rules.iter_mut().find(|active| active.rule.name == rule.name) {
            Some(active) => {
                active.rule = rule;
                active.refused = None;
                active.id
            }
            None => {
                let id = next_id(session);
                session.rules.push(ActiveRule { id, rule, refused: None });
                id
            }
        };
        out.reply(SessionReply::Changed { ue });
        self.serve(ue, ebi, out);
        Ok(id)
    }

    /// Tells the data plane a session's rules, bearers and marking.
    pub(crate) fn serve(&self, ue: UeId, ebi: Ebi, out: &mut SessionOut) {
        let Some(held) = self.ues.get(&ue) else { return };
        let told = |session: &&Session| session.remote.is_some() || session.confirmed;
        let Some(session) = held.session(ebi).filter(told) else { return };
        out.dataplane(DataplaneChange::Serve {
            teid: session.local.1,
            address: session.address,
            service: Box::new(service(held, session, &self.config.qos.marking)),
        });
    }

    /// What the data plane shall know of a UE's session beside its tunnel.
    #[must_use]
    pub fn service(&self, ue: UeId, session: &Session) -> SessionService {
        let held = self.ues.get(&ue);
        held.map_or_else(SessionService::default, |held| service(held, session, &self.config.qos.marking))
    }
}

const NO_SESSION: &str = "the phone has no session: it must be attached";

/// Rules of a new session, numbered.
pub(crate) fn initial(rules: Vec<PolicyRule>) -> Vec<ActiveRule> {
    let valid = rules.into_iter().filter(|rule| rule.check().is_ok());
    (1..).zip(valid).map(|(id, rule)| ActiveRule { id, rule, refused: None }).collect()
}

/// Whether one more rule, or another one of its name, fits beside the others.
fn room(session: &Session, rule: &PolicyRule) -> Result<(), String> {
    let others = || session.rules.iter().map(|active| &active.rule).filter(|other| other.name != rule.name);
    let all: usize = others().map(|other| other.filters.len()).sum();
    if all + rule.filters.len() > MAX_SESSION_FILTERS {
        return Err(format!(
            "the session would have {} flows, more than {MAX_SESSION_FILTERS}: remove a rule first",
            all + rule.filters.len()
        ));
    }
    let same_bearer = |other: &&PolicyRule| match (other.qos, rule.qos) {
        (Some(other), Some(own)) => other.bearer == own.bearer,
        _ => false,
    };
    let shared: usize = others().filter(same_bearer).map(|other| other.filters.len()).sum();
    if rule.qos.is_some_and(|qos| qos.bearer != session.qos) && shared + rule.filters.len() > MAX_FILTERS {
        return Err(format!(
            "rules of one QCI and priority share a bearer, which has at most {MAX_FILTERS} flows: give this one another priority"
        ));
    }
    Ok(())
}

/// A number that no rule of the session has or had while a bearer still refers to it.
fn next_id(session: &Session) -> u32 {
    let rules = session.rules.iter().map(|active| active.id);
    let filters = session.bearers.iter().flat_map(|bearer| &bearer.filters).map(|filter| filter.rule);
    rules.chain(filters).max().map_or(1, |most| most.wrapping_add(1).max(1))
}

/// Flows that a bearer carries go by it as the phone knows them, also while that is being changed; the others by the default bearer, and
/// those of a bearer that is being taken away, which the base station may have given up already.
fn service(held: &UeSessions, session: &Session, marking: &Marking) -> SessionService {
    let mut rules = Vec::new();
    for bearer in session.bearers.iter().filter(|bearer| bearer.confirmed) {
        let by = Some(bearer.ebi).filter(|ebi| bearer.remote.is_some() && !held.takes_away(*ebi));
        for known in &bearer.filters {
            let active = session.rules.iter().find(|active| active.id == known.rule);
            // A rule that is gone, whose flows the phone still has on the bearer, gets no more than all of the bearer.
            let all = bearer.rates.map_or(UNLIMITED, |rates| rates.maximum);
            let (gate, mbr) = active.map_or((Gate::OPEN, all), |active| (active.rule.gate, active.rule.most()));
            let rating_group = active.map_or(0, |active| active.rule.rating_group);
            let (id, precedence, filter) = (known.rule, known.precedence, known.filter);
            rules.push(FlowRule { id, precedence, filter, bearer: by, gate, mbr, rating_group });
        }
    }
    let carried = |id: u32, index: u8| {
        let confirmed = session.bearers.iter().filter(|bearer| bearer.confirmed);
        confirmed.flat_map(|bearer| &bearer.filters).any(|known| (known.rule, known.index) == (id, index))
    };
    for active in session.rules.iter().filter(|active| active.refused.is_none()) {
        for (index, filter) in (0u8..).zip(&active.rule.filters).filter(|(index, _)| !carried(active.id, *index)) {
            let precedence = active.rule.precedence.saturating_add(index);
            let (id, gate, mbr) = (active.id, active.rule.gate, active.rule.most());
            let rating_group = active.rule.rating_group;
            rules.push(FlowRule { id, precedence, filter: *filter, bearer: None, gate, mbr, rating_group });
        }
    }
    rules.truncate(MAX_SESSION_FILTERS);
    let bearers = session.bearers.iter().map(|bearer| BearerTunnel {
        ebi: bearer.ebi,
        teid: bearer.local.1,
        peer: bearer.remote.map(|(address, teid)| Peer { address, teid }),
        tos: marking.tos(bearer.qos.qci),
        guaranteed: bearer.rates.is_some(),
    });
    let settling = held.settling_of(session);
    SessionService { tos: marking.tos(session.qos.qci), bearers: bearers.collect(), rules, settling }
}

const UNLIMITED: Ambr = Ambr { uplink: u64::MAX, downlink: u64::MAX };

impl UeSessions {
    /// A bearer identity that no bearer has.
    pub(crate) fn free_ebi(&self) -> Option<Ebi> {
        let used = |ebi: Ebi| {
            self.list.iter().any(|session| session.ebi == ebi || session.bearers.iter().any(|bearer| bearer.ebi == ebi))
        };
        (Ebi::FIRST.value()..=15).filter_map(|value| Ebi::new(value).ok()).find(|ebi| !used(*ebi))
    }

    pub(crate) fn bearer(&self, ebi: Ebi) -> Option<&Bearer> {
        self.list.iter().flat_map(|session| &session.bearers).find(|bearer| bearer.ebi == ebi)
    }

    pub(crate) fn bearer_mut(&mut self, ebi: Ebi) -> Option<&mut Bearer> {
        self.list.iter_mut().flat_map(|session| &mut session.bearers).find(|bearer| bearer.ebi == ebi)
    }

    /// Takes a dedicated bearer out; gives the default bearer of its session too.
    pub(crate) fn take_bearer(&mut self, ebi: Ebi) -> Option<(Ebi, Bearer)> {
        self.list.iter_mut().find_map(|session| {
            let at = session.bearers.iter().position(|bearer| bearer.ebi == ebi)?;
            Some((session.ebi, session.bearers.remove(at)))
        })
    }

    /// The session of a dedicated bearer, and the rules that want one of its class and priority.
    pub(crate) fn rules_of(&self, ebi: Ebi) -> Option<(Ebi, BTreeSet<u32>)> {
        self.list.iter().find_map(|session| {
            let bearer = session.bearers.iter().find(|bearer| bearer.ebi == ebi)?;
            let wants = |active: &&ActiveRule| active.rule.qos.is_some_and(|qos| qos.bearer == bearer.qos);
            Some((session.ebi, session.rules.iter().filter(wants).map(|active| active.id).collect()))
        })
    }

    /// The transaction that a procedure for these rules answers; 0 for none.
    pub(crate) fn transaction(&self, session: Ebi, rules: &BTreeSet<u32>) -> Pti {
        let asked = |request: &&Requested| request.session == session && rules.contains(&request.rule);
        self.requested.iter().find(asked).map_or(Pti(0), |request| request.pti)
    }

    /// The request is answered by the procedure that starts.
    pub(crate) fn answered(&mut self, session: Ebi, rules: &BTreeSet<u32>) {
        self.requested.retain(|request| request.session != session || !rules.contains(&request.rule));
    }

    /// A request whose rule is refused before anything was sent: it is to be refused too.
    pub(crate) fn refuse_transaction(&mut self, session: Ebi, rules: &BTreeSet<u32>) -> Option<(Pti, u32)> {
        let at =
            self.requested.iter().position(|request| request.session == session && rules.contains(&request.rule))?;
        let request = self.requested.swap_remove(at);
        Some((request.pti, request.rule))
    }
}
