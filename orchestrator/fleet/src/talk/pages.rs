//! What a gateway should have and what it has: digests first, then only the differences, in pages.

use super::{PATIENCE, Talk};
use crate::fleet::{Fleet, now};
use crate::identity::{Known, unavailable};
use crate::overlay::Cover;
use crate::registry::Changed;
use basalt_control_api::orchestrator::v1 as api;
use basalt_control_api::orchestrator::v1::from_orchestrator::Message as Down;
use orchestrator_db::{Error, Object, StatePart};
use orchestrator_model::{DesiredState, Difference, Digest, ItemKey, Kind, Source, key_of, object_digest};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;
use tonic::Status;

/// Items of a page, and octets of its bodies.
const ITEMS: usize = 200;
const OCTETS: usize = 512 << 10;
/// A gateway that has no more items than this gets them in small pages: the buffers of its stream stay as large as the largest page was,
/// and there are thousands of such gateways.
const FEW: usize = 1_000;
const OCTETS_OF_FEW: usize = 6 << 10;
/// Pages that the gateway has not acknowledged.
const WINDOW: u64 = 4;
/// Comparisons one after the other that changed nothing; then there is a rest.
const FRUITLESS: u32 = 3;
/// Items that are not in force, shown of one gateway.
const SHOWN: usize = 100;

impl Talk<'_> {
    /// Everything may be different from what was known.
    pub(super) async fn look_again(&mut self) -> Result<(), Status> {
        (self.desired, self.cover) = desired(self.fleet, self.known).await?;
        self.pending.clear();
        self.told_in_sync = None;
        self.settle().await
    }

    pub(super) async fn changed(&mut self, changed: &[Changed]) -> Result<(), Status> {
        // What it needs may be other things now.
        if changed.iter().any(|change| change.kind == Kind::Gateway && change.name == self.known.gateway) {
            return self.look_again().await;
        }
        for change in changed {
            let covered = |cover: &Cover| cover.objects.contains_key(&key_of(change.kind, &change.name));
            if self.cover.as_deref().is_some_and(covered) {
                continue;
            }
            let differs = match &change.object {
                Some(object) => {
                    let secrets_mark = u64::try_from(object.secrets_mark).unwrap_or(0);
                    self.desired.put(Source { kind: change.kind, name: &change.name, body: &object.body, secrets_mark })
                }
                None => self.desired.remove(change.kind, &change.name),
            };
            if differs {
                self.pending.insert(key_of(change.kind, &change.name), change.object.clone());
            }
        }
        self.settle().await
    }

    /// Sends what waits, as far as the window is open; then sees whether both sides are equal.
    pub(super) async fn settle(&mut self) -> Result<(), Status> {
        while !self.pending.is_empty() && self.next_page - 1 - self.acknowledged < WINDOW {
            self.page().await?;
        }
        if !self.pending.is_empty() || self.next_page - 1 > self.acknowledged || self.comparing {
            return self.tell_sync(false).await;
        }
        if self.theirs == self.desired.digest() {
            self.fruitless = 0;
            return self.tell_sync(true).await;
        }
        if self.fruitless >= FRUITLESS {
            self.rest_until = Some(Instant::now() + PATIENCE);
            return self.tell_sync(false).await;
        }
        self.fruitless += 1;
        self.comparison += 1;
        self.comparing = true;
        let buckets = self.desired.tree().bucket_digests().iter().map(|digest| digest.0.to_vec()).collect();
        self.say(Down::Compare(api::Compare { comparison: self.comparison, buckets })).await
    }

    /// What the gateway has where it differs.
    pub(super) async fn buckets(&mut self, buckets: api::Buckets) -> Result<(), Status> {
        if buckets.comparison != self.comparison || !self.comparing {
            return Ok(());
        }
        for bucket in buckets.buckets {
            let held = bucket.items.into_iter().map(|item| {
                let key = ItemKey { collection: item.collection, name: item.name };
                (key, digest(&item.digest))
            });
            let held: BTreeMap<ItemKey, Digest> = held.collect();
            let index = usize::try_from(bucket.index).unwrap_or(usize::MAX);
            for difference in self.desired.tree().differences(index, &held, usize::MAX) {
                let (Difference::Send(key) | Difference::Remove(key)) = difference;
                self.pending.insert(key, None);
            }
        }
        if buckets.last {
            self.comparing = false;
            self.settle().await?;
        }
        Ok(())
    }

    pub(super) async fn applied(&mut self, applied: api::Applied) -> Result<(), Status> {
        if applied.page >= self.next_page || applied.page <= self.acknowledged {
            return Ok(());
        }
        self.acknowledged = applied.page;
        self.theirs = digest(&applied.root);
        for refusal in applied.refusals.into_iter().take(ITEMS) {
            let key = ItemKey { collection: refusal.collection, name: refusal.name };
            if self.desired.tree().get(&key).is_some() {
                self.refusals.insert(key, refusal.reason.chars().take(500).collect());
            }
        }
        if self.theirs == self.desired.digest() {
            // A change of refusals is told also while nothing else changes.
            self.told_in_sync = None;
        }
        self.settle().await
    }

    /// Sends one page of what waits.
    async fn page(&mut self) -> Result<(), Status> {
        let next: Vec<_> = core::iter::from_fn(|| self.pending.pop_first()).take(ITEMS).collect();
        let mut found = self.look_up(&next).await?;
        let most = if self.desired.tree().len() > FEW { OCTETS } else { OCTETS_OF_FEW };
        let mut page = api::Page { number: self.next_page, ..api::Page::default() };
        let mut octets = 0;
        for (key, at_hand) in next {
            let object = at_hand.or_else(|| found.remove(&key));
            if octets >= most {
                self.pending.insert(key, object);
                continue;
            }
            self.refusals.remove(&key);
            match object.and_then(|object| self.put(&key, &object)) {
                Some(put) => {
                    octets += put.body.len();
                    page.puts.push(put);
                }
                // It should not have it; or it is gone since, which the feed tells in a moment.
                None => page.removes.push(api::Key { collection: key.collection, name: key.name }),
            }
        }
        self.next_page += 1;
        self.say(Down::Page(page)).await
    }

    /// Objects that are not at hand, those of a kind together.
    async fn look_up(
        &self,
        wanted: &[(ItemKey, Option<Arc<Object>>)],
    ) -> Result<BTreeMap<ItemKey, Arc<Object>>, Status> {
        let mut names: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
        for (key, _) in wanted.iter().filter(|(_, at_hand)| at_hand.is_none()) {
            let covered = self.cover.as_deref().is_some_and(|cover| cover.objects.contains_key(key));
            if let Some(kind) = self.kind(key).filter(|_| !covered) {
                names.entry(kind).or_default().push(key.name.clone());
            }
        }
        let mut found = BTreeMap::new();
        for (key, (_, object)) in self.cover.iter().flat_map(|cover| &cover.objects) {
            if let Some(object) = object {
                found.insert(key.clone(), Arc::clone(object));
            }
        }
        for (kind, names) in names {
            let objects = self.fleet.db.objects_named(kind, self.inside(kind), &names).await;
            let objects = objects.map_err(|error| unavailable(&error))?.into_iter();
            found.extend(objects.map(|object| (key_of(kind, &object.name), Arc::new(object))));
        }
        Ok(found)
    }

    /// The kind of an item that the gateway should have.
    fn kind(&self, key: &ItemKey) -> Option<Kind> {
        Kind::from_collection(&key.collection).filter(|_| self.desired.tree().get(key).is_some())
    }

    /// Where objects of a kind are.
    fn inside(&self, kind: Kind) -> &str {
        if kind == Kind::Network { "" } else { &self.known.network }
    }

    /// An item to send; `None` when the gateway should not have it.
    fn put(&self, key: &ItemKey, object: &Object) -> Option<api::Put> {
        let kind = self.kind(key)?;
        let digest = object_digest(&object.body, u64::try_from(object.secrets_mark).unwrap_or(0));
        Some(api::Put {
            collection: key.collection.clone(),
            name: key.name.clone(),
            digest: digest.0.to_vec(),
            body: object.body.to_string(),
            secrets: self.secrets(kind, self.inside(kind), object),
        })
    }

    /// The secrets that a gateway works with: those of SIMs.
    fn secrets(&self, kind: Kind, network: &str, object: &Object) -> std::collections::HashMap<String, String> {
        let Some(sealed) = object.sealed.as_ref().filter(|_| kind == Kind::Subscriber) else {
            return std::collections::HashMap::new();
        };
        let target = orchestrator_db::Target { kind, network: network.to_owned(), name: object.name.clone() };
        let opened = self.fleet.key.open_named(&target.to_string(), sealed).ok();
        let secrets = opened.and_then(|opened| serde_json::from_slice(opened.expose()).ok());
        secrets.unwrap_or_else(|| {
            tracing::error!(%target, "stored keys do not open with this sealing key; the gateway gets none");
            std::collections::HashMap::new()
        })
    }

    /// Writes down whether the gateway has what it should, and what of it is in force, when that is new.
    async fn tell_sync(&mut self, held: bool) -> Result<(), Status> {
        if self.told_in_sync == Some(held) {
            return Ok(());
        }
        self.told_in_sync = Some(held);
        let shown = |collection: &str, name: &str, reason: &str| {
            let reason: String = reason.chars().take(500).collect();
            json!({"collection": collection, "name": name, "reason": reason})
        };
        let list = |told: &[api::Refusal]| -> Vec<_> {
            told.iter().take(SHOWN).map(|it| shown(&it.collection, &it.name, &it.reason)).collect()
        };
        let (refused, pending) = match &self.in_force {
            Some((refused, pending)) => (list(refused), list(pending)),
            None => {
                let refusals = self.refusals.iter().take(SHOWN);
                (refusals.map(|(key, reason)| shown(&key.collection, &key.name, reason)).collect(), Vec::new())
            }
        };
        let mut sync = json!({
            "in_sync": held && refused.is_empty() && pending.is_empty(),
            "held": held,
            "items": self.desired.tree().len(),
            "digest": self.desired.digest().to_string(),
            "at": now(),
            "refused": refused,
            "pending": pending,
        });
        if let Some(cover) = &self.cover {
            sync["config_rollouts"] = json!(cover.rollouts);
        }
        self.keep(&[StatePart::Sync(sync)]).await
    }
}

/// What a gateway should have, and what of it is laid over the objects.
pub(super) async fn desired(fleet: &Fleet, known: &Known) -> Result<(DesiredState, Option<Box<Cover>>), Status> {
    let catalog = fleet.catalogs.of(fleet, &known.network).await.map_err(|error: Error| unavailable(&error))?;
    let desired = catalog.lock().await.desired(&known.gateway);
    desired.ok_or_else(|| Status::permission_denied("this gateway was deleted at the orchestrator"))
}

pub(super) fn digest(octets: &[u8]) -> Digest {
    octets.try_into().map(Digest).unwrap_or_default()
}
