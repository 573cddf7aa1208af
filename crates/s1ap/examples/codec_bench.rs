//! How long the messages of one recorded attach take to decode and encode.
//!
//! `cargo run --release -p basalt-s1ap --example codec_bench` prints the best of several rounds in nanoseconds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "an example that stops where its input is not as recorded")]

#[path = "../tests/common/recording.rs"]
mod recording;

use basalt_s1ap::{decode, encode_into};
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/s1ap/s1ap-srsran-open5gs-attach.pcap");
    let messages = recording::s1ap_messages(file);
    println!("{:<28} {:>6} {:>10} {:>10}", "message", "octets", "decode ns", "encode ns");
    let (mut decoding, mut encoding) = (0.0, 0.0);
    for message in &messages {
        let pdu = decode(&message.data).unwrap().pdu;
        let mut octets = Vec::with_capacity(512);
        let decode_ns = best_of_rounds(|| drop(black_box(decode(black_box(&message.data)))));
        let encode_ns = best_of_rounds(|| {
            octets.clear();
            encode_into(black_box(&pdu), &mut octets).unwrap();
        });
        println!("{:<28} {:>6} {decode_ns:>10.0} {encode_ns:>10.0}", pdu.name(), message.data.len());
        decoding += decode_ns;
        encoding += encode_ns;
    }
    println!("{:<28} {:>6} {decoding:>10.0} {encoding:>10.0}", "the whole attach", "");
}

/// Nanoseconds per call in the fastest of several rounds.
fn best_of_rounds(mut call: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 20;
    const CALLS: u32 = 5_000;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }
    best
}
