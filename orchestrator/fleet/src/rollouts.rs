//! Rollouts go on, where this replica is the one that acts: what is known is gathered, `orchestrator_model::Rollout` decides, and what it
//! orders is queued after it was written down.

use crate::automatic::Looks;
use crate::fleet::{Fleet, now};
use orchestrator_db::{CommandRow, Error, EventQuery, GatewayEvent, Query, RolloutRow};
use orchestrator_model::{Facts, Kind, Order, Rollout, RolloutState, Seen};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Looks at the feeds between two looks at rollouts.
const LOOKS: u32 = 4;
/// A gateway that does not begin within this is told again later, milliseconds.
const BEGIN: i64 = 24 * 3_600_000;
/// A gateway was heard of not longer ago than this, milliseconds; else it is away.
pub(crate) const SILENT: i64 = 2 * 330_000;
/// Entries of a page.
pub(crate) const PAGE: u32 = 1000;
/// Alarms of rollouts have this epoch: any replica may raise them, and told twice they are kept once.
const EPOCH: i64 = -2;

impl Fleet {
    /// Lets rollouts go on until dropped.
    pub async fn roll_out(&self) {
        let mut looks = Looks::default();
        loop {
            if let Err(error) = self.look_at_rollouts(&mut looks).await {
                tracing::warn!(%error, "rollouts cannot go on now");
            }
            tokio::time::sleep(self.settings.look * LOOKS).await;
        }
    }

    async fn look_at_rollouts(&self, looks: &mut Looks) -> Result<(), Error> {
        if !self.db.leads().await? {
            return Ok(());
        }
        if let Err(error) = self.begin_automatic(looks).await {
            tracing::warn!(%error, "no rollout begins by itself now");
        }
        if let Err(error) = self.look_at_config_rollouts().await {
            tracing::warn!(%error, "staged changes cannot go on now");
        }
        for row in self.db.active_rollouts().await? {
            // One that cannot be read holds no other one up.
            if let Err(error) = self.look_at(row).await {
                tracing::warn!(%error, "a rollout cannot go on now");
            }
        }
        Ok(())
    }

    async fn look_at(&self, row: RolloutRow) -> Result<(), Error> {
        let mut rollout: Rollout = serde_json::from_str(&row.body).map_err(|_| Error::Damaged("rollout"))?;
        let before = rollout.clone();
        let facts = self.facts(&row, &rollout).await?;
        let orders = rollout.step(&row.id, &facts);
        if rollout != before {
            let body = serde_json::to_string(&rollout).map_err(|_| Error::Damaged("rollout"))?;
            let changed = RolloutRow { changed_at: facts.now, active: rollout.is_active(), body, ..row.clone() };
            if !self.db.change_rollout(&changed).await? {
                // Somebody paused it just now: at the next look that counts.
                return Ok(());
            }
        }
        for order in orders {
            self.order(&row, &rollout, order, facts.now).await?;
        }
        let halted = matches!(rollout.state, RolloutState::RollingBack | RolloutState::Paused);
        if halted && before.state == RolloutState::Running {
            self.tell_of_halt(&row, &rollout, facts.now).await?;
        }
        Ok(())
    }

    async fn facts(&self, row: &RolloutRow, rollout: &Rollout) -> Result<Facts, Error> {
        let mut facts = Facts { now: now(), gateways: self.gateways_of(row, rollout).await?, ..Facts::default() };
        for id in rollout.commands() {
            if let Some(command) = self.db.command(&row.network, id).await? {
                let waits = matches!(command.state.as_str(), "queued" | "sent");
                let expired = waits && command.expires_at <= facts.now;
                let state = if expired { "expired".to_owned() } else { command.state };
                facts.commands.insert(id.to_owned(), (state, command.output));
            }
        }
        let since = rollout.gateways.values().filter(|it| it.upgraded).map(|it| it.at).min();
        if let Some(since) = since.filter(|_| rollout.state == RolloutState::Running) {
            let query = EventQuery { alarms: true, since, limit: PAGE, ..EventQuery::default() };
            for event in self.db.gateway_events(&row.network, &query).await?.items {
                let upgraded = rollout.gateways.get(&event.gateway).filter(|it| it.upgraded && event.at >= it.at);
                if upgraded.is_some() {
                    facts.alarms.insert(event.gateway, event.kind);
                }
            }
        }
        Ok(facts)
    }

    /// Gateways of the tier, as they are.
    async fn gateways_of(&self, row: &RolloutRow, rollout: &Rollout) -> Result<BTreeMap<String, Seen>, Error> {
        let mut all = self.members(row, rollout).await?;
        let mut after = String::new();
        loop {
            let page = self.db.gateway_states(&row.network, &after, PAGE).await?;
            for state in &page.items {
                if let Some(seen) = all.get_mut(&state.gateway) {
                    seen.connected = !state.replica.is_empty() && state.seen_at + SILENT > now();
                    let version = state.state.get("version").and_then(Value::as_str).unwrap_or_default();
                    version.clone_into(&mut seen.version);
                }
            }
            match page.items.last().filter(|_| page.more) {
                Some(last) => last.gateway.clone_into(&mut after),
                None => return Ok(all),
            }
        }
    }

    /// Gateways that it is about.
    async fn members(&self, row: &RolloutRow, rollout: &Rollout) -> Result<BTreeMap<String, Seen>, Error> {
        if rollout.automatic.is_some() {
            let willing = self.willing(&row.network, &rollout.plan.tier).await?;
            return Ok(willing.into_keys().map(|name| (name, Seen::default())).collect());
        }
        let mut all = BTreeMap::new();
        let filters = vec![("tier".to_owned(), rollout.plan.tier.clone())];
        let mut query = Query { limit: PAGE, filters, ..Query::default() };
        loop {
            let page = self.db.objects(Kind::Gateway, &row.network, &query).await?;
            query.after = page.items.last().map(|it| (it.changed_at, it.name.clone()));
            all.extend(page.items.into_iter().map(|it| (it.name, Seen::default())));
            if !page.more {
                return Ok(all);
            }
        }
    }

    async fn order(&self, row: &RolloutRow, rollout: &Rollout, order: Order, at: i64) -> Result<(), Error> {
        let mut arguments = match order.back {
            true => serde_json::Map::from_iter([("back".to_owned(), json!(true))]),
            false => match self.db.release(&rollout.plan.release).await? {
                Some(release) => release.arguments(),
                // Taken away meanwhile: the gateway says that it is no release.
                None => serde_json::Map::new(),
            },
        };
        if !order.back {
            arguments.insert("rate".to_owned(), rollout.plan.rate.into());
            arguments.insert("downgrade".to_owned(), rollout.plan.downgrade.into());
        }
        let command = CommandRow {
            id: order.command,
            gateway: order.gateway,
            kind: "upgrade".to_owned(),
            arguments: Value::Object(arguments).to_string(),
            created_by: row.created_by.clone(),
            created_at: at,
            expires_at: at + BEGIN,
            state: "queued".to_owned(),
            percent: 0,
            output: String::new(),
            changed_at: at,
        };
        self.db.put_command(&row.network, &command).await
    }

    async fn tell_of_halt(&self, row: &RolloutRow, rollout: &Rollout, at: i64) -> Result<(), Error> {
        let what = if rollout.state == RolloutState::Paused { "is paused" } else { "is taken back" };
        let words =
            format!("the rollout of {} to tier {} {what}: {}", rollout.plan.release, rollout.plan.tier, rollout.words);
        tracing::warn!(alarm = "rollout-halted", network = row.network, "{words}");
        let event = GatewayEvent {
            id: 0,
            gateway: String::new(),
            epoch: EPOCH,
            number: at,
            at,
            kind: "rollout-halted".to_owned(),
            alarm: true,
            imsi: String::new(),
            words,
            facts: json!({ "rollout": row.id }).to_string(),
        };
        self.db.put_gateway_events(&row.network, &[event]).await
    }
}
