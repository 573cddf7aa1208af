//! Programs for measuring: each does its work and puts the packet back, so that a test-run can repeat it a million times.
//! What the restoring costs is measured by a program that does nothing else, and subtracted (`agw/dataplane/examples`).
//!
//! Each is inlined into its entry point by force: of a large one the compiler makes a function, whose call and return cost 7 ns a packet.
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
#[inline(always)]
pub fn bench_empty(_: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

#[xdp]
#[inline(always)]
pub fn bench_shift(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(OVERHEAD).is_none() || frame.shift(-OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    xdp_action::XDP_PASS
}

#[xdp]
#[inline(always)]
pub fn bench_uplink_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_uplink(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = access(&mut frame, &Maps);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_uplink6_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink6(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_uplink6(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = access(&mut frame, &Maps);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_uplink6(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_onward(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let Some(pending) = pending() else { return xdp_action::XDP_ABORTED };
    let verdict = onward(&mut frame, &Maps, pending);
    act(&frame, verdict)
}

#[xdp]
#[inline(always)]
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
#[inline(always)]
pub fn bench_downlink_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(-OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_downlink(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Internet);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_downlink6_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(-OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink6(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_downlink6(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Kernel);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink6(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_downlink_nat_base(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    if frame.shift(-OVERHEAD).is_none() {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink_nat(&mut frame)
}

#[xdp]
#[inline(always)]
pub fn bench_downlink_nat(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let verdict = towards_phone(&mut frame, &Maps, Origin::Internet);
    if act(&frame, verdict) != xdp_action::XDP_REDIRECT {
        return xdp_action::XDP_ABORTED;
    }
    restore_downlink_nat(&mut frame)
}

/// The plan, and a random session's number.
#[inline(always)]
fn random() -> Option<(&'static BenchPlan, u32)> {
    let plan = BENCH_PLAN.get(0)?;
    // SAFETY: the helper has no arguments and no effect.
    Some((plan, unsafe { bpf_get_prandom_u32() } & plan.mask.get()))
}

/// Puts back what decapsulation overwrote (the end of the headers, the inner lifetime), for another session. In words as the pipeline
/// loads them: a packet that a network card has written is in no store buffer either, from which a load gets whole words only.
#[inline(always)]
fn restore_uplink(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let (plan, session) = random()?;
        restore_tunnel(frame, plan, session, plan.length.get())?;
        frame.store32(58, 0x4011_0000u32.to_be())?;
        frame.store32(62, plan.ue.get().wrapping_add(session).to_be())?;
        // The phone's port, which translation has changed, and the far end's.
        frame.store32(70, (5000u32 << 16 | 53).to_be())
    })();
    finish(restored)
}

/// The same for IPv6, of which nothing but the front is changed.
#[inline(always)]
fn restore_uplink6(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let (plan, session) = random()?;
        restore_tunnel(frame, plan, session, plan.length6.get())?;
        frame.store64(58, plan.prefix.get().wrapping_add(u64::from(session)).to_be())
    })();
    finish(restored)
}

/// Outer UDP and GTP-U header of an uplink packet.
#[inline(always)]
fn restore_tunnel(frame: &mut Frame, plan: &BenchPlan, session: u32, length: u32) -> Option<()> {
    let teid = plan.teid.get().wrapping_add(session);
    frame.shift(-OVERHEAD)?;
    frame.store64(34, (2152u64 << 48 | 2152 << 32 | u64::from(length + 16) << 16).to_be())?;
    frame.store64(42, (0x30ff << 48 | u64::from(length & 0xffff) << 32 | u64::from(teid)).to_be())
}

/// Puts back the Ethernet header and the inner header in front of a packet for another phone.
#[inline(always)]
fn restore_downlink(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let (plan, session) = random()?;
        frame.shift(OVERHEAD)?;
        frame.store16(12, 0x0800u16.to_be())?;
        frame.store32(22, 0x4011_0000u32.to_be())?;
        frame.store32(30, plan.ue.get().wrapping_add(session).to_be())
    })();
    finish(restored)
}

/// The same for IPv6, of which nothing but the front is changed.
#[inline(always)]
fn restore_downlink6(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let (plan, session) = random()?;
        frame.shift(OVERHEAD)?;
        frame.store16(12, 0x86ddu16.to_be())?;
        frame.store64(38, plan.prefix.get().wrapping_add(u64::from(session)).to_be())
    })();
    finish(restored)
}

/// The same for a packet to the external address and port of a translated phone.
#[inline(always)]
fn restore_downlink_nat(frame: &mut Frame) -> u32 {
    let restored = (|| {
        let (plan, session) = random()?;
        let mapping = plan.mapping.get().wrapping_add(session << (plan.block_bits.get() & 15));
        frame.shift(OVERHEAD)?;
        frame.store16(12, 0x0800u16.to_be())?;
        frame.store32(22, 0x4011_0000u32.to_be())?;
        frame.store32(30, plan.external.get().wrapping_add(mapping >> 16).to_be())?;
        frame.store32(34, (53 << 16 | mapping & 0xffff).to_be())
    })();
    finish(restored)
}

/// The other end of a closed loop on the radio side: what comes out of a phone's tunnel goes back into it, for who sent it.
#[xdp]
#[inline(always)]
pub fn bench_reflect_station(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let g_pdu = frame.load16(12) == Some(0x0800u16.to_be())
        && frame.load16(36) == Some(2152u16.to_be())
        && frame.load16(42) == Some(0x30ffu16.to_be());
    if !g_pdu {
        return xdp_action::XDP_PASS;
    }
    let reflected = (|| {
        let plan = BENCH_PLAN.get(0)?;
        let session = u32::from_be(frame.load32(66)?).wrapping_sub(plan.ue.get());
        // Without a checksum: the tunnel's number is another one (RFC 768).
        frame.store16(40, 0)?;
        frame.store32(46, plan.teid.get().wrapping_add(session).to_be())?;
        exchange_addresses(&mut frame, 26)?;
        exchange_addresses(&mut frame, 62)?;
        exchange_ports(&mut frame, 70)?;
        exchange_hardware(&mut frame)
    })();
    sent(reflected)
}

/// The other end of a closed loop in the internet: datagrams go back to who sent them, with a new lifetime.
#[xdp]
#[inline(always)]
pub fn bench_reflect_internet(ctx: XdpContext) -> u32 {
    let mut frame = Frame::new(ctx.ctx);
    let udp = frame.load16(12) == Some(0x0800u16.to_be())
        && frame.load16(22).is_some_and(|lifetime| u16::from_be(lifetime) & 0xff == 17)
        && frame.load16(36) == Some(BenchPlan::PORT.to_be());
    let over = BENCH_PLAN.get(0).is_none_or(|plan| plan.over.get() != 0);
    if !udp || over {
        return xdp_action::XDP_PASS;
    }
    let reflected = (|| {
        // The header's checksum without the old lifetime and with the new one (RFC 1624, equation 3).
        let (before, after) = (u16::from_be(frame.load16(22)?), 64u16 << 8 | 17);
        let mut sum = u32::from(!u16::from_be(frame.load16(24)?)) + u32::from(!before) + u32::from(after);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        frame.store16(22, after.to_be())?;
        frame.store16(24, (!(sum as u16)).to_be())?;
        exchange_addresses(&mut frame, 26)?;
        exchange_ports(&mut frame, 34)?;
        exchange_hardware(&mut frame)
    })();
    sent(reflected)
}

#[inline(always)]
fn exchange_addresses(frame: &mut Frame, offset: usize) -> Option<()> {
    let (source, destination) = (frame.load32(offset)?, frame.load32(offset + 4)?);
    frame.store32(offset, destination)?;
    frame.store32(offset + 4, source)
}

#[inline(always)]
fn exchange_ports(frame: &mut Frame, offset: usize) -> Option<()> {
    let ports = frame.load32(offset)?;
    frame.store32(offset, ports.rotate_left(16))
}

#[inline(always)]
fn exchange_hardware(frame: &mut Frame) -> Option<()> {
    let words = [frame.load32(0)?, frame.load32(4)?, frame.load32(8)?];
    // Six octets each: the second address begins in the middle of the second word.
    let shifted = [words[1] >> 16 | words[2] << 16, words[2] >> 16 | words[0] << 16, words[0] >> 16 | words[1] << 16];
    frame.store32(0, shifted[0])?;
    frame.store32(4, shifted[1])?;
    frame.store32(8, shifted[2])
}

#[inline(always)]
fn sent(reflected: Option<()>) -> u32 {
    match reflected {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_ABORTED,
    }
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
