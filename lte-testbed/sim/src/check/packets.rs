//! A connected phone loses no packet when the gateway's process dies and comes back; and no connected phone stays without a
//! way out for long.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use basalt_ids::{Imsi, Teid};
use basalt_sansio::{Duration, Time};

use crate::radio::Connection;

/// A phone that says that it is connected must be able to send within this time.
const DARK: Duration = Duration::from_secs(40);

/// A way through the data plane that a death of the process must not touch. It ends when its phone goes on to another base station,
/// whose first packets may overtake the message that moves the tunnel (the real data plane holds them meanwhile).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steady {
    pub connection: Connection,
    /// The base station that the phone is at.
    pub station: usize,
    pub imsi: Imsi,
    pub teid: Teid,
    pub address: Ipv4Addr,
}

#[derive(Debug, Default)]
pub(crate) struct Packets {
    pub uplink: u64,
    pub downlink: u64,
    pub buffered: u64,
    pub flushed: u64,
    /// Sent through the gaps of the daemon's lives.
    pub across_deaths: u64,
    dark: BTreeMap<usize, Time>,
}

impl Packets {
    /// A phone's packet went out.
    pub(crate) fn out(&mut self, phone: usize) {
        self.uplink += 1;
        self.dark.remove(&phone);
    }

    /// The phone is not connected any more: there is nothing to be expected.
    pub(crate) fn not_connected(&mut self, phone: usize) {
        self.dark.remove(&phone);
    }

    /// A phone's packet was refused although the phone says that it is connected.
    pub(crate) fn refused(&mut self, now: Time, phone: usize) -> Option<Duration> {
        let since = *self.dark.entry(phone).or_insert(now);
        Some(now.since(since)).filter(|dark| *dark > DARK)
    }

    /// While the daemon is dead nobody can repair anything: the time does not count.
    pub(crate) fn forgive(&mut self) {
        self.dark.clear();
    }
}
