//! What a network has, as digests: read once, kept true by the feed. From it follows what each gateway should have.

use crate::fleet::Fleet;
use crate::overlay::{Cover, Overlays};
use crate::registry::Changed;
use orchestrator_db::{Error, Object, Query, Target};
use orchestrator_model::{DesiredState, Digest, Gateway, Kind, Scope, Source, key_of, object_digest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Objects read at a time.
const PAGE: u32 = 1000;

/// What is remembered of an object.
#[derive(Debug, Clone)]
struct Entry {
    digest: Digest,
    secrets_mark: u64,
    /// What of the body decides which gateways need it, as JSON; `None` when nothing does. As text it is small: there are a million.
    selectors: Option<Box<str>>,
}

impl Entry {
    fn selectors(&self) -> Value {
        let text = self.selectors.as_deref();
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// A network.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// Entries of the feed that are in it; `None` when it was not read yet.
    pub(crate) number: Option<i64>,
    others: BTreeMap<(Kind, String), Entry>,
    subscribers: BTreeMap<String, Entry>,
    labelled: BTreeMap<(String, String), BTreeSet<String>>,
    gateways: BTreeMap<String, Gateway>,
    /// Changes that some gateways have before the others.
    overlays: Overlays,
}

/// The networks whose gateways talk to this replica.
#[derive(Default)]
pub(crate) struct Catalogs(Mutex<BTreeMap<String, Arc<Mutex<Catalog>>>>);

impl Catalogs {
    /// The catalogue of a network, read now if it was not before.
    pub(crate) async fn of(&self, fleet: &Fleet, network: &str) -> Result<Arc<Mutex<Catalog>>, Error> {
        let held = Arc::clone(self.0.lock().await.entry(network.to_owned()).or_default());
        let mut catalog = held.lock().await;
        if catalog.number.is_none() {
            *catalog = Catalog::read(fleet, network).await?;
        }
        drop(catalog);
        Ok(held)
    }

    /// Those that were read, by network.
    pub(crate) async fn all(&self) -> Vec<(String, Arc<Mutex<Catalog>>)> {
        self.0.lock().await.iter().map(|(network, catalog)| (network.clone(), Arc::clone(catalog))).collect()
    }

    /// Forgets networks that no gateway of this replica is in.
    pub(crate) async fn retain(&self, networks: &[String]) {
        self.0.lock().await.retain(|network, held| networks.contains(network) || Arc::strong_count(held) > 1);
    }
}

impl Catalog {
    /// Reads a whole network.
    pub(crate) async fn read(fleet: &Fleet, network: &str) -> Result<Self, Error> {
        // The feed's number first: what changes while we read comes again by it.
        let feeds = fleet.db.feeds().await?;
        let number = feeds.into_iter().find(|(name, _)| name == network).map_or(0, |(_, last)| last);
        // Before the objects: when a staged change is done meanwhile, these are read as it left them.
        let overlays = Overlays::read(fleet, network).await?;
        let mut catalog = Self { number: Some(number), overlays, ..Self::default() };
        let target = Target { kind: Kind::Network, network: String::new(), name: network.to_owned() };
        if let Some(object) = fleet.db.object(&target).await? {
            catalog.put(Kind::Network, &object);
        }
        for kind in Kind::ALL.iter().filter(|kind| kind.scope() == Scope::Network) {
            let mut query = Query { limit: PAGE, ..Query::default() };
            loop {
                let page = fleet.db.objects(*kind, network, &query).await?;
                page.items.iter().for_each(|object| catalog.put(*kind, object));
                query.after = page.items.last().map(|last| (last.changed_at, last.name.clone()));
                if !page.more {
                    break;
                }
            }
        }
        Ok(catalog)
    }

    /// Takes changes in.
    pub(crate) fn change(&mut self, changes: &[Changed]) {
        for change in changes {
            match &change.object {
                Some(object) => self.put(change.kind, object),
                None => self.remove(change.kind, &change.name),
            }
        }
    }

    /// Takes in what lies over the objects of some gateways now; which gateways that is new for, and the objects over which less lies.
    pub(crate) fn lay(&mut self, overlays: Overlays) -> (BTreeSet<String>, BTreeSet<(Kind, String)>) {
        let differences = overlays.differences(&self.overlays);
        self.overlays = overlays;
        differences
    }

    fn put(&mut self, kind: Kind, object: &Object) {
        self.remove(kind, &object.name);
        let secrets_mark = u64::try_from(object.secrets_mark).unwrap_or(0);
        let selectors = DesiredState::selectors(kind, &object.body);
        let entry = Entry {
            digest: object_digest(&object.body, secrets_mark),
            secrets_mark,
            selectors: (!selectors.is_null()).then(|| selectors.to_string().into_boxed_str()),
        };
        match kind {
            Kind::Subscriber => {
                for label in labels(&selectors) {
                    self.labelled.entry(label).or_default().insert(object.name.clone());
                }
                self.subscribers.insert(object.name.clone(), entry);
            }
            Kind::Gateway => {
                if let Ok(gateway) = serde_json::from_value(object.body.clone()) {
                    self.gateways.insert(object.name.clone(), gateway);
                }
                self.others.insert((kind, object.name.clone()), entry);
            }
            _ => {
                self.others.insert((kind, object.name.clone()), entry);
            }
        }
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        if kind == Kind::Gateway {
            self.gateways.remove(name);
        }
        if kind != Kind::Subscriber {
            self.others.remove(&(kind, name.to_owned()));
        } else if let Some(former) = self.subscribers.remove(name) {
            for label in labels(&former.selectors()) {
                if let Some(names) = self.labelled.get_mut(&label) {
                    names.remove(name);
                    if names.is_empty() {
                        self.labelled.remove(&label);
                    }
                }
            }
        }
    }

    /// What a gateway should have, and what of it is laid over the objects; `None` when it does not exist.
    pub(crate) fn desired(&self, gateway: &str) -> Option<(DesiredState, Option<Box<Cover>>)> {
        let cover = self.overlays.of(gateway);
        let laid = cover.as_deref().and_then(|cover| own(cover, gateway));
        let mut state = DesiredState::new(gateway, laid.as_ref().or_else(|| self.gateways.get(gateway))?);
        for ((kind, name), entry) in &self.others {
            put(&mut state, *kind, name, entry);
        }
        match state.selection().cloned() {
            None => self.subscribers.iter().for_each(|(name, entry)| {
                put(&mut state, Kind::Subscriber, name, entry);
            }),
            Some(selection) => {
                // Only those that have the first label are looked at, not the whole network.
                let first = selection.labels.iter().next().map(|(name, value)| (name.clone(), value.clone()));
                let labelled = first.and_then(|label| self.labelled.get(&label)).into_iter().flatten();
                for name in labelled.chain(&selection.imsis) {
                    if let Some(entry) = self.subscribers.get(name) {
                        put(&mut state, Kind::Subscriber, name, entry);
                    }
                }
            }
        }
        for (key, (kind, object)) in cover.iter().flat_map(|cover| &cover.objects) {
            match object {
                Some(object) => {
                    let secrets_mark = u64::try_from(object.secrets_mark).unwrap_or(0);
                    state.put(Source { kind: *kind, name: &key.name, body: &object.body, secrets_mark });
                }
                None => _ = state.remove(*kind, &key.name),
            }
        }
        Some((state, cover))
    }
}

/// The gateway's own object, where a change of it is laid over.
fn own(cover: &Cover, gateway: &str) -> Option<Gateway> {
    let (_, object) = cover.objects.get(&key_of(Kind::Gateway, gateway))?;
    serde_json::from_value(object.as_ref()?.body.clone()).ok()
}

fn put(state: &mut DesiredState, kind: Kind, name: &str, entry: &Entry) {
    let selectors = entry.selectors();
    let source = Source { kind, name, body: &selectors, secrets_mark: entry.secrets_mark };
    state.put_known(source, entry.digest);
}

fn labels(selectors: &Value) -> Vec<(String, String)> {
    let all = selectors.get("labels").and_then(Value::as_object).into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
