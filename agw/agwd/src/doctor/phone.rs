//! One phone's way: is it known, attached, does it have a session, do its packets leave and come back.

use super::gateway::way_back_fix;
use super::{GatewayFacts, UeFacts};
use agw_types::{SubscriberState, UeState, UeView};
use basalt_doctor::Finding;

/// Uplink packets without any answer before that is worth a word: a ping and a few name queries.
const UNANSWERED: u64 = 5;

pub(super) fn findings(facts: &GatewayFacts, ue: &UeFacts<'_>) -> Vec<Finding> {
    let mut findings = vec![known(ue), attached(facts, ue)];
    if let Some(view) = ue.view.filter(|view| is_attached(view.state)) {
        findings.push(session(view));
        if !view.sessions.is_empty() {
            findings.push(uplink(view, ue));
            findings.push(downlink(facts, ue));
        }
    }
    findings
}

const fn is_attached(state: UeState) -> bool {
    matches!(state, UeState::Connected | UeState::Idle | UeState::Paging)
}

fn known(ue: &UeFacts<'_>) -> Finding {
    let (check, imsi) = ("phone-subscriber", ue.imsi);
    match ue.subscriber {
        Some(SubscriberState::Active) => Finding::ok(check, format!("{imsi} may use the network")),
        Some(SubscriberState::Suspended) => Finding::error(
            check,
            format!("{imsi} is suspended"),
            "an operator has switched it off",
            format!("basalt subscriber resume {imsi}"),
        ),
        None => Finding::error(
            check,
            format!("{imsi} is not in the list"),
            "the gateway refuses SIMs it does not know",
            format!("basalt subscriber add {imsi} --keys-from-stdin; compare the digits with those on the SIM"),
        ),
    }
}

fn attached(facts: &GatewayFacts, ue: &UeFacts<'_>) -> Finding {
    let check = "phone-attached";
    let Some(view) = ue.view else {
        let fix = if facts.enbs == 0 {
            "connect a base station first: see base-stations"
        } else {
            "switch flight mode off and on; check coverage, that the SIM sits well, and that the phone may use this network (PLMN, band)"
        };
        return Finding::error(check, "this phone was never heard of", "no message of it has reached the gateway", fix);
    };
    if is_attached(view.state) {
        return Finding::ok(check, view.description.clone());
    }
    match &view.last_reject {
        Some(reject) if !reject.advice.is_empty() => {
            let found = format!("{}; last refused: {}", view.description, reject.procedure);
            Finding::error(check, found, reject.reason.clone(), reject.advice.clone())
        }
        Some(reject) => {
            let found = format!("{}; last refused: {}", view.description, reject.procedure);
            Finding::error(
                check,
                found,
                reject.reason.clone(),
                "switch flight mode off and on, and watch `basalt events -f`",
            )
        }
        None if view.state == UeState::Attaching => Finding::warning(
            check,
            view.description.clone(),
            "the attach is on its way",
            "look again in some seconds; `basalt events -f` shows how it ends",
        ),
        None => Finding::error(
            check,
            view.description.clone(),
            "it has left, was detached, or was not heard of for too long",
            "switch it on, or flight mode off",
        ),
    }
}

fn session(view: &UeView) -> Finding {
    let check = "phone-session";
    if view.sessions.is_empty() {
        return Finding::error(
            check,
            "attached without a session",
            "it has no address, so it can send nothing",
            "check the APN in the phone: it must be one of the subscriber's (`basalt subscriber show`), of type IPv4",
        );
    }
    let sessions: Vec<String> =
        view.sessions.iter().map(|session| format!("{} in {}", session.address, session.apn)).collect();
    Finding::ok(check, sessions.join(", "))
}

fn uplink(view: &UeView, ue: &UeFacts<'_>) -> Finding {
    let check = "phone-uplink";
    let packets: u64 = ue.traffic.iter().map(|session| session.uplink_packets).sum();
    if packets > 0 {
        return Finding::ok(check, format!("{packets} packets from the phone"));
    }
    if view.state != UeState::Connected {
        return Finding::ok(check, "no packet from the phone yet; it is idle");
    }
    Finding::warning(
        check,
        "connected, but no packet from the phone",
        "either it sends nothing, or its packets do not reach the gateway in the tunnel",
        "open a page on it; if the count stays: UDP 2152 from the base station must pass every firewall, and the base station must \
         have a route to the gateway's user plane address (`basalt config`, user_plane)",
    )
}

fn downlink(facts: &GatewayFacts, ue: &UeFacts<'_>) -> Finding {
    let check = "phone-downlink";
    let up: u64 = ue.traffic.iter().map(|session| session.uplink_packets).sum();
    let down: u64 = ue.traffic.iter().map(|session| session.downlink_packets).sum();
    let found = format!("{down} packets to the phone");
    if down > 0 || up < UNANSWERED {
        return Finding::ok(check, found);
    }
    if facts.downlink_packets > 0 {
        return Finding::warning(
            check,
            format!("{found}, {up} from it"),
            "others get answers, this phone does not",
            "ping 9.9.9.9 from it: if that works, its DNS is wrong; if not, look for its address in firewalls beyond the gateway",
        );
    }
    Finding::error(
        check,
        format!("{found}, {up} from it"),
        "its packets go out, and none comes back",
        way_back_fix(facts.nat),
    )
}

#[cfg(test)]
mod tests {
    use super::super::SessionTraffic;
    use super::*;
    use agw_types::{Ambr, Arp, BearerQos, RejectInfo, Session, UeAddress};
    use basalt_doctor::{Level, worst};
    use basalt_ids::{Ebi, Qci, Teid};
    use std::net::Ipv4Addr;

    fn view(state: UeState) -> UeView {
        UeView {
            imsi: "001010000000001".parse().ok(),
            state,
            description: "in words".to_owned(),
            guti: None,
            cell: None,
            area: None,
            enb: None,
            ciphering: Some(2),
            integrity: Some(2),
            sessions: vec![Session {
                ebi: Ebi::FIRST,
                apn: "internet".parse().unwrap(),
                address: UeAddress::Ipv4(Ipv4Addr::new(10, 45, 0, 2)),
                framed_routes: Vec::new(),
                qos: BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: true } },
                ambr: Ambr { uplink: 1, downlink: 1 },
                local: (Ipv4Addr::LOCALHOST.into(), Teid(1)),
                remote: None,
                confirmed: true,
                rules: Vec::new(),
                bearers: Vec::new(),
            }],
            last_seen: 0,
            last_reject: None,
        }
    }

    fn facts(view: Option<&UeView>, up: u64, down: u64) -> UeFacts<'_> {
        UeFacts {
            imsi: "001010000000001".parse().unwrap(),
            subscriber: Some(SubscriberState::Active),
            view,
            traffic: vec![SessionTraffic { ebi: Ebi::FIRST, uplink_packets: up, downlink_packets: down }],
        }
    }

    fn named(findings: &[Finding], check: &str) -> Finding {
        findings.iter().find(|finding| finding.check == check).unwrap().clone()
    }

    #[test]
    fn a_phone_that_works_has_no_complaints() {
        let view = view(UeState::Connected);
        let findings = findings(&GatewayFacts::default(), &facts(Some(&view), 10, 10));
        assert_eq!(findings.len(), 5);
        assert_eq!(worst(&findings), Level::Ok);
        assert_eq!(named(&findings, "phone-session").found, "10.45.0.2 in internet");
    }

    #[test]
    fn an_unknown_or_suspended_sim_is_named() {
        let mut ue = facts(None, 0, 0);
        ue.subscriber = Some(SubscriberState::Suspended);
        assert!(known(&ue).fix.contains("subscriber resume 001010000000001"));
        ue.subscriber = None;
        assert!(known(&ue).fix.contains("subscriber add"));
    }

    #[test]
    fn a_phone_never_heard_of_needs_a_base_station_first() {
        let ue = facts(None, 0, 0);
        let alone = findings(&GatewayFacts::default(), &ue);
        assert!(named(&alone, "phone-attached").fix.contains("base station first"));
        let covered = findings(&GatewayFacts { enbs: 1, ..GatewayFacts::default() }, &ue);
        assert!(named(&covered, "phone-attached").fix.contains("flight mode"));
        assert_eq!(covered.len(), 2, "there is no session to look at");
    }

    #[test]
    fn the_last_refusal_is_the_advice() {
        let mut view = view(UeState::Detached);
        view.last_reject = Some(RejectInfo {
            imsi: None,
            procedure: "attach".to_owned(),
            emm_cause: Some(20),
            esm_cause: None,
            reason: "MAC failure".to_owned(),
            advice: "compare K and OPc with the SIM".to_owned(),
            unix_secs: 0,
        });
        let finding = attached(&GatewayFacts::default(), &facts(Some(&view), 0, 0));
        assert_eq!((finding.cause.as_str(), finding.fix.as_str()), ("MAC failure", "compare K and OPc with the SIM"));
    }

    #[test]
    fn attached_but_no_internet() {
        let view = view(UeState::Connected);
        let nobody = GatewayFacts { nat: true, ..GatewayFacts::default() };
        let alone = findings(&nobody, &facts(Some(&view), 50, 0));
        assert_eq!(named(&alone, "phone-downlink").level, Level::Error);
        assert!(named(&alone, "phone-downlink").fix.contains("forward-filter"));
        let others = GatewayFacts { downlink_packets: 1_000, ..nobody };
        assert!(named(&findings(&others, &facts(Some(&view), 50, 0)), "phone-downlink").fix.contains("DNS"));
        let silent = findings(&others, &facts(Some(&view), 0, 0));
        assert!(named(&silent, "phone-uplink").fix.contains("2152"));
    }

    #[test]
    fn idle_phones_send_nothing_and_that_is_well() {
        let view = view(UeState::Idle);
        let findings = findings(&GatewayFacts::default(), &facts(Some(&view), 0, 0));
        assert_eq!(worst(&findings), Level::Ok);
    }

    #[test]
    fn without_a_session_the_apn_is_suspect() {
        let mut view = view(UeState::Connected);
        view.sessions.clear();
        let findings = findings(&GatewayFacts::default(), &facts(Some(&view), 0, 0));
        assert!(named(&findings, "phone-session").fix.contains("APN"));
        assert_eq!(findings.len(), 3);
    }
}
