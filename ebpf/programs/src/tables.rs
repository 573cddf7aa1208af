//! The maps.

use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_coarse_ns, bpf_ktime_get_ns, bpf_loop};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, ProgramArray, RingBuf};
use basalt_ebpf_abi::{
    Bearer, Block, Bucket, Destinations, Downlink, FRAGMENTS, Fragment, Framed, HandoverHeader, Mapping, Nat, NextHop,
    Notice, Policy, PuntReason, REASON_SLOTS, RuleState, Settings, Shared32, Shared64, UeMeters, Uplink, Watch,
};
use basalt_pipeline::{Resolved, Step, Tables};
use core::ffi::c_void;

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
static FRAMED: Array<Framed> = Array::with_max_entries(16, MMAPABLE);
#[map]
static NAT: Array<Nat> = Array::with_max_entries(1, MMAPABLE);
#[map]
static NAT_BLOCKS: Array<Block> = Array::with_max_entries(16, MMAPABLE);
#[map]
static NAT_MAPPINGS: Array<Mapping> = Array::with_max_entries(16, MMAPABLE);
#[map]
static NAT_FRAGMENTS: Array<Fragment> = Array::with_max_entries(FRAGMENTS, MMAPABLE);
#[map]
static REASONS: PerCpuArray<u64> = PerCpuArray::with_max_entries(REASON_SLOTS, 0);
#[map]
static BUCKETS: PerCpuArray<Bucket> = PerCpuArray::with_max_entries(PuntReason::BUCKETS, 0);
/// Programs that are entered from others: [`basalt_ebpf_abi::programs::STAGES`].
#[map]
pub(crate) static STAGES: ProgramArray = ProgramArray::with_max_entries(2, 0);
/// What a program leaves for the one it goes on to.
#[map]
pub(crate) static PENDING: PerCpuArray<[u32; Resolved::WORDS]> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub(crate) static HANDOVER: RingBuf = RingBuf::with_byte_size(1 << 20, 0);
#[map]
pub(crate) static WATCH: Array<Watch> = Array::with_max_entries(1, MMAPABLE);
#[map]
pub(crate) static WATCHED: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Zero, which no verifier knows: it is in memory that user space may write. Not in a map's record, because the way without that record
/// would have to be followed, too, with a zero that is known.
static ZERO: Shared32 = Shared32::new(0);

/// The coarse clock as it was read last, and the tick in which that was: asked for once a tick, because calls into the kernel are dear
/// (each return is slowed down against speculation). Processors that write it at once, or read it while the kernel is at its tick, may see
/// the tick before for one tick more: a limit is then that much stricter for a moment, and never lets more pass.
struct Tick {
    time: Shared64,
    jiffies: Shared64,
}

static TICK: Tick = Tick { time: Shared64::new(0), jiffies: Shared64::new(0) };

/// One time round of a loop of the kernel's, which ends with 1.
extern "C" fn again<S: Step<Maps>>(_: u32, state: *mut S) -> u64 {
    // SAFETY: `repeat` passes a state that nobody else refers to meanwhile.
    let last = unsafe { (*state).step(&Maps) };
    u64::from(last)
}

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
    fn fetch_rule_state(&self, index: u32) {
        if let Some(state) = RULE_STATES.get(index) {
            // Nothing waits for values that are not used; the loads are volatile, so they are there all the same. One of each line.
            state.uplink_packets.get();
            state.flags.get();
        }
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
    fn framed(&self, index: u32) -> Option<&Framed> {
        FRAMED.get(index)
    }

    #[inline(always)]
    fn nat(&self) -> Option<&Nat> {
        NAT.get(0)
    }

    #[inline(always)]
    fn nat_block(&self, number: u32) -> Option<&Block> {
        NAT_BLOCKS.get(number)
    }

    #[inline(always)]
    fn nat_mapping(&self, number: u32) -> Option<&Mapping> {
        NAT_MAPPINGS.get(number)
    }

    #[inline(always)]
    fn nat_fragment(&self, place: u32) -> Option<&Fragment> {
        NAT_FRAGMENTS.get(place)
    }

    #[inline(always)]
    fn any(&self, value: u32) -> u32 {
        value ^ ZERO.get()
    }

    #[inline(always)]
    fn repeat<S: Step<Self>>(&self, most: u32, state: &mut S) {
        let call: extern "C" fn(u32, *mut S) -> u64 = again::<S>;
        // SAFETY: the callback gets this state and is called before the helper returns, by this CPU only.
        unsafe { bpf_loop(most, call as usize as *mut c_void, (state as *mut S).cast(), 0) };
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
        // SAFETY: as above. No call: the verifier puts a load of the kernel's counter in its place.
        let jiffies = unsafe { bpf_jiffies64() };
        if TICK.jiffies.get() == jiffies {
            return TICK.time.get();
        }
        // SAFETY: as above.
        let time = unsafe { bpf_ktime_get_coarse_ns() };
        TICK.time.set(time);
        TICK.jiffies.set(jiffies);
        time
    }
}
