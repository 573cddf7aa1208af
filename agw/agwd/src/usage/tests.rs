//! Accounts over a disk that loses what was not synced.

use super::collect::Usage;
use super::stored::{StoredSession, StoredVolume};
use super::{Loaded, load};
use agw_dataplane::{Parts, Reading, Volume};
use basalt_ids::{Imsi, Teid};
use basalt_store::{Batch, Config, MemDisk, Records, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

const NOW: u64 = 1_795_221_664;

fn imsi() -> Imsi {
    "001010000000001".parse().unwrap()
}

fn session(teid: u32) -> StoredSession {
    StoredSession {
        number: 0,
        imsi: imsi(),
        apn: "internet".to_owned(),
        ebi: 5,
        address: "10.45.0.2".to_owned(),
        teid,
        started: NOW,
        ended: None,
        total: StoredVolume::default(),
        bearers: Vec::new(),
        rules: Vec::new(),
    }
}

fn reading(teid: u32, epoch: u64, bytes: u64) -> Reading {
    let total = Volume { uplink_packets: bytes / 100, uplink_bytes: bytes, ..Volume::default() };
    let parts = Parts { rules: BTreeMap::from([(7, total)]), ..Parts::default() };
    Reading { teid: Teid(teid), address: Ipv4Addr::LOCALHOST.into(), epoch, closed: false, moved: false, total, parts }
}

fn opened(records: &Records) -> Usage {
    let mut unreadable = Vec::new();
    let loaded: Loaded = load(records, &mut |what, _| unreadable.push(what.to_owned()));
    assert!(unreadable.is_empty(), "{unreadable:?}");
    Usage::new(loaded, Duration::from_secs(30), 86_400, NOW)
}

/// A gateway whose batches become durable some time after they were made, or never.
struct Site {
    disk: MemDisk,
    store: Store,
    usage: Usage,
}

impl Site {
    fn open(disk: MemDisk) -> Self {
        let (store, records, _) = Store::open(disk.clone(), Config::default()).unwrap();
        Self { disk, store, usage: opened(&records) }
    }

    fn append(&mut self, change: impl FnOnce(&mut Usage, &mut Batch)) {
        let mut batch = Batch::new();
        change(&mut self.usage, &mut batch);
        if !batch.is_empty() {
            self.store.append(&batch).unwrap();
        }
    }

    fn killed(self) -> Self {
        self.disk.power_cut();
        Self::open(self.disk.rebooted())
    }
}

#[test]
fn what_was_counted_is_accounted_once_whatever_is_lost() {
    for seed in 0..40_u64 {
        let mut site = Site::open(MemDisk::new(seed));
        site.append(|usage, batch| usage.accounts.begin(session(0x100), batch));
        site.store.commit().unwrap();
        let (mut epoch, mut bytes, mut truth) = (1, 0, 0);
        for step in 0..60_u64 {
            let choice = (seed * 31 + step * 17 + step * step) % 7;
            bytes += 100 * (step % 5);
            truth += 100 * (step % 5);
            match choice {
                0 => assert!(site.store.commit().is_ok()),
                1 => site = site.killed(),
                2 => {
                    // The tables are made anew: what the old ones counted is final, and stays until it is durable.
                    let old = Reading { closed: true, moved: true, ..reading(0x100, epoch, bytes) };
                    site.append(|usage, batch| usage.stage(std::slice::from_ref(&old), NOW, batch));
                    site = site.killed();
                    site.append(|usage, batch| usage.stage(&[old], NOW, batch));
                    site.store.commit().unwrap();
                    (epoch, bytes) = (epoch + 1, 0);
                }
                _ => {
                    let now = reading(0x100, epoch, bytes);
                    site.append(|usage, batch| usage.stage(&[now], NOW, batch));
                }
            }
        }
        let last = Reading { closed: true, ..reading(0x100, epoch, bytes) };
        site.append(|usage, batch| {
            usage.accounts.end(Teid(0x100), NOW, batch);
            usage.stage(&[last], NOW, batch);
        });
        site.store.commit().unwrap();
        site = site.killed();
        let accounts = &site.usage.accounts;
        let session = accounts.session(Teid(0x100)).unwrap();
        assert_eq!((session.total.uplink_bytes, session.rules[0].1.uplink_bytes), (truth, truth), "seed {seed}");
        assert_eq!(session.ended, Some(NOW), "seed {seed}");
        assert_eq!(accounts.total().uplink_bytes, truth, "seed {seed}");
        let of_session = accounts.records.values().filter(|record| record.part == super::stored::StoredPart::Session);
        assert_eq!(of_session.map(|record| record.used.uplink_bytes).sum::<u64>(), truth, "seed {seed}");
        let ids: BTreeSet<_> =
            accounts.records.values().map(|record| (record.epoch, record.part, record.sequence)).collect();
        assert_eq!(ids.len(), accounts.records.len(), "seed {seed}: a number twice");
    }
}

#[test]
fn nothing_goes_before_it_is_acknowledged_or_too_old() {
    let mut site = Site::open(MemDisk::new(1));
    site.append(|usage, batch| usage.accounts.begin(session(0x100), batch));
    for step in 1..=4 {
        site.append(|usage, batch| usage.stage(&[reading(0x100, 1, step * 100)], NOW + step, batch));
    }
    let cursors = |usage: &Usage| usage.accounts.records.keys().copied().collect::<Vec<_>>();
    assert_eq!(cursors(&site.usage), (0..8).collect::<Vec<_>>());
    site.append(|usage, batch| assert_eq!(usage.accounts.acknowledge(3, batch), 3));
    site.store.commit().unwrap();
    site = site.killed();
    assert_eq!(cursors(&site.usage), (3..8).collect::<Vec<_>>());
    let mut lost = 0;
    site.append(|usage, batch| lost = usage.accounts.prune(NOW + 4, batch));
    assert_eq!((lost, cursors(&site.usage)), (3, vec![6, 7]));
    site.append(|usage, batch| usage.stage(&[reading(0x100, 1, 900)], NOW + 9, batch));
    assert_eq!(cursors(&site.usage), vec![6, 7, 8, 9], "numbers are not given out twice");
}

#[test]
fn days_and_months_begin_anew() {
    let mut site = Site::open(MemDisk::new(1));
    site.append(|usage, batch| usage.accounts.begin(session(0x100), batch));
    site.append(|usage, batch| usage.stage(&[reading(0x100, 1, 500)], NOW, batch));
    site.append(|usage, batch| usage.stage(&[reading(0x100, 1, 700)], NOW + 86_400, batch));
    let usage = site.usage.accounts.subscriber(imsi(), NOW + 86_400);
    assert_eq!((usage.of_day.uplink_bytes, usage.of_month.uplink_bytes, usage.total.uplink_bytes), (200, 700, 700));
    let later = site.usage.accounts.subscriber(imsi(), NOW + 40 * 86_400);
    assert_eq!((later.of_day.octets(), later.of_month.octets(), later.total.uplink_bytes), (0, 0, 700));
}

#[test]
fn another_session_on_the_same_tunnel_has_its_own_account() {
    let mut site = Site::open(MemDisk::new(1));
    site.append(|usage, batch| usage.accounts.begin(session(0x100), batch));
    let last = Reading { closed: true, ..reading(0x100, 1, 500) };
    site.append(|usage, batch| usage.stage(&[last], NOW, batch));
    assert!(!site.usage.accounts.has(Teid(0x100), imsi(), "10.45.0.2"), "it has ended");
    site.append(|usage, batch| usage.accounts.begin(session(0x100), batch));
    site.append(|usage, batch| usage.stage(&[reading(0x100, 2, 300)], NOW, batch));
    let totals: Vec<u64> = site.usage.accounts.sessions_of(imsi()).map(|session| session.total.uplink_bytes).collect();
    assert_eq!(totals, [300, 500], "the latest first");
}
