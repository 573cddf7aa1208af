//! Sends more than a rate, and knows whether it really did all the time.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::{Cell, FIRST_PORT, PORT, Way};
use crate::lab::{self, NetNs};
use crate::radio::packet;
use crate::sys;

/// What the gateway lets through at once at its usual settings: what the rate carries in this time, and no less than so many octets.
const BURST: (Duration, u64) = (Duration::from_millis(250), 9_000);
/// Packets handed to the kernel at a time.
const BATCH: usize = 32;
/// GTP-U's port.
const GTPU: u16 = 2_152;

/// How much is sent. Octets of inner IP packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// The rate that is kept, octets each second.
    kept: f64,
    /// What is sent, octets each second.
    sent: f64,
    /// What is sent at once at the beginning.
    first: f64,
    /// For how long will be measured.
    window: Duration,
}

impl Offer {
    /// Twice a rate (bit/s), but never more than a fifth above where that takes all there is.
    pub(super) fn above(rate: u64, window: Duration) -> Self {
        let sent = (rate * 2).min(rate + 100_000_000);
        let first = if rate < 1_000_000 { 2 * BURST.1 } else { 0 };
        Self { kept: rate as f64 / 8.0, sent: sent as f64 / 8.0, first: first as f64, window }
    }

    fn burst(&self) -> f64 {
        (self.kept * BURST.0.as_secs_f64()).max(BURST.1 as f64)
    }

    /// Until what may come at once has come.
    pub(super) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64((self.burst() - self.first).max(0.0) / (self.sent - self.kept) + 0.2)
    }

    /// The meter lends so long, and no measurement is spoilt by it: octets that may be missing.
    pub(super) fn longest_wait(&self) -> f64 {
        let lent = self.burst() * 0.8;
        lent.min(self.kept * self.window.as_secs_f64() * 0.025).max(1_600.0)
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) packets: u64,
    /// Octets of inner IP packets.
    pub(super) octets_per_second: f64,
    /// The most octets by which what was sent ever fell behind the rate.
    pub(super) worst_wait: f64,
}

/// Packets to send in turn, and where to.
pub(super) struct Packets {
    /// Both ends of one socket for each flow, or of one for all whose packets differ inside.
    sockets: Vec<(SocketAddr, SocketAddr)>,
    /// What is sent, and how many octets of it count.
    packets: Vec<(Vec<u8>, usize)>,
}

impl Packets {
    pub(super) fn new(way: &Way, cell: Cell) -> Result<Self> {
        let headers = cell.version.headers();
        let payloads = || cell.sizes.iter().map(move |size| (vec![0x5a; size.saturating_sub(headers)], *size));
        Ok(match way {
            Way::Down(phones) => {
                let server = |phone: &IpAddr| -> IpAddr {
                    if phone.is_ipv6() { lab::SERVER6.into() } else { lab::SERVER.into() }
                };
                let ends = |(port, phone): (u16, &IpAddr)| ((server(phone), port).into(), (*phone, PORT).into());
                Self { sockets: (FIRST_PORT..).zip(phones).map(ends).collect(), packets: payloads().collect() }
            }
            Way::Up(station, gateway, flows) => {
                let mut packets = Vec::new();
                for ((start, tunnel), (payload, size)) in
                    flows.iter().flat_map(|flow| payloads().map(move |it| (flow, it)))
                {
                    let inner = inner(*start, &payload);
                    let mut datagram = testbed_ran::gtpu::packet_header(*tunnel, inner.len()).to_vec();
                    datagram.extend(inner);
                    packets.push((datagram, size));
                }
                Self { sockets: vec![((*station, 0).into(), (*gateway, GTPU).into())], packets }
            }
        })
    }
}

/// A phone's packet to where nobody of the lab listens.
pub(super) fn inner(start: SocketAddr, payload: &[u8]) -> Vec<u8> {
    match start.ip() {
        IpAddr::V4(phone) => packet::udp((phone, start.port()), (lab::SERVER, PORT), payload),
        IpAddr::V6(phone) => packet::udp6((phone, start.port()), (lab::SERVER6, PORT), payload),
    }
}

/// A thread that sends until it is stopped.
pub(super) struct Sender {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Sent>>,
}

impl Sender {
    pub(super) fn start(from: &NetNs, packets: Packets, offer: Offer) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = from.spawn("offer", move || send(&packets, offer, &told))?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the sender died of a panic"))?
    }
}

fn send(packets: &Packets, offer: Offer, stop: &AtomicBool) -> Result<Sent> {
    let open = |(local, remote): &(SocketAddr, SocketAddr)| {
        let socket = UdpSocket::bind(local)?;
        socket.connect(remote)?;
        Ok(socket)
    };
    let sockets = packets.sockets.iter().map(open).collect::<std::io::Result<Vec<_>>>()?;
    let mut sent = Sent::default();
    // Octets that are due, and that the rate is ahead of what was sent.
    let (mut due, mut behind) = (offer.first, 0.0f64);
    // A sender that was held up goes on at its rate: it does not make up for it in one burst.
    let most = offer.sent * 0.02 + 3_000.0 + offer.first;
    let began = Instant::now();
    let (mut octets_sent, mut last, mut turn, mut batches) = (0.0, began, 0usize, 0usize);
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        let passed = (now - last).as_secs_f64();
        last = now;
        due = (due + offer.sent * passed).min(most);
        behind += offer.kept * passed;
        sent.worst_wait = sent.worst_wait.max(behind);
        while due > 0.0 {
            let mut batch: Vec<&[u8]> = Vec::with_capacity(BATCH);
            while batch.len() < BATCH && due > 0.0 {
                let (datagram, octets) = &packets.packets[turn % packets.packets.len()];
                batch.push(datagram);
                turn += 1;
                due -= *octets as f64;
                octets_sent += *octets as f64;
                behind -= *octets as f64;
            }
            sys::send_all(&sockets[batches % sockets.len()], &batch)?;
            batches += 1;
            sent.packets += batch.len() as u64;
            behind = behind.max(0.0);
        }
        let pause = Duration::from_secs_f64((-due / offer.sent).max(0.0)).clamp(MICRO * 100, MICRO * 5_000);
        std::thread::sleep(pause);
    }
    sent.octets_per_second = octets_sent / began.elapsed().as_secs_f64();
    Ok(sent)
}

const MICRO: Duration = Duration::from_micros(1);

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;

    #[test]
    fn the_burst_is_over_before_it_is_measured() {
        for (rate, least, most) in [(64_000, 0.2, 0.3), (1_000_000, 0.44, 0.46), (1_000_000_000, 2.69, 2.71)] {
            let time = Offer::above(rate, Duration::from_secs(2)).warm_up().as_secs_f64();
            assert!((least..=most).contains(&time), "{rate}: {time}");
        }
    }

    #[test]
    fn uplink_packets_differ_by_their_flow() {
        let cell = Cell { rate: 1, uplink: true, version: Version::Ipv6, sizes: &[100, 1_400], flows: 3 };
        let phone: IpAddr = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into();
        let flow =
            |number: u16| (SocketAddr::from((phone, FIRST_PORT + number)), basalt_ids::Teid(7 + u32::from(number)));
        let way = Way::Up([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), (0..3).map(flow).collect());
        let packets = Packets::new(&way, cell).unwrap();
        assert_eq!(packets.packets.len(), 6);
        assert!(packets.packets.iter().all(|(datagram, size)| datagram.len() == size + 8 && datagram[8] == 0x60));
        assert_ne!(packets.packets[0].0[48..50], packets.packets[2].0[48..50]);
        assert_eq!((packets.packets[1].0[7], packets.packets[4].0[7]), (7, 9), "each by its tunnel");
    }

    #[test]
    fn downlink_flows_go_to_their_addresses() {
        let cell = Cell { rate: 1, uplink: false, version: Version::Ipv4, sizes: &[100], flows: 2 };
        let way = Way::Down(vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
        let packets = Packets::new(&way, cell).unwrap();
        let ends: Vec<String> =
            packets.sockets.iter().map(|(from, to)| format!("{} {}", from.port(), to.ip())).collect();
        assert_eq!((ends, packets.packets.len()), (vec!["20000 10.0.0.1".to_owned(), "20001 10.0.0.2".to_owned()], 1));
    }
}
