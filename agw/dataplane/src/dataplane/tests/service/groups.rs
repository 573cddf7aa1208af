//! Rating groups: rules that are counted together and share a quota.

use super::*;
use crate::limits::Limits;
use agw_types::{Ambr, FlowRule, Gate, RATING_GROUP, SdfFilter, SessionService};
use std::time::Duration;

const GROUP: u32 = 40;
const TOGETHER: u32 = RATING_GROUP | GROUP;

fn of_group(id: u32, port: u16) -> Rule {
    Rule { remote_ports: Some((port, port)), group: Some(GROUP), ..Rule::any(id, id) }
}

fn two_and_one() -> Service {
    let other = Rule { remote_ports: Some((22, 22)), ..Rule::any(3, 3) };
    Service { rules: vec![of_group(1, 80), of_group(2, 443), other], ..Service::default() }
}

fn to(port: u16) -> Vec<u8> {
    Seen { remote_port: port, ..WEB }.packet(true, 60)
}

fn from(port: u16) -> Vec<u8> {
    Seen { remote_port: port, ..WEB }.packet(false, 60)
}

fn allow(plane: &Dataplane, counted: u64, octets: u64) {
    let quota = Some(Allowance { octets, threshold: 150 });
    plane.allow_group((DEFAULT, UE.into()), GROUP, counted, quota).unwrap();
}

fn counted(plane: &Dataplane) -> u64 {
    plane.parts(DEFAULT, UE).unwrap().rules[&TOGETHER].octets()
}

#[test]
fn rules_of_a_group_share_its_quota() {
    let plane = plane();
    let mut reports = plane.reports().unwrap();
    plane.serve(DEFAULT, UE, &two_and_one()).unwrap();
    up(&plane, DEFAULT, &to(80)).unwrap();
    assert_eq!(counted(&plane), 100);
    allow(&plane, 0, 400);
    up(&plane, DEFAULT, &to(443)).unwrap();
    down(&plane, &from(80)).unwrap();
    down(&plane, &from(443)).unwrap();
    for port in [80, 443] {
        assert_eq!(up(&plane, DEFAULT, &to(port)), Err(DropReason::QuotaExhausted));
        assert_eq!(down(&plane, &from(port)), Err(DropReason::QuotaExhausted));
    }
    up(&plane, DEFAULT, &to(22)).unwrap();
    let parts = plane.parts(DEFAULT, UE).unwrap();
    assert_eq!([1, 2, 3].map(|rule| parts.rules[&rule].octets()), [200, 200, 100]);
    assert_eq!(parts.rules[&TOGETHER].octets(), 400, "what was dropped is charged nowhere");
    plane.shared.notices();
    let told: Vec<Report> = std::iter::from_fn(|| reports.try_recv().ok()).collect();
    let report = |exhausted| Report::Quota { teid: DEFAULT, rule: Some(TOGETHER), exhausted };
    assert_eq!(told, [report(false), report(true)]);
    // Serving the same again gives nothing back; a grant does, to the octet.
    plane.serve(DEFAULT, UE, &Service { keep_quota: true, ..two_and_one() }).unwrap();
    assert_eq!(up(&plane, DEFAULT, &to(80)), Err(DropReason::QuotaExhausted));
    allow(&plane, 400, 100);
    up(&plane, DEFAULT, &to(80)).unwrap();
    assert_eq!(up(&plane, DEFAULT, &to(80)), Err(DropReason::QuotaExhausted));
}

#[test]
fn a_group_outlives_its_rules() {
    let plane = plane();
    plane.serve(DEFAULT, UE, &two_and_one()).unwrap();
    allow(&plane, 0, 300);
    up(&plane, DEFAULT, &to(80)).unwrap();
    up(&plane, DEFAULT, &to(443)).unwrap();
    // One rule less, and then many more: all move.
    let one = Service { rules: vec![of_group(2, 443)], ..Service::default() };
    plane.serve(DEFAULT, UE, &one).unwrap();
    assert_eq!(counted(&plane), 200);
    let rules = (2..66).map(|id| of_group(id, 441 + id as u16)).collect();
    plane.serve(DEFAULT, UE, &Service { rules, ..Service::default() }).unwrap();
    up(&plane, DEFAULT, &to(500)).unwrap();
    assert_eq!(up(&plane, DEFAULT, &to(443)), Err(DropReason::QuotaExhausted));
    // Without rules there is no group; with one again it goes on from what it had counted, and waits for its quota.
    plane.serve(DEFAULT, UE, &Service::default()).unwrap();
    assert!(plane.allow_group((DEFAULT, UE.into()), GROUP, 0, None).is_err());
    assert_eq!(plane.readings()[0].parts.rules[&TOGETHER].octets(), 300);
    plane.serve(DEFAULT, UE, &two_and_one()).unwrap();
    assert_eq!(counted(&plane), 300);
    allow(&plane, 300, 100);
    up(&plane, DEFAULT, &to(80)).unwrap();
    assert_eq!(up(&plane, DEFAULT, &to(443)), Err(DropReason::QuotaExhausted));
}

#[test]
fn a_slowed_group_has_one_rate_for_all_its_rules() {
    let plane = plane();
    plane.serve(DEFAULT, UE, &two_and_one()).unwrap();
    let session = (DEFAULT, UE.into());
    let limits = Limits { uplink: None, downlink: Some(Rate { bits_per_second: 100, burst: Some(9_000) }) };
    plane.slow_group(session, GROUP, Some(&limits)).unwrap();
    let pass = |port: u16| (0..100).take_while(|_| down(&plane, &from(port)).is_ok()).count();
    let (first, second) = (pass(80), pass(443));
    assert_eq!((first, second), (90, 0), "a burst of 9,000 octets between them");
    assert_eq!(down(&plane, &from(443)), Err(DropReason::RuleRate));
    assert_eq!(pass(22), 100);
    plane.slow_group(session, GROUP, None).unwrap();
    assert_eq!((pass(80), pass(443)), (100, 100));
}

#[test]
fn a_quota_of_a_group_is_exact_under_traffic() {
    let plane = plane();
    plane.serve(DEFAULT, UE, &two_and_one()).unwrap();
    let most = 300_000;
    allow(&plane, 0, most);
    std::thread::scope(|scope| {
        let send = |port| {
            let plane = &plane;
            move || while up(plane, DEFAULT, &to(port)).is_ok() {}
        };
        let senders = [scope.spawn(send(80)), scope.spawn(send(443))];
        while !senders.iter().all(|sender| sender.is_finished()) {
            let counted = counted(&plane);
            allow(&plane, counted, most.saturating_sub(counted));
        }
    });
    // Two senders: the packet of each may be the last.
    assert!((most..=most + 100).contains(&counted(&plane)), "{}", counted(&plane));
}

#[test]
fn a_rating_group_of_a_large_number_is_served_without_a_group() {
    let mbr = Ambr { uplink: u64::MAX, downlink: u64::MAX };
    let (filter, gate) = (SdfFilter::ANY, Gate::OPEN);
    let flow =
        |id: u32, rating_group| FlowRule { id, precedence: id as u8, filter, bearer: None, gate, mbr, rating_group };
    let rules = vec![flow(1, RATING_GROUP), flow(2, u32::MAX), flow(3, RATING_GROUP - 1)];
    let service = Service::wanted(&SessionService { rules, ..SessionService::default() }, Duration::ZERO);
    service.check().unwrap();
    assert_eq!(service.rules.iter().map(|rule| rule.group).collect::<Vec<_>>(), [None, None, Some(RATING_GROUP - 1)]);
    let plane = plane();
    plane.serve(DEFAULT, UE, &service).unwrap();
    up(&plane, DEFAULT, &to(80)).unwrap();
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules[&1].octets(), 100);
}
