//! Service data flow filters: which packets (TS 23.203 §6.2.2.2), and how people write them.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// One flow. What is `None` fits all packets. Written as
/// `both udp remote 192.0.2.0/24 remote-port 5060-5069 local-port 4000 tos 0xb8/0xfc`, all of it optional but one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdfFilter {
    /// Which direction.
    pub direction: FlowDirection,
    /// The far end: an address and how many of its bits count.
    pub remote: Option<(IpAddr, u8)>,
    /// Protocol of the IP header, or next header of IPv6.
    pub protocol: Option<u8>,
    /// The far end's ports, first and last.
    pub remote_ports: Option<(u16, u16)>,
    /// The phone's ports, first and last.
    pub local_ports: Option<(u16, u16)>,
    /// Type of service or traffic class, and the bits of it that count.
    pub tos: Option<(u8, u8)>,
}

/// See [`SdfFilter::direction`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowDirection {
    /// From the phone.
    Uplink,
    /// To the phone.
    Downlink,
    /// Both.
    Both,
}

impl SdfFilter {
    /// All packets of both directions.
    pub const ANY: SdfFilter = SdfFilter {
        direction: FlowDirection::Both,
        remote: None,
        protocol: None,
        remote_ports: None,
        local_ports: None,
        tos: None,
    };
}

const PROTOCOLS: [(&str, u8); 7] =
    [("icmp", 1), ("tcp", 6), ("udp", 17), ("gre", 47), ("esp", 50), ("icmpv6", 58), ("sctp", 132)];

impl FromStr for SdfFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Self::ANY;
        let mut words = text.split_whitespace();
        let mut empty = true;
        while let Some(word) = words.next() {
            empty = false;
            let protocol = PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, number)| *number);
            match word {
                "uplink" => filter.direction = FlowDirection::Uplink,
                "downlink" => filter.direction = FlowDirection::Downlink,
                "both" => filter.direction = FlowDirection::Both,
                "ip" => filter.protocol = None,
                "remote" => filter.remote = Some(prefix(value(word, words.next())?)?),
                "remote-port" => filter.remote_ports = Some(ports(value(word, words.next())?)?),
                "local-port" => filter.local_ports = Some(ports(value(word, words.next())?)?),
                "tos" => filter.tos = Some(tos(value(word, words.next())?)?),
                "protocol" => filter.protocol = Some(number(value(word, words.next())?)?),
                _ => filter.protocol = Some(protocol.ok_or_else(|| unknown(word))?),
            }
        }
        if empty {
            return Err("a flow is empty: write \"both ip\" for all packets".to_owned());
        }
        let with_ports = matches!(filter.protocol, None | Some(6 | 17 | 132));
        if !with_ports && (filter.remote_ports.is_some() || filter.local_ports.is_some()) {
            return Err(format!("`{}`: only tcp, udp and sctp have ports: remove them, or the protocol", show(text)));
        }
        Ok(filter)
    }
}

fn show(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}

fn unknown(word: &str) -> String {
    format!(
        "`{}` is no word of a flow: uplink, downlink, both, ip, tcp, udp, icmp, icmpv6, sctp, esp, gre, protocol N, \
         remote ADDRESS/BITS, remote-port A-B, local-port A-B, tos VALUE/MASK",
        show(word)
    )
}

fn value<'a>(word: &str, next: Option<&'a str>) -> Result<&'a str, String> {
    next.ok_or_else(|| format!("`{word}` is the last word of a flow: say what it shall be"))
}

fn prefix(text: &str) -> Result<(IpAddr, u8), String> {
    let hint = || format!("`{}` is not an address such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", show(text));
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| hint())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(most), str::parse).map_err(|_| hint())?;
    if length > most {
        return Err(hint());
    }
    let network = masked(address, length);
    if network != address {
        return Err(format!("`{}` has host bits set: write {network}/{length}", show(text)));
    }
    Ok((address, length))
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            core::net::Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            core::net::Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let hint = || format!("`{}` is not a port or a range such as 5060 or 5000-5010", show(text));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().map_err(|_| hint())?, last.parse().map_err(|_| hint())?);
    if first > last { Err(hint()) } else { Ok((first, last)) }
}

fn number(text: &str) -> Result<u8, String> {
    let value = match text.strip_prefix("0x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    value.ok_or_else(|| format!("`{}` is not a number from 0 to 255", show(text)))
}

fn tos(text: &str) -> Result<(u8, u8), String> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "255"));
    Ok((number(value)?, number(mask)?))
}

impl fmt::Display for SdfFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.direction {
            FlowDirection::Uplink => "uplink",
            FlowDirection::Downlink => "downlink",
            FlowDirection::Both => "both",
        })?;
        match self.protocol {
            None => f.write_str(" ip")?,
            Some(number) => match PROTOCOLS.iter().find(|(_, known)| *known == number) {
                Some((name, _)) => write!(f, " {name}")?,
                None => write!(f, " protocol {number}")?,
            },
        }
        if let Some((address, length)) = self.remote {
            write!(f, " remote {address}/{length}")?;
        }
        for (name, range) in [("remote-port", self.remote_ports), ("local-port", self.local_ports)] {
            match range {
                Some((first, last)) if first == last => write!(f, " {name} {first}")?,
                Some((first, last)) => write!(f, " {name} {first}-{last}")?,
                None => {}
            }
        }
        match self.tos {
            Some((value, mask)) => write!(f, " tos {value:#04x}/{mask:#04x}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_read_as_they_are_shown() {
        for text in [
            "both ip",
            "uplink udp remote 192.0.2.0/24 remote-port 5060-5069",
            "downlink tcp remote 2001:db8::/32 local-port 80",
            "both protocol 99 tos 0xb8/0xfc",
        ] {
            let filter: SdfFilter = text.parse().unwrap();
            assert_eq!(filter.to_string(), text);
        }
        assert_eq!("udp".parse::<SdfFilter>().unwrap().to_string(), "both udp");
        assert_eq!("remote 192.0.2.1".parse::<SdfFilter>().unwrap().remote, Some(("192.0.2.1".parse().unwrap(), 32)));
    }

    #[test]
    fn what_cannot_be_read_is_told_with_a_way_out() {
        for (text, word) in [
            ("", "both ip"),
            ("everything", "no word of a flow"),
            ("remote 192.0.2.1/24", "192.0.2.0/24"),
            ("remote 192.0.2.0/33", "not an address"),
            ("udp remote-port 9-8", "5000-5010"),
            ("udp local-port", "say what"),
            ("icmp remote-port 1", "have ports"),
            ("tos 300", "0 to 255"),
        ] {
            let error = text.parse::<SdfFilter>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
