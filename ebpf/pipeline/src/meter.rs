//! Rate limits. What counts is the inner IP packet's total length: neither the tunnel's headers nor Ethernet's.
//!
//! A packet that several limits apply to passes all or is charged to none. The clock is read once, and only where a limit applies; it is
//! the coarse one, which steps with the kernel's tick (1 to 10 ms): a burst must be longer than that, the rate is exact all the same.

use crate::Tables;
use basalt_ebpf_abi::{Downlink, DownlinkFlags, DropReason, Meter, Uplink, UplinkFlags};

/// How often another CPU may get in between. Whoever loses that often pays without looking again.
const TRIES: usize = 4;

/// Limits of a packet from a phone.
#[inline(always)]
pub(crate) fn uplink<T: Tables>(
    tables: &T,
    record: &Uplink,
    flags: UplinkFlags,
    octets: u32,
) -> Result<(), DropReason> {
    if !flags.has(UplinkFlags::METERED) {
        return Ok(());
    }
    // The session's limit is one for all its bearers. Where there is no such record, there is no session.
    let Some(home) = tables.uplink(record.home.get()) else {
        return Err(DropReason::SessionRate);
    };
    let ue = match home.ue_meter.get() {
        0 => None,
        index => tables.ue_meters(index).map(|meters| &meters.uplink),
    };
    both(&home.meter, ue, tables.tick(), octets)
}

/// Limits of a packet to a phone.
#[inline(always)]
pub(crate) fn downlink<T: Tables>(tables: &T, record: &Downlink, octets: u32) -> Result<(), DropReason> {
    if !DownlinkFlags(record.flags.get()).has(DownlinkFlags::METERED) {
        return Ok(());
    }
    let ue = match record.ue_meter.get() {
        0 => None,
        index => tables.ue_meters(index).map(|meters| &meters.downlink),
    };
    both(&record.meter, ue, tables.tick(), octets)
}

/// The session's and the UE's limit, together.
#[inline(always)]
fn both(session: &Meter, ue: Option<&Meter>, now: u64, octets: u32) -> Result<(), DropReason> {
    if !take(session, now, octets) {
        return Err(DropReason::SessionRate);
    }
    if let Some(ue) = ue
        && !take(ue, now, octets)
    {
        refund(session, octets);
        return Err(DropReason::UeRate);
    }
    Ok(())
}

/// Time that `octets` take at the meter's rate, in its units; 0 for no limit.
#[inline(always)]
fn time(rate: u32, octets: u32) -> u64 {
    // Nanoseconds times 65536 become sixteenths of nanoseconds.
    Meter::cost(rate).wrapping_mul(u64::from(octets)) >> 12
}

/// Charges `octets` at `now` (nanoseconds), unless they are too many.
#[inline(always)]
pub(crate) fn take(meter: &Meter, now: u64, octets: u32) -> bool {
    let rate = meter.rate.get();
    if rate == 0 {
        return true;
    }
    let cost = time(rate, octets);
    let burst = u64::from(meter.burst.get()) * (1000 * Meter::UNITS);
    let now = now.wrapping_mul(Meter::UNITS);
    let mut due = meter.due.get();
    let mut i = 0;
    while i < TRIES {
        let start = if due > now { due } else { now };
        let next = start.wrapping_add(cost);
        if next.wrapping_sub(now) > burst {
            return false;
        }
        let before = meter.due.swap_if(due, next);
        if before == due {
            return true;
        }
        due = before;
        i += 1;
    }
    // Admitted by what was seen last; nothing is lost of what was paid, so the rate stays exact.
    meter.due.add(cost);
    true
}

/// Gives back what was taken for a packet that goes nowhere.
#[inline(always)]
pub(crate) fn refund(meter: &Meter, octets: u32) {
    meter.due.add(time(meter.rate.get(), octets).wrapping_neg());
}
