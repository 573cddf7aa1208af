//! Octets that nobody should send: no panic, memory bounded by the input, and an answer that can be sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "common/corpus.rs"]
mod corpus;

use basalt_s1ap::{
    Criticality, DecodeErrorKind, ErrorIndication, OtherPdu, Pdu, ProtocolCause, Reaction, TriggeringMessage, decode,
    encode, reaction,
};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::LazyLock;

/// Counts what each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that ends has no counters any more, and nothing to measure.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: every call is passed on unchanged to the system allocator, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's obligations are those of the system allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's obligations are those of the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most octets held at once during `work`, beyond those held before.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before).unsigned_abs()
}

static CORPUS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| corpus::all().into_iter().map(|recorded| recorded.octets).collect());

/// Decodes, reacts, and encodes what comes out of it.
fn digest(octets: &[u8]) {
    let reaction = match decode(octets) {
        Ok(decoded) => {
            let again = encode(&decoded.pdu).unwrap();
            assert_eq!(decode(&again).unwrap().pdu, decoded.pdu, "{octets:02x?}");
            reaction(&decoded.diagnostics)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            reaction(&error)
        }
    };
    // N15: an answer that cannot be encoded would leave the peer without one.
    match reaction {
        Reaction::Reject(answer) => drop(encode(&answer).unwrap()),
        Reaction::Notify(indication) => drop(encode(&Pdu::ErrorIndication(*indication)).unwrap()),
        Reaction::Ignore | Reaction::Report(_) | Reaction::LocalError => {}
    }
}

/// One change to octets.
#[derive(Debug, Clone)]
enum Change {
    Flip(usize, u8),
    Set(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Splice(usize, usize, usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<usize>(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<usize>(), any::<u8>()).prop_map(|(at, octet)| Change::Set(at, octet)),
        (any::<usize>(), 1usize..8).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<usize>(), proptest::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, octets)| Change::Insert(at, octets)),
        (any::<usize>(), any::<usize>(), any::<usize>()).prop_map(|(at, from, which)| Change::Splice(at, from, which)),
    ]
}

impl Change {
    fn apply(&self, octets: &mut Vec<u8>) {
        let within = |at: usize, octets: &Vec<u8>| at % (octets.len() + 1);
        match self {
            Change::Flip(at, bit) => {
                let at = within(*at, octets);
                octets.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= 1 << bit);
            }
            Change::Set(at, value) => {
                let at = within(*at, octets);
                octets.iter_mut().skip(at).take(1).for_each(|octet| *octet = *value);
            }
            Change::Remove(at, count) => {
                let at = within(*at, octets);
                octets.drain(at..(at + count).min(octets.len()));
            }
            Change::Insert(at, added) => {
                let at = within(*at, octets);
                octets.splice(at..at, added.iter().copied());
            }
            Change::Splice(at, from, which) => {
                let other = &CORPUS[which % CORPUS.len()];
                let at = within(*at, octets);
                octets.truncate(at);
                octets.extend_from_slice(&other[from % other.len()..]);
            }
        }
    }
}

/// Makes the lengths of the PDU right again after a change to its message, so that the change is looked at.
fn repaired(mut octets: Vec<u8>) -> Vec<u8> {
    if octets.len() < 4 {
        return octets;
    }
    let header = 4 + usize::from(octets[3] & 0x80 != 0);
    let raw = octets.split_off(header.min(octets.len()));
    let kind = TriggeringMessage::from_index(u16::from(octets[0] >> 5 & 3)).unwrap_or(TriggeringMessage::Initiating);
    let criticality = Criticality::from_index(u16::from(octets[2] >> 6)).unwrap_or(Criticality::Reject);
    encode(&Pdu::Other(OtherPdu { kind, procedure_code: octets[1], criticality, raw })).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn changed_messages_do_no_harm(which in any::<usize>(), changes in proptest::collection::vec(any_change(), 1..6)) {
        let mut octets = CORPUS[which % CORPUS.len()].clone();
        changes.iter().for_each(|change| change.apply(&mut octets));
        digest(&octets);
        digest(&repaired(octets));
    }

    #[test]
    fn any_octets_do_no_harm(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        digest(&octets);
    }

    #[test]
    fn memory_is_bounded_by_the_input(which in any::<usize>(), changes in proptest::collection::vec(any_change(), 1..6)) {
        let mut octets = CORPUS[which % CORPUS.len()].clone();
        changes.iter().for_each(|change| change.apply(&mut octets));
        let octets = repaired(octets);
        let held = peak(|| drop(decode(&octets)));
        prop_assert!(held <= 64 * octets.len() + 8192, "{held} octets held for {}: {octets:02x?}", octets.len());
    }
}

/// N02: a message that is cut short or goes on is answered by ERROR INDICATION, with the ids that were still there.
#[test]
fn what_cannot_be_decoded_is_a_transfer_syntax_error() {
    for corpus::Recorded { file, frame, octets } in corpus::valid() {
        let whole = decode(&octets).unwrap().pdu;
        let longer = [&octets[..], &[0]].concat();
        for received in (0..octets.len()).map(|end| &octets[..end]).chain([&longer[..]]) {
            let place = format!("{file} frame {frame}: {} of {} octets", whole.name(), received.len());
            let error = decode(received).expect_err(&place);
            assert_eq!(error.kind, DecodeErrorKind::TransferSyntax, "{place}");
            let header = error.diagnostics.header;
            assert_eq!(header.is_some(), received.len() >= 3, "{place}");
            match reaction(&error) {
                Reaction::Reject(answer) => {
                    let Pdu::ErrorIndication(indication) = &*answer else { panic!("{place}: {}", answer.name()) };
                    assert_eq!(indication.cause, Some(ProtocolCause::TransferSyntaxError.into()), "{place}");
                    let ids = whole.ue_ids();
                    assert!(indication.mme_ue_id.is_none() || indication.mme_ue_id == ids.mme, "{place}");
                    assert!(indication.enb_ue_id.is_none() || indication.enb_ue_id == ids.enb, "{place}");
                    encode(&answer).unwrap();
                }
                Reaction::Ignore => assert_eq!(header.unwrap().procedure_code, ErrorIndication::PROCEDURE_CODE),
                other => panic!("{place}: {other:?}"),
            }
        }
        let error = decode(&longer).unwrap_err();
        assert_eq!(error.diagnostics.ue_ids, whole.ue_ids(), "{file} frame {frame}");
    }
}

/// A message of `count` IEs of one octet each.
fn crowded(count: u16, id: impl Fn(u16) -> u16) -> Vec<u8> {
    let mut raw = vec![0];
    raw.extend(count.to_be_bytes());
    for at in 0..count {
        raw.extend(id(at).to_be_bytes());
        raw.extend([0x40, 1, 0]);
    }
    let (kind, criticality) = (TriggeringMessage::Initiating, Criticality::Ignore);
    encode(&Pdu::Other(OtherPdu { kind, procedure_code: 12, criticality, raw })).unwrap()
}

/// N05: as many IEs as a message can have, all different or all the same.
#[test]
fn crowded_messages_cost_no_more_than_their_size() {
    for octets in [crowded(65_535, |at| 30_000 + at % 30_000), crowded(65_535, |_| 8), crowded(65_535, |_| 100)] {
        let held = peak(|| drop(decode(&octets)));
        assert!(held <= 64 * octets.len() + 8192, "{held} octets held for {}", octets.len());
        digest(&octets);
    }
}

/// N04: counts that the octets do not hold reserve nothing.
#[test]
fn claimed_counts_reserve_nothing() {
    // ServedGUMMEIs of one item that claims 65535 groups, in an S1 SETUP RESPONSE.
    let gummeis = [0x00, 0x00, 0x00, 0xf1, 0x10, 0xff, 0xfe];
    let mut raw = vec![0, 0, 1, 0, 105, 0, gummeis.len() as u8];
    raw.extend(gummeis);
    let (kind, criticality) = (TriggeringMessage::Successful, Criticality::Reject);
    let octets = encode(&Pdu::Other(OtherPdu { kind, procedure_code: 17, criticality, raw })).unwrap();
    let held = peak(|| assert!(decode(&octets).is_err()));
    assert!(held <= 8192, "{held} octets held");
}

/// N05: a NAS-PDU of 64 KiB, which is in fragments, is read and written.
#[test]
fn fragments_are_put_together() {
    let nas_pdu: Vec<u8> = (0..65_536u32).map(|at| at as u8).collect();
    let (mme, enb) = (basalt_ids::MmeUeS1apId(1), basalt_ids::EnbUeS1apId::new(2).unwrap());
    let message = Pdu::DownlinkNasTransport(basalt_s1ap::DownlinkNasTransport::new(mme, enb, nas_pdu));
    let octets = encode(&message).unwrap();
    assert_eq!(decode(&octets).unwrap().pdu, message);
    digest(&octets[..octets.len() - 1]);
}
