//! Rules, bearers, quotas and marking for some sessions.

use super::World;
use crate::limits::{Limits, Rate};
use crate::rules::{Allowance, Dedicated, Rule, Service, Way};
use crate::sessions::Sessions;
use crate::tables::{Sizes, Tables};
use agw_types::Peer;
use basalt_ebpf_abi::Prefix;
use basalt_ids::{Ebi, Teid};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Rating groups: one with a quota, one with a rate.
const BOUND: u32 = 1;
const SLOW: u32 = 2;

fn bearer(number: u8, index: u32, peer: Option<Ipv4Addr>) -> Dedicated {
    Dedicated {
        ebi: Ebi::new(5 + number).unwrap(),
        teid: Teid(World::teid(index)),
        peer: peer.map(|address| Peer { address: address.into(), teid: Teid(0x9000 + index) }),
        tos: number * 4,
        guaranteed: number == 1,
    }
}

fn port(id: u32, port: u16, bearer: u8) -> Rule {
    Rule {
        remote_ports: Some((port, port + 9)),
        bearer: Ebi::new(5 + bearer).ok().filter(|_| bearer > 0),
        ..Rule::any(id, id)
    }
}

fn allow(octets: u64) -> Option<Allowance> {
    Some(Allowance { octets, threshold: octets / 2 })
}

/// IPv6 far ends, one in another, some with the last octets of the generator's addresses.
const SIX: [(Ipv6Addr, u8); 6] = [
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2001, 0xdb8, 0xbeef, 1, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0xdb8, 0xbeef, 1, 0, 0, 0, 9), 128),
    (Ipv6Addr::new(0x2001, 0xdb8, 0xbeef, 2, 0, 0, 0, 0), 125),
    (Ipv6Addr::new(0x2001, 0xdb8, 0xbeef, 1, 0, 0, 0, 8), 127),
    (Ipv6Addr::UNSPECIFIED, 0),
];

/// A rule of sixty-four, no two alike.
fn one_of_many(id: u32) -> Rule {
    let pick = id as usize;
    Rule {
        way: [Way::Both, Way::Uplink, Way::Downlink][pick % 3],
        remote: Prefix::new([203, (id % 2) as u8, 113, (id * 4) as u8].into(), [0, 16, 24, 30][pick % 4]),
        remote6: [None, None, SIX.get(pick / 3 % SIX.len()).copied()][pick % 3],
        protocol: [Some(17), Some(6), None][pick / 3 % 3],
        local_ports: id.is_multiple_of(5).then_some((5000, 5000 + id as u16)),
        tos: id.is_multiple_of(7).then_some((0, 0xff)),
        uplink_open: id % 9 != 4,
        downlink_open: id % 11 != 5,
        quota: allow(4_000).filter(|_| id % 6 == 1),
        bearer: Ebi::new(6).ok().filter(|_| id % 4 == 3),
        group: Some(SLOW).filter(|_| id % 8 == 2),
        ..Rule::any(id, 63 - id)
    }
}

fn services() -> [(u32, Service); 5] {
    let (here, away) = (Some(World::STATION), Some(World::STRANGER));
    let quota = Rule { quota: allow(3_000), ..port(7, 53, 0) };
    [
        (
            2,
            Service {
                rules: vec![port(1, 53, 1)],
                bearers: vec![bearer(1, 16, here)],
                settling: vec![Ebi::new(6).unwrap()],
                ..Service::default()
            },
        ),
        (
            6,
            Service {
                rules: (0..64).map(one_of_many).collect(),
                bearers: vec![bearer(1, 17, here), bearer(2, 18, None)],
                tos: 0x28,
                ..Service::default()
            },
        ),
        (
            8,
            Service {
                rules: [port(1, 80, 0), port(2, 443, 1)].map(|rule| Rule { group: Some(BOUND), ..rule }).into(),
                bearers: vec![bearer(1, 19, away)],
                strict: true,
                ..Service::default()
            },
        ),
        (10, Service { rules: vec![quota], quota: allow(6_000), qfi: 9, ..Service::default() }),
        (12, Service { quota: allow(5_000), qfi: 5, tos: 0xb8, ..Service::default() }),
    ]
}

pub(super) fn serve(tables: &Tables, sizes: Sizes) {
    let mut sessions = Sessions::new(sizes.teids, 32, false);
    let hops = [(World::STATION, 256), (World::STRANGER, 257)];
    for (index, service) in services() {
        let ue = Ipv4Addr::from(u32::from(World::UE) + index);
        sessions.serve(tables, Teid(World::teid(index)), ue.into(), &service, &hops).unwrap();
    }
    let session = |index: u32| (Teid(World::teid(index)), Ipv4Addr::from(u32::from(World::UE) + index).into());
    sessions.allow_group(tables, session(8), BOUND, 0, allow(3_000)).unwrap();
    let rate = Some(Rate { bits_per_second: 64_000, burst: None });
    sessions.slow_group(tables, session(6), SLOW, Some(&Limits { uplink: rate, downlink: rate })).unwrap();
}
