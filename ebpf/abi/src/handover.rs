//! Packets handed from a program to user space.

/// Sizes of the ring records (header included): a program takes the smallest that fits, because the kernel wants a constant.
pub const HANDOVER_CLASSES: [u32; 3] = [320, 2048, 10_240];

/// What stands before a packet in the ring. The packet follows: IPv4 header first, `length` octets.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HandoverHeader {
    /// Slot of the downlink record; [`HandoverHeader::EARLY`] for a fragment of which nobody knows yet whose it is.
    pub slot: u32,
    /// The phone's address ([`crate::Address`]) when the packet was handed over; of an early fragment the VLAN that it came by.
    pub ue: u32,
    /// [`crate::Downlink::owner`] at that time: a packet for a departed phone is recognised by it.
    pub owner: u32,
    /// [`crate::Downlink::handed`] after this packet.
    pub number: u32,
    /// Octets of packet that follow.
    pub length: u32,
    /// [`crate::PuntReason`] as a number.
    pub reason: u32,
}

/// What programs tell user space at the packet, once: a ring record without packet. `owner` is the TEID of the session's default
/// bearer, `slot` is [`Notice::SLOT`], `number` a rule's record in [`crate::maps::RULE_STATES`] or [`Notice::SESSION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// TEID of the session's default bearer.
    pub owner: u32,
    /// Whose quota: a rule's record, or [`Notice::SESSION`].
    pub state: u32,
    /// Used up, not only down to its threshold.
    pub exhausted: bool,
}

impl Notice {
    /// Stands where a packet's downlink slot would.
    pub const SLOT: u32 = u32::MAX;
    /// The session's own quota.
    pub const SESSION: u32 = u32::MAX;

    /// The ring record.
    #[must_use]
    #[inline(always)]
    pub const fn header(self) -> HandoverHeader {
        let reason = self.exhausted as u32;
        HandoverHeader { slot: Self::SLOT, ue: 0, owner: self.owner, number: self.state, length: 0, reason }
    }

    /// What a ring record tells, if it is no packet.
    #[must_use]
    pub fn of(header: &HandoverHeader) -> Option<Self> {
        let notice = Self { owner: header.owner, state: header.number, exhausted: header.reason != 0 };
        (header.slot == Self::SLOT).then_some(notice)
    }
}

impl HandoverHeader {
    /// Octets of the header.
    pub const SIZE: usize = 24;
    /// Stands where the slot would, of a later fragment whose first one has not come ([`crate::PuntReason::EarlyFragment`]).
    pub const EARLY: u32 = u32::MAX - 1;

    /// The header as it stands in memory.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let words = [self.slot, self.ue, self.owner, self.number, self.length, self.reason];
        for (chunk, word) in bytes.chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Splits a ring record into header and packet; `None` when it is too short for what it says.
    #[must_use]
    pub fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = record.split_at_checked(Self::SIZE)?;
        let mut words = [0u32; 6];
        for (word, chunk) in words.iter_mut().zip(head.chunks_exact(4)) {
            *word = u32::from_ne_bytes(chunk.try_into().ok()?);
        }
        let [slot, ue, owner, number, length, reason] = words;
        let packet = rest.get(..length as usize)?;
        let header = Self { slot, ue, owner, number, length, reason };
        Some((header, packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_splits_into_what_it_was_made_of() {
        let header = HandoverHeader { slot: 7, ue: 8, owner: 9, number: 10, length: 3, reason: 1 };
        let mut record = header.to_bytes().to_vec();
        record.extend([1, 2, 3, 0, 0]);
        assert_eq!(HandoverHeader::split(&record), Some((header, &[1, 2, 3][..])));
        assert_eq!(HandoverHeader::split(&record[..26]), None);
        assert_eq!(HandoverHeader::split(&record[..23]), None);
    }
}
