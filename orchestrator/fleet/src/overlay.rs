//! Staged changes, laid over what gateways should have as long as they are not done.

use crate::fleet::Fleet;
use crate::registry::Changed;
use orchestrator_db::{Error, Object};
use orchestrator_model::{ConfigRollout, ItemKey, Kind, StagedChange, key_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What lies over a gateway's objects: what is sent in the place of each; nothing where it is deleted.
#[derive(Debug, Default)]
pub(crate) struct Cover {
    /// The staged changes that it is of.
    pub(crate) rollouts: Vec<String>,
    pub(crate) objects: BTreeMap<ItemKey, (Kind, Option<Arc<Object>>)>,
}

/// A staged change.
#[derive(Debug)]
struct Overlay {
    objects: BTreeMap<ItemKey, (Kind, Option<Arc<Object>>)>,
    gateways: BTreeSet<String>,
}

/// Those of a network, by their names.
#[derive(Debug, Default)]
pub(crate) struct Overlays(BTreeMap<String, Overlay>);

impl Overlays {
    /// Those that are not done, as they are now.
    pub(crate) async fn read(fleet: &Fleet, network: &str) -> Result<Self, Error> {
        let mut all = BTreeMap::new();
        for row in fleet.db.active_config_rollouts(Some(network)).await? {
            let Ok(rollout) = serde_json::from_str::<ConfigRollout>(&row.body) else {
                tracing::error!(network, rollout = row.id, "a staged change is damaged: it reaches nobody");
                continue;
            };
            let gateways: BTreeSet<String> = rollout.covers().map(str::to_owned).collect();
            let objects = objects(fleet, network, &rollout.changes).await?;
            all.insert(row.id, Overlay { objects, gateways });
        }
        Ok(Self(all))
    }

    /// What lies over the objects of a gateway, if anything does.
    pub(crate) fn of(&self, gateway: &str) -> Option<Box<Cover>> {
        let mut cover = Cover::default();
        for (id, overlay) in self.0.iter().filter(|(_, overlay)| overlay.gateways.contains(gateway)) {
            cover.rollouts.push(id.clone());
            cover.objects.extend(overlay.objects.iter().map(|(key, object)| (key.clone(), object.clone())));
        }
        (!cover.rollouts.is_empty()).then(|| Box::new(cover))
    }

    /// The gateways over whose objects other changes lie than before, and the objects over which less lies somewhere.
    pub(crate) fn differences(&self, before: &Self) -> (BTreeSet<String>, BTreeSet<(Kind, String)>) {
        let none = Overlay { objects: BTreeMap::new(), gateways: BTreeSet::new() };
        let (mut gateways, mut bared) = (BTreeSet::new(), BTreeSet::new());
        for id in before.0.keys().chain(self.0.keys()) {
            let (old, new) = (before.0.get(id).unwrap_or(&none), self.0.get(id).unwrap_or(&none));
            gateways.extend(old.gateways.symmetric_difference(&new.gateways).cloned());
            if !old.gateways.is_subset(&new.gateways) {
                bared.extend(old.objects.iter().map(|(key, (kind, _))| (*kind, key.name.clone())));
            }
        }
        (gateways, bared)
    }
}

/// Changed objects as they are sent. Their secrets are those of the objects as they are.
async fn objects(
    fleet: &Fleet,
    network: &str,
    changes: &[StagedChange],
) -> Result<BTreeMap<ItemKey, (Kind, Option<Arc<Object>>)>, Error> {
    let names = changes.iter().filter_map(|change| Some((change.kind()?, change.name.clone())));
    let mut present: BTreeMap<(Kind, String), Changed> = BTreeMap::new();
    for found in named(fleet, network, names).await? {
        present.insert((found.kind, found.name.clone()), found);
    }
    let mut all = BTreeMap::new();
    for change in changes {
        let Some(kind) = change.kind() else { continue };
        let former = present.get(&(kind, change.name.clone())).and_then(|found| found.object.as_deref());
        let laid = change.after.as_ref().map(|body| {
            Arc::new(Object {
                name: change.name.clone(),
                revision: former.map_or(0, |object| object.revision),
                changed_at: former.map_or(0, |object| object.changed_at),
                changed_by: String::new(),
                body: body.clone(),
                sealed: former.and_then(|object| object.sealed.clone()),
                secrets_mark: former.map_or(0, |object| object.secrets_mark),
            })
        });
        all.insert(key_of(kind, &change.name), (kind, laid));
    }
    Ok(all)
}

/// Objects of a network as they are now; those that do not exist, too.
pub(crate) async fn named(
    fleet: &Fleet,
    network: &str,
    wanted: impl Iterator<Item = (Kind, String)>,
) -> Result<Vec<Changed>, Error> {
    let mut names: BTreeMap<Kind, BTreeSet<String>> = BTreeMap::new();
    wanted.for_each(|(kind, name)| _ = names.entry(kind).or_default().insert(name));
    let mut all = Vec::new();
    for (kind, names) in names {
        let list: Vec<String> = names.iter().cloned().collect();
        let inside = if kind == Kind::Network { "" } else { network };
        let mut found: BTreeMap<String, _> = BTreeMap::new();
        for object in fleet.db.objects_named(kind, inside, &list).await? {
            found.insert(object.name.clone(), Arc::new(object));
        }
        all.extend(names.into_iter().map(|name| Changed { kind, object: found.remove(&name), name }));
    }
    Ok(all)
}
