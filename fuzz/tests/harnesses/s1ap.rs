//! S1AP: decode, react as clause 10 demands, encode what comes out of it.

use basalt_fuzz::{Changes, ElementChange, Elements};
use basalt_s1ap::{
    Criticality, DecodeErrorKind, ErrorIndication, Pdu, Reaction, TriggeringMessage, decode, encode, reaction,
};

use crate::{LONGEST, MANY};

/// Takes octets of anyone.
fn digest(octets: &[u8]) {
    match decode(octets) {
        Ok(decoded) => {
            let again = encode(&decoded.pdu).unwrap();
            assert_eq!(decode(&again).unwrap().pdu, decoded.pdu, "{octets:02x?}");
            assert!(!decoded.pdu.name().is_empty());
            answer(&decoded.pdu, reaction(&decoded.diagnostics), octets);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let about_error =
                error.diagnostics.header.is_some_and(|it| it.procedure_code == ErrorIndication::PROCEDURE_CODE);
            let reaction = reaction(&error);
            if about_error {
                assert_eq!(reaction, Reaction::Ignore, "an error is not answered by an error: {octets:02x?}");
            }
            if error.kind == DecodeErrorKind::TransferSyntax && !about_error {
                assert!(matches!(&reaction, Reaction::Reject(_)), "unanswered: {octets:02x?}");
            }
            sendable(reaction, octets);
        }
    }
}

/// What a message that can be read is answered by.
fn answer(pdu: &Pdu, reaction: Reaction, octets: &[u8]) {
    if pdu.procedure_code() == ErrorIndication::PROCEDURE_CODE && pdu.kind() == TriggeringMessage::Initiating {
        assert!(!matches!(reaction, Reaction::Reject(_) | Reaction::Notify(_)), "an error answered: {octets:02x?}");
    }
    sendable(reaction, octets);
}

/// N15: an answer that cannot be encoded would leave the peer without one; one that cannot be read is worse.
fn sendable(reaction: Reaction, octets: &[u8]) {
    let answer = match reaction {
        Reaction::Reject(answer) => *answer,
        Reaction::Notify(indication) => Pdu::ErrorIndication(*indication),
        Reaction::Ignore | Reaction::Report(_) | Reaction::LocalError => return,
    };
    assert_ne!(answer.kind(), TriggeringMessage::Successful, "{octets:02x?}");
    let written = encode(&answer).unwrap();
    let read = decode(&written).unwrap();
    assert_eq!(read.pdu, answer, "{octets:02x?}");
    let serious = read.diagnostics.faults.iter().find(|fault| fault.criticality != Criticality::Ignore);
    assert_eq!(serious, None, "{octets:02x?}");
}

fn seed(which: u16) -> &'static [u8] {
    let all = basalt_fuzz::s1ap();
    &all[usize::from(which) % all.len()]
}

#[test]
fn octets_of_anyone() {
    bolero::check!().with_iterations(MANY).with_test_time(LONGEST).with_max_len(512).for_each(digest);
}

#[test]
fn recorded_pdu_with_changed_octets() {
    bolero::check!()
        .with_type::<(u16, Changes)>()
        .with_iterations(MANY)
        .with_test_time(LONGEST)
        .for_each(|(which, changes)| digest(&changes.applied(seed(*which))));
}

#[test]
fn recorded_pdu_with_changed_elements() {
    bolero::check!()
        .with_generator((
            bolero::produce::<(u16, u16)>(),
            bolero::produce::<Vec<ElementChange>>().with().len(1usize..5),
        ))
        .with_iterations(MANY)
        .with_test_time(LONGEST)
        .for_each(|((which, other), changes)| {
            let Some(mut message) = Elements::read(seed(*which)) else { return };
            let Some(other) = Elements::read(seed(*other)) else { return };
            changes.iter().for_each(|change| message.change(change, &other));
            digest(&message.write());
        });
}

/// N01: each recorded message with each of its elements removed, one at a time.
#[test]
fn recorded_pdu_without_one_element() {
    for octets in basalt_fuzz::s1ap() {
        let Some(message) = Elements::read(octets) else { continue };
        for at in 0..message.list().len() {
            let mut changed = message.clone();
            changed.change(&ElementChange::Remove(at as u8), &message);
            digest(&changed.write());
        }
    }
}
