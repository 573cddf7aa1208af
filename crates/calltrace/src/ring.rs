//! A buffer of records that is bounded in octets and age: the oldest give way, and are counted.

use crate::Record;
use crate::record::gap;
use std::collections::VecDeque;

/// Records that wait for who reads them.
#[derive(Debug)]
pub struct Ring {
    records: VecDeque<Record>,
    octets: usize,
    most: usize,
    /// Microseconds.
    age: u64,
    /// Since the last take, and in all.
    dropped: (u64, u64),
}

impl Ring {
    /// Holds at most `octets` of [`Record::size`], and nothing that is older than `age` microseconds when something new comes.
    #[must_use]
    pub const fn new(octets: usize, age: u64) -> Self {
        Self { records: VecDeque::new(), octets: 0, most: octets, age, dropped: (0, 0) }
    }

    /// Takes a record; old ones give way.
    pub fn push(&mut self, record: Record) {
        let oldest = record.at.saturating_sub(self.age);
        self.octets += record.size();
        self.records.push_back(record);
        while self.octets > self.most || self.records.front().is_some_and(|first| first.at < oldest) {
            let Some(gone) = self.records.pop_front() else { return };
            self.octets -= gone.size();
            self.dropped = (self.dropped.0 + 1, self.dropped.1 + 1);
        }
    }

    /// All that waits, and how many were dropped before it since the last time.
    pub fn take(&mut self) -> (Vec<Record>, u64) {
        self.octets = 0;
        (self.records.drain(..).collect(), core::mem::take(&mut self.dropped.0))
    }

    /// All that waits, as lines.
    pub fn take_lines(&mut self) -> String {
        let (records, dropped) = self.take();
        let lost = if dropped > 0 { gap(dropped) } else { String::new() };
        core::iter::once(lost).chain(records.iter().map(Record::line)).collect()
    }

    /// True when nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.dropped.0 == 0
    }

    /// Records that were dropped since it began.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    fn record(at: u64) -> Record {
        Record::new(at, Protocol::Nas, true, vec![7, 0x46])
    }

    #[test]
    fn the_oldest_give_way_and_are_counted() {
        let mut ring = Ring::new(3 * record(0).size(), 1_000);
        (1..=5).for_each(|at| ring.push(record(at)));
        let lines = ring.take_lines();
        assert!(lines.starts_with("{\"dropped\":2}\n") && lines.lines().count() == 4, "{lines}");
        assert!(ring.is_empty());
        ring.push(record(10));
        ring.push(record(2_000));
        assert_eq!(ring.take().0.iter().map(|record| record.at).collect::<Vec<_>>(), [2_000], "too old");
        assert_eq!(ring.dropped(), 3);
    }
}
