//! One life of the daemon.

use std::collections::VecDeque;

use agw_core::Core;
use agw_types::{Effect, Effects, Input, Now};
use basalt_sansio::{Duration, Rng, SimRng, Time};
use basalt_store::{Batch, Error, Store};

use super::{Outgoing, Ready, records};
use crate::check::Checks;

/// Seconds since 1970 at the beginning of every run.
const EPOCH: u64 = 1_800_000_000;
/// Pieces of clearing up after each commit.
const CLEARING: usize = 4;

/// A process ends by itself: the disk failed, and with it every promise.
#[derive(Debug)]
pub(crate) struct Stop;

#[derive(Debug)]
pub(super) struct Process {
    pub core: Core,
    store: Store,
    started: Time,
    rng: SimRng,
    effects: Effects,
    /// Batches that the writer has not taken.
    submitted: VecDeque<(u64, Batch)>,
    commit: Option<Commit>,
    durable: u64,
    waiting: VecDeque<Waiting>,
    ready: VecDeque<Ready>,
    pub outbox: Vec<Outgoing>,
}

/// A step whose effects are held back.
#[derive(Debug)]
struct Waiting {
    batch: Option<u64>,
    effects: Vec<Effect>,
    uplink: Option<u64>,
}

/// A group on its way to the disk.
#[derive(Debug)]
struct Commit {
    tokens: Vec<u64>,
    due: Time,
    /// The disk has it already, only the word of it is late.
    written: bool,
}

impl Process {
    pub(super) fn new(core: Core, store: Store, started: Time, rng: SimRng) -> Self {
        Self {
            core,
            store,
            started,
            rng,
            effects: Effects::new(),
            submitted: VecDeque::new(),
            commit: None,
            durable: 0,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            outbox: Vec::new(),
        }
    }

    /// Monotonic time begins with the process, as the daemon's does.
    pub(super) fn clock(&self, now: Time) -> Now {
        let mono = Time::ZERO + now.since(self.started);
        Now { mono, unix_secs: EPOCH + now.as_secs() }
    }

    pub(super) fn step(
        &mut self,
        now: Time,
        input: Input,
        uplink: Option<u64>,
        batches: &mut u64,
        checks: &mut Checks,
    ) {
        self.core.step(self.clock(now), input, &mut self.effects);
        self.hold(uplink, batches, checks);
    }

    /// Effects that the core gives outside of a step, at start.
    pub(super) fn run(
        &mut self,
        now: Time,
        batches: &mut u64,
        checks: &mut Checks,
        act: impl FnOnce(&mut Core, Now, &mut Effects),
    ) {
        let clock = self.clock(now);
        act(&mut self.core, clock, &mut self.effects);
        self.hold(None, batches, checks);
    }

    pub(super) fn save_keeper_instance(&mut self, instance: u64, batches: &mut u64, checks: &mut Checks) {
        let mut batch = Batch::new();
        records::put_keeper_instance(&mut batch, instance);
        *batches += 1;
        checks.submitted(*batches);
        self.submitted.push_back((*batches, batch));
        self.waiting.push_back(Waiting { batch: Some(*batches), effects: Vec::new(), uplink: None });
    }

    fn hold(&mut self, uplink: Option<u64>, batches: &mut u64, checks: &mut Checks) {
        let mut batch = Batch::new();
        let mut effects = self.effects.take();
        for effect in &effects {
            checks.emitted(effect, *batches + 1);
        }
        effects.retain(|effect| !records::stage(&mut batch, effect));
        let token = (!batch.is_empty()).then(|| {
            *batches += 1;
            checks.submitted(*batches);
            self.submitted.push_back((*batches, batch));
            *batches
        });
        let step = Waiting { batch: token, effects, uplink };
        if token.is_none() && self.waiting.is_empty() {
            self.release(step);
        } else {
            self.waiting.push_back(step);
        }
    }

    fn release(&mut self, step: Waiting) {
        self.ready.extend(step.effects.into_iter().map(Ready::Effect));
        self.ready.extend(step.uplink.map(Ready::Acknowledge));
    }

    pub(super) fn pop_ready(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    pub(super) fn next_wakeup(&self) -> Option<Time> {
        self.core.next_wakeup().map(|at| self.started + at.since(Time::ZERO))
    }

    pub(super) fn commit_due(&self) -> Option<Time> {
        self.commit.as_ref().map(|commit| commit.due)
    }

    /// Takes all that was submitted and writes it; it is durable some milliseconds later.
    pub(super) fn begin_commit(&mut self, now: Time) -> Result<(), Stop> {
        if self.commit.is_some() || (self.submitted.is_empty() && !self.store.has_pending()) {
            return Ok(());
        }
        let mut tokens = Vec::new();
        for (token, batch) in self.submitted.drain(..) {
            tokens.push(token);
            self.store.append(&batch).map_err(stop)?;
        }
        // A process that ends meanwhile has made it durable, or has not: both happen.
        let written = self.rng.chance(1, 2);
        if written {
            self.store.commit().map_err(stop)?;
        }
        let due = now + Duration::from_micros(500 + self.rng.below(5_000));
        self.commit = Some(Commit { tokens, due, written });
        Ok(())
    }

    /// The group is durable: its effects may leave.
    pub(super) fn commit(&mut self, now: Time, checks: &mut Checks) -> Result<(), Stop> {
        let Some(commit) = self.commit.take_if(|commit| commit.due <= now) else { return Ok(()) };
        if !commit.written {
            self.store.commit().map_err(stop)?;
        }
        if let Some(last) = commit.tokens.last() {
            self.durable = *last;
            checks.durable(*last);
        }
        for _ in 0..CLEARING {
            if !self.store.compact_step().map_err(stop)? {
                break;
            }
        }
        while self.waiting.front().is_some_and(|step| step.batch.is_none_or(|batch| batch <= self.durable)) {
            if let Some(step) = self.waiting.pop_front() {
                self.release(step);
            }
        }
        Ok(())
    }

    pub(super) fn is_at_rest(&self) -> bool {
        let nothing_held = self.waiting.is_empty() && self.ready.is_empty() && self.outbox.is_empty();
        nothing_held && self.submitted.is_empty() && self.commit.is_none()
    }
}

fn stop(_: Error) -> Stop {
    Stop
}
