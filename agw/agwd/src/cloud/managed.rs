//! What the orchestrator manages here: held durably as it was sent, and put into force as far as this gateway can.

use super::profile::{self, Surroundings};
use crate::control::{self, Prepared};
use crate::gateway::Gateway;
use crate::storage;
use agw_link::Handle;
use agw_sync::{Identity, Input, Page, Refusal};
use agw_types::{ConfigDelta, Input as CoreInput};
use basalt_desired::{Digest, ItemKey};
use basalt_ids::Imsi;
use basalt_store::{Batch, Keyspace, Records};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

const ITEMS: Keyspace = Keyspace(32);
const LINK: Keyspace = Keyspace(33);
const IDENTITY: &[u8] = b"identity";
const LEDGER: &[u8] = b"ledger";
/// Collections that decide what a subscriber may have.
const SHAPING: [&str; 2] = ["networks", "apns"];

/// An item as it is kept, version 1. Its layout is a format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredItem {
    /// Its collection at the orchestrator.
    pub collection: String,
    /// Its name there.
    pub name: String,
    /// Its digest as it was sent; zeroes when it was changed by hand.
    pub digest: [u8; 16],
    /// Its body, JSON without secrets.
    pub body: String,
}

storage::only_format!(StoredItem, Identity);

/// Everything that is known of the orchestrator.
#[derive(Debug, Default)]
pub struct Managed {
    items: BTreeMap<ItemKey, StoredItem>,
    identity: Option<Identity>,
    ledger: u64,
    link: Option<Handle>,
}

/// Reads it; `unreadable` is told of what cannot be read.
pub fn load(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> Managed {
    let mut managed = Managed::default();
    for (key, value) in records.in_keyspace(ITEMS) {
        match storage::decode::<StoredItem>(value) {
            Some(item) => drop(managed.items.insert(key_of(&item), item)),
            None => unreadable("item of the orchestrator", key),
        }
    }
    managed.identity = records.get(LINK, IDENTITY).and_then(storage::decode);
    managed.ledger = records.get(LINK, LEDGER).and_then(storage::decode).unwrap_or(0);
    managed
}

fn key_of(item: &StoredItem) -> ItemKey {
    ItemKey { collection: item.collection.clone(), name: item.name.clone() }
}

fn stored_key(key: &ItemKey) -> Vec<u8> {
    [key.collection.as_bytes(), b"\0", key.name.as_bytes()].concat()
}

impl Managed {
    /// Who the gateway is, if it has joined.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// What is held, by digest.
    pub fn held(&self) -> Vec<(ItemKey, Digest)> {
        self.items.iter().map(|(key, item)| (key.clone(), Digest(item.digest))).collect()
    }

    /// The ledger's number; 0 before it was given one.
    pub fn ledger(&self) -> u64 {
        self.ledger
    }

    /// Gives the ledger a number that stays.
    pub fn number_ledger(&mut self, number: u64, batch: &mut Batch) {
        self.ledger = number;
        storage::put(batch, LINK, LEDGER, &number);
    }

    /// The conversation that runs.
    pub fn attach(&mut self, handle: Handle) {
        self.link = Some(handle);
    }

    /// The conversation.
    pub fn link(&self) -> Option<&Handle> {
        self.link.as_ref()
    }

    /// A subscriber is changed by hand: if it is managed, what is held is not what was sent any more.
    pub fn changed_by_hand(&mut self, imsi: Imsi, batch: &mut Batch) {
        let key = subscriber_key(imsi);
        let Some(item) = self.items.get_mut(&key) else { return };
        item.digest = [0; 16];
        storage::put(batch, ITEMS, &stored_key(&key), item);
        if let Some(link) = &self.link {
            // One that is lost is found at the next comparison after a restart; an orchestrator that is there hears of it now.
            if !link.offer(Input::Changed(key)) {
                tracing::warn!("the orchestrator is told later that a subscriber was changed by hand");
            }
        }
    }

    fn surroundings(&self) -> Surroundings {
        let body = |item: &StoredItem| serde_json::from_str::<Value>(&item.body).unwrap_or(Value::Null);
        let of = |collection: &'static str| self.items.iter().filter(move |(key, _)| key.collection == collection);
        Surroundings {
            network: of("networks").next().map(|(_, item)| body(item)).unwrap_or(Value::Null),
            apns: of("apns").map(|(key, item)| (key.name.clone(), body(item))).collect(),
        }
    }
}

fn subscriber_key(imsi: Imsi) -> ItemKey {
    ItemKey { collection: "subscribers".to_owned(), name: imsi.to_string() }
}

/// Keeps who the gateway is; tells when it is durable.
pub fn keep_identity(gateway: &mut Gateway, identity: Identity, done: oneshot::Sender<()>) {
    let mut batch = Batch::new();
    storage::put(&mut batch, LINK, IDENTITY, &identity);
    gateway.managed.identity = Some(identity);
    gateway.save(
        batch,
        Box::new(move |_| {
            // Whoever waits may have gone.
            let _ = done.send(());
        }),
    );
}

/// Holds a page and puts it into force, in one batch; tells what could not be when it is durable.
pub fn apply(gateway: &mut Gateway, page: Page, done: oneshot::Sender<Vec<Refusal>>) {
    let mut batch = Batch::new();
    let mut secrets: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut touched: BTreeSet<String> = BTreeSet::new();
    let mut gone: Vec<Imsi> = Vec::new();
    let mut shaped = false;
    for key in &page.removes {
        batch.add_delete(ITEMS, &stored_key(key));
        shaped |= SHAPING.contains(&key.collection.as_str());
        let held = gateway.managed.items.remove(key).is_some();
        if key.collection == "subscribers" && held {
            gone.extend(key.name.parse::<Imsi>().ok());
        }
    }
    for put in page.puts {
        let (collection, name) = (put.key.collection.clone(), put.key.name.clone());
        let item = StoredItem { collection, name, digest: put.digest.0, body: put.body };
        storage::put(&mut batch, ITEMS, &stored_key(&put.key), &item);
        shaped |= SHAPING.contains(&put.key.collection.as_str());
        if put.key.collection == "subscribers" {
            touched.insert(put.key.name.clone());
            secrets.insert(put.key.name.clone(), put.secrets);
        }
        gateway.managed.items.insert(put.key, item);
    }
    if shaped {
        let all = gateway.managed.items.keys().filter(|key| key.collection == "subscribers");
        touched.extend(all.map(|key| key.name.clone()));
    }
    let (prepared, refusals) = prepare(gateway, &touched, &secrets);
    for imsi in &gone {
        gateway.stored.remove(imsi);
        storage::delete_subscriber(&mut batch, *imsi);
    }
    control::keep_with(gateway, batch, prepared, move |gateway| {
        for imsi in gone {
            gateway.core.subscribers_mut().remove(imsi);
            gateway.step(CoreInput::Config(Box::new(ConfigDelta::SubscriberGone { imsi })));
        }
        // The conversation may have ended.
        let _ = done.send(refusals);
    });
}

/// Subscribers as this gateway would keep them, and those that it cannot.
fn prepare(
    gateway: &Gateway,
    names: &BTreeSet<String>,
    secrets: &BTreeMap<String, BTreeMap<String, String>>,
) -> (Vec<Prepared>, Vec<Refusal>) {
    let surroundings = gateway.managed.surroundings();
    let (mut prepared, mut refusals) = (Vec::new(), Vec::new());
    for name in names {
        let key = ItemKey { collection: "subscribers".to_owned(), name: name.clone() };
        let Some(item) = gateway.managed.items.get(&key) else { continue };
        let former = name.parse::<Imsi>().ok().and_then(|imsi| gateway.stored.get(&imsi));
        let configured = &gateway.effective.gateway.apns;
        let request = profile::request(name, &item.body, secrets.get(name), &surroundings, configured)
            .map(|request| profile::with_kept_keys(request, former, &gateway.sealing));
        match request.and_then(|request| control::prepare(gateway, &request, former)) {
            // What did not change needs no writing.
            Ok(one) if former.is_some_and(|former| one.is_same(former)) => {}
            Ok(one) => prepared.push(one),
            Err(reason) => refusals.push(Refusal { key, reason }),
        }
    }
    (prepared, refusals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_store::{Config, MemDisk, Store};

    #[test]
    fn what_is_held_survives_and_a_change_by_hand_shows() {
        let imsi: Imsi = "001010000000001".parse().unwrap();
        let item = StoredItem {
            collection: "subscribers".to_owned(),
            name: imsi.to_string(),
            digest: [7; 16],
            body: "{}".to_owned(),
        };
        let mut managed = Managed::default();
        managed.items.insert(key_of(&item), item.clone());
        let mut batch = Batch::new();
        managed.changed_by_hand("001010000000002".parse().unwrap(), &mut batch);
        assert!(batch.is_empty(), "it is the gateway's own");
        managed.changed_by_hand(imsi, &mut batch);
        managed.number_ledger(9, &mut batch);
        batch.add_put(ITEMS, b"x", b"\x09nonsense");
        let disk = MemDisk::new(1);
        let (mut store, _, _) = Store::open(disk.clone(), Config::default()).unwrap();
        store.append(&batch).unwrap();
        store.commit().unwrap();
        let mut damaged = 0;
        let loaded = load(&Store::open(disk.rebooted(), Config::default()).unwrap().1, &mut |_, _| damaged += 1);
        assert_eq!(loaded.held(), [(key_of(&item), Digest::default())]);
        assert_eq!((loaded.ledger(), damaged), (9, 1));
    }
}
