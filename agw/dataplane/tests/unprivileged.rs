//! The software plane without root: in a user namespace, where BPF is out of reach.
//!
//! The site is this same program, started again as [`site`]. Skipped, with the reason printed, where user namespaces are forbidden.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::{Dataplane, Egress, Plane, PlaneMode};
use agw_types::DataplaneChange;
use lab::*;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn a_phone_reaches_the_internet_without_root() {
    let program = std::env::current_exe().unwrap();
    let inside = |words: &[&str]| Command::new("unshare").args(["-U", "-r", "-n"]).args(words).output();
    match inside(&["true"]) {
        Ok(output) if output.status.success() => {}
        _ => {
            eprintln!("skipped: this system allows no user namespaces");
            return;
        }
    }
    let output = inside(&[program.to_str().unwrap(), "--exact", "site", "--ignored", "--nocapture"]).unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
}

/// Another network namespace, which lives as long as its thread.
fn namespace() -> (libc::pid_t, mpsc::Sender<Box<dyn FnOnce() + Send>>) {
    let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        // SAFETY: changes this thread only.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
        // SAFETY: no arguments.
        send.send(unsafe { libc::gettid() }).unwrap();
        for job in queue {
            job();
        }
    });
    (receive.recv().unwrap(), jobs)
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Not a test by itself: a gateway in this namespace, a base station and a server in two others.
#[test]
#[ignore = "started by the other test"]
fn site() {
    ip("link set lo up");
    let mut sockets = Vec::new();
    for (interface, ours, theirs, port) in [("s1u", ACCESS, STATION, 2152), ("sgi", INTERNET, SERVER, 7000)] {
        let (thread, jobs) = namespace();
        ip(&format!("link add {interface} type veth peer name eth0 netns {thread}"));
        ip(&format!("addr add {ours}/24 dev {interface}"));
        ip(&format!("link set {interface} mtu 1600 up"));
        let (send, receive) = mpsc::channel();
        let job = move || {
            ip("link set lo up");
            ip(&format!("addr add {theirs}/24 dev eth0"));
            ip("link set eth0 mtu 1600 up");
            send.send(UdpSocket::bind((theirs, port)).unwrap()).unwrap();
        };
        jobs.send(Box::new(job)).unwrap();
        let socket = receive.recv().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        sockets.push((socket, jobs));
    }
    // Until the kernel has switched the transmit queues on, packets vanish.
    for interface in ["s1u", "sgi"] {
        let state = || Command::new("ip").args(["link", "show", "dev", interface]).output().unwrap().stdout;
        eventually("the link is up", || String::from_utf8_lossy(&state()).contains("state UP"));
    }
    let (station, server) = (Station(sockets[0].0.try_clone().unwrap()), &sockets[1].0);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = config(Plane::Auto, Egress::Nat, "/proc/nonexistent".into());
    let (plane, _events) = runtime.block_on(Dataplane::open(config)).unwrap();
    assert_eq!(plane.mode(), PlaneMode::Software);
    plane.apply(&DataplaneChange::Set(tunnel(connected()))).unwrap();
    for number in 0..100u32 {
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), &number.to_be_bytes())));
        let mut buffer = [0; 100];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        assert_eq!((from.ip(), &buffer[..length]), (INTERNET.into(), &number.to_be_bytes()[..]));
        server.send_to(&buffer[..length], from).unwrap();
        assert_eq!(station.packet().unwrap()[28..], number.to_be_bytes());
    }
    eventually("all are counted", || {
        let usage = plane.usage(TEID, UE).unwrap();
        (usage.uplink_packets, usage.downlink_packets) == (100, 100)
    });
}
