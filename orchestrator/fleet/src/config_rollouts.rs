//! Staged changes go on, where this replica is the one that acts: what is known is gathered, `orchestrator_model::ConfigRollout` decides which
//! gateways have the changes laid over what they should have, and at the end the objects themselves are changed.

use crate::fleet::{Fleet, now};
use crate::rollouts::{PAGE, SILENT};
use orchestrator_db::{
    AuditEntry, Change, Error, EventQuery, GatewayEvent, GatewayState, Object, Precondition, Query, RolloutRow, Target,
};
use orchestrator_model::{
    ConfigFacts, ConfigRollout, ConfigSeen, ConfigStage, DesiredState, Ground, Kind, RolloutState, Source, StagedChange,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Events of staged changes have this epoch: any replica may write them, and told twice they are kept once.
const EPOCH: i64 = -3;

impl Fleet {
    pub(crate) async fn look_at_config_rollouts(&self) -> Result<(), Error> {
        for row in self.db.active_config_rollouts(None).await? {
            // One that cannot be read holds no other one up.
            if let Err(error) = self.look_at_config_rollout(row).await {
                tracing::warn!(%error, "a staged change cannot go on now");
            }
        }
        Ok(())
    }

    async fn look_at_config_rollout(&self, row: RolloutRow) -> Result<(), Error> {
        let mut rollout: ConfigRollout =
            serde_json::from_str(&row.body).map_err(|_| Error::Damaged("staged change"))?;
        let before = rollout.clone();
        let facts = self.config_facts(&row, &rollout).await?;
        let running = rollout.state == RolloutState::Running;
        if running && facts.ground == Ground::Changed {
            // By us, before a crash; or all of it by somebody else: nothing is left to do.
            rollout.finished();
        } else {
            rollout.step(&facts);
            // That it comes to this was kept before, so that nobody can stop it in between.
            if before.stage == ConfigStage::Change && rollout.stage == before.stage && running {
                self.change_objects(&row, &mut rollout, facts.now).await?;
            }
        }
        if rollout == before {
            return Ok(());
        }
        let body = serde_json::to_string(&rollout).map_err(|_| Error::Damaged("staged change"))?;
        let changed = RolloutRow { changed_at: facts.now, active: rollout.is_active(), body, ..row.clone() };
        // If somebody paused it just now, that counts at the next look.
        if self.db.change_config_rollout(&changed).await? && rollout.state != before.state {
            self.tell_of_state(&row, &rollout, facts.now).await?;
        }
        Ok(())
    }

    async fn config_facts(&self, row: &RolloutRow, rollout: &ConfigRollout) -> Result<ConfigFacts, Error> {
        let mut facts = ConfigFacts { now: now(), ground: self.ground(row, rollout).await?, ..ConfigFacts::default() };
        facts.gateways = self.needing(row, rollout).await?;
        let mut after = String::new();
        loop {
            let page = self.db.gateway_states(&row.network, &after, PAGE).await?;
            for state in &page.items {
                if let Some(seen) = facts.gateways.get_mut(&state.gateway) {
                    see(seen, state, row, rollout, facts.now);
                }
            }
            match page.items.last().filter(|_| page.more) {
                Some(last) => last.gateway.clone_into(&mut after),
                None => break,
            }
        }
        if rollout.state == RolloutState::Running {
            facts.alarms = self.alarms_since(row, rollout).await?;
        }
        Ok(facts)
    }

    /// Gateways that need one of the objects, as it is or as it is wanted.
    async fn needing(&self, row: &RolloutRow, rollout: &ConfigRollout) -> Result<BTreeMap<String, ConfigSeen>, Error> {
        let mut all = BTreeMap::new();
        let mut query = Query { limit: PAGE, ..Query::default() };
        loop {
            let page = self.db.objects(Kind::Gateway, &row.network, &query).await?;
            query.after = page.items.last().map(|it| (it.changed_at, it.name.clone()));
            for gateway in page.items {
                if rollout.gateways.contains_key(&gateway.name) || needs(&gateway, &rollout.changes) {
                    let tier = gateway.body.get("tier").and_then(Value::as_str);
                    let first = rollout.plan.tier.as_deref().is_none_or(|wanted| tier == Some(wanted));
                    all.insert(gateway.name, ConfigSeen { first, ..ConfigSeen::default() });
                }
            }
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// The last alarm of each gateway that was raised since it has the change.
    async fn alarms_since(&self, row: &RolloutRow, rollout: &ConfigRollout) -> Result<BTreeMap<String, String>, Error> {
        let covered: BTreeSet<&str> = rollout.covers().collect();
        let given = |name: &str| rollout.gateways.get(name).filter(|_| covered.contains(name)).map(|it| it.given_at);
        let mut alarms = BTreeMap::new();
        let Some(since) = covered.iter().filter_map(|name| given(name)).min() else { return Ok(alarms) };
        let query = EventQuery { alarms: true, since, limit: PAGE, ..EventQuery::default() };
        for event in self.db.gateway_events(&row.network, &query).await?.items {
            if given(&event.gateway).is_some_and(|at| event.at >= at) {
                alarms.entry(event.gateway).or_insert(event.kind);
            }
        }
        Ok(alarms)
    }

    /// How the objects are, compared with those that the change is based on.
    async fn ground(&self, row: &RolloutRow, rollout: &ConfigRollout) -> Result<Ground, Error> {
        let mut wanted = 0;
        let mut other = None;
        for change in &rollout.changes {
            let Some(kind) = change.kind() else { return Err(Error::Damaged("staged change")) };
            let object = self.db.object(&target(row, kind, &change.name)).await?;
            let same = object.as_ref().map(|object| object.revision) == change.revision;
            if object.as_ref().map(|object| &object.body) == change.after.as_ref() {
                wanted += 1;
            }
            if !same {
                let by = object.map_or_else(|| "is gone".to_owned(), |it| format!("was changed by {}", it.changed_by));
                other.get_or_insert(format!("{}/{} {by} meanwhile", change.kind, change.name));
            }
        }
        Ok(match other {
            Some(_) if wanted == rollout.changes.len() => Ground::Changed,
            Some(words) => Ground::Other(words),
            None => Ground::Same,
        })
    }

    /// Changes the objects as whoever began it would have; it is halted where that is refused.
    async fn change_objects(&self, row: &RolloutRow, rollout: &mut ConfigRollout, at: i64) -> Result<(), Error> {
        let mut changes = Vec::new();
        for it in &rollout.changes {
            match change(row, it) {
                Some(change) => changes.push(change),
                None => {
                    rollout.refused(format!("{}/{}: the body is not valid any more", it.kind, it.name));
                    return Ok(());
                }
            }
        }
        match self.db.apply(&row.created_by, at, &changes).await {
            Ok(_) => rollout.finished(),
            Err(Error::Refused(refusal)) => rollout.refused(refusal.to_string()),
            Err(failed) => return Err(failed),
        }
        if rollout.state == RolloutState::Done {
            let entry = AuditEntry {
                id: 0,
                at,
                who: row.created_by.clone(),
                network: row.network.clone(),
                action: "APPLY".to_owned(),
                target: format!("/api/v1/networks/{}/config-rollouts/{}", row.network, row.id),
                outcome: 200,
            };
            self.db.audit(&entry).await?;
        }
        Ok(())
    }

    async fn tell_of_state(&self, row: &RolloutRow, rollout: &ConfigRollout, at: i64) -> Result<(), Error> {
        let (kind, alarm, what) = match rollout.state {
            RolloutState::Paused => ("rollout-halted", true, "is paused"),
            RolloutState::RollingBack => ("rollout-halted", true, "is taken back"),
            RolloutState::Done => ("config-rollout-done", false, "is done"),
            RolloutState::RolledBack => ("config-rollout-rolled-back", false, "was taken back"),
            RolloutState::Running | RolloutState::Cancelled => return Ok(()),
        };
        let names: Vec<String> = rollout.changes.iter().take(3).map(|it| format!("{}/{}", it.kind, it.name)).collect();
        let more = if rollout.changes.len() > names.len() { " and others" } else { "" };
        let why = if rollout.words.is_empty() { String::new() } else { format!(": {}", rollout.words) };
        let words = format!("the staged change of {}{more} {what}{why}", names.join(", "));
        if alarm {
            tracing::warn!(alarm = kind, network = row.network, "{words}");
        }
        let event = GatewayEvent {
            id: 0,
            gateway: String::new(),
            epoch: EPOCH,
            number: at,
            at,
            kind: kind.to_owned(),
            alarm,
            imsi: String::new(),
            words,
            facts: json!({ "config_rollout": row.id }).to_string(),
        };
        self.db.put_gateway_events(&row.network, &[event]).await
    }
}

fn target(row: &RolloutRow, kind: Kind, name: &str) -> Target {
    let network = if kind == Kind::Network { String::new() } else { row.network.clone() };
    Target { kind, network, name: name.to_owned() }
}

/// The change of an object, on the condition that it is as it was; `None` when the body is refused by this version.
fn change(row: &RolloutRow, it: &StagedChange) -> Option<Change> {
    let kind = it.kind()?;
    let precondition = it.revision.map_or(Precondition::Absent, Precondition::Revision);
    let references = match &it.after {
        Some(body) => kind.parse_value(&it.name, body.clone()).ok()?.references,
        None => Vec::new(),
    };
    Some(Change { target: target(row, kind, &it.name), precondition, body: it.after.clone(), sealed: None, references })
}

fn needs(gateway: &Object, changes: &[StagedChange]) -> bool {
    changes.iter().any(|change| {
        let Some(kind) = change.kind() else { return false };
        let is_needed = |body: &Value| {
            let source = Source { kind, name: &change.name, body, secrets_mark: 0 };
            DesiredState::is_needed_by(&gateway.name, &gateway.body, source)
        };
        change.before.as_ref().is_some_and(is_needed) || change.after.as_ref().is_some_and(is_needed)
    })
}

/// How far a gateway is, by what its conversation noted last.
fn see(seen: &mut ConfigSeen, state: &GatewayState, row: &RolloutRow, rollout: &ConfigRollout, now: i64) {
    seen.connected = !state.replica.is_empty() && state.seen_at + SILENT > now;
    let list = |field: &str| state.sync.get(field).and_then(Value::as_array).into_iter().flatten();
    seen.covered = list("config_rollouts").any(|id| id == row.id.as_str());
    seen.held = state.sync.get("held").and_then(Value::as_bool).unwrap_or(false);
    let word = |it: &Value, field: &str| it.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ours = |it: &&Value| {
        let key = (word(it, "collection"), word(it, "name"));
        rollout.changes.iter().any(|change| (&change.kind, &change.name) == (&key.0, &key.1))
    };
    seen.refused = list("refused").find(ours).map(|it| format!("{}: {}", word(it, "name"), word(it, "reason")));
}
