//! The XDP programs of the gateway.
#![no_std]
#![no_main]

use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use basalt_pipeline::{Origin, access, towards_phone};
use basalt_programs::{Frame, Maps, act};

/// Radio side: out of the tunnel.
#[xdp]
pub fn basalt_access(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = access(&mut frame, &Maps);
    act(&frame, verdict)
}

/// Internet side of routed mode: into the tunnel, past the kernel.
#[xdp]
pub fn basalt_internet(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Internet);
    act(&frame, verdict)
}

/// What the kernel routed to phones: into the tunnel.
#[xdp]
pub fn basalt_kernel(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Kernel);
    act(&frame, verdict)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
