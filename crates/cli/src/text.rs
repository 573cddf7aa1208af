//! Numbers and times as people read them.

/// 1.5 GB from 1 500 000 000 octets (decimal, as operators sell it).
pub(crate) fn octets(count: u64) -> String {
    scaled(count, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// 50 Mbit/s; 0 means there is no limit.
pub(crate) fn rate(bits_per_second: u64) -> String {
    if bits_per_second == 0 {
        return "unlimited".to_owned();
    }
    scaled(bits_per_second, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s", "Pbit/s", "Ebit/s"])
}

/// Three significant digits at most, without zeroes at the end.
fn scaled(count: u64, units: &[&str]) -> String {
    let mut divisor = 1_u64;
    let mut unit = 0;
    // 999.5 would be shown as 1000: that is one of the next unit.
    while unit + 1 < units.len() && count / divisor >= 1000 {
        divisor = divisor.saturating_mul(1000);
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    let whole = count / divisor;
    let tenth = (count % divisor) / (divisor / 10).max(1);
    if unit == 0 || whole >= 100 || tenth == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

/// "4 min ago".
pub(crate) fn age(now: u64, then: u64) -> String {
    if then == 0 {
        return "-".to_owned();
    }
    match now.checked_sub(then) {
        None if then - now > 2 => "in the future (check the clocks)".to_owned(),
        None | Some(0..=1) => "just now".to_owned(),
        Some(seconds) => format!("{} ago", span(seconds)),
    }
}

/// "3 h 12 min": the two largest units.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let (size, name) = UNITS[first];
    let large = format!("{} {name}", seconds / size);
    // Seconds beside minutes say nothing after ten of them.
    let small = UNITS.get(first + 1).filter(|_| seconds < 600 || size > 60);
    match small.map(|(part, name)| (seconds % size / part, name)) {
        Some((count, name)) if count > 0 => format!("{large} {count} {name}"),
        _ => large,
    }
}

/// "2026-11-21T00:41:04Z" (RFC 3339).
pub(crate) fn utc(unix_seconds: u64) -> String {
    let (days, seconds) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The same with milliseconds.
pub(crate) fn utc_millis(unix_millis: u64) -> String {
    let seconds = utc(unix_millis / 1000);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), unix_millis % 1000)
}

/// Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// "1 phone", "3 phones".
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Something a user wrote, for a message about it: escaped, short, and hidden if it may be a key in the wrong place.
pub(crate) fn quoted(text: &str) -> String {
    if looks_like_key(text) {
        return format!("a value of {} characters (not shown: it looks like a key)", text.chars().count());
    }
    let short: String = text.chars().take(60).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("`{}{dots}`", short.escape_debug())
}

/// Half a key of 128 bits or more in a row of hexadecimal digits, letters among them: no number, name or address has that.
pub(crate) fn looks_like_key(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit())
        .any(|run| run.len() >= 16 && (run.len() >= 24 || run.bytes().any(|b| b.is_ascii_alphabetic())))
}

/// Reads a bit rate: "50M", "1.5G", "128k", "20 Mbit/s", a plain number of bit/s, or "unlimited" (0).
pub(crate) fn parse_rate(text: &str) -> Result<u64, String> {
    let hint = || format!("{} is not a bit rate such as 50M, 1.5G, 128k or unlimited", quoted(text));
    let lower = text.trim().to_ascii_lowercase();
    if lower == "unlimited" {
        return Ok(0);
    }
    let lower = lower.strip_suffix("bit/s").or_else(|| lower.strip_suffix("bps")).unwrap_or(&lower).trim_end();
    let (number, factor) = match lower.chars().next_back() {
        Some('k') => (&lower[..lower.len() - 1], 1_000_u64),
        Some('m') => (&lower[..lower.len() - 1], 1_000_000),
        Some('g') => (&lower[..lower.len() - 1], 1_000_000_000),
        _ => (lower, 1),
    };
    decimal(number.trim_end(), factor).ok_or_else(hint)
}

/// A number with a decimal point times `factor`, exactly; `None` if it is not one, or not whole, or too large.
fn decimal(number: &str, factor: u64) -> Option<u64> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = if fraction.is_empty() { 0 } else { fraction.parse::<u64>().ok()?.checked_mul(factor)? };
    if part % scale != 0 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(factor)?.checked_add(part / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_have_three_digits() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1_550, "1.5 kB"),
            (123_456_789, "123 MB"),
            (2_000_000_000, "2 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(octets(count), text);
        }
        assert_eq!(rate(0), "unlimited");
        assert_eq!(rate(50_000_000), "50 Mbit/s");
    }

    #[test]
    fn ages_are_in_words() {
        for (ago, text) in [
            (0, "just now"),
            (12, "12 s ago"),
            (65, "1 min 5 s ago"),
            (600, "10 min ago"),
            (719, "11 min ago"),
            (11_520, "3 h 12 min ago"),
            (90_000, "1 d 1 h ago"),
        ] {
            assert_eq!(age(1_000_000, 1_000_000 - ago), text);
        }
        assert_eq!(age(1_000_000, 0), "-");
        assert_eq!(age(10, 1_000), "in the future (check the clocks)");
        assert_eq!(age(10, 11), "just now");
    }

    #[test]
    fn dates_are_gregorian() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_221_664), "2026-11-21T00:41:04Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(utc_millis(1_795_221_664_007), "2026-11-21T00:41:04.007Z");
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, rate) in [
            ("50M", 50_000_000),
            ("1.5g", 1_500_000_000),
            ("128k", 128_000),
            ("20 Mbit/s", 20_000_000),
            ("64000", 64_000),
            ("unlimited", 0),
            ("0", 0),
            ("10mbps", 10_000_000),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "M", "-5M", "5T", "1.2.3M", "fast", "1.00000001k", "99999999999G", "1,5M", "é"] {
            assert!(parse_rate(text).unwrap_err().contains("such as 50M"), "{text}");
        }
    }

    #[test]
    fn keys_in_the_wrong_place_are_not_repeated() {
        for key in
            ["465B5CE8B199B49FAA5F0A2EE238A6BC", "465b5ce8b199b49f", "k=465B5CE8B199B49F", "111111111111111111111111"]
        {
            assert!(
                looks_like_key(key) && !quoted(key).contains("1111") && !quoted(key).to_lowercase().contains("465b"),
                "{key}"
            );
        }
        for other in
            ["001010000000001", "8949101234567890123", "Water pump", "deadbeef", "", "internet.mnc001.mcc001.gprs"]
        {
            assert_eq!(quoted(other), format!("`{other}`"));
        }
        assert_eq!(quoted(&"x\u{1b}".repeat(50)).matches("x\\u{1b}").count(), 30);
    }

    proptest! {
        #[test]
        fn no_number_is_too_large_to_show(a in any::<u64>(), b in any::<u64>(), text in any::<String>()) {
            let _ = (octets(a), rate(a), age(a, b), span(a), parse_rate(&text));
            let day = a % 4_000_000_000_000;
            let _ = (utc(day), utc_millis(day));
        }
    }
}
