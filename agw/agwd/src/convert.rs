//! From the gateway's values to those of the control API and of the gauges.

use crate::gateway::Gateway;
use agw_core::EnbView;
use agw_dataplane::{InterfaceState, Side};
use agw_types::{Ambr, RejectInfo, Session, Tunnel, UeState, UeView};
use basalt_control_api::gateway::v1 as api;
use basalt_ids::{Ebi, GlobalEnbId, Imsi};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A page of a map in order of IMSI.
pub fn page<T>(map: &BTreeMap<Imsi, T>, after: Option<Imsi>, size: usize) -> Vec<(&Imsi, &T)> {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range((from, Bound::Unbounded)).take(size).collect()
}

/// What runs here, and how.
pub fn status(gateway: &mut Gateway) -> api::GatewayStatus {
    let counts = gateway.core.counts();
    let now = gateway.now();
    let connected = gateway.core.enbs().map(|enb| enb.connected_ues).sum();
    let registered = counts.ues.saturating_sub(counts.half_open);
    let pools = gateway.core.address_room(now).into_iter();
    let usage = gateway.usage();
    api::GatewayStatus {
        version: crate::version::version().to_owned(),
        name: gateway.effective.gateway.name.clone(),
        data_plane: gateway.dataplane.mode().name().to_owned(),
        sctp_backend: gateway.carrier.to_owned(),
        uptime_seconds: gateway.uptime_seconds(),
        enbs: counts.enbs,
        registered_ues: registered,
        connected_ues: connected,
        sessions: counts.sessions,
        subscribers: gateway.stored.len() as u64,
        effective_config: gateway.effective.to_toml(),
        uplink_bytes: usage.uplink_bytes,
        downlink_bytes: usage.downlink_bytes,
        uplink_packets: usage.uplink_packets,
        downlink_packets: usage.downlink_packets,
        drops: drops(gateway).map(|(reason, count)| (reason.to_owned(), count)).collect(),
        pools: pools
            .map(|(apn, network, free, total)| api::PoolStatus {
                apn: apn.to_string(),
                free,
                total,
                network: network.to_string(),
            })
            .collect(),
    }
}

/// Dropped packets by reason; reasons that never happened are left out.
pub fn drops(gateway: &Gateway) -> impl Iterator<Item = (&'static str, u64)> {
    gateway.dataplane.drops().into_iter().filter(|(_, count)| *count > 0).map(|(reason, count)| (reason.name(), count))
}

/// Brings gauges up to date.
pub fn refresh(gateway: &mut Gateway) {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let status = status(gateway);
    let metrics = &gateway.metrics;
    metrics.enbs.set(status.enbs.into());
    metrics.sessions.set(status.sessions.into());
    metrics.subscribers.set(number(status.subscribers));
    let mut by_state: BTreeMap<&str, i64> = STATES.iter().map(|state| (state_name(*state), 0)).collect();
    for ue in gateway.core.ues() {
        *by_state.entry(state_name(ue.state)).or_default() += 1;
    }
    for (state, count) in by_state {
        metrics.ues.with_label_values(&[state]).set(count);
    }
    for pool in &status.pools {
        for (state, count) in [("free", pool.free), ("used", pool.total - pool.free)] {
            metrics.addresses.with_label_values(&[pool.apn.as_str(), pool.network.as_str(), state]).set(count.into());
        }
    }
    metrics.bytes.with_label_values(&["uplink"]).set(number(status.uplink_bytes));
    metrics.bytes.with_label_values(&["downlink"]).set(number(status.downlink_bytes));
    metrics.packets.with_label_values(&["uplink"]).set(number(status.uplink_packets));
    metrics.packets.with_label_values(&["downlink"]).set(number(status.downlink_packets));
    // All of them from the start, so that whoever watches sees the first one, too.
    for (reason, count) in gateway.dataplane.drops() {
        metrics.drops.with_label_values(&[reason.name()]).set(number(count));
    }
    for (table, used, room) in gateway.dataplane.occupancy() {
        metrics.table_entries.with_label_values(&[table, "used"]).set(number(used));
        metrics.table_entries.with_label_values(&[table, "free"]).set(number(room.saturating_sub(used)));
    }
    let (paths, down) = gateway.dataplane.paths();
    metrics.paths.with_label_values(&["up"]).set(number(paths.saturating_sub(down) as u64));
    metrics.paths.with_label_values(&["down"]).set(number(down as u64));
    for interface in gateway.dataplane.interfaces() {
        let side = match interface.side {
            Side::Radio => "radio",
            Side::Internet => "internet",
        };
        metrics.interfaces.with_label_values(&[side]).set(i64::from(interface.state == InterfaceState::Up));
    }
    let total = gateway.usage.accounts.total();
    metrics.usage_bytes.with_label_values(&["uplink"]).set(number(total.uplink_bytes));
    metrics.usage_bytes.with_label_values(&["downlink"]).set(number(total.downlink_bytes));
    metrics.usage_records.set(number(gateway.usage.accounts.unacknowledged() as u64));
    if let Some(spans) = gateway.calls.spans() {
        let figures = spans.figures();
        for (outcome, count) in [("told", figures.told), ("dropped", figures.dropped), ("delayed", figures.failures)] {
            metrics.spans.with_label_values(&[outcome]).set(number(count));
        }
    }
    let what = [status.version.as_str(), status.data_plane.as_str(), status.sctp_backend.as_str()];
    metrics.info.with_label_values(&what).set(1);
}

const STATES: [UeState; 6] =
    [UeState::Attaching, UeState::Connected, UeState::Idle, UeState::Paging, UeState::Detaching, UeState::Detached];

const fn state_name(state: UeState) -> &'static str {
    match state {
        UeState::Attaching => "attaching",
        UeState::Connected => "connected",
        UeState::Idle => "idle",
        UeState::Paging => "paging",
        UeState::Detaching => "detaching",
        UeState::Detached => "detached",
    }
}

/// A page of phones and the IMSI to go on after.
pub fn ues(gateway: &Gateway, after: Option<Imsi>, size: usize) -> (Vec<api::Ue>, String) {
    let all: BTreeMap<Imsi, UeView> = gateway.core.ues().filter_map(|view| Some((view.imsi?, view))).collect();
    let shown: Vec<api::Ue> = page(&all, after, size).into_iter().map(|(_, view)| show_ue(gateway, view)).collect();
    let next =
        if shown.len() == size { shown.last().map(|ue| ue.imsi.clone()).unwrap_or_default() } else { String::new() };
    (shown, next)
}

/// One phone.
pub fn ue(gateway: &Gateway, imsi: Imsi) -> Option<api::Ue> {
    gateway.core.ue(imsi).map(|view| show_ue(gateway, &view))
}

/// True when a phone is attached or on its way.
pub fn is_attached(gateway: &Gateway, imsi: Imsi) -> bool {
    gateway.core.ue(imsi).is_some_and(|view| view.state != UeState::Detached)
}

fn show_ue(gateway: &Gateway, view: &UeView) -> api::Ue {
    let text = |value: Option<String>| value.unwrap_or_default();
    let imsi = view.imsi;
    let sessions = view.sessions.iter().filter_map(|session| Some(show_session(gateway, imsi?, session)));
    api::Ue {
        imsi: text(imsi.map(|imsi| imsi.to_string())),
        state: state_name(view.state).to_owned(),
        description: view.description.clone(),
        guti: text(view.guti.map(|guti| guti.to_string())),
        cell: text(view.cell.map(|cell| cell.to_string())),
        area: text(view.area.map(|area| area.to_string())),
        enb: text(view.enb.map(|enb| enb.to_string())),
        ciphering: text(view.ciphering.map(|number| format!("EEA{number}"))),
        integrity: text(view.integrity.map(|number| format!("EIA{number}"))),
        sessions: sessions.collect(),
        last_seen: view.last_seen,
        last_reject: view.last_reject.as_ref().map(show_reject),
        name: text(imsi.and_then(|imsi| gateway.stored.get(&imsi)).map(|subscriber| subscriber.name.clone())),
    }
}

fn show_reject(info: &RejectInfo) -> api::Reject {
    api::Reject {
        procedure: info.procedure.clone(),
        emm_cause: info.emm_cause.unwrap_or(0).into(),
        esm_cause: info.esm_cause.unwrap_or(0).into(),
        reason: info.reason.clone(),
        advice: info.advice.clone(),
        unix_seconds: info.unix_secs,
    }
}

fn show_session(gateway: &Gateway, imsi: Imsi, session: &Session) -> api::Session {
    let unlimited = |rate: u64| if rate == u64::MAX { 0 } else { rate };
    let usage = gateway.dataplane.usage(session.local.1, session.address).unwrap_or_default();
    let (enb_address, enb_teid) =
        session.remote.map(|(address, teid)| (address.to_string(), teid.to_string())).unwrap_or_default();
    api::Session {
        imsi: imsi.to_string(),
        ebi: session.ebi.value().into(),
        apn: session.apn.to_string(),
        address: session.address.to_string(),
        state: if session.remote.is_some() { "connected" } else { "idle" }.to_owned(),
        local_teid: session.local.1.to_string(),
        enb_address,
        enb_teid,
        qci: session.qos.qci.0.into(),
        ambr_uplink: unlimited(session.ambr.uplink),
        ambr_downlink: unlimited(session.ambr.downlink),
        uplink_bytes: usage.uplink_bytes,
        uplink_packets: usage.uplink_packets,
        downlink_bytes: usage.downlink_bytes,
        downlink_packets: usage.downlink_packets,
        bearers: show_bearers(gateway, session),
    }
}

fn show_bearers(gateway: &Gateway, session: &Session) -> Vec<api::Bearer> {
    if session.bearers.is_empty() {
        return Vec::new();
    }
    let parts = gateway.dataplane.parts(session.local.1, session.address).unwrap_or_default();
    let shown = session.bearers.iter().map(|bearer| {
        let volume = parts.bearers.get(&bearer.ebi).copied().unwrap_or_default();
        let (enb_address, enb_teid) =
            bearer.remote.map(|(address, teid)| (address.to_string(), teid.to_string())).unwrap_or_default();
        let state = match (bearer.confirmed, bearer.remote) {
            (false, _) => "being set up",
            (true, None) => "idle",
            (true, Some(_)) => "active",
        };
        api::Bearer {
            ebi: bearer.ebi.value().into(),
            qci: bearer.qos.qci.0.into(),
            priority: bearer.qos.arp.priority.into(),
            gbr_uplink: bearer.rates.map_or(0, |rates| rates.guaranteed.uplink),
            gbr_downlink: bearer.rates.map_or(0, |rates| rates.guaranteed.downlink),
            mbr_uplink: bearer.rates.map_or(0, |rates| rates.maximum.uplink),
            mbr_downlink: bearer.rates.map_or(0, |rates| rates.maximum.downlink),
            local_teid: bearer.local.1.to_string(),
            enb_address,
            enb_teid,
            state: state.to_owned(),
            uplink_bytes: volume.uplink_bytes,
            uplink_packets: volume.uplink_packets,
            downlink_bytes: volume.downlink_bytes,
            downlink_packets: volume.downlink_packets,
        }
    });
    shown.collect()
}

/// A page of sessions, whole phones at a time, and the IMSI to go on after.
pub fn sessions(gateway: &Gateway, after: Option<Imsi>, size: usize) -> (Vec<api::Session>, String) {
    let mut all: BTreeMap<Imsi, Vec<&Session>> = BTreeMap::new();
    for (imsi, session) in gateway.core.sessions() {
        all.entry(imsi).or_default().push(session);
    }
    let pages = page(&all, after, size);
    let next = if pages.len() == size {
        pages.last().map(|(imsi, _)| imsi.to_string()).unwrap_or_default()
    } else {
        String::new()
    };
    let shown =
        pages.into_iter().flat_map(|(imsi, held)| held.iter().map(|session| show_session(gateway, *imsi, session)));
    (shown.collect(), next)
}

/// Base stations.
pub fn enbs(gateway: &Gateway) -> Vec<api::Enb> {
    gateway.core.enbs().map(|enb| show_enb(gateway, enb)).collect()
}

fn show_enb(gateway: &Gateway, enb: EnbView) -> api::Enb {
    let phones = if enb.connected_ues == 1 { "phone" } else { "phones" };
    api::Enb {
        id: enb.enb.to_string(),
        name: enb.name.unwrap_or_default(),
        addresses: enb.peer.iter().map(ToString::to_string).collect(),
        areas: enb.areas.iter().map(ToString::to_string).collect(),
        connected_ues: enb.connected_ues,
        state: format!("S1 set up, {} {phones} connected", enb.connected_ues),
        since: gateway.enb_since(enb.enb),
    }
}

/// The base station that is shown by this name or by this identity.
pub fn enb_named(gateway: &Gateway, wanted: &str) -> Option<GlobalEnbId> {
    let mut enbs = gateway.core.enbs();
    enbs.find(|enb| enb.enb.to_string() == wanted || enb.name.as_deref() == Some(wanted)).map(|enb| enb.enb)
}

const UNLIMITED: Ambr = Ambr { uplink: u64::MAX, downlink: u64::MAX };

/// What the data plane holds, with the subscribers that the sessions name; a tunnel of nobody gets nobody's IMSI.
pub fn installed(gateway: &Gateway) -> Vec<Tunnel> {
    let owners: BTreeMap<_, Tunnel> = gateway.core.tunnels().map(|tunnel| (tunnel.teid, tunnel)).collect();
    let Ok(nobody) = Imsi::new(0, 15) else { return Vec::new() };
    let tunnels = gateway.dataplane.installed().into_iter().map(|found| {
        let owner = owners.get(&found.teid);
        Tunnel {
            teid: found.teid,
            address: found.address,
            framed_routes: found.framed_routes,
            ebi: found.ebi.or(owner.map(|owner| owner.ebi)).unwrap_or(Ebi::FIRST),
            imsi: owner.map_or(nobody, |owner| owner.imsi),
            state: found.state,
            // Rates are not compared but set anew (`tables::check`): those in the tables are rounded.
            ambr: owner.map_or(UNLIMITED, |owner| owner.ambr),
            ue_ambr: owner.and_then(|owner| owner.ue_ambr),
        }
    });
    tunnels.collect()
}

/// Who had a port, for the control API.
pub fn port_holder(holder: agw_dataplane::blocklog::Holder) -> api::PortHolder {
    api::PortHolder {
        imsi: holder.imsi.to_string(),
        inside: holder.inside.to_string(),
        first_port: holder.ports.0.into(),
        last_port: holder.ports.1.into(),
        since: holder.since,
        until: holder.until.unwrap_or(0),
    }
}
