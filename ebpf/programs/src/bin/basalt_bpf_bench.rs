//! Programs for measuring: each does its work and puts the packet back, so that a test-run can repeat it a million times.
//! What the restoring costs is measured by a program that does nothing else, and subtracted (`agw/dataplane/examples`).
#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::XdpContext;
use basalt_ebpf_abi::BenchPlan;
use basalt_pipeline::{Origin, Packet, TUNNEL_OVERHEAD, access, deliver, onward, towards_phone};
use basalt_programs::{Frame, Maps, act, pending, resolved};

#[map]
static BENCH_PLAN: Array<BenchPlan> = Array::with_max_entries(1, 1 << 10);

const OVERHEAD: i32 = TUNNEL_OVERHEAD as i32;

#[xdp]
pub fn bench_empty(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

#[xdp]
pub fn bench_shift(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(OVERHEAD).is_none() || frame.shift(-OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    xdp_action::XDP_PASS
}

#[xdp]
pub fn bench_uplink_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink(&mut frame)
}

#[xdp]
pub fn bench_uplink(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = access(&mut frame, &Maps);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink(&mut frame)
}

#[xdp]
pub fn bench_onward(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let Some(pending) = pending() else { return xdp_action::XDP_ABORTED };
    let verdict = onward(&mut frame, &Maps, pending);
    act(&frame, verdict)
}

#[xdp]
pub fn bench_deliver(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let Some(resolved) = resolved() else { return xdp_action::XDP_ABORTED };
    let verdict = deliver(&mut frame, &Maps, resolved);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink(&mut frame)
}

#[xdp]
pub fn bench_downlink_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(-OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink(&mut frame)
}

#[xdp]
pub fn bench_downlink(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Internet);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink(&mut frame)
}

/// Puts back what decapsulation overwrote (the end of the headers, the inner lifetime), for another session.
#[inline(always)]
fn restore_uplink(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let plan = BENCH_PLAN.get(0)?;
        // SAFETY: the helper has no arguments and no effect.
        let session = unsafe { bpf_get_prandom_u32() } & plan.mask.get();
        let length = plan.length.get();
        let ue = plan.ue.get().wrapping_add(session).to_be();
        frame.shift(-OVERHEAD)?;
        frame.store_words(
            34,
            [
                (2152u32 << 16 | 2152).to_be(),
                ((length + 16) << 16).to_be(),
                (0x30ff_0000 | (length & 0xffff)).to_be(),
                plan.teid.get().wrapping_add(session).to_be(),
            ],
        )?;
        frame.store_words(58, [0x4011_0000u32.to_be(), ue])?;
        // The phone's port, which translation has changed.
        frame.store16(70, 5000u16.to_be())
    })();
    finish(restored)
}

/// Puts back the Ethernet header and the inner header in front of a packet for another phone.
#[inline(always)]
fn restore_downlink(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let plan = BENCH_PLAN.get(0)?;
        // SAFETY: the helper has no arguments and no effect.
        let session = unsafe { bpf_get_prandom_u32() } & plan.mask.get();
        let ue = plan.ue.get().wrapping_add(session).to_be();
        frame.shift(OVERHEAD)?;
        frame.store16(12, 0x0800u16.to_be())?;
        frame.store32(22, 0x4011_0000u32.to_be())?;
        frame.store32(30, ue)
    })();
    finish(restored)
}

#[inline(always)]
fn finish(restored: Option<()>) -> u32 {
    match restored {
        Some(()) => xdp_action::XDP_PASS,
        None => xdp_action::XDP_ABORTED,
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
