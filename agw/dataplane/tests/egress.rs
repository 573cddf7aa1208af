//! Ways to the internet between real sockets, in network namespaces: translation, changes of routes and neighbours, interfaces that go.
//!
//! Skipped, with the reason printed, where there is no root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod lab;

use agw_dataplane::blocklog::{Keep, who_had};
use agw_dataplane::{Config, Egress, Plane, PortBlock, Report, Translation};
use agw_types::{DataplaneChange, Tunnel};
use basalt_ebpf_abi::{DropReason, Prefix, PuntReason};
use basalt_ids::Teid;
use lab::*;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const OTHER_TEID: Teid = Teid(0x5a5a_0004);

fn drops(gateway: &Gateway, reason: DropReason) -> u64 {
    gateway.plane().drops().into_iter().find(|(r, _)| *r == reason).unwrap().1
}

fn punts(gateway: &Gateway, reason: PuntReason) -> u64 {
    gateway.plane().punts().into_iter().find(|(r, _)| *r == reason).unwrap().1
}

fn translated(lab: &Lab, translation: Translation) -> Config {
    let mut config = lab.config(Plane::XdpNative, Egress::Translated);
    config.translation = translation;
    config
}

fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3])
}

fn half(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// Sends up until it arrives: neighbours may have to be found first. Gives where it came from.
fn up(station: &Station, server: &UdpSocket, port: u16, to: Ipv4Addr) -> SocketAddr {
    server.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let to = (to, server.local_addr().unwrap().port());
    let mut buffer = [0; 100];
    for number in 0..50u32 {
        station.send(&g_pdu(TEID, &udp_packet((UE, port), to, &number.to_be_bytes())));
        while let Ok((_, from)) = server.recv_from(&mut buffer) {
            if buffer[..4] == number.to_be_bytes() {
                return from;
            }
        }
    }
    panic!("nothing arrives at {to:?}");
}

fn port_of(from: SocketAddr) -> u16 {
    assert_eq!(from.ip(), INTERNET);
    from.port()
}

#[test]
fn translated_flows_pass_both_ways_and_outlive_the_gateway() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let directory = std::env::temp_dir().join(format!("basalt-egress-{}", std::process::id()));
    let keep = Keep { directory: directory.clone(), age: Duration::from_secs(3600), octets: 1 << 20 };
    let config = translated(&lab, Translation { log: Some(keep), ..Translation::default() });
    let gateway = lab.open(config.clone());
    let station = Station::new(&lab);
    gateway.connect();
    let (near, far) = (lab.udp("i", SERVER, 7000), lab.udp("i", FAR, 7000));
    let port = port_of(up(&station, &near, 5001, SERVER));
    assert!((10_240..32_768).contains(&port), "{port}");
    assert_eq!(port_of(up(&station, &far, 5001, FAR)), port, "one mapping for all destinations");
    assert_ne!(port_of(up(&station, &far, 5003, FAR)), port);
    for socket in [&near, &far] {
        socket.send_to(b"answer", (INTERNET, port)).unwrap();
        let packet = station.packet().expect("an answer");
        assert_eq!((address(&packet, 16), half(&packet, 22), &packet[28..]), (UE, 5001, &b"answer"[..]));
    }
    // A ping, and what a router says about a packet.
    station.send(&g_pdu(TEID, &ping_packet(UE, FAR, 7)));
    let reply = station.packet().expect("an echo reply");
    assert_eq!((reply[9], reply[20], address(&reply, 16), half(&reply, 24)), (1, 0, UE, 0x1234));
    assert_eq!(checksum(&reply[20..]), 0);
    station.send(&g_pdu(TEID, &udp_packet((UE, 5001), (FAR, 9), b"nobody listens")));
    let error = station.packet().expect("an ICMP error");
    assert_eq!((error[9], error[20], error[21], address(&error, 16)), (1, 3, 3, UE));
    let about = &error[28..];
    assert_eq!((address(about, 12), half(about, 20), half(about, 22)), (UE, 5001, 9));
    assert_eq!((checksum(&error[20..]), checksum(&about[..20])), (0, 0));
    // The daemon goes and comes: what was mapped is mapped.
    eventually("the base station's neighbour is known", || gateway.plane().unresolved() == 0);
    drop(gateway);
    near.send_to(b"alone", (INTERNET, port)).unwrap();
    assert_eq!(station.packet().expect("while nobody is there")[28..], *b"alone");
    let gateway = lab.open(config);
    assert!(gateway.plane().adopted());
    gateway.connect();
    assert_eq!(port_of(up(&station, &far, 5001, FAR)), port);
    // Who had it?
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let holder = || who_had(&directory, INTERNET, port, now + 1).unwrap();
    eventually("it is in the log", || holder().is_some());
    let holder = holder().unwrap();
    assert_eq!((holder.imsi.to_string(), holder.inside, holder.until), ("001010000000001".to_owned(), UE, None));
    assert!(holder.ports.0 <= port && port <= holder.ports.1);
    let mut reports = gateway.plane().reports().unwrap();
    gateway.plane().apply(&DataplaneChange::Remove { teid: TEID, address: UE.into() }).unwrap();
    let ended = || who_had(&directory, INTERNET, port, now - 1).unwrap().is_none_or(|holder| holder.until.is_some());
    eventually("its end is in the log", ended);
    let block = PortBlock { imsi: holder.imsi, inside: UE, outside: INTERNET, ports: holder.ports, given: false };
    assert_eq!(reports.try_recv(), Ok(Report::PortBlock(block)), "blocks that were taken over were given before");
    gateway.connect();
    assert_eq!(reports.try_recv(), Ok(Report::PortBlock(PortBlock { given: true, ..block })), "the same one again");
    near.send_to(b"late", (INTERNET, port)).unwrap();
    drop(gateway);
    std::fs::remove_dir_all(directory).unwrap();
}

/// Part of a datagram, from the server to the external address; `offset` in octets.
fn fragment(identification: u16, offset: usize, more: bool, octets: &[u8]) -> Vec<u8> {
    let mut packet = ipv4_packet(SERVER, INTERNET, 17, octets);
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    packet[6..8].copy_from_slice(&((offset / 8) as u16 | u16::from(more) << 13).to_be_bytes());
    packet
}

#[test]
fn fragments_that_come_before_their_first_one_wait_for_it() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(translated(&lab, Translation::default()));
    let station = Station::new(&lab);
    gateway.connect();
    let server = lab.udp("i", SERVER, 7000);
    let port = port_of(up(&station, &server, 5001, SERVER));
    server.send_to(b"answer", (INTERNET, port)).unwrap();
    assert!(station.packet().is_some());
    eventually("the base station's neighbour is known", || gateway.plane().unresolved() == 0);
    let raw = lab.within("i", || {
        let raw = Some(socket2::Protocol::from(libc::IPPROTO_RAW));
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, raw).unwrap()
    });
    let send = |packet: Vec<u8>| raw.send_to(&packet, &SocketAddr::from((INTERNET, 0)).into()).unwrap();
    let datagram = udp_packet((SERVER, 7000), (INTERNET, port), &[9; 95])[20..].to_vec();
    // The last one has seven octets.
    send(fragment(77, 96, false, &datagram[96..]));
    send(fragment(77, 48, true, &datagram[48..96]));
    eventually("both wait", || punts(&gateway, PuntReason::EarlyFragment) == 2);
    send(fragment(77, 0, true, &datagram[..48]));
    let came: Vec<Vec<u8>> = (0..3).map_while(|_| station.packet()).collect();
    let offsets: Vec<u16> = came.iter().map(|packet| half(packet, 6) & 0x1fff).collect();
    assert_eq!(offsets, [0, 12, 6], "the first one, and then the others as they came");
    for packet in &came {
        assert_eq!((address(packet, 16), half(packet, 4), checksum(&packet[..20])), (UE, 77, 0));
    }
    assert_eq!(half(&came[0], 22), 5001);
    assert_eq!((&came[1][20..], &came[2][20..]), (&datagram[96..], &datagram[48..96]));
    // One whose first one does not come is nobody's.
    send(fragment(78, 48, false, &datagram[48..]));
    eventually("it is dropped", || drops(&gateway, DropReason::NatFragment) == 1);
}

#[test]
fn who_needs_more_ports_gets_them_up_to_the_limit_and_is_told_then() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let translation = Translation { block: 16, blocks: 2, ..Translation::default() };
    let gateway = lab.open(translated(&lab, translation));
    let station = Station::new(&lab);
    gateway.connect();
    let far = lab.udp("i", FAR, 7000);
    let ports: std::collections::BTreeSet<u16> =
        (0..32).map(|flow| port_of(up(&station, &far, 5000 + flow, FAR))).collect();
    assert_eq!(ports.len(), 32);
    assert!(ports.last().unwrap() - ports.first().unwrap() < 48, "two blocks: {ports:?}");
    station.send(&g_pdu(TEID, &udp_packet((UE, 6000), (FAR, 7000), b"one too many")));
    let told = station.packet().expect("a word about it");
    assert_eq!((told[9], told[20], told[21], half(&told[28..], 20)), (1, 3, 13, 6000));
    assert_eq!(drops(&gateway, DropReason::NatPorts), 1);
}

#[test]
fn phones_meet_by_their_external_addresses_only_where_they_may() {
    if !possible() {
        return;
    }
    for allowed in [false, true] {
        let lab = Lab::new();
        let mut config = translated(&lab, Translation::default());
        config.phone_to_phone = allowed;
        let gateway = lab.open(config);
        let station = Station::new(&lab);
        gateway.connect();
        let mut other: Tunnel = tunnel(connected());
        (other.teid, other.address) = (OTHER_TEID, OTHER_UE.into());
        other.imsi = "001010000000002".parse().unwrap();
        gateway.plane().apply(&DataplaneChange::Set(other)).unwrap();
        let far = lab.udp("i", FAR, 7000);
        let mine = port_of(up(&station, &far, 5001, FAR));
        far.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        station.send(&g_pdu(OTHER_TEID, &udp_packet((OTHER_UE, 6001), (FAR, 7000), b"out")));
        let mut buffer = [0; 100];
        let (_, from) = far.recv_from(&mut buffer).unwrap();
        let theirs = port_of(from);
        assert_ne!(mine / 512, theirs / 512, "different blocks");
        station.send(&g_pdu(OTHER_TEID, &udp_packet((OTHER_UE, 6001), (INTERNET, mine), b"hello")));
        if allowed {
            let packet = station.packet().expect("from the other phone");
            assert_eq!((address(&packet, 12), half(&packet, 20)), (INTERNET, theirs), "by its external address");
            assert_eq!((address(&packet, 16), half(&packet, 22), &packet[28..]), (UE, 5001, &b"hello"[..]));
        } else {
            eventually("it is refused", || drops(&gateway, DropReason::PhoneToPhone) == 1);
        }
    }
}

#[test]
fn routes_neighbours_and_interfaces_are_followed_while_traffic_flows() {
    if !possible() {
        return;
    }
    for egress in [Egress::Routed, Egress::Translated] {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(Plane::XdpNative, egress));
        let station = Station::new(&lab);
        gateway.connect();
        let far = lab.udp("i", FAR, 7000);
        let flows = |what: &str| {
            let from = up(&station, &far, 5001, FAR);
            // And back: what comes while the way is found anew may be lost.
            station.0.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            eventually(what, || {
                far.send_to(what.as_bytes(), from).unwrap();
                station.packet().is_some_and(|packet| packet[28..] == *what.as_bytes())
            });
        };
        flows("as it was");
        lab.command("i", "ip link set dev eth0 address 02:00:00:00:77:01");
        lab.command("g", "ip neigh flush dev sgi");
        flows("the router has another MAC address");
        lab.command("i", "ip addr add 192.0.2.99/24 dev eth0");
        lab.command("g", "ip route replace default via 192.0.2.99");
        flows("another router");
        lab.command("g", "ip link set dev sgi down");
        lab.command("g", "ip link set dev sgi up");
        lab.command("g", "ip route replace default via 192.0.2.99");
        flows("the interface was down");
        lab.command("g", "ip link set dev sgi name other");
        lab.command("g", "ip link set dev other name sgi");
        lab.command("g", "ip link set dev sgi up");
        lab.command("g", "ip route replace default via 192.0.2.99");
        flows("the interface had another name");
        lab.replace_internet();
        flows("a new interface of the old name");
    }
}

/// A packet socket of everything on the far end of the internet interface.
/// What happens to the interface of the radio: it flaps, has another name for a while, and is another one of the old name.
#[test]
fn the_radio_s_interface_may_flap_be_renamed_and_come_back_as_another() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Routed));
    let station = Station::new(&lab);
    gateway.connect();
    let far = lab.udp("i", FAR, 7000);
    station.0.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    far.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let flows = |what: &str| {
        let question = g_pdu(TEID, &udp_packet((UE, 5001), (FAR, 7000), what.as_bytes()));
        let mut buffer = [0; 100];
        // What comes while the way is found anew may be lost, up and down.
        eventually(what, || {
            // The station's own interface may be away, too.
            let _ = station.0.send_to(&question, (ACCESS, 2152));
            let Ok((length, from)) = far.recv_from(&mut buffer) else { return false };
            far.send_to(&buffer[..length], from).unwrap();
            station.packet().is_some_and(|packet| packet[28..] == *what.as_bytes())
        });
    };
    flows("as it was");
    for _ in 0..5 {
        lab.command("g", "ip link set dev s1u down");
        lab.command("g", "ip link set dev s1u up");
    }
    flows("it has flapped");
    lab.command("g", "ip link set dev s1u name other");
    lab.command("g", "ip link set dev other name s1u");
    lab.command("g", "ip link set dev s1u up");
    flows("it had another name");
    lab.replace_radio();
    flows("another one of the old name");
    assert_eq!(gateway.plane().installed().len(), 1);
}

fn tap(lab: &Lab) -> socket2::Socket {
    let socket = lab.within("i", || {
        let all = socket2::Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
        let socket = socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, Some(all)).unwrap();
        // SAFETY: all octets zero is a valid address.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: a string that ends with zero.
        address.sll_ifindex = unsafe { libc::if_nametoindex(c"eth0".as_ptr()) } as i32;
        let length = size_of::<libc::sockaddr_ll>() as u32;
        use std::os::fd::AsRawFd as _;
        // SAFETY: the address lives across the call.
        assert_eq!(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }, 0);
        socket
    });
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    socket
}

/// The kernel here need not know VLANs: the router is this test, which sends tagged frames; those that it gets have lost their tags.
#[test]
fn an_access_point_has_its_own_vlan_and_router() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut config = lab.config(Plane::XdpNative, Egress::Nat);
    let (address, router) = (Ipv4Addr::new(10, 99, 0, 2), Ipv4Addr::new(10, 99, 0, 1));
    let pool = Prefix::new(Ipv4Addr::new(10, 45, 0, 0), 24);
    let vlan = Some(agw_dataplane::Vlan { id: 100, address, router });
    config.pool_egress = vec![agw_dataplane::PoolEgress { pool, egress: Egress::Routed, vlan }];
    config.tunnel_mtu = Some(1300);
    let gateway = lab.open(config);
    let station = Station::new(&lab);
    gateway.connect();
    let wire = tap(&lab);
    let frame = |kind: u16| {
        let mut buffer = vec![std::mem::MaybeUninit::uninit(); 2048];
        loop {
            let length = wire.recv(&mut buffer).ok()?;
            // SAFETY: the kernel has written so many octets.
            let octets: Vec<u8> = buffer[..length].iter().map(|octet| unsafe { octet.assume_init() }).collect();
            let at = if half(&octets, 12) == 0x8100 { 16 } else { 12 };
            if half(&octets, at) == kind {
                return Some([&octets[..12], &octets[at..]].concat());
            }
        }
    };
    // Nothing of this access point leaves otherwise.
    station.send(&g_pdu(TEID, &udp_packet((UE, 5001), (FAR, 7000), b"too early")));
    eventually("it is dropped", || drops(&gateway, DropReason::NoRouter) > 0);
    let mut asked = Vec::new();
    eventually("the router is asked for", || {
        asked = frame(0x0806).unwrap_or_default();
        !asked.is_empty() && address_at(&asked, 38) == router
    });
    assert_eq!(address_at(&asked, 28), address);
    let mac = [2, 0, 0, 0, 9, 9];
    let mut reply = [&asked[6..12], &mac, &[0x81, 0, 0, 100, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac].concat();
    reply.extend(router.octets());
    reply.extend(&asked[22..32]);
    wire.send(&reply).unwrap();
    let packet = udp_packet((UE, 5001), (FAR, 7000), b"through the VLAN");
    let mut left = Vec::new();
    eventually("the router gets it", || {
        station.send(&g_pdu(TEID, &packet));
        left = frame(0x0800).unwrap_or_default();
        left.starts_with(&mac)
    });
    assert_eq!((address_at(&left, 26), &left[14 + 28..14 + packet.len()]), (UE, &b"through the VLAN"[..]));
    // Back by the VLAN, and by no other way.
    let answer = udp_packet((FAR, 7000), (UE, 5001), b"and back");
    for tag in [&[][..], &[0x81, 0, 0, 101], &[0x81, 0, 0, 100]] {
        wire.send(&[&left[6..12], &mac[..], tag, &[8, 0], &answer].concat()).unwrap();
    }
    assert_eq!(station.packet().expect("by its VLAN")[28..], *b"and back");
    eventually("others are refused", || drops(&gateway, DropReason::WrongVlan) >= 2);
    // What user space sends goes the same way: a packet that came before its phone was back,
    gateway.idle();
    station.send(&g_pdu(TEID, &udp_packet((UE, 5001), (FAR, 7000), b"before its time")));
    eventually("it waits", || punts(&gateway, PuntReason::IdleUplink) > 0);
    gateway.connect();
    eventually("the router gets it, too", || {
        let left = frame(0x0800).unwrap_or_default();
        left.starts_with(&mac) && left.ends_with(b"before its time") && left[22] == 63
    });
    // and a word to whoever sends what is too large for the tunnel.
    let mut whole = udp_packet((FAR, 7000), (UE, 5001), &[7; 1400]);
    whole[6] = 0x40;
    whole[10..12].copy_from_slice(&[0; 2]);
    let sum = checksum(&whole[..20]);
    whole[10..12].copy_from_slice(&sum.to_be_bytes());
    wire.send(&[&left[6..12], &mac[..], &[0x81, 0, 0, 100, 8, 0], &whole].concat()).unwrap();
    let mut told = Vec::new();
    eventually("its sender is told", || {
        told = frame(0x0800).unwrap_or_default();
        told.starts_with(&mac) && told[23] == 1
    });
    assert_eq!((told[34], told[35], half(&told, 40), address_at(&told, 30)), (3, 4, 1300, FAR));
    assert_eq!((address_at(&told, 42 + 16), checksum(&told[34..])), (UE, 0));
}

/// A segment that opens a connection of the phone and proposes segments of 1460 octets.
fn opening() -> Vec<u8> {
    let mut segment =
        vec![0x13, 0x89, 0x1b, 0x58, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4];
    let sum = checksum(&[&pseudo(UE, FAR, segment.len()), segment.as_slice()].concat());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ipv4_packet(UE, FAR, 6, &segment)
}

fn pseudo(source: Ipv4Addr, destination: Ipv4Addr, length: usize) -> Vec<u8> {
    [&source.octets()[..], &destination.octets(), &[0, 6], &(length as u16).to_be_bytes()].concat()
}

#[test]
fn packets_and_segments_follow_the_mtu_of_their_route() {
    if !possible() {
        return;
    }
    let ways =
        [(Plane::XdpNative, Egress::Routed), (Plane::XdpNative, Egress::Translated), (Plane::Software, Egress::Nat)];
    for (plane, egress) in ways {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, egress));
        let (station, server) = (Station::new(&lab), lab.udp("i", FAR, 7000));
        gateway.connect();
        up(&station, &server, 5001, FAR);
        // It becomes narrower while the gateway runs.
        lab.command("g", "ip route replace default via 192.0.2.2 mtu 1200");
        let wire = tap(&lab);
        let proposed = || {
            station.send(&g_pdu(TEID, &opening()));
            let mut buffer = vec![std::mem::MaybeUninit::uninit(); 2048];
            loop {
                let length = wire.recv(&mut buffer).ok()?;
                // SAFETY: the kernel has written so many octets.
                let frame: Vec<u8> = buffer[..length].iter().map(|octet| unsafe { octet.assume_init() }).collect();
                if frame[12..15] == [8, 0, 0x45] && frame[23] == 6 && address(&frame, 30) == FAR && frame[47] == 2 {
                    let (source, segment) = (address(&frame, 26), &frame[34..]);
                    assert_eq!(checksum(&[&pseudo(source, FAR, segment.len()), segment].concat()), 0);
                    return Some(half(segment, 22));
                }
            }
        };
        eventually("segments are smaller", || proposed() == Some(1160));
        // What must not be fragmented is not, and the phone learns the size, about its own packet.
        let mut whole = udp_packet((UE, 5002), (FAR, 7000), &[7; 1300]);
        whole[6] = 0x40;
        whole[10..12].copy_from_slice(&[0; 2]);
        let sum = checksum(&whole[..20]);
        whole[10..12].copy_from_slice(&sum.to_be_bytes());
        station.send(&g_pdu(TEID, &whole));
        let error = std::iter::from_fn(|| station.packet()).find(|packet| packet[9] == 1).expect("an ICMP error");
        assert_eq!((address(&error, 16), error[20], error[21], half(&error, 26)), (UE, 3, 4, 1200), "{egress:?}");
        assert_eq!((address(&error, 40), half(&error, 48), checksum(&error[20..])), (UE, 5002, 0));
        // What may be, arrives.
        station.send(&g_pdu(TEID, &udp_packet((UE, 5003), (FAR, 7000), &[8; 1300])));
        server.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut buffer = [0; 2000];
        let mut lengths = std::iter::from_fn(|| server.recv(&mut buffer).ok());
        assert_eq!(lengths.find(|length| *length > 100), Some(1300), "{egress:?}");
    }
}

fn address_at(frame: &[u8], at: usize) -> Ipv4Addr {
    address(frame, at)
}

#[test]
fn contradictions_are_refused() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let refused = |translation| Gateway::refused(lab.namespace_path("g"), translated(&lab, translation));
    let usual = Translation::default;
    assert!(refused(Translation { block: 100, ..usual() }).contains("16, 32, 64"));
    assert!(refused(Translation { blocks: 5, ..usual() }).contains("1 to 4 blocks"));
    assert!(refused(Translation { ports: Some(80..=90), ..usual() }).contains("1024 to 65535"));
    let range = Prefix::new(Ipv4Addr::new(198, 51, 100, 0), 23);
    assert!(refused(Translation { addresses: vec![range], ..usual() }).contains("256 external addresses"));
}
