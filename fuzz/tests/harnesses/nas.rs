//! NAS of EPS: the envelope, mobility and session management, and the messages inside of messages.

use basalt_fuzz::{Changes, Way};
use basalt_nas::ie::EsmContainer;
use basalt_nas::{DecodeError, Direction, EmmMessage, Envelope, ErrorKind, EsmPdu, NasMessage};

use crate::{LONGEST, MANY};

/// Takes octets of anyone, as the network and as a phone.
fn digest(octets: &[u8]) {
    envelope(octets);
    for direction in [Direction::Uplink, Direction::Downlink] {
        match NasMessage::decode(octets, direction) {
            Ok(message) => read(&message, direction, octets),
            Err(error) => told(&error, octets),
        }
        if let Err(error) = EsmPdu::decode(octets, direction) {
            told(&error, octets);
        }
    }
}

fn envelope(octets: &[u8]) {
    match Envelope::parse(octets) {
        Ok(Envelope::Plain(plain)) => assert_eq!(plain.0, octets),
        Ok(Envelope::Protected(protected)) => {
            assert_eq!(protected.payload.len() + 6, octets.len(), "{octets:02x?}");
            // What is inside of a protected message is read as one, once it is proven.
            nested(protected.payload);
        }
        // Header types 13 to 15 are read as 12 (TS 24.301 table 9.3.1).
        Ok(Envelope::ServiceRequest(request)) => assert_eq!(request.encode()[1..], octets[1..4], "{octets:02x?}"),
        Err(error) => told(&error, octets),
    }
}

fn nested(payload: &[u8]) {
    for direction in [Direction::Uplink, Direction::Downlink] {
        if let Err(error) = NasMessage::decode(payload, direction) {
            told(&error, payload);
        }
    }
}

/// What can be read can be written, and means the same.
fn read(message: &NasMessage, direction: Direction, octets: &[u8]) {
    assert!(!message.name().is_empty());
    let written = message.encode().unwrap();
    assert_eq!(NasMessage::decode(&written, direction).as_ref(), Ok(message), "{octets:02x?}");
    let container = match message {
        NasMessage::Emm(EmmMessage::AttachRequest(request)) => Some(&request.esm_container),
        NasMessage::Emm(EmmMessage::AttachAccept(accept)) => Some(&accept.esm_container),
        NasMessage::Emm(EmmMessage::AttachComplete(complete)) => Some(&complete.esm_container),
        NasMessage::Emm(EmmMessage::AttachReject(reject)) => reject.esm_container.as_ref(),
        _ => None,
    };
    if let Some(container) = container {
        inside(container, direction, octets);
    }
}

fn inside(container: &EsmContainer, direction: Direction, octets: &[u8]) {
    match container.decode(direction) {
        Ok(pdu) => drop(pdu.encode().unwrap()),
        Err(error) => told(&error, octets),
    }
}

/// An error has words, and a cause unless it is answered by silence (TS 24.301 §7.2).
fn told(error: &DecodeError, octets: &[u8]) {
    assert!(!error.to_string().is_empty());
    let silent = matches!(error.kind, ErrorKind::TooShort | ErrorKind::SecurityHeaderType(_));
    assert_eq!(error.kind.emm_cause().is_none(), silent, "{octets:02x?}");
    assert_eq!(error.kind.esm_cause().is_none(), silent, "{octets:02x?}");
}

#[test]
fn octets_of_anyone() {
    bolero::check!().with_iterations(MANY).with_test_time(LONGEST).with_max_len(300).for_each(digest);
}

#[test]
fn recorded_message_with_changed_octets() {
    bolero::check!().with_type::<(u16, Changes)>().with_iterations(2 * MANY).with_test_time(LONGEST).for_each(
        |(which, changes)| {
            let all = basalt_fuzz::nas();
            digest(&changes.applied(&all[usize::from(*which) % all.len()].1));
        },
    );
}

/// A message that a phone starts with, in an envelope that lies about what is inside.
#[test]
fn recorded_message_in_an_envelope() {
    bolero::check!().with_type::<(u16, u8, [u8; 5], Changes)>().with_iterations(MANY).with_test_time(LONGEST).for_each(
        |(which, first, rest, changes)| {
            let uplink: Vec<_> = basalt_fuzz::nas().iter().filter(|(way, _)| *way == Way::Up).collect();
            let mut octets = vec![*first & 0xf0 | 7];
            octets.extend(rest);
            octets.extend(changes.applied(&uplink[usize::from(*which) % uplink.len()].1));
            digest(&octets);
        },
    );
}
