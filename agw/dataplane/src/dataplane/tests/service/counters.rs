//! What rules, bearers and sessions have carried, also when they are gone.

use super::*;
use crate::ledger::Reading;
use crate::sessions::Sessions;
use basalt_ebpf_abi::SettingFlags;

#[test]
fn rules_that_come_and_go_keep_their_counts() {
    let plane = plane();
    let rules = |ids: std::ops::Range<u32>| -> Vec<Rule> {
        ids.map(|id| Rule { remote_ports: Some((id as u16, id as u16)), ..Rule::any(id, id) }).collect()
    };
    let serve = |ids| plane.serve(DEFAULT, UE, &Service { rules: rules(ids), ..Service::default() }).unwrap();
    let send = |id: u32| down(&plane, &Seen { remote_port: id as u16, ..WEB }.packet(false, 0)).unwrap();
    serve(1..4);
    let tables = &plane.shared.tables;
    let fetched = || {
        let state = plane.shared.state();
        let (uplink, slot, _) = state.sessions.records(tables, DEFAULT, UE.into()).unwrap();
        uplink.states.get() == slot * RuleState::RUN
    };
    assert!(fetched(), "programs fetch it by the slot");
    assert!(SettingFlags(tables.settings.get(0).unwrap().flags.get()).has(SettingFlags::RULES));
    (1..4).for_each(|id| drop(send(id)));
    // More than the first run holds: all move.
    serve(1..41);
    assert!(!fetched(), "not in the places of others");
    (1..41).for_each(|id| drop(send(id)));
    let parts = plane.parts(DEFAULT, UE).unwrap();
    assert_eq!(parts.rules.values().map(|volume| volume.downlink_packets).sum::<u64>(), 43);
    assert_eq!(parts.rules[&2].downlink_packets, 2);
    let gone = serve(2..30);
    assert_eq!(gone.rules.len(), 12);
    assert_eq!(gone.rules[&1].downlink_packets, 2);
    assert_eq!(plane.shared.state().sessions.rooms.used(), (1, 64, 0));
    plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap();
    assert_eq!(plane.shared.state().sessions.rooms.used(), (0, 0, 0));
}

#[test]
fn what_a_rule_counted_last_is_read_after_it_has_gone() {
    let plane = plane();
    let call = Seen { remote_port: 4500, ..WEB };
    let with = || Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], ..Service::default() };
    plane.serve(DEFAULT, UE, &with()).unwrap();
    down(&plane, &call.packet(false, 60)).unwrap();
    let without = Service { rules: vec![Rule::any(2, 20)], ..Service::default() };
    plane.serve(DEFAULT, UE, &without).unwrap();
    let read = || plane.readings().remove(0).parts;
    let counted = |parts: &Parts| (parts.rules[&1].downlink_packets, parts.bearers[&voice(None).ebi].downlink_packets);
    assert_eq!(counted(&read()), (1, 1), "gone, and not forgotten");
    // It comes back, and goes on: whoever has read it before takes the difference.
    plane.serve(DEFAULT, UE, &with()).unwrap();
    assert_eq!(counted(&read()), (1, 1));
    down(&plane, &call.packet(false, 60)).unwrap();
    assert_eq!(counted(&read()), (2, 2));
    // Another session has nothing of it.
    plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap();
    set(&plane, tunnel(DEFAULT.0, UE, connected(7))).unwrap();
    assert_eq!(read(), Parts::default());
}

#[test]
fn a_session_that_ends_keeps_its_counters_until_they_are_settled() {
    let (plane, _traffic) = memory();
    plane.shared.state().sessions.accounting = true;
    let prepare = |plane: &Dataplane| {
        set(plane, tunnel(DEFAULT.0, UE, connected(7))).unwrap();
        let service = Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], ..Service::default() };
        plane.serve(DEFAULT, UE, &service).unwrap();
    };
    prepare(&plane);
    for hop in [0, 1] {
        plane.shared.tables.next_hops.get(hop).unwrap().resolve(20, 3000, Mac([1; 6]), Mac([2; 6]));
    }
    let call = Seen { remote_port: 4500, ..WEB };
    down(&plane, &call.packet(false, 60)).unwrap();
    up(&plane, VOICE, &call.packet(true, 60)).unwrap();
    down(&plane, &WEB.packet(false, 60)).unwrap();
    let live = plane.readings();
    assert_eq!((live.len(), live[0].closed, live[0].total.downlink_bytes), (1, false, 200));
    let usage = plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap().unwrap();
    assert_eq!((usage.uplink_bytes, usage.downlink_bytes), (100, 200));
    assert_eq!(plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap(), None);
    // A successor that finds these tables reads the same.
    let tables = &plane.shared.tables;
    let mut successor = Sessions::new(plane.shared.state().sessions.layout, 32, false);
    successor.sweep(tables);
    successor.adopt(tables);
    let found = successor.readings(tables);
    assert_eq!(found, [Reading { closed: true, ..live[0].clone() }]);
    assert_eq!(found[0].parts.rules[&1].downlink_packets, 1);
    assert!(plane.installed().is_empty());
    assert!(down(&plane, &WEB.packet(false, 60)).is_err());
    plane.settle(&found[0]);
    assert_eq!(plane.readings(), []);
    assert_eq!(plane.shared.state().sessions.rooms.used(), (0, 0, 0));
    // The same TEID again is another epoch; an old reading settles nothing of it.
    prepare(&plane);
    plane.settle(&found[0]);
    let again = plane.readings();
    assert_eq!((again.len(), again[0].total), (1, Volume::default()));
    assert_ne!(again[0].epoch, live[0].epoch);
}
