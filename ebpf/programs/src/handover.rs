//! Packets for user space: copied into the ring.

use crate::Frame;
use crate::tables::{HANDOVER, Maps};
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use basalt_ebpf_abi::{DropReason, HANDOVER_CLASSES, HandoverHeader};
use basalt_pipeline::{HandOver, Tables};
use core::arch::asm;
use core::mem::MaybeUninit;

/// Copies the packet into the smallest ring record that holds it. What finds no room is counted as dropped.
#[inline(always)]
pub(crate) fn hand_over(frame: &Frame, packet: &HandOver<'_>) {
    const SMALL: usize = HANDOVER_CLASSES[0] as usize / 8;
    const USUAL: usize = HANDOVER_CLASSES[1] as usize / 8;
    const LARGE: usize = HANDOVER_CLASSES[2] as usize / 8;
    let size = packet.length as usize + HandoverHeader::SIZE;
    let done = if size <= SMALL * 8 {
        copy::<SMALL>(frame, packet)
    } else if size <= USUAL * 8 {
        copy::<USUAL>(frame, packet)
    } else {
        copy::<LARGE>(frame, packet)
    };
    if done.is_none() {
        if let Some(record) = packet.record {
            record.dropped.add(1);
        }
        Maps.count(DropReason::HandoverFull.slot());
    }
}

/// A length from 1 to `most`, known as such to the verifier: also to that of Linux 6.1, which learns no lower bound from a comparison
/// with zero, but from counting up what is at least zero.
#[inline(always)]
pub(crate) fn between(length: u32, most: u32) -> Option<u32> {
    let mut below = u64::from(length).wrapping_sub(1);
    // SAFETY: a register copied onto itself: the bound is checked on the register that is passed on.
    unsafe { asm!("{0} = {0}", inout(reg) below, options(nomem, nostack, preserves_flags)) };
    if below >= u64::from(most) {
        return None;
    }
    // SAFETY: an addition that cannot overflow.
    unsafe { asm!("{0} += 1", inout(reg) below, options(nomem, nostack)) };
    Some(below as u32)
}

/// Copies into a record of `N` words of eight; `None` when the ring is full or the packet larger than that.
#[inline(always)]
fn copy<const N: usize>(frame: &Frame, packet: &HandOver<'_>) -> Option<()> {
    let length = between(packet.length, (N * 8 - HandoverHeader::SIZE) as u32)?;
    let mut entry = HANDOVER.reserve::<[u64; N]>(0)?;
    let words: *mut u32 = MaybeUninit::as_mut_ptr(&mut entry).cast();
    // Counted before it is visible to user space, which counts it back when it is done.
    let [ue, owner, number] = match packet.record {
        Some(record) => [record.ue.get(), record.owner.get(), record.handed.fetch_add(1).wrapping_add(1)],
        None => [packet.vlan, 0, 0],
    };
    let header = [packet.slot, ue, owner, number, length, packet.reason as u32];
    let mut i = 0;
    while i < header.len() {
        // SAFETY: the record has room for the header's six words.
        unsafe { words.add(i).write(header[i]) };
        i += 1;
    }
    // SAFETY: `length` octets fit behind the header, as checked above.
    let copied =
        unsafe { bpf_xdp_load_bytes(frame.ctx(), packet.offset as u32, words.add(header.len()).cast(), length) };
    if copied != 0 {
        // Cannot happen: the pipeline has seen that the packet is that long. User space skips an empty record, and counts it.
        // SAFETY: the word of the length.
        unsafe { words.add(4).write(0) };
    }
    entry.submit(0);
    Some(())
}
