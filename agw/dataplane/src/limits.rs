//! Rate limits of sessions and UEs, as they are set.

use crate::error::Error;
use crate::service::holder;
use crate::sessions::{Installed, Sessions};
use crate::tables::{Tables, tick};
use agw_types::{Ambr, Tunnel, UeAddress};
use basalt_ebpf_abi::{Downlink, DownlinkFlags, Meter, UeMeters, Uplink, UplinkFlags};
use basalt_ids::{Imsi, Teid};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A rate that packets may have on average. Octets of inner IP packets count, without any tunnel or link header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bits a second, 1 to 100 Gbit/s. Kept within 0.003 %.
    pub bits_per_second: u64,
    /// Octets that may come at once. Never less than what the rate carries in [`Rate::LEAST_BURST_MS`], nor than three of the largest packets
    /// that fit into a tunnel: with room for one, a packet that comes a moment early is lost, and the rate with it. `None`: what it
    /// carries in [`Rate::BURST_MS`].
    pub burst: Option<u32>,
}

impl Rate {
    /// The usual burst, milliseconds at the rate: 2.5 % too much in ten seconds. A TCP sender that has lost the end of its window is silent
    /// for 200 ms at least, the shortest timeout of Linux (RFC 6298 recommends a second): with less, what it may not send meanwhile is lost
    /// to it, half of the rate where the server is near.
    pub const BURST_MS: u64 = 250;
    /// The smallest burst, milliseconds at the rate: the clock of the programs steps by up to ten.
    pub const LEAST_BURST_MS: u64 = 25;
    /// The highest rate that can be kept, bit/s.
    pub const MOST: u64 = 100_000_000_000;
    /// Octets of the largest packet.
    const PACKET: u64 = 3_000;

    /// A rate with the usual burst.
    #[must_use]
    pub const fn new(bits_per_second: u64) -> Self {
        Self { bits_per_second, burst: None }
    }

    fn octets(self) -> u32 {
        let carried = |milliseconds: u64| self.bits_per_second.saturating_mul(milliseconds) / 8_000;
        let wanted = self.burst.map_or_else(|| carried(Self::BURST_MS), u64::from);
        let octets = wanted.max(carried(Self::LEAST_BURST_MS)).max(3 * Self::PACKET);
        u32::try_from(octets).unwrap_or(u32::MAX)
    }
}

/// Limits of both directions; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// From the phone.
    pub uplink: Option<Rate>,
    /// To the phone.
    pub downlink: Option<Rate>,
}

impl Limits {
    /// No limit in either direction.
    pub const NONE: Limits = Limits { uplink: None, downlink: None };

    /// An aggregate maximum bit rate with the usual burst. What no data plane could carry is no limit.
    #[must_use]
    pub fn of(ambr: Ambr) -> Self {
        let rate = |bits: u64| (bits <= Rate::MOST).then(|| Rate::new(bits.max(1)));
        Self { uplink: rate(ambr.uplink), downlink: rate(ambr.downlink) }
    }

    /// The same rates, with what they carry in `time` as burst.
    #[must_use]
    pub fn with_burst(self, time: Duration) -> Self {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let burst = |rate: Rate| {
            let octets = rate.bits_per_second.saturating_mul(milliseconds) / 8_000;
            Rate { burst: Some(u32::try_from(octets).unwrap_or(u32::MAX)), ..rate }
        };
        Self { uplink: self.uplink.map(burst), downlink: self.downlink.map(burst) }
    }

    fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// A session with its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// The session. Its own rates ([`Tunnel::ambr`], [`Tunnel::ue_ambr`]) are what is subscribed, these what holds.
    pub tunnel: Tunnel,
    /// Its own limits.
    pub session: Limits,
    /// Those that it shares with all sessions of its UE; `None` for a session that shares none.
    pub ue: Option<Limits>,
}

/// Which entries of the UEs' meters belong to whom. What programs read is in the tables.
#[derive(Debug, Default)]
pub(crate) struct UeLimits {
    of: BTreeMap<Imsi, u32>,
    users: BTreeMap<u32, BTreeSet<u32>>,
    free: Vec<u32>,
    next: u32,
}

impl UeLimits {
    /// Takes over the entries that sessions of before refer to.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        for record in tables.uplink.iter().filter(|record| holder(record) != 0 && record.ue_meter.get() != 0) {
            self.users.entry(record.ue_meter.get()).or_default().insert(holder(record));
        }
        self.next = self.users.keys().next_back().copied().unwrap_or(0);
    }

    /// The entry of a UE, for one more of its sessions, which may refer to one already.
    fn join(&mut self, tables: &Tables, imsi: Imsi, teid: u32, has: u32) -> Result<u32, Error> {
        let known = self.of.get(&imsi).copied();
        let adopted = (has != 0 && !self.of.values().any(|index| *index == has)).then_some(has);
        let index = match known.or(adopted) {
            Some(index) => index,
            None => self.take(tables)?,
        };
        if has != 0 && has != index {
            self.leave(tables, teid, has);
        }
        self.of.insert(imsi, index);
        self.users.entry(index).or_default().insert(teid);
        Ok(index)
    }

    /// The entry for one more session of a UE of which only the entry in other tables is known: `of_ues` says what stands for it here.
    fn follow(
        &mut self,
        tables: &Tables,
        teid: u32,
        there: u32,
        of_ues: &mut BTreeMap<u32, u32>,
    ) -> Result<u32, Error> {
        let index = match of_ues.get(&there) {
            Some(index) => *index,
            None => self.take(tables)?,
        };
        of_ues.insert(there, index);
        self.users.entry(index).or_default().insert(teid);
        Ok(index)
    }

    fn take(&mut self, tables: &Tables) -> Result<u32, Error> {
        let index = self.free.pop().unwrap_or(self.next + 1);
        if tables.ue_meters.get(index as usize).is_none() {
            return Err(Error::Full("UE limits"));
        }
        self.next = self.next.max(index);
        Ok(index)
    }

    /// A session needs its UE's entry no more. The entry of the last one is free.
    pub(crate) fn leave(&mut self, tables: &Tables, teid: u32, index: u32) {
        let Some(users) = self.users.get_mut(&index) else { return };
        users.remove(&teid);
        if users.is_empty() {
            self.users.remove(&index);
            self.of.retain(|_, of| *of != index);
            if let Some(UeMeters { uplink, downlink }) = tables.ue_meters.get(index as usize) {
                for meter in [uplink, downlink] {
                    meter.rate.set(0);
                    meter.due.set(0);
                }
            }
            self.free.push(index);
        }
    }

    /// Entries in use.
    pub(crate) fn used(&self) -> usize {
        self.users.len()
    }
}

impl Sessions {
    /// Limits a session, and its UE over all its sessions. What was sent counts on where sessions begin to share a limit, or cease to: no
    /// session that comes or goes opens a new burst for those that stay.
    pub(crate) fn limit(
        &mut self,
        tables: &Tables,
        teid: Teid,
        address: UeAddress,
        session: &Limits,
        ue: Option<(Imsi, Limits)>,
    ) -> Result<(), Error> {
        let (uplink, _, downlink) = self.records(tables, teid, address)?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return Err(Error::NoSession(teid.0));
        }
        let now = tick();
        let ue = ue.filter(|(_, limits)| !limits.is_none());
        let index = match ue {
            Some((imsi, limits)) => {
                let index = self.ue_limits.join(tables, imsi, teid.0, uplink.ue_meter.get())?;
                if let Some(meters) = tables.ue_meters.get(index as usize) {
                    if uplink.ue_meter.get() != index {
                        owe(&meters.uplink, &uplink.meter);
                        owe(&meters.downlink, &downlink.meter);
                    }
                    write(&meters.uplink, limits.uplink, now);
                    write(&meters.downlink, limits.downlink, now);
                }
                index
            }
            None => {
                let shared = uplink.ue_meter.get();
                if let Some(meters) = tables.ue_meters.get(shared as usize).filter(|_| shared != 0) {
                    owe(&uplink.meter, &meters.uplink);
                    owe(&downlink.meter, &meters.downlink);
                }
                self.ue_limits.leave(tables, teid.0, shared);
                0
            }
        };
        write(&uplink.meter, session.uplink, now);
        write(&downlink.meter, session.downlink, now);
        uplink.ue_meter.set(index);
        downlink.ue_meter.set(index);
        let limited = |session: Option<Rate>, ue: Option<Rate>| session.is_some() || ue.is_some();
        let of_ue = ue.map_or(Limits::NONE, |(_, limits)| limits);
        mark(&uplink.flags, UplinkFlags::METERED, limited(session.uplink, of_ue.uplink));
        mark(&downlink.flags, DownlinkFlags::METERED, limited(session.downlink, of_ue.downlink));
        Ok(())
    }

    /// Gives a session the limits that it has in other tables, with what is owed to them.
    pub(crate) fn carry_limits(
        &mut self,
        tables: &Tables,
        session: &Installed,
        (old, there): (&Sessions, &Tables),
        of_ues: &mut BTreeMap<u32, u32>,
    ) -> Result<(), Error> {
        let (uplink, _, downlink) = self.records(tables, session.teid, session.address)?;
        let (from_uplink, _, from_downlink) = old.records(there, session.teid, session.address)?;
        let shared = from_uplink.ue_meter.get();
        if let Some(from) = there.ue_meters.get(shared as usize).filter(|_| shared != 0) {
            let index = self.ue_limits.follow(tables, session.teid.0, shared, of_ues)?;
            if let Some(to) = tables.ue_meters.get(index as usize) {
                copy(&to.uplink, &from.uplink);
                copy(&to.downlink, &from.downlink);
            }
            uplink.ue_meter.set(index);
            downlink.ue_meter.set(index);
        }
        copy(&uplink.meter, &from_uplink.meter);
        copy(&downlink.meter, &from_downlink.meter);
        mark(&uplink.flags, UplinkFlags::METERED, UplinkFlags(from_uplink.flags.get()).has(UplinkFlags::METERED));
        mark(
            &downlink.flags,
            DownlinkFlags::METERED,
            DownlinkFlags(from_downlink.flags.get()).has(DownlinkFlags::METERED),
        );
        Ok(())
    }

    /// Takes the limits off records that get a new owner, or none.
    pub(crate) fn unlimit(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
        self.ue_limits.leave(tables, holder(uplink), uplink.ue_meter.get());
        uplink.ue_meter.set(0);
        downlink.ue_meter.set(0);
        for meter in [&uplink.meter, &downlink.meter] {
            meter.rate.set(0);
            meter.due.set(0);
        }
        mark(&uplink.flags, UplinkFlags::METERED, false);
        mark(&downlink.flags, DownlinkFlags::METERED, false);
    }
}

pub(crate) fn write(meter: &Meter, rate: Option<Rate>, now: u64) {
    meter.limit(rate.map(|rate| (rate.bits_per_second, rate.octets())), now);
}

/// Makes a meter what another one is.
fn copy(to: &Meter, from: &Meter) {
    to.due.set(from.due.get());
    to.burst.set(from.burst.get());
    to.rate.set(from.rate.get());
}

/// Lets a meter owe what another one does, if that is more. Setting the limit forgives what is beyond the burst.
fn owe(meter: &Meter, other: &Meter) {
    meter.due.set(meter.due.get().max(other.due.get()));
}

/// Sets or clears a flag that only user space writes.
pub(crate) fn mark(flags: &basalt_ebpf_abi::Shared32, flag: u32, on: bool) {
    let others = flags.get() & !flag;
    flags.set(if on { others | flag } else { others });
}
