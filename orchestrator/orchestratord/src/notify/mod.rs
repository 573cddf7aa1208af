//! Webhooks: what happens is queued for those who want it, sent, and sent again with growing pauses until it is taken or given up.
//!
//! The replica that acts for all queues and sends. Should two be at it for a moment (one ends, another goes on), the database sees to
//! it that each event is queued once and sent by one at a time. A receiver
//! may get a delivery twice (its answer was lost), and recognises it by `Basalt-Delivery`.

pub(crate) mod address;
mod client;
mod receivers;
pub(crate) mod smtp;

use anyhow::{Context, Result};
use basalt_security::SealingKey;
pub(crate) use client::{Client, Post};
use hmac::{Hmac, KeyInit, Mac};
use orchestrator_db::{Delivery, DeliveryState, EventQuery, GatewayEvent, Object, Query, Repository, Sort, Target};
use orchestrator_model::{Kind, Silence, Webhook};
use serde_json::{Value, json};
use sha2::Sha256;
use smtp::Smtp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Events and deliveries of a look; deliveries sent at a time.
const EVENTS: u32 = 500;
const DUE: u32 = 32;
/// Who takes a delivery has it for so long, milliseconds.
const LEASE: i64 = 60_000;
/// The first pause after a failure, milliseconds; each is twice the one before.
const PAUSE: i64 = 5_000;
/// After so many tries (within some hours) it is given up.
const TRIES: i64 = 12;
/// Events may become visible after some with larger numbers: so many are looked at again.
const LATE: i64 = 100;
/// Silences of a network that are looked at.
const SILENCES: u32 = 1000;

/// Queues and sends until dropped.
pub(crate) async fn run(db: Arc<dyn Repository>, key: SealingKey, client: Arc<Client>, smtp: Option<Arc<Smtp>>) {
    loop {
        if let Err(error) = look(&db, &key, &client, smtp.as_ref()).await {
            tracing::warn!(%error, "webhooks have to wait");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// One look: queue what is new, send what is due.
pub(crate) async fn look(
    db: &Arc<dyn Repository>,
    key: &SealingKey,
    client: &Arc<Client>,
    smtp: Option<&Arc<Smtp>>,
) -> Result<()> {
    if !db.leads().await? {
        return Ok(());
    }
    let all = db.webhooks().await?;
    let mut by_network: BTreeMap<&str, Vec<(&Object, Webhook)>> = BTreeMap::new();
    for (network, object) in &all {
        if let Ok(webhook) = serde_json::from_value(object.body.clone()) {
            by_network.entry(network).or_default().push((object, webhook));
        }
    }
    for (network, webhooks) in &by_network {
        queue(db, network, webhooks).await?;
    }
    let due = db.take_due(crate::now(), crate::now() + LEASE, DUE).await?;
    let receivers = match due.iter().any(|delivery| delivery.webhook.starts_with('@')) {
        true => db.objects_everywhere(Kind::AlertReceiver).await?,
        false => Vec::new(),
    };
    let sends = due.into_iter().map(|delivery| {
        let to = to(key, &delivery, &all, &receivers);
        let (db, client, smtp) = (Arc::clone(db), Arc::clone(client), smtp.map(Arc::clone));
        tokio::spawn(async move {
            let outcome = match to {
                Ok(To::Webhook { url, secret }) => send(&client, &delivery, &url, &secret).await,
                Ok(To::Receiver(receiver)) => receivers::send(&client, smtp.as_deref(), &receiver, &delivery).await,
                Err(error) => Err(error),
            };
            settle(db.as_ref(), delivery, outcome).await
        })
    });
    for sent in sends.collect::<Vec<_>>() {
        sent.await??;
    }
    Ok(())
}

async fn queue(db: &Arc<dyn Repository>, network: &str, webhooks: &[(&Object, Webhook)]) -> Result<()> {
    let Some((begun, mark)) = db.webhook_mark(network).await? else {
        // The first webhook of a network hears from now on.
        let newest = db.gateway_events(network, &EventQuery { limit: 1, ..EventQuery::default() }).await?;
        let mark = newest.items.first().map_or(0, |event| event.id);
        return Ok(db.enqueue(network, &[], Some(mark)).await?);
    };
    let query = EventQuery { above: Some(begun.max(mark - LATE)), limit: EVENTS, ..EventQuery::default() };
    let page = db.gateway_events(network, &query).await?;
    let Some(last) = page.items.last().map(|event| event.id).filter(|last| *last > mark) else { return Ok(()) };
    let silences = match page.items.iter().any(|event| event.alarm) {
        true => silences(db, network).await?,
        false => Vec::new(),
    };
    let is_silent = |it: &GatewayEvent| it.alarm && silences.iter().any(|s| s.covers(&it.gateway, &it.kind, it.at));
    let mut deliveries = Vec::new();
    for event in page.items.iter().filter(|event| !is_silent(event)) {
        for (object, webhook) in webhooks {
            // What was before it is not for a webhook that is new.
            if webhook.wants(&event.kind, event.alarm) && event.at >= object.changed_at - 60_000 {
                deliveries.push(delivery(network, &object.name, event)?);
            }
        }
    }
    Ok(db.enqueue(network, &deliveries, Some(last)).await?)
}

/// The silences of a network, those that changed last first.
async fn silences(db: &Arc<dyn Repository>, network: &str) -> Result<Vec<Silence>> {
    let query = Query { sort: Sort::Changed, descending: true, limit: SILENCES, ..Query::default() };
    let page = db.objects(Kind::Silence, network, &query).await?;
    Ok(page.items.into_iter().filter_map(|object| serde_json::from_value(object.body).ok()).collect())
}

fn delivery(network: &str, webhook: &str, event: &GatewayEvent) -> Result<Delivery> {
    let mut random = [0; 12];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
    let now = crate::now();
    let body = json!({
        "network": network,
        "gateway": event.gateway,
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "alarm": event.alarm,
        "imsi": event.imsi,
        "text": event.words,
        "facts": serde_json::from_str::<Value>(&event.facts).unwrap_or(Value::Null),
    });
    Ok(Delivery {
        id: random.iter().map(|octet| format!("{octet:02x}")).collect(),
        network: network.to_owned(),
        webhook: webhook.to_owned(),
        event: format!("event/{}", event.id),
        kind: event.kind.clone(),
        body: body.to_string(),
        state: DeliveryState::Pending,
        attempts: 0,
        due_at: now,
        created_at: now,
        changed_at: now,
        trouble: String::new(),
    })
}

/// Where a delivery goes.
enum To {
    Webhook { url: String, secret: String },
    Receiver(receivers::To),
}

fn to(
    key: &SealingKey,
    delivery: &Delivery,
    webhooks: &[(String, Object)],
    receivers: &[(String, Object)],
) -> Result<To> {
    let of = |all: &'_ [(String, Object)], name: &str| {
        all.iter().find(|(network, it)| *network == delivery.network && it.name == name).map(|(_, it)| it.clone())
    };
    if let Some(name) = delivery.webhook.strip_prefix('@') {
        let object = of(receivers, name).context("there is no such receiver any more")?;
        return Ok(To::Receiver(receivers::open(key, &delivery.network, &object)?));
    }
    let object = of(webhooks, &delivery.webhook).context("there is no such webhook any more")?;
    let url = object.body["url"].as_str().unwrap_or_default().to_owned();
    Ok(To::Webhook { url, secret: open(key, delivery, &object)? })
}

/// The key of a webhook's signature.
fn open(key: &SealingKey, delivery: &Delivery, object: &Object) -> Result<String> {
    let place = Target { kind: Kind::Webhook, network: delivery.network.clone(), name: object.name.clone() };
    let sealed = object.sealed.as_ref().context("the webhook has no key")?;
    let opened = key.open_named(&place.to_string(), sealed).map_err(|_| anyhow::anyhow!("the key does not open"))?;
    let secrets: BTreeMap<String, String> = serde_json::from_slice(opened.expose())?;
    secrets.get("secret").cloned().context("the webhook has no key")
}

async fn send(client: &Client, delivery: &Delivery, url: &str, secret: &str) -> Result<()> {
    let at = crate::now() / 1000;
    let headers = [
        ("basalt-delivery", delivery.id.clone()),
        ("basalt-event", delivery.kind.clone()),
        ("basalt-signature", format!("t={at},v1={}", signature(secret, at, &delivery.body))),
    ];
    client.post(url, &headers, &delivery.body).await
}

/// Keeps how a delivery stands after a try.
async fn settle(db: &dyn Repository, mut delivery: Delivery, outcome: Result<()>) -> Result<()> {
    delivery.attempts += 1;
    delivery.changed_at = crate::now();
    match outcome {
        Ok(()) => (delivery.state, delivery.trouble) = (DeliveryState::Delivered, String::new()),
        Err(error) => {
            delivery.trouble = format!("{error:#}").chars().filter(|c| !c.is_control()).take(500).collect();
            delivery.due_at = delivery.changed_at + pause(delivery.attempts);
            if delivery.attempts >= TRIES {
                delivery.state = DeliveryState::Dead;
                tracing::warn!(network = delivery.network, webhook = delivery.webhook, "a delivery was given up");
            }
        }
    }
    Ok(db.settle(&delivery).await?)
}

/// `HMAC-SHA-256(secret, SECONDS "." BODY)`: who knows the key knows that it comes from here, and when.
fn signature(secret: &str, at: i64, body: &str) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{at}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The pause after some tries: doubling up to an hour, between a half and the whole of it by chance.
fn pause(attempts: i64) -> i64 {
    let whole = PAUSE.saturating_mul(1 << attempts.clamp(1, 20).saturating_sub(1)).min(3_600_000);
    let mut random = [0; 4];
    // Without randomness it is the whole pause.
    let part =
        if getrandom::fill(&mut random).is_ok() { i64::from(u32::from_be_bytes(random)) } else { i64::from(u32::MAX) };
    whole / 2 + whole / 2 * part / i64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
