//! Gateways and home networks that do what tests want.

use super::*;
use basalt_diameter::node::{Failure, Local};
use basalt_diameter::{
    Application, AvpId, Command, Header, Limits, Message, Outcome as Result_, ResultCode, Writer, dictionary as name,
    vendor,
};
use basalt_sansio::Duration;
use feg_s6a::{Cancellation, Inserted};

const HOME: &str = "epc.mnc070.mcc999.3gppnetwork.org";
const PHONE: &str = "999700000000001";

fn relay() -> Relay {
    let networks = ["999-70", "310-410"].map(|plmn| Network::new(plmn.parse().unwrap()));
    let local = Local {
        host: "feg1.visited.example".to_owned(),
        realm: "visited.example".to_owned(),
        addresses: vec![],
        vendor: 0,
        product: String::new(),
        applications: vec![],
        state_id: 0,
    };
    let config = Config {
        local,
        networks: Networks(networks.to_vec()),
        waiting: 10,
        rate: 20,
        memory: Duration::from_secs(30),
        patience: Duration::from_secs(5),
    };
    Relay::new(config, &SecureSeed([1; 32]))
}

fn step(relay: &mut Relay, now: u64, input: Input<'_>) -> Vec<Effect> {
    let mut out = Effects::default();
    relay.step(Time::from_secs(now), input, &mut out);
    let effects = out.take();
    effects.into_iter().filter(|effect| !matches!(effect, Effect::Count(_))).collect()
}

fn up(relay: &mut Relay, gateway: u64, name: &str) {
    step(relay, 0, Input::GatewayUp { gateway: GatewayId(gateway), name: name.to_owned(), life: gateway });
}

fn ask(id: u64, imsi: &str, wish: Wish) -> Request {
    let (imsi, visited) = (imsi.parse().unwrap(), "001-01".parse().unwrap());
    Request { id, within: Duration::from_secs(2), imsi, visited, wish }
}

fn vectors(id: u64) -> Request {
    ask(id, PHONE, Wish::Vectors { count: 2, immediate: true, resync: None })
}

/// The answer of a home network to a request.
fn answer(request: &[u8], fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let request = Message::decode(request, &Limits::default()).unwrap();
    let mut writer = Writer::new(&request.header.answer());
    writer.octets(name::SESSION_ID, request.need(name::SESSION_ID).unwrap().data);
    writer.text(name::ORIGIN_HOST, "hss.home.example").text(name::ORIGIN_REALM, HOME);
    fill(&mut writer);
    writer.finish()
}

fn sent(effects: &[Effect]) -> (Token, Vec<u8>) {
    match effects {
        [Effect::ToHss { token, octets, .. }] => (*token, octets.clone()),
        other => panic!("{other:?}"),
    }
}

fn give_vectors(writer: &mut Writer) {
    writer.u32(name::RESULT_CODE, 2001).group(AvpId::tgpp(1413), |info| {
        info.group(AvpId::tgpp(1414), |vector| {
            vector.octets(AvpId::tgpp(1447), &[1; 16]).octets(AvpId::tgpp(1448), &[2; 8]);
            vector.octets(AvpId::tgpp(1449), &[3; 16]).octets(AvpId::tgpp(1450), &[4; 32]);
        });
    });
}

#[test]
fn a_request_that_comes_again_is_asked_once_and_answered_as_often() {
    let mut relay = relay();
    up(&mut relay, 1, "mast");
    let first = step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(7) });
    let (token, octets) = sent(&first);
    // Its stream is reset, and it asks again on another, in the same life.
    step(&mut relay, 1, Input::GatewayDown { gateway: GatewayId(1) });
    step(&mut relay, 1, Input::GatewayUp { gateway: GatewayId(2), name: "mast".to_owned(), life: 1 });
    assert_eq!(step(&mut relay, 1, Input::Asked { gateway: GatewayId(2), request: vectors(7) }), []);
    let octets = answer(&octets, give_vectors);
    let given = step(&mut relay, 2, Input::HssAnswered { token, result: Ok(&octets) });
    let [Effect::Answer { gateway: GatewayId(2), id: 7, answer: Answer::Vectors(list) }] = given.as_slice() else {
        panic!("{given:?}")
    };
    assert_eq!(list.len(), 1);
    // And once more, later: the same answer, and nobody is asked.
    assert_eq!(step(&mut relay, 3, Input::Asked { gateway: GatewayId(2), request: vectors(7) }), given);
    // The same number of another life is another request.
    up(&mut relay, 3, "mast");
    sent(&step(&mut relay, 3, Input::Asked { gateway: GatewayId(3), request: vectors(7) }));
    // It is forgotten after a while.
    assert!(relay.next_wakeup().is_some());
    step(&mut relay, 100, Input::Wakeup);
    sent(&step(&mut relay, 100, Input::Asked { gateway: GatewayId(2), request: vectors(7) }));
}

#[test]
fn what_is_not_granted_has_a_cause_and_what_is_not_answered_has_none() {
    let mut relay = relay();
    up(&mut relay, 1, "mast");
    let (token, octets) = sent(&step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(1) }));
    let octets = answer(&octets, |writer| {
        writer.group(name::EXPERIMENTAL_RESULT, |group| {
            group.u32(name::VENDOR_ID, vendor::TGPP).u32(name::EXPERIMENTAL_RESULT_CODE, 5001);
        });
    });
    let refused = step(&mut relay, 1, Input::HssAnswered { token, result: Ok(&octets) });
    assert!(
        matches!(&refused[..], [Effect::Answer { answer: Answer::Refused { emm_cause: 8, .. }, .. }]),
        "{refused:?}"
    );
    let (token, _) = sent(&step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(2) }));
    let silent = step(&mut relay, 1, Input::HssAnswered { token, result: Err(Failure::Timeout) });
    assert!(matches!(&silent[..], [Effect::Answer { answer: Answer::Unavailable(_), .. }]));
    // Nothing was decided: the same request is asked anew.
    sent(&step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(2) }));
    // An IMSI of no home network goes nowhere.
    let stranger = ask(3, "222010000000001", Wish::Purge);
    let refused = step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: stranger });
    assert!(matches!(&refused[..], [Effect::Answer { answer: Answer::Refused { emm_cause: 11, .. }, .. }]));
}

#[test]
fn a_gateway_that_floods_is_refused_and_others_are_served() {
    let mut relay = relay();
    up(&mut relay, 1, "flood");
    up(&mut relay, 2, "mast");
    let mut asked = 0;
    for id in 0..1000 {
        let effects = step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(id) });
        asked += usize::from(matches!(effects[..], [Effect::ToHss { .. }]));
    }
    assert_eq!(asked, 10, "as many as may wait");
    assert_eq!(relay.waiting(), 10);
    sent(&step(&mut relay, 1, Input::Asked { gateway: GatewayId(2), request: vectors(0) }));
}

#[test]
fn the_oldest_answers_are_forgotten_first_and_what_waits_is_not() {
    let mut relay = relay();
    relay.config.rate = u32::MAX;
    up(&mut relay, 1, "mast");
    let ask = |relay: &mut Relay, id| step(relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(id) });
    let most = 100;
    relay.forward.most = 100;
    for id in 0..most + 10 {
        let (token, octets) = sent(&ask(&mut relay, id));
        let octets = answer(&octets, give_vectors);
        step(&mut relay, 1, Input::HssAnswered { token, result: Ok(&octets) });
    }
    assert!(matches!(ask(&mut relay, 10)[..], [Effect::Answer { .. }]), "remembered");
    let (waits, octets) = sent(&ask(&mut relay, 9));
    // It becomes the oldest, and is answered nevertheless.
    for id in most + 10..2 * most + 9 {
        let (token, octets) = sent(&ask(&mut relay, id));
        let octets = answer(&octets, give_vectors);
        step(&mut relay, 1, Input::HssAnswered { token, result: Ok(&octets) });
    }
    assert!(matches!(ask(&mut relay, 5)[..], [Effect::Answer { answer: Answer::Unavailable(_), .. }]), "no room");
    let octets = answer(&octets, give_vectors);
    let given = step(&mut relay, 1, Input::HssAnswered { token: waits, result: Ok(&octets) });
    assert!(matches!(given[..], [Effect::Answer { id: 9, answer: Answer::Vectors(_), .. }]));
    sent(&ask(&mut relay, 5));
}

#[test]
fn a_relay_that_was_told_nothing_yet_sends_nobody_away() {
    let mut relay = relay();
    up(&mut relay, 1, "mast");
    let config = Config { networks: Networks::default(), ..relay.config.clone() };
    let told = core::mem::replace(&mut relay.config, config);
    let answer = step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(1) });
    assert!(matches!(&answer[..], [Effect::Answer { answer: Answer::Unavailable(_), .. }]));
    relay.configure(told);
    sent(&step(&mut relay, 1, Input::Asked { gateway: GatewayId(1), request: vectors(1) }));
}

fn from_home(realm: &str, imsi: &str) -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::CANCEL_LOCATION, Application::S6A));
    writer.text(name::SESSION_ID, "hss;1;1").text(name::ORIGIN_HOST, "hss.home.example");
    writer.text(name::ORIGIN_REALM, realm).text(name::USER_NAME, imsi).u32(AvpId::tgpp(1420), 2);
    writer.finish()
}

fn deletion_from_home(realm: &str, imsi: &str) -> Vec<u8> {
    let mut writer = Writer::new(&Header::request(Command::DELETE_SUBSCRIBER_DATA, Application::S6A));
    writer.text(name::SESSION_ID, "hss;1;2").text(name::ORIGIN_HOST, "hss.home.example");
    writer.text(name::ORIGIN_REALM, realm).text(name::USER_NAME, imsi).u32(AvpId::tgpp(1421), 2);
    writer.finish()
}

fn outcome_of(effects: &[Effect]) -> Result_ {
    match effects {
        [Effect::ToPeer { octets, .. }] => Message::decode(octets, &Limits::default()).unwrap().outcome().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cancellation_finds_the_gateway_that_has_the_phone() {
    let mut relay = relay();
    up(&mut relay, 1, "mast");
    up(&mut relay, 2, "tower");
    let locate = ask(1, PHONE, Wish::Locate { attach: true, terminal: None });
    let (token, octets) = sent(&step(&mut relay, 1, Input::Asked { gateway: GatewayId(2), request: locate }));
    let octets = answer(&octets, |writer| {
        writer.u32(name::RESULT_CODE, 2001);
    });
    step(&mut relay, 1, Input::HssAnswered { token, result: Ok(&octets) });
    let octets = from_home(HOME, PHONE);
    let asked = step(&mut relay, 2, Input::FromHss { handle: Handle(9), octets: &octets });
    let [Effect::Ask { gateway: GatewayId(2), ask, what: Ask::Cancel(_, Cancellation::Withdrawal, false) }] = asked[..]
    else {
        panic!("{asked:?}")
    };
    let done = step(
        &mut relay,
        2,
        Input::Replied { gateway: GatewayId(2), ask, outcome: Outcome::Done, told: Inserted::default() },
    );
    assert_eq!(outcome_of(&done), Result_::Base(ResultCode::SUCCESS));
    assert_eq!(
        step(
            &mut relay,
            2,
            Input::Replied { gateway: GatewayId(2), ask, outcome: Outcome::Done, told: Inserted::default() }
        ),
        []
    );
}

#[test]
fn a_phone_that_nobody_has_is_looked_for_everywhere_and_unknown() {
    let mut relay = relay();
    up(&mut relay, 1, "mast");
    up(&mut relay, 2, "tower");
    let deletion = deletion_from_home(HOME, PHONE);
    let unknown = Result_::Experimental { vendor: vendor::TGPP, code: 5001 };
    let octets = from_home(HOME, PHONE);
    // Who is to be cancelled and is not here is gone as was wanted; whose data is to be changed must be here.
    for (octets, outcome) in [(&deletion, unknown), (&octets, Result_::Base(ResultCode::SUCCESS))] {
        let asked = step(&mut relay, 2, Input::FromHss { handle: Handle(9), octets });
        assert_eq!(asked.len(), 2);
        let mut last = Vec::new();
        for effect in asked {
            let Effect::Ask { gateway, ask, .. } = effect else { panic!() };
            let (outcome, told) = (Outcome::Unknown, Inserted::default());
            last = step(&mut relay, 2, Input::Replied { gateway, ask, outcome, told });
        }
        assert_eq!(outcome_of(&last), outcome);
    }
    // Gateways that are silent, or go, do not keep a home network waiting.
    step(&mut relay, 3, Input::FromHss { handle: Handle(10), octets: &octets });
    step(&mut relay, 3, Input::GatewayDown { gateway: GatewayId(1) });
    let silent = step(&mut relay, 60, Input::Wakeup);
    assert_eq!(outcome_of(&silent), Result_::Base(ResultCode::UNABLE_TO_COMPLY));
}

#[test]
fn a_home_network_speaks_for_its_own_subscribers_only() {
    let mut relay = relay();
    up(&mut relay, 1, "mast");
    let other = "epc.mnc410.mcc310.3gppnetwork.org";
    for (realm, imsi) in [(other, PHONE), ("evil.example", PHONE), (HOME, "222010000000001")] {
        let octets = from_home(realm, imsi);
        let refused = step(&mut relay, 1, Input::FromHss { handle: Handle(1), octets: &octets });
        assert_eq!(outcome_of(&refused), Result_::Base(ResultCode::AUTHORIZATION_REJECTED), "{realm} {imsi}");
    }
}
