//! GPRS timers: one octet of unit and value (TS 24.008 §10.5.7.3, §10.5.7.4, §10.5.7.4a).

use crate::codec::Element;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Code of "the timer is deactivated".
const DEACTIVATED: u8 = 0xe0;

macro_rules! gprs_timer {
    ($(#[$meta:meta])* $name:ident, $units:expr, $other:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(
            /// The octet: unit in bits 8 to 6, value in bits 5 to 1.
            pub u8,
        );

        impl $name {
            /// "The timer is deactivated".
            pub const DEACTIVATED: Self = Self(DEACTIVATED);

            /// Unit codes with their seconds, shortest first.
            const UNITS: &'static [(u8, u64)] = &$units;

            /// The shortest value that lasts at least `duration`; the longest there is when none does.
            #[must_use]
            pub fn at_least(duration: Duration) -> Self {
                let partial = u64::from(duration.subsec_nanos() > 0);
                let seconds = duration.as_secs().saturating_add(partial);
                Self(encode(Self::UNITS, seconds))
            }

            /// How long; `None` when deactivated.
            #[must_use]
            pub fn duration(self) -> Option<Duration> {
                let unit = self.0 >> 5;
                if unit == DEACTIVATED >> 5 {
                    return None;
                }
                let known = Self::UNITS.iter().find(|(code, _)| *code == unit);
                let seconds = known.map_or($other, |(_, seconds)| *seconds);
                Some(Duration::from_secs(u64::from(self.0 & 0x1f) * seconds))
            }
        }

        impl Element for $name {
            fn read(octets: &[u8]) -> Option<Self> {
                octets.first().copied().map(Self)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.push(self.0);
            }
        }
    };
}

gprs_timer! {
    /// GPRS timer (TS 24.008 §10.5.7.3): units of 2 s, 1 min or 6 min, or deactivated; other units are taken for 1 min.
    /// T3412, T3402, T3423.
    GprsTimer, [(0, 2), (1, 60), (2, 360)], 60
}
gprs_timer! {
    /// GPRS timer 2 (TS 24.008 §10.5.7.4): units as GPRS timer. T3346, T3324, T3402 in rejects.
    GprsTimer2, [(0, 2), (1, 60), (2, 360)], 60
}
gprs_timer! {
    /// GPRS timer 3 (TS 24.008 §10.5.7.4a): units of 2 s, 30 s, 1 min, 10 min, 1 h, 10 h or 320 h, or deactivated. T3412
    /// extended.
    GprsTimer3,
    [(3, 2), (4, 30), (5, 60), (0, 600), (1, 3600), (2, 36_000), (6, 1_152_000)],
    3600
}

/// Of the values that last at least `seconds` the one that lasts shortest.
fn encode(units: &[(u8, u64)], seconds: u64) -> u8 {
    let candidates = units.iter().filter_map(|&(code, unit)| {
        let count = seconds.div_ceil(unit);
        let octet = code << 5 | u8::try_from(count).ok().filter(|count| *count < 32)?;
        Some((count * unit, octet))
    });
    let longest = units.last().map_or(DEACTIVATED, |(code, _)| code << 5 | 31);
    // The first of equals is the one with the finest unit.
    candidates.min_by_key(|(lasts, _)| *lasts).map_or(longest, |(_, octet)| octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_periodic_timer_is_54_minutes() {
        let t3412 = GprsTimer::at_least(Duration::from_secs(54 * 60));
        assert_eq!(t3412, GprsTimer(0x49));
        assert_eq!(t3412.duration(), Some(Duration::from_secs(3240)));
    }

    #[test]
    fn values_between_steps_are_rounded_up() {
        assert_eq!(GprsTimer::at_least(Duration::from_millis(1)), GprsTimer(1));
        assert_eq!(GprsTimer2::at_least(Duration::from_secs(63)), GprsTimer2(0x22));
        assert_eq!(GprsTimer3::at_least(Duration::from_secs(63)), GprsTimer3(0x83));
    }

    #[test]
    fn too_long_is_the_longest() {
        let most = GprsTimer::at_least(Duration::MAX);
        assert_eq!(most.duration(), Some(Duration::from_secs(31 * 360)));
    }

    #[test]
    fn zero_deactivated_and_unknown_units() {
        assert_eq!(GprsTimer::at_least(Duration::ZERO).duration(), Some(Duration::ZERO));
        assert_eq!(GprsTimer::DEACTIVATED.duration(), None);
        assert_eq!(GprsTimer(0x63).duration(), Some(Duration::from_secs(180)));
    }
}
