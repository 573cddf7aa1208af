//! Which counters a packet changes that is sent, and by how much: what [`Uplinked::account`] and [`Downlinked::account`] will do, told
//! before, for whoever must be able to finish it for another that was killed amid it.

use crate::downlink::Downlinked;
use crate::service::{Charge, Group};
use crate::uplink::Uplinked;
use basalt_ebpf_abi::{Bearer, Downlink, RuleState, Shared64, Uplink};

/// Counters that one packet changes, at most: packets and octets of its session or bearer, of its rule and of that one's rating group, and
/// three quotas.
pub const ENTRIES: usize = 9;

/// Counters, and what is added to each, wrapping; the first ones are filled.
pub type Entries<'t> = [Option<(&'t Shared64, u64)>; ENTRIES];

impl Uplinked<'_> {
    /// What [`Uplinked::account`] adds where.
    #[must_use]
    pub fn entries<'t>(record: &'t Uplink, charge: &Charge<'t>, length: u32) -> Entries<'t> {
        let own = match charge.bearer {
            None => [&record.packets, &record.bytes],
            Some(bearer) => [&bearer.volume[0], &bearer.volume[1]],
        };
        let counters = |state: &'t RuleState| [&state.uplink_packets, &state.uplink_bytes];
        entries(own, states(charge).map(|state| state.map(|state| (state, counters(state)))), charge, length)
    }
}

impl Downlinked<'_> {
    /// What [`Downlinked::account`] adds where.
    #[must_use]
    pub fn entries<'t>(
        record: &'t Downlink,
        bearer: Option<&'t Bearer>,
        charge: &Charge<'t>,
        length: u32,
    ) -> Entries<'t> {
        let own = match bearer {
            None => [&record.packets, &record.bytes],
            Some(bearer) => [&bearer.volume[2], &bearer.volume[3]],
        };
        let counters = |state: &'t RuleState| [&state.downlink_packets, &state.downlink_bytes];
        entries(own, states(charge).map(|state| state.map(|state| (state, counters(state)))), charge, length)
    }
}

/// The states of a packet's rule and of its rating group.
fn states<'t>(charge: &Charge<'t>) -> [Option<&'t RuleState>; 2] {
    [charge.rule, charge.group.filter(Group::is_one).map(|group| group.state)]
}

fn entries<'t>(
    own: [&'t Shared64; 2],
    states: [Option<(&'t RuleState, [&'t Shared64; 2])>; 2],
    charge: &Charge<'t>,
    length: u32,
) -> Entries<'t> {
    let octets = u64::from(length);
    let spent = octets.wrapping_neg();
    let volume = |[packets, bytes]: [&'t Shared64; 2]| [Some((packets, 1)), Some((bytes, octets))];
    let limited = |state: &RuleState| state.flags.get() & RuleState::QUOTA != 0;
    let of_states = states.into_iter().flatten().flat_map(|(state, cells)| {
        let quota = limited(state).then_some((&state.quota.left, spent));
        volume(cells).into_iter().chain([quota])
    });
    let quota = charge.quota.map(|quota| (&quota.left, spent));
    let mut filled = volume(own).into_iter().chain(of_states).chain([quota]).flatten();
    core::array::from_fn(|_| filled.next())
}
