//! A book that fails and processes that die, at random.

use super::*;
use std::collections::BTreeSet;

/// What is on disk.
#[derive(Debug, Default)]
struct Disk {
    records: Vec<UsageRecord>,
    baselines: BTreeMap<(Teid, u64, Part), Baseline>,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    /// Nothing is written.
    Fails,
    /// It is written, and the process dies before it learns of it.
    Dies,
}

struct Writer<'d>(&'d mut Disk, Fate);

impl Book for Writer<'_> {
    type Error = Fate;

    fn commit(&mut self, entries: &[(UsageRecord, Baseline)]) -> Result<(), Fate> {
        if self.1 == Fate::Fails {
            return Err(Fate::Fails);
        }
        for (record, baseline) in entries {
            self.0.records.push(*record);
            let key = (record.id.teid, record.id.epoch, record.id.part);
            self.0.baselines.insert(key, *baseline);
        }
        if self.1 == Fate::Dies { Err(Fate::Dies) } else { Ok(()) }
    }

    fn forget(&mut self, teid: Teid, epoch: u64) -> Result<(), Fate> {
        if self.1 == Fate::Fails {
            return Err(Fate::Fails);
        }
        self.0.baselines.retain(|(of, since, _), _| (*of, *since) != (teid, epoch));
        if self.1 == Fate::Dies { Err(Fate::Dies) } else { Ok(()) }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 9) % end
    }
}

fn reading(teid: u32, epoch: u64, bytes: u64) -> Reading {
    let total = Volume { downlink_packets: bytes / 100, downlink_bytes: bytes, ..Volume::default() };
    let parts = Parts { rules: BTreeMap::from([(4, total)]), ..Parts::default() };
    Reading {
        teid: Teid(teid),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        epoch,
        closed: false,
        moved: false,
        total,
        parts,
    }
}

#[test]
fn every_octet_is_recorded_once_whatever_dies_when() {
    for seed in 1..200u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (mut disk, mut ledger) = (Disk::default(), Ledger::default());
        // The counters of three sessions, and all that they ever counted.
        let mut sessions = [(1u64, 0u64); 3];
        let mut truth = 0;
        for _ in 0..300 {
            let which = random.below(3) as usize;
            let (epoch, bytes) = &mut sessions[which];
            match random.below(10) {
                0..=4 => {
                    let more = random.below(50) * 100;
                    *bytes += more;
                    truth += more;
                }
                5..=7 => {
                    let fate = [Fate::Works, Fate::Works, Fate::Fails, Fate::Dies][random.below(4) as usize];
                    let taken = ledger.take(&reading(which as u32, *epoch, *bytes), &mut Writer(&mut disk, fate));
                    if taken == Err(Fate::Dies) {
                        ledger = Ledger::new(disk.baselines.values().copied());
                    }
                }
                8 => ledger = Ledger::new(disk.baselines.values().copied()),
                _ => {
                    // The session ends, or its tables are replaced; another one begins. Its last reading is repeated until it is settled.
                    let last = Reading { closed: true, ..reading(which as u32, *epoch, *bytes) };
                    for fate in [Fate::Fails, Fate::Dies, Fate::Works] {
                        if ledger.take(&last, &mut Writer(&mut disk, fate)).is_err() {
                            ledger = Ledger::new(disk.baselines.values().copied());
                        }
                    }
                    (*epoch, *bytes) = (*epoch + 1, 0);
                    let live: Vec<Reading> =
                        (0u32..).zip(&sessions).map(|(which, (epoch, bytes))| reading(which, *epoch, *bytes)).collect();
                    let fate = [Fate::Works, Fate::Fails, Fate::Dies][random.below(3) as usize];
                    if ledger.forget(&live, &mut Writer(&mut disk, fate)).is_err() {
                        ledger = Ledger::new(disk.baselines.values().copied());
                    }
                }
            }
        }
        for (which, (epoch, bytes)) in sessions.iter().enumerate() {
            ledger.take(&reading(which as u32, *epoch, *bytes), &mut Writer(&mut disk, Fate::Works)).unwrap();
        }
        let sum = |part: Part| -> u64 {
            disk.records.iter().filter(|record| record.id.part == part).map(|record| record.used.downlink_bytes).sum()
        };
        assert_eq!((sum(Part::Session), sum(Part::Rule(4))), (truth, truth), "seed {seed}");
        let ids: BTreeSet<RecordId> = disk.records.iter().map(|record| record.id).collect();
        assert_eq!(ids.len(), disk.records.len(), "seed {seed}: a number twice");
    }
}

#[test]
fn nothing_used_is_no_record_but_an_end_is() {
    let (mut disk, mut ledger) = (Disk::default(), Ledger::default());
    let idle = reading(1, 1, 0);
    assert_eq!(ledger.take(&idle, &mut Writer(&mut disk, Fate::Works)), Ok(vec![]));
    let last = ledger.take(&Reading { closed: true, ..idle }, &mut Writer(&mut disk, Fate::Works)).unwrap();
    assert!(last.len() == 2 && last.iter().all(|record| record.last && record.used == Volume::default()));
    ledger.forget(&[], &mut Writer(&mut disk, Fate::Works)).unwrap();
    assert!(disk.baselines.is_empty());
}
