//! Values that TOML has no type for: durations, prefixes, algorithm names.

use agw_types::{AddressPool, Equipment, IpPrefix, PrefixPool};
use basalt_ids::Plmn;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Reads "90s", "54m", "1h30m", "500ms".
pub fn duration(text: &str) -> Result<Duration, String> {
    let hint = || format!("`{text}` is not a duration such as \"6s\", \"54m\" or \"1h30m\"");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(hint());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(hint)?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: u64 = number.parse().map_err(|_| hint())?;
        let part = match unit.trim() {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" | "min" => Duration::from_secs(number.checked_mul(60).ok_or_else(hint)?),
            "h" => Duration::from_secs(number.checked_mul(3600).ok_or_else(hint)?),
            _ => return Err(hint()),
        };
        total = total.checked_add(part).ok_or_else(hint)?;
        rest = after;
    }
    Ok(total)
}

/// Writes a duration so that [`duration`] reads it.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let secs = duration.as_secs();
    if !millis.is_multiple_of(1000) {
        format!("{millis}ms")
    } else if secs >= 60 && secs.is_multiple_of(60) {
        format!("{}m", secs / 60)
    } else {
        format!("{secs}s")
    }
}

/// Reads "10.45.0.0/16".
pub(super) fn prefix(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let hint = || format!("`{text}` is not an IPv4 prefix such as \"10.45.0.0/16\"");
    let (address, length) = text.split_once('/').ok_or_else(hint)?;
    let address: Ipv4Addr = address.parse().map_err(|_| hint())?;
    let length: u8 = length.parse().map_err(|_| hint())?;
    if length > 32 {
        return Err(hint());
    }
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    let network = Ipv4Addr::from_bits(address.to_bits() & mask);
    if network != address {
        return Err(format!("`{text}` has host bits set; write \"{network}/{length}\""));
    }
    Ok((address, length))
}

/// Reads a pool. Its first host address is the gateway's own.
pub(super) fn pool(text: &str) -> Result<AddressPool, String> {
    let (network, length) = prefix(text)?;
    if !(8..=30).contains(&length) {
        return Err(format!("`{text}`: a pool has a prefix length of 8 to 30"));
    }
    let gateway = Some(Ipv4Addr::from_bits(network.to_bits() + 1));
    Ok(AddressPool { network, prefix: length, gateway })
}

/// Pools of either IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// IPv4 addresses.
    Ipv4(AddressPool),
    /// IPv6 prefixes, of 64 bits.
    Ipv6(PrefixPool),
}

/// Prefixes in a pool, as a power of two: tables have room for so many.
const MOST_PREFIXES: u8 = 20;

/// Reads a pool of either IP version, whose IPv6 prefixes have a length of `each`.
pub(super) fn any_pool(text: &str, each: u8) -> Result<Pool, String> {
    if !text.contains(':') {
        return pool(text).map(Pool::Ipv4);
    }
    let prefix: IpPrefix = text.parse().map_err(|hint| format!("`{text}`: {hint}"))?;
    let IpAddr::V6(network) = prefix.first() else { return Err(format!("`{text}` is not an IPv6 prefix")) };
    let (length, first) = (prefix.length(), network.segments()[0]);
    if !(matches!(first, 0x2000..0x4000) || first & 0xfe00 == 0xfc00) {
        return Err(format!("`{text}`: phones get global addresses (2000::/3) or unique local ones (fc00::/7)"));
    }
    if length > each {
        return Err(format!("`{text}` is too small: it has no room for a prefix of {each} bits for each phone"));
    }
    if each - length > MOST_PREFIXES {
        let least = each - MOST_PREFIXES;
        return Err(format!("`{text}` is larger than the tables: use a length of {least} to {each}, or several pools"));
    }
    Ok(Pool::Ipv6(PrefixPool { network, prefix: length, each }))
}

/// Reads "EEA2" or "EIA2" (any case) with the given letters in front.
pub(super) fn algorithm(kind: &str, text: &str) -> Result<u8, String> {
    let upper = text.to_ascii_uppercase();
    let number = upper.strip_prefix(kind).and_then(|digit| digit.parse::<u8>().ok()).filter(|number| *number <= 3);
    match number {
        Some(0) if kind == "EIA" => {
            Err("EIA0 means no integrity protection and is never accepted; use EIA1, EIA2 or EIA3".to_owned())
        }
        Some(number) => Ok(number),
        None => Err(format!("`{text}` is none of {kind}0, {kind}1, {kind}2, {kind}3")),
    }
}

/// Reads a PLMN.
/// A type of equipment, or one device of it.
pub(super) fn equipment(text: &str) -> Result<Equipment, String> {
    let hint = || {
        format!("`{}` is no equipment: 8 digits for a type, or \"35824005-111111\" for one device", text.escape_debug())
    };
    let digits = |part: &str, count: usize| {
        let good = part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        good.then(|| part.parse::<u32>().ok()).flatten().ok_or_else(hint)
    };
    let (tac, serial) = text.split_once('-').map_or((text, None), |(tac, serial)| (tac, Some(serial)));
    Ok(Equipment { tac: digits(tac, 8)?, serial: serial.map(|serial| digits(serial, 6)).transpose()? })
}

/// As [`equipment`] reads it.
pub(super) fn show_equipment(equipment: &Equipment) -> String {
    match equipment.serial {
        None => format!("{:08}", equipment.tac),
        Some(serial) => format!("{:08}-{serial:06}", equipment.tac),
    }
}

pub(super) fn plmn(text: &str) -> Result<Plmn, String> {
    text.parse().map_err(|error| format!("`{text}` is not a PLMN such as \"001-01\" or \"310-410\": {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip() {
        for (text, secs) in [("6s", 6), ("54m", 3240), ("1h30m", 5400), ("0s", 0)] {
            let read = duration(text).unwrap();
            assert_eq!(read, Duration::from_secs(secs));
            assert_eq!(duration(&show_duration(read)).unwrap(), read);
        }
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        for text in ["", "6", "s", "6 parsecs", "99999999999999999999s", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prefixes_have_no_host_bits() {
        assert_eq!(prefix("10.45.0.0/16").unwrap(), (Ipv4Addr::new(10, 45, 0, 0), 16));
        assert!(prefix("10.45.0.1/16").unwrap_err().contains("10.45.0.0/16"));
        assert!(prefix("10.45.0.0").is_err());
        assert!(prefix("10.45.0.0/33").is_err());
        assert!(pool("10.0.0.0/31").is_err());
    }

    #[test]
    fn pools_of_either_version() {
        let ipv6 = |text, each| any_pool(text, each).map_err(|error| error.split(": ").last().unwrap_or("").to_owned());
        let network = "2001:db8:1::".parse().unwrap();
        assert_eq!(ipv6("2001:db8:1::/48", 64), Ok(Pool::Ipv6(PrefixPool { network, prefix: 48, each: 64 })));
        assert!(matches!(ipv6("10.45.0.0/16", 56), Ok(Pool::Ipv4(_))));
        assert!(ipv6("fd00:1::/56", 56).is_ok());
        for (text, each, what) in [
            ("2001:db8::1/48", 64, "beyond the length"),
            ("fe80::/48", 64, "global addresses"),
            ("ff02::/48", 64, "global addresses"),
            ("2001:db8:1::/65", 64, "too small"),
            ("2001:db8:1::/60", 56, "too small"),
            ("2001:db8::/32", 64, "44 to 64"),
            ("2001:db8::/32", 56, "36 to 56"),
            ("2001:db8:1::", 64, "such as"),
        ] {
            let error = any_pool(text, each).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn no_integrity_is_no_choice() {
        assert!(algorithm("EIA", "eia0").unwrap_err().contains("never accepted"));
        assert_eq!(algorithm("EEA", "EEA0"), Ok(0));
        assert_eq!(algorithm("EIA", "eia2"), Ok(2));
        assert!(algorithm("EEA", "EEA7").is_err());
    }
}
