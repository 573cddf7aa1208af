//! Where the table of prefixes has the slot of a session, and what records say of its address.

use crate::error::Error;
use crate::tables::Tables;
use agw_types::{Prefix64, UeAddress};
use basalt_ebpf_abi::{Address, Downlink, Uplink};

/// What a session's records say of its address: IPv4 address and first half of the IPv6 addresses, both in wire order, 0 for none.
pub(crate) fn address(ue: u32, prefix: u64) -> Option<UeAddress> {
    UeAddress::new((ue != 0).then(|| Address(ue).to_ipv4()), prefix_of(prefix))
}

pub(super) fn prefix_of(prefix: u64) -> Option<Prefix64> {
    (prefix != 0).then(|| Prefix64::from_bits(u64::from_be(prefix)))
}

/// The downlink slot of an address; for one without IPv4, of the session that has its prefix.
pub(crate) fn slot_of(tables: &Tables, address: UeAddress) -> Option<u32> {
    match (address.ipv4(), address.prefix()) {
        (Some(ipv4), _) => tables.settings.get(0)?.slot(Address::new(ipv4)),
        (None, Some(prefix)) => cell(tables, prefix)?.checked_sub(1),
        (None, None) => None,
    }
}

/// Where the slot of a prefix is kept.
pub(super) fn place(tables: &Tables, prefix: Prefix64) -> Result<u32, Error> {
    let place = tables.settings.get(0).and_then(|settings| settings.place6(prefix.to_bits()));
    place.map(|place| place.place).ok_or(Error::OutsidePools(prefix.into()))
}

pub(super) fn place_of(tables: &Tables, downlink: &Downlink) -> Option<u32> {
    prefix_of(downlink.prefix.get()).and_then(|prefix| place(tables, prefix).ok())
}

/// One more than the slot that is kept for a prefix; 0 for none.
pub(super) fn cell(tables: &Tables, prefix: Prefix64) -> Option<u32> {
    let cell = place(tables, prefix).ok().and_then(|place| tables.prefixes.get(place as usize));
    cell.and_then(|cell| u32::try_from(cell.get()).ok())
}

/// No packet finds this slot by this prefix (wire order) any more.
pub(super) fn free_place(tables: &Tables, prefix: u64, slot: u32) {
    let place = prefix_of(prefix).and_then(|prefix| place(tables, prefix).ok());
    if let Some(cell) = place.and_then(|place| tables.prefixes.get(place as usize))
        && cell.get() == u64::from(slot) + 1
    {
        cell.set(0);
    }
}

/// Gives both records of a session its prefix.
pub(super) fn write_prefix(tables: &Tables, uplink: &Uplink, downlink: &Downlink, slot: u32, prefix: Option<Prefix64>) {
    let number = prefix.map_or(0, |prefix| prefix.to_bits().to_be());
    if downlink.prefix.get() != number {
        free_place(tables, downlink.prefix.get(), slot);
    }
    uplink.prefix.set(number);
    downlink.prefix.set(number);
}
