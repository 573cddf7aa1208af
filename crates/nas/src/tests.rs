//! Properties that hold for every message.

use crate::ie::EpsMobileIdentity;
use crate::sample::Source;
use crate::{Direction, EmmMessage, Envelope, ErrorKind, EsmMessage, EsmPdu, NasMessage};
use basalt_ids::{Ebi, Pti};
use oxirush_nas::nas_eps::NasEpsMessage;
use proptest::prelude::*;

/// One random message of every type.
fn all(source: &mut Source) -> Vec<NasMessage> {
    let emm = EmmMessage::samples(source).into_iter().map(NasMessage::Emm);
    let mut messages: Vec<NasMessage> = emm.collect();
    for message in EsmMessage::samples(source) {
        messages.push(NasMessage::Esm(EsmPdu {
            ebi: Ebi::new(source.octet() & 15).ok(),
            pti: Pti(source.octet()),
            message,
        }));
    }
    messages
}

/// The direction in which a message is read; only DETACH REQUEST depends on it.
fn direction(message: &NasMessage) -> Direction {
    match message {
        NasMessage::Emm(EmmMessage::DetachRequestNetwork(_)) => Direction::Downlink,
        _ => Direction::Uplink,
    }
}

/// Changes some octets, cuts or lengthens.
fn mutate(source: &mut Source, octets: &[u8]) -> Vec<u8> {
    let mut mutant = octets.to_vec();
    for _ in 0..=source.below(3) {
        match source.below(5) {
            0 => mutant.truncate(source.below(mutant.len() + 1)),
            1 => mutant.extend(source.octets(1, 6)),
            2 => {
                let at = source.below(mutant.len() + 1);
                mutant.insert(at, source.octet());
            }
            _ if mutant.is_empty() => {}
            3 => {
                let at = source.below(mutant.len());
                mutant[at] = [0, 0xff, 0x80, 0x7f, 1][source.below(5)];
            }
            _ => {
                let at = source.below(mutant.len());
                mutant[at] ^= 1 << source.below(8);
            }
        }
    }
    mutant
}

proptest! {
    #[test]
    fn every_message_round_trips(seed in any::<u64>()) {
        for message in all(&mut Source::new(seed)) {
            let octets = message.encode().unwrap();
            let read = NasMessage::decode(&octets, direction(&message)).unwrap();
            prop_assert_eq!(&read, &message);
            prop_assert_eq!(read.encode().unwrap(), octets);
        }
    }

    #[test]
    fn an_independent_codec_reads_the_same(seed in any::<u64>()) {
        for message in all(&mut Source::well_formed(seed)) {
            // We read any identity in a tracking area update, the other codec only the GUTI that belongs there.
            if let NasMessage::Emm(EmmMessage::TrackingAreaUpdateRequest(update)) = &message
                && !matches!(update.old_guti, EpsMobileIdentity::Guti(_))
            {
                continue;
            }
            let octets = message.encode().unwrap();
            let way = match direction(&message) {
                Direction::Uplink => oxirush_nas::nas_eps::Direction::Uplink,
                Direction::Downlink => oxirush_nas::nas_eps::Direction::Downlink,
            };
            let read = NasEpsMessage::decode_with_direction(&octets, way);
            let read = match read {
                Ok(read) => read,
                Err(error) => return Err(TestCaseError::fail(format!("{message:?} {octets:02x?} {error}"))),
            };
            // In SECURITY MODE COMPLETE it wants an IMEISV where the sample has a TMSI.
            let unknown = read.unknown_ies().iter().find(|ie| ie.iei != 0x23);
            prop_assert!(unknown.is_none(), "{:?} {:02x?} {:?}", message, octets, unknown);
            prop_assert_eq!(read.encode().unwrap(), octets);
        }
    }

    #[test]
    fn mutants_never_panic_and_what_is_read_can_be_written(seed in any::<u64>()) {
        let source = &mut Source::new(seed);
        for message in all(source) {
            let octets = mutate(source, &message.encode().unwrap());
            let _ = Envelope::parse(&octets);
            for way in [Direction::Uplink, Direction::Downlink] {
                if let Ok(read) = NasMessage::decode(&octets, way) {
                    let written = read.encode().unwrap();
                    prop_assert_eq!(NasMessage::decode(&written, way).unwrap(), read);
                }
            }
        }
    }

    #[test]
    fn octets_of_anyone_never_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Envelope::parse(&octets);
        for way in [Direction::Uplink, Direction::Downlink] {
            let _ = NasMessage::decode(&octets, way);
            let _ = EsmPdu::decode(&octets, way);
        }
    }

    #[test]
    fn every_cut_is_told_or_read(seed in any::<u64>()) {
        for message in all(&mut Source::new(seed)) {
            let octets = message.encode().unwrap();
            for len in 0..octets.len() {
                match NasMessage::decode(&octets[..len], direction(&message)) {
                    Ok(read) => prop_assert_eq!(&read.encode().unwrap()[..], &octets[..len]),
                    Err(error) => {
                        let silent = error.kind.emm_cause().is_none();
                        prop_assert_eq!(silent, error.kind == ErrorKind::TooShort, "{}", error);
                    }
                }
            }
        }
    }
}
