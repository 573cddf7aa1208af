//! The clock: events, ages and later certificates depend on it. Timers of phones do not.

use crate::{Facts, Finding, Wanted};

/// 2026-01-01 UTC: this software did not exist before.
const EARLIEST: u64 = 1_767_225_600;
/// 2100-01-01 UTC.
const LATEST: u64 = 4_102_444_800;
const SECONDS_PER_YEAR: u64 = 31_556_952;

pub(super) fn year(_: &Wanted, facts: &Facts) -> Option<Finding> {
    let now = facts.clock.unix_seconds?;
    let year = 1970 + now / SECONDS_PER_YEAR;
    if (EARLIEST..LATEST).contains(&now) {
        return Some(Finding::ok("clock", format!("the year is {year}")));
    }
    Some(Finding::error(
        "clock",
        format!("the year is {year}"),
        "times of events are wrong, phones are told a wrong time, and certificates will not be accepted",
        "timedatectl set-ntp true; without network, date --set; replace the battery of the clock",
    ))
}

pub(super) fn synchronised(_: &Wanted, facts: &Facts) -> Option<Finding> {
    if facts.clock.synchronised? {
        return Some(Finding::ok("clock-sync", "synchronised"));
    }
    Some(Finding::warning(
        "clock-sync",
        "nobody synchronises the clock",
        "it drifts by seconds a day: events of several gateways cannot be put in order",
        "timedatectl set-ntp true, or install chrony",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy};
    use super::*;
    use crate::{Clock, Level};

    #[test]
    fn a_clock_without_battery_says_1970() {
        let finding = year(&Wanted::default(), &broken()).unwrap();
        assert_eq!((finding.level, finding.found.as_str()), (Level::Error, "the year is 1970"));
        assert_eq!(year(&Wanted::default(), &healthy()).unwrap().found, "the year is 2027");
        let far = Facts { clock: Clock { unix_seconds: Some(u64::MAX / 2), synchronised: None }, ..Facts::default() };
        assert_eq!(year(&Wanted::default(), &far).unwrap().level, Level::Error);
        assert_eq!(year(&Wanted::default(), &Facts::default()), None);
    }

    #[test]
    fn a_clock_on_its_own_drifts() {
        assert_eq!(synchronised(&Wanted::default(), &broken()).unwrap().level, Level::Warning);
        assert_eq!(synchronised(&Wanted::default(), &healthy()).unwrap().level, Level::Ok);
        assert_eq!(synchronised(&Wanted::default(), &Facts::default()), None);
    }
}
