//! Steps whose records are on their way to the disk: what they hold back, and what happens when they are durable.

use super::links::association;
use super::{Gateway, Job, add};
use crate::cloud::outgoing;
use crate::events::EventLine;
use crate::{federation, storage, tables, usage};
use agw_types::{Effect, Event};
use anyhow::bail;
use basalt_sctp::{Message, ppid};
use basalt_store::{Batch, Completion};

/// A step whose effects are held back.
pub(super) struct Waiting {
    /// Its records' batch, if it has any.
    batch: Option<u64>,
    effects: Vec<Effect>,
    /// The events among them, as they are told.
    lines: Vec<EventLine>,
    /// The keeper's event that caused it.
    uplink: Option<u64>,
    /// What else happens when it is durable.
    then: Option<Job>,
    /// Counters that it would take records from have been read.
    settled: bool,
}

impl Gateway {
    pub(super) fn hold_or_release(&mut self, uplink: Option<u64>) {
        let mut batch = Batch::new();
        let mut effects = self.effects.take();
        tables::expect(self, &effects);
        effects.retain(|effect| !storage::stage(&mut batch, effect));
        let now = self.now().unix_secs;
        self.usage.note(&self.core, &effects, now, &mut batch);
        let keeps_nothing_else = batch.is_empty();
        let lines = outgoing::stage(&mut self.managed, &effects, &mut batch);
        if keeps_nothing_else && !batch.is_empty() {
            // An answer need not wait until it is durable that it is told of.
            let (told, rest) = effects.into_iter().partition(|effect| matches!(effect, Effect::Tell(_)));
            self.hold(Batch::new(), rest, Vec::new(), uplink, None);
            self.hold(batch, told, lines, None, None);
        } else {
            self.hold(batch, effects, lines, uplink, None);
        }
    }

    /// Tells an event that no step gave, when it is durable.
    pub fn tell(&mut self, event: Event) {
        let (effects, mut batch) = (vec![Effect::Tell(Box::new(event))], Batch::new());
        let lines = outgoing::stage(&mut self.managed, &effects, &mut batch);
        self.hold(batch, effects, lines, None, None);
    }

    /// Keeps `batch`; when it is durable, does `then`.
    pub fn save(&mut self, batch: Batch, then: Job) {
        self.hold(batch, Vec::new(), Vec::new(), None, Some(then));
    }

    /// Keeps `batch`; when it is durable, does `then`, before all that waits already.
    pub fn save_first(&mut self, batch: Batch, then: Job) {
        let batch = self.submit(batch);
        let (effects, lines) = (Vec::new(), Vec::new());
        self.waiting.push_front(Waiting { batch, effects, lines, uplink: None, then: Some(then), settled: true });
        self.release_durable();
    }

    fn hold(
        &mut self,
        batch: Batch,
        effects: Vec<Effect>,
        lines: Vec<EventLine>,
        uplink: Option<u64>,
        then: Option<Job>,
    ) {
        let batch = self.submit(batch);
        self.waiting.push_back(Waiting { batch, effects, lines, uplink, then, settled: false });
        self.release_durable();
    }

    fn submit(&mut self, batch: Batch) -> Option<u64> {
        (!batch.is_empty()).then(|| {
            self.submitted += 1;
            if self.commits.submit(batch, self.submitted).is_err() {
                self.stop = Some("the store has stopped: see the log above for the disk's words".to_owned());
            }
            self.submitted
        })
    }

    pub(super) fn completed(&mut self, completion: Completion<u64>) -> anyhow::Result<()> {
        match completion {
            Completion::Durable(batches) => self.durable = batches.last().copied().unwrap_or(self.durable),
            Completion::Stopped { reason, lost } => {
                bail!(
                    "the store has stopped, {} steps were not kept and none of their answers left: {reason}\n  \
                     fix: make room on the disk or replace it, then start agwd again",
                    lost.len()
                );
            }
        }
        self.release_durable();
        Ok(())
    }

    fn release_durable(&mut self) {
        if std::mem::replace(&mut self.releasing, true) {
            // A step that is being released caused another; its turn comes.
            return;
        }
        while self.waiting.front().is_some_and(|step| step.batch.is_none_or(|batch| batch <= self.durable)) {
            let Some(step) = self.waiting.pop_front() else { break };
            if !step.settled && usage::conflict(self, &step.effects) {
                // Counters of those who had these records before are read and written first.
                self.waiting.push_front(Waiting { settled: true, ..step });
                usage::settle_first(self);
            } else {
                self.release(step);
            }
        }
        self.releasing = false;
    }

    fn release(&mut self, step: Waiting) {
        let mut lines = step.lines.into_iter();
        for effect in step.effects {
            match effect {
                Effect::Send { link, stream, pdu } => self.send(link, Message::new(stream, ppid::S1AP, pdu)),
                Effect::CloseLink { link } => self.keeper.abort(association(link), "closed by the gateway"),
                Effect::Dataplane(change) => match tables::apply(self, &change) {
                    Ok(last) => add(&mut self.departed, last.unwrap_or_default()),
                    Err(error) => {
                        self.metrics.dataplane_errors.inc();
                        tracing::error!(%error, "the data plane refuses a change");
                    }
                },
                Effect::Count(metric) => self.metrics.count(metric),
                Effect::Tell(event) => {
                    self.note_enb(&event);
                    federation::note(self, &event);
                    if let Some(line) = lines.next() {
                        self.events.tell(&event, line);
                    }
                }
                Effect::Reply { token, reply } => {
                    if let Some(sender) = self.replies.remove(&token) {
                        // An operator who has gone does not wait for the answer.
                        let _ = sender.send(reply);
                    }
                }
                Effect::Ask { ticket, question } => federation::step(self, federation::Input::Ask(ticket, question)),
                Effect::Save(_) | Effect::Forget(_) => {
                    debug_assert!(false, "records were staged before");
                }
            }
        }
        if let Some(seq) = step.uplink {
            self.keeper.ack(seq);
        }
        if let Some(then) = step.then {
            then(self);
        }
    }
}
