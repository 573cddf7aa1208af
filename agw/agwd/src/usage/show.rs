//! Usage as the control API tells it.

use super::plans::remaining;
use super::stored::{StoredPart, StoredRecord, StoredSession, StoredTerm, StoredVolume};
use crate::gateway::Gateway;
use agw_types::RATING_GROUP;
use basalt_control_api::gateway::v1 as api;
use basalt_ids::{Imsi, Teid};
use basalt_store::Batch;
use std::ops::Bound;

fn volume(volume: StoredVolume) -> Option<api::Volume> {
    Some(api::Volume {
        uplink_bytes: volume.uplink_bytes,
        uplink_packets: volume.uplink_packets,
        downlink_bytes: volume.downlink_bytes,
        downlink_packets: volume.downlink_packets,
    })
}

/// What one subscriber used, without its sessions.
fn sums(gateway: &Gateway, imsi: Imsi) -> api::SubscriberUsage {
    let usage = gateway.usage.accounts.subscriber(imsi, gateway.now().unix_secs);
    api::SubscriberUsage {
        imsi: imsi.to_string(),
        total: volume(usage.total),
        day: volume(usage.of_day),
        month: volume(usage.of_month),
        plan: state(gateway, imsi),
        sessions: Vec::new(),
        last: usage.last,
    }
}

/// A subscriber's plan and how far it is used; `None` without one.
#[must_use]
pub fn state(gateway: &Gateway, imsi: Imsi) -> Option<api::DataPlan> {
    let plan = gateway.usage.accounts.plans.get(&imsi)?;
    let term = match plan.term {
        StoredTerm::Session => api::PlanTerm::Session,
        StoredTerm::Day => api::PlanTerm::Day,
        StoredTerm::Month => api::PlanTerm::Month,
    };
    let remaining = remaining(gateway, imsi).unwrap_or(0);
    Some(api::DataPlan {
        octets: plan.octets,
        term: term.into(),
        slow: plan.slow.unwrap_or(0),
        remaining,
        exhausted: gateway.usage.exhausted.contains(&imsi) || remaining == 0,
    })
}

/// One subscriber with its sessions, the latest first; `None` if it never used anything and has no plan.
#[must_use]
pub fn of(gateway: &Gateway, imsi: Imsi) -> Option<api::SubscriberUsage> {
    let accounts = &gateway.usage.accounts;
    let known = accounts.subscribers.contains_key(&imsi)
        || accounts.plans.contains_key(&imsi)
        || accounts.sessions_of(imsi).next().is_some();
    known.then(|| api::SubscriberUsage {
        sessions: accounts.sessions_of(imsi).map(show_session).collect(),
        ..sums(gateway, imsi)
    })
}

fn show_session(session: &StoredSession) -> api::SessionUsage {
    api::SessionUsage {
        number: session.number,
        apn: session.apn.clone(),
        ebi: session.ebi.into(),
        address: session.address.clone(),
        local_teid: Teid(session.teid).to_string(),
        started: session.started,
        ended: session.ended.unwrap_or(0),
        total: volume(session.total),
        bearers: session
            .bearers
            .iter()
            .map(|(ebi, used)| api::BearerUsage { ebi: (*ebi).into(), used: volume(*used) })
            .collect(),
        rules: of_rules(session, false).map(|(rule, used)| api::RuleUsage { rule, used }).collect(),
        rating_groups: of_rules(session, true)
            .map(|(rating_group, used)| api::RatingGroupUsage { rating_group, used })
            .collect(),
    }
}

/// What rules carried, or else rating groups, by number.
fn of_rules(session: &StoredSession, groups: bool) -> impl Iterator<Item = (u32, Option<api::Volume>)> {
    let of = session.rules.iter().filter(move |(number, _)| (*number >= RATING_GROUP) == groups);
    of.map(|(number, used)| (number & !RATING_GROUP, volume(*used)))
}

/// A page of subscribers that used something, and the IMSI to go on after.
#[must_use]
pub fn list(gateway: &Gateway, after: Option<Imsi>, size: usize) -> (Vec<api::SubscriberUsage>, String) {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let page = gateway.usage.accounts.subscribers.range((from, Bound::Unbounded)).take(size);
    let shown: Vec<api::SubscriberUsage> = page.map(|(imsi, _)| sums(gateway, *imsi)).collect();
    let next = if shown.len() == size {
        shown.last().map(|usage| usage.imsi.clone()).unwrap_or_default()
    } else {
        String::new()
    };
    (shown, next)
}

/// Records from a cursor on, after those before `acknowledged` were dropped for good.
pub fn page(gateway: &mut Gateway, from: u64, acknowledged: u64, size: usize) -> api::ListUsageRecordsResponse {
    let mut batch = Batch::new();
    gateway.usage.accounts.acknowledge(acknowledged, &mut batch);
    gateway.save(batch, Box::new(|_| {}));
    let accounts = &gateway.usage.accounts;
    let (first, end) = (accounts.numbers.first, accounts.durable);
    let kept = accounts.records.range(from.min(end)..end).take(size);
    let records: Vec<api::UsageRecord> = kept.map(|(_, record)| show_record(record)).collect();
    let next = records.last().map_or(from.max(first).min(end), |last| last.cursor + 1);
    api::ListUsageRecordsResponse { records, next, first, end }
}

fn show_record(record: &StoredRecord) -> api::UsageRecord {
    let (ebi, rule, rating_group) = match record.part {
        StoredPart::Session => (0, None, None),
        StoredPart::Bearer(ebi) => (ebi.into(), None, None),
        StoredPart::Rule(rule) if rule >= RATING_GROUP => (0, None, Some(rule & !RATING_GROUP)),
        StoredPart::Rule(rule) => (0, Some(rule), None),
    };
    api::UsageRecord {
        cursor: record.cursor,
        session: record.session,
        imsi: record.imsi.to_string(),
        local_teid: Teid(record.teid).to_string(),
        epoch: record.epoch,
        sequence: record.sequence,
        ebi,
        rule,
        rating_group,
        unix_seconds: record.unix_secs,
        used: volume(record.used),
        last: record.last,
    }
}

/// Whether there are durable records that nobody has acknowledged.
#[must_use]
pub fn is_waiting(gateway: &Gateway) -> bool {
    let accounts = &gateway.usage.accounts;
    accounts.records.range(..accounts.durable).next().is_some()
}

/// The oldest durable records that nobody has acknowledged, as the orchestrator is told: numbered by cursor, from 1.
#[must_use]
pub fn waiting(gateway: &Gateway, most: usize) -> Vec<basalt_cloud_sync::UsageRecord> {
    let accounts = &gateway.usage.accounts;
    let record = |record: &StoredRecord| {
        let part = match record.part {
            StoredPart::Session => String::new(),
            StoredPart::Bearer(ebi) => format!("/bearer/{ebi}"),
            StoredPart::Rule(rule) if rule >= RATING_GROUP => format!("/group/{}", rule & !RATING_GROUP),
            StoredPart::Rule(rule) => format!("/rule/{rule}"),
        };
        basalt_cloud_sync::UsageRecord {
            number: record.cursor + 1,
            session: format!("{}{part}", record.session),
            epoch: record.epoch,
            sequence: record.sequence,
            imsi: record.imsi.to_string(),
            apn: accounts.session(Teid(record.teid)).map(|session| session.apn.clone()).unwrap_or_default(),
            from: 0,
            to: record.unix_secs.saturating_mul(1000),
            uplink_bytes: record.used.uplink_bytes,
            downlink_bytes: record.used.downlink_bytes,
            uplink_packets: record.used.uplink_packets,
            downlink_packets: record.used.downlink_packets,
            last: record.last,
        }
    };
    accounts.records.range(..accounts.durable).take(most).map(|(_, it)| record(it)).collect()
}
