//! The log after anything: whatever stands in its files, it opens, says what is wrong, and takes what comes next.

use std::collections::BTreeMap;

use basalt_fuzz::Changes;
use basalt_store::{Batch, Config, Disk, Keyspace, MemDisk, Store};

use crate::LONGEST;

const SMALL: Config = Config { segment_bytes: 1 << 10, extend_bytes: 256, compact_step_bytes: 512 };

/// A put (`Some`) or delete of one of a few keys.
type Write = (u8, Option<Vec<u8>>);
type Model = BTreeMap<u8, Vec<u8>>;

const KEYS: u8 = 24;

fn apply(model: &mut Model, batch: &[Write]) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(model.insert(key % KEYS, value.clone())),
            None => drop(model.remove(&(key % KEYS))),
        }
    }
}

fn encoded(batch: &[Write]) -> Batch {
    let mut encoded = Batch::new();
    for (key, value) in batch {
        match value {
            Some(value) => encoded.add_put(Keyspace(1), &[key % KEYS], value),
            None => encoded.add_delete(Keyspace(1), &[key % KEYS]),
        }
    }
    encoded
}

/// What the store holds, and that it goes on.
fn opened(disk: MemDisk) -> (Model, bool) {
    let (mut store, records, report) = Store::open(disk.clone(), SMALL).unwrap();
    let held: Model = records.in_keyspace(Keyspace(1)).map(|(key, value)| (key[0], value.to_vec())).collect();
    store.append(&Batch::new().put(Keyspace(2), b"after", b"life")).unwrap();
    store.commit().unwrap();
    drop(store);
    let (_, records, _) = Store::open(disk, SMALL).unwrap();
    assert_eq!(records.get(Keyspace(2), b"after"), Some(&b"life"[..]), "what was committed afterwards is there");
    let again: Model = records.in_keyspace(Keyspace(1)).map(|(key, value)| (key[0], value.to_vec())).collect();
    assert_eq!(again, held, "the second opening finds what the first one found");
    (held, report.is_clean())
}

/// Files of anyone: no panic, and a store that works.
#[test]
fn files_of_anyone() {
    bolero::check!()
        .with_generator((
            bolero::produce::<Vec<u8>>().with().len(0usize..700),
            bolero::produce::<Vec<u8>>().with().len(0usize..300),
        ))
        .with_iterations(4_000)
        .with_test_time(LONGEST)
        .for_each(|(first, second)| {
            let mut disk = MemDisk::new(1);
            for (name, octets) in [("00000000.log", first), ("00000001.log", second)] {
                disk.create(name).unwrap();
                disk.write_at(name, 0, octets).unwrap();
            }
            opened(disk);
        });
}

/// A log with damage: every record that is found is one that was written, and damage is told.
#[test]
fn log_with_changed_octets() {
    bolero::check!()
        .with_generator((
            bolero::produce::<Vec<Vec<(u8, Option<Vec<u8>>)>>>().with().len(1usize..12),
            bolero::produce::<(u8, Changes)>(),
        ))
        .with_iterations(4_000)
        .with_test_time(LONGEST)
        .for_each(|(batches, (which, changes))| {
            let mut disk = MemDisk::new(7);
            let mut model = Model::new();
            let mut ever: Vec<(u8, Vec<u8>)> = Vec::new();
            let (mut store, _, _) = Store::open(disk.clone(), SMALL).unwrap();
            for batch in batches {
                if store.append(&encoded(batch)).is_ok() {
                    apply(&mut model, batch);
                    ever.extend(batch.iter().filter_map(|(key, value)| Some((key % KEYS, value.clone()?))));
                }
                store.commit().unwrap();
            }
            drop(store);
            let files = disk.files();
            let name = files[usize::from(*which) % files.len()].0.clone();
            let before = disk.read(&name).unwrap();
            let after = changes.applied(&before);
            disk.create(&name).unwrap();
            disk.write_at(&name, 0, &after).unwrap();
            let (held, clean) = opened(disk);
            if before == after {
                assert_eq!(held, model);
            }
            for (key, value) in &held {
                assert!(ever.contains(&(*key, value.clone())), "a record that nobody wrote");
            }
            // Zeros behind the last batch are room for the next; a change there is no damage.
            if held != model {
                assert!(!clean, "records are missing and nobody was told");
            }
        });
}
