//! The programs that stand in place of the usual ones while somebody watches a phone.

use crate::handover::between;
use crate::tables::{Maps, WATCH, WATCHED};
use crate::{Frame, act};
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_xdp_load_bytes};
use basalt_ebpf_abi::{Point, Watch, WatchedHeader};
use basalt_pipeline::{
    GTP_PORT, Origin, Packet, Pending, Resolved, Tables, Verdict, access, deliver, inside_of, onward, towards_phone,
};
use core::mem::MaybeUninit;

/// Ethernet header.
const ETH: usize = 14;
/// EtherType of a VLAN tag.
const VLAN: u16 = 0x8100;
/// From the frame's beginning to the GTP-U header behind IPv4 and UDP without options.
const GTP: usize = ETH + 28;

/// Does what [`access`] does, and tells.
#[inline(always)]
pub fn watch_access(frame: &mut Frame) -> u32 {
    let watch = WATCH.get(0).filter(|watch| tunnelled(frame, watch));
    if let Some(watch) = watch {
        copy(frame, watch, Point::RadioIn, frame.ingress(), 0);
    }
    // Verifiers shall look at what comes next once, and not once more for a packet that was told of. What is told is known before it is asked
    // again: compilers would carry the verdict over that question half made.
    let watched = Maps.any(u32::from(watch.is_some()));
    let verdict = access(frame, &Maps);
    let told = uplink_told(frame, &verdict);
    let action = act(frame, verdict);
    if let Some(watch) = WATCH.get(0).filter(|_| watched != 0) {
        let (point, ifindex, reason) = told;
        copy(frame, watch, point, ifindex, reason);
    }
    action
}

/// Does what [`onward`] does, and tells where a packet ends there. [`watch_access`] has told where it came from.
#[inline(always)]
pub fn watch_onward(frame: &mut Frame, pending: Pending) -> u32 {
    let index = pending.index;
    let verdict = onward(frame, &Maps, pending);
    if let Some(watch) = WATCH.get(0).filter(|watch| is_of(index, watch)) {
        told_uplink(frame, watch, &verdict);
    }
    act(frame, verdict)
}

/// Does what [`deliver`] does, and tells, as [`watch_onward`].
#[inline(always)]
pub fn watch_deliver(frame: &mut Frame, resolved: Resolved) -> u32 {
    let index = resolved.index();
    let verdict = deliver(frame, &Maps, resolved);
    if let Some(watch) = WATCH.get(0).filter(|watch| is_of(index, watch)) {
        told_uplink(frame, watch, &verdict);
    }
    act(frame, verdict)
}

#[inline(always)]
fn told_uplink(frame: &Frame, watch: &Watch, verdict: &Verdict<'_>) {
    let (point, ifindex, reason) = uplink_told(frame, verdict);
    copy(frame, watch, point, ifindex, reason);
}

/// What is told of a packet from a phone: where it is, an interface, and the reason why it ends.
#[inline(always)]
fn uplink_told(frame: &Frame, verdict: &Verdict<'_>) -> (Point, u32, u32) {
    match verdict {
        Verdict::Redirect(ifindex) => (Point::InternetOut, *ifindex, 0),
        Verdict::Drop(reason) => (Point::UplinkDropped, frame.ingress(), *reason as u32),
        Verdict::Pass | Verdict::HandOver(_) => (Point::UplinkPunted, frame.ingress(), 0),
    }
}

/// Whether a tunnel is of the phone.
#[inline(always)]
fn is_of(index: u32, watch: &Watch) -> bool {
    let Some(record) = Maps.uplink(index) else { return false };
    let (ue, prefix) = (watch.ue.get(), watch.prefix.get());
    (ue != 0 && record.ue.get() == ue) || (prefix != 0 && record.prefix.get() == prefix)
}

/// Does what [`towards_phone`] does, and tells; once in the program for all packets, as [`watch_access`].
#[inline(always)]
pub fn watch_towards_phone(frame: &mut Frame, origin: Origin) -> u32 {
    let watch = WATCH.get(0).filter(|watch| addressed(frame, watch));
    if let Some(watch) = watch {
        copy(frame, watch, Point::InternetIn, frame.ingress(), 0);
    }
    let watched = Maps.any(u32::from(watch.is_some()));
    let verdict = towards_phone(frame, &Maps, origin);
    let told = downlink_told(frame, &verdict);
    let action = act(frame, verdict);
    if let Some(watch) = WATCH.get(0).filter(|_| watched != 0) {
        let (point, ifindex, reason) = told;
        copy(frame, watch, point, ifindex, reason);
    }
    action
}

/// What is told of a packet to a phone, as [`uplink_told`].
#[inline(always)]
fn downlink_told(frame: &Frame, verdict: &Verdict<'_>) -> (Point, u32, u32) {
    match verdict {
        Verdict::Redirect(ifindex) => (Point::RadioOut, *ifindex, 0),
        Verdict::Drop(reason) => (Point::DownlinkDropped, frame.ingress(), *reason as u32),
        Verdict::HandOver(packet) => (Point::DownlinkPunted, frame.ingress(), packet.reason as u32),
        Verdict::Pass => (Point::DownlinkPunted, frame.ingress(), 0),
    }
}

/// Whether a frame from the radio network is of a tunnel of the phone.
#[inline(always)]
fn tunnelled(frame: &Frame, watch: &Watch) -> bool {
    let (Some(port), Some(teid)) = (frame.load16(ETH + 22), frame.load32(GTP + 4)) else { return false };
    if port != GTP_PORT.to_be() {
        return false;
    }
    let teid = u32::from_be(teid);
    let Some(settings) = Maps.settings() else { return false };
    let Some(record) = Maps.uplink(teid & settings.teid_mask.get()) else { return false };
    if teid == 0 || record.teid.get() != teid {
        return false;
    }
    let (ue, prefix) = (watch.ue.get(), watch.prefix.get());
    (ue != 0 && record.ue.get() == ue) || (prefix != 0 && record.prefix.get() == prefix)
}

/// Whether a frame is for the phone.
#[inline(always)]
fn addressed(frame: &Frame, watch: &Watch) -> bool {
    let mut kind = frame.load16(ETH - 2).map_or(0, u16::from_be);
    let mut ip = ETH;
    if kind == VLAN {
        kind = frame.load16(ETH + 2).map_or(0, u16::from_be);
        ip = ETH + 4;
    }
    let (ue, prefix) = (watch.ue.get(), watch.prefix.get());
    match kind {
        0x0800 => ue != 0 && (frame.load32(ip + 16) == Some(ue) || inside_of(frame, &Maps, ip) == Some(ue)),
        0x86dd => prefix != 0 && frame.load64(ip + 24) == Some(prefix),
        _ => false,
    }
}

/// Tells of a frame as it is now.
#[inline(always)]
fn copy(frame: &Frame, watch: &Watch, point: Point, ifindex: u32, reason: u32) {
    const SMALL: usize = 24;
    const LARGE: usize = 256;
    let length = frame.len();
    let snap = watch.snap.get();
    let wanted = if length < snap { length } else { snap };
    if wanted <= (SMALL * 8 - WatchedHeader::SIZE) as u32 {
        record::<SMALL>(frame, wanted, [point as u32, ifindex, length, reason]);
    } else {
        record::<LARGE>(frame, wanted, [point as u32, ifindex, length, reason]);
    }
}

/// Writes a record of `N` words of eight. A ring that is full loses it: whoever looks sees less.
#[inline(always)]
fn record<const N: usize>(frame: &Frame, wanted: u32, [point, ifindex, length, reason]: [u32; 4]) {
    let most = (N * 8 - WatchedHeader::SIZE) as u32;
    let Some(captured) = between(if wanted < most { wanted } else { most }, most) else { return };
    let Some(mut entry) = WATCHED.reserve::<[u64; N]>(0) else { return };
    let words: *mut u64 = MaybeUninit::as_mut_ptr(&mut entry).cast();
    // SAFETY: the helper has no arguments and no effect.
    let time = unsafe { bpf_ktime_get_ns() };
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let head = [time, pair(point, ifindex), pair(length, captured), pair(reason, 0)];
    let mut i = 0;
    while i < head.len() {
        // SAFETY: the record has room for the header's four words.
        unsafe { words.add(i).write(head[i]) };
        i += 1;
    }
    // SAFETY: `captured` octets fit behind the header, as checked above.
    let copied = unsafe { bpf_xdp_load_bytes(frame.ctx(), 0, words.add(head.len()).cast(), captured) };
    if copied != 0 {
        entry.discard(0);
        return;
    }
    entry.submit(0);
}
