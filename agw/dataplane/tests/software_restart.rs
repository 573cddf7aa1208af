//! The software plane goes and comes: what arrives meanwhile waits, and what was counted stays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Config, Egress, Plane, PlaneMode, Shelf};
use lab::*;
use std::collections::BTreeMap;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

/// Holds what the keeper holds.
#[derive(Debug, Default)]
struct Board(Mutex<BTreeMap<String, OwnedFd>>);

impl Shelf for Board {
    fn get(&self, name: &str) -> Option<OwnedFd> {
        self.0.lock().unwrap().get(name)?.try_clone().ok()
    }

    fn put(&self, name: &str, what: BorrowedFd<'_>) -> io::Result<()> {
        self.0.lock().unwrap().insert(name.to_owned(), what.try_clone_to_owned()?);
        Ok(())
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().remove(name);
    }
}

fn settings(lab: &Lab, shelf: &Arc<dyn Shelf>, sessions: u32) -> Config {
    let mut config = lab.config(Plane::Software, Egress::Routed);
    config.shelf = Some(Arc::clone(shelf));
    config.accounting = true;
    config.sessions = sessions;
    config.restore = vec![remembered()];
    config
}

/// What arrives at the server, in order.
fn arrived(server: &UdpSocket, packets: u32) -> Vec<u32> {
    let mut buffer = [0; 64];
    (0..packets)
        .map(|_| {
            let length = server.recv(&mut buffer).unwrap();
            u32::from_be_bytes(buffer[..length].try_into().unwrap())
        })
        .collect()
}

fn send_up(station: &Station, numbers: std::ops::Range<u32>) {
    for number in numbers {
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), &number.to_be_bytes())));
    }
}

#[test]
fn packets_wait_for_the_next_daemon_and_counters_go_on() {
    const WAITING: u32 = 100;
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let shelf: Arc<dyn Shelf> = Arc::new(Board::default());
    let gateway = lab.open(settings(&lab, &shelf, 16));
    assert_eq!((gateway.mode(), gateway.plane().adopted()), (PlaneMode::Software, false));
    let (station, server) = (Station::new(&lab), lab.udp("i", SERVER, 7000));
    send_up(&station, 0..1);
    assert_eq!(arrived(&server, 1), [0]);
    drop(gateway);
    // Nobody is there.
    send_up(&station, 1..WAITING);
    for number in 0..WAITING {
        server.send_to(&number.to_be_bytes(), (UE, 5000)).unwrap();
    }
    let gateway = lab.open(settings(&lab, &shelf, 16));
    assert!(gateway.plane().adopted());
    assert_eq!(arrived(&server, WAITING - 1), (1..WAITING).collect::<Vec<u32>>(), "all, in order");
    for number in 0..WAITING {
        assert_eq!(station.packet().expect("it waited")[28..], number.to_be_bytes());
    }
    eventually("both ways are counted, once", || {
        let readings = gateway.plane().readings();
        readings.len() == 1
            && (readings[0].total.uplink_packets, readings[0].total.downlink_packets)
                == (u64::from(WAITING), u64::from(WAITING))
    });
}

#[test]
fn tables_of_another_size_are_read_once_more() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let shelf: Arc<dyn Shelf> = Arc::new(Board::default());
    let gateway = lab.open(settings(&lab, &shelf, 16));
    let (station, server) = (Station::new(&lab), lab.udp("i", SERVER, 7000));
    send_up(&station, 0..3);
    assert_eq!(arrived(&server, 3), [0, 1, 2]);
    drop(gateway);
    send_up(&station, 3..5);
    let gateway = lab.open(settings(&lab, &shelf, 64));
    assert!(!gateway.plane().adopted());
    assert_eq!(arrived(&server, 2), [3, 4], "the session is there before packets are");
    let total = || {
        let readings = gateway.plane().readings();
        (readings.len(), readings.iter().map(|reading| reading.total.uplink_packets).sum::<u64>())
    };
    eventually("old and new tables are read", || total() == (2, 5));
    let old = gateway.plane().readings().into_iter().find(|reading| reading.moved).expect("one that went on elsewhere");
    assert!(old.closed && old.total.uplink_packets == 3);
    gateway.plane().settle(&old);
    assert_eq!(total(), (1, 2));
}

#[test]
fn a_limit_is_there_before_packets_are() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let shelf: Arc<dyn Shelf> = Arc::new(Board::default());
    for sessions in [16, 64] {
        let mut config = settings(&lab, &shelf, sessions);
        config.restore = vec![remembered_slow()];
        let gateway = lab.open(config);
        assert!(!gateway.plane().adopted());
        assert_eq!(flood(&lab, gateway.plane()), u64::from(BURST), "{sessions}: nobody has set it since");
    }
}
