//! Which counters a packet changes that is sent, and by how much: what [`Uplinked::account`] and [`Downlinked::account`] will do, told
//! before, for whoever must be able to finish it for another that was killed amid it.

use crate::downlink::Downlinked;
use crate::service::Charge;
use crate::uplink::Uplinked;
use basalt_ebpf_abi::{Bearer, Downlink, RuleState, Shared64, Uplink};

/// Counters that one packet changes, at most: packets and octets of its session or bearer and of its rule, and two quotas.
pub const ENTRIES: usize = 6;

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
        let rule = charge.rule.map(|rule| [&rule.uplink_packets, &rule.uplink_bytes]);
        entries(own, rule, charge, length)
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
        let rule = charge.rule.map(|rule| [&rule.downlink_packets, &rule.downlink_bytes]);
        entries(own, rule, charge, length)
    }
}

fn entries<'t>(
    own: [&'t Shared64; 2],
    of_rule: Option<[&'t Shared64; 2]>,
    charge: &Charge<'t>,
    length: u32,
) -> Entries<'t> {
    let octets = u64::from(length);
    let spent = octets.wrapping_neg();
    let limited = charge.rule.filter(|rule| rule.flags.get() & RuleState::QUOTA != 0);
    let [packets, bytes] = own;
    let found = [
        Some((packets, 1)),
        Some((bytes, octets)),
        of_rule.map(|[packets, _]| (packets, 1)),
        of_rule.map(|[_, bytes]| (bytes, octets)),
        limited.map(|rule| (&rule.quota.left, spent)),
        charge.quota.map(|quota| (&quota.left, spent)),
    ];
    let mut filled = found.into_iter().flatten();
    core::array::from_fn(|_| filled.next())
}
