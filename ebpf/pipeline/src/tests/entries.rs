//! What is told of counting beforehand is what is counted.

use super::support::*;
use crate::service::{Charge, Group};
use crate::{Downlinked, Entries, Uplinked};
use basalt_ebpf_abi::{Bearer, Quota, RuleState, Shared64};

/// Where the state of the rule's rating group is.
const GROUP: u32 = 5;

/// Every counter of all these and of the rating group, in order.
fn cells<'t>(world: &'t World, bearer: &'t Bearer, rule: &'t RuleState, quota: &'t Quota) -> Vec<&'t Shared64> {
    let (up, down) = (&world.uplink[3], &world.downlink[7]);
    let of_states = [rule, &world.states[GROUP as usize]].into_iter().flat_map(|state| {
        let volume = [&state.uplink_packets, &state.uplink_bytes, &state.downlink_packets, &state.downlink_bytes];
        volume.into_iter().chain([&state.quota.left])
    });
    let records = [&up.packets, &up.bytes, &down.packets, &down.bytes, &quota.left];
    records.into_iter().chain(of_states).chain(&bearer.volume).collect()
}

fn told(all: &[&Shared64], entries: &Entries<'_>) -> Vec<u64> {
    let add = |cell: &&Shared64| {
        let found = entries.iter().flatten().filter(|(told, _)| std::ptr::eq(*told, *cell));
        found.map(|(_, add)| *add).fold(0, u64::wrapping_add)
    };
    all.iter().map(add).collect()
}

#[test]
fn entries_are_what_is_counted() {
    const LENGTH: u32 = 1_234;
    for combination in 0..128u32 {
        let bit = |number: u32| combination >> number & 1 == 1;
        let (world, bearer, rule, quota) = (World::new(), Bearer::default(), RuleState::default(), Quota::default());
        rule.flags.set(if bit(0) { RuleState::QUOTA } else { 0 });
        let group = &world.states[GROUP as usize];
        group.flags.set(RuleState::GROUP | if bit(6) { RuleState::QUOTA } else { 0 });
        let on_bearer = bit(3).then_some(&bearer);
        let charge = Charge {
            any: bit(1) || bit(2),
            bearer: on_bearer.filter(|_| bit(4)),
            rule: bit(1).then_some(&rule),
            index: 0,
            group: bit(1).then_some(if bit(5) {
                Group { state: group, index: GROUP }
            } else {
                Group { state: &rule, index: 0 }
            }),
            quota: bit(2).then_some(&quota),
        };
        let all = cells(&world, &bearer, &rule, &quota);
        let before: Vec<u64> = all.iter().map(|cell| cell.get()).collect();
        let (up, down) = (&world.uplink[3], &world.downlink[7]);
        let entries = if bit(4) {
            Uplinked::entries(up, &charge, LENGTH)
        } else {
            Downlinked::entries(down, on_bearer, &charge, LENGTH)
        };
        if bit(4) {
            Uplinked::account(&world, up, &charge, LENGTH);
        } else {
            Downlinked::account(&world, down, on_bearer, &charge, LENGTH);
        }
        let counted: Vec<u64> = all.iter().zip(before).map(|(cell, before)| cell.get().wrapping_sub(before)).collect();
        assert_eq!(told(&all, &entries), counted, "{combination:07b}");
        let filled = entries.iter().take_while(|entry| entry.is_some()).count();
        assert_eq!(filled, entries.iter().flatten().count(), "the first ones are filled");
    }
}
