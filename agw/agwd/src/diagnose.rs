//! The diagnosis of a running gateway: facts copied out of it, judged by [`crate::doctor`] and `basalt-doctor`.

use crate::config::DataplaneMode;
use crate::convert;
use crate::doctor::{self, GatewayFacts, SessionTraffic, UeFacts};
use crate::gateway::Gateway;
use agw_dataplane::PlaneMode;
use agw_types::UeView;
use basalt_control_api::gateway::v1 as api;
use basalt_doctor::{Finding, Wanted};
use basalt_ids::Imsi;

/// Events looked through for base stations that were refused.
const PAST: usize = 500;

/// What the gateway and, if one is named, a phone's way through it look like; with what the machine must provide.
pub fn look(gateway: &mut Gateway, imsi: Option<Imsi>) -> (Wanted, Vec<Finding>) {
    let facts = facts(gateway);
    let view = imsi.and_then(|imsi| gateway.core.ue(imsi));
    let ue = imsi.map(|imsi| UeFacts {
        imsi,
        subscriber: gateway.stored.get(&imsi).map(|subscriber| subscriber.state),
        view: view.as_ref(),
        traffic: view.as_ref().map(|view| traffic(gateway, view)).unwrap_or_default(),
    });
    (doctor::wanted(&gateway.effective), doctor::findings(&facts, ue.as_ref()))
}

/// Checks the machine, which may take its time (a disk is written to, modules are loaded), and adds what the gateway found.
pub fn diagnosis(wanted: &Wanted, own: Vec<Finding>) -> api::Diagnosis {
    let findings = basalt_doctor::machine_findings(wanted).into_iter().chain(own);
    api::Diagnosis { findings: findings.map(Into::into).collect() }
}

fn facts(gateway: &mut Gateway) -> GatewayFacts {
    let status = convert::status(gateway);
    let (data_plane_errors, unreleased) = gateway.troubles();
    let interfaces = gateway.dataplane.interfaces();
    let refused = gateway.events.watch("", PAST).0.into_iter().filter(|line| line.kind == "enb-refused");
    GatewayFacts {
        data_plane: gateway.dataplane.mode().name(),
        data_plane_why: why_not_best(gateway),
        nat: gateway.effective.egress == crate::config::EgressMode::Nat,
        subscribers: status.subscribers,
        enbs: status.enbs,
        refused_enbs: refused.map(|line| line.text).collect(),
        sessions: status.sessions,
        uplink_packets: status.uplink_packets,
        downlink_packets: status.downlink_packets,
        drops: convert::drops(gateway).collect(),
        data_plane_errors,
        pools: status.pools.into_iter().map(|pool| (pool.apn, pool.free, pool.total)).collect(),
        unreleased,
        renamed: interfaces.iter().any(|interface| interface.name != interface.configured),
        interfaces: interfaces.into_iter().map(judged).collect(),
    }
}

fn judged(interface: agw_dataplane::Interface) -> (String, bool, String) {
    let (up, what) = crate::reports::became(&interface);
    (interface.name, up, what)
}

/// Why the packet path is not the best one, when nobody asked for less.
pub fn why_not_best(gateway: &Gateway) -> Option<String> {
    if gateway.effective.dataplane != DataplaneMode::Auto {
        return None;
    }
    match gateway.dataplane.mode() {
        PlaneMode::XdpNative | PlaneMode::Memory => None,
        PlaneMode::XdpGeneric => {
            Some("the driver or the MTU of an interface does not allow XDP in native mode".to_owned())
        }
        PlaneMode::Software => Some("XDP could not be set up at start; the log says why".to_owned()),
    }
}

fn traffic(gateway: &Gateway, view: &UeView) -> Vec<SessionTraffic> {
    let sessions = view.sessions.iter().map(|session| {
        let usage = gateway.dataplane.usage(session.local.1, session.address).unwrap_or_default();
        SessionTraffic {
            ebi: session.ebi,
            uplink_packets: usage.uplink_packets,
            downlink_packets: usage.downlink_packets,
        }
    });
    sessions.collect()
}
