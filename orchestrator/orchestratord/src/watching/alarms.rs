//! Judging: which alarms begin and end, and who is told.

use super::{Watch, own};
use anyhow::Result;
use orchestrator_api::receiver_place;
use orchestrator_db::{Alarm, Delivery, DeliveryState, GatewayEvent, Query, Repository, Sort};
use orchestrator_model::{AlertReceiver, Kind, Severity, Silence};
use orchestrator_telemetry::engine::{Key, Step, Timing};
use orchestrator_telemetry::message::{Notice, word};
use orchestrator_telemetry::rules::{self, EventLook, Finding, Look, RULES};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Events of alarms have this epoch: told twice, they are kept once.
const EPOCH: i64 = -2;
/// Events read at a time, and numbers that are looked at again: some become visible after larger ones.
const EVENTS: u32 = 500;
const LATE: i64 = 100;
/// Silences of a network that are looked at.
const SILENCES: u32 = 1000;
/// Percent of the orchestrator's disk.
const DISK: (u8, u8) = (10, 15);

impl Watch {
    /// Has all built-in rules look at all gateways.
    pub(super) async fn judge(&mut self, db: &dyn Repository, now: i64) -> Result<()> {
        let mut steps = Vec::new();
        for ((network, gateway), watched) in &self.gateways {
            let found = rules::look(watched, now).into_iter();
            let found = found.filter_map(|(rule, finding)| Some((self.timings.get(rule.name)?, finding)));
            let connected = watched.is_connected(now);
            let blind = |rule: &str| rules::is_blind(rule, connected);
            steps.extend(self.engine.judge(now, (network, gateway), found.collect(), &blind));
        }
        self.carry_out(db, steps).await
    }

    /// Has operators' own rules look at their networks.
    pub(super) async fn judge_own(&mut self, db: &dyn Repository, now: i64) -> Result<()> {
        let steps = self.judged_own(now);
        self.carry_out(db, steps).await
    }

    fn judged_own(&mut self, now: i64) -> Vec<Step> {
        let mut found: BTreeMap<(String, String), Vec<(&Timing, Finding)>> = BTreeMap::new();
        for rule in &self.own {
            let gateways = self.gateways.iter().filter(|((network, _), _)| *network == rule.network);
            let gateways = gateways.map(|((_, gateway), watched)| (gateway.as_str(), watched)).collect();
            for (gateway, finding) in own::evaluate(rule, gateways, now) {
                found.entry((rule.network.clone(), gateway)).or_default().push((&rule.timing, finding));
            }
        }
        let mut places: BTreeSet<(String, String)> = self.gateways.keys().cloned().collect();
        places.extend(self.own.iter().map(|rule| (rule.network.clone(), String::new())));
        let mut steps = Vec::new();
        for (network, gateway) in places {
            let of_place = found.remove(&(network.clone(), gateway.clone())).unwrap_or_default();
            let blind = |rule: &str| rules::find(rule).is_some();
            steps.extend(self.engine.judge(now, (&network, &gateway), of_place, &blind));
        }
        steps
    }

    /// Looks at the orchestrator itself.
    pub(super) async fn judge_orchestrator(&mut self, db: &dyn Repository, now: i64, slow: bool) -> Result<()> {
        let mut found: BTreeMap<&str, Vec<(&str, Finding)>> = BTreeMap::from([("", Vec::new())]);
        let finding = |subject: &str, words: Option<String>| Finding { subject: subject.to_owned(), words };
        if slow {
            let words = "a small question took more than a second".to_owned();
            found.entry("").or_default().push(("database-slow", finding("", Some(words))));
        }
        if let Some(free) = self.disk.filter(|free| *free < DISK.1) {
            let words = (free < DISK.0).then(|| format!("{free} % of the disk of the data directory is free"));
            found.entry("").or_default().push(("orchestrator-disk-nearly-full", finding("", words)));
        }
        if let Some(words) = &self.certificate {
            let finding = finding("", Some(words.clone()));
            found.entry("").or_default().push(("orchestrator-certificate-expiring", finding));
        }
        let given_up = self.given_up.clone();
        for (network, to, count) in &given_up {
            let words = format!("{count} deliveries to {} were given up", to.trim_start_matches('@'));
            found.entry(network).or_default().push(("delivery-given-up", finding(to, Some(words))));
        }
        let ours = |rule: &str| matches!(rules::find(rule).map(|rule| rule.look), Some(Look::Orchestrator));
        for network in self.engine.places("delivery-given-up") {
            if !found.contains_key(network.as_str()) {
                let away = self.engine.judge(now, (&network, ""), Vec::new(), &|rule| !ours(rule));
                self.carry_out(db, away).await?;
            }
        }
        let mut steps = Vec::new();
        for (network, found) in found {
            let found = found.into_iter().filter_map(|(rule, finding)| Some((self.timings.get(rule)?, finding)));
            steps.extend(self.engine.judge(now, (network, ""), found.collect(), &|rule| !ours(rule)));
        }
        self.carry_out(db, steps).await
    }

    /// Takes alarm events of gateways and of the orchestrator's other parts for alarms, until they are over.
    pub(super) async fn judge_events(&mut self, db: &dyn Repository, now: i64) -> Result<()> {
        loop {
            let events = db.alarm_events(self.mark - LATE, EVENTS).await?;
            let last = events.last().map_or(self.mark, |(_, event)| event.id);
            for (network, event) in &events {
                for (rule, look) in event_rules() {
                    if look.kind == event.kind {
                        self.event(db, network, event, rule, look).await?;
                    }
                }
            }
            if last <= self.mark {
                break;
            }
            self.mark = last;
        }
        let quiet = |key: &Key| event_rules().find(|(rule, _)| rule.name == key.rule).map_or(0, |(_, look)| look.quiet);
        let over = self.events.iter().filter(|(key, (_, last))| last + quiet(key) < now);
        let over: Vec<Key> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            self.end_event(db, &key, now).await?;
        }
        Ok(())
    }

    async fn event(
        &mut self,
        db: &dyn Repository,
        network: &str,
        event: &GatewayEvent,
        rule: &rules::Rule,
        look: EventLook,
    ) -> Result<()> {
        let facts: Value = serde_json::from_str(&event.facts).unwrap_or_default();
        let subject = look.fact.and_then(|fact| facts[fact].as_str()).unwrap_or_default();
        let key = Key {
            network: network.to_owned(),
            gateway: event.gateway.clone(),
            rule: rule.name.to_owned(),
            subject: subject.to_owned(),
        };
        if let Some((_, last)) = self.events.get_mut(&key) {
            *last = (*last).max(event.at);
            return Ok(());
        }
        let alarm = alarm(&key, rule.severity, event.words.clone(), event.at, event.at);
        if db.adopt_alarm(&Alarm { id: event.id, ..alarm.clone() }).await? {
            self.events.insert(key, (event.id, event.at));
            self.notify(db, &Alarm { id: event.id, ..alarm }, true).await?;
        }
        Ok(())
    }

    pub(super) async fn end_event(&mut self, db: &dyn Repository, key: &Key, now: i64) -> Result<()> {
        if let Some((id, _)) = self.events.remove(key) {
            self.cleared(db, key, id, now).await?;
        }
        Ok(())
    }

    /// Writes down what begins and ends, and queues what receivers are told.
    pub(super) async fn carry_out(&mut self, db: &dyn Repository, steps: Vec<Step>) -> Result<()> {
        let now = crate::now();
        for step in steps {
            match step {
                Step::Raise { key, severity, words, since } => {
                    let alarm = alarm(&key, severity, words, since, now);
                    let written = db.raise_alarm(&alarm, &event_of(&alarm)?).await;
                    self.engine.raised(&key, written.as_ref().ok().copied());
                    let alarm = Alarm { id: written?, ..alarm };
                    tracing::warn!(
                        alarm = alarm.rule,
                        network = alarm.network,
                        gateway = alarm.gateway,
                        subject = alarm.subject,
                        "raised: {}",
                        alarm.words
                    );
                    self.notify(db, &alarm, true).await?;
                }
                Step::Clear { key, id } => self.cleared(db, &key, id, now).await?,
            }
        }
        Ok(())
    }

    async fn cleared(&self, db: &dyn Repository, key: &Key, id: i64, now: i64) -> Result<()> {
        if !db.clear_alarm(id, now).await? {
            return Ok(());
        }
        tracing::info!(
            alarm = key.rule,
            network = key.network,
            gateway = key.gateway,
            subject = key.subject,
            "cleared"
        );
        let query = orchestrator_db::AlarmQuery { id: Some(id), limit: 1, ..Default::default() };
        match db.alarms(&query).await?.items.first() {
            Some(alarm) => self.notify(db, alarm, false).await,
            None => Ok(()),
        }
    }

    /// Queues what receivers are told of an alarm, unless it is silenced there. One of the orchestrator itself goes to those of all networks
    /// that want it.
    async fn notify(&self, db: &dyn Repository, alarm: &Alarm, begins: bool) -> Result<()> {
        let query = Query { limit: SILENCES, ..Query::default() };
        let receivers = match alarm.network.as_str() {
            "" => db.objects_everywhere(Kind::AlertReceiver).await?,
            network => {
                let found = db.objects(Kind::AlertReceiver, network, &query).await?;
                found.items.into_iter().map(|object| (network.to_owned(), object)).collect()
            }
        };
        let own = self.own.iter().find(|own| own.network == alarm.network && own.timing.rule == alarm.rule);
        let severity = orchestrator_telemetry::message::severity(&alarm.severity).unwrap_or(Severity::Major);
        let mut deliveries: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for (network, object) in receivers {
            let Ok(receiver) = serde_json::from_value::<AlertReceiver>(object.body) else { continue };
            let meant = receiver.of_orchestrator || !alarm.network.is_empty();
            let wanted = match own {
                Some(rule) => rule.receivers.contains(&object.name),
                None => meant && receiver.severity.is_some_and(|least| severity >= least),
            };
            if wanted && (begins || receiver.send_resolved) {
                let made = delivery(alarm, (&network, &object.name), severity, begins)?;
                deliveries.entry(network).or_default().push(made);
            }
        }
        for (network, deliveries) in deliveries {
            if !is_silent(db, &network, alarm).await? {
                db.enqueue(&network, &deliveries, None).await?;
            }
        }
        Ok(())
    }
}

fn event_rules() -> impl Iterator<Item = (&'static rules::Rule, EventLook)> {
    RULES.iter().filter_map(|rule| match rule.look {
        Look::Event(look) => Some((rule, look)),
        _ => None,
    })
}

fn alarm(key: &Key, severity: Severity, words: String, since: i64, now: i64) -> Alarm {
    Alarm {
        id: 0,
        network: key.network.clone(),
        gateway: key.gateway.clone(),
        rule: key.rule.clone(),
        subject: key.subject.clone(),
        severity: word(severity).to_owned(),
        since,
        raised_at: now,
        cleared_at: 0,
        words: words.chars().take(2000).collect(),
    }
}

/// The event that tells of an alarm. Its number is drawn.
fn event_of(alarm: &Alarm) -> Result<GatewayEvent> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    Ok(GatewayEvent {
        id: 0,
        gateway: alarm.gateway.clone(),
        epoch: EPOCH,
        number: i64::from_be_bytes(number),
        at: alarm.raised_at,
        kind: alarm.rule.clone(),
        alarm: true,
        imsi: String::new(),
        words: alarm.words.clone(),
        facts: json!({"subject": alarm.subject, "severity": alarm.severity, "since": alarm.since}).to_string(),
    })
}

async fn is_silent(db: &dyn Repository, network: &str, alarm: &Alarm) -> Result<bool> {
    let query = Query { sort: Sort::Changed, descending: true, limit: SILENCES, ..Query::default() };
    let silences = db.objects(Kind::Silence, network, &query).await?;
    let mut silences = silences.items.into_iter().filter_map(|it| serde_json::from_value::<Silence>(it.body).ok());
    Ok(silences.any(|it| it.covers(&alarm.gateway, &alarm.rule, alarm.raised_at)))
}

/// What a receiver of a network is told.
fn delivery(alarm: &Alarm, (network, receiver): (&str, &str), severity: Severity, begins: bool) -> Result<Delivery> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let now = crate::now();
    let notice = Notice {
        id: alarm.id,
        network: alarm.network.clone(),
        gateway: alarm.gateway.clone(),
        rule: alarm.rule.clone(),
        subject: alarm.subject.clone(),
        severity,
        text: alarm.words.clone(),
        raised_at: alarm.raised_at,
        cleared_at: alarm.cleared_at,
        runbook: rules::find(&alarm.rule).map(rules::Rule::runbook).unwrap_or_default(),
    };
    Ok(Delivery {
        id: random.iter().map(|octet| format!("{octet:02x}")).collect(),
        network: network.to_owned(),
        webhook: receiver_place(receiver),
        event: format!("alarm/{}/{}", alarm.id, if begins { "raised" } else { "cleared" }),
        kind: alarm.rule.clone(),
        body: serde_json::to_string(&notice)?,
        state: DeliveryState::Pending,
        attempts: 0,
        due_at: now,
        created_at: now,
        changed_at: now,
        trouble: String::new(),
    })
}
