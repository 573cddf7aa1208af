//! Events on their way to the orchestrator, kept so that they outlive this daemon: one that was told before a crash goes after it.

use crate::gateway::Gateway;
use crate::storage;
use basalt_cloud_sync::Event;
use basalt_store::{Batch, Keyspace, Records};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

const EVENTS: Keyspace = Keyspace(36);

/// An event that the orchestrator has not received, version 1. Its layout is a format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEvent {
    epoch: u64,
    number: u64,
    at: u64,
    kind: String,
    imsi: String,
    text: String,
    json: String,
}

storage::only_format!(StoredEvent);

/// Reads them in their order, with their epoch.
pub fn load(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> (u64, Vec<Event>) {
    let (mut epoch, mut events) = (0, Vec::new());
    for (key, value) in records.in_keyspace(EVENTS) {
        let Some(StoredEvent { epoch: own, number, at, kind, imsi, text, json }) = storage::decode(value) else {
            unreadable("event", key);
            continue;
        };
        epoch = own;
        events.push(Event { number, at, kind, imsi, text, json });
    }
    events.sort_by_key(|event| event.number);
    (epoch, events)
}

/// Makes events durable and forgets those up to a number; tells when it is done.
pub fn keep(gateway: &mut Gateway, epoch: u64, events: Vec<Event>, forget: u64, done: oneshot::Sender<()>) {
    let mut batch = Batch::new();
    let forgotten = &mut gateway.managed.events_forgotten;
    for number in forgotten.saturating_add(1)..=forget {
        batch.add_delete(EVENTS, &number.to_be_bytes());
    }
    *forgotten = forget.max(*forgotten);
    for Event { number, at, kind, imsi, text, json } in events {
        let stored = StoredEvent { epoch, number, at, kind, imsi, text, json };
        storage::put(&mut batch, EVENTS, &number.to_be_bytes(), &stored);
    }
    gateway.save(
        batch,
        Box::new(move |_| {
            // The conversation may have ended.
            let _ = done.send(());
        }),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_store::{Config, MemDisk, Store};

    #[test]
    fn events_are_kept_as_ever() {
        let text = str::to_owned;
        let (kind, imsi) = (text("attached"), text("001010123456789"));
        let (words, json) = (text("a phone attached"), text(r#"{"enb":"lab"}"#));
        let event = StoredEvent { epoch: 1 << 50, number: 300, at: 1_800_000_000, kind, imsi, text: words, json };
        crate::storage::golden::as_ever("orchestrator-event", &event);
    }

    #[test]
    fn they_are_read_in_their_order() {
        let text = |text: &str| text.to_owned();
        let mut batch = Batch::new();
        for number in [300, 2, 299] {
            let (kind, imsi) = (text("attached"), text("001010000000001"));
            let stored = StoredEvent { epoch: 7, number, at: 5, kind, imsi, text: text("words"), json: text("{}") };
            storage::put(&mut batch, EVENTS, &number.to_be_bytes(), &stored);
        }
        batch.add_put(EVENTS, b"x", b"\x09nonsense");
        let disk = MemDisk::new(1);
        let (mut store, _, _) = Store::open(disk.clone(), Config::default()).unwrap();
        store.append(&batch).unwrap();
        store.commit().unwrap();
        let mut damaged = 0;
        let records = Store::open(disk.rebooted(), Config::default()).unwrap().1;
        let (epoch, events) = load(&records, &mut |_, _| damaged += 1);
        assert_eq!((epoch, damaged), (7, 1));
        assert_eq!(events.iter().map(|event| event.number).collect::<Vec<_>>(), [2, 299, 300]);
        assert_eq!(events[0].imsi, "001010000000001");
    }
}
