//! Events on their way to the orchestrator, kept so that they outlive this daemon: one that was told to anybody, or that a change of what is
//! kept is told by, goes after a crash.
//!
//! ```text
//!   step ─► one batch: records, events by their places ─durable─► listeners, and the conversation's outbox
//!                                   outbox numbers them ─► one batch: events by their numbers, their places empty ─durable─► sent
//! ```

use super::Managed;
use crate::events::EventLine;
use crate::gateway::Gateway;
use crate::storage;
use agw_types::Effect;
use basalt_cloud_sync::Event;
use basalt_store::{Batch, Keyspace, Records};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

const EVENTS: Keyspace = Keyspace(36);
/// By their places, until the outbox has numbered them.
const UNTOLD: Keyspace = Keyspace(37);
/// Too many, and of no use to somebody far away: they are told here alone, and not kept.
const LOCAL: [&str; 2] = ["idle", "connected"];

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

/// Events that are durable and that the outbox does not know.
#[derive(Debug, Default)]
pub struct Untold {
    /// Those of before the start, in order; the conversation takes them.
    pub events: Vec<Event>,
    /// The last place that was used, and the last one that is empty again.
    last: u64,
    emptied: u64,
}

/// Reads them in their order.
pub fn load_untold(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> Untold {
    let mut events = Vec::new();
    for (key, value) in records.in_keyspace(UNTOLD) {
        match storage::decode(value) {
            Some(StoredEvent { number: place, at, kind, imsi, text, json, .. }) => {
                events.push(Event { number: 0, place, at, kind, imsi, text, json });
            }
            None => unreadable("event", key),
        }
    }
    events.sort_by_key(|event| event.place);
    let last = events.last().map_or(0, |event| event.place);
    let emptied = events.first().map_or(last, |event| event.place.saturating_sub(1));
    Untold { events, last, emptied }
}

/// Puts the events that a step tells into its batch; each as it is to be told when that is durable.
pub fn stage(managed: &mut Managed, effects: &[Effect], batch: &mut Batch) -> Vec<EventLine> {
    let events = effects.iter().filter_map(|effect| match effect {
        Effect::Tell(event) => Some(event.as_ref()),
        _ => None,
    });
    let line = |event: &agw_types::Event| {
        let mut line = EventLine::new(event);
        if !LOCAL.contains(&line.kind) {
            managed.untold.last += 1;
            line.place = managed.untold.last;
            storage::put(batch, UNTOLD, &line.place.to_be_bytes(), &stored(&line));
        }
        line
    };
    events.map(line).collect()
}

fn stored(line: &EventLine) -> StoredEvent {
    StoredEvent {
        epoch: 0,
        number: line.place,
        at: line.unix_millis,
        kind: line.kind.to_owned(),
        imsi: line.imsi.clone(),
        text: line.text.clone(),
        json: line.json.clone(),
    }
}

/// Reads them in their order, with their epoch.
pub fn load(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> (u64, Vec<Event>) {
    let (mut epoch, mut events) = (0, Vec::new());
    for (key, value) in records.in_keyspace(EVENTS) {
        let Some(StoredEvent { epoch: own, number, at, kind, imsi, text, json }) = storage::decode(value) else {
            unreadable("event", key);
            continue;
        };
        epoch = own;
        events.push(Event { number, place: 0, at, kind, imsi, text, json });
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
    let untold = &mut gateway.managed.untold;
    if let Some(place) = events.iter().map(|event| event.place).max() {
        // Those between that the outbox dropped go, too.
        for place in untold.emptied.saturating_add(1)..=place {
            batch.add_delete(UNTOLD, &place.to_be_bytes());
        }
        untold.emptied = untold.emptied.max(place);
    }
    for Event { number, at, kind, imsi, text, json, .. } in events {
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
