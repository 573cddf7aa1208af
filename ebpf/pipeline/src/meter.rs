//! Rate limits. What counts is the inner IP packet's total length: neither the tunnel's headers nor Ethernet's.
//!
//! A packet that several limits apply to passes all or is charged to none. The clock is read once, and only where a limit applies; it is
//! the coarse one, which steps with the kernel's tick (1 to 10 ms): a burst must be longer than two, the rate is exact all the same.

use crate::Tables;
use basalt_ebpf_abi::{DropReason, Meter};

/// How often another CPU may get in between. Whoever loses that often pays without looking again.
const TRIES: usize = 4;

/// Charges a packet to its rule's limit, and to the session's and the UE's where they hold for its bearer (`session`: the meter, and the
/// UE's entry or 0).
#[inline(always)]
pub(crate) fn charge<T: Tables>(
    tables: &T,
    rule: Option<&Meter>,
    session: Option<(&Meter, u32)>,
    uplink: bool,
    octets: u32,
) -> Result<(), DropReason> {
    let rule = rule.filter(|meter| meter.rate.get() != 0);
    if rule.is_none() && session.is_none() {
        return Ok(());
    }
    let now = tables.tick();
    if let Some(rule) = rule
        && !take(rule, now, octets)
    {
        return Err(DropReason::RuleRate);
    }
    let Some((session, ue)) = session else { return Ok(()) };
    let mut refused = None;
    if !take(session, now, octets) {
        refused = Some(DropReason::SessionRate);
    } else if ue != 0
        && let Some(meters) = tables.ue_meters(ue)
        && !take(if uplink { &meters.uplink } else { &meters.downlink }, now, octets)
    {
        refund(session, octets);
        refused = Some(DropReason::UeRate);
    }
    let Some(reason) = refused else { return Ok(()) };
    if let Some(rule) = rule {
        refund(rule, octets);
    }
    Err(reason)
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
    // A packet larger than half a burst may also owe more than the burst, when no more than half of it is owed before: it would find room
    // so seldom that less than the rate came of it. One bound, found before the loop: the verifier follows each way through that.
    let most = if cost > burst / 2 { burst / 2 } else { burst - cost };
    let now = now.wrapping_mul(Meter::UNITS);
    let mut due = meter.due.get();
    let mut i = 0;
    while i < TRIES {
        let start = if due > now { due } else { now };
        if start.wrapping_sub(now) > most {
            return false;
        }
        let next = start.wrapping_add(cost);
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
