//! Which bearer or flow a packet goes by, and which it may come by.

use super::*;

#[test]
fn a_rule_chooses_the_bearer_of_its_packets() {
    let plane = plane();
    let call = Seen { remote_port: 4500, ..WEB };
    let service =
        Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], tos: 0x28, ..Service::default() };
    plane.serve(DEFAULT, UE, &service).unwrap();
    let sent = down(&plane, &call.packet(false, 60)).unwrap();
    assert_eq!((sent[15], &sent[46..50]), (0xb8, &[0, 0, 0, 77][..]), "expedited forwarding, the dedicated tunnel");
    let sent = down(&plane, &WEB.packet(false, 60)).unwrap();
    assert_eq!((sent[15], &sent[46..50]), (0x28, &[0, 0, 0, 7][..]), "the default bearer's mark and tunnel");
    // From the phone, each flow by its own bearer only.
    assert!(up(&plane, VOICE, &call.packet(true, 60)).is_ok());
    assert!(up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok());
    assert_eq!(up(&plane, DEFAULT, &call.packet(true, 60)), Err(DropReason::WrongBearer));
    assert_eq!(up(&plane, VOICE, &WEB.packet(true, 60)), Err(DropReason::WrongBearer));
    let once = Volume { uplink_packets: 1, uplink_bytes: 100, downlink_packets: 1, downlink_bytes: 100 };
    let parts = plane.parts(DEFAULT, UE).unwrap();
    assert_eq!(parts.bearers.get(&Ebi::new(6).unwrap()), Some(&once));
    assert_eq!(parts.rules.get(&1), Some(&once));
    let usage = plane.usage(DEFAULT, UE).unwrap();
    assert_eq!((usage.uplink_bytes, usage.downlink_bytes, usage.uplink_refused), (200, 200, 2));
    // While the phone's radio has no such bearer, its packets take the default one; nothing counted is lost.
    plane.serve(DEFAULT, UE, &Service { bearers: vec![voice(None)], ..service.clone() }).unwrap();
    assert_eq!(&down(&plane, &call.packet(false, 60)).unwrap()[46..50], &[0, 0, 0, 7]);
    // A bearer that goes leaves what it has carried with the session.
    let gone = plane.serve(DEFAULT, UE, &Service::default()).unwrap();
    assert_eq!((gone.bearers.len(), gone.rules.len()), (1, 1));
    assert_eq!(plane.usage(DEFAULT, UE).unwrap().downlink_bytes, 300);
    assert_eq!(plane.shared.tables.uplink.get(4).unwrap().teid.get(), 0);
    assert!(up(&plane, DEFAULT, &call.packet(true, 60)).is_ok(), "no rules, no bearers: all by the default one");
}

#[test]
fn a_session_that_is_repaired_waits_for_its_bearers() {
    let plane = plane();
    let (address, rules) = (UE, vec![voice_rule()]);
    let service = Service { rules, bearers: vec![voice(Some(77))], ..Service::default() };
    let wanted = tunnel(DEFAULT.0, address, connected(7));
    plane.serve(DEFAULT, address, &service).unwrap();
    let call = Seen { remote_port: 4500, ..WEB }.packet(false, 60);
    let leaves = |plane: &Dataplane| {
        let (tables, mut became) = (&plane.shared.tables, None);
        let _ = run(&frame(&call), |frame| {
            became = match towards_phone(frame, tables, basalt_pipeline::Origin::Kernel) {
                Verdict::Redirect(_) => frame.bytes().get(46..50).map(<[u8]>::to_vec),
                _ => None,
            };
            None
        });
        became
    };
    let uplink = plane.shared.tables.uplink.get(3).unwrap();
    let slot = plane.shared.tables.settings.get(0).unwrap().slot(address.into()).unwrap();
    let downlink = plane.shared.tables.downlink.get(slot as usize).unwrap();
    // Gone from one table, from the other, or altered: by another tunnel than its own, no packet leaves at any moment.
    let spoilt: [fn(&Uplink, &Downlink); 3] = [
        |up: &Uplink, _: &Downlink| up.teid.set(0),
        |_: &Uplink, down: &Downlink| down.state.set(DownlinkState::NONE),
        |_: &Uplink, down: &Downlink| down.teid.set(9),
    ];
    for spoil in spoilt {
        assert_eq!(leaves(&plane), Some(vec![0, 0, 0, 77]));
        spoil(uplink, downlink);
        let found = plane.reconcile(std::slice::from_ref(&wanted), |_| {
            assert_eq!(leaves(&plane), None, "before its bearers are there");
            plane.serve(DEFAULT, address, &service).unwrap();
            assert_eq!(leaves(&plane), None, "before its tunnel is there");
            Ok(())
        });
        assert_eq!(found.missing.len() + found.wrong.len(), 1);
    }
    assert_eq!(leaves(&plane), Some(vec![0, 0, 0, 77]));
}

#[test]
fn what_is_carried_into_new_tables_waits_if_it_has_rules() {
    let (before, (after, _traffic)) = (plane(), memory());
    let other = tunnel(0x10_0006, Ipv4Addr::new(10, 45, 0, 8), connected(8));
    set(&before, other.clone()).unwrap();
    before.serve(DEFAULT, UE, &Service { rules: vec![Rule::any(1, 10)], ..Service::default() }).unwrap();
    after.shared.carry_over(&before.shared.state().sessions, &before.shared.tables);
    let states: Vec<_> = after.installed().into_iter().map(|session| (session.teid, session.state)).collect();
    assert_eq!(states, [(DEFAULT, TunnelState::Idle), (other.teid, other.state)]);
}

#[test]
fn while_a_bearer_settles_its_flows_come_either_way() {
    let plane = plane();
    let call = Seen { remote_port: 4500, ..WEB };
    let settling = vec![Ebi::new(6).unwrap()];
    let service = Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], settling, ..Service::default() };
    let both = |plane: &Dataplane| {
        for teid in [DEFAULT, VOICE] {
            assert!(up(plane, teid, &call.packet(true, 60)).is_ok(), "{teid:?}");
            assert!(up(plane, teid, &WEB.packet(true, 60)).is_ok(), "{teid:?}, of no rule");
        }
    };
    plane.serve(DEFAULT, UE, &service).unwrap();
    both(&plane);
    // What the phone has not been told of yet, or what is taken away, belongs on the default bearer.
    let unbound = Rule { bearer: None, ..voice_rule() };
    plane.serve(DEFAULT, UE, &Service { rules: vec![unbound], ..service.clone() }).unwrap();
    both(&plane);
    assert_eq!(&down(&plane, &call.packet(false, 60)).unwrap()[46..50], &[0, 0, 0, 7]);
    // Of two bearers, only the one that settles.
    let video = Dedicated { ebi: Ebi::new(7).unwrap(), teid: Teid(0x10_0005), ..voice(Some(78)) };
    let bearers = vec![voice(Some(77)), video];
    plane.serve(DEFAULT, UE, &Service { bearers: bearers.clone(), ..service.clone() }).unwrap();
    assert_eq!(up(&plane, video.teid, &call.packet(true, 60)), Err(DropReason::WrongBearer));
    assert_eq!(up(&plane, video.teid, &WEB.packet(true, 60)), Err(DropReason::WrongBearer));
    plane.serve(DEFAULT, UE, &Service { bearers, settling: Vec::new(), ..service }).unwrap();
    assert_eq!(up(&plane, DEFAULT, &call.packet(true, 60)), Err(DropReason::WrongBearer));
    assert_eq!(up(&plane, VOICE, &WEB.packet(true, 60)), Err(DropReason::WrongBearer));
}

#[test]
fn an_idle_phone_has_no_dedicated_tunnel() {
    let plane = plane();
    let service = Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], ..Service::default() };
    plane.serve(DEFAULT, UE, &service).unwrap();
    set(&plane, tunnel(DEFAULT.0, UE, TunnelState::Idle)).unwrap();
    set(&plane, tunnel(DEFAULT.0, UE, connected(8))).unwrap();
    let call = Seen { remote_port: 4500, ..WEB };
    assert_eq!(&down(&plane, &call.packet(false, 60)).unwrap()[46..50], &[0, 0, 0, 8]);
    plane.serve(DEFAULT, UE, &Service { bearers: vec![voice(Some(78))], ..service }).unwrap();
    assert_eq!(&down(&plane, &call.packet(false, 60)).unwrap()[46..50], &[0, 0, 0, 78]);
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules.get(&1).unwrap().downlink_packets, 2);
}

/// As [`up`], with a PDU Session Container of this QoS flow.
fn up_by(plane: &Dataplane, qfi: u8, packet: &[u8]) -> Sent {
    let mut message = vec![0x45, 0];
    message.extend((44 + packet.len() as u16).to_be_bytes());
    message.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    message.extend([STATION.octets(), [172, 16, 0, 2]].concat());
    for word in [2152, 2152, 24 + packet.len() as u16, 0, 0x34ff, 8 + packet.len() as u16] {
        message.extend(word.to_be_bytes());
    }
    message.extend(DEFAULT.0.to_be_bytes());
    // No sequence number, then a UL PDU Session Information (TS 38.415 §5.5.2.2).
    message.extend([0, 0, 0, 0x85, 1, 0x10, 0xc0 | qfi, 0]);
    message.extend(packet);
    run(&frame(&message), |frame| dropped(access(frame, &plane.shared.tables)))
}

#[test]
fn a_session_with_a_qos_flow_takes_packets_of_that_flow_only() {
    let plane = plane();
    plane.serve(DEFAULT, UE, &Service { qfi: 9, ..Service::default() }).unwrap();
    let packet = WEB.packet(true, 60);
    assert!(up_by(&plane, 9, &packet).is_ok());
    assert_eq!(up_by(&plane, 8, &packet), Err(DropReason::WrongQfi));
    assert_eq!(up(&plane, DEFAULT, &packet), Err(DropReason::WrongQfi), "without a container");
    // Setting the tunnel anew leaves it, serving without one takes it away.
    set(&plane, tunnel(DEFAULT.0, UE, connected(8))).unwrap();
    assert_eq!(up_by(&plane, 8, &packet), Err(DropReason::WrongQfi));
    assert_eq!(&down(&plane, &WEB.packet(false, 60)).unwrap()[50..58], &[0, 0, 0, 0x85, 1, 0, 9, 0]);
    plane.serve(DEFAULT, UE, &Service::default()).unwrap();
    assert!(up_by(&plane, 8, &packet).is_ok() && up(&plane, DEFAULT, &packet).is_ok());
}

/// A datagram of IPv6 from or to the phone, with these headers before UDP, the first of which has this number.
fn datagram6(uplink: bool, first: u8, headers: &[u8], remote_port: u16) -> Vec<u8> {
    let (mine, far) = (FIRST_HALF | 2, 0x2001_0db8_beef_0001_0000_0000_0000_0009_u128);
    let ends = if uplink { [mine, far] } else { [far, mine] };
    let ports = if uplink { [5000, remote_port] } else { [remote_port, 5000] };
    let mut packet = vec![0x60, 0, 0, 0, 0, headers.len() as u8 + 16, first, 64];
    packet.extend(ends.iter().flat_map(|end| end.to_be_bytes()));
    packet.extend(headers);
    packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    packet.extend([0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    packet
}

/// Of the phone's IPv6 addresses.
const FIRST_HALF: u128 = 0x2001_0db8_0006_0005 << 64;

#[test]
fn rules_look_behind_the_extension_headers_of_ipv6() {
    let (plane, _traffic) = memory();
    let address = UeAddress::Ipv4v6(UE, Prefix64::of(FIRST_HALF.into()));
    set(&plane, Tunnel { address, ..tunnel(DEFAULT.0, UE, connected(7)) }).unwrap();
    for hop in 0..2 {
        plane.shared.tables.next_hops.get(hop).unwrap().resolve(20, 3000, Mac([1; 6]), Mac([2; 6]));
    }
    let closed = Rule {
        protocol: Some(17),
        remote_ports: Some((53, 53)),
        uplink_open: false,
        downlink_open: false,
        ..Rule::any(2, 2)
    };
    let service = Service { rules: vec![voice_rule(), closed], bearers: vec![voice(Some(8))], ..Service::default() };
    plane.serve(DEFAULT, address, &service).unwrap();
    let down6 = |packet: &[u8]| {
        let mut bytes = frame(packet);
        bytes[12..14].copy_from_slice(&[0x86, 0xdd]);
        let kernel = basalt_pipeline::Origin::Kernel;
        run(&bytes, |frame| dropped(towards_phone(frame, &plane.shared.tables, kernel)))
    };
    let options = [17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let first_fragment = [17, 0, 0, 1, 0, 0, 0, 7];
    let both = [&[44, 0, 1, 4, 0, 0, 0, 0][..], &first_fragment].concat();
    for (first, headers) in [(17, &[][..]), (60, &options), (44, &first_fragment), (60, &both)] {
        assert_eq!(up(&plane, DEFAULT, &datagram6(true, first, headers, 53)), Err(DropReason::GateClosed), "{first}");
        assert_eq!(down6(&datagram6(false, first, headers, 53)), Err(DropReason::GateClosed), "{first}");
        // By the bearer's tunnel; and from there, whatever the phone makes of such headers.
        assert_eq!(down6(&datagram6(false, first, headers, 4000)).unwrap()[46..50], 8u32.to_be_bytes(), "{first}");
        up(&plane, VOICE, &datagram6(true, first, headers, 4000)).unwrap();
        let other = up(&plane, DEFAULT, &datagram6(true, first, headers, 4000));
        assert_eq!(other.err(), Some(DropReason::WrongBearer).filter(|_| first == 17), "{first}");
    }
    // Between phones' and servers' ends others may have put them.
    let detour = [60, 0, 0, 0, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(down6(&datagram6(false, 43, &detour, 53)), Err(DropReason::GateClosed));
    // A later fragment has no ports, but the rule of its first one; and of a packet that ends within its headers nothing is known.
    let later = |identification| [17, 0, 0, 0xf1, 0, 0, 0, identification];
    assert_eq!(down6(&datagram6(false, 44, &later(7), 0)).unwrap()[46..50], 8u32.to_be_bytes());
    assert_eq!(down6(&datagram6(false, 44, &later(6), 0)).unwrap()[46..50], 7u32.to_be_bytes());
    assert!(down6(&datagram6(false, 60, &[17, 255, 1, 4, 0, 0, 0, 0], 53)).is_ok());
}
