//! What a kernel's IP layer has received.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Version;

/// Outer IPv4, UDP and GTP-U.
const TUNNEL: u64 = 20 + 8 + 8;
/// Between two looks at the counters.
const LOOK: Duration = Duration::from_micros(500);

/// Whose counters are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Tunnels end here: what is inside counts.
    BaseStation,
    /// A server of the internet.
    Internet(Version),
}

/// What arrived between two arrivals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) bits_per_second: f64,
    pub(super) seconds: f64,
}

/// Looks at the counters of the calling thread's namespace.
pub(super) struct Receiver {
    side: Side,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    packets: u64,
    octets: u64,
}

impl Receiver {
    pub(super) fn new(side: Side) -> Self {
        Self { side }
    }

    /// Counts from one arrival to the first one after `window`. `None` if nothing comes.
    pub(super) fn watch(&self, window: Duration) -> Result<Option<Received>> {
        // An arrival is seen at a look that another one came shortly before, else nobody knows when it was.
        let sharp = window / 200;
        let limit = Instant::now() + window * 4 + Duration::from_secs(10);
        let (mut first, mut last) = (None::<Sample>, self.look()?);
        while Instant::now() < limit {
            std::thread::sleep(LOOK);
            let next = self.look()?;
            let arrived = next.packets > last.packets && next.at - last.at <= sharp;
            last = next;
            match first {
                None if arrived => first = Some(next),
                Some(first) if arrived && next.at - first.at >= window => {
                    return Ok(Some(self.between(first, next)));
                }
                _ => {}
            }
        }
        Ok(first.filter(|first| last.packets > first.packets).map(|first| self.between(first, last)))
    }

    fn between(&self, first: Sample, last: Sample) -> Received {
        let (packets, octets) = (last.packets - first.packets, last.octets - first.octets);
        let headers = match self.side {
            Side::BaseStation => TUNNEL,
            Side::Internet(_) => 0,
        };
        let seconds = (last.at - first.at).as_secs_f64();
        Received { bits_per_second: octets.saturating_sub(packets * headers) as f64 * 8.0 / seconds, seconds }
    }

    fn look(&self) -> Result<Sample> {
        let read = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}"));
        let (mut packets, mut octets) = (0, 0);
        if self.side != Side::Internet(Version::Ipv6) {
            // Two files: what comes between them is a packet at most that is counted in one and not in the other.
            packets += column(&read("snmp")?, "Ip:", "InReceives").context("no count of packets")?;
            octets += column(&read("netstat")?, "IpExt:", "InOctets").context("no count of octets")?;
        }
        if matches!(self.side, Side::Internet(Version::Ipv6 | Version::Both)) {
            let text = read("snmp6")?;
            packets += line(&text, "Ip6InReceives").context("no count of packets")?;
            octets += line(&text, "Ip6InOctets").context("no count of octets")?;
        }
        let at = Instant::now();
        Ok(Sample { at, packets, octets })
    }
}

/// `Ip6InOctets  123`.
fn line(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// A line of names and one of numbers, both of which begin with `group`.
fn column(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (names, numbers) = (lines.next()?, lines.next()?);
    let at = names.split_ascii_whitespace().position(|one| one == name)?;
    numbers.split_ascii_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name() {
        let text = "Ip: Forwarding InReceives InHdrErrors\nIp: 1 4711 0\nIcmp: InMsgs\nIcmp: 3\n";
        assert_eq!(column(text, "Ip:", "InReceives"), Some(4711));
        assert_eq!(column(text, "Icmp:", "InMsgs"), Some(3));
        assert_eq!(column(text, "Ip:", "InOctets"), None);
        assert_eq!(line("Ip6InReceives   \t5\nIp6InOctets \t77\n", "Ip6InOctets"), Some(77));
    }

    #[test]
    fn the_tunnel_is_taken_off() {
        let at = Instant::now();
        let first = Sample { at, packets: 10, octets: 1_000 };
        let last = Sample { at: at + Duration::from_secs(2), packets: 20, octets: 3_360 };
        let received = |side| Receiver::new(side).between(first, last).bits_per_second;
        assert_eq!(received(Side::BaseStation), 8_000.0);
        assert_eq!(received(Side::Internet(Version::Ipv4)), 9_440.0);
    }
}
