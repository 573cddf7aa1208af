//! Watching one phone: what the watching programs are told, and what they tell.
//!
//! The programs that forward know nothing of it. While somebody looks, other programs stand in their place, which do the same and
//! tell besides what they saw and decided: so nobody pays for it who does not look.

use crate::{Shared32, Shared64};

/// The only value of [`crate::maps::WATCH`]: whom to watch.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Watch {
    /// The phone's IPv4 address ([`crate::Address`]); 0 for none.
    pub ue: Shared32,
    /// Octets of a frame that are copied, at most [`Watch::MOST`].
    pub snap: Shared32,
    /// First half of its IPv6 addresses, wire order; 0 for none.
    pub prefix: Shared64,
}

impl Watch {
    /// Octets of a frame that can be copied.
    pub const MOST: u32 = 2_000;
}

/// Where a packet was seen. Numbers are what programs write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Point {
    /// From the base station, in its tunnel.
    RadioIn = 0,
    /// Towards the internet or the kernel, out of its tunnel.
    InternetOut = 1,
    /// For the phone, as it came.
    InternetIn = 2,
    /// Towards the base station, in its tunnel.
    RadioOut = 3,
    /// From the phone, and dropped.
    UplinkDropped = 4,
    /// For the phone, and dropped.
    DownlinkDropped = 5,
    /// From the phone, and left to the slow path.
    UplinkPunted = 6,
    /// For the phone, and left to the slow path, which buffers or fragments it.
    DownlinkPunted = 7,
}

impl Point {
    /// The point with this number.
    #[must_use]
    pub const fn of(number: u32) -> Option<Self> {
        Some(match number {
            0 => Point::RadioIn,
            1 => Point::InternetOut,
            2 => Point::InternetIn,
            3 => Point::RadioOut,
            4 => Point::UplinkDropped,
            5 => Point::DownlinkDropped,
            6 => Point::UplinkPunted,
            7 => Point::DownlinkPunted,
            _ => return None,
        })
    }
}

/// What stands before a frame in [`crate::maps::WATCHED`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchedHeader {
    /// The kernel's monotonic clock, nanoseconds.
    pub time: u64,
    /// [`Point`] as a number.
    pub point: u32,
    /// Interface that the frame came in on, or goes out by.
    pub ifindex: u32,
    /// Octets of the frame.
    pub length: u32,
    /// Octets that follow.
    pub captured: u32,
    /// [`crate::DropReason`] or [`crate::PuntReason`] as a number, for the points that have one.
    pub reason: u32,
    /// Zero.
    pub reserved: u32,
}

impl WatchedHeader {
    /// Octets of the header.
    pub const SIZE: usize = 32;

    /// Splits a ring record into header and frame; `None` when it is too short for what it says.
    #[must_use]
    pub fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = record.split_first_chunk::<{ Self::SIZE }>()?;
        let word = |at: usize| Some(u32::from_ne_bytes(*head.get(at..at + 4)?.first_chunk()?));
        let header = Self {
            time: u64::from_ne_bytes(*head.first_chunk()?),
            point: word(8)?,
            ifindex: word(12)?,
            length: word(16)?,
            captured: word(20)?,
            reason: word(24)?,
            reserved: 0,
        };
        Some((header, rest.get(..header.captured as usize)?))
    }
}

const _: () = assert!(size_of::<WatchedHeader>() == WatchedHeader::SIZE && size_of::<Watch>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_was_seen() {
        let mut record = Vec::new();
        record.extend(7u64.to_ne_bytes());
        for word in [4u32, 3, 100, 2, 11, 0] {
            record.extend(word.to_ne_bytes());
        }
        record.extend([0xaa, 0xbb, 0xcc]);
        let (header, frame) = WatchedHeader::split(&record).unwrap();
        assert_eq!((header.time, header.ifindex, header.length, header.reason), (7, 3, 100, 11));
        assert_eq!((Point::of(header.point), frame), (Some(Point::UplinkDropped), &[0xaa, 0xbb][..]));
        assert!(WatchedHeader::split(&record[..33]).is_none() && WatchedHeader::split(&record[..31]).is_none());
        assert!((0..8).all(|number| Point::of(number).is_some_and(|point| point as u32 == number)));
        assert_eq!(Point::of(8), None);
    }
}
