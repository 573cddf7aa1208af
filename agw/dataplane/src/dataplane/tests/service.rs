//! Rules, bearers and quotas: packets through the pipeline over the tables that `serve` has written.

mod bearers;
mod counters;
mod fragments;
mod groups;
mod meaning;
mod quotas;

use super::*;
use crate::rules::{Allowance, Dedicated, Rule, Service, Way};
use crate::service::{Parts, Volume};
use basalt_ebpf_abi::{Downlink, DownlinkState, Mac, Prefix, RuleState, Uplink};
use basalt_pipeline::{Frame, Verdict, access, towards_phone};

const DEFAULT: Teid = Teid(0x10_0003);
const VOICE: Teid = Teid(0x10_0004);
const SERVER: [u8; 4] = [203, 0, 113, 9];

/// A connected phone whose packets really go somewhere.
fn plane() -> Dataplane {
    let (plane, _traffic) = memory();
    set(&plane, tunnel(DEFAULT.0, UE, connected(7))).unwrap();
    let tables = &plane.shared.tables;
    for hop in [0, 1] {
        tables.next_hops.get(hop).unwrap().resolve(20 + hop as u32, 3000, Mac([1; 6]), Mac([2; 6]));
    }
    plane
}

/// An inner packet by what rules look at.
#[derive(Debug, Clone, Copy)]
struct Seen {
    remote: [u8; 4],
    remote_port: u16,
    local_port: u16,
    protocol: u8,
    tos: u8,
    /// Fragment offset in units of eight.
    fragment: u16,
}

const WEB: Seen = Seen { remote: SERVER, remote_port: 443, local_port: 5000, protocol: 17, tos: 0, fragment: 0 };

impl Seen {
    fn packet(self, uplink: bool, payload: usize) -> Vec<u8> {
        let length = (40 + payload) as u16;
        let mut packet = vec![0x45, self.tos];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([64, self.protocol, 0, 0]);
        let (source, destination) = if uplink { (UE.octets(), self.remote) } else { (self.remote, UE.octets()) };
        packet.extend([source, destination].concat());
        let ports = if uplink { [self.local_port, self.remote_port] } else { [self.remote_port, self.local_port] };
        packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
        packet.resize(usize::from(length), 0);
        packet
    }
}

fn frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([8, 0]);
    frame.extend(packet);
    frame
}

/// What became of a packet: how it was dropped, or the frame that left.
type Sent = Result<Vec<u8>, DropReason>;

fn run(bytes: &[u8], mut act: impl FnMut(&mut Frame<'_>) -> Option<DropReason>) -> Sent {
    let mut storage = vec![0; 256];
    storage.extend(bytes);
    let mut frame = Frame::new(&mut storage, 256, bytes.len()).unwrap();
    match act(&mut frame) {
        Some(reason) => Err(reason),
        None => Ok(frame.bytes().to_vec()),
    }
}

fn dropped(verdict: Verdict<'_>) -> Option<DropReason> {
    match verdict {
        Verdict::Drop(reason) => Some(reason),
        Verdict::Redirect(_) => None,
        other => panic!("{other:?}"),
    }
}

fn up(plane: &Dataplane, teid: Teid, packet: &[u8]) -> Sent {
    let mut message = vec![0x45, 0];
    message.extend((36 + packet.len() as u16).to_be_bytes());
    message.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    message.extend([STATION.octets(), [172, 16, 0, 2]].concat());
    for word in [2152, 2152, 16 + packet.len() as u16, 0, 0x30ff, packet.len() as u16] {
        message.extend(word.to_be_bytes());
    }
    message.extend(teid.0.to_be_bytes());
    message.extend(packet);
    run(&frame(&message), |frame| dropped(access(frame, &plane.shared.tables)))
}

fn down(plane: &Dataplane, packet: &[u8]) -> Sent {
    run(&frame(packet), |frame| dropped(towards_phone(frame, &plane.shared.tables, basalt_pipeline::Origin::Kernel)))
}

fn voice(peer: Option<u32>) -> Dedicated {
    Dedicated {
        ebi: Ebi::new(6).unwrap(),
        teid: VOICE,
        peer: peer.map(|teid| Peer { address: STATION.into(), teid: Teid(teid) }),
        tos: 46 << 2,
        guaranteed: true,
    }
}

fn voice_rule() -> Rule {
    let remote_ports = Some((4000, 4999));
    Rule { protocol: Some(17), remote_ports, bearer: Ebi::new(6).ok(), ..Rule::any(1, 10) }
}

#[test]
fn gates_limits_and_strictness_are_kept() {
    let plane = plane();
    let closed = Rule { uplink_open: false, remote_ports: Some((80, 80)), ..Rule::any(1, 1) };
    let limits = Limits { uplink: None, downlink: Some(Rate { bits_per_second: 8_000, burst: Some(3_000) }) };
    let slow = Rule { remote_ports: Some((443, 443)), limits, ..Rule::any(2, 2) };
    plane.serve(DEFAULT, UE, &Service { rules: vec![slow, closed], strict: true, ..Service::default() }).unwrap();
    let plain = Seen { remote_port: 80, ..WEB };
    assert_eq!(up(&plane, DEFAULT, &plain.packet(true, 0)), Err(DropReason::GateClosed));
    assert!(down(&plane, &plain.packet(false, 0)).is_ok());
    let results: Vec<bool> = (0..11).map(|_| down(&plane, &WEB.packet(false, 960)).is_ok()).collect();
    assert_eq!(results, [true, true, true, true, true, true, true, true, true, false, false]);
    assert_eq!(down(&plane, &WEB.packet(false, 960)), Err(DropReason::RuleRate));
    let other = Seen { remote_port: 22, ..WEB };
    assert_eq!(down(&plane, &other.packet(false, 0)), Err(DropReason::NoRule));
    assert_eq!(up(&plane, DEFAULT, &other.packet(true, 0)), Err(DropReason::NoRule));
}

#[test]
fn what_has_no_room_is_refused_with_its_name() {
    let plane = plane();
    let refused = |service: Service| plane.serve(DEFAULT, UE, &service).unwrap_err().to_string();
    let many = (0..65).map(|id| Rule::any(id, 0)).collect();
    assert!(refused(Service { rules: many, ..Service::default() }).contains("64 rules"));
    let limits = Limits { uplink: Some(Rate::new(1)), downlink: None };
    let twice = vec![Rule::any(1, 0), Rule { limits, ..Rule::any(1, 1) }];
    assert!(refused(Service { rules: twice, ..Service::default() }).contains("different limits"));
    let orphan = Rule { bearer: Ebi::new(6).ok(), ..Rule::any(1, 0) };
    assert!(refused(Service { rules: vec![orphan], ..Service::default() }).contains("has not"));
    let taken = Dedicated { teid: DEFAULT, ..voice(None) };
    assert!(refused(Service { bearers: vec![taken], ..Service::default() }).contains("TEID"));
    // A full table: the session is as it was.
    let service = Service { rules: vec![Rule::any(1, 0)], ..Service::default() };
    plane.serve(DEFAULT, UE, &service).unwrap();
    let others = (0u8..16).map(|n| (0x20_0000 + u32::from(n), Ipv4Addr::new(10, 45, 0, 100 + n)));
    let mut full = None;
    for (teid, ue) in others.filter(|(teid, _)| teid & 15 != 3) {
        set(&plane, tunnel(teid, ue, connected(teid))).unwrap();
        let rules = (0..64).map(|id| Rule { tos: Some((teid as u8, 0xff)), ..Rule::any(id, 0) }).collect();
        if let Err(error) = plane.serve(Teid(teid), ue, &Service { rules, ..Service::default() }) {
            full = Some(error.to_string());
            assert_eq!(plane.parts(Teid(teid), ue).unwrap().rules.len(), 0);
            break;
        }
    }
    assert!(full.unwrap().contains("policies"));
    assert!(plane.occupancy().iter().any(|(name, used, room)| *name == "policies" && used == room));
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules.len(), 1);
}
