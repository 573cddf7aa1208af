//! A certificate in a file: there, and valid for a while.

use crate::Finding;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;
/// Renewed later than this, one forgets it.
const SOON: u64 = 14 * DAY;

/// The first certificate of a PEM file.
#[must_use]
pub fn certificate(check: &'static str, path: &Path) -> Finding {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let fix = format!("put it there, readable for the daemon: {shown}");
            return Finding::error(check, format!("{shown}: {error}"), "the daemon will not start", fix);
        }
    };
    let Some((from, until)) = first(&text).as_deref().and_then(validity) else {
        let fix = "write it as PEM, the server's own certificate first, then those above it";
        return Finding::error(check, format!("{shown} holds no certificate"), "the daemon will not start", fix);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    judge(check, &shown.to_string(), from, until, now)
}

fn judge(check: &'static str, path: &str, from: u64, until: u64, now: u64) -> Finding {
    if now < from {
        let cause = "nobody accepts it yet, or this clock is slow";
        return Finding::error(check, format!("{path} is not valid yet"), cause, "look at the clock: timedatectl");
    }
    if now >= until {
        let cause = "nobody accepts it any more: browsers, programs and peers are refused or refuse";
        let found = format!("{path} expired {} days ago", (now - until) / DAY);
        return Finding::error(check, found, cause, "have it renewed; the daemon takes a new file by itself");
    }
    let found = format!("{path} is valid for {} days", (until - now) / DAY);
    if until - now < SOON {
        let cause = "after that nobody accepts it";
        return Finding::warning(check, found, cause, "have it renewed; the daemon takes a new file by itself");
    }
    Finding::ok(check, found)
}

/// The octets of the first certificate (RFC 7468 §5).
fn first(text: &str) -> Option<Vec<u8>> {
    let body = text.split_once("-----BEGIN CERTIFICATE-----")?.1.split_once("-----END CERTIFICATE-----")?.0;
    let mut octets = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for digit in body.bytes().filter(|octet| !octet.is_ascii_whitespace() && *octet != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(octets)
}

/// From when until when it is valid, seconds since 1970 (RFC 5280 §4.1).
fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    // The version may be absent; then come serial number, algorithm and issuer.
    if fields.first() == Some(&0xa0) {
        fields = element(fields)?.2;
    }
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, times, _) = element(fields)?;
    let (form, from, rest) = element(times)?;
    let (other, until, _) = element(rest)?;
    Some((time(form, from)?, time(other, until)?))
}

/// Tag, contents, and what follows (X.690 §8.1).
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = octets.split_first()?;
    let (short, rest) = rest.split_first()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(*short), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(short - 0x80))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((*tag, contents, rest))
}

/// UTCTime (two digits of the year) or GeneralizedTime.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        0x17 => {
            let year: u64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let number = |at: usize| -> Option<u64> { rest.get(at..at + 2)?.parse().ok() };
    let (month, day) = (number(0)?, number(2)?);
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut days: u64 = (1970..year.max(1970)).map(|year| 365 + u64::from(leap(year))).sum();
    let months = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days += months.iter().take(usize::try_from(month.checked_sub(1)?).ok()?).sum::<u64>() + day.checked_sub(1)?;
    Some(days * DAY + number(4)? * 3600 + number(6)? * 60 + number(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"260228235959Z"), Some(1_772_323_199));
        assert_eq!(time(0x18, b"20240229000000Z"), Some(1_709_164_800));
        assert_eq!(time(0x18, b"20501231235959Z"), Some(2_556_143_999));
        assert_eq!((time(0x17, b"26022823Z"), time(0x16, b"260228235959Z"), time(0x17, b"")), (None, None, None));
    }

    #[test]
    fn a_certificate_ends() {
        let level = |now| judge("tls-certificate", "/c", 100, 100 * DAY, now).level;
        assert_eq!(
            [level(50), level(200), level(90 * DAY), level(101 * DAY)],
            [Level::Error, Level::Ok, Level::Warning, Level::Error]
        );
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        let ground = tempfile::tempdir().unwrap();
        let path = ground.path().join("c.pem");
        assert!(certificate("tls-certificate", &path).found.contains("No such file"));
        for text in
            ["", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n!\n"]
        {
            fs::write(&path, text).unwrap();
            assert!(certificate("tls-certificate", &path).found.contains("holds no certificate"), "{text}");
        }
    }
}
