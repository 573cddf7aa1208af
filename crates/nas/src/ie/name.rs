//! Network name and time (TS 24.008 §10.5.3.5a, §10.5.3.8, §10.5.3.9, §10.5.3.12).

use super::gsm7;
use crate::codec::Element;
use serde::{Deserialize, Serialize};

/// Network name (TS 24.008 §10.5.3.5a), as it stands on the wire; made from and read as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetworkName {
    octets: Vec<u8>,
}

/// Coding schemes, in bits 7 to 5 of the first octet; bit 8 is always one.
const EXTENSION: u8 = 0x80;
const GSM7: u8 = 0;
const UCS2: u8 = 1;
/// "The MS should add the letters for the country's initials".
const ADD_INITIALS: u8 = 0x08;
/// Longest value behind a length indicator of one octet.
const LONGEST: usize = 255;

impl NetworkName {
    /// The name in the GSM 7 bit alphabet where it can be said so, else in UCS2; `None` when it is too long (290 and 127
    /// characters).
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let octets = match gsm7::pack(text) {
            Some((packed, spare)) => {
                let mut octets = vec![EXTENSION | GSM7 << 4 | spare];
                octets.extend(packed);
                octets
            }
            None => {
                let mut octets = vec![EXTENSION | UCS2 << 4];
                octets.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
                octets
            }
        };
        (octets.len() <= LONGEST).then_some(Self { octets })
    }

    /// The name as text; `None` for a coding scheme that is reserved or text that is broken.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let (&first, rest) = self.octets.split_first()?;
        match first >> 4 & 7 {
            GSM7 => gsm7::unpack(rest, first & 7),
            UCS2 => {
                let (units, odd) = rest.as_chunks::<2>();
                let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
                String::from_utf16(&units).ok().filter(|_| odd.is_empty())
            }
            _ => None,
        }
    }

    /// True when the UE should add the initials of the country.
    #[must_use]
    pub fn add_initials(&self) -> bool {
        self.octets.first().is_some_and(|first| first & ADD_INITIALS != 0)
    }
}

impl Element for NetworkName {
    fn read(octets: &[u8]) -> Option<Self> {
        (!octets.is_empty()).then(|| Self { octets: octets.to_vec() })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets);
    }
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

impl UniversalTime {
    /// From seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn from_unix(seconds: u64, zone: TimeZone) -> Self {
        let (days, time) = (seconds / 86_400, seconds % 86_400);
        // Civil date from a day count, with years that begin in March so that the leap day is the last one; 719 468 days
        // from 0000-03-01 to 1970-01-01, 146 097 days in 400 years.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let small = |n: u64| u8::try_from(n).unwrap_or(0);
        Self {
            year: small(year % 100),
            month: small(month),
            day: small(day_of_year - (153 * march_month + 2) / 5 + 1),
            hour: small(time / 3_600),
            minute: small(time / 60 % 60),
            second: small(time % 60),
            zone,
        }
    }
}

/// Two decimal digits, the first in the low half (TS 23.040 §9.1.2.3).
fn swapped(number: u8) -> u8 {
    ((number % 10) << 4) | (number / 10 % 10)
}

fn unswapped(octet: u8) -> Option<u8> {
    let (tens, units) = (octet & 0x0f, octet >> 4);
    (tens <= 9 && units <= 9).then_some(tens * 10 + units)
}

impl Element for TimeZone {
    fn read(octets: &[u8]) -> Option<Self> {
        let octet = *octets.first()?;
        // Bit 4 of the octet is the sign (TS 23.040 §9.2.3.11).
        let magnitude = i8::try_from(unswapped(octet & !0x08)?).ok()?;
        let quarters = if octet & 0x08 == 0 { magnitude } else { -magnitude };
        Some(Self { quarters })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let sign = if self.quarters < 0 { 0x08 } else { 0 };
        out.push(swapped(self.quarters.unsigned_abs().min(79)) | sign);
    }
}

impl Element for UniversalTime {
    fn read(octets: &[u8]) -> Option<Self> {
        let &[year, month, day, hour, minute, second, zone] = octets else {
            return None;
        };
        Some(Self {
            year: unswapped(year)?,
            month: unswapped(month)?,
            day: unswapped(day)?,
            hour: unswapped(hour)?,
            minute: unswapped(minute)?,
            second: unswapped(second)?,
            zone: TimeZone::read(&[zone])?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let numbers = [self.year, self.month, self.day, self.hour, self.minute, self.second];
        out.extend(numbers.map(swapped));
        self.zone.write(out);
    }
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

impl Element for DaylightSaving {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.first().map(|octet| match octet & 3 {
            0 => Self::None,
            1 => Self::OneHour,
            2 => Self::TwoHours,
            _ => Self::Reserved,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::None => 0,
            Self::OneHour => 1,
            Self::TwoHours => 2,
            Self::Reserved => 3,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets<T: Element>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        value.write(&mut out);
        out
    }

    #[test]
    fn a_latin_name_is_packed_and_another_is_not() {
        let latin = NetworkName::new("Basalt").unwrap();
        assert_eq!(octets(&latin).first(), Some(&0x86));
        assert_eq!(latin.text().as_deref(), Some("Basalt"));
        let greek = NetworkName::new("Βασάλτης").unwrap();
        assert_eq!(octets(&greek).first(), Some(&0x90));
        assert_eq!(greek.text().as_deref(), Some("Βασάλτης"));
        assert!(NetworkName::new(&"ж".repeat(128)).is_none());
    }

    #[test]
    fn time_counts_days_over_leap_years() {
        let utc = TimeZone { quarters: 0 };
        let at = |seconds| {
            let t = UniversalTime::from_unix(seconds, utc);
            (t.year, t.month, t.day, t.hour, t.minute, t.second)
        };
        assert_eq!(at(0), (70, 1, 1, 0, 0, 0));
        assert_eq!(at(951_782_400), (0, 2, 29, 0, 0, 0));
        assert_eq!(at(1_795_219_200 + 3_661), (26, 11, 21, 1, 1, 1));
    }

    #[test]
    fn a_western_zone_has_the_sign_bit() {
        let zone = TimeZone { quarters: -28 };
        assert_eq!(octets(&zone), [0x8a]);
        assert_eq!(TimeZone::read(&[0x8a]), Some(zone));
    }

    proptest! {
        #[test]
        fn zones_round_trip(quarters in -79i8..=79) {
            let zone = TimeZone { quarters };
            prop_assert_eq!(TimeZone::read(&octets(&zone)), Some(zone));
        }

        #[test]
        fn names_round_trip(text in "\\PC{0,100}") {
            let name = NetworkName::new(&text).unwrap_or(NetworkName { octets: vec![0x90] });
            if name.octets.len() > 1 {
                prop_assert_eq!(name.text(), Some(text));
            }
        }
    }
}
