//! The XDP programs of the gateway.
//!
//! Each is inlined into its entry point by force: of a large one the compiler makes a function, whose call and return cost 7 ns a packet.
#![no_std]
#![no_main]

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use basalt_pipeline::{Origin, access, deliver, onward, towards_phone};
use basalt_programs::{
    Frame, Maps, act, pending, resolved, watch_access, watch_deliver, watch_onward, watch_towards_phone,
};

/// Radio side: out of the tunnel.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_access(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = access(&mut frame, &Maps);
    act(&frame, verdict)
}

/// Radio side, of phones with a way of their own to the internet: entered from [`basalt_access`].
#[xdp(frags)]
#[inline(always)]
pub fn basalt_onward(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let Some(pending) = pending() else { return xdp_action::XDP_ABORTED };
    let verdict = onward(&mut frame, &Maps, pending);
    act(&frame, verdict)
}

/// Radio side, after [`basalt_onward`]: limits, counts, out.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_deliver(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let Some(resolved) = resolved() else { return xdp_action::XDP_ABORTED };
    let verdict = deliver(&mut frame, &Maps, resolved);
    act(&frame, verdict)
}

/// Internet side of routed mode: into the tunnel, past the kernel.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_internet(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Internet);
    act(&frame, verdict)
}

/// What the kernel routed to phones: into the tunnel.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_kernel(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Kernel);
    act(&frame, verdict)
}

/// As [`basalt_access`], while a phone is watched.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_access_watch(ctx: XdpContext) -> u32 {
    watch_access(&mut Frame::new(ctx.ctx))
}

/// As [`basalt_internet`], while a phone is watched.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_internet_watch(ctx: XdpContext) -> u32 {
    watch_towards_phone(&mut Frame::new(ctx.ctx), Origin::Internet)
}

/// As [`basalt_kernel`], while a phone is watched.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_kernel_watch(ctx: XdpContext) -> u32 {
    watch_towards_phone(&mut Frame::new(ctx.ctx), Origin::Kernel)
}

/// As [`basalt_onward`], while a phone is watched.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_onward_watch(ctx: XdpContext) -> u32 {
    let Some(pending) = pending() else { return xdp_action::XDP_ABORTED };
    watch_onward(&mut Frame::new(ctx.ctx), pending)
}

/// As [`basalt_deliver`], while a phone is watched.
#[xdp(frags)]
#[inline(always)]
pub fn basalt_deliver_watch(ctx: XdpContext) -> u32 {
    let Some(resolved) = resolved() else { return xdp_action::XDP_ABORTED };
    watch_deliver(&mut Frame::new(ctx.ctx), resolved)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
