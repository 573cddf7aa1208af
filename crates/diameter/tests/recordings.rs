//! What other programs sent is read, and written again octet for octet.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_diameter::dictionary::{self, Kind};
use basalt_diameter::{Application, Avps, Command, Limits, Message, Outcome, ResultCode, Writer, framed};

fn messages() -> Vec<(String, Vec<u8>)> {
    let text = include_str!("../../../fixtures/diameter/messages.txt");
    let octets = |hex: &str| {
        let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(pair).collect()
    };
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, hex)| (name.to_owned(), octets(hex))).collect()
}

/// Writes AVPs anew, groups by their parts.
fn rewrite(writer: &mut Writer, avps: Avps<'_>) {
    for avp in avps.map(Result::unwrap) {
        let grouped = dictionary::find(avp.id).is_some_and(|info| info.kind == Kind::Grouped);
        // A group's own M bit is the dictionary's; where a peer sets another, its octets are copied.
        if grouped && dictionary::find(avp.id).unwrap().mandatory == avp.mandatory {
            writer.group(avp.id, |writer| rewrite(writer, avp.group()));
        } else {
            writer.raw(avp.id, avp.mandatory, avp.data);
        }
    }
}

#[test]
fn every_recorded_message_is_written_again_as_it_was() {
    let all = messages();
    assert!(all.len() > 200);
    for (name, octets) in &all {
        assert_eq!(framed(octets, &Limits::default()), Ok(Some(octets.len())));
        let message = Message::decode(octets, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut writer = Writer::new(&message.header);
        rewrite(&mut writer, message.avps());
        assert_eq!(&writer.finish(), octets, "{name}: {:?}", message.header);
    }
}

#[test]
fn every_attribute_has_a_name_and_a_value_of_its_type() {
    fn look(avps: Avps<'_>, unknown: &mut Vec<(u32, u32)>) {
        for avp in avps.map(Result::unwrap) {
            let Some(info) = dictionary::find(avp.id) else {
                unknown.push((avp.id.code, avp.id.vendor));
                continue;
            };
            let good = match info.kind {
                Kind::Grouped => {
                    look(avp.group(), unknown);
                    true
                }
                Kind::Unsigned32 | Kind::Enumerated | Kind::Integer32 | Kind::Float32 | Kind::Time => avp.u32().is_ok(),
                Kind::Unsigned64 | Kind::Integer64 => avp.u64().is_ok(),
                Kind::Utf8String => avp.text().is_ok(),
                Kind::DiameterIdentity => avp.identity().is_ok(),
                Kind::Address => avp.address().is_ok(),
                Kind::OctetString | Kind::DiameterUri | Kind::IpFilterRule => true,
            };
            assert!(good, "{avp:?} is no {:?}", info.kind);
        }
    }
    let mut unknown = Vec::new();
    for (_, octets) in messages() {
        look(Message::decode(&octets, &Limits::default()).unwrap().avps(), &mut unknown);
    }
    unknown.sort_unstable();
    unknown.dedup();
    // ETSI's Reservation-Priority, which the applications here do without.
    assert_eq!(unknown, [(458, 13019)]);
}

#[test]
fn answers_tell_how_it_ended() {
    let mut outcomes = Vec::new();
    for (_, octets) in messages() {
        let message = Message::decode(&octets, &Limits::default()).unwrap();
        if !message.header.request {
            outcomes.push((message.header.command, message.header.error, message.outcome().unwrap()));
        }
    }
    let has = |command, error, outcome| outcomes.contains(&(command, error, outcome));
    assert!(has(Command::CAPABILITIES_EXCHANGE, false, Outcome::Base(ResultCode::SUCCESS)));
    assert!(outcomes.iter().any(|(_, error, outcome)| *error && !outcome.is_success()));
    assert!(outcomes.iter().any(|(.., outcome)| matches!(outcome, Outcome::Experimental { vendor: 10415, .. })));
}

#[test]
fn vectors_are_found_in_an_answer() {
    let answer = messages().into_iter().find(|(_, octets)| {
        let header = Message::header_of(octets).unwrap();
        header.command == Command::AUTHENTICATION_INFORMATION
            && !header.request
            && header.application == Application::S6A
    });
    let (_, octets) = answer.unwrap();
    let message = Message::decode(&octets, &Limits::default()).unwrap();
    let named = |name| dictionary::by_name(name).unwrap();
    let info = message.need(named("Authentication-Info")).unwrap();
    let vector = info.group().need(named("E-UTRAN-Vector")).unwrap();
    assert_eq!(vector.group().need(named("RAND")).unwrap().data.len(), 16);
    assert_eq!(vector.group().need(named("KASME")).unwrap().data.len(), 32);
    assert!(!format!("{message:?}").contains("data"), "keys are not shown");
}

#[test]
fn every_truncation_and_every_damaged_octet_is_harmless() {
    for (_, octets) in messages().into_iter().step_by(7) {
        for length in 0..octets.len() {
            assert!(Message::decode(&octets[..length], &Limits::default()).is_err());
        }
        for at in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[at] ^= 0xff;
            if let Ok(message) = Message::decode(&damaged, &Limits::default()) {
                let texts = message.avps().filter(|avp| avp.is_ok_and(|avp| avp.text().is_ok())).count();
                let outcome = message.outcome();
                assert!(texts * 8 <= octets.len(), "{outcome:?}");
            }
        }
    }
}
