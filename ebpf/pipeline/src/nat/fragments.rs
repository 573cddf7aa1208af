//! Fragments from the internet: the first one leads the others, and those that come before it wait.

use crate::Tables;
use basalt_ebpf_abi::{Fragment, Nat};

/// Where the later fragments of this packet go.
#[inline(always)]
pub(super) fn led<T: Tables>(tables: &T, nat: &Nat, key: u64) -> Option<u32> {
    let fragment = tables.nat_fragment(Fragment::place(key))?;
    let (before, value) = (fragment.key.get(), fragment.value.get());
    let age = nat.clock.get().wrapping_sub(value as u32);
    let inside = (value >> 32) as u32;
    if before != key || fragment.key.get() != key || inside <= Fragment::MOST_EARLY || age > nat.fragment_timeout.get()
    {
        return None;
    }
    Some(inside)
}

/// Remembers where the first fragment of a packet went.
#[inline(always)]
pub(super) fn lead<T: Tables>(tables: &T, nat: &Nat, key: u64, inside: u32) {
    if let Some(fragment) = tables.nat_fragment(Fragment::place(key)) {
        fragment.value.set(0);
        fragment.key.set(key);
        fragment.value.set(u64::from(inside) << 32 | u64::from(nat.clock.get()));
    }
}

/// Whether a later fragment may wait for its first one: so many of a packet, for so long, and where the place is free.
#[inline(always)]
pub(crate) fn may_wait<T: Tables>(tables: &T, key: u64) -> bool {
    let (Some(nat), Some(fragment)) = (tables.nat(), tables.nat_fragment(Fragment::place(key))) else { return false };
    let (value, clock) = (fragment.value.get(), nat.clock.get());
    let (waiting, age) = ((value >> 32) as u32, clock.wrapping_sub(value as u32));
    if waiting > Fragment::MOST_EARLY {
        // Another packet's way, or an old one's.
        if age <= nat.fragment_timeout.get() {
            return false;
        }
    } else if waiting != 0 && age <= Fragment::EARLY_TIME {
        if fragment.key.get() != key || waiting == Fragment::MOST_EARLY {
            return false;
        }
        fragment.value.set(u64::from(waiting + 1) << 32 | u64::from(value as u32));
        return true;
    }
    fragment.value.set(0);
    fragment.key.set(key);
    fragment.value.set(1 << 32 | u64::from(clock));
    true
}
