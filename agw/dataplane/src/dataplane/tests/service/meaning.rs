//! Compiled rules against their own words: random rules and packets, judged by both.

use super::*;

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
