//! Packets that circulate for ever: out of a phone's tunnel, back into it at the base station, to the server, and back from there.
//!
//! Each of the reflecting programs stands at the far end of a cable. A packet that is forwarded comes back at once, so the loop keeps
//! its own time: as many go up as down, none is offered that finds no room, and what is counted is what the gateway carried. The
//! counters are those of the gateway's interfaces.

use crate::lab::{Gateway, Lab, SERVER, STATION, STATION_TEID, Station, eventually, g_pdu, udp_packet};
use agw_dataplane::bench::Reflector;
use agw_dataplane::{Dataplane, Egress, Plane};
use agw_types::{Ambr, DataplaneChange, Peer, Tunnel, TunnelState};
use basalt_ebpf_abi::BenchPlan;
use basalt_ids::{Ebi, Imsi, Teid};
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Packets under way, one of each phone.
const PHONES: u32 = 64;
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 100);
/// Octets of content.
const CONTENT: usize = 100;
/// How long is measured.
const TIME: Duration = Duration::from_secs(3);
/// Replacements of the programs.
const UPGRADES: usize = 6;

/// What one plane carried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// Millions of packets each second, up.
    pub(crate) up: f64,
    /// And down.
    pub(crate) down: f64,
    /// Processors that were busy meanwhile, with whatever else ran on the machine.
    pub(crate) cores: f64,
}

/// Runs the loop through one plane.
pub(crate) fn rates(plane: Plane) -> Result<Rates> {
    let lab = Lab::new();
    let circle = Circle::start(&lab, plane)?;
    let rates = circle.measure(&lab);
    circle.end()?;
    rates
}

/// Replaces the programs behind their links while the loop runs, again and again; gives the packets that do not circulate any more.
pub(crate) fn upgrades() -> Result<u32> {
    let lab = Lab::new();
    let mut circle = Circle::start(&lab, Plane::XdpNative)?;
    for _ in 0..UPGRADES {
        drop(circle.gateway.take());
        circle.gateway = Some(lab.open(settings(&lab, Plane::XdpNative)));
    }
    Ok(PHONES - circle.end()?)
}

struct Circle {
    gateway: Option<Gateway>,
    internet: Reflector,
    server: UdpSocket,
    _station: (Reflector, Station),
    /// A veth that sends a packet back wakes its peer only if that has a program, too: without one, what circulates lies there until
    /// something else comes by.
    _passing: Vec<Reflector>,
}

fn settings(lab: &Lab, plane: Plane) -> agw_dataplane::Config {
    let mut config = lab.config(plane, Egress::Routed);
    config.sessions = PHONES;
    config
}

impl Circle {
    fn start(lab: &Lab, plane: Plane) -> Result<Self> {
        // Whoever has no program at an interface finishes checksums before they are reflected.
        for interface in ["s1u", "sgi"] {
            lab.command("g", &format!("ethtool -K {interface} gro on tx off"));
        }
        let gateway = lab.open(settings(lab, plane));
        let teids = settings(lab, plane).teids()?;
        let teid = |phone: u32| Teid(teids.compose(phone, 0x5a5).unwrap_or(1));
        install(gateway.plane(), teid)?;
        let (station, server) = (Station::new(lab), lab.udp("i", SERVER, BenchPlan::PORT));
        resolve(&gateway, &station, &server, teid(0));
        let plan = |reflector: &Reflector| reflector.of_phones(FIRST, teid(0).0);
        let bare: &[&str] = if plane == Plane::Software { &["s1u", "sgi"] } else { &[] };
        let passing = bare.iter().map(|name| lab.within("g", || Reflector::attach(BenchPlan::EMPTY, name)));
        let passing = passing.collect::<std::result::Result<Vec<_>, _>>()?;
        let near = lab.within("r", || Reflector::attach(BenchPlan::REFLECT_STATION, "eth0"))?;
        let internet = lab.within("i", || Reflector::attach(BenchPlan::REFLECT_INTERNET, "eth0"))?;
        plan(&near);
        plan(&internet);
        // Attaching takes the interface down for a moment.
        sleep(Duration::from_millis(500));
        for phone in 0..PHONES {
            station.send(&g_pdu(teid(phone), &datagram(phone)));
        }
        Ok(Self { gateway: Some(gateway), internet, server, _station: (near, station), _passing: passing })
    }

    fn measure(&self, lab: &Lab) -> Result<Rates> {
        sleep(TIME / 6);
        let (before, busy, began) = (received(lab)?, busy()?, Instant::now());
        sleep(TIME);
        let (after, seconds) = (received(lab)?, began.elapsed().as_secs_f64());
        let millions = |before: u64, after: u64| (after - before) as f64 / seconds / 1e6;
        let cores = (self::busy()? - busy) / seconds;
        Ok(Rates { up: millions(before.0, after.0), down: millions(before.1, after.1), cores })
    }

    /// Packets that were still under way.
    fn end(self) -> Result<u32> {
        self.server.set_read_timeout(Some(Duration::from_millis(300)))?;
        self.internet.let_go();
        let (mut buffer, mut seen) = ([0; 2048], 0);
        while self.server.recv(&mut buffer).is_ok() {
            seen += 1;
        }
        Ok(seen)
    }
}

fn install(plane: &Dataplane, teid: impl Fn(u32) -> Teid) -> Result<()> {
    for phone in 0..PHONES {
        plane.apply(&DataplaneChange::Set(tunnel(teid(phone), address(phone), phone)))?;
    }
    Ok(())
}

/// A connected session of the lab's base station.
pub(crate) fn tunnel(teid: Teid, address: Ipv4Addr, number: u32) -> Tunnel {
    let peer = Peer { address: STATION.into(), teid: Teid(STATION_TEID.0 + number) };
    let imsi = format!("00101{number:010}").parse::<Imsi>().unwrap_or_else(|_| unreachable!("fifteen digits"));
    Tunnel {
        teid,
        address: address.into(),
        framed_routes: Vec::new(),
        ebi: Ebi::FIRST,
        imsi,
        state: TunnelState::Connected(peer),
        ambr: Ambr { uplink: 1_000_000_000, downlink: 1_000_000_000 },
        ue_ambr: None,
    }
}

fn address(phone: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.to_bits() + phone)
}

fn datagram(phone: u32) -> Vec<u8> {
    udp_packet((address(phone), 5000), (SERVER, BenchPlan::PORT), &[0x5a; CONTENT])
}

/// Exchanges packets until both neighbours of the gateway are known.
fn resolve(gateway: &Gateway, station: &Station, server: &UdpSocket, teid: Teid) {
    let mut buffer = [0; 2048];
    for _ in 0..20 {
        station.send(&g_pdu(teid, &datagram(0)));
        if let Ok((length, from)) = server.recv_from(&mut buffer) {
            // Lost only if the base station is not known yet, which is asked next.
            let _ = server.send_to(&buffer[..length], from);
        }
    }
    eventually("the base station's neighbour is known", || gateway.plane().unresolved() == 0);
}

/// Packets that have come to the gateway from the radio, and from the internet.
fn received(lab: &Lab) -> Result<(u64, u64)> {
    let text = lab.command("g", "cat /proc/self/net/dev");
    let of = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}:")))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    of("s1u").zip(of("sgi")).ok_or_else(|| "no counters".into())
}

/// Seconds that all processors have worked.
fn busy() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().ok_or("no processors")?;
    let ticks: Vec<f64> = line.split_ascii_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // User, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen: in hundredths of a second.
    let idle = ticks.get(3).copied().unwrap_or(0.0) + ticks.get(4).copied().unwrap_or(0.0);
    Ok((ticks.iter().take(8).sum::<f64>() - idle) / 100.0)
}
