//! What is said on one stream. Each stream begins anew; what must outlive it lies in the outbox, the ledger and the store.

use crate::phones::Told;
use crate::{Command, CommandState, Down, Effect, Page, Phone, Progress, Refusal, Sync, Up, UsageRecord};
use basalt_desired::{BUCKETS, Digest};
use basalt_sansio::{Duration, Outbox as Effects, Time};
use std::collections::VecDeque;

/// Items told in one message of a comparison.
const ITEMS: usize = 500;
/// Usage records of a message.
const RECORDS: usize = 500;
/// Pages that wait for the disk; more are not taken in: the orchestrator sends fewer on its own account.
const PAGES: usize = 16;
/// Commands remembered, so that one that comes again is not done again.
const COMMANDS: usize = 100;
/// Usage that was sent and is not acknowledged is read and sent again after so long.
const USAGE_PATIENCE: Duration = Duration::from_secs(60);
/// Before the orchestrator has said how often.
const FIRST_BEAT: Duration = Duration::from_secs(20);
/// A replica that says nothing for so long after it was told what it has to acknowledge stands still, where there are others to go to.
const ANSWER: Duration = Duration::from_secs(6);

/// How the reading of usage stands. One message of records is on its way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Nothing is known to wait.
    Idle,
    /// The ledger was asked.
    Asked,
    /// Records up to this number were sent, then.
    Sent { ledger: u64, through: u64, at: Time },
}

#[derive(Debug)]
pub(crate) struct Talk {
    welcomed: bool,
    beat: Duration,
    heard: Time,
    spoke: Time,
    /// Since when something waits to be acknowledged and nothing was heard.
    asked: Option<Time>,
    reported: Option<Time>,
    pages: VecDeque<Page>,
    applying: bool,
    last_page: u64,
    reading: Reading,
    commands: VecDeque<String>,
    told: Told,
}

impl Talk {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            welcomed: false,
            beat: FIRST_BEAT,
            heard: now,
            spoke: now,
            asked: None,
            reported: None,
            pages: VecDeque::new(),
            applying: false,
            last_page: 0,
            reading: Reading::Idle,
            commands: VecDeque::new(),
            told: Told::default(),
        }
    }

    pub(crate) const fn welcomed(&self) -> bool {
        self.welcomed
    }

    /// Whether the other side has been silent for too long.
    pub(crate) fn is_lost(&self, sync: &Sync) -> bool {
        self.lost_at(sync) <= sync.now.mono
    }

    /// When it is, if nothing is heard until then. Who has nothing to tell waits for three beats: asking more often costs an idle gateway
    /// octets. Who has goes where it is taken.
    fn lost_at(&self, sync: &Sync) -> Time {
        let silent = self.heard + self.beat.saturating_mul(3);
        let unanswered = self.asked.filter(|_| sync.has_other_places()).map(|asked| asked + ANSWER);
        unanswered.map_or(silent, |at| at.min(silent))
    }

    pub(crate) fn next_wakeup(&self, sync: &Sync) -> Time {
        let lost = self.lost_at(sync);
        if !self.welcomed {
            return lost;
        }
        let report = self.reported.map_or(Time::MAX, |at| at + interval(sync));
        let usage = match self.reading {
            Reading::Sent { at, .. } => at + USAGE_PATIENCE,
            _ => Time::MAX,
        };
        // A report that is not due for want of news costs a wake-up, no octet.
        let report = if sync.outbox.has_news() { report } else { Time::MAX };
        lost.min(self.spoke + self.beat).min(report).min(usage)
    }

    pub(crate) fn hello(&mut self, sync: &Sync, instance: u64, out: &mut Effects<Effect>) {
        self.send(sync, Up::Hello { instance, root: sync.held.root() }, out);
    }

    fn send(&mut self, sync: &Sync, up: Up, out: &mut Effects<Effect>) {
        self.spoke = sync.now.mono;
        if matches!(up, Up::Events { .. } | Up::Usage { .. } | Up::Progress { .. } | Up::Data { .. }) {
            self.asked.get_or_insert(self.spoke);
        }
        out.push(Effect::Send(up));
    }

    pub(crate) fn drifted(&mut self, sync: &Sync, out: &mut Effects<Effect>) {
        if self.welcomed {
            self.send(sync, Up::Drifted { root: sync.held.root() }, out);
        }
    }

    pub(crate) fn down(&mut self, sync: &mut Sync, down: Down, out: &mut Effects<Effect>) {
        self.heard = sync.now.mono;
        self.asked = None;
        match down {
            Down::Welcome { beat_seconds, usage: (ledger, through) } => {
                self.welcomed = true;
                self.beat = Duration::from_secs(beat_seconds.clamp(1, 600).into());
                if through > 0 {
                    out.push(Effect::AckUsage { ledger, through });
                }
                self.usage_ready(sync, out);
            }
            Down::Compare { comparison, buckets } => self.compare(sync, comparison, &buckets, out),
            Down::Page(page) => self.page(page, out),
            Down::Received { events: (epoch, events), usage: (ledger, usage), progress, data: (id, through) } => {
                sync.outbox.received_events(epoch, events);
                sync.outbox.received_progress(progress);
                sync.outbox.received_data(&id, through);
                self.usage_received(sync, ledger, usage, out);
            }
            Down::Command(command) => self.command(sync, command, out),
            // It asks whether we are here.
            Down::Beat => self.send(sync, Up::Beat, out),
            Down::Addresses(_) | Down::Goodbye { .. } => {}
        }
    }

    /// Tells what is held in the buckets that differ.
    fn compare(&mut self, sync: &Sync, comparison: u64, theirs: &[Digest], out: &mut Effects<Effect>) {
        let mut buckets = Vec::new();
        let mut items = 0;
        for index in sync.held.differing_buckets(theirs) {
            let held: Vec<_> = sync.held.bucket(index).map(|(key, digest)| (key.clone(), digest)).collect();
            items += held.len();
            buckets.push((u32::try_from(index).unwrap_or(0), held));
            if items >= ITEMS {
                let buckets = core::mem::take(&mut buckets);
                self.send(sync, Up::Buckets { comparison, buckets, last: false }, out);
                items = 0;
            }
        }
        debug_assert!(buckets.len() <= BUCKETS);
        self.send(sync, Up::Buckets { comparison, buckets, last: true }, out);
    }

    fn page(&mut self, page: Page, out: &mut Effects<Effect>) {
        // A page that was taken already, or one beyond what was agreed.
        if page.number <= self.last_page || self.pages.len() >= PAGES {
            return;
        }
        self.last_page = page.number;
        if self.applying {
            self.pages.push_back(page);
        } else {
            self.applying = true;
            out.push(Effect::Apply(page));
        }
    }

    pub(crate) fn applied(&mut self, sync: &Sync, page: u64, refusals: Vec<Refusal>, out: &mut Effects<Effect>) {
        // A page of a stream before this one.
        if !self.applying || page > self.last_page {
            return;
        }
        self.send(sync, Up::Applied { page, root: sync.held.root(), refusals }, out);
        match self.pages.pop_front() {
            Some(next) => out.push(Effect::Apply(next)),
            None => self.applying = false,
        }
    }

    pub(crate) fn usage_ready(&mut self, _: &Sync, out: &mut Effects<Effect>) {
        if self.welcomed && self.reading == Reading::Idle {
            self.reading = Reading::Asked;
            out.push(Effect::ReadUsage { most: RECORDS });
        }
    }

    pub(crate) fn usage_read(
        &mut self,
        sync: &Sync,
        ledger: u64,
        records: Vec<UsageRecord>,
        out: &mut Effects<Effect>,
    ) {
        if self.reading != Reading::Asked {
            return;
        }
        self.reading = Reading::Idle;
        if let Some(last) = records.last() {
            self.reading = Reading::Sent { ledger, through: last.number, at: sync.now.mono };
            self.send(sync, Up::Usage { ledger, records }, out);
        }
    }

    fn usage_received(&mut self, sync: &Sync, ledger: u64, through: u64, out: &mut Effects<Effect>) {
        let Reading::Sent { ledger: own, through: sent, .. } = self.reading else { return };
        // More than was sent cannot be durable there: such an answer would drop what nobody has.
        if ledger == own && through == sent {
            out.push(Effect::AckUsage { ledger, through });
            self.reading = Reading::Idle;
            self.usage_ready(sync, out);
        }
    }

    /// Phones of a part of all IMSIs: what is new of them goes at once.
    pub(crate) fn phones(
        &mut self,
        sync: &Sync,
        (after, through): (&str, Option<&str>),
        phones: Vec<Phone>,
        out: &mut Effects<Effect>,
    ) {
        // What begins in the middle would be taken for the whole.
        if !self.welcomed || (!after.is_empty() && !self.told.begun()) {
            return;
        }
        if let Some(news) = self.told.look(after, through, phones) {
            self.send(sync, Up::Phones { whole: news.whole, phones: news.phones, gone: news.gone }, out);
        }
    }

    fn command(&mut self, sync: &mut Sync, command: Command, out: &mut Effects<Effect>) {
        if self.commands.contains(&command.id) {
            return;
        }
        if self.commands.len() >= COMMANDS {
            self.commands.pop_front();
        }
        self.commands.push_back(command.id.clone());
        if command.expires_at < sync.now.unix_millis {
            let output = "it came after its time and was not begun".to_owned();
            let (id, state) = (command.id, CommandState::Failed);
            sync.outbox.progress(Progress { data: Vec::new(), id, state, percent: 0, output });
            return;
        }
        out.push(Effect::Run(command));
    }

    /// Sends what is due.
    pub(crate) fn flush(&mut self, sync: &mut Sync, out: &mut Effects<Effect>) {
        let now = sync.now.mono;
        if !self.welcomed {
            return;
        }
        if let Some((refused, pending)) = sync.outbox.due_in_force() {
            self.send(sync, Up::InForce { refused, pending }, out);
        }
        if let Some((id, place, octets)) = sync.outbox.due_data() {
            self.send(sync, Up::Data { id, place, octets }, out);
        }
        while let Some((number, progress)) = sync.outbox.due_progress() {
            self.send(sync, Up::Progress { number, progress }, out);
        }
        let events = sync.outbox.due_events();
        if !events.is_empty() {
            let epoch = sync.outbox.epoch();
            self.send(sync, Up::Events { epoch, events }, out);
        }
        if self.reported.is_none_or(|at| at + interval(sync) <= now) {
            self.report(sync, out);
        }
        if let Reading::Sent { at, .. } = self.reading
            && at + USAGE_PATIENCE <= now
        {
            self.reading = Reading::Idle;
            self.usage_ready(sync, out);
        }
        if self.spoke + self.beat <= now {
            self.send(sync, Up::Beat, out);
        }
    }

    fn report(&mut self, sync: &mut Sync, out: &mut Effects<Effect>) {
        let at = sync.now.unix_millis;
        if let Some(state) = sync.outbox.due_check_in() {
            self.reported = Some(sync.now.mono);
            self.send(sync, Up::CheckIn { at, state }, out);
        }
        let values = sync.outbox.due_metrics();
        if !values.is_empty() {
            self.reported = Some(sync.now.mono);
            self.send(sync, Up::Metrics { at, values }, out);
        }
    }
}

/// Between two reports of state and metrics.
fn interval(sync: &Sync) -> Duration {
    if sync.outbox.is_urgent() { sync.settings.urgent_interval } else { sync.settings.report_interval }
}
