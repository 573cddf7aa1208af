//! What is in the tables before the first packet: phones, neighbours, limits, rules, translation.

use super::packets::World;
use super::services;
use crate::framed::Networks;
use crate::tables::{SharedRegions, Sizes, Tables};
use basalt_ebpf_abi::{
    Address, Class, DownlinkFlags, DownlinkState, Filtering, Mac, Meter, Phase, TeidLayout, UplinkFlags,
};
use std::net::Ipv4Addr;

pub(super) fn sizes() -> Sizes {
    Sizes {
        teids: TeidLayout::new(5).unwrap(),
        downlink: 64,
        next_hops: 512,
        ue_meters: 16,
        policies: 16,
        rule_states: 256,
        bearers: 64,
        prefixes: 32,
        framed: crate::framed::entries(7),
        blocks: 2 << 12,
        mappings: 2 << 16,
    }
}

pub(super) fn native_tables(start: u64) -> Tables {
    let native = Tables::new(SharedRegions::anonymous(sizes()).unwrap(), sizes()).unwrap();
    furnish(&native, start);
    native
}

pub(super) fn furnish(tables: &Tables, start: u64) {
    configure(tables);
    fill_uplink(tables);
    fill_downlink(tables);
    frame(tables);
    limit(tables);
    services::serve(tables, sizes());
    limit_rules(tables);
    translate(tables);
    refill(tables, start);
}

/// Addresses, pools, rules about destinations, and neighbours.
fn configure(tables: &Tables) {
    let settings = tables.settings.get(0).unwrap();
    settings.local.set(Address::new(World::GATEWAY).0);
    settings.buffer_limit.set(4);
    settings.tunnel_mtu.set(1400);
    settings.segment.set(1300);
    settings.pools6[0].first.set(u64::from_be_bytes(World::prefix(0)));
    settings.pools6[0].count.set(16);
    // Prefixes that are larger than the session's own.
    settings.pools6[1].first.set(u64::from_be_bytes(World::delegated(12)) & !0xff);
    settings.pools6[1].count.set(16);
    settings.pools6[1].base.set(16);
    settings.pools6[1].shift.set(4);
    settings.forbidden6[0].first.set(0x2001_0db8_dead_0000);
    settings.forbidden6[0].mask.set(0xffff_ffff_ffff_0000);
    settings.punt_rate.set(1_000_000_000);
    settings.punt_burst.set(1_000_000_000);
    settings.pools[0].first.set(u32::from(World::UE));
    settings.pools[0].count.set(16);
    settings.pools[1].first.set(u32::from(World::SECOND_POOL));
    settings.pools[1].count.set(16);
    settings.pools[1].base.set(16);
    settings.pool_count.set(2);
    let destinations = tables.destinations.get(0).unwrap();
    destinations.set([10, 45], Class::PHONES);
    destinations.set([127, 0], Class::DENY);
    destinations.set([198, 51], Class::RULES);
    destinations.set([203, 0], Class(5));
    destinations.set([203, 1], Class(6));
    let rule = &settings.rules[0];
    rule.address.set(Address::new(Ipv4Addr::new(198, 51, 100, 0)).0);
    rule.mask.set(Address::new(Ipv4Addr::new(255, 255, 255, 0)).0);
    rule.class.set(u32::from(Class::GATEWAY.0));
    settings.rule_count.set(1);
    for (hop, mtu) in [(0, 3000), (5, 1300), (256, 1600)] {
        tables.next_hops.get(hop).unwrap().resolve(7, mtu, Mac([hop as u8; 6]), Mac([hop as u8 + 1; 6]));
    }
}

/// Tunnels from phones.
fn fill_uplink(tables: &Tables) {
    for index in 0..16u32 {
        let uplink = tables.uplink.get(index as usize).unwrap();
        uplink.peer.set(Address::new(World::STATION).0);
        uplink.peer_mask.set(u32::MAX);
        uplink.ue.set(Address::from_host(u32::from(World::UE) + index).0);
        uplink.home.set(index);
        // The last ones have no IPv6.
        if index < 12 {
            let prefix = u64::from_ne_bytes(World::prefix(index as u8));
            uplink.prefix.set(prefix);
            tables.downlink.get(index as usize).unwrap().prefix.set(prefix);
            tables.prefixes.get(index as usize).unwrap().set(u64::from(index) + 1);
        } else if index < 14 {
            let prefix = u64::from_ne_bytes(World::delegated(index as u8));
            uplink.prefix.set(prefix);
            tables.downlink.get(index as usize).unwrap().prefix.set(prefix);
            tables.prefixes.get(16 + index as usize).unwrap().set(u64::from(index) + 1);
        }
        // Even ones may talk to phones, every fifth is idle, the last slot is free.
        uplink.flags.set(u32::from(index % 2 == 0) | u32::from(index % 5 == 4) << 1);
        if index == 14 {
            // A handover's.
            uplink.flags.set(UplinkFlags::FORWARD | UplinkFlags::IDLE);
        }
        uplink.teid.set(if index == 15 { 0 } else { World::teid(index) });
    }
}

/// Tunnels to phones, also of a second pool.
fn fill_downlink(tables: &Tables) {
    for slot in 0..32u32 {
        let downlink = tables.downlink.get(slot as usize).unwrap();
        let first = if slot < 16 { World::UE } else { World::SECOND_POOL };
        downlink.ue.set(Address::from_host(u32::from(first) + slot % 16).0);
        downlink.peer.set(Address::new(World::STATION).0);
        downlink.teid.set((slot + 77).to_be());
        downlink.owner.set(if slot < 15 { World::teid(slot) } else { slot + 1 });
        // One in eight has an unresolved neighbour, one is under change.
        downlink.next_hop.set(if slot % 8 == 5 { 257 } else { 256 });
        downlink.sequence.set(u32::from(slot == 6));
        downlink
            .state
            .set([DownlinkState::ACTIVE, DownlinkState::IDLE, DownlinkState::ACTIVE, slot % 4][slot as usize % 4]);
    }
}

/// Networks behind some phones, one of them idle, one with a dedicated bearer, one without IPv4 networks.
fn frame(tables: &Tables) {
    let mut networks = Networks::default();
    for (index, behind) in World::BEHIND {
        let behind: Vec<_> = behind.iter().map(|network| network.parse().unwrap()).collect();
        networks.set(tables, World::teid(index), index, &behind);
        assert!(networks.any(World::teid(index)));
        let record = tables.uplink.get(index as usize).unwrap();
        record.flags.set(record.flags.get() | UplinkFlags::FRAMED);
    }
}

/// Limits on some sessions and UEs.
fn limit(tables: &Tables) {
    for index in (0..16usize).filter(|index| index % 3 == 1) {
        let (uplink, downlink) = (tables.uplink.get(index).unwrap(), tables.downlink.get(index).unwrap());
        uplink.flags.set(uplink.flags.get() | UplinkFlags::METERED);
        downlink.flags.set(DownlinkFlags::METERED);
        // Of the last one's UE alone.
        if index != 13 {
            meter(&uplink.meter, 1_400);
            meter(&downlink.meter, 1_900);
        }
        if index > 6 {
            uplink.ue_meter.set(2);
            downlink.ue_meter.set(2);
        }
    }
    let ue = tables.ue_meters.get(2).unwrap();
    meter(&ue.uplink, 1_700);
    meter(&ue.downlink, 1_600);
}

/// Limits on the rules of one session.
fn limit_rules(tables: &Tables) {
    let record = tables.uplink.get(8).unwrap();
    let first = record.states.get() as usize;
    for state in tables.rule_states.iter().skip(first).take(record.state_count.get() as usize) {
        meter(&state.uplink, 1_500);
        meter(&state.downlink, 1_500);
    }
}

/// A limit of so many octets until the next refill. An octet takes a second and meters start far ahead of the clock, so the time that
/// the test takes is no part of the outcome.
fn meter(meter: &Meter, octets: u64) {
    meter.rate.set(1 << (6 + 20) | (31 - 5));
    let octet = Meter::cost(meter.rate.get()) >> 16;
    meter.burst.set(u32::try_from((AHEAD + octets * octet) / 1000).unwrap());
}

/// Some phones behind two external addresses, in blocks of 16 ports: small enough to run out of them. The gateway has the first
/// address itself. Mappings of the last one's protocol are over at once.
fn translate(tables: &Tables) {
    let nat = tables.nat.get(0).unwrap();
    nat.clock.set(1000);
    nat.block_bits.set(4);
    nat.filtering.set(Filtering::ADDRESS_AND_PORT);
    nat.fragment_timeout.set(30);
    for phase in [Phase::UDP, Phase::OPENING, Phase::ANSWERED, Phase::ESTABLISHED, Phase::CLOSING, Phase::ICMP] {
        nat.timeouts[phase as usize].set(100 + phase);
    }
    for (number, address) in World::EXTERNAL.into_iter().enumerate() {
        nat.externals[number].first.set(u32::from(address));
        nat.externals[number].count.set(1);
        nat.externals[number].base.set(number as u32);
        nat.externals[number].own.set(u32::from(number == 0));
    }
    nat.count.set(2);
    for index in [0u32, 2, 3, 5, 7, 8] {
        let external = index % 2;
        let port = World::ports(index);
        let first = (external << 16 | u32::from(port)) >> 4;
        for number in [first, first + 1] {
            let block = tables.blocks.get(number as usize).unwrap();
            block.external.set(Address::new(World::EXTERNAL[external as usize]).0);
            block.salt.set(index * 2);
            block.next.set(if number == first { number + 1 } else { 0 });
            block.inside.set(Address::from_host(u32::from(World::UE) + index).0);
        }
        let record = tables.uplink.get(index as usize).unwrap();
        record.block.set(first);
        record.flags.set(record.flags.get() | UplinkFlags::TRANSLATED);
    }
    // One has no block, one goes by the kernel, one by a VLAN whose router answers and one by a VLAN whose router does not.
    let flag = |index: usize, flag: u32, hop: u32| {
        let record = tables.uplink.get(index).unwrap();
        record.flags.set(record.flags.get() | flag);
        record.egress.set(hop);
    };
    flag(13, UplinkFlags::TRANSLATED, 0);
    flag(10, UplinkFlags::BY_KERNEL, 0);
    flag(11, UplinkFlags::OWN_HOP, 20);
    flag(12, UplinkFlags::OWN_HOP, 21);
    flag(8, UplinkFlags::OWN_HOP, 20);
    flag(0, UplinkFlags::OWN_HOP, 20);
    for (hop, vlan) in [(20, 100), (21, 200)] {
        tables.next_hops.get(hop).unwrap().vlan.set(vlan);
    }
    tables.next_hops.get(20).unwrap().resolve(7, 1300, Mac([20; 6]), Mac([21; 6]));
    for slot in [0, 8, 11] {
        tables.downlink.get(slot).unwrap().vlan.set(100);
    }
}

/// Puts all meters to their start.
pub(super) fn refill(tables: &Tables, start: u64) {
    for record in tables.uplink.iter() {
        record.meter.due.set((start + AHEAD) * Meter::UNITS);
    }
    for record in tables.downlink.iter() {
        record.meter.due.set((start + AHEAD) * Meter::UNITS);
    }
    for record in tables.uplink.iter() {
        record.quota.left.set(record.quota.threshold.get() * 2);
    }
    for state in tables.rule_states.iter() {
        state.quota.left.set(state.quota.threshold.get() * 2);
        for meter in [&state.uplink, &state.downlink] {
            meter.due.set((start + AHEAD) * Meter::UNITS);
        }
    }
    for meters in tables.ue_meters.iter() {
        meters.uplink.due.set((start + AHEAD) * Meter::UNITS);
        meters.downlink.due.set((start + AHEAD) * Meter::UNITS);
    }
}

/// How far meters start ahead of the clock, nanoseconds: longer than the test takes on any machine.
const AHEAD: u64 = 2_000_000_000_000;
