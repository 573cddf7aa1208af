//! Rollouts that begin by themselves, where this replica is the one that acts: a tier whose gateways take new versions by themselves
//! (`autoupgrade_enabled`) gets the release that it is to run.

use crate::fleet::{Fleet, hex, now};
use orchestrator_db::{Error, Query, Release, RolloutRow};
use orchestrator_model::{AutomaticUpgrades, Gateway, Kind, Rollout, RolloutPlan, Tier};
use std::collections::BTreeMap;

/// Rollouts of a network that are remembered: what was done, taken back or left is not begun again.
const ROLLOUTS: u32 = 1000;
/// Entries of a page.
const PAGE: u32 = 1000;
/// What gateways run.
const PRODUCT: &str = "agwd";

/// When tiers were looked at, milliseconds since 1970, and how long until the next look.
#[derive(Debug, Default)]
pub(crate) struct Looks(BTreeMap<(String, String), (i64, i64)>);

impl Looks {
    fn is_due(&self, tier: &(String, String), now: i64) -> bool {
        self.0.get(tier).is_none_or(|(at, pause)| at + pause <= now)
    }
}

impl Fleet {
    /// Begins what is due.
    pub(crate) async fn begin_automatic(&self, looks: &mut Looks) -> Result<(), Error> {
        let at = now();
        let mut releases = None;
        for (network, object) in self.db.objects_everywhere(Kind::Tier).await? {
            let place = (network, object.name);
            let Ok(tier) = serde_json::from_value::<Tier>(object.body) else { continue };
            if (tier.version.is_empty() && tier.automatic.is_none()) || !looks.is_due(&place, at) {
                continue;
            }
            let willing = self.willing(&place.0, &place.1).await?;
            let pause = willing.values().map(|gateway| i64::from(gateway.reporting.autoupgrade_poll_interval)).min();
            // Without anybody who is willing it is looked at as seldom as a gateway may ask for.
            looks.0.insert(place.clone(), (at, pause.unwrap_or(60) * 1000));
            if willing.is_empty() {
                continue;
            }
            let releases = match &releases {
                Some(releases) => releases,
                None => releases.insert(self.db.releases().await?),
            };
            if let Some(release) = wanted(&tier, releases) {
                self.begin(&place, &tier, release, willing.len(), at).await?;
            }
        }
        Ok(())
    }

    /// Gateways of a tier that take new versions by themselves.
    pub(crate) async fn willing(&self, network: &str, tier: &str) -> Result<BTreeMap<String, Gateway>, Error> {
        let mut all = BTreeMap::new();
        let mut query = Query { limit: PAGE, filters: vec![("tier".to_owned(), tier.to_owned())], ..Query::default() };
        loop {
            let page = self.db.objects(Kind::Gateway, network, &query).await?;
            query.after = page.items.last().map(|it| (it.changed_at, it.name.clone()));
            let read = page.items.into_iter().filter_map(|it| Some((it.name, serde_json::from_value(it.body).ok()?)));
            all.extend(read.filter(|(_, gateway): &(_, Gateway)| gateway.reporting.autoupgrade_enabled));
            if !page.more {
                return Ok(all);
            }
        }
    }

    async fn begin(
        &self,
        (network, name): &(String, String),
        tier: &Tier,
        release: &Release,
        willing: usize,
        at: i64,
    ) -> Result<(), Error> {
        let automatic = tier.automatic.clone().unwrap_or_default();
        if automatic.window.as_ref().is_some_and(|window| !window.is_open(at)) {
            return Ok(());
        }
        for row in self.db.rollouts(network, ROLLOUTS).await? {
            let rollout: Rollout = serde_json::from_str(&row.body).map_err(|_| Error::Damaged("rollout"))?;
            if rollout.plan.tier == *name && (row.active || rollout.plan.release == release.name) {
                return Ok(());
            }
        }
        let mut rollout = Rollout::new(plan(name, tier, &automatic, release, willing), release.version.clone());
        rollout.automatic = Some(automatic);
        let mut id = [0; 8];
        if let Err(error) = getrandom::fill(&mut id) {
            tracing::warn!(%error, "no rollout begins: the system gives no random numbers");
            return Ok(());
        }
        let row = RolloutRow {
            id: hex(&id),
            network: network.clone(),
            created_at: at,
            created_by: format!("tier {name}"),
            changed_at: at,
            active: true,
            body: serde_json::to_string(&rollout).map_err(|_| Error::Damaged("rollout"))?,
            revision: 1,
        };
        if self.db.put_rollout(&row).await? {
            tracing::info!(network, tier = name, release = release.name, "a rollout begins by itself");
        }
        Ok(())
    }
}

fn plan(name: &str, tier: &Tier, automatic: &AutomaticUpgrades, release: &Release, willing: usize) -> RolloutPlan {
    let at_once = (willing * usize::from(tier.parallel_percent)) / 100;
    RolloutPlan {
        tier: name.to_owned(),
        release: release.name.clone(),
        canary_percent: 10,
        soak_minutes: automatic.soak_minutes,
        at_once: u32::try_from(at_once).unwrap_or(u32::MAX).clamp(1, 1000),
        most_failures: 0,
        roll_back: true,
        rate: 0,
        downgrade: false,
    }
}

/// The release that a tier is to run: of its version, else the newest of its channel.
fn wanted<'a>(tier: &Tier, releases: &'a [Release]) -> Option<&'a Release> {
    let automatic = tier.automatic.clone().unwrap_or_default();
    let usable = |it: &&Release| it.complete && it.product == PRODUCT && it.platform == automatic.platform;
    let fits = |it: &&Release| match tier.version.as_str() {
        "" => it.channel == automatic.channel,
        version => it.version == version,
    };
    releases.iter().filter(usable).filter(fits).max_by_key(|it| it.created_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn release(name: &str, version: &str, channel: &str, created_at: i64) -> Release {
        let text = str::to_owned;
        Release {
            name: text(name),
            product: text(PRODUCT),
            version: text(version),
            platform: text("x86_64-linux"),
            channel: text(channel),
            size: 1,
            sha256: String::new(),
            signature: String::new(),
            created_by: String::new(),
            created_at,
            received: 1,
            complete: true,
        }
    }

    #[test]
    fn a_version_goes_before_the_newest_of_the_channel() {
        let mut releases =
            vec![release("one", "1", "stable", 1), release("two", "2", "stable", 2), release("three", "3", "beta", 3)];
        releases.push(Release { complete: false, ..release("half", "4", "stable", 4) });
        releases.push(Release { platform: "aarch64-linux".to_owned(), ..release("arm", "2", "stable", 5) });
        releases.push(Release { product: "fegd".to_owned(), ..release("feg", "2", "stable", 6) });
        let of = |tier: serde_json::Value| {
            let tier: Tier = serde_json::from_value(tier).unwrap();
            wanted(&tier, &releases).map(|release| release.name.as_str())
        };
        assert_eq!(of(json!({"automatic": {}})), Some("two"));
        assert_eq!(of(json!({"automatic": {"channel": "beta"}})), Some("three"));
        assert_eq!(of(json!({"version": "1", "automatic": {"channel": "beta"}})), Some("one"));
        assert_eq!(of(json!({"automatic": {"platform": "aarch64-linux"}})), Some("arm"));
        assert_eq!(of(json!({"version": "4"})), None);
    }

    #[test]
    fn so_many_at_once_as_the_tier_allows() {
        let tier = |percent: u8| Tier { parallel_percent: percent, ..Tier::default() };
        let at_once = |percent, willing| {
            plan("t", &tier(percent), &AutomaticUpgrades::default(), &release("r", "2", "stable", 1), willing).at_once
        };
        assert_eq!([at_once(0, 500), at_once(10, 500), at_once(10, 5), at_once(100, 5000)], [1, 50, 1, 1000]);
    }
}
