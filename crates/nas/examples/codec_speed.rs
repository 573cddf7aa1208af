//! How long reading and writing takes: `cargo run --profile fast -p basalt-nas --example codec_speed`.
#![allow(clippy::unwrap_used, reason = "a measurement on fixed octets")]

use basalt_nas::{Direction, NasMessage};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 200_000;

/// Name, direction and octets, from recordings.
const MESSAGES: &[(&str, Direction, &str)] = &[
    (
        "ATTACH REQUEST",
        Direction::Uplink,
        "07417108999907374600000607f0f0c040010010002a0201d031d127238080211001000010810600000000830600000000000c00000d00000200000a00001000c1",
    ),
    ("AUTHENTICATION RESPONSE", Direction::Uplink, "0753083ce201d9b91d0d12"),
    (
        "ATTACH ACCEPT",
        Direction::Downlink,
        "07420229064099f907000100695201c101090908696e7465726e65740d0300000000000000020a2d00025e06fefefafa02027b00418080210a020a000a81060808080880210a020b000a830608080404c02323020c00231e57656c636f6d6520746f206f70656e3567732d736d66642076322e372e37500bf699f907000201c000001164020108",
    ),
    ("ESM INFORMATION RESPONSE", Direction::Uplink, "0201da280908696e7465726e6574"),
];

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let best = (0..5).map(|_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    });
    best.fold(f64::INFINITY, f64::min)
}

fn main() {
    for (name, direction, hex) in MESSAGES {
        let octets = octets(hex);
        let message = NasMessage::decode(&octets, *direction).unwrap();
        let read = nanoseconds(|| {
            black_box(NasMessage::decode(black_box(&octets), *direction).unwrap());
        });
        let write = nanoseconds(|| {
            black_box(black_box(&message).encode().unwrap());
        });
        println!("{name:28} read {read:6.0} ns   write {write:6.0} ns");
    }
}
