//! The maps.

use aya_ebpf::helpers::generated::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use basalt_ebpf_abi::{
    Bearer, Bucket, Destinations, Downlink, HandoverHeader, NextHop, Notice, Policy, PuntReason, REASON_SLOTS,
    RuleState, Settings, Shared64, UeMeters, Uplink,
};
use basalt_pipeline::Tables;

/// User space maps the values into its memory: records are changed by plain stores, in place, without a system call.
const MMAPABLE: u32 = 1 << 10;

// Sizes of the arrays of records and of HANDOVER are set by the loader.
#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, MMAPABLE);
#[map]
static UPLINK: Array<Uplink> = Array::with_max_entries(16, MMAPABLE);
#[map]
static DOWNLINK: Array<Downlink> = Array::with_max_entries(16, MMAPABLE);
#[map]
static NEXT_HOPS: Array<NextHop> = Array::with_max_entries(256, MMAPABLE);
#[map]
static DESTINATIONS: Array<Destinations> = Array::with_max_entries(1, MMAPABLE);
#[map]
static UE_METERS: Array<UeMeters> = Array::with_max_entries(16, MMAPABLE);
#[map]
static POLICIES: Array<Policy> = Array::with_max_entries(2, MMAPABLE);
#[map]
static RULE_STATES: Array<RuleState> = Array::with_max_entries(16, MMAPABLE);
#[map]
static BEARERS: Array<Bearer> = Array::with_max_entries(32, MMAPABLE);
#[map]
static PREFIXES: Array<Shared64> = Array::with_max_entries(16, MMAPABLE);
#[map]
static REASONS: PerCpuArray<u64> = PerCpuArray::with_max_entries(REASON_SLOTS, 0);
#[map]
static BUCKETS: PerCpuArray<Bucket> = PerCpuArray::with_max_entries(PuntReason::BUCKETS, 0);
#[map]
pub(crate) static HANDOVER: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// The maps of this object.
pub struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        SETTINGS.get(0)
    }

    #[inline(always)]
    fn uplink(&self, index: u32) -> Option<&Uplink> {
        UPLINK.get(index)
    }

    #[inline(always)]
    fn downlink(&self, slot: u32) -> Option<&Downlink> {
        DOWNLINK.get(slot)
    }

    #[inline(always)]
    fn next_hop(&self, index: u32) -> Option<&NextHop> {
        NEXT_HOPS.get(index)
    }

    #[inline(always)]
    fn destinations(&self) -> Option<&Destinations> {
        DESTINATIONS.get(0)
    }

    #[inline(always)]
    fn bucket(&self, index: u32) -> Option<&Bucket> {
        BUCKETS.get(index)
    }

    #[inline(always)]
    fn ue_meters(&self, index: u32) -> Option<&UeMeters> {
        UE_METERS.get(index)
    }

    #[inline(always)]
    fn policy(&self, index: u32) -> Option<&Policy> {
        POLICIES.get(index)
    }

    #[inline(always)]
    fn rule_state(&self, index: u32) -> Option<&RuleState> {
        RULE_STATES.get(index)
    }

    #[inline(always)]
    fn bearer(&self, index: u32) -> Option<&Bearer> {
        BEARERS.get(index)
    }

    #[inline(always)]
    fn prefix(&self, place: u32) -> Option<&Shared64> {
        PREFIXES.get(place)
    }

    #[inline(always)]
    fn notice(&self, notice: Notice) {
        let header = notice.header();
        if let Some(mut entry) = HANDOVER.reserve::<[u32; HandoverHeader::SIZE / 4]>(0) {
            entry.write([header.slot, header.ue, header.owner, header.number, header.length, header.reason]);
            entry.submit(0);
        }
    }

    #[inline(always)]
    fn count(&self, slot: u32) {
        if let Some(counter) = REASONS.get_ptr_mut(slot) {
            // SAFETY: this CPU's own counter; XDP programs of one CPU do not interrupt each other.
            unsafe { *counter += 1 };
        }
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: the helper has no arguments and no effect.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn tick(&self) -> u64 {
        // SAFETY: as above.
        unsafe { bpf_ktime_get_coarse_ns() }
    }
}
