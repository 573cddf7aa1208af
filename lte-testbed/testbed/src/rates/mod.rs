//! Rates of a subscriber, measured by the receiver.
//!
//! A phone gets a rate in both directions; the internet sends it more, and its base station sends the internet more, in packets of all
//! sizes, in one flow and in many, over both IP versions, over one connection and several. Its packets take the bearers that its own filters
//! say. What the receiving kernel's IP layer counts, between two arrivals, is the rate
//! that was kept; no counter of the gateway is asked.

mod offer;
mod receiver;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use basalt_ids::Teid;
use serde::Serialize;

use crate::lab::{self, Lab};
use crate::radio::Radio;
use offer::{Offer, Packets, Sender};
use receiver::{Receiver, Side};

/// Sizes of packets: octets of inner IP packets, headers included. Several take turns.
pub type Sizes = &'static [usize];

/// Small, middle, the largest that every phone takes, and all kinds after one another.
const SIZES: [Sizes; 4] = [&[64], &[576], &[1_400], &[64, 1_400, 128, 576, 1_280, 90]];
/// Flows at a time.
const FLOWS: [usize; 2] = [1, 16];
/// Up to this rate both directions are measured at the same time, bit/s.
const TOGETHER: u64 = 10_000_000;
/// So far may what arrives be from the rate, each way.
pub const TOLERANCE: f64 = 0.05;
/// How often a measurement is made again that the machine spoilt: it let the sender wait, or it lost packets on a cable.
const REPEATS: u32 = 4;
/// Where nobody of the lab listens.
const PORT: u16 = 4_109;
/// Where the first of several flows to or from a phone comes from: a port of the server, or of the phone.
pub const FIRST_PORT: u16 = 20_000;

/// IP version of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// One flow of this, the next one of that. Those of IPv4 are as much smaller as their header is.
    Both,
}

impl Version {
    /// Octets of the headers of IP and UDP, the larger ones of both.
    const fn headers(self) -> usize {
        match self {
            Self::Ipv4 => 28,
            Self::Ipv6 | Self::Both => 48,
        }
    }

    /// Whether flow number `flow` is of IPv6.
    const fn is_ipv6(self, flow: usize) -> bool {
        match self {
            Self::Ipv4 => false,
            Self::Ipv6 => true,
            Self::Both => flow % 2 == 1,
        }
    }

    const fn of(ipv6: bool) -> Self {
        if ipv6 { Self::Ipv6 } else { Self::Ipv4 }
    }
}

/// One measurement to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// What the subscriber may have, bit/s.
    pub rate: u64,
    /// From the phone, or to it.
    pub uplink: bool,
    /// What the packets are.
    pub version: Version,
    /// Octets of the packets.
    pub sizes: Sizes,
    /// Flows at a time.
    pub flows: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was to be measured.
    pub cell: Cell,
    /// Bits of inner IP packets that arrived each second; `None` where this machine's sender cannot offer more than the rate.
    pub measured: Option<f64>,
    /// For how long, seconds.
    pub seconds: f64,
    /// How often it had to be made again.
    pub repeats: u32,
}

impl Row {
    /// Measured by rate, less one.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        self.measured.map(|measured| measured / self.cell.rate as f64 - 1.0)
    }

    /// Whether it is near enough; what could not be measured is no failure.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.error().is_none_or(|error| error.abs() <= TOLERANCE)
    }

    /// A name for it, such as `downlink_ipv4_576_octets_16_flows_at_64000`.
    #[must_use]
    pub fn key(&self) -> String {
        let Cell { rate, uplink, version, sizes, flows } = self.cell;
        let direction = if uplink { "uplink" } else { "downlink" };
        let version = match version {
            Version::Ipv4 => "ipv4",
            Version::Ipv6 => "ipv6",
            Version::Both => "both",
        };
        let sizes = match sizes {
            [one] => one.to_string(),
            _ => "mixed".to_owned(),
        };
        format!("{direction}_{version}_{sizes}_octets_{flows}_flows_at_{rate}")
    }
}

/// A few corners at each rate: both directions, both versions, sizes and flows in turn.
#[must_use]
pub fn corners(rate: u64) -> Vec<Vec<Cell>> {
    let [small, middle, _, mixed] = SIZES;
    // The packets of slow rates are not too large, so that enough of them come in a short time.
    let large: Sizes = if rate < 1_000_000 { &[700] } else { SIZES[2] };
    let cell = |uplink, ipv6, sizes, flows| Cell { rate, uplink, version: Version::of(ipv6), sizes, flows };
    let pairs = if rate <= TOGETHER {
        vec![
            vec![cell(false, false, small, 16), cell(true, true, middle, 1)],
            vec![cell(false, true, middle, 1), cell(true, false, if rate < 1_000_000 { middle } else { mixed }, 16)],
        ]
    } else {
        vec![vec![cell(false, true, mixed, 16)], vec![cell(true, false, large, 1)]]
    };
    apart(pairs)
}

/// Every size, flow count, version and direction at a rate.
#[must_use]
pub fn everything(rate: u64) -> Vec<Vec<Cell>> {
    let mut groups = Vec::new();
    for sizes in SIZES {
        for flows in FLOWS {
            for ipv6 in [false, true] {
                // The other direction has the other version meanwhile.
                let cell = |uplink: bool| Cell { rate, uplink, version: Version::of(ipv6 != uplink), sizes, flows };
                groups.push(vec![cell(false), cell(true)]);
            }
        }
    }
    apart(groups)
}

/// One measurement to a phone, or from it, of many flows, each from a port of its own ([`FIRST_PORT`] and up).
#[must_use]
pub fn shared(rate: u64, uplink: bool, version: Version) -> Cell {
    Cell { rate, uplink, version, sizes: SIZES[1], flows: FLOWS[1] }
}

/// Fast ones one after the other.
fn apart(groups: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    let apart = |group: Vec<Cell>| {
        let together = group.iter().all(|cell| cell.rate <= TOGETHER);
        if together { vec![group] } else { group.into_iter().map(|cell| vec![cell]).collect() }
    };
    groups.into_iter().flat_map(apart).collect()
}

/// A phone that is connected, and the way to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its number in the radio.
    pub phone: usize,
    /// Its IPv4 addresses, one for each connection; flows take them in turn.
    pub ipv4: Vec<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Ipv6Addr,
}

impl Target {
    /// Where flow number `flow` begins, or ends.
    fn address(&self, version: Version, flow: usize) -> IpAddr {
        let turn = if version == Version::Both { flow / 2 } else { flow };
        let turn = turn.checked_rem(self.ipv4.len()).and_then(|turn| self.ipv4.get(turn));
        turn.filter(|_| !version.is_ipv6(flow)).map_or(self.ipv6.into(), |ipv4| (*ipv4).into())
    }
}

/// Measures groups of cells, those of a group at the same time, and tells of each as it is done.
///
/// # Errors
/// Something of the lab fails. A rate that is not kept is no error: it is in the rows.
pub fn measure(
    lab: &Lab,
    radio: &Radio,
    target: &Target,
    groups: &[Vec<Cell>],
    mut tell: impl FnMut(&Row),
) -> Result<Vec<Row>> {
    let _deaf = Deaf::begin(lab, radio)?;
    let mut rows = Vec::new();
    for group in groups {
        let ready: Vec<_> =
            group.iter().map(|cell| Ready::new(lab, radio, target, *cell)).collect::<Result<Vec<_>>>()?;
        let workers: Vec<_> = ready
            .into_iter()
            .map(|ready| std::thread::Builder::new().name("rates".to_owned()).spawn(move || ready.patiently()))
            .collect::<std::io::Result<_>>()?;
        for worker in workers {
            let row = worker.join().map_err(|_| anyhow::anyhow!("a measurement died of a panic"))??;
            tell(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// While it lives, packets end where they are counted: neither phones nor the server take or answer them.
struct Deaf<'a> {
    radio: &'a Radio,
    _sinks: Vec<UdpSocket>,
}

impl<'a> Deaf<'a> {
    fn begin(lab: &Lab, radio: &'a Radio) -> Result<Self> {
        radio.call(|io| io.refuse_packets(true))??;
        let sinks = lab.internet.run(|| {
            let sink = |address: IpAddr| -> Result<UdpSocket> {
                let socket = UdpSocket::bind((address, PORT)).context("binding where packets end")?;
                crate::sys::filter(&socket2::SockRef::from(&socket), &[crate::sys::NOTHING])?;
                Ok(socket)
            };
            Ok(vec![sink(lab::SERVER.into())?, sink(lab::SERVER6.into())?])
        })?;
        Ok(Self { radio, _sinks: sinks })
    }
}

impl Drop for Deaf<'_> {
    fn drop(&mut self) {
        // A radio that is gone hears nothing anyway.
        let _ = self.radio.call(|io| io.refuse_packets(false));
    }
}

/// What a try came to.
enum Once {
    /// Bits each second, in so many seconds.
    Measured(f64, f64),
    /// The sender had to wait for so long that the meter waited for it.
    HeldUp,
    /// The sender does not get out as much as the rate.
    TooSlow,
}

/// All that one measurement needs.
struct Ready {
    cell: Cell,
    lab: Lab,
    way: Way,
}

/// Where packets are sent from and to.
#[derive(Clone, Debug)]
enum Way {
    /// From the server to these addresses, one for each flow.
    Down(Vec<IpAddr>),
    /// From a phone by its base station at this address to the gateway at that one: where each flow begins, and its tunnel.
    Up(Ipv4Addr, Ipv4Addr, Vec<(SocketAddr, Teid)>),
}

impl Ready {
    fn new(lab: &Lab, radio: &Radio, target: &Target, cell: Cell) -> Result<Self> {
        let addresses = (0..cell.flows).map(|flow| target.address(cell.version, flow));
        let way = if cell.uplink {
            let starts: Vec<SocketAddr> =
                (FIRST_PORT..).zip(addresses).map(|(port, address)| (address, port).into()).collect();
            let (phone, packets) = (target.phone, starts.clone());
            let tunnels = radio.call(move |io| {
                let now = io.now();
                let mut tunnel = |start: &SocketAddr| {
                    let ebi = io.site.bearer_for(phone, &offer::inner(*start, &[]))?;
                    io.site.uplink(now, phone, ebi)
                };
                packets.iter().map(&mut tunnel).collect::<Option<Vec<_>>>()
            })?;
            let tunnels = tunnels.context("the phone has no tunnel")?;
            let (station, first) = tunnels.first().context("no flows")?;
            let (station, gateway) = (*station, first.gateway);
            Way::Up(station, gateway, starts.into_iter().zip(tunnels.iter().map(|(_, bearer)| bearer.uplink)).collect())
        } else {
            Way::Down(addresses.collect())
        };
        Ok(Self { cell, lab: lab.clone(), way })
    }

    /// Measures until the machine has let it, a few times at most.
    fn patiently(self) -> Result<Row> {
        let mut row = Row { cell: self.cell, measured: None, seconds: 0.0, repeats: 0 };
        for repeats in 0..=REPEATS {
            row.repeats = repeats;
            match self.once(self.window() * (1 + repeats))? {
                Once::Measured(measured, seconds) => {
                    (row.measured, row.seconds) = (Some(measured), seconds);
                    if row.is_kept() {
                        break;
                    }
                }
                Once::HeldUp => {}
                // Once may be an accident.
                Once::TooSlow if repeats == 0 => {}
                Once::TooSlow => break,
            }
        }
        Ok(row)
    }

    /// So long that a packet more or less is no more than two percent.
    fn window(&self) -> Duration {
        let largest = self.cell.sizes.iter().max().copied().unwrap_or(0);
        Duration::from_secs_f64(50.0 * largest as f64 * 8.0 / self.cell.rate as f64).max(Duration::from_millis(1_200))
    }

    fn once(&self, window: Duration) -> Result<Once> {
        let offer = Offer::above(self.cell.rate, window);
        let packets = Packets::new(&self.way, self.cell)?;
        let (from, to, side) = match self.way {
            Way::Down(_) => (&self.lab.internet, &self.lab.ran, Side::BaseStation),
            Way::Up(..) => (&self.lab.ran, &self.lab.internet, Side::Internet(self.cell.version)),
        };
        let sender = Sender::start(from, packets, offer)?;
        std::thread::sleep(offer.warm_up());
        let received = to.run(move || Receiver::new(side).watch(window));
        let sent = sender.stop()?;
        let received = received?;
        if sent.octets_per_second < self.cell.rate as f64 / 8.0 {
            return Ok(Once::TooSlow);
        }
        if sent.worst_wait > offer.longest_wait() {
            return Ok(Once::HeldUp);
        }
        let Some(received) = received else { bail!("nothing arrives at {} bit/s: {}", self.cell.rate, sent.packets) };
        Ok(Once::Measured(received.bits_per_second, received.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mix_is_there_once() {
        let all: Vec<Cell> = everything(64_000).into_iter().flatten().collect();
        assert_eq!(all.len(), SIZES.len() * FLOWS.len() * 2 * 2);
        let keys: std::collections::BTreeSet<String> =
            all.iter().map(|cell| Row { cell: *cell, measured: None, seconds: 0.0, repeats: 0 }.key()).collect();
        assert_eq!(keys.len(), all.len());
        assert!(keys.contains("uplink_ipv6_mixed_octets_16_flows_at_64000"), "{keys:?}");
        assert!(everything(1_000_000_000).iter().all(|group| group.len() == 1));
    }

    #[test]
    fn corners_have_both_directions_and_versions() {
        for rate in [64_000, 1_000_000, 100_000_000] {
            let cells: Vec<Cell> = corners(rate).into_iter().flatten().collect();
            for (uplink, ipv6) in [(false, true), (true, false)] {
                assert!(cells.iter().any(|cell| cell.uplink == uplink && cell.version == Version::of(ipv6)), "{rate}");
            }
        }
    }

    #[test]
    fn five_percent_are_near_enough() {
        let cell = corners(1_000_000)[0][0];
        let row = |measured| Row { cell, measured, seconds: 1.0, repeats: 0 };
        assert!(row(Some(1_049_000.0)).is_kept() && row(Some(951_000.0)).is_kept() && row(None).is_kept());
        assert!(!row(Some(1_051_000.0)).is_kept() && !row(Some(949_000.0)).is_kept());
    }
}
