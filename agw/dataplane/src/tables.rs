//! The tables of the data plane as user space sees them, whatever holds them.

use crate::region::Region;
use basalt_ebpf_abi::{
    Bearer, Block, Bucket, Destinations, Downlink, DropReason, FRAGMENTS, Fragment, Framed, Mapping, Nat, NextHop,
    Notice, Policy, PuntReason, REASON_SLOTS, RuleState, SCHEMA_VERSION, Settings, Shared64, TeidLayout, UeMeters,
    Uplink,
};
use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

/// How large the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// How TEIDs are split; gives the number of uplink records.
    pub teids: TeidLayout,
    /// Number of downlink records: addresses in all pools.
    pub downlink: u32,
    /// Number of next hops: egress ones from [`basalt_ebpf_abi::Class::FIRST_HOP`] to 255, base stations from 256.
    pub next_hops: u32,
    /// Number of UEs with a limit of their own.
    pub ue_meters: u32,
    /// Number of different sets of rules, and one.
    pub policies: u32,
    /// Number of rules of all sessions together.
    pub rule_states: u32,
    /// Number of sessions with dedicated bearers, and one, times [`basalt_ebpf_abi::BEARER_BLOCK`].
    pub bearers: u32,
    /// Number of IPv6 prefixes in all pools, at least 1.
    pub prefixes: u32,
    /// Number of entries for networks behind phones, two for an interval.
    pub framed: u32,
    /// Number of blocks of external ports, at least 1.
    pub blocks: u32,
    /// Number of external ports, at least 1.
    pub mappings: u32,
}

/// Records in shared memory, and the counters of user space. The same pipeline that runs in the kernel runs over them.
pub(crate) struct Tables {
    pub(crate) settings: Region<Settings>,
    pub(crate) uplink: Region<Uplink>,
    pub(crate) downlink: Region<Downlink>,
    pub(crate) next_hops: Region<NextHop>,
    pub(crate) destinations: Region<Destinations>,
    pub(crate) ue_meters: Region<UeMeters>,
    pub(crate) policies: Region<Policy>,
    pub(crate) rule_states: Region<RuleState>,
    pub(crate) bearers: Region<Bearer>,
    pub(crate) prefixes: Region<Shared64>,
    pub(crate) framed: Region<Framed>,
    pub(crate) nat: Region<Nat>,
    pub(crate) blocks: Region<Block>,
    pub(crate) mappings: Region<Mapping>,
    pub(crate) fragments: Region<Fragment>,
    notices: Mutex<VecDeque<Notice>>,
    buckets: Region<Bucket>,
    reasons: Region<Shared64>,
    started: Instant,
}

/// The regions that user space and programs share.
pub(crate) struct SharedRegions {
    pub(crate) settings: Region<Settings>,
    pub(crate) uplink: Region<Uplink>,
    pub(crate) downlink: Region<Downlink>,
    pub(crate) next_hops: Region<NextHop>,
    pub(crate) destinations: Region<Destinations>,
    pub(crate) ue_meters: Region<UeMeters>,
    pub(crate) policies: Region<Policy>,
    pub(crate) rule_states: Region<RuleState>,
    pub(crate) bearers: Region<Bearer>,
    pub(crate) prefixes: Region<Shared64>,
    pub(crate) framed: Region<Framed>,
    pub(crate) nat: Region<Nat>,
    pub(crate) blocks: Region<Block>,
    pub(crate) mappings: Region<Mapping>,
    pub(crate) fragments: Region<Fragment>,
}

impl SharedRegions {
    /// In anonymous memory: for the software plane, and for tests.
    pub(crate) fn anonymous(sizes: Sizes) -> io::Result<Self> {
        Ok(Self {
            settings: Region::anonymous(1)?,
            uplink: Region::anonymous(sizes.teids.slots() as usize)?,
            downlink: Region::anonymous(sizes.downlink as usize)?,
            next_hops: Region::anonymous(sizes.next_hops as usize)?,
            destinations: Region::anonymous(1)?,
            ue_meters: Region::anonymous(sizes.ue_meters as usize)?,
            policies: Region::anonymous(sizes.policies as usize)?,
            rule_states: Region::anonymous(sizes.rule_states as usize)?,
            bearers: Region::anonymous(sizes.bearers as usize)?,
            prefixes: Region::anonymous(sizes.prefixes as usize)?,
            framed: Region::anonymous(sizes.framed as usize)?,
            nat: Region::anonymous(1)?,
            blocks: Region::anonymous(sizes.blocks as usize)?,
            mappings: Region::anonymous(sizes.mappings as usize)?,
            fragments: Region::anonymous(FRAGMENTS as usize)?,
        })
    }
}

impl Tables {
    /// Tables of a predecessor, to be read only.
    pub(crate) fn of_predecessor(regions: SharedRegions) -> io::Result<(Self, TeidLayout)> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let settings = regions.settings.get(0).ok_or_else(bad)?;
        let layout = TeidLayout::for_sessions(settings.uplink_slots.get()).ok_or_else(bad)?;
        let whole = regions.uplink.iter().len() >= layout.slots() as usize;
        if !whole || settings.teid_mask.get() != layout.mask() {
            return Err(bad());
        }
        Ok((Self::over(regions)?, layout))
    }

    fn over(regions: SharedRegions) -> io::Result<Self> {
        let SharedRegions {
            settings,
            uplink,
            downlink,
            next_hops,
            destinations,
            ue_meters,
            policies,
            rule_states,
            bearers,
            prefixes,
            framed,
            nat,
            blocks,
            mappings,
            fragments,
        } = regions;
        Ok(Self {
            settings,
            uplink,
            downlink,
            next_hops,
            destinations,
            ue_meters,
            policies,
            rule_states,
            bearers,
            prefixes,
            framed,
            nat,
            blocks,
            mappings,
            fragments,
            notices: Mutex::default(),
            buckets: Region::anonymous(PuntReason::BUCKETS as usize)?,
            reasons: Region::anonymous(REASON_SLOTS as usize)?,
            started: Instant::now(),
        })
    }

    /// Tables over these regions.
    pub(crate) fn new(regions: SharedRegions, sizes: Sizes) -> io::Result<Self> {
        let tables = Self::over(regions)?;
        if let Some(settings) = tables.settings.get(0) {
            if settings.epoch.get() == 0 {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                settings.epoch.set(u32::try_from(now.as_secs()).unwrap_or(u32::MAX).max(1));
            }
            settings.teid_mask.set(sizes.teids.mask());
            settings.uplink_slots.set(sizes.teids.slots());
            settings.downlink_slots.set(sizes.downlink);
            settings.next_hops.set(sizes.next_hops);
            for (cell, word) in settings.layout.0.iter().zip(basalt_ebpf_abi::layout()) {
                cell.set(word);
            }
            // Last: from here on the maps are complete.
            settings.schema.set(SCHEMA_VERSION);
        }
        Ok(tables)
    }

    /// A number that no owner of a record of these tables has had.
    pub(crate) fn next_serial(&self) -> u32 {
        self.settings.get(0).map_or(0, |settings| settings.serial.fetch_add(1).wrapping_add(1))
    }

    /// Where in the file of these tables a counter lies.
    pub(crate) fn place(&self, counter: &Shared64) -> Option<u64> {
        let own = || self.uplink.place(counter).or_else(|| self.downlink.place(counter));
        own().or_else(|| self.bearers.place(counter)).or_else(|| self.rule_states.place(counter))
    }

    /// Counts a drop of user space.
    pub(crate) fn dropped(&self, reason: DropReason, packets: u64) {
        if let Some(counter) = self.reasons.get(reason.slot() as usize) {
            counter.add(packets);
        }
    }

    /// What the pipeline had to tell when it ran in this process.
    pub(crate) fn take_notices(&self) -> VecDeque<Notice> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A counter of user space.
    pub(crate) fn reason(&self, slot: u32) -> u64 {
        self.reasons.get(slot as usize).map_or(0, Shared64::get)
    }
}

/// Notices that may wait to be taken.
const NOTICES: usize = 4096;

/// The kernel's monotonic clock at its last tick, nanoseconds: the same that programs read, since they share the meters.
pub(crate) fn tick() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours; a clock that every Linux since 2.6.32 has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

impl basalt_pipeline::Tables for Tables {
    fn settings(&self) -> Option<&Settings> {
        self.settings.get(0)
    }

    fn uplink(&self, index: u32) -> Option<&Uplink> {
        self.uplink.get(index as usize)
    }

    fn downlink(&self, slot: u32) -> Option<&Downlink> {
        self.downlink.get(slot as usize)
    }

    fn next_hop(&self, index: u32) -> Option<&NextHop> {
        self.next_hops.get(index as usize)
    }

    fn destinations(&self) -> Option<&Destinations> {
        self.destinations.get(0)
    }

    fn bucket(&self, index: u32) -> Option<&Bucket> {
        self.buckets.get(index as usize)
    }

    fn ue_meters(&self, index: u32) -> Option<&UeMeters> {
        self.ue_meters.get(index as usize)
    }

    fn policy(&self, index: u32) -> Option<&Policy> {
        self.policies.get(index as usize)
    }

    fn rule_state(&self, index: u32) -> Option<&RuleState> {
        self.rule_states.get(index as usize)
    }

    fn bearer(&self, index: u32) -> Option<&Bearer> {
        self.bearers.get(index as usize)
    }

    fn prefix(&self, place: u32) -> Option<&Shared64> {
        self.prefixes.get(place as usize)
    }

    fn framed(&self, index: u32) -> Option<&Framed> {
        self.framed.get(index as usize)
    }

    fn nat(&self) -> Option<&Nat> {
        self.nat.get(0)
    }

    fn nat_block(&self, number: u32) -> Option<&Block> {
        self.blocks.get(number as usize)
    }

    fn nat_mapping(&self, number: u32) -> Option<&Mapping> {
        self.mappings.get(number as usize)
    }

    fn nat_fragment(&self, place: u32) -> Option<&Fragment> {
        self.fragments.get(place as usize)
    }

    fn notice(&self, notice: Notice) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() < NOTICES {
            notices.push_back(notice);
        }
    }

    fn count(&self, slot: u32) {
        if let Some(counter) = self.reasons.get(slot as usize) {
            counter.add(1);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn tick(&self) -> u64 {
        tick()
    }
}
