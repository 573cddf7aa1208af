//! Rules, bearers and quotas: packets through the pipeline over the tables that `serve` has written.

mod groups;

use super::*;
use crate::ledger::Reading;
use crate::reports::Report;
use crate::rules::{Allowance, Dedicated, Rule, Service, Way};
use crate::service::{Parts, Volume};
use crate::sessions::Sessions;
use basalt_ebpf_abi::{Downlink, DownlinkState, Mac, Prefix, RuleState, SettingFlags, Uplink};
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
fn quotas_act_at_the_packet_and_are_told_once() {
    let plane = plane();
    let mut reports = plane.reports().unwrap();
    assert!(plane.reports().is_none());
    let quota = |octets, threshold| Some(Allowance { octets, threshold });
    let rule = Rule { quota: quota(150, 0), remote_ports: Some((443, 443)), ..Rule::any(9, 1) };
    let service = Service { rules: vec![rule], quota: quota(450, 250), ..Service::default() };
    plane.serve(DEFAULT, UE, &service).unwrap();
    let plain = Seen { remote_port: 80, ..WEB };
    let told = |reports: &mut mpsc::Receiver<Report>| {
        plane.shared.notices();
        std::iter::from_fn(|| reports.try_recv().ok()).collect::<Vec<_>>()
    };
    let report = |rule, exhausted| Report::Quota { teid: DEFAULT, rule, exhausted };
    assert!(up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok());
    assert_eq!(told(&mut reports), []);
    // The packet that uses up the last octet passes, and is told.
    assert!(down(&plane, &WEB.packet(false, 60)).is_ok());
    assert_eq!(told(&mut reports), [report(Some(9), true), report(None, false)]);
    assert_eq!(down(&plane, &WEB.packet(false, 60)), Err(DropReason::QuotaExhausted));
    for _ in 0..3 {
        assert!(down(&plane, &plain.packet(false, 60)).is_ok());
    }
    assert_eq!(told(&mut reports), [report(None, true)]);
    assert_eq!(up(&plane, DEFAULT, &plain.packet(true, 60)), Err(DropReason::QuotaExhausted));
    assert_eq!(told(&mut reports), []);
    // More is granted to the session; the rule keeps what it has used.
    plane.serve(DEFAULT, UE, &Service { keep_quota: true, ..service.clone() }).unwrap();
    assert_eq!(up(&plane, DEFAULT, &plain.packet(true, 60)), Err(DropReason::QuotaExhausted));
    plane.serve(DEFAULT, UE, &service).unwrap();
    assert!(up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok());
    assert_eq!(plane.parts(DEFAULT, UE).unwrap().rules.get(&9).unwrap().uplink_packets, 2);
}

#[test]
fn a_grant_charges_what_passed_since_the_counters_were_read() {
    let plane = plane();
    let send = |plane: &Dataplane| up(plane, DEFAULT, &WEB.packet(true, 60));
    let grant = |counted, octets| {
        let quota = Some(Allowance { octets, threshold: 0 });
        plane.allow(DEFAULT, UE.into(), counted, quota).unwrap();
        plane.allowance(DEFAULT, UE.into()).unwrap()
    };
    send(&plane).unwrap();
    send(&plane).unwrap();
    // The counters were read after the first packet.
    assert_eq!(grant(100, 1000), 900);
    send(&plane).unwrap();
    assert_eq!(grant(100, 1000), 800, "the same grant again changes nothing");
    assert_eq!(grant(300, 800), 800, "nor does what is left of it by later counters");
    send(&plane).unwrap();
    assert_eq!(grant(300, 5000), 4900, "a refill does not give back what passed meanwhile");
    assert_eq!(grant(400, 0), 0);
    assert_eq!(send(&plane), Err(DropReason::QuotaExhausted));
    // Taken away and given anew: all that was counted without it is nobody's.
    plane.allow(DEFAULT, UE.into(), 0, None).unwrap();
    send(&plane).unwrap();
    assert_eq!(grant(500, 150), 150);
    send(&plane).unwrap();
    send(&plane).unwrap();
    assert_eq!(send(&plane), Err(DropReason::QuotaExhausted));
    // The last packet was larger than what was left: the next grant pays for it.
    assert_eq!(grant(700, 70), 70);
}

#[test]
fn a_grant_is_exact_under_traffic() {
    let plane = plane();
    let most = 300_000;
    let quota = |octets| Some(Allowance { octets, threshold: 0 });
    plane.allow(DEFAULT, UE.into(), 0, quota(most)).unwrap();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| while up(&plane, DEFAULT, &WEB.packet(true, 60)).is_ok() {});
        while !sender.is_finished() {
            // Read, then set, while packets pass between.
            let counted = plane.usage(DEFAULT, UE).map(|usage| usage.uplink_bytes + usage.downlink_bytes).unwrap();
            plane.allow(DEFAULT, UE.into(), counted, quota(most.saturating_sub(counted))).unwrap();
        }
    });
    let usage = plane.usage(DEFAULT, UE).unwrap();
    assert_eq!((usage.uplink_bytes, usage.uplink_refused), (most, 1));
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

/// A source of numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn ports(&mut self) -> Option<(u16, u16)> {
        let first = self.pick(&[0, 80, 443, 4000, 5000, 65_000]);
        self.pick(&[None, None, Some((first, first)), Some((first, first + 500)), Some((0, 65_535))])
    }

    fn rule(&mut self, id: u32) -> Rule {
        let address = self.pick(&[SERVER, [203, 0, 113, 77], [198, 51, 100, 1], [8, 8, 8, 8], [255, 255, 255, 255]]);
        Rule {
            way: self.pick(&[Way::Both, Way::Both, Way::Uplink, Way::Downlink]),
            remote: Prefix::new(address.into(), self.pick(&[0, 0, 8, 24, 25, 31, 32])),
            remote_ports: self.ports(),
            local_ports: self.ports(),
            protocol: self.pick(&[None, Some(6), Some(17), Some(1)]),
            tos: self.pick(&[None, None, None, Some((0xb8, 0xfc)), Some((1, 3))]),
            ..Rule::any(id, self.below(20) as u32)
        }
    }

    fn packet(&mut self) -> Seen {
        Seen {
            remote: self.pick(&[SERVER, [203, 0, 113, 77], [203, 0, 113, 200], [198, 51, 100, 2], [8, 8, 8, 8]]),
            remote_port: self.pick(&[0, 79, 80, 81, 443, 580, 581, 4000, 4500, 65_535]),
            local_port: self.pick(&[80, 443, 5000, 5500, 5501, 65_001]),
            protocol: self.pick(&[1, 6, 17, 17, 132, 50]),
            tos: self.pick(&[0, 1, 0xb8, 0xb9, 0xff]),
            fragment: self.pick(&[0, 0, 0, 0, 100]),
        }
    }
}

/// The rules as they are meant, one after the other.
fn meant(rules: &[Rule], seen: Seen, uplink: bool) -> Option<u32> {
    let ports = matches!(seen.protocol, 6 | 17 | 132) && seen.fragment == 0;
    let within = |range: Option<(u16, u16)>, port: u16| range.is_none_or(|(a, b)| ports && a <= port && port <= b);
    let fits = |rule: &&Rule| {
        rule.way != if uplink { Way::Downlink } else { Way::Uplink }
            && rule.remote.contains(seen.remote.into())
            && within(rule.remote_ports, seen.remote_port)
            && within(rule.local_ports, seen.local_port)
            && rule.protocol.is_none_or(|protocol| protocol == seen.protocol)
            && rule.tos.is_none_or(|(value, mask)| value & mask == seen.tos & mask)
    };
    rules.iter().filter(fits).min_by_key(|rule| (rule.precedence, rule.id)).map(|rule| rule.id)
}

#[test]
fn the_compiled_rules_mean_what_the_rules_say() {
    let plane = plane();
    let mut random = Random(0x5eed);
    let mut matched = 0;
    for round in 0..120u32 {
        let count = random.pick(&[1, 2, 3, 8, 20, 64]);
        let rules: Vec<Rule> = (0..count).map(|id| random.rule(1 + id)).collect();
        // Counters of rules start anew where there were none before.
        plane.serve(DEFAULT, UE, &Service::default()).unwrap();
        plane.serve(DEFAULT, UE, &Service { rules: rules.clone(), ..Service::default() }).unwrap();
        for number in 0..100 {
            let (seen, uplink) = (random.packet(), number % 2 == 0);
            let before = plane.parts(DEFAULT, UE).unwrap().rules;
            let packet = seen.packet(uplink, 0);
            let sent = if uplink { up(&plane, DEFAULT, &packet) } else { down(&plane, &packet) };
            sent.unwrap();
            let after = plane.parts(DEFAULT, UE).unwrap().rules;
            let counted: Vec<u32> = after.iter().filter(|(id, v)| before[*id] != **v).map(|(id, _)| *id).collect();
            let wanted = meant(&rules, seen, uplink);
            assert_eq!(counted, Vec::from_iter(wanted), "round {round}: {seen:?} uplink {uplink}, {rules:?}");
            matched += usize::from(wanted.is_some());
        }
    }
    assert!(matched > 3_000, "{matched}");
}

#[test]
fn ipv6_far_ends_mean_what_the_rules_say() {
    let (plane, _traffic) = memory();
    let mine: u128 = 0x2001_0db8_0006_0005_0000_0000_0000_0002;
    let address = UeAddress::Ipv4v6(UE, Prefix64::of(mine.into()));
    set(&plane, Tunnel { address, ..tunnel(DEFAULT.0, UE, connected(7)) }).unwrap();
    for hop in 0..2 {
        plane.shared.tables.next_hops.get(hop).unwrap().resolve(20, 3000, Mac([1; 6]), Mac([2; 6]));
    }
    let far: u128 = 0x2001_0db8_beef_0001_8000_0000_0000_0009;
    let mut random = Random(0x6666);
    let mut matched = 0;
    for round in 0..60 {
        let count = random.pick(&[1, 2, 8, 64]);
        let mut rule = |id| {
            let bits = random.pick(&[0, 1, 31, 48, 64, 65, 66, 127, 128]);
            let near = random.pick(&[far, far ^ 1, far ^ 1 << 63, far ^ 1 << 64, far ^ 1 << 79, u128::MAX]);
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let remote6 =
                random.pick(&[None, Some(()), Some(()), Some(())]).map(|()| ((near & !host).into(), bits as u8));
            let remote = Prefix::new(SERVER.into(), random.pick(&[0, 32]));
            Rule { remote6, remote, ..Rule::any(id, random.below(20) as u32) }
        };
        let rules: Vec<Rule> = (1..=count).map(&mut rule).collect();
        plane.serve(DEFAULT, address, &Service::default()).unwrap();
        plane.serve(DEFAULT, address, &Service { rules: rules.clone(), ..Service::default() }).unwrap();
        for number in 0..40 {
            let other = far ^ random.pick(&[0, 1, 2, 1 << 62, 1 << 63, 1 << 64, 1 << 79, 1 << 127]);
            let uplink = number % 2 == 0;
            let ends = if uplink { [mine, other] } else { [other, mine] };
            let mut packet = vec![0x60, 0, 0, 0, 0, 8, 17, 64];
            packet.extend(ends.iter().flat_map(|end| end.to_be_bytes()));
            packet.extend([0x13, 0x88, 0, 53, 0, 8, 0, 0]);
            let before = plane.parts(DEFAULT, address).unwrap().rules;
            if uplink {
                up(&plane, DEFAULT, &packet).unwrap();
            } else {
                let mut bytes = frame(&packet);
                bytes[12..14].copy_from_slice(&[0x86, 0xdd]);
                let kernel = basalt_pipeline::Origin::Kernel;
                run(&bytes, |frame| dropped(towards_phone(frame, &plane.shared.tables, kernel))).unwrap();
            }
            let after = plane.parts(DEFAULT, address).unwrap().rules;
            let counted: Vec<u32> = after.iter().filter(|(id, v)| before[*id] != **v).map(|(id, _)| *id).collect();
            let fits = |rule: &&Rule| match rule.remote6 {
                None => rule.remote.length() == 0,
                Some((network, bits)) => {
                    (network.to_bits() ^ other) & !u128::MAX.checked_shr(bits.into()).unwrap_or(0) == 0
                }
            };
            let wanted = rules.iter().filter(fits).min_by_key(|rule| (rule.precedence, rule.id)).map(|rule| rule.id);
            assert_eq!(counted, Vec::from_iter(wanted), "round {round}: {other:x} uplink {uplink}, {rules:?}");
            matched += usize::from(wanted.is_some());
        }
        // No IPv4 packet fits a rule with an IPv6 far end.
        let before = plane.parts(DEFAULT, address).unwrap().rules;
        up(&plane, DEFAULT, &WEB.packet(true, 0)).unwrap();
        let after = plane.parts(DEFAULT, address).unwrap().rules;
        let six = |id: &u32| rules.iter().any(|rule| rule.id == *id && rule.remote6.is_some());
        assert!(after.iter().all(|(id, volume)| !six(id) || before[id] == *volume), "round {round}");
    }
    assert!(matched > 600, "{matched}");
}

#[test]
fn rules_that_come_and_go_keep_their_counts() {
    let plane = plane();
    let rules = |ids: std::ops::Range<u32>| -> Vec<Rule> {
        ids.map(|id| Rule { remote_ports: Some((id as u16, id as u16)), ..Rule::any(id, id) }).collect()
    };
    let serve = |ids| plane.serve(DEFAULT, UE, &Service { rules: rules(ids), ..Service::default() }).unwrap();
    let send = |id: u32| down(&plane, &Seen { remote_port: id as u16, ..WEB }.packet(false, 0)).unwrap();
    serve(1..4);
    let tables = &plane.shared.tables;
    let fetched = || {
        let state = plane.shared.state();
        let (uplink, slot, _) = state.sessions.records(tables, DEFAULT, UE.into()).unwrap();
        uplink.states.get() == slot * RuleState::RUN
    };
    assert!(fetched(), "programs fetch it by the slot");
    assert!(SettingFlags(tables.settings.get(0).unwrap().flags.get()).has(SettingFlags::RULES));
    (1..4).for_each(|id| drop(send(id)));
    // More than the first run holds: all move.
    serve(1..41);
    assert!(!fetched(), "not in the places of others");
    (1..41).for_each(|id| drop(send(id)));
    let parts = plane.parts(DEFAULT, UE).unwrap();
    assert_eq!(parts.rules.values().map(|volume| volume.downlink_packets).sum::<u64>(), 43);
    assert_eq!(parts.rules[&2].downlink_packets, 2);
    let gone = serve(2..30);
    assert_eq!(gone.rules.len(), 12);
    assert_eq!(gone.rules[&1].downlink_packets, 2);
    assert_eq!(plane.shared.state().sessions.rooms.used(), (1, 64, 0));
    plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap();
    assert_eq!(plane.shared.state().sessions.rooms.used(), (0, 0, 0));
}

#[test]
fn what_a_rule_counted_last_is_read_after_it_has_gone() {
    let plane = plane();
    let call = Seen { remote_port: 4500, ..WEB };
    let with = || Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], ..Service::default() };
    plane.serve(DEFAULT, UE, &with()).unwrap();
    down(&plane, &call.packet(false, 60)).unwrap();
    let without = Service { rules: vec![Rule::any(2, 20)], ..Service::default() };
    plane.serve(DEFAULT, UE, &without).unwrap();
    let read = || plane.readings().remove(0).parts;
    let counted = |parts: &Parts| (parts.rules[&1].downlink_packets, parts.bearers[&voice(None).ebi].downlink_packets);
    assert_eq!(counted(&read()), (1, 1), "gone, and not forgotten");
    // It comes back, and goes on: whoever has read it before takes the difference.
    plane.serve(DEFAULT, UE, &with()).unwrap();
    assert_eq!(counted(&read()), (1, 1));
    down(&plane, &call.packet(false, 60)).unwrap();
    assert_eq!(counted(&read()), (2, 2));
    // Another session has nothing of it.
    plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap();
    set(&plane, tunnel(DEFAULT.0, UE, connected(7))).unwrap();
    assert_eq!(read(), Parts::default());
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

#[test]
fn a_session_that_ends_keeps_its_counters_until_they_are_settled() {
    let (plane, _traffic) = memory();
    plane.shared.state().sessions.accounting = true;
    let prepare = |plane: &Dataplane| {
        set(plane, tunnel(DEFAULT.0, UE, connected(7))).unwrap();
        let service = Service { rules: vec![voice_rule()], bearers: vec![voice(Some(77))], ..Service::default() };
        plane.serve(DEFAULT, UE, &service).unwrap();
    };
    prepare(&plane);
    for hop in [0, 1] {
        plane.shared.tables.next_hops.get(hop).unwrap().resolve(20, 3000, Mac([1; 6]), Mac([2; 6]));
    }
    let call = Seen { remote_port: 4500, ..WEB };
    down(&plane, &call.packet(false, 60)).unwrap();
    up(&plane, VOICE, &call.packet(true, 60)).unwrap();
    down(&plane, &WEB.packet(false, 60)).unwrap();
    let live = plane.readings();
    assert_eq!((live.len(), live[0].closed, live[0].total.downlink_bytes), (1, false, 200));
    let usage = plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap().unwrap();
    assert_eq!((usage.uplink_bytes, usage.downlink_bytes), (100, 200));
    assert_eq!(plane.apply(&DataplaneChange::Remove { teid: DEFAULT, address: UE.into() }).unwrap(), None);
    // A successor that finds these tables reads the same.
    let tables = &plane.shared.tables;
    let mut successor = Sessions::new(plane.shared.state().sessions.layout, 32, false);
    successor.sweep(tables);
    successor.adopt(tables);
    let found = successor.readings(tables);
    assert_eq!(found, [Reading { closed: true, ..live[0].clone() }]);
    assert_eq!(found[0].parts.rules[&1].downlink_packets, 1);
    assert!(plane.installed().is_empty());
    assert!(down(&plane, &WEB.packet(false, 60)).is_err());
    plane.settle(&found[0]);
    assert_eq!(plane.readings(), []);
    assert_eq!(plane.shared.state().sessions.rooms.used(), (0, 0, 0));
    // The same TEID again is another epoch; an old reading settles nothing of it.
    prepare(&plane);
    plane.settle(&found[0]);
    let again = plane.readings();
    assert_eq!((again.len(), again[0].total), (1, Volume::default()));
    assert_ne!(again[0].epoch, live[0].epoch);
}
