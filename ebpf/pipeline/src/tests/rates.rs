//! Limits: what comes through is the rate, whatever the packets are like.

use super::support::*;
use super::version6::{MINE, SERVER6, eth6, ipv6};
use crate::meter::take;
use crate::{Origin, Verdict, access, towards_phone};
use basalt_ebpf_abi::{DownlinkFlags, DropReason, Meter, Shared64, UplinkFlags};
use std::sync::atomic::{AtomicU64, Ordering};

const SECOND: u64 = 1_000_000_000;

fn burst(rate: u64) -> u32 {
    // A tenth of a second, but never less than three of the largest packets.
    u32::try_from((rate / 80).max(9_000)).unwrap()
}

/// A source of numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn meter(rate: u64) -> Meter {
    let meter = Meter::default();
    meter.limit(Some((rate, burst(rate))), 0);
    meter
}

/// G18. Twice the rate is offered by many flows of unlike sizes; what passes after the first burst is the rate.
#[test]
fn g18_a_rate_is_kept_for_any_mix_of_sizes_and_flows() {
    let sizes: [&[u64]; 8] = [
        &[40],
        &[1400],
        &[2900],
        &[40, 576, 1400],
        &[28, 29, 101, 999, 1500, 2999],
        // Larger than half of what may come at once at the slow rates, and as large.
        &[5000],
        &[9000],
        &[60, 8900],
    ];
    for rate in [64_000, 1_000_000, 20_000_000, 150_000_000, 1_000_000_000] {
        for (mix, sizes) in sizes.iter().enumerate() {
            for flows in [1u64, 7, 100] {
                // Packets that come by chance, and each of which takes half a second, leave the meter without work at times.
                let largest = sizes.iter().max().copied().unwrap();
                let lumpy = 2 * largest > u64::from(burst(rate));
                if lumpy && flows > 1 {
                    continue;
                }
                let (meter, mut random) = (meter(rate), Random(rate ^ (mix as u64 + 1) << 40 ^ flows));
                let (mut now, mut next) = (SECOND, vec![SECOND; flows as usize]);
                // Until enough packets for one percent have passed, and ten seconds of the slow ones.
                let most_packets = 60_000;
                let (mut offered, mut passed, mut first) = (0u64, 0u64, 0u64);
                for _ in 0..most_packets {
                    let flow = (0..next.len()).min_by_key(|flow| next[*flow]).unwrap();
                    now = now.max(next[flow]);
                    let octets = sizes[random.below(sizes.len() as u64) as usize];
                    // Each flow offers its share of the double rate, unevenly.
                    let gap = octets * 8 * SECOND * flows / (2 * rate);
                    next[flow] = now + gap / 2 + random.below(gap + 1);
                    offered += octets;
                    let tick = now / 4_000_000 * 4_000_000;
                    if take(&meter, tick, octets as u32) {
                        passed += octets;
                    }
                    if now < SECOND + SECOND / 5 {
                        first = passed;
                    }
                }
                let time = (now - SECOND) as f64 / 1e9;
                let lent = if lumpy { largest as f64 / 2.0 } else { 0.0 };
                let most = rate as f64 / 8.0 * (time + 0.004) + f64::from(burst(rate)) + lent;
                assert!(passed as f64 <= most, "{rate} {sizes:?} {flows}: {passed} of {most}");
                if time < 0.6 {
                    continue;
                }
                let measured = (passed - first) as f64 * 8.0 / (time - 0.2);
                let error = (measured / rate as f64 - 1.0).abs();
                assert!(offered * 8 > rate);
                assert!(error < 0.05, "{rate} {sizes:?} {flows} flows: {measured:.0}, {error:.3}");
            }
        }
    }
}

#[test]
fn what_stays_below_the_rate_loses_nothing() {
    let meter = meter(1_000_000);
    let mut now = SECOND;
    for _ in 0..10_000 {
        assert!(take(&meter, now, 1_200));
        now += 1_200 * 8 * SECOND / 990_000;
    }
    // A pause gives one burst and no more.
    now += 3600 * SECOND;
    let passed = (0..100).filter(|_| take(&meter, now, 1_250)).count();
    assert_eq!(passed, 12_500 / 1_250);
}

#[test]
fn no_limit_is_no_limit() {
    let meter = Meter::default();
    assert!((0..1_000_000).all(|_| take(&meter, 0, 65_535)));
    assert_eq!(meter.due.get(), 0);
}

#[test]
fn processors_that_share_a_meter_share_the_rate() {
    const EACH: u64 = 200_000;
    let (meter, clock, passed) = (meter(100_000_000), AtomicU64::new(SECOND), Shared64::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..EACH {
                    // Offered is 400 Mbit/s: a thousand octets every 20 µs.
                    let now = clock.fetch_add(20_000, Ordering::Relaxed);
                    if take(&meter, now, 1_000) {
                        passed.add(1_000);
                    }
                }
            });
        }
    });
    let time = (clock.load(Ordering::Relaxed) - SECOND) as f64 / 1e9;
    let rate = passed.get() as f64 * 8.0 / time;
    assert!((rate / 100_000_000.0 - 1.0).abs() < 0.02, "{rate}");
}

/// A packet of so many octets of the phone or for it.
fn of_octets(uplink: bool, version6: bool, octets: u64) -> Vec<u8> {
    let octets = octets as usize;
    match (version6, uplink) {
        (false, true) => ipv4(UE, SERVER, 17, 0, &udp(5000, 53, &vec![0; octets - 28])),
        (false, false) => ipv4(SERVER, UE, 17, 0, &udp(53, 5000, &vec![0; octets - 28])),
        (true, true) => ipv6(MINE, SERVER6, 17, &udp(5000, 53, &vec![0; octets - 48])),
        (true, false) => ipv6(SERVER6, MINE, 17, &udp(53, 5000, &vec![0; octets - 48])),
    }
}

/// Whose limit holds a packet back.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Session,
    /// The session's own would let twice as much pass.
    Ue,
    Nobody,
}

/// Limits all that goes through a world, and gives the counter of what passes.
fn limited(world: &World, whose: Whose, uplink: bool, rate: u64, burst: u32) -> &Shared64 {
    let now = world.now.get();
    let (own, shared) = match whose {
        Whose::Session => (Some((rate, burst)), None),
        Whose::Ue => (Some((2 * rate, 2 * burst)), Some((rate, burst))),
        Whose::Nobody => (None, None),
    };
    for (meter, ue) in
        [(&world.uplink[3].meter, &world.ue_meters[2].uplink), (&world.downlink[7].meter, &world.ue_meters[2].downlink)]
    {
        meter.limit(own, now);
        ue.limit(shared, now);
    }
    world.uplink[3].ue_meter.set(2);
    world.downlink[7].ue_meter.set(2);
    world.uplink[3].flags.set(UplinkFlags::METERED);
    world.downlink[7].flags.set(DownlinkFlags::METERED);
    if uplink { &world.uplink[3].bytes } else { &world.downlink[7].bytes }
}

/// What passes of twice the rate, bit/s after the first burst, through all that a packet goes through; the clock is the test's.
fn through_all(rate: u64, whose: Whose, uplink: bool, version6: bool, sizes: &[u64], flows: u64) -> f64 {
    const TICK: u64 = 4_000_000;
    let world = super::version6::world();
    // Ten milliseconds, or three of the largest packets.
    let burst = (rate / 800).max(9_000);
    let counters = limited(&world, whose, uplink, rate, u32::try_from(burst).unwrap());
    let wrap = |packet: Vec<u8>| match (uplink, version6) {
        (true, _) => g_pdu(&packet),
        (false, false) => eth(&packet),
        (false, true) => eth6(&packet),
    };
    let frames: Vec<Vec<u8>> = sizes.iter().map(|octets| wrap(of_octets(uplink, version6, *octets))).collect();
    let mut storage = vec![0; 256 + 1600];
    let mut random = Random(rate ^ flows << 8 ^ u64::from(uplink) ^ 1 << 40);
    let begin = world.now.get();
    let mean = sizes.iter().sum::<u64>() / sizes.len() as u64 * 8 * SECOND * flows / (2 * rate);
    let mut next: Vec<u64> = (0..flows).map(|_| begin + random.below(mean.max(1))).collect();
    // The clock steps by 4 ms: what is measured begins and ends with a step. It is a hundred milliseconds, or fifty of the largest packets.
    let largest = sizes.iter().max().copied().unwrap();
    // Flows that come by chance take half as long again until the burst is used up.
    let warm = (burst * 8 * SECOND / rate * 3 / 2 + 30_000_000) / TICK * TICK;
    let window = (50 * largest * 8 * SECOND / rate).max(100_000_000) / TICK * TICK;
    let from = begin / TICK * TICK + warm;
    let to = from + window;
    let mut first = None;
    while world.now.get() < to {
        let flow = (0..next.len()).min_by_key(|flow| next[*flow]).unwrap();
        world.now.set(next[flow].max(world.now.get()));
        if world.now.get() >= from {
            first.get_or_insert(counters.get());
        }
        let kind = random.below(sizes.len() as u64) as usize;
        let gap = sizes[kind] * 8 * SECOND * flows / (2 * rate);
        next[flow] = world.now.get() + gap / 2 + random.below(gap + 1);
        let frame = &frames[kind];
        storage[256..256 + frame.len()].copy_from_slice(frame);
        let mut packet = crate::Frame::new(&mut storage, 256, frame.len()).unwrap();
        let verdict =
            if uplink { access(&mut packet, &world) } else { towards_phone(&mut packet, &world, Origin::Kernel) };
        let refused = match whose {
            Whose::Session => matches!(verdict, Verdict::Drop(DropReason::SessionRate)),
            Whose::Ue => matches!(verdict, Verdict::Drop(DropReason::UeRate)),
            Whose::Nobody => false,
        };
        assert!(refused || matches!(verdict, Verdict::Redirect(_)), "{verdict:?}");
    }
    (counters.get() - first.unwrap()) as f64 * 8.0 / ((to - from) as f64 / 1e9)
}

/// Both directions, both IP versions, unlike sizes, flows without number: what passes of the double rate is so many times the rate.
fn all_mixes_pass(rate: u64, whose: Whose, times: f64) {
    for (uplink, version6) in [(true, false), (true, true), (false, false), (false, true)] {
        for (sizes, flows) in [(&[64u64][..], 1), (&[64, 576, 1400], 50), (&[1400], 7), (&[100, 101, 1399], 500)] {
            let measured = through_all(rate, whose, uplink, version6, sizes, flows);
            let error = (measured / rate as f64 / times - 1.0).abs();
            assert!(error < 0.05, "{rate} {whose:?} {uplink} {version6} {sizes:?} {flows} flows: {measured:.0}");
        }
    }
}

/// G18. From 64 kbit/s, of which large packets come seldom, to 1 Gbit/s, which no machine here can send, by a clock of the test's own: all
/// that a packet goes through is run, and what is read is the session's counter.
#[test]
fn g18_a_rate_is_kept_by_the_whole_pipeline() {
    for rate in [64_000, 1_000_000, 10_000_000, 1_000_000_000] {
        all_mixes_pass(rate, Whose::Session, 1.0);
    }
}

#[test]
fn g18_a_ue_s_rate_is_kept_by_the_whole_pipeline() {
    for rate in [64_000, 10_000_000, 1_000_000_000] {
        all_mixes_pass(rate, Whose::Ue, 1.0);
    }
}

#[test]
fn what_has_no_limit_passes_the_whole_pipeline_undiminished() {
    all_mixes_pass(1_000_000_000, Whose::Nobody, 2.0);
}

fn uplink_passes(world: &World) -> Verdict<'_> {
    run(&g_pdu(&ipv4(UE, SERVER, 17, 0, &udp(5000, 53, &[0; 972]))), |f| access(f, world)).0
}

fn downlink_passes(world: &World) -> Verdict<'_> {
    run(&eth(&ipv4(SERVER, UE, 17, 0, &udp(53, 5000, &[0; 972]))), |f| towards_phone(f, world, Origin::Kernel)).0
}

#[test]
fn a_session_s_limit_holds_in_its_direction_only() {
    let world = World::new();
    world.uplink[3].meter.limit(Some((8_000_000, 3_000)), world.now.get());
    world.uplink[3].flags.set(UplinkFlags::METERED);
    let seen: Vec<bool> = (0..5).map(|_| matches!(uplink_passes(&world), Verdict::Redirect(20))).collect();
    assert_eq!(seen, [true, true, true, false, false], "three packets of a thousand octets are the burst");
    assert_eq!(world.dropped(DropReason::SessionRate), 2);
    assert_eq!((world.uplink[3].packets.get(), world.uplink[3].refused.get()), (3, 2));
    assert!(matches!(downlink_passes(&world), Verdict::Redirect(40)));
    world.now.set(world.now.get() + 4_000_000);
    assert!(matches!(uplink_passes(&world), Verdict::Redirect(20)));

    world.downlink[7].meter.limit(Some((8_000_000, 3_000)), world.now.get());
    world.downlink[7].flags.set(DownlinkFlags::METERED);
    let seen: Vec<bool> = (0..4).map(|_| matches!(downlink_passes(&world), Verdict::Redirect(40))).collect();
    assert_eq!(seen, [true, true, true, false]);
    assert_eq!(world.downlink[7].dropped.get(), 1);
    assert_eq!(world.dropped(DropReason::SessionRate), 3);
}

#[test]
fn a_further_bearer_shares_the_limit_of_its_session() {
    let world = World::new();
    world.uplink[3].meter.limit(Some((8_000_000, 3_000)), world.now.get());
    let bearer = &world.uplink[4];
    bearer.peer.set(world.uplink[3].peer.get());
    bearer.peer_mask.set(u32::MAX);
    bearer.ue.set(world.uplink[3].ue.get());
    bearer.home.set(3);
    bearer.bearer.set(6 | 1 << 8);
    bearer.flags.set(UplinkFlags::METERED);
    bearer.teid.set(0xabc0_0004);
    let packet = ipv4(UE, SERVER, 17, 0, &udp(5000, 53, &[0; 972]));
    let frame = from_enb(&gtp(0x30, 255, 0xabc0_0004, &[], &packet));
    let passed = (0..5).filter(|_| matches!(run(&frame, |f| access(f, &world)).0, Verdict::Redirect(_))).count();
    assert_eq!(passed, 3);
    world.uplink[3].flags.set(UplinkFlags::METERED);
    assert!(matches!(uplink_passes(&world), Verdict::Drop(DropReason::SessionRate)));
    // Without the flag (a GBR bearer) the limit is not for it.
    bearer.flags.set(0);
    assert!(matches!(run(&frame, |f| access(f, &world)).0, Verdict::Redirect(_)));
}

#[test]
fn a_packet_that_the_ue_s_limit_refuses_costs_the_session_nothing() {
    let world = World::new();
    let now = world.now.get();
    for (meter, ue) in
        [(&world.uplink[3].meter, &world.ue_meters[2].uplink), (&world.downlink[7].meter, &world.ue_meters[2].downlink)]
    {
        meter.limit(Some((80_000_000, 100_000)), now);
        ue.limit(Some((8_000_000, 2_000)), now);
    }
    world.uplink[3].ue_meter.set(2);
    world.downlink[7].ue_meter.set(2);
    world.uplink[3].flags.set(UplinkFlags::METERED);
    world.downlink[7].flags.set(DownlinkFlags::METERED);
    for _ in 0..2 {
        assert!(matches!(uplink_passes(&world), Verdict::Redirect(20)));
        assert!(matches!(downlink_passes(&world), Verdict::Redirect(40)));
    }
    let due = [world.uplink[3].meter.due.get(), world.downlink[7].meter.due.get()];
    for _ in 0..3 {
        assert!(matches!(uplink_passes(&world), Verdict::Drop(DropReason::UeRate)));
        assert!(matches!(downlink_passes(&world), Verdict::Drop(DropReason::UeRate)));
    }
    assert_eq!([world.uplink[3].meter.due.get(), world.downlink[7].meter.due.get()], due);
}
