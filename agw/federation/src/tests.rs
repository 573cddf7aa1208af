//! A gateway's questions, and federation gateways that do what tests want.

use super::*;
use agw_types::{
    Ambr, Answer, AuthFailure, AuthMaterial, Cancelled, PdnTypes, Question, Resync, Ticket, UeId, Unavailable,
};
use basalt_ids::{Ebi, Plmn, Tac};
use basalt_sansio::{Duration, SlotId};
use basalt_security::Secret;

fn imsi() -> Imsi {
    "999700000000001".parse().unwrap()
}

fn serving() -> Plmn {
    "001-01".parse().unwrap()
}

fn ticket(number: u16) -> Ticket {
    Ticket { ue: UeId(SlotId(1)), sequence: number }
}

struct World {
    federation: Federation,
    now: Time,
}

impl World {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(vec!["feg1".to_owned(), "feg2".to_owned()]);
        change(&mut config);
        Self { federation: Federation::new(config, &SecureSeed([1; 32])), now: Time::from_secs(1_000) }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut out = Effects::default();
        self.federation.step(self.now, input, &mut out);
        out.take()
            .into_iter()
            .filter(|effect| !matches!(effect, Effect::Count(_) | Effect::Tell(..) | Effect::Save(..)))
            .collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        self.now += time;
        self.step(Input::Wakeup)
    }

    fn up(&mut self) {
        self.step(Input::Up(Feg(0), false));
        self.step(Input::Up(Feg(1), false));
    }

    fn authenticate(&mut self, number: u16, resync: Option<Resync>) -> Vec<Effect> {
        self.step(Input::Ask(ticket(number), Question::Authenticate { imsi: imsi(), serving: serving(), resync }))
    }

    fn locate(&mut self, number: u16) -> Vec<Effect> {
        let imeisv = "3534900600000101".parse().ok();
        let question = Question::Profile { imsi: imsi(), serving: serving(), area: Tac(1), attach: true, imeisv };
        self.step(Input::Ask(ticket(number), question))
    }

    /// The phone is known and here.
    fn register(&mut self) {
        let (feg, id, _) = sent(&self.locate(900));
        let told = self.step(Input::Answered(feg, id, located(1_000)));
        assert!(matches!(&told[..], [Effect::Answer(_, Answer::Profile(..))]));
    }
}

fn sent(effects: &[Effect]) -> (Feg, u64, Wish) {
    match effects {
        [Effect::Send { feg, id, wish, .. }] => (*feg, *id, wish.clone()),
        other => panic!("{other:?}"),
    }
}

fn vector(number: u8) -> AuthMaterial {
    let (xres, kasme) = (Secret::new(vec![number; 8]), Secret::new([number; 32]));
    AuthMaterial { rand: [number; 16], autn: [number; 16], xres, kasme }
}

fn located(rate: u64) -> FegAnswer {
    let access = Access { context: 1, apn: "internet".parse().ok(), pdn_types: PdnTypes::Ipv4, qos: None, ambr: None };
    let accesses = Some(Accesses { default: 1, complete: true, list: vec![access] });
    let ambr = Some(Ambr { uplink: rate, downlink: rate });
    FegAnswer::Located(Box::new(Subscription { ambr, accesses, ..Subscription::default() }), "hss1".to_owned())
}

fn challenge(effects: &[Effect]) -> u8 {
    match effects {
        [Effect::Answer(_, Answer::Vector(vector)), ..] => vector.rand[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn vectors_are_used_in_order_and_once_each() {
    let mut world = World::new(|_| ());
    world.up();
    let (feg, id, wish) = sent(&world.authenticate(1, None));
    assert_eq!(wish, Wish::Vectors { count: 3, immediate: true, resync: None });
    let list = FegAnswer::Vectors(vec![vector(1), vector(2), vector(3)]);
    assert_eq!(challenge(&world.step(Input::Answered(feg, id, list.clone()))), 1);
    assert_eq!(world.step(Input::Answered(feg, id, list.clone())), [], "an answer counts once");
    let second = world.authenticate(2, None);
    assert_eq!((challenge(&second), second.len()), (2, 1));
    let third = world.authenticate(3, None);
    assert_eq!(challenge(&third), 3);
    // The last one was used: more are fetched behind it, and what was given before is not taken again.
    let (feg, id, wish) = sent(&third[1..]);
    assert_eq!(wish, Wish::Vectors { count: 3, immediate: false, resync: None });
    assert_eq!(world.step(Input::Answered(feg, id, list.clone())), []);
    let (feg, id, _) = sent(&world.authenticate(4, None));
    let refused = world.step(Input::Answered(feg, id, list));
    assert!(matches!(&refused[..], [Effect::Answer(_, Answer::NoVector(AuthFailure::Refused(17)))]));
}

#[test]
fn old_vectors_and_those_of_another_sequence_are_not_used() {
    let mut world = World::new(|_| ());
    world.up();
    let (feg, id, _) = sent(&world.authenticate(1, None));
    world.step(Input::Answered(feg, id, FegAnswer::Vectors(vec![vector(1), vector(2)])));
    let resync = Some(Resync { rand: [1; 16], auts: [9; 14] });
    let (feg, id, wish) = sent(&world.authenticate(2, resync));
    assert_eq!(wish, Wish::Vectors { count: 3, immediate: true, resync });
    assert_eq!(challenge(&world.step(Input::Answered(feg, id, FegAnswer::Vectors(vec![vector(7), vector(8)])))), 7);
    world.pass(Duration::from_secs(3_601));
    sent(&world.authenticate(3, None));
}

#[test]
fn a_reset_stream_refuses_nobody() {
    let mut world = World::new(|_| ());
    world.up();
    let (feg, id, _) = sent(&world.authenticate(1, None));
    let (other, again, _) = sent(&world.step(Input::Down(feg)));
    assert_eq!((other, again), (Feg(1 - feg.0), id), "the same number at the other");
    // That one goes as well; the question waits, and goes to the first that comes back.
    assert_eq!(world.step(Input::Down(other)), []);
    let (back, again, _) = sent(&world.step(Input::Up(other, false)));
    assert_eq!((back, again), (other, id));
    assert_eq!(challenge(&world.step(Input::Answered(other, id, FegAnswer::Vectors(vec![vector(1)])))), 1);
}

#[test]
fn a_silent_gateway_gives_way_to_the_other_and_no_answer_has_a_back_off() {
    let mut world = World::new(|_| ());
    world.up();
    let (feg, id, _) = sent(&world.authenticate(1, None));
    let (other, again, _) = sent(&world.pass(Duration::from_millis(1_400)));
    assert_eq!((other, again), (Feg(1 - feg.0), id));
    let over = world.pass(Duration::from_secs(2));
    let unreachable = AuthFailure::Unavailable(Unavailable::Unreachable);
    assert_eq!(over, [Effect::Answer(ticket(1), Answer::NoVector(unreachable))]);
    assert_eq!(world.step(Input::Answered(feg, id, FegAnswer::Vectors(vec![vector(1)]))), [], "too late");
    assert_eq!(world.federation.waiting(), 0);
}

#[test]
fn phones_are_shared_out_alike_and_move_only_when_they_must() {
    let mut world = World::new(|_| ());
    world.up();
    let mut count = [0; 2];
    for number in 0..100_u64 {
        let imsi = Imsi::new(999_700_000_000_000 + number, 15).unwrap();
        let question = Question::Authenticate { imsi, serving: serving(), resync: None };
        let (feg, ..) = sent(&world.step(Input::Ask(ticket(1), question)));
        count[feg.0] += 1;
    }
    assert!(count.iter().all(|count| *count > 25), "{count:?}");
    // One that drains is asked nothing new.
    world.step(Input::Up(Feg(0), true));
    assert_eq!(sent(&world.authenticate(2, None)).0, Feg(1));
}

#[test]
fn a_known_phone_is_carried_through_an_outage_and_confirmed_after_it() {
    let mut world = World::new(|_| ());
    world.up();
    world.register();
    world.step(Input::Down(Feg(0)));
    world.step(Input::Down(Feg(1)));
    // A while it is hoped that a stream comes back; then nobody waits any more.
    assert_eq!(world.locate(2), []);
    let carried = world.pass(Duration::from_secs(6));
    assert!(matches!(&carried[..], [Effect::Answer(_, Answer::Profile(..))]));
    let carried = world.locate(2);
    assert!(matches!(&carried[..], [Effect::Answer(_, Answer::Profile(profile, _))] if profile.ambr.uplink == 1_000));
    world.step(Input::Up(Feg(0), false));
    let (feg, id, wish) = sent(&world.pass(Duration::from_secs(2)));
    assert_eq!(wish, Wish::Locate { attach: false, imeisv: None });
    let changed = world.step(Input::Answered(feg, id, located(7_000)));
    assert!(matches!(&changed[..], [Effect::Changed(profile)] if profile.ambr.uplink == 7_000));
    // What is too old carries nobody.
    world.step(Input::Down(Feg(0)));
    world.pass(Duration::from_secs(90_000));
    let unreachable = AuthFailure::Unavailable(Unavailable::Unreachable);
    assert_eq!(world.locate(3), [Effect::Answer(ticket(3), Answer::NoProfile(unreachable))]);
}

#[test]
fn a_home_network_refuses_with_its_cause() {
    let mut world = World::new(|_| ());
    world.up();
    for (cause, told) in [(11, 11), (8, 8), (42, 42), (99, 17), (0, 17)] {
        let (feg, id, _) = sent(&world.locate(1));
        let refused = world.step(Input::Answered(feg, id, FegAnswer::Refused(cause, "no".to_owned())));
        assert_eq!(refused, [Effect::Answer(ticket(1), Answer::NoProfile(AuthFailure::Refused(told)))]);
    }
}

#[test]
fn requests_of_the_home_network_reach_the_phone() {
    let mut world = World::new(|_| ());
    world.up();
    let cancel = || HomeRequest::Cancel(imsi(), Cancelled::Withdrawn);
    assert_eq!(world.step(Input::Home(Feg(0), 1, cancel())), [Effect::Reply(Feg(0), 1, Outcome::Unknown)]);
    world.register();
    let FegAnswer::Located(change, _) = located(5) else { panic!() };
    let effects = world.step(Input::Home(Feg(1), 2, HomeRequest::Insert(imsi(), change, 0)));
    assert!(
        matches!(&effects[..], [Effect::Changed(profile), Effect::Reply(_, 2, Outcome::Done)] if profile.ambr.uplink == 5)
    );
    let reset = HomeRequest::Reset(vec!["99970".to_owned()], "HSS1".to_owned());
    assert_eq!(world.step(Input::Home(Feg(0), 3, reset)), [Effect::Reply(Feg(0), 3, Outcome::Done)]);
    let (feg, id, _) = sent(&world.pass(Duration::from_secs(2)));
    world.step(Input::Answered(feg, id, located(5)));
    let effects = world.step(Input::Home(Feg(0), 4, cancel()));
    let expected = [Effect::Cancelled(imsi(), Cancelled::Withdrawn), Effect::Reply(Feg(0), 4, Outcome::Done)];
    assert_eq!(effects, expected);
    assert_eq!(world.federation.remembered(), 0);
}

#[test]
fn equipment_is_checked_before_the_phone_is_located() {
    let mut world = World::new(|config| config.equipment.check = true);
    world.up();
    let refusal = [Effect::Answer(ticket(1), Answer::NoProfile(AuthFailure::Refused(6)))];
    for (status, served) in [
        (FegAnswer::Equipment(EquipmentStatus::Permitted), true),
        (FegAnswer::Equipment(EquipmentStatus::Tracked), true),
        (FegAnswer::Equipment(EquipmentStatus::Prohibited), false),
        (FegAnswer::Refused(6, String::new()), true),
    ] {
        let (feg, id, wish) = sent(&world.locate(1));
        assert!(matches!(wish, Wish::Check(_)));
        let effects = world.step(Input::Answered(feg, id, status));
        if served {
            assert!(matches!(sent(&effects).2, Wish::Locate { attach: true, imeisv: Some(_) }));
        } else {
            assert_eq!(effects, refusal);
        }
    }
}

#[test]
fn a_phone_that_is_gone_for_long_is_purged() {
    let mut world = World::new(|_| ());
    world.up();
    world.register();
    world.step(Input::Left(imsi()));
    let (_, _, wish) = sent(&world.pass(Duration::from_secs(86_401)));
    assert_eq!(wish, Wish::Purge);
    assert_eq!(world.federation.remembered(), 0);
}

#[test]
fn questions_have_a_bound() {
    let mut world = World::new(|config| config.waiting = 2);
    world.up();
    sent(&world.authenticate(1, None));
    sent(&world.authenticate(2, None));
    let overload = AuthFailure::Unavailable(Unavailable::Overload);
    assert_eq!(world.authenticate(3, None), [Effect::Answer(ticket(3), Answer::NoVector(overload))]);
}

/// The disk has what was saved; a crash comes at any moment after a vector was given out.
#[test]
fn no_vector_is_given_out_twice_whenever_the_gateway_dies() {
    let mut world = World::new(|config| config.vectors = 5);
    world.up();
    let (feg, id, _) = sent(&world.authenticate(1, None));
    let mut disk = None;
    let mut given = Vec::new();
    let mut input = Input::Answered(feg, id, FegAnswer::Vectors((1..=5).map(vector).collect()));
    for life in 0..5 {
        let mut out = Effects::default();
        world.federation.step(world.now, input, &mut out);
        for effect in out.take() {
            match effect {
                Effect::Save(imsi, _) => disk = world.federation.remembered_of(world.now, 50, imsi),
                Effect::Answer(_, Answer::Vector(vector)) => given.push(vector.rand),
                _ => {}
            }
        }
        // It dies, and comes back with what it had saved.
        world = World::new(|config| config.vectors = 5);
        world.federation.restore(world.now, 50, disk.clone().unwrap());
        input = Input::Ask(ticket(life + 2), Question::Authenticate { imsi: imsi(), serving: serving(), resync: None });
    }
    assert_eq!(given, (1..=5).map(|number| [number; 16]).collect::<Vec<_>>());
    // The next one is asked for, and what was used is recognised.
    world.up();
    let (feg, id, _) = sent(&world.authenticate(9, None));
    let refused = world.step(Input::Answered(feg, id, FegAnswer::Vectors(vec![vector(3)])));
    assert_eq!(refused, [Effect::Answer(ticket(9), Answer::NoVector(AuthFailure::Refused(17)))]);
    // What is over does not come back.
    let mut late = World::new(|_| ());
    late.federation.restore(late.now, 50 + 90_000, disk.unwrap());
    let unreachable = Answer::NoVector(AuthFailure::Unavailable(Unavailable::Unreachable));
    late.step(Input::Wakeup);
    late.pass(Duration::from_secs(10));
    assert_eq!(late.authenticate(1, None), [Effect::Answer(ticket(1), unreachable)]);
}

#[test]
fn a_home_network_that_wants_to_know_hears_when_the_phone_is_reachable() {
    let mut world = World::new(|_| ());
    world.up();
    world.register();
    let asks = |flags| HomeRequest::Insert(imsi(), Box::default(), flags);
    // How it is and where: the gateway that knows says so; nothing of the subscription changes.
    let effects = world.step(Input::Home(Feg(0), 1, asks(4 | 8)));
    assert_eq!(effects, [Effect::Report { feg: Feg(0), id: 1, imsi: imsi(), state: true, location: true }]);
    // It is idle: the home network hears of it when it shows itself, once.
    assert_eq!(world.step(Input::Home(Feg(0), 2, asks(1))), [Effect::Reply(Feg(0), 2, Outcome::Done)]);
    let (feg, id, wish) = sent(&world.step(Input::Connected(imsi(), true)));
    assert_eq!(wish, Wish::Reachable);
    world.step(Input::Answered(feg, id, FegAnswer::Done));
    assert_eq!(world.step(Input::Connected(imsi(), true)), []);
    // It is connected: at once. Nobody can tell it: the next time.
    let effects = world.step(Input::Home(Feg(0), 3, asks(1)));
    assert!(matches!(&effects[..], [Effect::Reply(..), Effect::Send { wish: Wish::Reachable, .. }]));
    world.pass(Duration::from_secs(10));
    assert_eq!(world.step(Input::Connected(imsi(), false)), []);
    assert_eq!(sent(&world.step(Input::Connected(imsi(), true))).2, Wish::Reachable);
}

#[test]
fn what_a_home_network_waits_for_outlives_a_restart() {
    let mut world = World::new(|_| ());
    world.up();
    world.register();
    world.step(Input::Connected(imsi(), false));
    let asked = HomeRequest::Insert(imsi(), Box::default(), 1);
    let effects = world.step(Input::Home(Feg(0), 7, asked));
    assert!(matches!(&effects[..], [Effect::Reply(..)]), "it is not connected: {effects:?}");
    let kept = world.federation.remembered_of(world.now, 1_000, imsi()).unwrap();
    assert!(kept.awaited);
    let mut after = World::new(|_| ());
    after.federation.restore(after.now, 1_000, kept);
    after.up();
    assert_eq!(sent(&after.step(Input::Connected(imsi(), true))).2, Wish::Reachable);
}

#[test]
fn zones_are_looked_at_by_tracking_area() {
    let areas = [(Tac(1), vec![7]), (Tac(2), vec![8])];
    let mut world = World::new(|config| config.zones = Zones { areas: areas.into(), others: Vec::new() });
    world.up();
    let zoned = |code| {
        let FegAnswer::Located(mut subscription, hss) = located(1_000) else { panic!("no subscription") };
        subscription.zone_codes = vec![code];
        FegAnswer::Located(subscription, hss)
    };
    let (feg, id, _) = sent(&world.locate(1));
    let refused = world.step(Input::Answered(feg, id, zoned(8)));
    let answer = Answer::NoProfile(AuthFailure::Refused(12));
    assert!(refused.contains(&Effect::Answer(ticket(1), answer)), "{refused:?}");
    let (feg, id, _) = sent(&world.locate(2));
    let served = world.step(Input::Answered(feg, id, zoned(7)));
    let barred =
        |effect: &Effect| matches!(effect, Effect::Answer(_, Answer::Profile(_, barred)) if barred[..] == [Tac(2)]);
    assert!(served.iter().any(barred), "{served:?}");
}

const PGW: &str = "192.0.2.8";

fn anchored(config: &mut Config) {
    config.pdn_gateway = Some(PdnGateway::Address(PGW.parse().unwrap()));
}

fn started(world: &mut World, ebi: u8, apn: &str) -> Vec<Effect> {
    world.step(Input::Session(imsi(), Ebi::new(ebi).unwrap(), apn.parse().ok()))
}

#[test]
fn a_home_network_is_told_once_which_gateway_has_a_session() {
    let mut world = World::new(anchored);
    world.up();
    world.register();
    let (feg, id, wish) = sent(&started(&mut world, 5, "internet"));
    let gateway = PdnGateway::Address(PGW.parse().unwrap());
    assert_eq!(wish, Wish::Gateway { context: Some(1), apn: "internet".parse().unwrap(), gateway });
    world.step(Input::Answered(feg, id, FegAnswer::Done));
    // Another access point is another matter; one that is not subscribed for has no context.
    let (feg, id, wish) = sent(&started(&mut world, 6, "ims"));
    assert!(matches!(wish, Wish::Gateway { context: None, .. }));
    world.step(Input::Answered(feg, id, FegAnswer::Done));
    // It is called otherwise now: of the session that stands, the home network hears it.
    world.step(Input::Session(imsi(), Ebi::new(6).unwrap(), None));
    let mut config = Config::new(vec!["feg1".to_owned(), "feg2".to_owned()]);
    let (host, realm) = ("pgw.epc.example".to_owned(), "epc.example".to_owned());
    config.pdn_gateway = Some(PdnGateway::Host { host, realm });
    world.federation.configure(config.clone());
    let (_, _, wish) = sent(&world.pass(Duration::ZERO));
    assert!(matches!(wish, Wish::Gateway { gateway: PdnGateway::Host { .. }, context: Some(1), .. }));
    world.federation.configure(config);
    assert_eq!(world.pass(Duration::from_secs(1)), []);
}

#[test]
fn nobody_is_told_of_a_gateway_without_need() {
    let mut world = World::new(|_| ());
    world.up();
    world.register();
    assert_eq!(started(&mut world, 5, "internet"), [], "no other access leads to this gateway");
    let mut world = World::new(anchored);
    world.up();
    let (feg, id, _) = sent(&world.locate(1));
    let FegAnswer::Located(mut subscription, hss) = located(1_000) else { panic!("no subscription") };
    subscription.access_restriction = Some(1 << 5);
    world.step(Input::Answered(feg, id, FegAnswer::Located(subscription, hss)));
    assert_eq!(started(&mut world, 5, "internet"), [], "the phone may not leave for another access");
}

#[test]
fn who_does_not_answer_or_forgets_is_told_of_the_gateway_again() {
    let mut world = World::new(anchored);
    world.up();
    world.register();
    let (feg, id, _) = sent(&started(&mut world, 5, "internet"));
    // Nor does anybody else.
    let (feg, id, _) = sent(&world.step(Input::Answered(feg, id, FegAnswer::Unavailable)));
    world.step(Input::Answered(feg, id, FegAnswer::Unavailable));
    let confirm = |world: &mut World, time| {
        let (feg, id, wish) = sent(&world.pass(time));
        assert!(matches!(wish, Wish::Locate { attach: false, .. }));
        let effects = world.step(Input::Answered(feg, id, located(1_000)));
        let told = |effect: &Effect| match effect {
            Effect::Send { feg, id, wish: Wish::Gateway { .. }, .. } => Some((*feg, *id)),
            _ => None,
        };
        let (feg, id) = effects.iter().find_map(told).expect("it is told");
        world.step(Input::Answered(feg, id, FegAnswer::Done));
    };
    confirm(&mut world, Duration::from_secs(11));
    world.step(Input::Home(Feg(0), 1, HomeRequest::Reset(Vec::new(), "hss1".to_owned())));
    confirm(&mut world, Duration::from_secs(2));
}
