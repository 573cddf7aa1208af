//! The bookkeeping of sessions, over tables without packets.

mod service;

use super::*;
use crate::limits::Rate;
use crate::oracle::Generator;
use agw_types::{AddressPool, Ambr, Peer, Prefix64, PrefixPool, Tunnel, TunnelState, UeAddress};
use basalt_ebpf_abi::{DownlinkFlags, HandoverHeader, Meter, Point, UplinkFlags};
use basalt_ids::Ebi;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

const STATION: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 7);

fn memory() -> (Dataplane, mpsc::Receiver<Traffic>) {
    let pool = AddressPool { network: [10, 45, 0, 0].into(), prefix: 24, gateway: Some([10, 45, 0, 1].into()) };
    let mut config = Config::new("s1", [172, 16, 0, 2].into(), "sgi", vec![pool]);
    config.plane = Plane::Memory;
    config.sessions = 16;
    config.policies = 6;
    config.pools6 =
        vec![PrefixPool { network: std::net::Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 0), prefix: 60, each: 64 }];
    Dataplane::memory(&config).unwrap()
}

fn tunnel(teid: u32, ue: Ipv4Addr, state: TunnelState) -> Tunnel {
    let (imsi, ambr) = ("001010000000001".parse().unwrap(), Ambr { uplink: u64::MAX, downlink: u64::MAX });
    Tunnel {
        teid: Teid(teid),
        address: ue.into(),
        framed_routes: Vec::new(),
        ebi: Ebi::FIRST,
        imsi,
        state,
        ambr,
        ue_ambr: None,
    }
}

fn connected(teid: u32) -> TunnelState {
    TunnelState::Connected(Peer { address: STATION.into(), teid: Teid(teid) })
}

fn set(plane: &Dataplane, tunnel: Tunnel) -> Result<Option<Usage>, Error> {
    plane.apply(&DataplaneChange::Set(tunnel))
}

/// What a program does with a packet for an idle phone.
fn hand_over(plane: &Dataplane, ue: Ipv4Addr) {
    let slot = plane.shared.tables.settings.get(0).unwrap().slot(ue.into()).unwrap();
    let record = plane.shared.tables.downlink.get(slot as usize).unwrap();
    let number = record.handed.fetch_add(1).wrapping_add(1);
    let (ue, owner) = (record.ue.get(), record.owner.get());
    let header = HandoverHeader { slot, ue, owner, number, length: 4, reason: 0 };
    plane.shared.handed_over(&mut plane.shared.state(), header, b"down", None);
}

#[test]
fn a_session_is_what_was_set_last() {
    let (plane, _traffic) = memory();
    assert_eq!(plane.mode().name(), "memory");
    for state in [TunnelState::Idle, connected(7), connected(8), TunnelState::Idle, connected(8)] {
        set(&plane, tunnel(0x10_0003, UE, state)).unwrap();
        set(&plane, tunnel(0x10_0003, UE, state)).unwrap();
        let framed_routes = Vec::new();
        let installed =
            Installed { teid: Teid(0x10_0003), address: UE.into(), framed_routes, ebi: Some(Ebi::FIRST), state };
        assert_eq!(plane.installed(), [installed]);
    }
    let remove = DataplaneChange::Remove { teid: Teid(0x10_0003), address: UE.into() };
    assert_eq!(plane.apply(&remove).unwrap(), Some(Usage::default()));
    assert_eq!(plane.apply(&remove).unwrap(), None);
    assert!(plane.installed().is_empty());
}

#[test]
fn a_new_owner_takes_both_halves_and_no_counters() {
    let (plane, _traffic) = memory();
    set(&plane, tunnel(0x10_0003, UE, connected(7))).unwrap();
    let record = plane.shared.tables.uplink.get(3).unwrap();
    record.packets.add(5);
    // The same address with another TEID: the old tunnel is gone.
    set(&plane, tunnel(0x20_0004, UE, connected(7))).unwrap();
    assert_eq!(plane.installed().iter().map(|session| session.teid.0).collect::<Vec<_>>(), [0x20_0004]);
    assert_eq!(record.teid.get(), 0);
    // The same index with another generation: the old phone is gone.
    let other = Ipv4Addr::new(10, 45, 0, 9);
    set(&plane, tunnel(0x30_0004, other, connected(9))).unwrap();
    assert_eq!(plane.installed().iter().map(|session| session.address).collect::<Vec<_>>(), [other.into()]);
    assert_eq!(plane.usage(Teid(0x30_0004), other), Some(Usage::default()));
    assert_eq!(plane.usage(Teid(0x20_0004), UE), None);
    // Removing someone who is gone changes nothing.
    assert_eq!(plane.apply(&DataplaneChange::Remove { teid: Teid(0x20_0004), address: UE.into() }).unwrap(), None);
    assert_eq!(plane.installed().len(), 1);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let (plane, _traffic) = memory();
    let ipv6 = TunnelState::Connected(Peer { address: std::net::Ipv6Addr::LOCALHOST.into(), teid: Teid(1) });
    assert!(matches!(set(&plane, tunnel(0x10_0003, UE, ipv6)), Err(Error::Ipv6Peer)));
    for teid in [0, u32::MAX] {
        assert!(matches!(set(&plane, tunnel(teid, UE, connected(1))), Err(Error::Teid(_))));
    }
    // Outside of the pool, and the gateway's own address in it.
    for address in [[10, 46, 0, 1], [10, 45, 0, 1]] {
        assert!(matches!(set(&plane, tunnel(0x10_0003, address.into(), connected(1))), Err(Error::OutsidePools(_))));
    }
    assert!(plane.installed().is_empty());
}

#[test]
fn an_idle_period_is_told_once_and_a_discard_opens_a_new_one() {
    let (plane, mut traffic) = memory();
    let waiting = Ok(Traffic::DownlinkWaiting { address: UE.into() });
    set(&plane, tunnel(0x10_0003, UE, TunnelState::Idle)).unwrap();
    for _ in 0..70 {
        hand_over(&plane, UE);
    }
    assert_eq!(traffic.try_recv(), waiting);
    assert!(traffic.try_recv().is_err());
    assert_eq!(plane.buffered(), 64);
    assert_eq!(plane.usage(Teid(0x10_0003), UE).unwrap().downlink_dropped, 6);
    plane.apply(&DataplaneChange::Discard { address: UE.into() }).unwrap();
    assert_eq!(plane.buffered(), 0);
    hand_over(&plane, UE);
    assert_eq!(traffic.try_recv(), waiting);
    // The phone leaves, another one gets the address: nothing of the old one's reaches it.
    set(&plane, tunnel(0x20_0004, UE, TunnelState::Idle)).unwrap();
    assert_eq!(plane.buffered(), 0);
    assert!(traffic.try_recv().is_err());
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    let pool = AddressPool { network: [10, 45, 0, 0].into(), prefix: 24, gateway: None };
    let good = Config::new("s1", [172, 16, 0, 2].into(), "sgi", vec![pool]);
    assert!(good.check().is_ok());
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut config = good.clone();
        change(&mut config);
        assert!(config.check().is_err());
    };
    refused(&|config| config.pools.push(AddressPool { prefix: 16, ..pool }));
    refused(&|config| config.pools.clear());
    refused(&|config| config.device = "a-name-too-long".into());
    refused(&|config| config.sessions = (1 << 20) + 1);
    refused(&|config| config.buffer_per_phone = 0);
    refused(&|config| config.peer_prefix = 33);
}

#[test]
fn hostile_datagrams_cost_nothing_but_counters() {
    let (plane, _traffic) = memory();
    set(&plane, tunnel(0x10_0003, UE, connected(7))).unwrap();
    let mut generator = Generator::new(4);
    let now = Instant::now();
    for _ in 0..20_000 {
        let mut frame = generator.uplink();
        let message = frame.get_mut(42..).unwrap_or_default();
        plane.shared.datagram(now, SocketAddrV4::new(STATION, 2152), message, None);
    }
    plane.shared.expire(now + std::time::Duration::from_secs(60));
    assert_eq!(plane.installed().len(), 1);
    assert!(plane.drops().iter().map(|(_, count)| count).sum::<u64>() > 1000);
}

#[test]
fn an_aggregate_rate_is_a_limit_unless_nothing_could_carry_it() {
    let (one, most) = (Ambr { uplink: 0, downlink: 64_000 }, Rate::MOST);
    assert_eq!(Limits::of(one), Limits { uplink: Some(Rate::new(1)), downlink: Some(Rate::new(64_000)) });
    let two = Ambr { uplink: most, downlink: most + 1 };
    assert_eq!(Limits::of(two), Limits { uplink: Some(Rate::new(most)), downlink: None });
}

#[test]
fn limits_belong_to_a_session_and_its_ue() {
    let (plane, _traffic) = memory();
    let imsi: Imsi = "001010000000001".parse().unwrap();
    let (one, two) = (Teid(0x10_0003), Teid(0x10_0004));
    let other = Ipv4Addr::new(10, 45, 0, 9);
    let limits = Limits { uplink: Some(Rate::new(1_000_000)), downlink: Some(Rate::new(64_000)) };
    assert!(matches!(plane.limit(one, UE, &limits, None), Err(Error::NoSession(_))));
    set(&plane, tunnel(one.0, UE, connected(7))).unwrap();
    set(&plane, tunnel(two.0, other, connected(8))).unwrap();
    plane.limit(one, UE, &limits, Some((imsi, limits))).unwrap();
    plane.limit(two, other, &Limits::NONE, Some((imsi, limits))).unwrap();
    let tables = &plane.shared.tables;
    let (up, slot) = (tables.uplink.get(3).unwrap(), tables.settings.get(0).unwrap().slot(UE.into()).unwrap());
    let down = tables.downlink.get(slot as usize).unwrap();
    assert_eq!((up.ue_meter.get(), tables.uplink.get(4).unwrap().ue_meter.get()), (1, 1), "one UE");
    assert_eq!(Meter::decode(up.meter.rate.get()), Some(1_000_000));
    assert_eq!(
        (up.meter.burst.get(), down.meter.burst.get()),
        (250_000, 1_125_000),
        "a quarter of a second, or three packets"
    );
    // A path switch and an idle period change no limit.
    up.meter.due.set(77);
    for state in [TunnelState::Idle, connected(9)] {
        set(&plane, tunnel(one.0, UE, state)).unwrap();
        plane.limit(one, UE, &limits, Some((imsi, limits))).unwrap();
        assert_eq!(up.flags.get() & UplinkFlags::METERED, UplinkFlags::METERED);
        assert_eq!((up.meter.due.get(), down.flags.get()), (77, DownlinkFlags::METERED));
    }
    plane.apply(&DataplaneChange::Remove { teid: one, address: UE.into() }).unwrap();
    assert_eq!((up.ue_meter.get(), up.meter.rate.get(), down.flags.get()), (0, 0, 0));
    assert_eq!(plane.shared.state().sessions.ue_limits.used(), 1);
    plane.limit(two, other, &Limits::NONE, None).unwrap();
    assert_eq!(plane.shared.state().sessions.ue_limits.used(), 0);
    assert_eq!(tables.ue_meters.get(1).unwrap().uplink.rate.get(), 0);
    // The address's next owner has no limit.
    plane.limit(two, other, &limits, None).unwrap();
    set(&plane, tunnel(0x20_0005, other, connected(8))).unwrap();
    assert_eq!(tables.uplink.get(4).unwrap().teid.get(), 0);
    let slot = tables.settings.get(0).unwrap().slot(other.into()).unwrap();
    let down = tables.downlink.get(slot as usize).unwrap();
    assert_eq!((down.flags.get(), down.meter.rate.get()), (0, 0));
}

#[test]
fn a_session_that_comes_or_goes_opens_no_burst_for_the_others() {
    let (plane, _traffic) = memory();
    let imsi: Imsi = "001010000000001".parse().unwrap();
    let (one, two, other) = (Teid(0x10_0003), Teid(0x10_0004), Ipv4Addr::new(10, 45, 0, 9));
    let limits = Limits { uplink: Some(Rate::new(1_000_000)), downlink: Some(Rate::new(64_000)) };
    set(&plane, tunnel(one.0, UE, connected(7))).unwrap();
    plane.limit(one, UE, &limits, None).unwrap();
    let tables = &plane.shared.tables;
    let (own, shared) = (&tables.uplink.get(3).unwrap().meter, &tables.ue_meters.get(1).unwrap().uplink);
    let owed = (crate::tables::tick() + 200_000_000) * Meter::UNITS;
    own.due.set(owed);
    // Alone it has used most of its burst: together with another one it has, too.
    set(&plane, tunnel(two.0, other, connected(8))).unwrap();
    plane.limit(one, UE, &limits, Some((imsi, limits))).unwrap();
    plane.limit(two, other, &limits, Some((imsi, limits))).unwrap();
    assert_eq!((own.due.get(), shared.due.get()), (owed, owed));
    assert_eq!(tables.uplink.get(4).unwrap().meter.due.get(), 0, "the new one has a burst of its own");
    // What the other one used of the shared limit is owed when that is gone.
    shared.due.set(owed + 16_000_000);
    plane.apply(&DataplaneChange::Remove { teid: two, address: other.into() }).unwrap();
    plane.limit(one, UE, &limits, None).unwrap();
    assert_eq!((own.due.get(), shared.due.get(), shared.rate.get()), (owed + 16_000_000, 0, 0));
}

#[test]
fn tables_that_differ_are_repaired_and_told() {
    let (plane, _traffic) = memory();
    let address = |n: u32| Ipv4Addr::new(10, 45, 0, 20 + n as u8);
    let wanted: Vec<Tunnel> = (1..6).map(|n| tunnel(0x10_0000 + n, address(n), connected(n))).collect();
    let first = plane.reconcile(&wanted, |_| Ok(()));
    assert_eq!((first.missing.len(), first.wrong.len(), first.foreign.len()), (5, 0, 0));
    assert!(plane.reconcile(&wanted, |_| Ok(())).is_empty());
    // One is idle although it should not be, one is gone, one half is overwritten, one is nobody's.
    set(&plane, Tunnel { state: TunnelState::Idle, ..wanted[0].clone() }).unwrap();
    plane.apply(&DataplaneChange::Remove { teid: wanted[1].teid, address: wanted[1].address }).unwrap();
    plane.shared.tables.uplink.get(3).unwrap().teid.set(0x77_0003);
    set(&plane, tunnel(0x10_0009, address(9), connected(9))).unwrap();
    let found = plane.reconcile(&wanted, |_| Ok(()));
    assert_eq!(found.wrong, [wanted[0].teid]);
    assert_eq!(found.missing, [wanted[1].teid, wanted[2].teid]);
    assert_eq!(found.foreign, [Teid(0x10_0009)]);
    assert!(found.failed.is_empty());
    assert!(plane.reconcile(&wanted, |_| Ok(())).is_empty());
    assert_eq!(plane.installed().len(), 5);
    // What cannot be is told every time.
    let beyond = [tunnel(0x10_0001, Ipv4Addr::new(192, 0, 2, 1), connected(1))];
    assert!(matches!(plane.reconcile(&beyond, |_| Ok(())).failed[..], [(_, Error::OutsidePools(_))]));
}

#[test]
fn a_prefix_belongs_to_one_session_and_goes_with_it() {
    let (plane, _traffic) = memory();
    let prefix = |last: u64| Prefix64::from_bits(0x2001_0db8_0006_0000 | last);
    let (one, two, other) = (0x10_0003, 0x10_0004, Ipv4Addr::new(10, 45, 0, 9));
    let slots = || -> Vec<u64> { plane.shared.tables.prefixes.iter().map(basalt_ebpf_abi::Shared64::get).collect() };
    let slot = |ue: Ipv4Addr| u64::from(plane.shared.tables.settings.get(0).unwrap().slot(ue.into()).unwrap());
    let both = |teid, ue, prefix| {
        let address = UeAddress::Ipv4v6(ue, prefix);
        set(&plane, Tunnel { address, ..tunnel(teid, ue, connected(teid)) })
    };
    both(one, UE, prefix(1)).unwrap();
    both(one, UE, prefix(1)).unwrap();
    assert_eq!(slots()[1], slot(UE) + 1);
    let outside = both(two, other, Prefix64::from_bits(0xfd << 56));
    assert!(matches!(outside, Err(Error::OutsidePools(_))), "{outside:?}");
    both(one, UE, prefix(2)).unwrap();
    assert_eq!((slots()[1], slots()[2]), (0, slot(UE) + 1));
    let address = UeAddress::Ipv4v6(UE, prefix(2));
    plane.apply(&DataplaneChange::Remove { teid: Teid(one), address }).unwrap();
    assert!(slots().iter().all(|slot| *slot == 0));
    both(one, UE, prefix(2)).unwrap();
    // Another session gets the prefix: the one before is gone.
    both(two, other, prefix(2)).unwrap();
    assert_eq!(slots()[2], slot(other) + 1);
    assert_eq!(plane.installed().iter().map(|session| session.teid.0).collect::<Vec<_>>(), [two]);
    // Another session takes the record.
    set(&plane, tunnel(0x20_0004, other, connected(8))).unwrap();
    assert!(slots().iter().all(|slot| *slot == 0), "{:?}", slots());
}

#[test]
fn a_session_without_ipv4_has_a_record_of_its_own() {
    let (plane, mut traffic) = memory();
    let address = UeAddress::Ipv6(Prefix64::from_bits(0x2001_0db8_0006_0003));
    let wanted = Tunnel { address, ..tunnel(0x10_0003, UE, TunnelState::Idle) };
    set(&plane, wanted.clone()).unwrap();
    set(&plane, tunnel(0x10_0004, UE, connected(4))).unwrap();
    let installed = plane.installed();
    assert_eq!(installed.iter().map(|session| session.address).collect::<Vec<_>>(), [UE.into(), address]);
    assert!(plane.reconcile(&[wanted.clone(), tunnel(0x10_0004, UE, connected(4))], |_| Ok(())).is_empty());
    // It is paged, and what waits for it discarded, by its prefix.
    let cell = &plane.shared.tables.prefixes.get(3).unwrap();
    let slot = u32::try_from(cell.get()).unwrap() - 1;
    let record = plane.shared.tables.downlink.get(slot as usize).unwrap();
    assert_eq!((record.ue.get(), record.owner.get()), (0, 0x10_0003));
    let number = record.handed.fetch_add(1).wrapping_add(1);
    let header = HandoverHeader { slot, ue: 0, owner: 0x10_0003, number, length: 4, reason: 0 };
    plane.shared.handed_over(&mut plane.shared.state(), header, b"down", None);
    assert_eq!(traffic.try_recv(), Ok(Traffic::DownlinkWaiting { address }));
    plane.apply(&DataplaneChange::Discard { address }).unwrap();
    assert_eq!(plane.buffered(), 0);
    assert!(plane.usage(Teid(0x10_0003), address).is_some());
    plane.apply(&DataplaneChange::Remove { teid: Teid(0x10_0003), address }).unwrap();
    assert_eq!((cell.get(), plane.installed().len()), (0, 1));
}

#[test]
fn networks_behind_phones_are_one_phone_s_and_go_with_it() {
    let (plane, _traffic) = memory();
    let behind = |teid, ue: [u8; 4], state, networks: &[&str]| {
        let framed_routes = networks.iter().map(|network| network.parse().unwrap()).collect();
        Tunnel { framed_routes, ..tunnel(teid, ue.into(), state) }
    };
    let flags = |index| UplinkFlags(plane.shared.tables.uplink.get(index).unwrap().flags.get());
    let there = || plane.shared.state().sessions.networks.all().map(|n| n.to_string()).collect::<Vec<_>>();
    let one = behind(0x10_0003, [10, 45, 0, 7], connected(3), &["10.94.7.0/24", "2001:db8:94::/56"]);
    set(&plane, one.clone()).unwrap();
    assert!(flags(3).has(UplinkFlags::FRAMED));
    assert_eq!(plane.installed()[0].framed_routes, one.framed_routes);
    // What lies in a pool or meets another phone's is left out; the session is there all the same.
    let wanted = ["10.94.0.0/16", "10.45.0.64/26", "2001:db8:6::/64", "10.94.8.0/24"];
    let two = behind(0x10_0004, [10, 45, 0, 8], connected(4), &wanted);
    set(&plane, two.clone()).unwrap();
    assert_eq!(there(), ["10.94.7.0/24", "2001:db8:94::/56", "10.94.8.0/24"]);
    assert!(plane.reconcile(&[one.clone(), two.clone()], |_| Ok(())).is_empty(), "the same again");
    // Idle and back, over a move: nothing changes.
    for state in [TunnelState::Idle, connected(9)] {
        set(&plane, Tunnel { state, ..one.clone() }).unwrap();
        assert_eq!(there().len(), 3);
    }
    // A new generation takes them over from the tables.
    let mut again = crate::framed::Networks::default();
    again.adopt(&plane.shared.tables);
    assert_eq!(again.all().collect::<BTreeSet<_>>(), plane.shared.state().sessions.networks.all().collect());
    // Other ones, fewer, none.
    let fewer = Tunnel { state: connected(9), ..behind(0x10_0003, [10, 45, 0, 7], connected(9), &["10.94.9.0/24"]) };
    assert_eq!(plane.reconcile(&[fewer, two.clone()], |_| Ok(())).wrong, [Teid(0x10_0003)]);
    assert_eq!(there(), ["10.94.9.0/24", "10.94.8.0/24"]);
    plane.apply(&DataplaneChange::Remove { teid: two.teid, address: two.address }).unwrap();
    set(&plane, tunnel(0x10_0003, UE, connected(9))).unwrap();
    assert_eq!((there(), flags(3).has(UplinkFlags::FRAMED)), (Vec::new(), false));
    assert_eq!(plane.shared.tables.settings.get(0).unwrap().framed_steps[1].get(), 0);
}

#[test]
fn whoever_watches_hears_what_becomes_of_what_programs_leave() {
    let (plane, _traffic) = memory();
    let shared = &plane.shared;
    set(&plane, tunnel(0x10_0003, UE, connected(7))).unwrap();
    let (seen, mut told) = mpsc::channel(16);
    shared.lookout.follow(UE.into(), 64, seen);
    let now = Instant::now();
    let send = |from: [u8; 4], teid: u32, extension: &[u8]| {
        let inner = [&[0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 45, 0, 7, 8, 8, 8, 8], &[0; 8][..]].concat();
        let length = u16::try_from(extension.len() + inner.len()).unwrap().to_be_bytes();
        let flags = if extension.is_empty() { 0x30 } else { 0x34 };
        let head = [&[flags, 255][..], &length, &teid.to_be_bytes()].concat();
        let mut message = [&head, extension, &inner].concat();
        shared.datagram(now, SocketAddrV4::new(from.into(), 2152), &mut message, None);
    };
    send(STATION.octets(), 0x10_0003, &[]);
    // Another base station, an extension that must be understood, a tunnel of nobody.
    send([172, 16, 0, 9], 0x10_0003, &[]);
    send(STATION.octets(), 0x10_0003, &[0, 0, 0, 0xc1, 1, 0, 0, 0]);
    send(STATION.octets(), 0x10_0005, &[]);
    shared.expire(now + std::time::Duration::from_secs(60));
    hand_over(&plane, UE);
    set(&plane, tunnel(0x10_0003, UE, TunnelState::Idle)).unwrap();
    send(STATION.octets(), 0x10_0003, &[]);
    shared.expire(now + std::time::Duration::from_secs(120));
    let told: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).map(|seen| (seen.point, seen.reason)).collect();
    let end = |reason| (Point::UplinkDropped, Some(reason));
    let wanted = [(Point::InternetOut, None), end("extension_header"), end("wrong_peer"), end("idle_tunnel")];
    assert_eq!(told, wanted, "nothing twice of what programs have told");
}
