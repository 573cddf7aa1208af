use std::collections::BTreeMap;

use basalt_sansio::{Rng, SimRng};
use proptest::prelude::*;

use super::*;
use crate::{Fault, Keyspace, MemDisk};

mod failures;

type State = BTreeMap<(u8, Vec<u8>), Vec<u8>>;
/// Puts and deletes of one batch.
type Change = Vec<(u8, Vec<u8>, Option<Vec<u8>>)>;

fn tiny() -> Config {
    Config { segment_bytes: 1 << 10, extend_bytes: 256, compact_step_bytes: 200 }
}

/// Batches over few keys, so that most overwrite something.
fn workload(seed: u64, batches: usize) -> Vec<Change> {
    let mut rng = SimRng::new(seed);
    let entry = |rng: &mut SimRng| {
        let key = vec![b'k', rng.below(12) as u8];
        let value = rng.chance(4, 5).then(|| {
            let mut value = vec![0; rng.below(60) as usize];
            rng.fill(&mut value);
            value
        });
        (rng.below(2) as u8, key, value)
    };
    (0..batches).map(|_| (0..1 + rng.below(3)).map(|_| entry(&mut rng)).collect()).collect()
}

fn batch(change: &Change) -> Batch {
    let mut batch = Batch::new();
    for (keyspace, key, value) in change {
        match value {
            Some(value) => batch.add_put(Keyspace(*keyspace), key, value),
            None => batch.add_delete(Keyspace(*keyspace), key),
        }
    }
    batch
}

fn apply(state: &mut State, change: &Change) {
    for (keyspace, key, value) in change {
        match value {
            Some(value) => state.insert((*keyspace, key.clone()), value.clone()),
            None => state.remove(&(*keyspace, key.clone())),
        };
    }
}

/// The states after 0, 1, 2 … batches.
fn states(changes: &[Change]) -> Vec<State> {
    let mut all = vec![State::new()];
    for change in changes {
        let mut next = all[all.len() - 1].clone();
        apply(&mut next, change);
        all.push(next);
    }
    all
}

fn state(records: &Records) -> State {
    records.iter().map(|(keyspace, key, value)| ((keyspace.0, key.to_vec()), value.to_vec())).collect()
}

fn open(disk: &MemDisk) -> (Store, State, OpenReport) {
    let (store, records, report) = Store::open(disk.clone(), tiny()).unwrap();
    assert_eq!(store.status().records, records.len() as u64, "index and records agree");
    (store, state(&records), report)
}

/// Runs a workload with commits after `1..=group` batches; how many were durable and how many appended when it ended.
fn run(store: &mut Store, changes: &[Change], group: u64, rng: &mut SimRng) -> (usize, usize) {
    let (mut durable, mut appended) = (0, 0);
    for change in changes {
        // A batch on whose way the disk fails may or may not have reached it.
        appended += 1;
        if store.append(&batch(change)).is_err() {
            return (durable, appended);
        }
        if rng.below(group) == 0 {
            if store.commit().is_err() {
                return (durable, appended);
            }
            durable = appended;
            if store.compact_step().is_err() {
                return (durable, appended);
            }
        }
    }
    if store.commit().is_ok() {
        durable = appended;
    }
    (durable, appended)
}

fn filled(seed: u64, batches: usize) -> (MemDisk, Vec<Change>) {
    let changes = workload(seed, batches);
    let disk = MemDisk::new(seed);
    let (mut store, _, _) = open(&disk);
    for change in &changes {
        store.append(&batch(change)).unwrap();
        store.commit().unwrap();
    }
    (disk, changes)
}

#[test]
fn records_come_back_and_writing_goes_on() {
    let changes = workload(1, 90);
    let states = states(&changes);
    let disk = MemDisk::new(1);
    for (round, part) in changes.chunks(30).enumerate() {
        let (mut store, before, report) = open(&disk);
        assert_eq!((before, report.is_clean()), (states[round * 30].clone(), true), "round {round}");
        let done = run(&mut store, part, 4, &mut SimRng::new(round as u64));
        assert_eq!(done, (30, 30));
    }
    assert_eq!(open(&disk).1, states[90]);
}

/// What one damaged octet may cost: the batch it is in, or nothing.
#[test]
fn every_octet_can_be_damaged() {
    for (seed, mask) in [(1, 0x01), (2, 0x80), (3, 0xff)] {
        let (disk, changes) = filled(seed, 30);
        let states = states(&changes);
        for (name, len) in disk.files() {
            for offset in 0..len {
                let damaged = disk.copy();
                damaged.damage(&name, offset, mask);
                let context = format!("seed {seed}, {name} octet {offset} of {len}");
                let (store, found, report) = open(&damaged);
                assert!(!report.is_clean(), "{context}: not noticed");
                one_batch_lost(&found, &report, &changes, &states, &context);
                goes_on_after_damage(store, &damaged, &found, &context);
            }
        }
    }
}

/// Everything is as without one of the batches, except that a key of it may have an older version or none.
fn one_batch_lost(found: &State, report: &OpenReport, changes: &[Change], states: &[State], context: &str) {
    let lost: Vec<u64> = report.damage.iter().filter_map(|damage| damage.lost).flat_map(|(a, b)| a.0..=b.0).collect();
    let torn = changes.len() as u64 - report.last.0;
    assert!(lost.len() as u64 + torn <= 1, "{context}: lost {lost:?} and {torn} at the end");
    let hit = lost.first().copied().or((torn == 1).then_some(changes.len() as u64));
    let all = &states[changes.len()];
    let Some(hit) = hit else {
        assert_eq!(found, all, "{context}");
        return;
    };
    let change = &changes[hit as usize - 1];
    let later: Vec<_> = changes[hit as usize..].iter().flatten().map(|(keyspace, key, _)| (*keyspace, key)).collect();
    let keys = found.keys().chain(all.keys());
    for key in keys {
        let hit_and_last = change.iter().any(|(keyspace, k, _)| (*keyspace, k) == (key.0, &key.1))
            && !later.contains(&(key.0, &key.1));
        if !hit_and_last {
            assert_eq!(found.get(key), all.get(key), "{context}: key {key:?}");
        }
    }
}

/// The next start sees the same damage again, knows that it does, and what was written since is there.
fn goes_on_after_damage(mut store: Store, disk: &MemDisk, found: &State, context: &str) {
    let extra: Change = vec![(5, b"after".to_vec(), Some(b"damage".to_vec()))];
    store.append(&batch(&extra)).unwrap();
    store.commit().unwrap();
    drop(store);
    let mut expected = found.clone();
    apply(&mut expected, &extra);
    let (_, again, report) = open(disk);
    assert_eq!(again, expected, "{context}");
    assert!(report.torn.is_none() && report.damage.iter().all(|it| it.seen_before), "{context}: {report:?}");
}

#[test]
fn the_log_can_be_cut_anywhere() {
    let (disk, changes) = filled(4, 30);
    let states = states(&changes);
    let files = disk.files();
    for (name, len) in &files {
        for cut in 0..*len {
            let damaged = disk.copy();
            damaged.cut(name, cut);
            let (_, found, report) = open(&damaged);
            // Zeros ahead of the writer may go unnoticed.
            assert!(!report.is_clean() || found == states[changes.len()], "{name} cut to {cut}");
            let last = files.last().map(|(name, _)| name);
            if Some(name) == last {
                assert_eq!(found, states[report.last.0 as usize], "{name} cut to {cut}");
            } else {
                // What later segments hold is there.
                let lost = report.damage.iter().filter_map(|it| it.lost).count();
                assert_eq!(report.last.0, changes.len() as u64, "{name} cut to {cut}");
                assert!(lost <= 1, "{name} cut to {cut}");
            }
        }
    }
}

#[test]
fn a_damaged_batch_does_not_bring_the_version_before_it_back() {
    let disk = MemDisk::new(1);
    let (mut store, _, _) = open(&disk);
    for value in [&b"count 1"[..], b"count 2"] {
        store.append(&Batch::new().put(Keyspace(1), b"imsi", value)).unwrap();
        store.commit().unwrap();
    }
    store.append(&Batch::new().put(Keyspace(1), b"other", b"x")).unwrap();
    store.commit().unwrap();
    drop(store);
    let octets = disk.clone().read("00000001.log").unwrap();
    let at = octets.windows(7).position(|window| window == b"count 2").unwrap();
    disk.damage("00000001.log", at + 6, 1);

    let (_, found, report) = open(&disk);
    assert_eq!(found.keys().map(|(_, key)| key.as_slice()).collect::<Vec<_>>(), [b"other"]);
    let damage = &report.damage[0];
    assert_eq!((damage.lost, damage.seen_before), (Some((Seq(2), Seq(2))), false));
    assert_eq!(damage.keys, [(Keyspace(1), b"imsi".to_vec())]);
    let copy = disk.clone().read(damage.copy.as_deref().unwrap()).unwrap();
    assert_eq!(copy.len() as u64, damage.bytes);
    assert!(copy.windows(7).any(|window| window == b"count 3"), "the copy is of the damaged octets");
}

/// A disk that says "durable" without it being so can lose anything; what is left is still whole batches, and loss in the
/// middle is noticed.
/// The first start reads which keys a damaged batch was about; at the second, nothing of it can be read any more.
#[test]
fn a_version_that_was_lost_stays_lost_when_the_damage_grows() {
    let disk = MemDisk::new(1);
    let key = b"a phone".to_vec();
    let change = |value: &[u8]| vec![(1, key.clone(), Some(value.to_vec()))];
    let (mut store, ..) = open(&disk);
    for value in [&b"older"[..], b"newest"] {
        store.append(&batch(&change(value))).unwrap();
        store.commit().unwrap();
    }
    store.append(&batch(&vec![(1, b"another".to_vec(), Some(b"it".to_vec()))])).unwrap();
    store.commit().unwrap();
    drop(store);
    let name = "00000001.log";
    let octets = disk.clone().read(name).unwrap();
    let at = octets.windows(6).position(|window| window == b"newest").unwrap();
    disk.damage(name, at, 1);
    let (store, found, _) = open(&disk);
    assert_eq!(found.get(&(1, key.clone())), None);
    drop(store);
    // The frame's header, and the entry's.
    let frame = octets[..at].windows(4).rposition(|window| window == b"BsF\x01").unwrap();
    disk.damage(name, frame, 0xff);
    disk.damage(name, at - 8, 0xff);
    let (_, found, report) = open(&disk);
    assert!(report.damage.iter().all(|damage| damage.keys.is_empty()), "{report:?}");
    assert_eq!(found.get(&(1, key)), None, "an older version came back");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_lying_disk_loses_batches_but_never_parts_of_them() {
    for seed in 0..300 {
        let changes = workload(seed, 40);
        let states = states(&changes);
        let disk = MemDisk::new(seed);
        let (mut store, _, _) = open(&disk);
        disk.lie_about_sync(true);
        run(&mut store, &changes, 2, &mut SimRng::new(seed));
        disk.power_cut();
        let (_, found, report) = open(&disk.rebooted());
        let prefix = states.contains(&found);
        assert!(prefix || !report.damage.is_empty(), "seed {seed}: {report:?}");
        let written = |key: &(u8, Vec<u8>), value: &Vec<u8>| {
            changes.iter().flatten().any(|(ks, k, v)| (*ks, k, v.as_ref()) == (key.0, &key.1, Some(value)))
        };
        assert!(found.iter().all(|(key, value)| written(key, value)), "seed {seed}");
    }
}

#[test]
fn old_versions_are_cleared_away_and_deletes_stay_deletes() {
    let disk = MemDisk::new(1);
    let (mut store, _, _) = open(&disk);
    let mut expected = State::new();
    for (n, change) in workload(9, 2000).iter().enumerate() {
        store.append(&batch(change)).unwrap();
        store.commit().unwrap();
        apply(&mut expected, change);
        while store.compact_step().unwrap() {
            store.commit().unwrap();
        }
        if n % 100 == 0 {
            disk.power_cut();
            let _ = disk.rebooted();
            let (again, found, report) = open(&disk);
            assert_eq!((found, report.is_clean()), (expected.clone(), true), "after {n}");
            store = again;
        }
    }
    let status = store.status();
    assert!(status.log_bytes <= 2 * status.live_bytes + 3 * tiny().segment_bytes, "{status:?}");
    assert!(!status.compaction_blocked && status.segments <= 8);
    let live: u64 = expected.iter().map(|((_, key), value)| 12 + key.len() as u64 + value.len() as u64).sum();
    assert_eq!(status.live_bytes, live);
}

#[test]
fn damage_that_appears_while_running_stops_clearing_away_and_nothing_else() {
    let disk = MemDisk::new(1);
    let (mut store, _, _) = open(&disk);
    store.append(&Batch::new().put(Keyspace(7), b"rare", b"written once")).unwrap();
    store.commit().unwrap();
    let octets = disk.clone().read("00000001.log").unwrap();
    let at = octets.windows(12).position(|window| window == b"written once").unwrap();
    disk.damage("00000001.log", at, 1);
    for change in workload(3, 300) {
        store.append(&batch(&change)).unwrap();
        store.commit().unwrap();
        store.compact_step().unwrap();
    }
    assert!(store.status().compaction_blocked);
    let (mut store, _, report) = open(&disk);
    assert_eq!(report.damage[0].keys, [(Keyspace(7), b"rare".to_vec())]);
    while store.compact_step().unwrap() {
        store.commit().unwrap();
    }
    assert!(!store.status().compaction_blocked);
    assert!(open(&disk).2.is_clean(), "the damaged segment is gone");
}

#[test]
fn a_full_disk_stops_it_and_what_was_promised_is_there() {
    let changes = workload(5, 200);
    let states = states(&changes);
    let mut stopped = 0;
    for limit in (600..6000).step_by(37) {
        let disk = MemDisk::new(limit);
        let (mut store, _, _) = open(&disk);
        disk.limit(limit);
        let (durable, appended) = run(&mut store, &changes, 2, &mut SimRng::new(limit));
        if durable < changes.len() {
            assert!(matches!(store.commit(), Err(Error::Stopped(_))));
            stopped += 1;
        }
        disk.power_cut();
        let (_, found, report) = open(&disk.rebooted());
        assert_eq!(report.damage, []);
        assert!((durable..=appended).any(|n| states[n] == found), "limit {limit}");
    }
    assert!(stopped > 40, "only {stopped} limits were reached");
}

#[test]
fn a_file_of_the_log_that_is_gone_is_noticed() {
    let (disk, _) = filled(4, 60);
    for (name, _) in disk.files() {
        let damaged = disk.copy();
        damaged.clone().remove(&name).unwrap();
        let (_, found, report) = open(&damaged);
        let is_last = Some(&name) == disk.files().last().map(|(name, _)| name);
        assert!(is_last || report.damage.len() == 1, "{name}: {report:?}");
        assert!(!found.is_empty());
        assert!(open(&damaged).2.damage.iter().all(|damage| damage.seen_before));
    }
}

#[test]
fn what_can_never_be_written_is_refused_and_the_store_goes_on() {
    let (mut store, _, _) = open(&MemDisk::new(1));
    let large = Batch::new().put(Keyspace(0), b"k", &[0; 1000]);
    assert!(matches!(store.append(&large), Err(Error::TooLarge { bytes: 1048, limit: 992 })));
    let oversize = Batch::new().put(Keyspace(0), &[0; 70_000], b"");
    assert!(matches!(store.append(&oversize), Err(Error::Oversize)));
    assert_eq!(store.append(&Batch::new()).unwrap(), Seq(0));
    assert_eq!(store.append(&Batch::new().put(Keyspace(0), b"k", &[0; 940])).unwrap(), Seq(1));
    assert_eq!((store.durable(), store.has_pending()), (Seq(0), true));
    assert_eq!(store.commit().unwrap(), Seq(1));
}

#[test]
fn a_group_costs_one_sync() {
    let (mut store, _, _) = Store::open(MemDisk::new(1), Config::default()).unwrap();
    for change in workload(1, 500) {
        store.append(&batch(&change)).unwrap();
    }
    assert_eq!(store.commit().unwrap(), Seq(500));
    assert_eq!((store.status().batches, store.status().syncs), (500, 1));
}

proptest! {
    /// Whatever octets are found on a disk, the store starts.
    #[test]
    fn any_files_can_be_opened(files: Vec<Vec<u8>>, keep in 0..4usize, seed in 0..8u64) {
        let (disk, _) = filled(seed, 12);
        let mut it = disk.clone();
        for (name, content) in (1 + keep as u32..).map(segment_name).zip(&files) {
            it.create(&name).unwrap();
            it.write_at(&name, 0, content).unwrap();
        }
        let (mut store, _, _) = open(&disk);
        store.append(&Batch::new().put(Keyspace(3), b"k", b"v")).unwrap();
        store.commit().unwrap();
        let (_, found, _) = open(&disk);
        prop_assert_eq!(found.get(&(3, b"k".to_vec())), Some(&b"v".to_vec()));
    }

    /// A segment whose octets are swapped about in any way is survived, and only whole batches come back.
    #[test]
    fn any_mixture_of_octets_can_be_opened(seed in 0..8u64, moves in proptest::collection::vec((0..1000usize, 0..1000usize, 1..200usize), 1..6)) {
        let (disk, changes) = filled(seed, 12);
        let name = segment_name(1);
        let mut octets = disk.clone().read(&name).unwrap();
        for (from, to, len) in moves {
            let from = from.min(octets.len() - 1);
            let len = len.min(octets.len() - from);
            let to = to.min(octets.len() - len);
            octets.copy_within(from..from + len, to);
        }
        let mut it = disk.clone();
        it.write_at(&name, 0, &octets).unwrap();
        let (_, found, _) = open(&disk);
        for (key, value) in &found {
            prop_assert!(changes.iter().flatten().any(|(ks, k, v)| (*ks, k, v.as_ref()) == (key.0, &key.1, Some(value))));
        }
    }
}
