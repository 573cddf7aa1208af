//! The algorithms under this crate against the test data of TS 33.401 annex C (EEA2, EIA1, EIA2) and of the documents it
//! refers to (EEA1: TS 35.217; EEA3, EIA3: TS 35.223).
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use oxirush_security::nas_eps::{KNasEnc, KNasInt};
use oxirush_security::{Bearer, Direction, nea_cipher_bits, nia_mac_bits};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn all_test_sets_give_their_output() {
    let mut sets = 0;
    for line in include_str!("../testdata/algorithms.txt").lines() {
        if line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split(' ').collect();
        let [algorithm, set, key, count, bearer, direction, bits, input, output] = fields[..] else {
            panic!("malformed line {line:?}");
        };
        let (key, input, output) = (bytes(key), bytes(input), bytes(output));
        let count = u32::from_str_radix(count, 16).unwrap();
        let bearer = Bearer::new(u8::from_str_radix(bearer, 16).unwrap()).unwrap();
        let direction = Direction::try_from(direction.parse::<u8>().unwrap()).unwrap();
        let bits: u64 = bits.parse().unwrap();
        let number: u8 = algorithm[3..].parse().unwrap();
        let result = if algorithm.starts_with("EEA") {
            let key = KNasEnc::from_slice(&key).unwrap();
            let mut data = input.clone();
            let algorithm = number.try_into().unwrap();
            nea_cipher_bits(&key, count, bearer, direction, &mut data, bits, algorithm).unwrap();
            data
        } else {
            let key = KNasInt::from_slice(&key).unwrap();
            let algorithm = number.try_into().unwrap();
            nia_mac_bits(&key, count, bearer, direction, &input, bits, algorithm).unwrap().to_be_bytes().to_vec()
        };
        // The data of some sets has zeros in place of the bits after the last one.
        let spare = (8 - bits % 8) % 8;
        let clear = |mut octets: Vec<u8>| {
            if let Some(last) = octets.last_mut().filter(|_| algorithm.starts_with("EEA")) {
                *last &= 0xffu8 << spare;
            }
            octets
        };
        assert_eq!(clear(result), clear(output), "{algorithm} set {set}");
        sets += 1;
    }
    assert_eq!(sets, 35);
}
