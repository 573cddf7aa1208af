//! What waits for the link: events that are kept, also over the end of the daemon, until they are received; state and metrics of which the latest counts.

use crate::{CommandState, Event, Progress, REFUSALS, Refusal};
use std::collections::{BTreeMap, VecDeque};

/// Events kept; beyond that the oldest is dropped and counted.
const EVENTS: usize = 2_000;
/// Events on their way at a time.
const IN_FLIGHT: usize = 100;
/// Reports of commands kept.
const PROGRESS: usize = 200;
/// Octets of commands' data kept; one that gives more loses the rest.
const DATA: usize = 16 << 20;
/// Octets of data on their way at a time.
const PIECE: usize = 64 << 10;
/// Commands remembered whose reports were received.
const SETTLED: usize = 16;
/// Series of metrics kept.
const SERIES: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    epoch: u64,
    events: VecDeque<Event>,
    next_event: u64,
    /// Events up to this number were sent on this stream.
    sent_through: u64,
    /// Events up to this number are durable here.
    kept_through: u64,
    /// Events up to this number are being made so.
    keeping: Option<u64>,
    /// Events up to this number need not be kept any more, and that was told.
    forgotten: u64,
    dropped: u64,
    check_in: Option<String>,
    sent_check_in: Option<String>,
    /// The state has changed in what somebody may want to act on.
    urgent: bool,
    metrics: BTreeMap<String, f64>,
    sent_metrics: BTreeMap<String, f64>,
    /// Reports with their numbers, until they are received.
    progress: VecDeque<(u64, Progress)>,
    next_progress: u64,
    /// Reports up to this number were sent on this stream.
    progress_sent: u64,
    settled: VecDeque<String>,
    /// Data of commands: from which place on, and what is there.
    data: BTreeMap<String, (u64, VecDeque<u8>)>,
    /// A piece of this command is on its way.
    piece: Option<String>,
    in_force: Option<InForce>,
    told_in_force: bool,
}

/// Items that are not in force, and those that are after a restart.
pub(crate) type InForce = (Vec<Refusal>, Vec<Refusal>);

impl Outbox {
    /// `reports` is the number of the first report of a command, `kept` what events are kept from before, and their epoch. Without any
    /// the epoch is a new one: it is not known which numbers of the former were used.
    pub(crate) fn new(epoch: u64, reports: u64, kept: (u64, Vec<Event>)) -> Self {
        let reports = reports.max(1);
        let (Some(first), Some(last)) = (kept.1.first(), kept.1.last()) else {
            return Self { epoch, next_event: 1, next_progress: reports, ..Self::default() };
        };
        Self {
            epoch: kept.0,
            next_event: last.number + 1,
            kept_through: last.number,
            forgotten: first.number.saturating_sub(1),
            next_progress: reports,
            events: kept.1.into(),
            ..Self::default()
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A new stream: what was on its way is sent again, and state and metrics whole.
    pub(crate) fn restart(&mut self) {
        self.sent_through = 0;
        self.sent_check_in = None;
        self.sent_metrics.clear();
        self.told_in_force = false;
        self.progress_sent = 0;
        self.piece = None;
    }

    pub(crate) fn in_force(&mut self, mut refused: Vec<Refusal>, mut pending: Vec<Refusal>) {
        refused.truncate(REFUSALS);
        pending.truncate(REFUSALS);
        let now = Some((refused, pending));
        if self.in_force != now {
            self.in_force = now;
            self.told_in_force = false;
        }
    }

    /// What is in force, when it was not told on this stream as it is.
    pub(crate) fn due_in_force(&mut self) -> Option<InForce> {
        if core::mem::replace(&mut self.told_in_force, true) { None } else { self.in_force.clone() }
    }

    pub(crate) fn event(&mut self, mut event: Event) {
        if self.events.len() >= EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        if self.dropped > 0 && self.events.len() < EVENTS / 2 {
            // There is room again: the gap is told where it is.
            let text = format!("{} events before were dropped: the orchestrator was away too long", self.dropped);
            self.dropped = 0;
            let gap = Event {
                kind: "events-dropped".to_owned(),
                text,
                imsi: String::new(),
                json: "{}".to_owned(),
                place: 0,
                ..event.clone()
            };
            self.number(gap);
        }
        event.number = 0;
        self.number(event);
    }

    fn number(&mut self, event: Event) {
        self.events.push_back(Event { number: self.next_event, ..event });
        self.next_event += 1;
    }

    /// Events to make durable, and up to which number none are needed any more. One question at a time, so that they become durable
    /// in their order.
    pub(crate) fn due_keep(&mut self) -> Option<(Vec<Event>, u64)> {
        if self.keeping.is_some() {
            return None;
        }
        let forget = self.events.front().map_or(self.next_event, |event| event.number) - 1;
        let fresh = self.events.partition_point(|event| event.number <= self.kept_through);
        if fresh == self.events.len() && forget == self.forgotten {
            return None;
        }
        self.forgotten = forget;
        self.keeping = Some(self.next_event - 1);
        Some((self.events.iter().skip(fresh).cloned().collect(), forget))
    }

    /// They are durable.
    pub(crate) fn kept(&mut self) {
        self.kept_through = self.keeping.take().unwrap_or(self.kept_through);
    }

    /// Events that may be sent now: those that are durable here. A number must not be used twice.
    pub(crate) fn due_events(&mut self) -> Vec<Event> {
        let on_the_way = self.events.iter().take_while(|event| event.number <= self.sent_through).count();
        let kept = self.events.iter().take_while(|event| event.number <= self.kept_through);
        let due: Vec<Event> = kept.skip(on_the_way).take(IN_FLIGHT.saturating_sub(on_the_way)).cloned().collect();
        if let Some(last) = due.last() {
            self.sent_through = last.number;
        }
        due
    }

    /// Events up to a number are durable at the orchestrator.
    pub(crate) fn received_events(&mut self, epoch: u64, through: u64) {
        if epoch == self.epoch {
            while self.events.front().is_some_and(|event| event.number <= through) {
                self.events.pop_front();
            }
        }
    }

    pub(crate) fn waiting_events(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn check_in(&mut self, state: String, urgent: bool) {
        self.check_in = Some(state);
        self.urgent = (self.urgent || urgent) && self.check_in != self.sent_check_in;
    }

    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// The state, when it is not what was sent last.
    pub(crate) fn due_check_in(&mut self) -> Option<String> {
        if self.check_in == self.sent_check_in {
            return None;
        }
        self.urgent = false;
        self.sent_check_in.clone_from(&self.check_in);
        self.check_in.clone()
    }

    /// Whether state or metrics are not what was sent last.
    pub(crate) fn has_news(&self) -> bool {
        let sent = |(name, value): (&String, &f64)| {
            self.sent_metrics.get(name).is_some_and(|it| it.to_bits() == value.to_bits())
        };
        self.check_in != self.sent_check_in || !self.metrics.iter().all(sent)
    }

    pub(crate) fn metrics(&mut self, values: BTreeMap<String, f64>) {
        self.metrics = values;
        while self.metrics.len() > SERIES {
            self.metrics.pop_last();
        }
    }

    /// Values that are not what was sent last.
    pub(crate) fn due_metrics(&mut self) -> BTreeMap<String, f64> {
        let sent = &self.sent_metrics;
        let same =
            |name: &String, value: &f64| sent.get(name).is_some_and(|former| former.to_bits() == value.to_bits());
        let due: BTreeMap<String, f64> = self
            .metrics
            .iter()
            .filter(|(name, value)| !same(name, value))
            .map(|(name, value)| (name.clone(), *value))
            .collect();
        self.sent_metrics.extend(due.iter().map(|(name, value)| (name.clone(), *value)));
        due
    }

    pub(crate) fn progress(&mut self, mut progress: Progress) {
        let octets = core::mem::take(&mut progress.data);
        if !octets.is_empty() {
            let held: usize = self.data.values().map(|(_, held)| held.len()).sum();
            let (_, queue) = self.data.entry(progress.id.clone()).or_default();
            queue.extend(octets.into_iter().take(DATA.saturating_sub(held)));
        }
        if self.progress.len() >= PROGRESS {
            // What became of a command matters more than how far it was once.
            let running = self.progress.iter().position(|(_, it)| it.state == CommandState::Running).unwrap_or(0);
            self.progress.remove(running);
        }
        self.progress.push_back((self.next_progress, progress));
        self.next_progress += 1;
    }

    /// The next report that was not sent on this stream. The end of a command waits until its data was received.
    pub(crate) fn due_progress(&mut self) -> Option<(u64, Progress)> {
        let (number, progress) = self.progress.iter().find(|(number, _)| *number > self.progress_sent)?;
        let waits = self.data.get(&progress.id).is_some_and(|(_, queue)| !queue.is_empty());
        if progress.state != CommandState::Running && waits {
            return None;
        }
        self.progress_sent = *number;
        Some((*number, progress.clone()))
    }

    /// Reports up to a number are durable at the orchestrator.
    pub(crate) fn received_progress(&mut self, through: u64) {
        while let Some((_, report)) =
            self.progress.pop_front_if(|(number, _)| *number <= through.min(self.progress_sent))
        {
            if report.state != CommandState::Running {
                self.data.remove(&report.id);
            }
            if self.settled.len() >= SETTLED {
                self.settled.pop_front();
            }
            if self.progress.iter().all(|(_, it)| it.id != report.id) {
                self.settled.push_back(report.id);
            }
        }
    }

    /// Commands whose reports so far were received.
    pub(crate) fn settled(&self) -> impl Iterator<Item = &str> {
        self.settled.iter().map(String::as_str)
    }

    /// The next piece of data, when none is on its way.
    pub(crate) fn due_data(&mut self) -> Option<(String, u64, Vec<u8>)> {
        if self.piece.is_some() {
            return None;
        }
        let (id, (place, queue)) = self.data.iter().find(|(_, (_, queue))| !queue.is_empty())?;
        self.piece = Some(id.clone());
        Some((id.clone(), *place, queue.iter().take(PIECE).copied().collect()))
    }

    /// Data of a command up to an octet is durable at the orchestrator.
    pub(crate) fn received_data(&mut self, id: &str, through: u64) {
        if self.piece.as_deref() != Some(id) {
            return;
        }
        self.piece = None;
        let Some((place, queue)) = self.data.get_mut(id) else { return };
        let count = usize::try_from(through.saturating_sub(*place)).unwrap_or(usize::MAX).min(PIECE).min(queue.len());
        queue.drain(..count);
        *place += count as u64;
        // An orchestrator that takes no more of it has had enough. The place is kept: more may come until the command ends.
        if count == 0 {
            queue.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str) -> Event {
        Event { at: 1, kind: kind.to_owned(), ..Event::default() }
    }

    #[test]
    fn events_are_kept_until_received_and_a_gap_is_told() {
        let mut outbox = Outbox::new(7, 1, Default::default());
        (0..EVENTS + 500).for_each(|_| outbox.event(event("idle")));
        assert!(outbox.due_events().is_empty(), "they are not durable yet");
        keep(&mut outbox);
        assert_eq!(outbox.waiting_events(), EVENTS);
        let first = outbox.due_events();
        assert_eq!((first.len(), first[0].number), (IN_FLIGHT, 501));
        assert!(outbox.due_events().is_empty(), "so many are on their way at a time");
        outbox.received_events(8, u64::MAX);
        assert_eq!(outbox.waiting_events(), EVENTS, "another epoch's");
        outbox.received_events(7, 600);
        assert_eq!(outbox.due_events()[0].number, 601);
        outbox.restart();
        assert_eq!(outbox.due_events()[0].number, 601, "what was on its way goes again");
        outbox.received_events(7, u64::MAX);
        outbox.event(event("attached"));
        keep(&mut outbox);
        let told = outbox.due_events();
        assert_eq!(told.iter().map(|it| it.kind.as_str()).collect::<Vec<_>>(), ["events-dropped", "attached"]);
        assert!(told[0].text.starts_with("500 events"));
    }

    fn keep(outbox: &mut Outbox) -> (Vec<u64>, u64) {
        let (events, forget) = outbox.due_keep().unwrap();
        assert_eq!(outbox.due_keep(), None, "one question at a time");
        outbox.kept();
        (events.iter().map(|event| event.number).collect(), forget)
    }

    #[test]
    fn events_outlive_the_daemon_and_numbers_are_used_once() {
        let mut outbox = Outbox::new(7, 1, Default::default());
        assert_eq!(outbox.due_keep(), None);
        (0..3).for_each(|_| outbox.event(event("attached")));
        assert_eq!(keep(&mut outbox), (vec![1, 2, 3], 0));
        let kept: Vec<Event> = outbox.events.iter().cloned().collect();
        outbox.due_events();
        outbox.received_events(7, 2);
        assert_eq!(keep(&mut outbox), (vec![], 2));
        // The daemon died before it forgot them: they are sent again, under their numbers, and new ones come after them.
        let mut next = Outbox::new(9, 1, (7, kept));
        next.event(event("detached"));
        assert_eq!((next.epoch(), keep(&mut next)), (7, (vec![4], 0)));
        assert_eq!(next.due_events().iter().map(|event| event.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        next.received_events(7, 4);
        assert_eq!(keep(&mut next), (vec![], 4));
    }

    #[test]
    fn of_state_and_metrics_only_what_is_new_is_sent() {
        let mut outbox = Outbox::new(1, 1, Default::default());
        outbox.check_in("a".to_owned(), true);
        outbox.check_in("b".to_owned(), false);
        assert!(outbox.is_urgent(), "what was urgent is not told yet");
        assert_eq!(outbox.due_check_in().as_deref(), Some("b"));
        outbox.check_in("b".to_owned(), true);
        assert!(!outbox.is_urgent(), "nothing has changed");
        assert_eq!(outbox.due_check_in(), None);
        let values = |pairs: &[(&str, f64)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        outbox.metrics(values(&[("x", 1.0), ("y", f64::NAN)]));
        assert_eq!(outbox.due_metrics().len(), 2);
        outbox.metrics(values(&[("x", 2.0), ("y", f64::NAN)]));
        assert_eq!(outbox.due_metrics().into_keys().collect::<Vec<_>>(), ["x"]);
        outbox.restart();
        assert_eq!(outbox.due_metrics().len(), 2);
    }

    #[test]
    fn what_is_in_force_is_told_once_and_on_each_stream() {
        let mut outbox = Outbox::new(1, 1, Default::default());
        assert_eq!(outbox.due_in_force(), None, "it is not known yet");
        let key = basalt_desired::ItemKey { collection: "apns".to_owned(), name: "ims".to_owned() };
        let refused = vec![Refusal { key, reason: "no addresses".to_owned() }];
        outbox.in_force(refused.clone(), Vec::new());
        assert_eq!(outbox.due_in_force(), Some((refused.clone(), Vec::new())));
        outbox.in_force(refused.clone(), Vec::new());
        assert_eq!(outbox.due_in_force(), None);
        outbox.restart();
        assert_eq!(outbox.due_in_force(), Some((refused, Vec::new())));
        outbox.in_force(Vec::new(), Vec::new());
        assert_eq!(outbox.due_in_force(), Some((Vec::new(), Vec::new())));
    }

    #[test]
    fn the_end_of_a_command_outlives_its_progress() {
        let mut outbox = Outbox::new(1, 1, Default::default());
        let report = |n: usize, state| Progress {
            data: Vec::new(),
            id: n.to_string(),
            state,
            percent: 0,
            output: String::new(),
        };
        outbox.progress(report(0, CommandState::Done));
        (1..1000).for_each(|n| outbox.progress(report(n, CommandState::Running)));
        assert_eq!(outbox.due_progress().map(|(_, it)| it.id).as_deref(), Some("0"));
        assert_eq!(outbox.progress.len(), PROGRESS, "it is kept until it is received");
        outbox.received_progress(1);
        assert_eq!(outbox.progress.len(), PROGRESS - 1);
        assert_eq!(outbox.settled().collect::<Vec<_>>(), ["0"]);
    }

    #[test]
    fn data_that_comes_later_goes_on_where_it_was() {
        let mut outbox = Outbox::new(1, 1, Default::default());
        let report = |state, octets: usize| Progress {
            data: vec![7; octets],
            id: "a".to_owned(),
            state,
            percent: 0,
            output: String::new(),
        };
        for (more, place) in [(10, 0), (20, 10), (5, 30)] {
            outbox.progress(report(CommandState::Running, more));
            assert_eq!(outbox.due_data().map(|(_, place, octets)| (place, octets.len())), Some((place, more)));
            outbox.received_data("a", place + more as u64);
            assert_eq!(outbox.due_data(), None);
        }
        // The orchestrator wants no more, and is not sent what it does not want.
        outbox.progress(report(CommandState::Running, 9));
        assert!(outbox.due_data().is_some());
        outbox.received_data("a", 0);
        assert_eq!(outbox.due_data(), None);
        outbox.progress(report(CommandState::Done, 0));
        let last = core::iter::from_fn(|| outbox.due_progress()).last().unwrap();
        assert_eq!(last.1.state, CommandState::Done);
        outbox.received_progress(last.0);
        assert!(outbox.data.is_empty(), "nothing is kept of a command that has ended");
    }

    #[test]
    fn data_goes_piece_by_piece_and_the_end_after_it() {
        let mut outbox = Outbox::new(1, 5, Default::default());
        let report = |state, octets: usize| Progress {
            data: vec![7; octets],
            id: "a".to_owned(),
            state,
            percent: 0,
            output: String::new(),
        };
        outbox.progress(report(CommandState::Running, PIECE + 1));
        outbox.progress(report(CommandState::Done, 0));
        assert_eq!(outbox.due_progress().unwrap().0, 5);
        assert_eq!(outbox.due_progress(), None, "its data is on the way");
        let (id, place, octets) = outbox.due_data().unwrap();
        assert_eq!((id.as_str(), place, octets.len()), ("a", 0, PIECE));
        assert_eq!(outbox.due_data(), None);
        outbox.restart();
        assert_eq!(outbox.due_data().unwrap().1, 0, "the same again on a new stream");
        outbox.received_data("a", PIECE as u64);
        let (_, place, octets) = outbox.due_data().unwrap();
        assert_eq!((place, octets.len()), (PIECE as u64, 1));
        outbox.received_data("a", PIECE as u64 + 1);
        let numbers: Vec<u64> = core::iter::from_fn(|| outbox.due_progress().map(|(number, _)| number)).collect();
        assert_eq!(numbers, [5, 6]);
        outbox.received_progress(6);
        outbox.restart();
        assert_eq!(outbox.due_progress(), None);
    }
}
