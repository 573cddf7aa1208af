//! Days and months of UTC.

/// Days since 1970.
#[must_use]
pub const fn day(unix_secs: u64) -> u64 {
    unix_secs / 86_400
}

/// Months since the year 0 of the Gregorian calendar.
#[must_use]
pub const fn month(unix_secs: u64) -> u64 {
    // Years begin in March, so that leap days are at their end; eras of 400 years are all alike.
    let since_march_0 = day(unix_secs) + 719_468;
    let (era, of_era) = (since_march_0 / 146_097, since_march_0 % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    (era * 400 + year) * 12 + march_month + 2
}

/// Seconds since 1970 of the beginning of the next day.
#[must_use]
pub const fn next_day(unix_secs: u64) -> u64 {
    (day(unix_secs) + 1) * 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_when_they_begin() {
        for (unix_secs, year, number) in [
            (0, 1970, 1),
            (951_782_399, 2000, 2),
            (951_868_799, 2000, 2),
            (951_868_800, 2000, 3),
            (1_709_164_800, 2024, 2),
            (1_709_251_200, 2024, 3),
            (1_735_689_599, 2024, 12),
            (1_735_689_600, 2025, 1),
            (4_107_542_399, 2100, 2),
            (4_107_542_400, 2100, 3),
        ] {
            assert_eq!(month(unix_secs), year * 12 + number - 1, "{unix_secs}");
        }
        assert_eq!((day(86_399), day(86_400), next_day(1)), (0, 1, 86_400));
    }
}
