//! Watches the feeds of the networks whose gateways talk to this replica, and tells their conversations.

use crate::catalog::Catalog;
use crate::fleet::Fleet;
use crate::overlay::{Overlays, named};
use crate::registry::{Changed, Nudge};
use orchestrator_db::{Error, FeedEntry};
use orchestrator_model::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Entries of a feed taken at a time.
const ENTRIES: u32 = 1000;
/// Looks between two rounds of forgetting networks without gateways.
const FORGET: u32 = 600;

/// Runs until dropped.
pub(crate) async fn watch(fleet: Arc<Fleet>) {
    let mut wakes = fleet.db.wakes();
    let mut looks = 0_u32;
    loop {
        if let Err(error) = look(&fleet).await {
            tracing::warn!(%error, "the feeds cannot be read now");
        }
        looks += 1;
        if looks.is_multiple_of(FORGET) {
            fleet.catalogs.retain(&fleet.registry.networks()).await;
        }
        // What this process changed is known at once; others' changes are found by looking.
        tokio::select! {
            woken = wakes.changed() => if woken.is_err() { return },
            () = tokio::time::sleep(fleet.settings.look) => {}
        }
    }
}

async fn look(fleet: &Fleet) -> Result<(), Error> {
    let held = fleet.catalogs.all().await;
    if held.is_empty() {
        return Ok(());
    }
    let feeds: BTreeMap<String, i64> = fleet.db.feeds().await?.into_iter().collect();
    for (network, catalog) in held {
        let Some(last) = feeds.get(&network) else { continue };
        follow(fleet, &network, &catalog, *last).await?;
    }
    Ok(())
}

/// Takes in what a feed has beyond the catalogue.
async fn follow(fleet: &Fleet, network: &str, held: &Mutex<Catalog>, last: i64) -> Result<(), Error> {
    loop {
        let mut catalog = held.lock().await;
        // One that was never read is read when it is needed.
        let Some(number) = catalog.number.filter(|number| *number < last) else { return Ok(()) };
        let entries = fleet.db.feed(network, number, ENTRIES).await?;
        let (Some(first), Some(end)) = (entries.first(), entries.last()) else {
            // The feed was swept beyond us.
            return reread(fleet, network, &mut catalog).await;
        };
        if first.number != number + 1 {
            return reread(fleet, network, &mut catalog).await;
        }
        // Before the objects: what a staged change that is done left behind is read then.
        let staged = entries.iter().any(|entry| entry.what == FeedEntry::CONFIG_ROLLOUTS);
        let overlays = if staged { Some(Overlays::read(fleet, network).await?) } else { None };
        let changed = changed_objects(fleet, network, &entries).await?;
        catalog.change(&changed);
        let mut covered = BTreeSet::new();
        if let Some(overlays) = overlays {
            let (gateways, bared) = catalog.lay(overlays);
            catalog.change(&named(fleet, network, bared.into_iter()).await?);
            covered = gateways;
        }
        catalog.number = Some(end.number);
        drop(catalog);
        tell(fleet, network, changed, &entries, &covered).await;
    }
}

async fn reread(fleet: &Fleet, network: &str, catalog: &mut Catalog) -> Result<(), Error> {
    *catalog = Catalog::read(fleet, network).await?;
    for (_, live) in fleet.registry.of_network(network) {
        // A conversation whose queue is full looks at everything anyway.
        let _ = live.nudges.try_send(Nudge::Everything);
    }
    Ok(())
}

async fn changed_objects(fleet: &Fleet, network: &str, entries: &[FeedEntry]) -> Result<Vec<Changed>, Error> {
    let names = entries.iter().filter_map(|entry| Some((Kind::from_collection(&entry.what)?, entry.name.clone())));
    named(fleet, network, names).await
}

/// Tells conversations; those of `covered` look at everything anew.
async fn tell(fleet: &Fleet, network: &str, changed: Vec<Changed>, entries: &[FeedEntry], covered: &BTreeSet<String>) {
    let changed = Arc::new(changed);
    let named = |what: &str| -> BTreeSet<&str> {
        entries.iter().filter(|entry| entry.what == what).map(|entry| entry.name.as_str()).collect()
    };
    let commands = named(FeedEntry::COMMANDS);
    let certificates = named(FeedEntry::CERTIFICATES);
    let streams = named(FeedEntry::STREAMS);
    for (gateway, live) in fleet.registry.of_network(network) {
        let gateway = gateway.as_str();
        let mut nudges = Vec::new();
        if !changed.is_empty() {
            nudges.push(Nudge::Objects(Arc::clone(&changed)));
        }
        if covered.contains(gateway) {
            nudges.push(Nudge::Everything);
        }
        for (names, nudge) in
            [(&commands, Nudge::Commands), (&certificates, Nudge::Certificates), (&streams, Nudge::Streams)]
        {
            if names.contains(gateway) {
                nudges.push(nudge);
            }
        }
        for nudge in nudges {
            // A conversation that is too slow to listen is ended when its queue is full: it begins anew and compares.
            if let Err(tokio::sync::mpsc::error::TrySendError::Full(_)) = live.nudges.try_send(nudge) {
                fleet.registry.remove(network, gateway, live.stream);
                break;
            }
        }
    }
}
