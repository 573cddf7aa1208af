//! Where a phone may send to, and which way it goes.

use core::cell::UnsafeCell;

/// What is done with a packet from a phone, by its destination: one octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class(pub u8);

impl Class {
    /// To the kernel, which routes, translates and filters ([`crate::KERNEL_NEXT_HOP`]).
    pub const KERNEL: Class = Class(0);
    /// Dropped: the gateway's own networks, loopback, link-local, multicast.
    pub const DENY: Class = Class(1);
    /// This /16 is not uniform: the rules of [`crate::Settings`] decide.
    pub const RULES: Class = Class(2);
    /// Addresses of phones: to the kernel when the sender may talk to phones, else dropped.
    pub const PHONES: Class = Class(3);
    /// The gateway's address in a pool, which phones may ping and nothing else.
    pub const GATEWAY: Class = Class(4);
    /// From here on, the number is that of a [`crate::NextHop`] to which the packet goes directly.
    pub const FIRST_HOP: u8 = 5;
}

/// A class for every /16 of the IPv4 address space: one load decides for most packets.
#[repr(transparent)]
pub struct Destinations {
    classes: UnsafeCell<[u8; 1 << 16]>,
}

// SAFETY: octets are read and written one at a time with volatile accesses, which cannot tear.
unsafe impl Sync for Destinations {}

impl Destinations {
    /// The class of the /16 that contains the address with these two first octets (wire order, as loaded natively).
    #[must_use]
    #[inline(always)]
    pub fn class(&self, first_octets: u16) -> Class {
        let base = self.classes.get().cast::<u8>();
        // SAFETY: a `u16` is always inside the array of 65536 octets.
        Class(unsafe { core::ptr::read_volatile(base.add(first_octets as usize)) })
    }

    /// Changes the class of a /16, given its two first octets.
    pub fn set(&self, first_octets: [u8; 2], class: Class) {
        let base = self.classes.get().cast::<u8>();
        // SAFETY: as in `class`.
        unsafe {
            core::ptr::write_volatile(base.add(u16::from_ne_bytes(first_octets) as usize), class.0);
        }
    }
}

impl core::fmt::Debug for Destinations {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Destinations")
    }
}
