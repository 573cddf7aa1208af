//! The kernel side of the data plane: packet and tables as BPF sees them. The decisions are in `ebpf/pipeline`.
//!
//! What it is: the two traits of the pipeline over an XDP context and BPF maps, and what only a program can do (redirect, ring).
//! What it deliberately is not: packet logic. An entry point is one line (`src/bin`).
//!
//! Invariants: no panic path survives (`cargo xtask ebpf` fails when one does); packet octets are reached only through
//! [`Frame`], whose loads and stores are single instructions behind a bound that the verifier can follow.
#![no_std]
#![feature(asm_experimental_arch)]

mod frame;
mod handover;
mod tables;
mod watch;

pub use frame::{Frame, pending, resolved};
pub use tables::Maps;
pub use watch::{watch_access, watch_deliver, watch_onward, watch_towards_phone};

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::generated::bpf_redirect;
use basalt_pipeline::Verdict;

/// Does what the pipeline decided, and gives the program's return value.
#[inline(always)]
pub fn act(frame: &Frame, verdict: Verdict<'_>) -> u32 {
    match verdict {
        Verdict::Pass => xdp_action::XDP_PASS,
        Verdict::Drop(_) => xdp_action::XDP_DROP,
        // SAFETY: the helper only stores the interface index for the driver.
        Verdict::Redirect(ifindex) => (unsafe { bpf_redirect(ifindex, 0) }) as u32,
        Verdict::HandOver(packet) => {
            handover::hand_over(frame, &packet);
            if packet.pass { xdp_action::XDP_PASS } else { xdp_action::XDP_DROP }
        }
    }
}
