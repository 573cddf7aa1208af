//! What runs on a phone that has no TUN device: it answers pings, sends them, and keeps account of what arrives.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use basalt_sansio::{Duration, Time};

use super::ipv6::{Interface, Received};
use super::packet::{self, Parsed};

/// Where numbered datagrams are sent to a phone.
pub const NUMBERED_PORT: u16 = 4000;

/// Where datagrams that come back arrive.
const ECHOED_PORT: u16 = 4001;
/// Headers of IPv4 and UDP.
const UDP_HEADERS: usize = 28;
/// A datagram with its number and nothing else.
pub const SHORTEST_DATAGRAM: usize = UDP_HEADERS + 4;
/// What every phone's MTU lets pass.
pub const LONGEST_DATAGRAM: usize = 1500;

/// The programs of one phone.
#[derive(Debug, Default)]
pub struct App {
    address: Option<Ipv4Addr>,
    ipv6: Option<Interface>,
    waiting: HashMap<u16, Time>,
    next_sequence: u16,
    datagrams: HashMap<u32, Time>,
    next_datagram: u32,
    /// Echo requests that are to be sent in all, where that was said.
    planned: u64,
    /// Echo requests and datagrams to be echoed that were sent.
    pub sent: u64,
    /// What of them came back, each counted once.
    pub received: u64,
    /// Echo requests answered.
    pub answered: u64,
    /// Round-trip times of what came back.
    pub round_trips: Vec<Duration>,
    /// Numbers of the datagrams that arrived on [`NUMBERED_PORT`], in the order of arrival.
    pub numbered: Vec<u32>,
    /// Octets of packets received.
    pub octets_received: u64,
    /// Octets of packets sent.
    pub octets_sent: u64,
}

impl App {
    /// The phone's address, once it has one.
    #[must_use]
    pub fn address(&self) -> Option<Ipv4Addr> {
        self.address
    }

    /// A PDN connection came up or went.
    pub fn set_address(&mut self, address: Option<Ipv4Addr>) {
        self.address = address;
    }

    /// IPv6 of the phone's first session, if it has any.
    #[must_use]
    pub fn ipv6(&self) -> Option<Interface> {
        self.ipv6
    }

    /// The same, to be told what its router says.
    pub(super) fn interface_mut(&mut self) -> Option<&mut Interface> {
        self.ipv6.as_mut()
    }

    /// A PDN connection came up with this interface identifier, or without one. The Router Solicitation to send.
    pub fn set_interface(&mut self, identifier: Option<[u8; 8]>) -> Option<Vec<u8>> {
        self.ipv6 = identifier.map(Interface::new);
        self.ipv6.as_ref().map(Interface::solicitation)
    }

    /// The next echo request to an IPv6 `target`; `None` without an address.
    pub fn ping6(&mut self, now: Time, target: Ipv6Addr, payload: &[u8]) -> Option<Vec<u8>> {
        let sequence = self.next_sequence.wrapping_add(1);
        let request = self.ipv6.as_ref()?.echo_request(target, ID, sequence, payload)?;
        self.next_sequence = sequence;
        self.waiting.insert(sequence, now);
        self.sent += 1;
        Some(request)
    }

    fn receive6(&mut self, now: Time, octets: &[u8]) -> Option<Vec<u8>> {
        match self.ipv6.as_mut()?.receive(octets)? {
            Received::Answer(answer) => {
                self.answered += 1;
                return Some(answer);
            }
            Received::EchoReply(ID, sequence) => {
                let sent = self.waiting.remove(&sequence)?;
                self.received += 1;
                self.round_trips.push(now.since(sent));
            }
            Received::Udp(NUMBERED_PORT, payload) => {
                self.numbered.push(u32::from_be_bytes(*payload.first_chunk::<4>()?));
            }
            Received::Configured | Received::EchoReply(..) | Received::Udp(..) | Received::TooBig(_) => {}
        }
        None
    }

    /// The next echo request to `target`; `None` without an address.
    pub fn ping(&mut self, now: Time, target: Ipv4Addr, payload: &[u8]) -> Option<Vec<u8>> {
        let from = self.address?;
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.waiting.insert(self.next_sequence, now);
        self.sent += 1;
        Some(packet::echo_request(from, target, ID, self.next_sequence, payload))
    }

    /// The next datagram to a server that echoes it, of so many octets with its headers; `None` without an address.
    pub fn datagram(&mut self, now: Time, echo: (Ipv4Addr, u16), octets: usize) -> Option<Vec<u8>> {
        let from = self.address?;
        let mut payload = vec![0x5a; octets.clamp(SHORTEST_DATAGRAM, LONGEST_DATAGRAM) - UDP_HEADERS];
        self.next_datagram = self.next_datagram.wrapping_add(1);
        for (octet, value) in payload.iter_mut().zip(self.next_datagram.to_be_bytes()) {
            *octet = value;
        }
        self.datagrams.insert(self.next_datagram, now);
        self.sent += 1;
        Some(packet::udp((from, ECHOED_PORT), echo, &payload))
    }

    /// A packet for the phone; what it answers with.
    pub fn receive(&mut self, now: Time, octets: &[u8]) -> Option<Vec<u8>> {
        self.octets_received += octets.len() as u64;
        if octets.first().is_some_and(|first| first >> 4 == 6) {
            return self.receive6(now, octets);
        }
        match packet::parse(octets)? {
            Parsed::EchoRequest(echo) if Some(echo.to) == self.address => {
                self.answered += 1;
                Some(packet::echo_reply(&echo))
            }
            Parsed::EchoReply(echo) if echo.id == ID => {
                let sent = self.waiting.remove(&echo.sequence)?;
                self.received += 1;
                self.round_trips.push(now.since(sent));
                None
            }
            Parsed::Udp { to: (_, NUMBERED_PORT), payload, .. } => {
                self.numbered.push(u32::from_be_bytes(*payload.first_chunk::<4>()?));
                None
            }
            Parsed::Udp { to: (_, ECHOED_PORT), payload, .. } => {
                let sent = self.datagrams.remove(&u32::from_be_bytes(*payload.first_chunk::<4>()?))?;
                self.received += 1;
                self.round_trips.push(now.since(sent));
                None
            }
            Parsed::Udp { .. } | Parsed::EchoRequest(_) | Parsed::EchoReply(_) => None,
        }
    }

    /// Echo requests that have no reply yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.waiting.len()
    }

    /// Starts to count anew: so many echo requests are to come.
    pub fn plan(&mut self, count: u32) {
        self.reset();
        self.planned = count.into();
    }

    /// Whether all that was to be sent was, and is answered.
    #[must_use]
    pub fn has_all_answers(&self) -> bool {
        self.sent >= self.planned.max(1) && self.sent == self.received
    }

    /// Whether all that was to be sent was, long enough ago, and nothing came back.
    #[must_use]
    pub fn has_no_answer(&self, now: Time) -> bool {
        let waited = self.waiting.values().all(|sent| now.since(*sent) >= SILENCE);
        self.sent >= self.planned.max(1) && self.received == 0 && waited
    }

    /// Starts to count anew.
    pub fn reset(&mut self) {
        let (address, ipv6, next_sequence) = (self.address, self.ipv6, self.next_sequence);
        *self = Self { address, ipv6, next_sequence, ..Self::default() };
    }
}

/// A ping that has no answer after this time has none: in a lab it takes a few milliseconds.
const SILENCE: Duration = Duration::from_millis(300);

/// Identifier of a phone's own pings.
const ID: u16 = 0x4c54;

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: Ipv4Addr = Ipv4Addr::new(10, 93, 0, 5);
    const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

    #[test]
    fn replies_are_counted_once_and_requests_answered() {
        let mut app = App::default();
        assert_eq!(app.ping(Time::ZERO, SERVER, b"x"), None);
        app.set_address(Some(PHONE));
        let request = app.ping(Time::ZERO, SERVER, b"x").unwrap();
        let Some(Parsed::EchoRequest(echo)) = packet::parse(&request) else { panic!() };
        let reply = packet::echo_reply(&echo);
        let later = Time::from_millis(3);
        assert_eq!(app.receive(later, &reply), None);
        assert_eq!(app.receive(later, &reply), None);
        assert_eq!((app.sent, app.received, app.unanswered()), (1, 1, 0));
        assert_eq!(app.round_trips, [Duration::from_millis(3)]);
        let from_server = packet::echo_request(SERVER, PHONE, 1, 1, b"");
        assert!(app.receive(later, &from_server).is_some());
        let to_other = packet::echo_request(SERVER, SERVER, 1, 1, b"");
        assert!(app.receive(later, &to_other).is_none());
    }

    #[test]
    fn pings_are_judged_when_all_are_sent_and_had_their_time() {
        let mut app = App::default();
        app.set_address(Some(PHONE));
        app.plan(2);
        let at = Time::from_millis;
        let answer = |app: &mut App, sent, answered| {
            let request = app.ping(at(sent), SERVER, b"x").unwrap();
            let Some(Parsed::EchoRequest(echo)) = packet::parse(&request) else { panic!() };
            app.receive(at(answered), &packet::echo_reply(&echo));
        };
        answer(&mut app, 0, 3);
        assert!(!app.has_all_answers(), "the second is not sent yet");
        answer(&mut app, 20, 23);
        assert!(app.has_all_answers());
        app.plan(1);
        assert!(!app.has_no_answer(at(900)), "nothing was sent");
        app.ping(at(1000), SERVER, b"x").unwrap();
        assert!(!app.has_no_answer(at(1001)), "an answer may be on its way");
        assert!(app.has_no_answer(at(1300)) && !app.has_all_answers());
    }

    #[test]
    fn datagrams_come_back_once() {
        let mut app = App::default();
        app.set_address(Some(PHONE));
        let datagram = app.datagram(Time::ZERO, (SERVER, 7), 100).unwrap();
        assert_eq!(datagram.len(), 100);
        let Some(Parsed::Udp { from, to, payload }) = packet::parse(&datagram) else { panic!() };
        let echo = packet::udp(to, from, payload);
        app.receive(Time::from_millis(2), &echo);
        app.receive(Time::from_millis(2), &echo);
        assert_eq!((app.sent, app.received), (1, 1));
        assert_eq!(app.round_trips, [Duration::from_millis(2)]);
    }

    #[test]
    fn numbers_are_kept_in_order_of_arrival() {
        let mut app = App::default();
        for number in [2u32, 1, 3] {
            let datagram = packet::udp((SERVER, 1), (PHONE, NUMBERED_PORT), &number.to_be_bytes());
            app.receive(Time::ZERO, &datagram);
        }
        assert_eq!(app.numbered, [2, 1, 3]);
    }
}
