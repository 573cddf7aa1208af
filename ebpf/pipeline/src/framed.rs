//! Networks behind phones: whose an address is that is no phone's own. The table is described in `basalt_ebpf_abi`.

use crate::{Packet, Step, Tables};
use basalt_ebpf_abi::{Address, Framed, Key, Settings, Uplink};

/// The session that has a network.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// Its downlink slot.
    pub(crate) slot: u32,
    /// Its TEID, by which the record in that slot is known to be still its own.
    pub(crate) owner: u32,
}

/// Bisects the table in use.
struct Search {
    key: Key,
    /// [`Settings::framed`] when it began.
    version: u32,
    /// The last interval known to begin at the key or before it.
    at: u32,
    /// How far on the next one to look at is; 0 where it is found.
    stride: u32,
    /// What was found, once it is certain: [`Framed::slot`] and [`Framed::owner`].
    slot: u32,
    owner: u32,
}

/// Steps of the longest search, with room for one that has to begin again.
const MOST_STEPS: u32 = 64;

impl Search {
    #[inline(always)]
    fn begin(&mut self, settings: &Settings) {
        self.version = settings.framed.get();
        self.at = 0;
        self.stride = settings.framed_steps[(self.version & 1) as usize].get();
    }
}

impl<T: Tables> Step<T> for Search {
    #[inline(always)]
    fn step(&mut self, tables: &T) -> bool {
        if self.stride == 0 {
            let (Some(settings), Some(entry)) =
                (tables.settings(), tables.framed(Framed::index(self.at, self.version)))
            else {
                return true;
            };
            let (slot, owner) = (entry.slot.get(), entry.owner.get());
            if settings.framed.get() == self.version {
                (self.slot, self.owner) = (slot, owner);
                return true;
            }
            self.begin(settings);
            return false;
        }
        let next = self.at.wrapping_add(self.stride);
        if let Some(entry) = tables.framed(Framed::index(next, self.version))
            && entry.begins_by(self.key)
        {
            self.at = next;
        }
        self.stride >>= 1;
        false
    }
}

#[inline(always)]
fn find<T: Tables>(tables: &T, settings: &Settings, key: Key) -> Option<Found> {
    let mut search = Search { key, version: 0, at: 0, stride: 0, slot: 0, owner: 0 };
    search.begin(settings);
    if search.stride == 0 {
        return None;
    }
    tables.repeat(MOST_STEPS, &mut search);
    // Verifiers shall not follow what comes after for each of the ways that led here.
    let slot = tables.any(search.slot);
    if slot == 0 { None } else { Some(Found { slot: slot.wrapping_sub(1), owner: tables.any(search.owner) }) }
}

/// Whose an IPv4 address is.
#[inline(always)]
pub(crate) fn of_ipv4<T: Tables>(tables: &T, settings: &Settings, address: Address) -> Option<Found> {
    find(tables, settings, Key::ipv4(address))
}

/// Whose the IPv6 address at `at` is.
#[inline(always)]
pub(crate) fn of_ipv6<P: Packet, T: Tables>(packet: &P, tables: &T, settings: &Settings, at: usize) -> Option<Found> {
    let (high, low) = (packet.load64(at)?, packet.load64(at + 8)?);
    find(tables, settings, Key { high: u64::from_be(high), low: u64::from_be(low) })
}

/// Whether what was found is this tunnel's session.
#[inline(always)]
fn is_own<T: Tables>(tables: &T, record: &Uplink, found: Option<Found>) -> bool {
    let Some(found) = found else { return false };
    tables.uplink(record.home.get()).is_some_and(|home| home.teid.get() == found.owner)
}

/// The source that an IPv4 packet of this phone must have: its own address, unless it comes from a network behind it.
#[inline(always)]
pub(crate) fn source<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    settings: &Settings,
    record: &Uplink,
    ip: usize,
) -> u32 {
    let own = record.ue.get();
    // What is too short, or of another version, is judged behind this.
    let Some(source) = packet.load32(ip + 12) else { return own };
    if source == own || !is_own(tables, record, of_ipv4(tables, settings, Address(source))) { own } else { source }
}

/// Whether an IPv6 packet of this phone comes from a network behind it.
#[inline(always)]
pub(crate) fn is_source6<P: Packet, T: Tables>(
    packet: &P,
    tables: &T,
    settings: &Settings,
    record: &Uplink,
    ip: usize,
) -> bool {
    is_own(tables, record, of_ipv6(packet, tables, settings, ip + 8))
}

/// Whether an IPv4 address is in a network behind a phone.
#[inline(always)]
pub(crate) fn is_phones<T: Tables>(tables: &T, settings: &Settings, destination: Address) -> bool {
    of_ipv4(tables, settings, destination).is_some()
}

/// Whether an IPv6 packet goes to a network behind a phone.
#[inline(always)]
pub(crate) fn is_destination6<P: Packet, T: Tables>(packet: &P, tables: &T, settings: &Settings, ip: usize) -> bool {
    of_ipv6(packet, tables, settings, ip + 24).is_some()
}
