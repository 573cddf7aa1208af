//! The disk fails, the process ends, the power goes: at every step.

use super::*;

/// Every change to the disk fails once, in every way, and the machine goes down with it.
#[test]
fn whatever_step_fails_a_prefix_with_all_that_was_promised_survives() {
    let faults = [Fault::PowerCut, Fault::SyncDrops, Fault::Full, Fault::Error(io::ErrorKind::Other)];
    for seed in 0..6 {
        let changes = workload(seed, 80);
        let states = states(&changes);
        let clean = MemDisk::new(seed);
        let (mut store, _, _) = open(&clean);
        run(&mut store, &changes, 4, &mut SimRng::new(seed));
        let steps = clean.steps();
        assert!(steps > 100, "the sweep covers something");
        for step in 0..steps {
            for fault in faults {
                fails_at(seed, step, fault, &changes, &states);
            }
        }
    }
}

fn fails_at(seed: u64, step: u64, fault: Fault, changes: &[Change], states: &[State]) {
    let context = format!("seed {seed}, {fault:?} at step {step}");
    let disk = MemDisk::new(seed);
    disk.plan(step, fault);
    let (mut durable, mut appended) = (0, 0);
    if let Ok((mut store, _, _)) = Store::open(disk.clone(), tiny()) {
        (durable, appended) = run(&mut store, changes, 4, &mut SimRng::new(seed));
        // Zeros ahead of the writer and clearing away may fail without harm; anything else must have stopped it.
        let stopped = store.append(&Batch::new().put(Keyspace(9), b"k", b"v")).is_err();
        assert!(stopped || durable == changes.len(), "{context}");
    }
    disk.power_cut();
    let disk = disk.rebooted();
    let (mut store, found, report) = open(&disk);
    assert_eq!(report.damage, [], "{context}");
    let survived = (durable..=appended).find(|n| states[*n] == found);
    let Some(survived) = survived else { panic!("{context}: not a prefix between {durable} and {appended}") };

    // And it goes on from there.
    store.append(&batch(&changes[0])).unwrap();
    store.commit().unwrap();
    disk.power_cut();
    let mut expected = states[survived].clone();
    apply(&mut expected, &changes[0]);
    let (_, found, report) = open(&disk.rebooted());
    assert_eq!((found, report.is_clean()), (expected, true), "{context}");
}

/// A process that ends between a write and its sync leaves what the next one reads and builds on: a power cut must not take it
/// from under that one.
#[test]
fn what_a_restarted_process_found_survives_a_power_cut() {
    for seed in 0..4 {
        let changes = workload(seed, 60);
        let clean = MemDisk::new(seed);
        let (mut store, _, _) = open(&clean);
        run(&mut store, &changes, 4, &mut SimRng::new(seed));
        for step in 0..clean.steps() {
            for fault in [Fault::Error(io::ErrorKind::Other), Fault::SyncDrops, Fault::Full] {
                let context = format!("seed {seed}, {fault:?} at step {step}");
                let disk = MemDisk::new(seed);
                disk.plan(step, fault);
                if let Ok((mut store, _, _)) = Store::open(disk.clone(), tiny()) {
                    run(&mut store, &changes, 4, &mut SimRng::new(seed));
                }
                let (mut store, mut expected, _) = open(&disk);
                for change in &changes[..12] {
                    store.append(&batch(change)).unwrap();
                    store.commit().unwrap();
                    apply(&mut expected, change);
                }
                disk.power_cut();
                let (_, found, report) = open(&disk.rebooted());
                assert_eq!(report.damage, [], "{context}");
                assert_eq!(found, expected, "{context}");
            }
        }
    }
}

/// After a power cut in the middle of recovery from a power cut, too.
#[test]
fn recovery_can_be_interrupted_at_every_step() {
    for seed in 0..40 {
        let changes = workload(seed, 40);
        let states = states(&changes);
        for step in 0..12 {
            let disk = MemDisk::new(seed);
            let (mut store, _, _) = open(&disk);
            disk.plan(disk.steps() + 60, Fault::PowerCut);
            let (durable, appended) = run(&mut store, &changes, 3, &mut SimRng::new(seed));
            let disk = disk.rebooted();
            disk.plan(disk.steps() + step, Fault::PowerCut);
            let _ = Store::open(disk.clone(), tiny());
            let (_, found, report) = open(&disk.rebooted());
            assert_eq!(report.damage, []);
            assert!((durable..=appended).any(|n| states[n] == found), "seed {seed} step {step}");
        }
    }
}
