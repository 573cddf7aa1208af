//! What attached phones of a load do.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use basalt_sansio::Time;

use crate::lab;
use crate::radio::Io;
use crate::radio::app::{LONGEST_DATAGRAM, SHORTEST_DATAGRAM};

/// What attached phones do. As text: `none`, `ping:MILLISECONDS`, `udp:KBIT` or `udp:KBIT/OCTETS`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// Nothing.
    None,
    /// Each phone pings the server at this interval.
    Ping {
        /// The server.
        target: Ipv4Addr,
        /// Between two pings of a phone.
        interval: Duration,
    },
    /// Each phone sends datagrams that the server sends back.
    Udp {
        /// The server's echo service.
        echo: (Ipv4Addr, u16),
        /// Octets of a datagram with its headers.
        octets: usize,
        /// Between two datagrams of a phone.
        interval: Duration,
    },
}

/// Octets of a datagram when it is not said.
const OCTETS: usize = 1200;
/// The echo service (RFC 862).
const ECHO: u16 = 7;

impl FromStr for Traffic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "use none, ping:MILLISECONDS, udp:KBIT or udp:KBIT/OCTETS with {SHORTEST_DATAGRAM} to {LONGEST_DATAGRAM} octets"
            )
        };
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0).ok_or_else(bad);
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            Some(("ping", millis)) => {
                let interval = Duration::from_millis(number(millis)?.into());
                Ok(Self::Ping { target: lab::SERVER, interval })
            }
            Some(("udp", rest)) => {
                let (kbit, octets) = match rest.split_once('/') {
                    Some((kbit, octets)) => (number(kbit)?, number(octets)? as usize),
                    None => (number(rest)?, OCTETS),
                };
                if !(SHORTEST_DATAGRAM..=LONGEST_DATAGRAM).contains(&octets) {
                    return Err(bad());
                }
                let interval = Duration::from_secs_f64(octets as f64 * 8.0 / (f64::from(kbit) * 1000.0));
                Ok(Self::Udp { echo: (lab::SERVER, ECHO), octets, interval })
            }
            _ => Err(bad()),
        }
    }
}

impl Traffic {
    fn interval(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Ping { interval, .. } | Self::Udp { interval, .. } => Some(interval),
        }
    }

    /// Octets of an IP packet that a phone sends.
    #[must_use]
    pub fn octets(self) -> usize {
        match self {
            Self::None => 0,
            // IPv4 and ICMP headers, and the words of the testbed.
            Self::Ping { .. } => 20 + 8 + 14,
            Self::Udp { octets, .. } => octets,
        }
    }

    fn send(self, io: &mut Io, phone: usize) -> bool {
        match self {
            Self::None => false,
            Self::Ping { target, .. } => io.ping(phone, target),
            Self::Udp { echo, octets, .. } => io.datagram(phone, echo, octets),
        }
    }
}

/// Whose turn it is, and when: the phones' packets are spread over their interval, as those of people are.
#[derive(Debug)]
pub(super) struct Pace {
    traffic: Traffic,
    next: Time,
    turn: usize,
}

impl Pace {
    pub(super) fn new(traffic: Traffic, now: Time) -> Self {
        Self { traffic, next: now, turn: 0 }
    }

    /// Lets the phones send whose turn it is, of so many from number `first`, but not those that may not; how many packets
    /// they sent.
    pub(super) fn send_due(
        &mut self,
        io: &mut Io,
        now: Time,
        phones: std::ops::Range<usize>,
        may: impl Fn(usize) -> bool,
    ) -> u64 {
        let Some(interval) = self.traffic.interval() else { return 0 };
        let Ok(count) = u32::try_from(phones.len()) else { return 0 };
        let turn = (interval / count.max(1)).max(Duration::from_nanos(1));
        if now.since(self.next) > interval {
            // A testbed that cannot keep up sends less, instead of ever more at a time.
            self.next = now;
        }
        let mut sent = 0;
        while self.next <= now && count > 0 {
            let number = self.turn;
            self.turn = (self.turn + 1) % phones.len();
            self.next += turn;
            let phone = phones.start + number;
            let is_up = may(number) && io.site.record(phone).is_some_and(|record| record.ue.bearers_up());
            sent += u64::from(is_up && self.traffic.send(io, phone));
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_written_shortly() {
        assert_eq!("none".parse(), Ok(Traffic::None));
        let ping: Traffic = "ping:20".parse().unwrap();
        assert_eq!((ping.interval(), ping.octets()), (Some(Duration::from_millis(20)), 42));
        let udp: Traffic = "udp:100".parse().unwrap();
        assert_eq!((udp.interval(), udp.octets()), (Some(Duration::from_millis(96)), 1200));
        assert_eq!("udp:80/100".parse::<Traffic>().unwrap().interval(), Some(Duration::from_millis(10)));
        for wrong in ["", "web", "ping", "ping:0", "udp:x", "udp:1/9", "udp:1/9000", "none:1"] {
            assert!(wrong.parse::<Traffic>().is_err(), "{wrong}");
        }
    }
}
