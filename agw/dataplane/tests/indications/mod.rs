//! GTP-U between the gateway and base stations themselves: Error Indications and echoes (TS 29.281 §7.2, §7.3).

use super::*;
use agw_dataplane::{Echo, Report, Suspicion};

#[test]
fn unknown_tunnels_are_indicated_and_indications_believed_from_the_peer_only() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let mut gateway = lab.open(lab.config(plane, Egress::Nat));
        let station = Station::new(&lab);
        let stranger = lab.within("r", || {
            let add = std::process::Command::new("ip").args(["addr", "add", "10.10.1.9/24", "dev", "eth0"]).status();
            assert!(add.unwrap().success());
            std::net::UdpSocket::bind(("10.10.1.9", 2152)).unwrap()
        });
        station.send(&g_pdu(basalt_ids::Teid(0x7777_0001), &ping_packet(UE, SERVER, 1)));
        let Some(indication) = station.receive() else { panic!("no Error Indication; {}", counters(&gateway)) };
        assert_eq!(indication[..2], [0x32, 26]);
        assert_eq!(indication[12..], [16, 0x77, 0x77, 0, 1, 133, 0, 4, 10, 10, 1, 2]);

        gateway.connect();
        let mut unknown = vec![0x32, 26, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 16];
        unknown.extend(STATION_TEID.0.to_be_bytes());
        unknown.extend([133, 0, 4]);
        unknown.extend(STATION.octets());
        stranger.send_to(&unknown, (ACCESS, 2152)).unwrap();
        eventually("the forgery is counted", || drops(&gateway, DropReason::ForgedControl) == 1);
        assert!(gateway.no_event());
        station.send(&unknown);
        let Some(Traffic::ErrorIndication { teid, peer }) = gateway.event() else { panic!("not believed") };
        assert_eq!((teid, peer.teid), (TEID, STATION_TEID));
        // The stranger cannot use the tunnel either.
        stranger.send_to(&g_pdu(TEID, &ping_packet(UE, SERVER, 1)), (ACCESS, 2152)).unwrap();
        eventually("the wrong peer is counted", || drops(&gateway, DropReason::WrongPeer) == 1);
        // Once may be a mistake.
        let mut reports = gateway.plane().reports().unwrap();
        assert!(reports.try_recv().is_err());
        for _ in 0..12 {
            stranger.send_to(&g_pdu(TEID, &ping_packet(UE, SERVER, 1)), (ACCESS, 2152)).unwrap();
        }
        eventually("the stranger is suspected", || {
            let (peer, what) = (std::net::Ipv4Addr::new(10, 10, 1, 9), Suspicion::ForeignTunnels);
            reports.try_recv() == Ok(Report::Suspicious { peer, what, count: 10 })
        });
    }
}

#[test]
fn who_goes_on_sending_into_an_idle_tunnel_is_told() {
    if !possible() {
        return;
    }
    for (plane, _) in PLANES {
        let lab = Lab::new();
        let gateway = lab.open(lab.config(plane, Egress::Nat));
        let station = Station::new(&lab);
        gateway.connect();
        gateway.idle();
        station.0.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
        let began = std::time::Instant::now();
        let mut indication = None;
        eventually("an Error Indication comes", || {
            station.send(&g_pdu(TEID, &ping_packet(UE, SERVER, 1)));
            indication = station.receive().filter(|message| message[1] == 26);
            indication.is_some()
        });
        assert!(began.elapsed() >= std::time::Duration::from_secs(2), "too early: {:?}", began.elapsed());
        let [a, b, c, d] = TEID.0.to_be_bytes();
        assert_eq!(indication.unwrap()[12..], [16, a, b, c, d, 133, 0, 4, 10, 10, 1, 2]);
        assert!(drops(&gateway, DropReason::IdleTunnel) > 1);
    }
}

#[test]
fn echo_requests_are_answered_and_floods_are_not() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let gateway = lab.open(lab.config(Plane::XdpNative, Egress::Nat));
    let station = lab.udp("r", STATION, 40_000);
    station.send_to(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0xab, 0xcd, 0, 0], (ACCESS, 2152)).unwrap();
    let mut buffer = [0; 100];
    let length = station.recv(&mut buffer).unwrap();
    assert_eq!(buffer[..length], [0x32, 2, 0, 6, 0, 0, 0, 0, 0xab, 0xcd, 0, 0, 14, 0]);
    for _ in 0..1000 {
        station.send_to(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0], (ACCESS, 2152)).unwrap();
    }
    eventually("the flood is limited", || drops(&gateway, DropReason::PeerRate) > 500);
}

#[test]
fn a_base_station_that_falls_silent_is_reported_and_so_is_its_return() {
    if !possible() {
        return;
    }
    let lab = Lab::new();
    let mut config = lab.config(Plane::XdpNative, Egress::Nat);
    let time = std::time::Duration::from_millis(20);
    config.echo = Some(Echo { interval: time, response: time, requests: 2 });
    let gateway = lab.open(config);
    let station = Station::new(&lab);
    let mut reports = gateway.plane().reports().unwrap();
    gateway.connect();
    let peer = STATION;
    let asked = || -> Vec<u8> { station.receive().expect("no Echo Request") };
    assert_eq!(asked()[..8], [0x32, 1, 0, 4, 0, 0, 0, 0]);
    eventually("the path is down", || reports.try_recv() == Ok(Report::Path { peer, up: false }));
    assert_eq!(gateway.plane().paths(), (1, 1));
    let answer = || {
        let request = asked();
        let mut answer = vec![0x32, 2, 0, 6, 0, 0, 0, 0, request[8], request[9], 0, 0, 14, 0];
        station.send(&answer);
        // Of no request.
        answer[8] ^= 0x80;
        station.send(&answer);
    };
    eventually("the path is up again", || {
        answer();
        reports.try_recv() == Ok(Report::Path { peer, up: true })
    });
    // An answer of a busy machine's may be too late, again and again.
    eventually("it counts as up", || {
        answer();
        gateway.plane().paths() == (1, 0)
    });
}
