//! Words that user space and BPF programs change under each other.

use core::fmt;

#[cfg(not(target_arch = "bpf"))]
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A 32-bit word in shared memory: loads and stores are never torn.
#[repr(transparent)]
#[derive(Default)]
pub struct Shared32(
    #[cfg(not(target_arch = "bpf"))] AtomicU32,
    #[cfg(target_arch = "bpf")] core::cell::UnsafeCell<u32>,
);

/// A 64-bit word in shared memory: loads and stores are never torn, additions never lost.
#[repr(transparent)]
#[derive(Default)]
pub struct Shared64(
    #[cfg(not(target_arch = "bpf"))] AtomicU64,
    #[cfg(target_arch = "bpf")] core::cell::UnsafeCell<u64>,
);

#[cfg(not(target_arch = "bpf"))]
impl Shared32 {
    /// A word with this value.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// The value now. What was stored before it is visible, too.
    #[inline]
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Stores a value and everything stored before it.
    #[inline]
    pub fn set(&self, value: u32) {
        self.0.store(value, Ordering::Release);
    }

    /// Adds, wrapping, and gives the value before.
    #[inline]
    pub fn fetch_add(&self, value: u32) -> u32 {
        self.0.fetch_add(value, Ordering::AcqRel)
    }
}

#[cfg(not(target_arch = "bpf"))]
impl Shared64 {
    /// A word with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// The value now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Stores a value.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds, wrapping.
    #[inline]
    pub fn add(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    /// Adds, wrapping, and gives the value before.
    #[inline]
    pub fn fetch_add(&self, value: u64) -> u64 {
        self.0.fetch_add(value, Ordering::AcqRel)
    }

    /// Stores `new` if the value is `expected`; gives the value before, which is `expected` when it has stored.
    #[inline]
    pub fn swap_if(&self, expected: u64, new: u64) -> u64 {
        self.0.compare_exchange(expected, new, Ordering::AcqRel, Ordering::Relaxed).unwrap_or_else(|before| before)
    }
}

// `core` offers neither compare-and-swap nor fetch-and-add for the BPF target, but the instructions exist.
#[cfg(target_arch = "bpf")]
impl Shared32 {
    /// A word with this value.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// The value now.
    #[inline(always)]
    pub fn get(&self) -> u32 {
        // SAFETY: the cell is inside a live map value; an aligned 32-bit load is one instruction.
        unsafe { core::ptr::read_volatile(self.0.get()) }
    }

    /// Stores a value.
    #[inline(always)]
    pub fn set(&self, value: u32) {
        // SAFETY: as in `get`.
        unsafe { core::ptr::write_volatile(self.0.get(), value) }
    }

    /// Adds, wrapping, and gives the value before.
    #[inline(always)]
    pub fn fetch_add(&self, value: u32) -> u32 {
        let mut before = value;
        // SAFETY: one atomic instruction on an aligned word of a live map value.
        unsafe {
            core::arch::asm!(
                "{v} = atomic_fetch_add((u32 *)({p} + 0), {v})",
                p = in(reg) self.0.get(),
                v = inout(wreg) before,
                options(nostack)
            );
        }
        before
    }
}

#[cfg(target_arch = "bpf")]
impl Shared64 {
    /// A word with this value.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// The value now.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        // SAFETY: the cell is inside a live map value; an aligned 64-bit load is one instruction.
        unsafe { core::ptr::read_volatile(self.0.get()) }
    }

    /// Stores a value.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        // SAFETY: as in `get`.
        unsafe { core::ptr::write_volatile(self.0.get(), value) }
    }

    /// Adds, wrapping.
    #[inline(always)]
    pub fn add(&self, value: u64) {
        // SAFETY: one atomic instruction on an aligned word of a live map value.
        unsafe {
            core::arch::asm!(
                "lock *(u64 *)({p} + 0) += {v}",
                p = in(reg) self.0.get(),
                v = in(reg) value,
                options(nostack)
            );
        }
    }

    /// Adds, wrapping, and gives the value before.
    #[inline(always)]
    pub fn fetch_add(&self, value: u64) -> u64 {
        let mut before = value;
        // SAFETY: as in `add`.
        unsafe {
            core::arch::asm!(
                "{v} = atomic_fetch_add((u64 *)({p} + 0), {v})",
                p = in(reg) self.0.get(),
                v = inout(reg) before,
                options(nostack)
            );
        }
        before
    }

    /// Stores `new` if the value is `expected`; gives the value before, which is `expected` when it has stored.
    #[inline(always)]
    pub fn swap_if(&self, expected: u64, new: u64) -> u64 {
        let before: u64;
        // SAFETY: as in `add`. The instruction compares with and answers in r0.
        unsafe {
            core::arch::asm!(
                "r0 = cmpxchg_64({p} + 0, r0, {n})",
                p = in(reg) self.0.get(),
                n = in(reg) new,
                inout("r0") expected => before,
                options(nostack)
            );
        }
        before
    }
}

// SAFETY: every access is a single untearable instruction (see above).
#[cfg(target_arch = "bpf")]
unsafe impl Sync for Shared32 {}
// SAFETY: as above.
#[cfg(target_arch = "bpf")]
unsafe impl Sync for Shared64 {}

impl fmt::Debug for Shared32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Debug for Shared64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
