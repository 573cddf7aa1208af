//! Packets that do not fit: fragments on the radio side, and what is too large for a tunnel.

use super::*;

#[test]
fn outer_fragments_are_reassembled_on_the_slow_path() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    lab.command("r", "ip link set eth0 mtu 600");
    let station = Station::new(&lab);
    let server = lab.udp("i", SERVER, 7000);
    gateway.connect();
    let payload: Vec<u8> = (0..1300u32).map(|i| i as u8).collect();
    station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), &payload)));
    let mut buffer = [0; 2000];
    let length = server.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..length], payload);
    assert!(punts(&gateway, PuntReason::OuterFragment) >= 3);
}

#[test]
fn a_packet_too_large_for_the_tunnel_is_answered_or_fragmented() {
    if !possible() {
        return;
    }
    for egress in [Egress::Nat, Egress::Routed] {
        let lab = Lab::new();
        let mut config = lab.config(Plane::XdpNative, egress);
        config.tunnel_mtu = Some(1000);
        let gateway = lab.open(config);
        let station = Station::new(&lab);
        let server = lab.udp("i", SERVER, 7000);
        gateway.connect();
        // Opens the way back through NAT.
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7000), b"open")));
        let mut buffer = [0; 100];
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        set_may_fragment(&server);
        server.send_to(&[7; 1400], from).unwrap();
        let (first, second) = (station.packet().unwrap(), station.packet().unwrap());
        assert!(first.len() <= 1000 && second.len() <= 1000);
        assert_eq!(first.len() + second.len(), 1400 + 8 + 2 * 20);
        // With the usual path MTU discovery, the server learns the limit instead.
        let server = lab.udp("i", SERVER, 7000 + 1);
        station.send(&g_pdu(TEID, &udp_packet((UE, 5000), (SERVER, 7001), b"open")));
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        server.connect(from).unwrap();
        server.send(&[7; 1400]).unwrap();
        eventually("the server is told", || server.send(&[7; 1400]).is_err());
    }
}

#[test]
fn what_waited_for_a_phone_fits_into_its_tunnel_too() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut config = lab.config(Plane::XdpNative, Egress::Routed);
    config.tunnel_mtu = Some(1000);
    let mut gateway = lab.open(config);
    let station = Station::new(&lab);
    let (may, must_not) = (lab.udp("i", SERVER, 7000), lab.udp("i", SERVER, 7001));
    gateway.idle();
    set_may_fragment(&may);
    may.send_to(&[7; 1400], (UE, 5000)).unwrap();
    must_not.connect((UE, 5000)).unwrap();
    must_not.send(&[8; 1400]).unwrap();
    may.send_to(b"last", (UE, 5000)).unwrap();
    assert_eq!(gateway.event(), Some(Traffic::DownlinkWaiting { address: UE.into() }));
    eventually("all of them wait", || gateway.plane().buffered() == 3);
    gateway.connect();
    let sizes: Vec<usize> = (0..3).map(|_| station.packet().unwrap().len()).collect();
    assert!(sizes.iter().all(|size| *size <= 1000), "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), (1400 + 8 + 2 * 20) + (4 + 28), "{sizes:?}");
    eventually("who must not is told", || must_not.send(&[8; 1400]).is_err());
}

fn set_may_fragment(socket: &std::net::UdpSocket) {
    use std::os::fd::AsRawFd;
    let value = libc::IP_PMTUDISC_DONT;
    // SAFETY: the value lives across the call and has the length given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        )
    };
    assert_eq!(result, 0);
}
