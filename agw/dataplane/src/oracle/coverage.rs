//! What the generated packets reach: programs that agree about packets which all end alike agree about little.

use super::furniture::native_tables;
use super::packets::Generator;
use super::{PACKETS, REDIRECT, afterwards, run_native, tick};
use crate::tables::Tables;
use basalt_ebpf_abi::{DropReason, PuntReason, programs};
use std::collections::BTreeSet;

/// Reasons that no packet alone can have: they are user space's, or a full ring's or driver's.
const ELSEWHERE: [DropReason; 10] = [
    DropReason::WrongPeer,
    DropReason::IdleTunnel,
    DropReason::HandoverFull,
    DropReason::NoRoom,
    DropReason::BufferExpired,
    DropReason::BufferTotal,
    DropReason::SendFailed,
    DropReason::PeerRate,
    DropReason::ForgedControl,
    DropReason::NatPorts,
];
/// Ways on which packets leave without anybody's help.
const FAST: [&str; 17] = [
    "uplink ipv4",
    "uplink ipv6",
    "uplink ipv4 fragment",
    "uplink ipv4 tagged",
    "uplink ipv4 translated",
    "uplink ipv4 translated tagged",
    "uplink ipv4 framed",
    "uplink ipv4 container",
    "downlink ipv4",
    "downlink ipv6",
    "downlink ipv4 fragment",
    "downlink ipv4 tagged",
    "downlink ipv4 translated",
    "downlink ipv4 translated tagged",
    "downlink ipv4 framed",
    "downlink ipv4 container",
    "downlink ipv6 framed",
];

/// The corpus of the tests that compare, through the native pipeline alone, and therefore without root.
struct Corpus {
    tables: Tables,
    start: u64,
    fast: BTreeSet<String>,
    number: usize,
}

impl Corpus {
    fn new() -> Self {
        let start = tick();
        Self { tables: native_tables(start), start, fast: BTreeSet::new(), number: 0 }
    }

    fn pass(&mut self, program: &str, frame: &[u8]) -> (u32, Vec<u8>) {
        let (action, after, _) = run_native(&self.tables, program, frame);
        // Nobody reads them here; they must not fill up.
        self.tables.take_notices();
        afterwards(&self.tables, self.start, frame, self.number);
        self.number += 1;
        if action == REDIRECT {
            self.fast.extend(way(program, frame, &after));
        }
        (action, after)
    }

    fn many(&mut self, program: &str, seed: u64, make: impl Fn(&mut Generator) -> Vec<u8>) {
        let mut generator = Generator::new(seed);
        for _ in 0..PACKETS {
            self.pass(program, &make(&mut generator));
        }
    }

    fn translated(&mut self) {
        let (mut generator, mut answers) = (Generator::new(4), Vec::new());
        for _ in 0..PACKETS {
            let (action, after) = self.pass(programs::ACCESS, &generator.translated_uplink());
            if action == REDIRECT {
                answers.extend(generator.answers(&after));
            }
            if answers.len() > 20 {
                answers.rotate_left(7);
                for answer in answers.drain(..10).collect::<Vec<_>>() {
                    self.pass(programs::INTERNET, &answer);
                }
            }
        }
    }
}

/// In words, which way a forwarded packet went: with each of its properties alone, and with all of them.
fn way(program: &str, before: &[u8], after: &[u8]) -> Vec<String> {
    let tagged = |frame: &[u8]| frame.get(12..14) == Some(&[0x81, 0]);
    let front = |frame: &[u8]| if tagged(frame) { 18 } else { 14 };
    let octet = |packet: &[u8], at: usize| packet.get(at).copied().unwrap_or(0);
    let uplink = program == programs::ACCESS;
    // The GTP-U header is where it was on the way up, and where it came on the way down.
    let flags = octet(if uplink { before } else { after }, 42);
    let inner = if uplink { after.get(front(after)..) } else { after.get(if flags & 4 == 0 { 50 } else { 58 }..) };
    let outer = after.get(front(after)..).unwrap_or_default();
    let Some(inner) = inner.filter(|inner| inner.len() >= 20) else { return Vec::new() };
    let version = inner[0] >> 4;
    let own = if version == 4 { &inner[if uplink { 12 } else { 16 }..][..2] } else { &[10, 45][..] };
    let networks6 = inner.get(if uplink { 8 } else { 24 }..).unwrap_or_default();
    let tags = tagged(if uplink { after } else { before });
    let there = before.get(front(before) + 16..).and_then(|rest| rest.get(..2)).unwrap_or_default();
    let translated = if uplink {
        version == 4 && !matches!(own, [10, 45 | 46 | 94])
    } else {
        version == 4 && !matches!(there, [10, 45 | 46 | 94])
    };
    let properties = [
        (version == 4 && (inner[6] & 0x3f != 0 || inner[7] != 0), "fragment"),
        (translated, "translated"),
        (own == [10, 94] || version == 6 && networks6.starts_with(&[0x20, 1, 0x0d, 0xb8, 0, 0x94]), "framed"),
        (flags & 4 != 0, "container"),
        (tags, "tagged"),
    ];
    debug_assert!(uplink || outer.first() == Some(&0x45));
    let name = format!("{} ipv{version}", if uplink { "uplink" } else { "downlink" });
    let has: Vec<&str> = properties.iter().filter(|(has, _)| *has).map(|(_, word)| *word).collect();
    let mut ways: Vec<String> = has.iter().map(|word| format!("{name} {word}")).collect();
    ways.push([&[name.as_str()][..], &has].concat().join(" "));
    ways
}

#[test]
fn the_corpus_reaches_every_reason_and_every_fast_path() {
    let mut corpus = Corpus::new();
    corpus.many(programs::ACCESS, 1, Generator::uplink);
    corpus.many(programs::INTERNET, 2, Generator::downlink);
    corpus.many(programs::KERNEL, 3, Generator::downlink);
    // And when the slow path may take nothing more.
    let settings = corpus.tables.settings.get(0).unwrap();
    settings.punt_rate.set(0);
    settings.punt_burst.set(0);
    corpus.many(programs::ACCESS, 1, Generator::uplink);
    let mut translated = Corpus::new();
    translated.translated();

    let count = |slot| corpus.tables.reason(slot) + translated.tables.reason(slot);
    let drops = DropReason::ALL.iter().filter(|reason| !ELSEWHERE.contains(reason));
    let missed = drops.filter(|reason| count(reason.slot()) == 0).map(|reason| reason.name());
    let punts = PuntReason::ALL.iter().filter(|reason| count(reason.slot()) == 0);
    let missed: Vec<&str> = missed.chain(punts.map(|reason| reason.name())).collect();
    assert!(missed.is_empty(), "no packet ends by {missed:?}");
    let fast: BTreeSet<&String> = corpus.fast.union(&translated.fast).collect();
    let missed: Vec<&str> = FAST.into_iter().filter(|way| !fast.iter().any(|known| known.as_str() == *way)).collect();
    assert!(missed.is_empty(), "no packet goes by {missed:?}, but by {fast:?}");
}
