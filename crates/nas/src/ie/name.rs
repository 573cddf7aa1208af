//! Network name and time (TS 24.008 §10.5.3.5a, §10.5.3.8, §10.5.3.9, §10.5.3.12).

use serde::{Deserialize, Serialize};

/// Network name (TS 24.008 §10.5.3.5a), as it stands on the wire; made from and read as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetworkName {
    pub(crate) octets: Vec<u8>,
}

/// Time zone (TS 24.008 §10.5.3.8): offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeZone {
    /// Offset in quarters of an hour, -79 to 79 (daylight saving included).
    pub quarters: i8,
}

/// Universal time and local time zone (TS 24.008 §10.5.3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UniversalTime {
    /// Two-digit year, 0 to 99.
    pub year: u8,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour in UTC, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
    /// Local offset.
    pub zone: TimeZone,
}

/// Daylight saving time adjustment (TS 24.008 §10.5.3.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DaylightSaving {
    /// No adjustment.
    None,
    /// One hour is included in the time zone.
    OneHour,
    /// Two hours are included in the time zone.
    TwoHours,
    /// Reserved code (3).
    Reserved,
}
