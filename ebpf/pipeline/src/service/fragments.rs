//! Fragments of one packet under one rule, though the first alone has the ports that say which: else all but a packet's first octets would
//! escape its rule's rate, be charged to another one and leave by another bearer.

use super::flow::{Flow, Part};
use crate::{Packet, Tables};
use basalt_ebpf_abi::Fragment;

/// The rules that the packet at `offset` satisfies, `rules` by what it says itself: of a later fragment the one of its first, where that is
/// known. `None` where there are no tables, which does not happen: verifiers shall see an end there.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined into one program")]
pub(super) fn together<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    offset: usize,
    flow: &Flow,
    policy: u32,
    session: u32,
    uplink: bool,
    rules: u64,
) -> Option<u64> {
    let Part { fragment, identification } = Part::read(packet, offset, flow)?;
    if fragment == 0 {
        return Some(rules);
    }
    let remote = match flow.remote {
        Some(remote) => u64::from(remote),
        None => flow.remote6[0].rotate_left(1) ^ flow.remote6[1],
    };
    let key = Fragment::rule_key(session, remote, identification, flow.protocol as u8, uplink);
    let clock = tables.nat()?.clock.get();
    let entry = tables.nat_fragment(Fragment::place(key))?;
    // Verifiers shall not follow each rule through all that comes.
    let zero = u64::from(tables.any(0));
    if fragment == Part::FIRST {
        entry.value.set(0);
        entry.key.set(key);
        entry.value.set(Fragment::under_rule(policy, (rules ^ zero).trailing_zeros(), clock));
        return Some(rules);
    }
    let (before, value) = (entry.key.get(), entry.value.get());
    let known = before == key && entry.key.get() == key;
    let found = match Fragment::rule(value, policy, clock) {
        Some(number) if known && number < 64 => 1 << (number & 63),
        Some(_) if known => 0,
        _ => rules,
    };
    Some(found ^ zero)
}
