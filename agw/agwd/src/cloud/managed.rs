//! What the orchestrator manages here: held durably as it was sent, and put into force as far as this gateway can.

use super::commands::{self, Running};
use super::overlay::{self, Items, Overlaid};
use super::profile::{self, Surroundings};
use super::{Retired, force, outgoing, plan};
use crate::control::{self, Prepared};
use crate::gateway::{Gateway, Job};
use crate::storage;
use agw_types::{Command, ConfigDelta, Input as CoreInput, SubscribedRule};
use basalt_cloud_link::Handle;
use basalt_cloud_sync::{Event, Identity, Input, Page, Refusal};
use basalt_desired::{Digest, ItemKey};
use basalt_ids::{Apn, Imsi};
use basalt_store::{Batch, Keyspace, Records};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::oneshot;

const ITEMS: Keyspace = Keyspace(32);
const LINK: Keyspace = Keyspace(33);
const IDENTITY: &[u8] = b"identity";
const LEDGER: &[u8] = b"ledger";
const RETIRED: &[u8] = b"retired";
const DRAINING: &[u8] = b"draining";
const REFUSED: Keyspace = Keyspace(34);
const SUBSCRIBERS: &str = "subscribers";

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

/// Why an item is held and not in force, version 1. Its layout is a format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRefusal {
    collection: String,
    name: String,
    reason: String,
}

storage::only_format!(StoredItem, StoredRefusal, Identity, Retired);

/// Everything that is known of the orchestrator.
#[derive(Debug, Default)]
pub struct Managed {
    items: BTreeMap<ItemKey, StoredItem>,
    identity: Option<Identity>,
    ledger: u64,
    link: Option<Handle>,
    /// Subscribers that are held and not in force, and why; durable, since what made them so is not kept.
    refused: BTreeMap<ItemKey, String>,
    /// The same of all that the configuration follows from; known anew after each start.
    unconfigured: BTreeMap<ItemKey, String>,
    /// What waits for a restart.
    pending: Vec<String>,
    /// Commands that ran when the daemon before ended.
    pub commands: Vec<Running>,
    /// Events that the orchestrator has not received, and their epoch; the conversation takes them at its start.
    pub events: (u64, Vec<Event>),
    /// Events up to this number are not kept any more.
    pub events_forgotten: u64,
    /// Events that the conversation has not numbered yet.
    pub untold: outgoing::Untold,
    /// No new phones are taken.
    pub draining: bool,
    /// Former pools, as they were kept.
    pub retired: Retired,
    /// Subscribers whose data plan is the orchestrator's.
    pub planned: BTreeSet<Imsi>,
    /// Those whose plan changed and is not in force yet.
    pub replanned: BTreeSet<Imsi>,
    /// Rules that the orchestrator gave to subscribers.
    pub rules: BTreeMap<Imsi, Vec<(Apn, SubscribedRule)>>,
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
    for (key, value) in records.in_keyspace(REFUSED) {
        match storage::decode::<StoredRefusal>(value) {
            Some(StoredRefusal { collection, name, reason }) => {
                managed.refused.insert(ItemKey { collection, name }, reason);
            }
            None => unreadable("refusal of an item", key),
        }
    }
    managed.identity = records.get(LINK, IDENTITY).and_then(storage::decode);
    managed.commands = commands::load(records, unreadable);
    managed.events = outgoing::load(records, unreadable);
    managed.untold = outgoing::load_untold(records, unreadable);
    managed.events_forgotten = managed.events.1.first().map_or(0, |event| event.number.saturating_sub(1));
    managed.draining = records.get(LINK, DRAINING).and_then(storage::decode).unwrap_or(0) > 0;
    managed.retired = records.get(LINK, RETIRED).and_then(storage::decode).unwrap_or_default();
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

    /// Its name at the orchestrator; empty before it has joined.
    pub fn name(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| identity.gateway.as_str())
    }

    /// Items as they are held.
    pub const fn items(&self) -> &Items {
        &self.items
    }

    /// Items that are held and not wholly in force, and why.
    pub fn not_in_force(&self) -> impl Iterator<Item = (&ItemKey, &str)> {
        self.unconfigured.iter().chain(&self.refused).map(|(key, reason)| (key, reason.as_str()))
    }

    /// What waits for a restart, and of which object.
    pub fn pending(&self) -> impl Iterator<Item = Refusal> {
        let key = ItemKey { collection: "gateways".to_owned(), name: self.name().to_owned() };
        self.pending.iter().map(move |reason| Refusal { key: key.clone(), reason: reason.clone() })
    }

    fn reason(&self, key: &ItemKey) -> Option<String> {
        self.unconfigured.get(key).or_else(|| self.refused.get(key)).cloned()
    }

    /// Keeps why a subscriber is not in force, or that it is.
    fn note(&mut self, key: &ItemKey, refused: Option<&String>, batch: &mut Batch) {
        match refused {
            Some(reason) if self.refused.get(key) != Some(reason) => {
                let (collection, name, reason) = (key.collection.clone(), key.name.clone(), reason.clone());
                let stored = StoredRefusal { collection, name, reason: reason.clone() };
                storage::put(batch, REFUSED, &stored_key(key), &stored);
                self.refused.insert(key.clone(), reason);
            }
            Some(_) => {}
            None if self.refused.remove(key).is_some() => batch.add_delete(REFUSED, &stored_key(key)),
            None => {}
        }
    }

    /// Knows which items the configuration could not take over.
    pub fn note_configuration(&mut self, refused: BTreeMap<ItemKey, String>) {
        self.unconfigured = plan::unkept(&self.items);
        self.unconfigured.extend(refused);
    }

    /// Tells the orchestrator what of all that it holds is in force.
    pub fn tell(&self) {
        let Some(link) = &self.link else { return };
        let shown = |(key, reason): (&ItemKey, &str)| Refusal { key: key.clone(), reason: reason.to_owned() };
        let refused = self.not_in_force().take(basalt_cloud_sync::REFUSALS).map(shown).collect();
        if !link.offer(Input::InForce { refused, pending: self.pending().collect() }) {
            tracing::warn!("the orchestrator is told later what is in force");
        }
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
            plans: of("data-plans").map(|(key, item)| (key.name.clone(), body(item))).collect(),
        }
    }
}

fn subscriber_key(imsi: Imsi) -> ItemKey {
    ItemKey { collection: SUBSCRIBERS.to_owned(), name: imsi.to_string() }
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
    let mut change = Changed::default();
    for key in &page.removes {
        change.batch.add_delete(ITEMS, &stored_key(key));
        change.touch(key);
        let held = gateway.managed.items.remove(key).is_some();
        gateway.managed.refused.remove(key);
        change.batch.add_delete(REFUSED, &stored_key(key));
        if key.collection == SUBSCRIBERS && held {
            change.gone.extend(key.name.parse::<Imsi>().ok());
        }
    }
    change.keys.extend(page.puts.iter().map(|put| put.key.clone()));
    for put in page.puts {
        let (collection, name) = (put.key.collection.clone(), put.key.name.clone());
        let item = StoredItem { collection, name, digest: put.digest.0, body: put.body };
        storage::put(&mut change.batch, ITEMS, &stored_key(&put.key), &item);
        change.touch(&put.key);
        if put.key.collection == SUBSCRIBERS {
            change.secrets.insert(put.key.name.clone(), put.secrets);
        }
        gateway.managed.items.insert(put.key, item);
    }
    if !change.shaped {
        subscribers_in_force(gateway, change, done);
        return;
    }
    let all = gateway.managed.items.keys().filter(|key| key.collection == SUBSCRIBERS);
    change.touched.extend(all.map(|key| key.name.clone()));
    put_into_force(gateway, Box::new(move |gateway| subscribers_in_force(gateway, change, done)));
}

/// What a page changes.
#[derive(Default)]
struct Changed {
    batch: Batch,
    /// Put by the page.
    keys: Vec<ItemKey>,
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// Subscribers to look at.
    touched: BTreeSet<String>,
    gone: Vec<Imsi>,
    /// Something that decides what all subscribers may have.
    shaped: bool,
}

impl Changed {
    fn touch(&mut self, key: &ItemKey) {
        if key.collection == SUBSCRIBERS {
            self.touched.insert(key.name.clone());
        } else {
            self.shaped = true;
        }
    }
}

/// Makes the configuration that follows from file and items what runs, then does `then`.
fn put_into_force(gateway: &mut Gateway, then: Job) {
    match overlay::overlay(&gateway.local, gateway.managed.name(), &gateway.managed.items) {
        Ok(Overlaid { effective, refused }) => {
            gateway.managed.note_configuration(refused);
            let pending = force::put(gateway, effective, then);
            gateway.managed.pending = pending;
        }
        Err(error) => {
            // The file was valid when the daemon started; an interface may have gone since.
            not_carried_out(gateway, &format!("{error:#}"));
            then(gateway);
        }
    }
}

/// Takes no new phones, or does again, and keeps that over restarts.
pub fn drain(gateway: &mut Gateway, on: bool) {
    if std::mem::replace(&mut gateway.managed.draining, on) != on {
        let mut batch = Batch::new();
        storage::put(&mut batch, LINK, DRAINING, &u64::from(on));
        gateway.save(batch, Box::new(|_| {}));
    }
    // Nobody waits for the reply.
    drop(gateway.command(Command::Drain { on }));
}

/// Keeps which former pools there are sessions in: a restart ends none of them.
pub fn keep_retired(gateway: &mut Gateway, retired: Retired) {
    let mut batch = Batch::new();
    storage::put(&mut batch, LINK, RETIRED, &retired);
    gateway.retired = retired;
    gateway.save(batch, Box::new(|_| {}));
}

/// What the orchestrator says of the configuration is not in force, as a whole.
pub fn not_carried_out(gateway: &mut Gateway, why: &str) {
    let own = ItemKey { collection: "gateways".to_owned(), name: gateway.managed.name().to_owned() };
    gateway.managed.note_configuration(BTreeMap::from([(own, format!("the former configuration goes on: {why}"))]));
}

/// Puts subscribers into force and makes all that a page brought durable.
fn subscribers_in_force(gateway: &mut Gateway, change: Changed, done: oneshot::Sender<Vec<Refusal>>) {
    let Changed { mut batch, keys, secrets, touched, gone, .. } = change;
    let (prepared, refusals) = prepare(gateway, &touched, &secrets);
    for name in &touched {
        let key = ItemKey { collection: SUBSCRIBERS.to_owned(), name: name.clone() };
        gateway.managed.note(&key, refusals.get(&key), &mut batch);
    }
    for imsi in &gone {
        gateway.stored.remove(imsi);
        storage::delete_subscriber(&mut batch, *imsi);
    }
    plan::give(gateway, &touched, &gone, &mut batch);
    control::keep_with(gateway, batch, prepared, move |gateway| {
        for imsi in gone {
            gateway.core.subscribers_mut().remove(imsi);
            gateway.step(CoreInput::Config(Box::new(ConfigDelta::SubscriberGone { imsi })));
        }
        plan::in_force(gateway, &touched);
        gateway.managed.tell();
        let notes = &gateway.managed;
        let of_page = keys.into_iter().filter_map(|key| Some(Refusal { reason: notes.reason(&key)?, key }));
        // The conversation may have ended.
        let _ = done.send(of_page.collect());
    });
}

/// Subscribers as this gateway would keep them, and those that it cannot.
fn prepare(
    gateway: &Gateway,
    names: &BTreeSet<String>,
    secrets: &BTreeMap<String, BTreeMap<String, String>>,
) -> (Vec<Prepared>, BTreeMap<ItemKey, String>) {
    let surroundings = gateway.managed.surroundings();
    let (mut prepared, mut refusals) = (Vec::new(), BTreeMap::new());
    for name in names {
        let key = ItemKey { collection: SUBSCRIBERS.to_owned(), name: name.clone() };
        let Some(item) = gateway.managed.items.get(&key) else { continue };
        let former = name.parse::<Imsi>().ok().and_then(|imsi| gateway.stored.get(&imsi));
        let configured = &gateway.effective.gateway.apns;
        let request = profile::request(name, &item.body, secrets.get(name), &surroundings, configured)
            .map(|request| profile::with_kept_keys(request, former, &gateway.sealing));
        match request.and_then(|request| control::prepare(gateway, &request, former)) {
            // What did not change needs no writing.
            Ok(one) if former.is_some_and(|former| one.is_same(former)) => {}
            Ok(one) => prepared.push(one),
            Err(reason) => drop(refusals.insert(key, reason)),
        }
    }
    (prepared, refusals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_store::{Config, MemDisk, Store};

    #[test]
    fn what_the_orchestrator_gave_is_kept_as_ever() {
        use crate::storage::golden::as_ever;
        let text = str::to_owned;
        let (collection, name) = (text("subscribers"), text("001010123456789"));
        let item = StoredItem {
            collection: collection.clone(),
            name: name.clone(),
            digest: *b"0123456789abcdef",
            body: text(r#"{"name":"a phone"}"#),
        };
        as_ever("orchestrator-item", &item);
        as_ever("orchestrator-refusal", &StoredRefusal { collection, name, reason: text("no such access point") });
        let identity = Identity {
            network: text("site"),
            gateway: text("gateway-7"),
            address: text("192.0.2.1:7443,192.0.2.2:7443"),
            certificate: vec![0x30, 0x82, 1, 2],
            authority: vec![0x30, 0x82, 3, 4],
            not_before: 1_800_000_000,
            not_after: 1_900_000_000,
        };
        as_ever("orchestrator-identity", &identity);
        let retired = Retired {
            pools: vec![agw_types::AddressPool {
                network: [10, 45, 0, 0].into(),
                prefix: 16,
                gateway: Some([10, 45, 0, 1].into()),
            }],
            pools6: vec![agw_types::PrefixPool { network: "2001:db8::".parse().unwrap(), prefix: 40, each: 60 }],
        };
        as_ever("orchestrator-retired-pools", &retired);
        as_ever("orchestrator-number", &7u64);
    }

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
