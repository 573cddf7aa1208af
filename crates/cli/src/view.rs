//! What programs get: JSON with stable names. Fields are only ever added. What is not there is null, rates are in bit/s with 0
//! for unlimited, times are RFC 3339 in UTC. There is no field for a key.

use crate::text;
use basalt_control_api::gateway::v1 as api;
use serde::Serialize;
use std::collections::BTreeMap;

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn time(unix_seconds: u64) -> Option<String> {
    (unix_seconds != 0).then(|| text::utc(unix_seconds))
}

/// A subscriber.
#[derive(Serialize)]
pub(crate) struct Subscriber<'a> {
    imsi: &'a str,
    name: Option<&'a str>,
    msisdn: Option<&'a str>,
    state: &'static str,
    algorithm: &'static str,
    amf: &'a str,
    ambr_downlink_bps: u64,
    ambr_uplink_bps: u64,
    apns: Vec<SubscribedApn<'a>>,
}

#[derive(Serialize)]
struct SubscribedApn<'a> {
    apn: &'a str,
    qci: u32,
    priority: u32,
    ambr_downlink_bps: u64,
    ambr_uplink_bps: u64,
    static_ipv4: Option<&'a str>,
    static_ipv6: Option<&'a str>,
    pdn_type: Option<&'a str>,
    framed_routes: &'a [String],
}

impl<'a> From<&'a api::Subscriber> for Subscriber<'a> {
    fn from(from: &'a api::Subscriber) -> Self {
        Self {
            imsi: &from.imsi,
            name: known(&from.name),
            msisdn: known(&from.msisdn),
            state: subscriber_state(from),
            algorithm: algorithm(from),
            amf: &from.amf,
            ambr_downlink_bps: from.ambr_downlink,
            ambr_uplink_bps: from.ambr_uplink,
            apns: from.apns.iter().map(SubscribedApn::from).collect(),
        }
    }
}

impl<'a> From<&'a api::SubscribedApn> for SubscribedApn<'a> {
    fn from(from: &'a api::SubscribedApn) -> Self {
        Self {
            apn: &from.apn,
            qci: from.qci,
            priority: from.priority,
            ambr_downlink_bps: from.ambr_downlink,
            ambr_uplink_bps: from.ambr_uplink,
            static_ipv4: known(&from.static_ipv4),
            static_ipv6: known(&from.static_ipv6),
            pdn_type: known(&from.pdn_type),
            framed_routes: &from.framed_routes,
        }
    }
}

/// A subscriber's state in one word.
pub(crate) fn subscriber_state(subscriber: &api::Subscriber) -> &'static str {
    match subscriber.state() {
        api::SubscriberState::Suspended => "suspended",
        api::SubscriberState::Active | api::SubscriberState::Unspecified => "active",
    }
}

/// A subscriber's authentication algorithm.
pub(crate) fn algorithm(subscriber: &api::Subscriber) -> &'static str {
    match subscriber.algorithm() {
        api::AuthAlgorithm::Tuak => "tuak",
        api::AuthAlgorithm::Milenage | api::AuthAlgorithm::Unspecified => "milenage",
    }
}

/// A phone.
#[derive(Serialize)]
pub(crate) struct Ue<'a> {
    imsi: Option<&'a str>,
    name: Option<&'a str>,
    state: &'a str,
    description: &'a str,
    guti: Option<&'a str>,
    cell: Option<&'a str>,
    area: Option<&'a str>,
    enb: Option<&'a str>,
    ciphering: Option<&'a str>,
    integrity: Option<&'a str>,
    last_seen: Option<String>,
    last_reject: Option<Reject<'a>>,
    sessions: Vec<Session<'a>>,
}

#[derive(Serialize)]
struct Reject<'a> {
    procedure: &'a str,
    emm_cause: Option<u32>,
    esm_cause: Option<u32>,
    reason: &'a str,
    advice: &'a str,
    time: Option<String>,
}

impl<'a> From<&'a api::Ue> for Ue<'a> {
    fn from(from: &'a api::Ue) -> Self {
        Self {
            imsi: known(&from.imsi),
            name: known(&from.name),
            state: &from.state,
            description: &from.description,
            guti: known(&from.guti),
            cell: known(&from.cell),
            area: known(&from.area),
            enb: known(&from.enb),
            ciphering: known(&from.ciphering),
            integrity: known(&from.integrity),
            last_seen: time(from.last_seen),
            last_reject: from.last_reject.as_ref().map(Reject::from),
            sessions: from.sessions.iter().map(Session::from).collect(),
        }
    }
}

impl<'a> From<&'a api::Reject> for Reject<'a> {
    fn from(from: &'a api::Reject) -> Self {
        let cause = |cause: u32| (cause != 0).then_some(cause);
        Self {
            procedure: &from.procedure,
            emm_cause: cause(from.emm_cause),
            esm_cause: cause(from.esm_cause),
            reason: &from.reason,
            advice: &from.advice,
            time: time(from.unix_seconds),
        }
    }
}

/// A session.
#[derive(Serialize)]
pub(crate) struct Session<'a> {
    imsi: Option<&'a str>,
    ebi: u32,
    apn: &'a str,
    address: &'a str,
    state: &'a str,
    qci: u32,
    ambr_downlink_bps: u64,
    ambr_uplink_bps: u64,
    local_teid: Option<&'a str>,
    enb_address: Option<&'a str>,
    enb_teid: Option<&'a str>,
    uplink_bytes: u64,
    uplink_packets: u64,
    downlink_bytes: u64,
    downlink_packets: u64,
}

impl<'a> From<&'a api::Session> for Session<'a> {
    fn from(from: &'a api::Session) -> Self {
        Self {
            imsi: known(&from.imsi),
            ebi: from.ebi,
            apn: &from.apn,
            address: &from.address,
            state: &from.state,
            qci: from.qci,
            ambr_downlink_bps: from.ambr_downlink,
            ambr_uplink_bps: from.ambr_uplink,
            local_teid: known(&from.local_teid),
            enb_address: known(&from.enb_address),
            enb_teid: known(&from.enb_teid),
            uplink_bytes: from.uplink_bytes,
            uplink_packets: from.uplink_packets,
            downlink_bytes: from.downlink_bytes,
            downlink_packets: from.downlink_packets,
        }
    }
}

/// A base station.
#[derive(Serialize)]
pub(crate) struct Enb<'a> {
    id: &'a str,
    name: Option<&'a str>,
    state: &'a str,
    since: Option<String>,
    addresses: &'a [String],
    areas: &'a [String],
    connected_ues: u32,
}

impl<'a> From<&'a api::Enb> for Enb<'a> {
    fn from(from: &'a api::Enb) -> Self {
        Self {
            id: &from.id,
            name: known(&from.name),
            state: &from.state,
            since: time(from.since),
            addresses: &from.addresses,
            areas: &from.areas,
            connected_ues: from.connected_ues,
        }
    }
}

/// A base station and its phones.
#[derive(Serialize)]
pub(crate) struct EnbWithUes<'a> {
    #[serde(flatten)]
    pub(crate) enb: Enb<'a>,
    pub(crate) ues: Vec<Ue<'a>>,
}

/// An address pool.
#[derive(Serialize)]
pub(crate) struct Pool<'a> {
    apn: &'a str,
    network: &'a str,
    free: u32,
    total: u32,
}

impl<'a> From<&'a api::PoolStatus> for Pool<'a> {
    fn from(from: &'a api::PoolStatus) -> Self {
        Self { apn: &from.apn, network: &from.network, free: from.free, total: from.total }
    }
}

/// The gateway.
#[derive(Serialize)]
pub(crate) struct Status<'a> {
    name: &'a str,
    version: &'a str,
    uptime_seconds: u64,
    data_plane: &'a str,
    sctp_backend: &'a str,
    enbs: u32,
    registered_ues: u32,
    connected_ues: u32,
    sessions: u32,
    subscribers: u64,
    uplink_bytes: u64,
    uplink_packets: u64,
    downlink_bytes: u64,
    downlink_packets: u64,
    drops: BTreeMap<&'a str, u64>,
    pools: Vec<Pool<'a>>,
}

impl<'a> From<&'a api::GatewayStatus> for Status<'a> {
    fn from(from: &'a api::GatewayStatus) -> Self {
        Self {
            name: &from.name,
            version: &from.version,
            uptime_seconds: from.uptime_seconds,
            data_plane: &from.data_plane,
            sctp_backend: &from.sctp_backend,
            enbs: from.enbs,
            registered_ues: from.registered_ues,
            connected_ues: from.connected_ues,
            sessions: from.sessions,
            subscribers: from.subscribers,
            uplink_bytes: from.uplink_bytes,
            uplink_packets: from.uplink_packets,
            downlink_bytes: from.downlink_bytes,
            downlink_packets: from.downlink_packets,
            drops: from.drops.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
            pools: from.pools.iter().map(Pool::from).collect(),
        }
    }
}

/// An event.
#[derive(Serialize)]
pub(crate) struct Event<'a> {
    time: String,
    kind: &'a str,
    imsi: Option<&'a str>,
    enb: Option<&'a str>,
    text: &'a str,
    /// Everything the gateway tells about it.
    facts: Option<serde_json::Value>,
}

impl<'a> From<&'a api::Event> for Event<'a> {
    fn from(from: &'a api::Event) -> Self {
        Self {
            time: text::utc_millis(from.unix_millis),
            kind: &from.kind,
            imsi: known(&from.imsi),
            enb: known(&from.enb),
            text: &from.text,
            facts: serde_json::from_str(&from.json).ok(),
        }
    }
}

/// A finding of the doctor.
#[derive(Serialize)]
pub(crate) struct Finding<'a> {
    check: &'a str,
    level: &'static str,
    found: &'a str,
    cause: Option<&'a str>,
    fix: Option<&'a str>,
}

impl<'a> From<&'a api::Finding> for Finding<'a> {
    fn from(from: &'a api::Finding) -> Self {
        Self {
            check: &from.check,
            level: level(from),
            found: &from.found,
            cause: known(&from.cause),
            fix: known(&from.fix),
        }
    }
}

/// How serious a finding is, in one word.
pub(crate) fn level(finding: &api::Finding) -> &'static str {
    match finding.level() {
        api::finding::Level::Ok => "ok",
        api::finding::Level::Warning | api::finding::Level::Unspecified => "warning",
        api::finding::Level::Error => "error",
    }
}

/// Octets and packets of both directions.
#[derive(Serialize)]
pub(crate) struct Volume {
    uplink_bytes: u64,
    uplink_packets: u64,
    downlink_bytes: u64,
    downlink_packets: u64,
}

impl From<Option<api::Volume>> for Volume {
    fn from(from: Option<api::Volume>) -> Self {
        let from = from.unwrap_or_default();
        Self {
            uplink_bytes: from.uplink_bytes,
            uplink_packets: from.uplink_packets,
            downlink_bytes: from.downlink_bytes,
            downlink_packets: from.downlink_packets,
        }
    }
}

/// What a subscriber used.
#[derive(Serialize)]
pub(crate) struct SubscriberUsage<'a> {
    imsi: &'a str,
    day: Volume,
    month: Volume,
    total: Volume,
    plan: Option<DataPlan>,
    last: Option<String>,
    sessions: Vec<SessionUsage<'a>>,
}

impl<'a> From<&'a api::SubscriberUsage> for SubscriberUsage<'a> {
    fn from(from: &'a api::SubscriberUsage) -> Self {
        Self {
            imsi: &from.imsi,
            day: from.day.into(),
            month: from.month.into(),
            total: from.total.into(),
            plan: from.plan.as_ref().map(DataPlan::from),
            last: time(from.last),
            sessions: from.sessions.iter().map(SessionUsage::from).collect(),
        }
    }
}

/// What a session carried.
#[derive(Serialize)]
pub(crate) struct SessionUsage<'a> {
    number: u64,
    apn: &'a str,
    ebi: u32,
    address: &'a str,
    local_teid: &'a str,
    started: Option<String>,
    ended: Option<String>,
    total: Volume,
    bearers: BTreeMap<u32, Volume>,
    rules: BTreeMap<u32, Volume>,
    rating_groups: BTreeMap<u32, Volume>,
}

impl<'a> From<&'a api::SessionUsage> for SessionUsage<'a> {
    fn from(from: &'a api::SessionUsage) -> Self {
        Self {
            number: from.number,
            apn: &from.apn,
            ebi: from.ebi,
            address: &from.address,
            local_teid: &from.local_teid,
            started: time(from.started),
            ended: time(from.ended),
            total: from.total.into(),
            bearers: from.bearers.iter().map(|bearer| (bearer.ebi, bearer.used.into())).collect(),
            rules: from.rules.iter().map(|rule| (rule.rule, rule.used.into())).collect(),
            rating_groups: from.rating_groups.iter().map(|group| (group.rating_group, group.used.into())).collect(),
        }
    }
}

/// A data plan.
#[derive(Serialize)]
pub(crate) struct DataPlan {
    octets: u64,
    term: &'static str,
    /// When it is used up; null for nothing at all.
    slow_bps: Option<u64>,
    remaining: u64,
    exhausted: bool,
}

impl From<&api::DataPlan> for DataPlan {
    fn from(from: &api::DataPlan) -> Self {
        let term = match from.term() {
            api::PlanTerm::Session => "session",
            api::PlanTerm::Day => "day",
            api::PlanTerm::Month | api::PlanTerm::Unspecified => "month",
        };
        Self {
            octets: from.octets,
            term,
            slow_bps: (from.slow != 0).then_some(from.slow),
            remaining: from.remaining,
            exhausted: from.exhausted,
        }
    }
}

/// A page of usage records.
#[derive(Serialize)]
pub(crate) struct UsageRecords<'a> {
    records: Vec<UsageRecord<'a>>,
    next: u64,
    first: u64,
    end: u64,
}

#[derive(Serialize)]
struct UsageRecord<'a> {
    cursor: u64,
    time: Option<String>,
    imsi: &'a str,
    session: u64,
    local_teid: &'a str,
    epoch: u64,
    sequence: u64,
    ebi: Option<u32>,
    rule: Option<u32>,
    rating_group: Option<u32>,
    used: Volume,
    last: bool,
}

impl<'a> From<&'a api::ListUsageRecordsResponse> for UsageRecords<'a> {
    fn from(from: &'a api::ListUsageRecordsResponse) -> Self {
        let records = from.records.iter().map(|record| UsageRecord {
            cursor: record.cursor,
            time: time(record.unix_seconds),
            imsi: &record.imsi,
            session: record.session,
            local_teid: &record.local_teid,
            epoch: record.epoch,
            sequence: record.sequence,
            ebi: (record.ebi != 0).then_some(record.ebi),
            rule: record.rule,
            rating_group: record.rating_group,
            used: record.used.into(),
            last: record.last,
        });
        Self { records: records.collect(), next: from.next, first: from.first, end: from.end }
    }
}
