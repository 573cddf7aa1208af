//! Three network namespaces: a base station, the gateway, a server on the internet.
//!
//! The traps of veth and XDP are handled here: GRO on at the peers that receive redirected frames, transmit checksums off at senders,
//! room for the tunnel's headers on the radio side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    dead_code,
    reason = "tests; not every test uses everything"
)]

use agw_dataplane::{Config, Dataplane, Egress, Limited, Limits, Plane, PlaneMode, Rate};
use agw_types::{AddressPool, DataplaneChange, Peer, Traffic, Tunnel, TunnelState};
use basalt_ebpf_abi::DropReason;
use basalt_ids::{Ebi, Teid};
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub const STATION: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 1);
pub const ACCESS: Ipv4Addr = Ipv4Addr::new(10, 10, 1, 2);
pub const INTERNET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Reached through SERVER as a router.
pub const FAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
pub const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 7);
pub const OTHER_UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 8);
pub const TEID: Teid = Teid(0x5a5a_0003);
pub const STATION_TEID: Teid = Teid(0x0102_0304);

/// Whether namespaces and programs can be made here; says why not.
pub fn possible() -> bool {
    // SAFETY: no arguments.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("skipped: namespaces and XDP need root");
        return false;
    }
    if let Err(error) = agw_dataplane::object::object() {
        eprintln!("skipped: {error}");
        return false;
    }
    true
}

/// The namespaces, removed when dropped.
pub struct Lab {
    name: String,
    pub pins: PathBuf,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Lab {
    pub fn new() -> Self {
        let name = format!("bdp{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let pins = PathBuf::from(format!("/sys/fs/bpf/{name}"));
        let lab = Self { name, pins };
        let (r, g, i) = (lab.namespace("r"), lab.namespace("g"), lab.namespace("i"));
        for namespace in [&r, &g, &i] {
            run(&format!("ip netns add {namespace}"));
            run(&format!("ip -n {namespace} link set lo up"));
        }
        run(&format!("ip link add s1u netns {g} type veth peer name eth0 netns {r}"));
        run(&format!("ip link add sgi netns {g} type veth peer name eth0 netns {i}"));
        for (namespace, interface, address) in
            [(&r, "eth0", STATION), (&g, "s1u", ACCESS), (&g, "sgi", INTERNET), (&i, "eth0", SERVER)]
        {
            run(&format!("ip -n {namespace} addr add {address}/24 dev {interface}"));
            run(&format!("ip -n {namespace} link set {interface} mtu 1600 up"));
        }
        run(&format!("ip -n {g} link set sgi mtu 1500"));
        run(&format!("ip -n {i} link set eth0 mtu 1500"));
        run(&format!("ip -n {i} addr add {FAR}/32 dev lo"));
        run(&format!("ip -n {i} route add 10.45.0.0/24 via {INTERNET}"));
        run(&format!("ip -n {g} route add default via {SERVER}"));
        for namespace in [&r, &i] {
            run(&format!("ip netns exec {namespace} ethtool -K eth0 gro on"));
            run(&format!("ip netns exec {namespace} ethtool -K eth0 tx off"));
        }
        // Until the kernel has switched the transmit queues on, packets vanish.
        for (which, interface) in [("r", "eth0"), ("g", "s1u"), ("g", "sgi"), ("i", "eth0")] {
            let link = format!("ip link show dev {interface}");
            eventually("the link is up", || lab.command(which, &link).contains("state UP"));
        }
        lab
    }

    /// Takes the cable to the internet away and plugs another one in, with the addresses of before.
    pub fn replace_internet(&self) {
        let (g, i) = (self.namespace("g"), self.namespace("i"));
        run(&format!("ip -n {g} link del sgi"));
        run(&format!("ip link add sgi netns {g} type veth peer name eth0 netns {i}"));
        for (namespace, interface, address) in [(&g, "sgi", INTERNET), (&i, "eth0", SERVER)] {
            run(&format!("ip -n {namespace} addr add {address}/24 dev {interface}"));
            run(&format!("ip -n {namespace} link set {interface} up"));
        }
        run(&format!("ip netns exec {i} ethtool -K eth0 gro on"));
        run(&format!("ip netns exec {i} ethtool -K eth0 tx off"));
        run(&format!("ip -n {i} route add 10.45.0.0/24 via {INTERNET}"));
        run(&format!("ip -n {g} route add default via {SERVER}"));
    }

    /// The same with the cable to the base stations.
    pub fn replace_radio(&self) {
        let (g, r) = (self.namespace("g"), self.namespace("r"));
        run(&format!("ip -n {g} link del s1u"));
        run(&format!("ip link add s1u netns {g} type veth peer name eth0 netns {r}"));
        for (namespace, interface, address) in [(&r, "eth0", STATION), (&g, "s1u", ACCESS)] {
            run(&format!("ip -n {namespace} addr add {address}/24 dev {interface}"));
            run(&format!("ip -n {namespace} link set {interface} mtu 1600 up"));
        }
        run(&format!("ip netns exec {r} ethtool -K eth0 gro on"));
        run(&format!("ip netns exec {r} ethtool -K eth0 tx off"));
    }

    fn namespace(&self, which: &str) -> String {
        format!("{}{which}", self.name)
    }

    /// Runs something in a namespace: `r`, `g` or `i`.
    pub fn within<T: Send + 'static>(&self, which: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
        let path = format!("/run/netns/{}", self.namespace(which));
        thread::spawn(move || {
            enter(&path);
            act()
        })
        .join()
        .unwrap()
    }

    /// A UDP socket in a namespace.
    pub fn udp(&self, which: &str, address: Ipv4Addr, port: u16) -> UdpSocket {
        let socket = self.within(which, move || UdpSocket::bind((address, port)).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // A busy machine may run the sender for long before the receiver.
        let octets: i32 = 16 << 20;
        let length = size_of::<i32>() as u32;
        // SAFETY: the value lives across the call and has the length given.
        let result = unsafe {
            let option = (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE);
            libc::setsockopt(socket.as_raw_fd(), option.0, option.1, (&raw const octets).cast(), length)
        };
        assert_eq!(result, 0);
        socket
    }

    /// Runs a command in a namespace; gives what it printed.
    pub fn command(&self, which: &str, command: &str) -> String {
        let namespace = self.namespace(which);
        let mut words = command.split_whitespace();
        let output = Command::new("ip")
            .args(["netns", "exec", &namespace])
            .arg(words.next().unwrap())
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn namespace_path(&self, which: &str) -> String {
        format!("/run/netns/{}", self.namespace(which))
    }

    pub fn config(&self, plane: Plane, egress: Egress) -> Config {
        config(plane, egress, self.pins.clone())
    }

    /// Opens the data plane in the gateway's namespace.
    pub fn open(&self, config: Config) -> Gateway {
        Gateway::open(self.namespace_path("g"), config)
    }
}

pub fn config(plane: Plane, egress: Egress, pins: PathBuf) -> Config {
    let pool =
        AddressPool { network: Ipv4Addr::new(10, 45, 0, 0), prefix: 24, gateway: Some(Ipv4Addr::new(10, 45, 0, 1)) };
    let mut config = Config::new("s1u", ACCESS, "sgi", vec![pool]);
    config.plane = plane;
    config.egress = egress;
    config.sessions = 16;
    config.bpf_directory = pins;
    config.settle = Duration::ZERO;
    // Tests that want to be asked say so: on a busy machine others take longer than the usual minute between two Echo Requests.
    config.echo = None;
    config
}

impl Drop for Lab {
    fn drop(&mut self) {
        for which in ["r", "g", "i"] {
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(which)]).output();
        }
        for folder in ["links", "programs", "maps"] {
            let _ = std::fs::remove_dir_all(self.pins.join(folder));
        }
        let _ = std::fs::remove_dir(&self.pins);
    }
}

fn enter(path: &str) {
    let file = File::open(path).unwrap();
    // SAFETY: a descriptor of a network namespace; changes this thread only.
    let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// A data plane in its namespace.
pub struct Gateway {
    pub plane: Option<Dataplane>,
    pub events: mpsc::Receiver<Traffic>,
    runtime: Option<Runtime>,
}

impl Gateway {
    pub fn open(namespace: String, config: Config) -> Self {
        thread::spawn(move || {
            enter(&namespace);
            // Workers are made by this thread, so they are in its namespace.
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (plane, events) = runtime.block_on(runtime.spawn(Dataplane::open(config))).unwrap().unwrap();
            Gateway { plane: Some(plane), events, runtime: Some(runtime) }
        })
        .join()
        .unwrap()
    }

    /// Removes what a gateway with this configuration has set up.
    pub fn teardown(namespace: String, config: Config) {
        thread::spawn(move || {
            enter(&namespace);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Dataplane::teardown(&config)).unwrap();
        })
        .join()
        .unwrap();
    }

    /// Why a data plane cannot be opened.
    pub fn refused(namespace: String, config: Config) -> String {
        thread::spawn(move || {
            enter(&namespace);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            match runtime.block_on(Dataplane::open(config)) {
                Ok(_) => panic!("opened"),
                Err(error) => error.to_string(),
            }
        })
        .join()
        .unwrap()
    }

    pub fn plane(&self) -> &Dataplane {
        self.plane.as_ref().unwrap()
    }

    pub fn mode(&self) -> PlaneMode {
        self.plane().mode()
    }

    pub fn connect(&self) {
        self.plane().apply(&DataplaneChange::Set(tunnel(connected()))).unwrap();
    }

    pub fn idle(&self) {
        self.plane().apply(&DataplaneChange::Set(tunnel(TunnelState::Idle))).unwrap();
    }

    /// The next event, within a deadline.
    pub fn event(&mut self) -> Option<Traffic> {
        let runtime = self.runtime.as_ref().unwrap();
        let events = &mut self.events;
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), events.recv()).await.ok().flatten() })
    }

    pub fn no_event(&mut self) -> bool {
        self.events.try_recv().is_err()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.plane.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn connected() -> TunnelState {
    TunnelState::Connected(Peer { address: IpAddr::V4(STATION), teid: STATION_TEID })
}

pub fn tunnel(state: TunnelState) -> Tunnel {
    let (imsi, ambr) = ("001010000000001".parse().unwrap(), agw_types::Ambr { uplink: u64::MAX, downlink: u64::MAX });
    Tunnel {
        teid: TEID,
        address: UE.into(),
        framed_routes: Vec::new(),
        ebi: Ebi::FIRST,
        imsi,
        state,
        ambr,
        ue_ambr: None,
    }
}

/// IPv4 with UDP, checksums right.
/// A session as somebody remembers it, without limits.
pub fn remembered() -> Limited {
    Limited { tunnel: tunnel(connected()), session: Limits::NONE, ue: None }
}

/// One that may send [`BURST`] packets of 1000 octets at once and then one each 40 s.
pub fn remembered_slow() -> Limited {
    let slow = Rate { bits_per_second: 200, burst: Some(BURST * 1000) };
    Limited { session: Limits { uplink: Some(slow), downlink: None }, ..remembered() }
}

pub const BURST: u32 = 10;

/// Sends a hundred packets of 1000 octets from the phone. Gives how many have passed when all have passed or were refused for a rate.
pub fn flood(lab: &Lab, plane: &Dataplane) -> u64 {
    const SENT: u64 = 100;
    let count = || {
        let refused = plane
            .drops()
            .into_iter()
            .filter(|(reason, _)| matches!(reason, DropReason::SessionRate | DropReason::UeRate));
        let passed = plane.readings().iter().map(|reading| reading.total.uplink_packets).sum::<u64>();
        (passed, passed + refused.map(|(_, count)| count).sum::<u64>())
    };
    let (passed, all) = count();
    let station = Station::new(lab);
    for _ in 0..SENT {
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), &[7; 972])));
    }
    eventually("every packet has passed or was refused", || count().1 == all + SENT);
    count().0 - passed
}

pub fn udp_packet(source: (Ipv4Addr, u16), destination: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    for field in [source.1, destination.1, payload.len() as u16 + 8, 0] {
        segment.extend(field.to_be_bytes());
    }
    segment.extend(payload);
    let mut pseudo = [source.0.octets(), destination.0.octets()].concat();
    pseudo.extend([0, 17]);
    pseudo.extend((segment.len() as u16).to_be_bytes());
    pseudo.extend(&segment);
    let sum = checksum(&pseudo);
    segment[6..8].copy_from_slice(&sum.to_be_bytes());
    ipv4_packet(source.0, destination.0, 17, &segment)
}

/// An ICMP echo request.
pub fn ping_packet(source: Ipv4Addr, destination: Ipv4Addr, number: u16) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x12, 0x34];
    message.extend(number.to_be_bytes());
    message.extend([0x5a; 48]);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    ipv4_packet(source, destination, 1, &message)
}

pub fn ipv4_packet(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((payload.len() as u16 + 20).to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

pub fn checksum(octets: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in octets.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A G-PDU with PDU session container or without.
pub fn g_pdu(teid: Teid, packet: &[u8]) -> Vec<u8> {
    let mut message = vec![0x30, 255];
    message.extend((packet.len() as u16).to_be_bytes());
    message.extend(teid.0.to_be_bytes());
    message.extend(packet);
    message
}

/// The base station: a GTP-U socket.
pub struct Station(pub UdpSocket);

impl Station {
    pub fn new(lab: &Lab) -> Self {
        Self(lab.udp("r", STATION, 2152))
    }

    pub fn send(&self, message: &[u8]) {
        self.0.send_to(message, (ACCESS, 2152)).unwrap();
    }

    /// The next message, if one comes in time.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        let length = self.0.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// The next user packet, which must be for our phone's tunnel.
    pub fn packet(&self) -> Option<Vec<u8>> {
        let message = self.receive()?;
        assert_eq!(message[..2], [0x30, 255], "{message:02x?}");
        assert_eq!(message[4..8], STATION_TEID.0.to_be_bytes());
        assert_eq!(usize::from(u16::from_be_bytes([message[2], message[3]])), message.len() - 8);
        Some(message[8..].to_vec())
    }
}

/// Waits for a condition, with a deadline.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(std::time::Instant::now() < end, "did not happen: {what}");
        thread::yield_now();
    }
}

/// Takes a program off its interface, as `bpftool link detach pinned` does.
pub fn detach(pin: &std::path::Path) {
    const GET: libc::c_long = 7;
    const DETACH: libc::c_long = 34;
    let path = std::ffi::CString::new(pin.to_str().unwrap()).unwrap();
    // SAFETY: both commands read sixteen octets, and the first one a path, which all live across the calls.
    unsafe {
        let fd = libc::syscall(libc::SYS_bpf, GET, &[path.as_ptr() as u64, 0], 16);
        assert!(fd >= 0 && libc::syscall(libc::SYS_bpf, DETACH, &[fd as u64, 0], 16) == 0, "{}", pin.display());
        libc::close(fd as i32);
    }
}
