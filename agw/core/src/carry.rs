//! From room to room, until nothing is left to carry.

use crate::Core;
use agw_mobility::Want;
use agw_types::{DataplaneChange, Effect, Effects, Now, Record, RecordKey, SessionRequest, TimerName, UeId};

/// Every timer a UE can have.
const TIMERS: [TimerName; 18] = [
    TimerName::T3413,
    TimerName::T3422,
    TimerName::T3450,
    TimerName::T3460,
    TimerName::T3470,
    TimerName::T3485,
    TimerName::DedicatedBearer,
    TimerName::BearerSettling,
    TimerName::T3489,
    TimerName::T3495,
    TimerName::MobileReachable,
    TimerName::ImplicitDetach,
    TimerName::RadioSetup,
    TimerName::Question,
    TimerName::Procedure,
    TimerName::PagingBackoff,
    TimerName::Forwarding,
    TimerName::RuleRetry,
];

impl Core {
    /// Carries wants and events until there are none: what one event causes comes before the next event.
    pub(crate) fn carry_all(&mut self, now: Now) {
        loop {
            self.queue.extend(self.wants.drain());
            self.event_queue.extend(self.events.drain());
            if let Some(want) = self.queue.pop_front() {
                self.carry(now, want);
            } else if let Some(event) = self.event_queue.pop_front() {
                self.mobility.radio(now, event, &mut self.wants);
            } else {
                return;
            }
        }
    }

    fn carry(&mut self, now: Now, want: Want) {
        match want {
            Want::Radio(command) => self.with_ran(now, |ran, cx| ran.command(command, cx)),
            Want::Session(request) => self.session(now, request),
            Want::Ask { ticket, question } => {
                // Numbers that must be durable before the answer is used come first, as effects of the same step.
                let mut effects = Vec::new();
                let answer = self.subscribers.ask(&question, &mut effects);
                self.effects.extend(effects);
                match answer {
                    Some(answer) => self.mobility.answer(now, ticket, answer, &mut self.wants),
                    None => self.effects.push(Effect::Ask { ticket, question }),
                }
            }
            Want::Arm { ue, timer, after } => self.timers.arm((ue, timer), now.mono + after),
            Want::Stop { ue, timer } => {
                self.timers.cancel(&(ue, timer));
            }
            Want::Save(ue) => {
                if self.dirty.last() != Some(&ue) {
                    self.dirty.push(ue);
                }
            }
            Want::Forget(imsi) => {
                self.effects.push(Effect::Forget(RecordKey::Ue(imsi)));
                if self.with_bearers.remove(&imsi) {
                    self.effects.push(Effect::Forget(RecordKey::Bearers(imsi)));
                }
            }
            Want::Gone(ue) => {
                for timer in TIMERS {
                    self.timers.cancel(&(ue, timer));
                }
                self.session(now, SessionRequest::Release { ue });
            }
            Want::Discard(ue) => {
                let addresses = self.sessions.of(ue).iter().map(|session| session.address);
                let discards = addresses.map(|address| Effect::Dataplane(DataplaneChange::Discard { address }));
                self.effects.extend(discards);
            }
            Want::Effect(effect) => self.effects.push(effect),
        }
    }

    pub(crate) fn session(&mut self, now: Now, request: SessionRequest) {
        self.sessions.handle(now.mono, &self.policy, request, &mut self.session_out);
        self.carry_session(now);
    }

    /// Carries what the session room wants.
    pub(crate) fn carry_session(&mut self, now: Now) {
        self.effects.extend(self.session_out.effects.drain(..));
        for (ue, timer, after) in self.session_out.timers.drain(..) {
            match after {
                Some(after) => self.timers.arm((ue, timer), now.mono + after),
                None => {
                    self.timers.cancel(&(ue, timer));
                }
            }
        }
        for reply in self.session_out.replies.drain(..) {
            self.mobility.session(now, reply, &mut self.wants);
        }
    }

    /// The records of UEs that changed in this step, each once and as it is at the end of it.
    pub(crate) fn write_records(&mut self, now: Now, out: &mut Effects) {
        let mut dirty = core::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for ue in dirty.drain(..) {
            let Some(record) = self.record(now, ue) else { continue };
            self.write_bearers(ue, &record, out);
            out.push(Effect::Save(Box::new(record)));
        }
        self.dirty = dirty;
    }

    /// The record of rules and bearers beside a UE's own, as long as it has any.
    fn write_bearers(&mut self, ue: UeId, record: &Record, out: &mut Effects) {
        let Record::Ue(stored) = record else { return };
        match self.sessions.stored_bearers(ue) {
            Some(bearers) => {
                self.with_bearers.insert(stored.imsi);
                out.push(Effect::Save(Box::new(Record::Bearers(Box::new(bearers)))));
            }
            None if self.with_bearers.remove(&stored.imsi) => {
                out.push(Effect::Forget(RecordKey::Bearers(stored.imsi)));
            }
            None => {}
        }
    }

    fn record(&self, now: Now, ue: UeId) -> Option<Record> {
        let radio = self.mobility.radio_of(ue).and_then(|radio| self.ran.stored(radio));
        let stored = self.mobility.stored(ue, self.sessions.stored(ue), self.sessions.resting(now, ue), radio)?;
        Some(Record::Ue(Box::new(stored)))
    }
}
