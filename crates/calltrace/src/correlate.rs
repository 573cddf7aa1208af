//! Whom a message is about: what base stations and gateway call a UE leads to its subscriber, also of messages from before the
//! subscriber was known.
//!
//! ```text
//!   INITIAL UE MESSAGE (a GUTI of elsewhere) ─► kept, by association and eNB-UE-S1AP-ID
//!   IDENTITY REQUEST                          ─► kept
//!   IDENTITY RESPONSE (IMSI)                  ─► known: all three are given out
//! ```

use crate::{Record, Told};
use basalt_ids::Imsi;
use std::collections::BTreeMap;

/// Messages of one association that are kept until it is known whose they are, and associations of which any are.
const KEPT: usize = 32;
const UNKNOWN: usize = 1_024;
/// Associations whose subscriber is remembered.
const KNOWN: usize = 65_536;

/// By number of the base station's association and eNB-UE-S1AP-ID.
type Key = (u32, u32);

/// Finds out whom messages are about.
#[derive(Debug, Default)]
pub struct Correlator {
    known: BTreeMap<Key, Imsi>,
    pending: BTreeMap<Key, Vec<Record>>,
    /// Messages that were given up because nobody was found whose they are.
    forgotten: u64,
}

impl Correlator {
    /// Takes the records of one message over the association `link`, with the subscriber if the gateway knows it. Gives the records of a
    /// subscriber that is known now: these, and those from before it was.
    pub fn take(&mut self, told: &Told, link: u32, known: Option<Imsi>, records: Vec<Record>) -> Vec<Record> {
        let key = told.enb.map(|id| (link, id.value()));
        if let Some(key) = key.filter(|_| told.begins) {
            self.known.remove(&key);
            self.forget(key);
        }
        let remembered = key.and_then(|key| self.known.get(&key).copied());
        let found = match known.or(told.imsi).or(remembered) {
            Some(imsi) => {
                let earlier = key.and_then(|key| self.pending.remove(&key)).unwrap_or_default();
                if let Some(key) = key {
                    self.remember(key, imsi);
                }
                let of = |mut record: Record| {
                    record.imsi = Some(imsi.to_string());
                    record
                };
                earlier.into_iter().chain(records).map(of).collect()
            }
            None => {
                if let Some(key) = key {
                    self.keep(key, records);
                }
                Vec::new()
            }
        };
        if let Some(key) = key.filter(|_| told.ends) {
            self.known.remove(&key);
            self.forget(key);
        }
        found
    }

    /// The subscriber of a message by what was said before.
    #[must_use]
    pub fn whose(&self, told: &Told, link: u32) -> Option<Imsi> {
        self.known.get(&(link, told.enb?.value())).copied().filter(|_| !told.begins)
    }

    /// Messages that were given up because nobody was found whose they are.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// An association is gone, and with it all that was over it.
    pub fn link_gone(&mut self, link: u32) {
        self.known.retain(|key, _| key.0 != link);
        let gone: Vec<Key> = self.pending.keys().copied().filter(|key| key.0 == link).collect();
        gone.into_iter().for_each(|key| self.forget(key));
    }

    fn remember(&mut self, key: Key, imsi: Imsi) {
        self.known.insert(key, imsi);
        if self.known.len() > KNOWN {
            self.known.pop_first();
        }
    }

    fn keep(&mut self, key: Key, records: Vec<Record>) {
        if !self.pending.contains_key(&key) && self.pending.len() >= UNKNOWN {
            // Whoever waits longest has the earliest first message.
            let first = |records: &Vec<Record>| records.first().map_or(0, |record| record.at);
            let oldest = self.pending.iter().min_by_key(|(_, records)| first(records)).map(|(key, _)| *key);
            oldest.into_iter().for_each(|key| self.forget(key));
        }
        let kept = self.pending.entry(key).or_default();
        kept.extend(records);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
        self.forgotten += surplus as u64;
    }

    fn forget(&mut self, key: Key) {
        self.forgotten += self.pending.remove(&key).map_or(0, |records| records.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;
    use basalt_ids::EnbUeS1apId;

    fn told(enb: u32) -> Told {
        Told { enb: EnbUeS1apId::new(enb).ok(), ..Told::default() }
    }

    fn record(at: u64) -> Vec<Record> {
        vec![Record::new(at, Protocol::Nas, false, vec![7, 0x46])]
    }

    #[test]
    fn messages_from_before_the_identity_are_given_out_with_it() {
        let mut correlator = Correlator::default();
        let imsi: Imsi = "001010000000001".parse().unwrap();
        let begins = Told { begins: true, ..told(5) };
        assert!(correlator.take(&begins, 1, None, record(1)).is_empty());
        assert!(correlator.take(&told(5), 1, None, record(2)).is_empty());
        assert!(correlator.take(&told(5), 2, None, record(3)).is_empty(), "another base station's");
        let found = correlator.take(&Told { imsi: Some(imsi), ..told(5) }, 1, None, record(4));
        assert_eq!(found.iter().map(|record| record.at).collect::<Vec<_>>(), [1, 2, 4]);
        assert!(found.iter().all(|record| record.imsi.as_deref() == Some("001010000000001")));
        let end = Told { ends: true, ..told(5) };
        assert_eq!(correlator.take(&end, 1, None, record(5)).len(), 1, "its end is its own");
        assert!(correlator.take(&told(5), 1, None, record(6)).is_empty(), "the number is another's now");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut correlator = Correlator::default();
        (0..100).for_each(|at| drop(correlator.take(&told(1), 1, None, record(at))));
        (0..2_000).for_each(|enb| drop(correlator.take(&told(enb + 2), 1, None, record(200 + u64::from(enb)))));
        assert!(correlator.pending.len() <= UNKNOWN);
        assert_eq!(correlator.forgotten(), 2_100 - correlator.pending.values().map(Vec::len).sum::<usize>() as u64);
        correlator.link_gone(1);
        assert!(correlator.pending.is_empty());
    }
}
