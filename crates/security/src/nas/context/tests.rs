use super::*;
use crate::{Ciphering, Integrity};
use proptest::prelude::*;

const CIPHERING: [Ciphering; 4] = [Ciphering::Eea0, Ciphering::Eea1, Ciphering::Eea2, Ciphering::Eea3];
const INTEGRITY: [Integrity; 3] = [Integrity::Eia1, Integrity::Eia2, Integrity::Eia3];

fn context(side: Side, algorithms: Algorithms, provider: Provider) -> NasSecurityContext {
    NasSecurityContext::new(side, 3, Secret::new([0x58; 32]), algorithms, provider)
}

fn both(algorithms: Algorithms, provider: Provider) -> (NasSecurityContext, NasSecurityContext) {
    let network = context(Side::Network, algorithms, provider);
    (network, context(Side::Ue, algorithms, provider))
}

fn usual() -> (NasSecurityContext, NasSecurityContext) {
    both(Algorithms { ciphering: Ciphering::Eea2, integrity: Integrity::Eia2 }, Provider::STANDARD)
}

fn every_pair() -> impl Iterator<Item = (Algorithms, Provider)> {
    CIPHERING.into_iter().flat_map(|ciphering| {
        INTEGRITY.into_iter().flat_map(move |integrity| {
            [Provider::STANDARD, Provider::null_for_simulation()].map(|provider| {
                let algorithms = Algorithms { ciphering, integrity };
                (algorithms, provider)
            })
        })
    })
}

#[test]
fn every_pair_of_algorithms_carries_messages_both_ways() {
    for (algorithms, provider) in every_pair() {
        let (mut network, mut ue) = both(algorithms, provider);
        for message in [&[7, 0x5e][..], &[7; 300]] {
            let sent = ue.protect(Protection::IntegrityCiphered, message).unwrap();
            let got = network.verify(&sent).unwrap();
            assert_eq!(got.get(), message, "{algorithms:?}");
            assert_eq!(sent[6..] == *message, algorithms.ciphering == Ciphering::Eea0);
            let sent = network.protect(Protection::Integrity, message).unwrap();
            assert_eq!(sent[6..], *message);
            assert_eq!(ue.verify(&sent).unwrap().into_inner(), message);
        }
        assert_eq!((network.receive_count(), network.send_count()), (2, 2));
    }
}

#[test]
fn every_changed_bit_is_noticed_and_changes_nothing() {
    for (algorithms, provider) in every_pair() {
        let (mut network, mut ue) = both(algorithms, provider);
        let sent = ue.protect(Protection::Integrity, &[7, 0x41, 0x55, 0xaa]).unwrap();
        let before = network.clone();
        // The first octet says how to read the rest and is not covered by the MAC (TS 24.301 §4.4.3.3).
        for bit in 8..sent.len() * 8 {
            let mut changed = sent.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(network.verify(&changed), Err(VerifyError::Mac), "bit {bit} {algorithms:?}");
        }
        assert_eq!(network, before);
        assert!(network.verify(&sent).is_ok());
    }
}

#[test]
fn a_count_is_accepted_once() {
    let (mut network, mut ue) = usual();
    let sent: Vec<_> = (0..5).map(|n| ue.protect(Protection::IntegrityCiphered, &[7, n]).unwrap()).collect();
    assert_eq!(network.verify(&sent[0]).unwrap().count(), 0);
    assert_eq!(network.verify(&sent[0]), Err(VerifyError::Mac));
    assert_eq!(network.verify(&sent[3]).unwrap().count(), 3);
    for old in &sent[..4] {
        assert_eq!(network.verify(old), Err(VerifyError::Mac));
    }
    assert_eq!(network.verify(&sent[4]).unwrap().count(), 4);
}

#[test]
fn a_message_does_not_come_back_as_the_other_direction() {
    let (mut network, mut ue) = usual();
    let sent = network.protect(Protection::IntegrityCiphered, &[7, 0x61]).unwrap();
    assert_eq!(network.verify(&sent), Err(VerifyError::Mac));
    assert!(ue.verify(&sent).is_ok());
}

#[test]
fn the_overflow_counter_follows_the_sequence_number() {
    let (mut network, mut ue) = usual();
    (network.receive_next, ue.send_next) = (0x1fe, 0x201);
    let sent = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    assert_eq!(sent[5], 0x01);
    assert_eq!(network.verify(&sent).unwrap().count(), 0x201);
    // 256 messages lost are too many: the estimate is one turn behind.
    ue.send_next = 0x202 + 256;
    let sent = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    assert_eq!(network.verify(&sent), Err(VerifyError::Mac));
}

#[test]
fn counts_end_and_say_so_before() {
    let (mut network, mut ue) = usual();
    assert!(!network.new_keys_due());
    network.receive_next = END - 0x1_0000;
    assert!(network.new_keys_due());
    (network.receive_next, ue.send_next) = (END - 1, END - 1);
    let last = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    let refused = ue.protect(Protection::Integrity, &[7, 0x41]);
    assert_eq!(refused, Err(ProtectError::CountExhausted));
    assert_eq!(ue.protect_service_request(), Err(ProtectError::CountExhausted));
    assert_eq!(network.verify(&last).unwrap().count(), END - 1);
    assert_eq!(network.verify(&last), Err(VerifyError::CountExhausted));
    network.send_next = END - 1;
    network.reserve(1000);
    assert!(network.protect(Protection::Integrity, &[7, 0x41]).is_ok());
    let refused = network.protect(Protection::Integrity, &[7, 0x41]);
    assert_eq!(refused, Err(ProtectError::CountExhausted));
}

#[test]
fn a_crash_never_uses_a_count_twice() {
    let (mut network, _) = usual();
    assert!(network.reserve(100));
    assert!(!network.reserve(50));
    let stored = serde_json::to_string(&network).unwrap();
    for n in 0..100 {
        assert_eq!(network.reserved_left(), 100 - n);
        network.protect(Protection::Integrity, &[7, 0x61]).unwrap();
    }
    let refused = network.protect(Protection::Integrity, &[7, 0x61]);
    assert_eq!(refused, Err(ProtectError::NotReserved));
    let mut restarted: NasSecurityContext = serde_json::from_str(&stored).unwrap();
    restarted.resume();
    assert_eq!(restarted.send_count(), 100);
    assert!(restarted.reserve(10));
    let sent = restarted.protect(Protection::Integrity, &[7, 0x61]).unwrap();
    assert_eq!(sent[5], 100);
}

#[test]
fn a_service_request_is_proven_by_its_short_mac() {
    for (algorithms, provider) in every_pair() {
        let (mut network, mut ue) = both(algorithms, provider);
        (network.receive_next, ue.send_next) = (30, 33);
        let sent = ue.protect_service_request().unwrap();
        assert_eq!(sent[..2], [0xc7, 3 << 5 | 1]);
        for bit in 0..32 {
            let mut changed = sent;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(network.verify_service_request(&changed).is_err(), "bit {bit}");
        }
        let proven = network.verify_service_request(&sent).unwrap();
        assert_eq!((proven.count(), proven.protection()), (33, Protection::ServiceRequest));
        assert_eq!(network.verify_service_request(&sent), Err(VerifyError::Mac));
        assert_eq!(network.receive_count(), 34);
    }
}

#[test]
fn null_integrity_proves_nothing_to_a_network() {
    let algorithms = Algorithms { ciphering: Ciphering::Eea0, integrity: Integrity::Eia0 };
    let (mut network, mut ue) = both(algorithms, Provider::STANDARD);
    let sent = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    assert_eq!(sent[1..5], [0; 4]);
    assert_eq!(network.verify(&sent), Err(VerifyError::NullIntegrity));
    let sent = ue.protect_service_request().unwrap();
    let refused = network.verify_service_request(&sent);
    assert_eq!(refused, Err(VerifyError::NullIntegrity));
}

#[test]
fn no_key_is_shown() {
    let (network, _) = usual();
    let shown = format!("{network:?}");
    assert!(shown.contains("kasme: Secret(…)") && !shown.contains("88"), "{shown}");
}

#[test]
fn what_is_not_an_envelope_is_refused() {
    let (mut network, _) = usual();
    for octets in [
        &[][..],
        &[0x17],
        &[0x17, 0, 0, 0, 0],
        &[0x07, 0x41, 0, 0, 0, 0, 0],
        &[0x57, 0, 0, 0, 0, 0, 7, 0x41],
        &[0x12, 0, 0, 0, 0, 0, 7, 0x41],
    ] {
        assert_eq!(network.verify(octets), Err(VerifyError::Malformed), "{octets:02x?}");
        let refused = network.verify_service_request(octets);
        assert_eq!(refused, Err(VerifyError::Malformed));
    }
}

#[test]
fn the_double_is_kept_over_storage() {
    let algorithms = usual().0.algorithms();
    let (network, _) = both(algorithms, Provider::null_for_simulation());
    let stored = serde_json::to_string(&network).unwrap();
    assert_eq!(serde_json::from_str::<NasSecurityContext>(&stored).unwrap(), network);
    assert!(stored.contains("\"provider\":true"), "{stored}");
}

#[test]
fn other_algorithms_take_other_keys_and_keep_counts() {
    let (mut network, mut ue) = usual();
    let sent = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    network.verify(&sent).unwrap();
    let snow = Algorithms { ciphering: Ciphering::Eea1, integrity: Integrity::Eia1 };
    network.change_algorithms(snow);
    let sent = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    assert_eq!(network.verify(&sent), Err(VerifyError::Mac));
    ue.change_algorithms(snow);
    let sent = ue.protect(Protection::Integrity, &[7, 0x41]).unwrap();
    assert_eq!(network.verify(&sent).unwrap().count(), 2);
}

#[test]
fn the_chain_of_access_keys_goes_on() {
    let (network, ue) = usual();
    let mut chain = network.access_keys(0);
    assert_eq!(chain, ue.access_keys(0));
    assert_ne!(chain.kenb(), network.access_keys(1).kenb());
    assert_eq!(chain.ncc(), 1);
    let mut keys = vec![chain.kenb().clone(), chain.next_hop().clone()];
    for ncc in [2, 3, 4, 5, 6, 7, 0, 1] {
        network.advance(&mut chain);
        assert_eq!(chain.ncc(), ncc);
        assert!(!keys.contains(chain.next_hop()));
        keys.push(chain.next_hop().clone());
    }
}

proptest! {
    #[test]
    fn octets_of_anyone_never_panic_and_never_verify(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        let (mut network, _) = usual();
        prop_assert!(network.verify(&octets).is_err());
        prop_assert!(network.verify_service_request(&octets).is_err());
    }

    #[test]
    fn lost_messages_do_not_break_the_count(lost in prop::collection::vec(0u32..200, 1..20)) {
        let (mut network, mut ue) = usual();
        for skip in lost {
            ue.send_next += skip;
            let expected = ue.send_next;
            let sent = ue.protect(Protection::IntegrityCiphered, &[7, 0x41, 9]).unwrap();
            let got = network.verify(&sent).unwrap();
            prop_assert_eq!(got.count(), expected);
        }
    }
}
