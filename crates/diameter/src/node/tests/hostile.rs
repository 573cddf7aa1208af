//! Rows D01 to D05, D07 and D08 of the trust table, at the machine.

use super::*;

const HSS: &str = "hss1.home.example";
const FEG: &str = "feg.visited.example";

/// What the FeG says to octets of its peer.
fn say(world: &mut World, octets: &[u8]) -> Vec<Vec<u8>> {
    let link = world.nodes[0].peers[0].open().expect("the peer is there");
    world.wire.clear();
    world.feed(0, Input::Received { link, octets });
    world.wire.iter().filter(|(from, _)| *from == 0).map(|(_, octets)| octets.clone()).collect()
}

fn told(world: &mut World, octets: &[u8]) -> ResultCode {
    let answers = say(world, octets);
    let message = Message::decode(&answers[0], &Limits::default()).unwrap();
    let Ok(crate::Outcome::Base(code)) = message.outcome() else { panic!() };
    assert_eq!(message.header.error, code.is_protocol_error());
    code
}

fn hostile(change: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::CANCEL_LOCATION, Application::S6A));
    change(&mut writer);
    writer.finish()
}

fn usual(writer: &mut Writer) {
    writer.text(name::SESSION_ID, "s").text(name::ORIGIN_HOST, HSS).text(name::ORIGIN_REALM, "home.example");
    writer.text(name::DESTINATION_HOST, FEG).text(name::DESTINATION_REALM, "visited.example");
}

#[test]
fn d02_lengths_that_lie_cost_the_peer_at_most_its_connection() {
    for octets in
        [vec![1, 0, 0, 19], vec![1, 0, 0, 0, 0, 0, 0, 0], vec![9; 20], [&[1, 0xff, 0xff, 0xfc][..], &[0; 16]].concat()]
    {
        let mut world = home(2);
        say(&mut world, &octets);
        assert!(!world.nodes[0].is_up(PeerId(0)) && world.nodes[0].is_up(PeerId(1)));
    }
    let mut world = home(1);
    for length in (0..8).chain([500, 0x00ff_ffff]) {
        let mut octets = hostile(usual);
        octets[25..28].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        assert_eq!(told(&mut world, &octets), ResultCode::INVALID_AVP_LENGTH);
    }
    let octets = hostile(|writer| {
        writer.octets(name::SESSION_ID, b"a\0b");
        writer.text(name::ORIGIN_HOST, HSS).text(name::ORIGIN_REALM, "home.example");
    });
    assert_eq!(say(&mut world, &octets).len(), 0, "a session's name is opaque here: it is a request");
    assert!(world.nodes[0].is_up(PeerId(0)));
}

#[test]
fn d03_depth_and_number_have_bounds() {
    fn deep(writer: &mut Writer, depth: usize) {
        if depth > 0 {
            writer.group(name::FAILED_AVP, |writer| deep(writer, depth - 1));
        }
    }
    let mut world = home(1);
    let octets = hostile(|writer| deep(writer, 1000));
    assert_eq!(told(&mut world, &octets), ResultCode::INVALID_AVP_VALUE);
    let octets = hostile(|writer| {
        for _ in 0..10_000 {
            writer.u32(name::ORIGIN_STATE_ID, 1);
        }
    });
    assert_eq!(told(&mut world, &octets), ResultCode::AVP_OCCURS_TOO_MANY_TIMES);
    assert!(world.nodes[0].is_up(PeerId(0)));
}

#[test]
fn d04_requests_of_another_realm_are_refused() {
    let mut world = home(1);
    world.nodes[0].peers[0].config.realms = vec!["home.example".to_owned()];
    let octets = hostile(|writer| {
        writer.text(name::SESSION_ID, "s");
        writer.text(name::ORIGIN_HOST, "hss.foreign.example").text(name::ORIGIN_REALM, "foreign.example");
    });
    assert_eq!(told(&mut world, &octets), ResultCode::AUTHORIZATION_REJECTED);
    assert_eq!(say(&mut world, &hostile(usual)).len(), 0);
    assert!(matches!(world.events.last(), Some((0, Event::Request { .. }))));
}

#[test]
fn d05_answers_that_fit_nothing_are_dropped() {
    let mut world = home(2);
    world.send(0, 1, request(FEG, "home.example", None));
    let asked = Message::header_of(&world.wire.last().unwrap().1).unwrap();
    let link = |world: &World, peer: usize| world.nodes[0].peers[peer].open().unwrap();
    let (first, second) = (link(&world, 0), link(&world, 1));
    let forge = |header: Header| {
        let mut writer = Writer::new(&header);
        writer.u32(name::RESULT_CODE, 2001);
        writer.finish()
    };
    let right = asked.answer();
    for wrong in [
        Header { hop_by_hop: right.hop_by_hop ^ 1, ..right },
        Header { end_to_end: right.end_to_end ^ 1, ..right },
        Header { command: Command::UPDATE_LOCATION, ..right },
    ] {
        for link in [first, second] {
            world.feed(0, Input::Received { link, octets: &forge(wrong) });
        }
    }
    assert_eq!(world.outcome(1), None);
    assert_eq!(strays(&world), 6);
    // The right numbers from the wrong peer are wrong as well.
    let asked_of = world.nodes[0].outstanding.remove(asked.hop_by_hop).unwrap();
    let wrong = if asked_of.link == first { second } else { first };
    world.nodes[0].outstanding.insert(asked.hop_by_hop, asked_of.clone());
    world.feed(0, Input::Received { link: wrong, octets: &forge(right) });
    assert_eq!(world.outcome(1), None);
    world.feed(0, Input::Received { link: asked_of.link, octets: &forge(right) });
    assert!(world.success(1));
    world.feed(0, Input::Received { link: asked_of.link, octets: &forge(right) });
    assert!(world.success(1), "once");
    assert_eq!(strays(&world), 8, "each is told of");
}

fn strays(world: &World) -> usize {
    world.events.iter().filter(|(_, event)| matches!(event, Event::Stray(_))).count()
}

#[test]
fn d07_a_flood_meets_the_peers_quota() {
    let mut world = home(2);
    world.nodes[0].peers[0].config.rate = 50;
    let octets = hostile(usual);
    for _ in 0..500 {
        say(&mut world, &octets);
    }
    let asked = world.events.iter().filter(|(_, event)| matches!(event, Event::Request { .. })).count();
    assert_eq!(asked, 50);
    assert_eq!(told(&mut world, &octets), ResultCode::TOO_BUSY);
    world.pass(Duration::from_secs(1));
    assert_eq!(say(&mut world, &octets).len(), 0);
    // So many at a time, too.
    world.nodes[0].peers[0].config.served = 51;
    assert_eq!(told(&mut world, &octets), ResultCode::TOO_BUSY);
}

#[test]
fn d08_loops_and_wrong_ways_are_refused() {
    let mut world = home(1);
    let with = |id, value: &str| {
        hostile(|writer| {
            writer.text(name::ORIGIN_HOST, HSS).text(name::ORIGIN_REALM, "home.example").text(id, value);
        })
    };
    assert_eq!(told(&mut world, &with(name::ROUTE_RECORD, "FEG.visited.example")), ResultCode::LOOP_DETECTED);
    assert_eq!(told(&mut world, &with(name::DESTINATION_HOST, "mme.other.example")), ResultCode::UNABLE_TO_DELIVER);
    assert_eq!(told(&mut world, &with(name::DESTINATION_REALM, "other.example")), ResultCode::REALM_NOT_SERVED);
    let ourselves = hostile(|writer| {
        writer.text(name::ORIGIN_HOST, FEG).text(name::ORIGIN_REALM, "visited.example");
    });
    assert_eq!(told(&mut world, &ourselves), ResultCode::LOOP_DETECTED);
    let missing = hostile(|writer| {
        writer.text(name::ORIGIN_HOST, HSS);
    });
    assert_eq!(told(&mut world, &missing), ResultCode::MISSING_AVP);
    let cx = Writer::new(&Header::request(Command::RE_AUTH, Application::CX)).finish();
    assert_eq!(told(&mut world, &cx), ResultCode::APPLICATION_UNSUPPORTED);
    let cer = base::capabilities_request(&local(HSS), false, (5, 6));
    assert_eq!(told(&mut world, &cer), ResultCode::COMMAND_UNSUPPORTED);
    assert!(world.nodes[0].is_up(PeerId(0)));
}

#[test]
fn those_who_connect_and_say_nothing_are_bounded_and_go() {
    let mut feg = node(FEG, vec![peer(HSS, false)], vec![]);
    let mut out = Effects::default();
    for number in 0..10_000 {
        feg.step(Time::from_secs(1), Input::Accepted { link: LinkId(number), names: None }, &mut out);
    }
    assert_eq!(feg.strangers.len(), STRANGERS);
    out.take().clear();
    feg.step(Time::from_secs(1) + HANDSHAKE, Input::Wakeup, &mut out);
    assert_eq!(feg.strangers.len(), 0);
    assert_eq!(out.take().len(), STRANGERS);
}

/// RFC 6733 §7.5: the AVP that is wrong is in Failed-AVP; one that is missing with its least value.
#[test]
fn what_is_wrong_with_a_request_is_named() {
    let stranger = crate::AvpId { code: 60_001, vendor: 77 };
    let mut world = home(1);
    type Change = fn(&mut Writer);
    let unknown: Change = |writer| {
        usual(writer);
        writer.raw(crate::AvpId { code: 60_001, vendor: 77 }, true, &[7; 5]);
    };
    let within: Change = |writer| {
        usual(writer);
        writer.group(crate::AvpId::tgpp(1400), |group| {
            group.raw(crate::AvpId { code: 60_001, vendor: 77 }, true, &[7; 5]);
        });
    };
    let twice: Change = |writer| {
        usual(writer);
        writer.text(name::ORIGIN_REALM, "again.example");
    };
    let missing: Change = |writer| {
        writer.text(name::SESSION_ID, "s").text(name::ORIGIN_HOST, HSS);
    };
    let value: Change = |writer| {
        writer
            .text(name::SESSION_ID, "s")
            .text(name::ORIGIN_HOST, "not a name")
            .text(name::ORIGIN_REALM, "home.example");
    };
    let rows: [(Change, ResultCode, crate::AvpId, &[u8]); 5] = [
        (unknown, ResultCode::AVP_UNSUPPORTED, stranger, &[7; 5]),
        (within, ResultCode::AVP_UNSUPPORTED, stranger, &[7; 5]),
        (twice, ResultCode::AVP_OCCURS_TOO_MANY_TIMES, name::ORIGIN_REALM, b"again.example"),
        (missing, ResultCode::MISSING_AVP, name::ORIGIN_REALM, b""),
        (value, ResultCode::INVALID_AVP_VALUE, name::ORIGIN_HOST, b"not a name"),
    ];
    for (change, code, id, data) in rows {
        let answers = say(&mut world, &hostile(change));
        let message = Message::decode(&answers[0], &Limits::default()).unwrap();
        assert_eq!(message.outcome(), Ok(crate::Outcome::Base(code)));
        assert_eq!(message.avps().next().unwrap().unwrap().id, name::SESSION_ID, "it comes first");
        let failed = message.need(name::FAILED_AVP).unwrap();
        let avp = failed.group().next().unwrap().unwrap();
        assert_eq!((avp.id, avp.data), (id, data), "{code:?}");
    }
    // What need not be understood is passed over.
    let optional = hostile(|writer| {
        usual(writer);
        writer.raw(stranger, false, &[7; 5]);
    });
    assert_eq!(say(&mut world, &optional).len(), 0);
    // A number of another length: its least value (§7.1.5, DIAMETER_INVALID_AVP_LENGTH).
    let octets = hostile(|writer| {
        writer.octets(name::ORIGIN_STATE_ID, &[1; 3]);
    });
    let message = Message::decode(&octets, &Limits::default()).unwrap();
    let error = message.need(name::ORIGIN_STATE_ID).unwrap().u32().unwrap_err();
    let local = &world.nodes[0].local;
    let refused = super::super::refusal(local, &message.header, &octets, error).finish();
    let refused = Message::decode(&refused, &Limits::default()).unwrap();
    assert_eq!(refused.outcome(), Ok(crate::Outcome::Base(ResultCode::INVALID_AVP_LENGTH)));
    let avp = refused.need(name::FAILED_AVP).unwrap().group().next().unwrap().unwrap();
    assert_eq!((avp.id, avp.data), (name::ORIGIN_STATE_ID, &[0; 4][..]));
}
