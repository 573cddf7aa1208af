//! A gateway process that is killed: what runs in the kernel goes on, and the next process takes over.
//!
//! The gateway is this same program, started again as [`gateway_process`]. Skipped, with the reason printed, without root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Egress, Limited, Limits, Plane, PlaneMode, Report};
use agw_types::Traffic;
use basalt_ebpf_abi::{Prefix, SCHEMA_VERSION, Settings, maps};
use lab::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const NAMESPACE: &str = "BASALT_TEST_NAMESPACE";
const PINS: &str = "BASALT_TEST_PINS";
const EGRESS: &str = "BASALT_TEST_EGRESS";

/// The other end of a [`gateway_process`].
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(lab: &Lab, egress: Egress) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "gateway_process", "--ignored", "--nocapture"])
            .env(NAMESPACE, lab.namespace_path("g"))
            .env(PINS, &lab.pins)
            .env(EGRESS, if egress == Egress::Nat { "nat" } else { "routed" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
    }

    /// The next line for us.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the gateway process ended");
            if let Some((_, rest)) = line.split_once("gateway: ") {
                return rest.trim().to_owned();
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Not a test by itself: the gateway's side of the tests below. Does what it is told on standard input.
#[test]
#[ignore = "started by the other tests"]
fn gateway_process() {
    let (Ok(namespace), Ok(pins), Ok(egress)) = (std::env::var(NAMESPACE), std::env::var(PINS), std::env::var(EGRESS))
    else {
        return;
    };
    let egress = if egress == "nat" { Egress::Nat } else { Egress::Routed };
    let mut gateway = Gateway::open(namespace, config(Plane::XdpNative, egress, pins.into()));
    assert_eq!(gateway.mode(), PlaneMode::XdpNative);
    let usage = gateway.plane().usage(TEID, UE).unwrap_or_default();
    let state = gateway.plane().installed().first().map(|found| found.state);
    let packets = (usage.uplink_packets, usage.downlink_packets);
    println!("gateway: adopted {} {} {packets:?}", gateway.plane().adopted(), state == Some(connected()));
    for line in std::io::stdin().lines() {
        match line.unwrap().as_str() {
            "connect" => {
                gateway.connect();
                // From here on, nothing needs this process.
                eventually("the base station's neighbour is resolved", || gateway.plane().unresolved() == 0);
            }
            "idle" => gateway.idle(),
            "event" => {
                let waiting = gateway.event() == Some(Traffic::DownlinkWaiting { address: UE.into() });
                println!("gateway: waiting {waiting}");
                continue;
            }
            other => panic!("{other}"),
        }
        println!("gateway: done");
    }
}

/// Pings through the gateway as fast as answers come, until told to stop; gives how many. Not one may be lost.
fn ping_pong(lab: &Lab, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) -> thread::JoinHandle<()> {
    let station = Station::new(lab);
    let server = lab.udp("i", SERVER, 7000);
    thread::spawn(move || {
        let mut number = 0u64;
        let mut buffer = [0; 100];
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), &number.to_be_bytes())));
            let (length, from) = server.recv_from(&mut buffer).expect("lost on the way up");
            assert_eq!(buffer[..length], number.to_be_bytes());
            server.send_to(&buffer[..length], from).unwrap();
            let packet = station.packet().expect("lost on the way down");
            assert_eq!(packet[28..], number.to_be_bytes());
            count.store(number, Ordering::Relaxed);
        }
    })
}

#[test]
fn nothing_is_lost_while_the_gateway_process_is_killed_and_replaced() {
    if !possible() {
        return;
    }
    for egress in [Egress::Nat, Egress::Routed] {
        let lab = Lab::new();
        let mut process = Process::start(&lab, egress);
        assert_eq!(process.line(), "adopted false false (0, 0)");
        process.tell("connect");
        assert_eq!(process.line(), "done");
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let traffic = ping_pong(&lab, Arc::clone(&stop), Arc::clone(&count));
        let wait_for_more = || {
            let until = count.load(Ordering::Relaxed) + 500;
            eventually("traffic goes on", || count.load(Ordering::Relaxed) > until || traffic.is_finished());
        };
        for _ in 0..4 {
            wait_for_more();
            process.kill();
            // Nobody is there; packets do not notice.
            wait_for_more();
            process = Process::start(&lab, egress);
            let line = process.line();
            assert!(line.starts_with("adopted true true"), "{line}");
        }
        stop.store(true, Ordering::Relaxed);
        traffic.join().expect("a packet was lost");
        process.kill();
        let mut process = Process::start(&lab, egress);
        // Counted once, over five processes.
        let total = count.load(Ordering::Relaxed);
        assert_eq!(process.line(), format!("adopted true true ({total}, {total})"));
        process.kill();
    }
}

#[test]
fn packets_that_came_for_an_idle_phone_while_nobody_was_there_are_not_lost() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut process = Process::start(&lab, Egress::Routed);
    process.line();
    process.tell("idle");
    assert_eq!(process.line(), "done");
    let server = lab.udp("i", SERVER, 7000);
    // One that the process already holds, so it may die with it.
    server.send_to(b"before", (UE, 5000)).unwrap();
    process.tell("event");
    assert_eq!(process.line(), "waiting true");
    process.kill();
    for number in 0..20u8 {
        server.send_to(&[number], (UE, 5000)).unwrap();
    }
    let mut process = Process::start(&lab, Egress::Routed);
    assert!(process.line().starts_with("adopted true false"));
    process.tell("event");
    assert_eq!(process.line(), "waiting true");
    let station = Station::new(&lab);
    process.tell("connect");
    assert_eq!(process.line(), "done");
    let mut received = Vec::new();
    while received.last() != Some(&vec![19]) {
        received.push(station.packet().expect("kept in the ring")[28..].to_vec());
    }
    received.retain(|payload| payload != b"before");
    assert_eq!(received, (0..20u8).map(|number| vec![number]).collect::<Vec<_>>());
    // And the fast path is open again: nothing counts as outstanding.
    server.send_to(b"after", (UE, 5000)).unwrap();
    assert_eq!(station.packet().unwrap()[28..], *b"after");
    process.kill();
}

#[test]
fn tables_of_another_schema_or_size_are_replaced() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let open = |sessions| {
        let mut config = lab.config(Plane::XdpNative, Egress::Nat);
        config.sessions = sessions;
        lab.open(config)
    };
    let gateway = open(16);
    gateway.connect();
    drop(gateway);
    let gateway = open(16);
    assert!(gateway.plane().adopted());
    assert_eq!(gateway.plane().installed().len(), 1);
    drop(gateway);
    // Another schema.
    let schema = std::mem::offset_of!(Settings, schema);
    let pin = lab.pins.join("maps").join(maps::SETTINGS);
    patch(&pin, schema, SCHEMA_VERSION + 1);
    let gateway = open(16);
    assert!(!gateway.plane().adopted(), "believed a foreign schema");
    assert!(gateway.plane().installed().is_empty());
    gateway.connect();
    drop(gateway);
    // Another size.
    let gateway = open(64);
    assert!(!gateway.plane().adopted());
    drop(gateway);
    let gateway = open(64);
    assert!(gateway.plane().adopted());
}

#[test]
fn tables_that_are_replaced_under_traffic_lose_neither_packet_nor_octet() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let open = |sessions| {
        let mut config = lab.config(Plane::XdpNative, Egress::Nat);
        config.sessions = sessions;
        config.accounting = true;
        lab.open(config)
    };
    let gateway = open(16);
    gateway.connect();
    eventually("the base station's neighbour is resolved", || gateway.plane().unresolved() == 0);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = ping_pong(&lab, Arc::clone(&stop), Arc::clone(&count));
    let wait_for_more = || {
        let until = count.load(Ordering::Relaxed) + 300;
        eventually("traffic goes on", || count.load(Ordering::Relaxed) > until || traffic.is_finished());
    };
    wait_for_more();
    drop(gateway);
    let gateway = open(64);
    assert!(!gateway.plane().adopted());
    assert_eq!(gateway.plane().installed().len(), 1, "carried over");
    wait_for_more();
    stop.store(true, Ordering::Relaxed);
    traffic.join().unwrap();
    let readings = gateway.plane().readings();
    let epochs: std::collections::BTreeSet<u64> = readings.iter().map(|reading| reading.epoch).collect();
    assert_eq!((readings.len(), epochs.len()), (2, 2), "{readings:?}");
    let total = count.load(Ordering::Relaxed);
    assert_eq!(readings.iter().map(|reading| reading.total.uplink_packets).sum::<u64>(), total);
    assert_eq!(readings.iter().map(|reading| reading.total.downlink_packets).sum::<u64>(), total);
    let old = readings.iter().find(|reading| reading.closed).unwrap();
    gateway.plane().settle(old);
    assert_eq!(gateway.plane().readings().len(), 1);
}

#[test]
fn tables_of_another_schema_are_made_anew_with_the_sessions_and_settled_once() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let open = |restore| {
        let mut config = lab.config(Plane::XdpNative, Egress::Nat);
        config.accounting = true;
        config.restore = restore;
        lab.open(config)
    };
    let gateway = open(Vec::new());
    gateway.connect();
    eventually("the base station's neighbour is resolved", || gateway.plane().unresolved() == 0);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = ping_pong(&lab, Arc::clone(&stop), Arc::clone(&count));
    let wait_for_more = || {
        let until = count.load(Ordering::Relaxed) + 300;
        eventually("traffic goes on", || count.load(Ordering::Relaxed) > until || traffic.is_finished());
    };
    wait_for_more();
    let schema = std::mem::offset_of!(Settings, schema);
    for round in 1..=3u64 {
        // The daemon of another release takes over; in the second round, one that dies before it has settled anything.
        drop(gateway_of(&lab, &open, schema));
        wait_for_more();
        let gateway = open(vec![remembered()]);
        assert_eq!(gateway.plane().installed().len(), 1, "round {round}");
        wait_for_more();
        drop(gateway);
    }
    stop.store(true, Ordering::Relaxed);
    traffic.join().unwrap();
    let gateway = open(Vec::new());
    let readings = gateway.plane().readings();
    assert_eq!(readings.iter().filter(|reading| reading.closed && reading.moved).count(), 3, "{readings:?}");
    let total = count.load(Ordering::Relaxed);
    assert_eq!(readings.iter().map(|reading| reading.total.uplink_packets).sum::<u64>(), total);
    assert_eq!(readings.iter().map(|reading| reading.total.downlink_packets).sum::<u64>(), total);
    for reading in readings.iter().filter(|reading| reading.closed) {
        gateway.plane().settle(reading);
    }
    drop(gateway);
    assert_eq!(open(Vec::new()).plane().readings().len(), 1, "what was settled is gone for ever");
}

#[test]
fn what_somebody_unpins_or_detaches_is_in_place_again_and_nothing_is_lost() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let open = || {
        let mut config = lab.config(Plane::XdpNative, Egress::Nat);
        config.accounting = true;
        lab.open(config)
    };
    let gateway = open();
    let mut reports = gateway.plane().reports().unwrap();
    gateway.connect();
    eventually("the base station's neighbour is resolved", || gateway.plane().unresolved() == 0);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = ping_pong(&lab, Arc::clone(&stop), Arc::clone(&count));
    let wait_for_more = || {
        let until = count.load(Ordering::Relaxed) + 300;
        eventually("traffic goes on", || count.load(Ordering::Relaxed) > until || traffic.is_finished());
    };
    wait_for_more();
    let pinned = |folder: &str| std::fs::read_dir(lab.pins.join(folder)).map_or(0, Iterator::count);
    let folders = ["maps", "programs", "links"];
    let before = folders.map(pinned);
    for folder in folders {
        std::fs::remove_dir_all(lab.pins.join(folder)).unwrap();
    }
    wait_for_more();
    let mut told = None;
    eventually("it is told", || {
        told = told.or_else(|| match reports.try_recv() {
            Ok(Report::Meddled { pins, programs: 0 }) => Some(pins),
            _ => None,
        });
        told.is_some()
    });
    assert_eq!((folders.map(pinned), told), (before, Some(before.iter().sum())));
    drop(gateway);
    wait_for_more();
    let gateway = open();
    assert!(gateway.plane().adopted(), "the next one finds them");
    wait_for_more();
    stop.store(true, Ordering::Relaxed);
    traffic.join().unwrap();
    let readings = gateway.plane().readings();
    let total = count.load(Ordering::Relaxed);
    assert_eq!(readings.iter().map(|reading| reading.total.uplink_packets).sum::<u64>(), total);
    assert_eq!(readings.iter().map(|reading| reading.total.downlink_packets).sum::<u64>(), total);
    // A program that somebody detaches is attached again.
    let mut reports = gateway.plane().reports().unwrap();
    for link in std::fs::read_dir(lab.pins.join("links")).unwrap() {
        detach(&link.unwrap().path());
        let meddled = Report::Meddled { pins: 0, programs: 1 };
        eventually("it is told", || reports.try_recv().is_ok_and(|report| report == meddled));
    }
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = ping_pong(&lab, Arc::clone(&stop), Arc::clone(&count));
    eventually("traffic goes on", || count.load(Ordering::Relaxed) > 300 || traffic.is_finished());
    stop.store(true, Ordering::Relaxed);
    traffic.join().unwrap();
}

#[test]
fn limits_come_with_sessions_into_new_tables_and_what_was_sent_is_owed() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let open = |sessions, restore| {
        let mut config = lab.config(Plane::XdpNative, Egress::Nat);
        (config.accounting, config.sessions, config.restore) = (true, sessions, restore);
        lab.open(config)
    };
    let (limited, imsi) = (remembered_slow(), tunnel(connected()).imsi);
    for ue in [None, Some(limited.session)] {
        let session = if ue.is_some() { Limits::NONE } else { limited.session };
        let gateway = open(16, vec![Limited { session, ue, ..limited.clone() }]);
        assert_eq!(flood(&lab, gateway.plane()), u64::from(BURST), "restored with it");
        drop(gateway);
        // Tables of another size: what was sent is owed there.
        let gateway = open(64, Vec::new());
        assert!(!gateway.plane().adopted());
        assert_eq!(flood(&lab, gateway.plane()), 0, "carried over with it");
        // The UE's next session shares what is carried over.
        gateway.plane().limit(TEID, UE, &session, ue.map(|ue| (imsi, ue))).unwrap();
        assert_eq!(flood(&lab, gateway.plane()), 0, "set again");
        drop(gateway);
        patch(&lab.pins.join("maps").join(maps::SETTINGS), std::mem::offset_of!(Settings, schema), SCHEMA_VERSION + 1);
    }
}

/// A gateway that takes over tables of another schema.
fn gateway_of(lab: &Lab, open: &impl Fn(Vec<Limited>) -> Gateway, schema: usize) -> Gateway {
    patch(&lab.pins.join("maps").join(maps::SETTINGS), schema, SCHEMA_VERSION + 1);
    open(vec![remembered()])
}

/// Overwrites a word in the only value of a pinned array.
fn patch(pin: &std::path::Path, offset: usize, word: u32) {
    let map = aya::maps::MapData::from_pin(pin).unwrap();
    let mut array = aya::maps::Array::<_, [u8; size_of::<Settings>()]>::try_from(aya::maps::Map::Array(map)).unwrap();
    let mut value = array.get(&0, 0).unwrap();
    value[offset..offset + 4].copy_from_slice(&word.to_ne_bytes());
    array.set(0, value, 0).unwrap();
}

#[test]
fn sessions_keep_their_counters_when_pools_change() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let config = |first: u8| {
        let mut config = lab.config(Plane::XdpNative, Egress::Nat);
        let pool = |network: [u8; 4]| agw_types::AddressPool { network: network.into(), prefix: 24, gateway: None };
        config.pools = vec![pool([10, first, 0, 0]), pool([10, 45, 0, 0])];
        config.forbidden = vec![Prefix::new([100, 64, 0, 0].into(), 10)];
        config
    };
    let gateway = lab.open(config(40));
    gateway.connect();
    let station = Station::new(&lab);
    let server = lab.udp("i", SERVER, 7000);
    let up = || station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), b"x")));
    up();
    let mut buffer = [0; 10];
    server.recv(&mut buffer).unwrap();
    drop(gateway);
    // A pool in front of ours has another size now, so our records move.
    let mut changed = config(41);
    changed.pools[0].prefix = 26;
    let gateway = lab.open(changed);
    assert!(gateway.plane().adopted());
    assert_eq!(gateway.plane().usage(TEID, UE).unwrap().uplink_packets, 1);
    up();
    let (_, from) = server.recv_from(&mut buffer).unwrap();
    server.send_to(b"down", from).unwrap();
    assert_eq!(station.packet().unwrap()[28..], *b"down");
}

#[test]
fn teardown_leaves_nothing() {
    if !possible() {
        return;
    }
    for plane in [Plane::XdpNative, Plane::Software] {
        let lab = Lab::new();
        let config = lab.config(plane, Egress::Nat);
        drop(lab.open(config.clone()));
        let namespace = lab.namespace_path("g");
        Gateway::teardown(namespace, config);
        assert!(!lab.command("g", "ip link").contains("bslt0"));
        eventually("the programs are gone", || !lab.command("g", "ip link").contains("xdp"));
        assert!(!lab.command("g", "ip route").contains("10.45.0.0"));
        assert!(!lab.command("g", "nft list ruleset").contains("basalt"));
        for folder in ["maps", "programs", "links"] {
            let left = std::fs::read_dir(lab.pins.join(folder)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "{folder}");
        }
    }
}

#[test]
fn a_gateway_process_says_why_it_cannot_start() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut config = lab.config(Plane::Auto, Egress::Nat);
    config.access_interface = "nosuch0".into();
    let error = Gateway::refused(lab.namespace_path("g"), config);
    assert_eq!(error, "there is no interface nosuch0");
}
