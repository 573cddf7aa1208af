//! Next hops: the interface and the two MAC addresses that a frame needs.

use crate::Shared32;

/// The next hop that leads into the kernel: out of the gateway's own veth peer, so that the kernel routes, translates and filters.
pub const KERNEL_NEXT_HOP: u32 = 0;

/// The next hop of destinations that are reached without a router: never resolved, so packets go by the kernel.
pub const ON_LINK_NEXT_HOP: u32 = 255;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Mac(pub [u8; 6]);

/// One resolved neighbour, kept up to date by user space. Written with `ifindex` = 0 first and its value last.
#[repr(C, align(8))]
#[derive(Debug, Default)]
pub struct NextHop {
    /// Interface to redirect to; 0 while the neighbour is not resolved.
    pub ifindex: Shared32,
    /// Largest IP packet that the interface takes.
    pub mtu: Shared32,
    /// Octets 0 to 11 of the frame (destination MAC, source MAC) as three words in memory order.
    pub macs: [Shared32; 3],
    /// VLAN identifier (IEEE 802.1Q §9.6) that frames get; 0 for none. Set before the neighbour is resolved.
    pub vlan: Shared32,
    /// Zero.
    pub reserved: [Shared32; 2],
}

impl NextHop {
    /// Stores a resolved neighbour.
    pub fn resolve(&self, ifindex: u32, mtu: u32, source: Mac, destination: Mac) {
        self.ifindex.set(0);
        let [d0, d1, d2, d3, d4, d5] = destination.0;
        let [s0, s1, s2, s3, s4, s5] = source.0;
        let words = [[d0, d1, d2, d3], [d4, d5, s0, s1], [s2, s3, s4, s5]];
        for (cell, word) in self.macs.iter().zip(words) {
            cell.set(u32::from_ne_bytes(word));
        }
        self.mtu.set(mtu);
        self.ifindex.set(ifindex);
    }

    /// Stores a resolved neighbour if it is not what is stored already: storing interrupts the fast path for a moment.
    pub fn follow(&self, ifindex: u32, mtu: u32, source: Mac, destination: Mac) {
        let same = self.ifindex.get() == ifindex && self.mtu.get() == mtu && self.macs() == (destination, source);
        if !same {
            self.resolve(ifindex, mtu, source, destination);
        }
    }

    /// Marks the neighbour as unknown: packets to it take the slow path.
    pub fn forget(&self) {
        self.ifindex.set(0);
    }

    /// Destination and source MAC as stored.
    #[must_use]
    pub fn macs(&self) -> (Mac, Mac) {
        let mut octets = [0u8; 12];
        for (chunk, cell) in octets.chunks_exact_mut(4).zip(&self.macs) {
            chunk.copy_from_slice(&cell.get().to_ne_bytes());
        }
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = octets;
        (Mac([d0, d1, d2, d3, d4, d5]), Mac([s0, s1, s2, s3, s4, s5]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_stored_in_frame_order() {
        let hop = NextHop::default();
        let (source, destination) = (Mac([1, 2, 3, 4, 5, 6]), Mac([7, 8, 9, 10, 11, 12]));
        hop.resolve(3, 1500, source, destination);
        assert_eq!(hop.macs(), (destination, source));
        assert_eq!(hop.ifindex.get(), 3);
        hop.forget();
        assert_eq!(hop.ifindex.get(), 0);
    }
}
