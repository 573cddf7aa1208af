//! Fragments that wait for their first one when the daemon ends are counted as dropped by its successor, however it ended.
//!
//! Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Config, Egress, Plane};
use aya::maps::{Map, MapData, PerCpuArray};
use basalt_ebpf_abi::{DropReason, REASON_SLOTS, maps};
use lab::*;
use socket2::Socket;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Fragments that are sent.
const MANY: u64 = 5;
/// They wait for half a second. Where more than this has passed since they were sent, some may have been dropped in good order.
const TIMELY: Duration = Duration::from_millis(350);
/// Tells a child of this test where it is to work.
const NAMESPACE: &str = "BASALT_HELD_NAMESPACE";
const PINS: &str = "BASALT_HELD_PINS";

fn settings(pins: PathBuf) -> Config {
    config(Plane::XdpNative, Egress::Translated, pins)
}

fn dropped(gateway: &Gateway) -> u64 {
    gateway.plane().drops().into_iter().find(|(of, _)| *of == DropReason::NatFragment).unwrap().1
}

/// What a daemon tells its successor: what was lost, and what waits.
fn told(pins: &Path) -> u64 {
    let map = MapData::from_pin(pins.join("maps").join(maps::REASONS)).unwrap();
    let counters = PerCpuArray::<_, u64>::try_from(Map::PerCpuArray(map)).unwrap();
    counters.get(&(REASON_SLOTS - 1), 0).unwrap().iter().sum()
}

/// A host of the internet that sends later fragments of packets whose first ones nobody sends.
struct Host {
    socket: Socket,
    packets: u16,
}

impl Host {
    fn new(lab: &Lab) -> Self {
        let socket = lab.within("i", || {
            let raw = Some(socket2::Protocol::from(libc::IPPROTO_RAW));
            Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, raw).unwrap()
        });
        Self { socket, packets: 0 }
    }

    fn send(&mut self) {
        for _ in 0..MANY {
            self.packets += 1;
            let mut packet = ipv4_packet(SERVER, INTERNET, 17, &[9; 48]);
            packet[4..6].copy_from_slice(&self.packets.to_be_bytes());
            packet[6..8].copy_from_slice(&6u16.to_be_bytes());
            self.socket.send_to(&packet, &SocketAddr::from((INTERNET, 0)).into()).unwrap();
        }
    }
}

/// Ends a daemon that holds fragments until it was in time, and gives what its successor has to say of them.
fn counted_after(lab: &Lab, mut end: impl FnMut(&mut Host) -> Duration) -> u64 {
    let mut host = Host::new(lab);
    for _ in 0..20 {
        let gateway = lab.open(settings(lab.pins.clone()));
        let before = dropped(&gateway);
        drop(gateway);
        if end(&mut host) < TIMELY {
            return dropped(&lab.open(settings(lab.pins.clone()))) - before;
        }
    }
    panic!("this machine is too slow to end anything within {TIMELY:?}");
}

#[test]
fn fragments_that_wait_when_the_daemon_stops_are_counted() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let counted = counted_after(&lab, |host| {
        let gateway = lab.open(settings(lab.pins.clone()));
        let (before, began) = (told(&lab.pins), Instant::now());
        host.send();
        eventually("they wait, or do not any more", || told(&lab.pins) == before + MANY || began.elapsed() > TIMELY);
        drop(gateway);
        began.elapsed()
    });
    assert_eq!(counted, MANY);
    // And they stay counted, in new tables as well.
    let gateway = lab.open(settings(lab.pins.clone()));
    let all = dropped(&gateway);
    drop(gateway);
    let mut larger = settings(lab.pins.clone());
    larger.sessions = 64;
    assert!(dropped(&lab.open(larger)) >= MANY && all >= MANY);
}

#[test]
fn fragments_that_wait_when_the_daemon_is_killed_are_counted() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let counted = counted_after(&lab, |host| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "daemon", "--ignored", "--nocapture"])
            .env(NAMESPACE, lab.namespace_path("g"))
            .env(PINS, &lab.pins)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.any(|line| line.ends_with("ready")), "it runs");
        let began = Instant::now();
        host.send();
        assert!(said.any(|line| line.ends_with("they wait")), "it holds them");
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        began.elapsed()
    });
    assert_eq!(counted, MANY);
}

/// The daemon that is killed: a process of its own.
#[test]
#[ignore = "started by another test"]
fn daemon() {
    let (Ok(namespace), Ok(pins)) = (std::env::var(NAMESPACE), std::env::var(PINS)) else { return };
    let pins = PathBuf::from(pins);
    let _gateway = Gateway::open(namespace, settings(pins.clone()));
    let before = told(&pins);
    println!("\nready");
    let began = Instant::now();
    eventually("they wait, or do not any more", || told(&pins) == before + MANY || began.elapsed() > 2 * TIMELY);
    println!("\nthey wait");
    loop {
        std::thread::park();
    }
}
