//! An XDP packet. Each access is a bound and one instruction.
//!
//! Packets may be in several parts (`xdp.frags`): words are loaded of the first one, where drivers put the headers; copies take all.
//! Kernels know such programs since 5.18, with which `bpf_xdp_load_bytes` came, so there is no form of the programs without.

use crate::tables::{PENDING, STAGES};
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{bpf_tail_call, bpf_xdp_adjust_head, bpf_xdp_get_buff_len};
use basalt_ebpf_abi::DropReason;
use basalt_pipeline::{Packet, Pending, Resolved, Tables, Verdict};
use core::arch::asm;

/// Largest offset that is looked at: bounds the scalar that the verifier adds to the packet pointer.
const FARTHEST: usize = 1023;

/// The packet of an XDP context.
pub struct Frame {
    ctx: *mut xdp_md,
}

impl Frame {
    /// The packet of this context.
    #[inline(always)]
    pub fn new(ctx: *mut xdp_md) -> Self {
        Self { ctx }
    }

    /// The context, for helpers.
    #[inline(always)]
    pub fn ctx(&self) -> *mut xdp_md {
        self.ctx
    }

    /// The interface that the frame came in on.
    #[inline(always)]
    pub fn ingress(&self) -> u32 {
        // SAFETY: the context is alive for the whole program.
        unsafe { (*self.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn data(&self) -> usize {
        // SAFETY: the context is alive for the whole program; the verifier turns this into a packet pointer.
        unsafe { (*self.ctx).data as usize }
    }

    #[inline(always)]
    fn data_end(&self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.ctx).data_end as usize }
    }

    /// The address of `size` octets at `offset`, when they are inside.
    #[inline(always)]
    fn at(&self, offset: usize, size: usize) -> Option<usize> {
        if offset > FARTHEST {
            return None;
        }
        let mut pointer = self.data() + offset;
        // LLVM would fold the caller's arithmetic into the bound, and check one pointer while reading through another. To it, this
        // pointer now comes from nowhere. A comment as barrier would make two source lines share an instruction: refused.
        // SAFETY: a register copied onto itself.
        unsafe { asm!("{0} = {0}", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags)) };
        if pointer + size > self.data_end() {
            return None;
        }
        Some(pointer)
    }
}

macro_rules! load {
    ($name:ident, $type:ty, $instruction:literal) => {
        #[inline(always)]
        fn $name(&self, offset: usize) -> Option<$type> {
            let pointer = self.at(offset, size_of::<$type>())?;
            let value: u64;
            // SAFETY: the bound was checked. BPF allows unaligned packet access, which a Rust load does not.
            unsafe {
                asm!($instruction, v = out(reg) value, p = in(reg) pointer, options(pure, nostack, readonly, preserves_flags));
            }
            Some(value as $type)
        }
    };
}

macro_rules! store {
    ($(#[$about:meta])* $visibility:vis fn $name:ident, $type:ty, $instruction:literal) => {
        $(#[$about])*
        #[inline(always)]
        $visibility fn $name(&mut self, offset: usize, value: $type) -> Option<()> {
            let pointer = self.at(offset, size_of::<$type>())?;
            // SAFETY: as for loads.
            unsafe {
                asm!($instruction, v = in(reg) u64::from(value), p = in(reg) pointer, options(nostack, preserves_flags));
            }
            Some(())
        }
    };
}

impl Frame {
    store!(
        /// Overwrites eight octets at once: what is loaded as eight must have been stored so, or the processor waits for both halves.
        pub fn store64, u64, "*(u64 *)({p} + 0) = {v}"
    );
}

impl Packet for Frame {
    #[inline(always)]
    fn len(&self) -> u32 {
        // SAFETY: the context is alive.
        (unsafe { bpf_xdp_get_buff_len(self.ctx) }) as u32
    }

    #[inline(always)]
    fn holds(&self, octets: u32) -> bool {
        // The kernel is asked for packets in several parts only.
        octets <= (self.data_end() - self.data()) as u32 || octets <= self.len()
    }

    load!(load16, u16, "{v} = *(u16 *)({p} + 0)");
    load!(load32, u32, "{v} = *(u32 *)({p} + 0)");
    load!(load64, u64, "{v} = *(u64 *)({p} + 0)");
    store!(fn store16, u16, "*(u16 *)({p} + 0) = {v}");
    store!(fn store32, u32, "*(u32 *)({p} + 0) = {v}");

    #[inline(always)]
    fn load_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let pointer = self.at(offset, N * 4)?;
        let mut words = [0; N];
        let mut i = 0;
        while i < N {
            let value: u64;
            // SAFETY: all `4 * N` octets were checked; `N` is a constant, so the loop is unrolled.
            unsafe {
                asm!(
                    "{v} = *(u32 *)({p} + 0)",
                    v = out(reg) value,
                    p = in(reg) pointer + i * 4,
                    options(pure, nostack, readonly, preserves_flags)
                );
            }
            words[i] = value as u32;
            i += 1;
        }
        Some(words)
    }

    #[inline(always)]
    fn store_words<const N: usize>(&mut self, offset: usize, words: [u32; N]) -> Option<()> {
        let pointer = self.at(offset, N * 4)?;
        let mut i = 0;
        while i < N {
            // SAFETY: all `4 * N` octets were checked; `N` is a constant, so the loop is unrolled.
            unsafe {
                asm!(
                    "*(u32 *)({p} + {o}) = {v}",
                    v = in(reg) u64::from(words[i]),
                    p = in(reg) pointer + i * 4,
                    o = const 0,
                    options(nostack, preserves_flags)
                );
            }
            i += 1;
        }
        Some(())
    }

    #[inline(always)]
    fn shift(&mut self, delta: i32) -> Option<()> {
        // SAFETY: the context is alive; the helper fails where there is no room. Packet pointers are loaded anew after it.
        if unsafe { bpf_xdp_adjust_head(self.ctx, delta) } == 0 { Some(()) } else { None }
    }

    #[inline(always)]
    fn onward<'t, T: Tables>(&mut self, tables: &'t T, pending: Pending) -> Verdict<'t> {
        if let Some(words) = PENDING.get_ptr_mut(0) {
            // SAFETY: this CPU's own; XDP programs of one CPU do not interrupt each other.
            unsafe { [(*words)[0], (*words)[1], (*words)[2]] = [pending.index, pending.offset, pending.length] };
        }
        self.go_on(tables, 0)
    }

    #[inline(always)]
    fn deliver<'t, T: Tables>(&mut self, tables: &'t T, resolved: Resolved) -> Verdict<'t> {
        if let Some(words) = PENDING.get_ptr_mut(0) {
            // SAFETY: as above.
            unsafe { *words = resolved.to_words() };
        }
        self.go_on(tables, 1)
    }
}

impl Frame {
    /// Enters another program, and does not come back.
    #[inline(always)]
    fn go_on<'t, T: Tables>(&mut self, tables: &'t T, stage: u32) -> Verdict<'t> {
        // SAFETY: the context is alive; the helper returns only when there is no such program.
        unsafe { bpf_tail_call(self.ctx.cast(), (&raw const STAGES).cast_mut().cast(), stage) };
        tables.count(DropReason::NoRoom.slot());
        Verdict::Drop(DropReason::NoRoom)
    }
}

/// What the program before has left for [`basalt_pipeline::onward`].
#[inline(always)]
pub fn pending() -> Option<Pending> {
    let words = PENDING.get(0)?;
    Some(Pending { index: words[0], offset: words[1], length: words[2] })
}

/// What the program before has left for [`basalt_pipeline::deliver`].
#[inline(always)]
pub fn resolved() -> Option<Resolved> {
    PENDING.get(0).map(Resolved::from_words)
}
