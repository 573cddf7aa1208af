//! A gateway without its orchestrator, in virtual time: weeks, and what is left afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use basalt_cloud_sync::{
    Denial, Down, Effect, Event, Identity, Input, Memory, Now, Page, Put, Settings, Sync, Up, UsageRecord,
};
use basalt_desired::{Digest, ItemKey};
use basalt_sansio::{Outbox, SecureSeed, Time};
use std::collections::BTreeMap;

const DAY: u64 = 24 * 3600;
/// Some moment of the wall clock, seconds since 1970.
const BEGIN: u64 = 1_800_000_000;

/// The gateway's surroundings: whether the orchestrator is there, and what was asked of the driver.
struct World {
    core: Sync,
    out: Outbox<Effect>,
    now: Time,
    reachable: bool,
    asked: BTreeMap<&'static str, u32>,
    sent: Vec<Up>,
    /// The ledger: what is not acknowledged, and what the orchestrator has, by number.
    ledger: Vec<UsageRecord>,
    received: BTreeMap<u64, u64>,
    /// Where streams were opened, and identities that were to be kept.
    opened: Vec<String>,
    kept: Vec<Identity>,
    /// The next answer to usage is lost.
    lose_answer: bool,
}

fn identity(from: u64) -> Identity {
    Identity {
        network: "lab".to_owned(),
        gateway: "north".to_owned(),
        address: "core:1".to_owned(),
        certificate: vec![1],
        authority: vec![2],
        not_before: from,
        not_after: from + 3 * DAY,
    }
}

impl World {
    fn new(seed: u8) -> Self {
        let now = Now { mono: Time::ZERO, unix_millis: BEGIN * 1000 };
        let memory = Memory { identity: Some(identity(BEGIN)), held: Vec::new(), events: (0, Vec::new()) };
        Self {
            core: Sync::new(Settings::default(), memory, 1, &SecureSeed([seed; 32]), now),
            out: Outbox::new(),
            now: Time::ZERO,
            reachable: true,
            asked: BTreeMap::new(),
            sent: Vec::new(),
            ledger: Vec::new(),
            received: BTreeMap::new(),
            opened: Vec::new(),
            kept: Vec::new(),
            lose_answer: false,
        }
    }

    fn unix(&self) -> u64 {
        BEGIN + self.now.as_secs()
    }

    /// Gives an input, and answers everything that the core asks for.
    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.core.step(Now { mono: self.now, unix_millis: self.unix() * 1000 }, input, &mut self.out);
            for effect in self.out.take() {
                inputs.extend(self.answer(effect));
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Vec<Input> {
        let gone = || Denial::Unreachable("away".to_owned());
        let mut count = |what| *self.asked.entry(what).or_default() += 1;
        match effect {
            Effect::Open(place) => {
                count("open");
                self.opened.push(place);
                let welcome = Down::Welcome { beat_seconds: 30, usage: (0, 0) };
                if self.reachable { vec![Input::Down(welcome), Input::Opened] } else { vec![Input::Closed(gone())] }
            }
            Effect::Renew(_) | Effect::ReEnrol(_) | Effect::Enrol(_) => {
                count(if matches!(effect, Effect::Renew(_)) { "renew" } else { "re-enrol" });
                let unix = self.unix();
                let address = self.core.identity().unwrap().address.clone();
                let issued = Identity { address, ..identity(unix) };
                vec![if self.reachable { Input::Issued(issued) } else { Input::NotIssued(gone()) }]
            }
            Effect::ReadUsage { most } => {
                let records = self.ledger.iter().take(most).cloned().collect();
                vec![Input::UsageRead { ledger: 7, records }]
            }
            Effect::AckUsage { through, .. } => {
                self.ledger.retain(|record| record.number > through);
                Vec::new()
            }
            Effect::KeepEvents { .. } => vec![Input::EventsKept],
            Effect::Apply(page) => vec![Input::Applied { page, refusals: Vec::new() }],
            Effect::Send(up) => {
                let answer = self.orchestrator(&up);
                self.sent.push(up);
                answer
            }
            Effect::Keep(identity) => {
                self.kept.push(identity);
                Vec::new()
            }
            Effect::Close | Effect::Run(_) | Effect::Tell(_) => Vec::new(),
        }
    }

    fn orchestrator(&mut self, up: &Up) -> Vec<Input> {
        if !self.reachable {
            return Vec::new();
        }
        match up {
            Up::Usage { ledger, records } => {
                // Stored by its number: one that comes again is stored once.
                self.received.extend(records.iter().map(|record| (record.number, record.uplink_bytes)));
                let through = records.last().unwrap().number;
                if std::mem::take(&mut self.lose_answer) {
                    return Vec::new();
                }
                vec![Input::Down(Down::Received {
                    events: (0, 0),
                    usage: (*ledger, through),
                    progress: 0,
                    data: (String::new(), 0),
                })]
            }
            Up::Events { epoch, events } => {
                let through = events.last().unwrap().number;
                vec![Input::Down(Down::Received {
                    events: (*epoch, through),
                    usage: (0, 0),
                    progress: 0,
                    data: (String::new(), 0),
                })]
            }
            Up::Beat => vec![Input::Down(Down::Page(Page::default()))],
            _ => Vec::new(),
        }
    }

    /// Lets time pass, as the core's timers say; at most so many wake-ups.
    fn pass(&mut self, seconds: u64) -> u32 {
        let end = self.now + core::time::Duration::from_secs(seconds);
        let mut wakeups = 0;
        while let Some(at) = self.core.next_wakeup().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step(Input::Wakeup);
            wakeups += 1;
            assert!(wakeups < 10_000_000, "it turns in a circle");
        }
        self.now = end;
        wakeups
    }

    fn use_up(&mut self, number: u64) {
        self.ledger.push(UsageRecord { number, uplink_bytes: number * 3, ..UsageRecord::default() });
        self.step(Input::UsageReady);
    }
}

fn event() -> Input {
    let text = || "something".to_owned();
    Input::Event(Event { at: 1, kind: text(), text: text(), json: text(), ..Event::default() })
}

#[test]
fn thirty_days_without_the_orchestrator() {
    for seed in 0..3 {
        let mut world = World::new(seed);
        world.step(Input::Wakeup);
        assert!(world.core.is_talking());
        // Some days with it: certificates are renewed by themselves.
        world.pass(7 * DAY);
        assert!(world.core.is_talking() && world.asked["renew"] >= 2, "{:?}", world.asked);
        world.reachable = false;
        world.step(Input::Closed(Denial::Unreachable("away".to_owned())));
        world.asked.clear();
        for hour in 0..30 * 24 {
            world.pass(3600);
            world.use_up(hour + 1);
            (0..50).for_each(|_| world.step(event()));
        }
        assert!(!world.core.is_talking());
        assert!(world.core.waiting_events() <= 2_000, "memory is bounded");
        let tries: u32 = world.asked.values().sum();
        assert!(tries < 30 * 24 * 3600 / 14, "it does not hammer: {tries}");
        assert!(world.asked["re-enrol"] > world.asked["open"], "after three days the certificate is over");
        world.reachable = true;
        world.lose_answer = true;
        world.sent.clear();
        world.pass(120);
        assert!(world.core.is_talking() && world.core.identity().unwrap().not_after > world.unix());
        // Usage is reconciled to the octet, also with an answer lost.
        assert!(world.ledger.is_empty());
        let expected: BTreeMap<u64, u64> = (1..=720).map(|number| (number, number * 3)).collect();
        assert_eq!(world.received, expected);
        world.step(event());
        let gap = world
            .sent
            .iter()
            .any(|up| matches!(up, Up::Events { events, .. } if events.iter().any(|e| e.kind == "events-dropped")));
        assert!(gap, "that events are missing is told");
        assert_eq!(world.core.waiting_events(), 0);
    }
}

#[test]
fn an_idle_gateway_says_next_to_nothing() {
    let mut world = World::new(1);
    world.step(Input::Wakeup);
    world.step(Input::CheckIn { state: "{}".to_owned(), urgent: false });
    world.step(Input::Metrics(BTreeMap::from([("x".to_owned(), 1.0)])));
    world.pass(60);
    world.sent.clear();
    // The daemon looks at its state every few seconds; nothing has changed.
    let mut wakeups = 0;
    for _ in 0..360 {
        world.step(Input::CheckIn { state: "{}".to_owned(), urgent: false });
        world.step(Input::Metrics(BTreeMap::from([("x".to_owned(), 1.0)])));
        wakeups += world.pass(10);
    }
    assert!(world.sent.iter().all(|up| matches!(up, Up::Beat)), "{:?}", world.sent);
    assert!(world.sent.len() <= 120 && wakeups <= 240, "{} {wakeups}", world.sent.len());
}

#[test]
fn pages_are_taken_once_and_told_when_they_are_durable() {
    let mut world = World::new(1);
    world.step(Input::Wakeup);
    world.sent.clear();
    let key = ItemKey { collection: "subscribers".to_owned(), name: "1".to_owned() };
    let put = Put { key: key.clone(), digest: Digest([1; 16]), body: "{}".to_owned(), secrets: BTreeMap::new() };
    let page = |number| Page { number, puts: vec![put.clone()], removes: Vec::new() };
    world.step(Input::Down(Down::Page(page(1))));
    let root = world.core.root();
    assert_eq!(world.sent, [Up::Applied { page: 1, root, refusals: Vec::new() }]);
    world.step(Input::Down(Down::Page(page(1))));
    assert_eq!(world.sent.len(), 1, "the same number again");
    // Changed by hand: the roots differ, and the orchestrator is told.
    world.step(Input::Changed(key));
    assert!(matches!(&world.sent[1], Up::Drifted { root: now } if *now != root));
    assert_ne!(world.core.root(), Digest::default());
}

#[test]
fn an_orchestrator_that_talks_nonsense_costs_nothing_but_its_own_messages() {
    let mut world = World::new(3);
    world.step(Input::Wakeup);
    let nonsense = [
        Down::Compare { comparison: u64::MAX, buckets: vec![Digest([9; 16]); 3] },
        Down::Received {
            events: (u64::MAX, u64::MAX),
            usage: (u64::MAX, u64::MAX),
            progress: u64::MAX,
            data: ("x".to_owned(), u64::MAX),
        },
        Down::Page(Page { number: u64::MAX, ..Page::default() }),
        Down::Page(Page { number: 0, ..Page::default() }),
        Down::Welcome { beat_seconds: 0, usage: (u64::MAX, u64::MAX) },
        Down::Welcome { beat_seconds: u32::MAX, usage: (1, 1) },
        Down::Beat,
        Down::Addresses(Vec::new()),
        Down::Addresses(vec![String::new(), "a,b".to_owned(), "x".repeat(10_000)]),
    ];
    for _ in 0..3 {
        for down in &nonsense {
            world.step(Input::Down(down.clone()));
        }
    }
    for (from, to) in [(0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (0, 0)] {
        world.step(Input::Issued(Identity { not_before: from, not_after: to, ..identity(1) }));
        world.pass(100);
    }
    world.step(Input::Down(Down::Goodbye { reason: "enough".to_owned(), not_before_seconds: u32::MAX }));
    assert!(!world.core.is_talking());
    world.step(Input::Issued(identity(world.unix())));
    world.pass(1200);
    assert!(world.core.is_talking(), "no refusal is final");
}

#[test]
fn a_gateway_goes_to_the_next_replica_when_one_is_away_and_stays_there() {
    let mut world = World::new(4);
    world.step(Input::Wakeup);
    let places = |names: &[&str]| Down::Addresses(names.iter().map(|name| (*name).to_owned()).collect());
    world.step(Input::Down(places(&["a:1", "b:1", "c:1"])));
    assert_eq!(world.core.identity().unwrap().address, "core:1,a:1,b:1,c:1", "where it is now stays");
    assert_eq!(world.kept.len(), 1, "it is kept");
    world.step(Input::Down(places(&["a:1", "b:1", "c:1"])));
    world.step(Input::Down(places(&[])));
    assert_eq!(world.kept.len(), 1, "nothing new");
    // All are away for a while: each is tried, in turns, with growing pauses.
    world.opened.clear();
    world.reachable = false;
    world.step(Input::Closed(Denial::Unreachable("away".to_owned())));
    world.pass(30);
    let tried: std::collections::BTreeSet<&str> = world.opened.iter().map(String::as_str).collect();
    assert_eq!(tried.len(), 4, "{:?}", world.opened);
    assert!(world.opened.windows(2).all(|two| two[0] != two[1]), "{:?}", world.opened);
    world.reachable = true;
    world.pass(60);
    assert!(world.core.is_talking());
    let last = world.opened.last().unwrap().clone();
    // The next certificate is used where it is.
    world.opened.clear();
    world.pass(3 * DAY);
    assert!(!world.opened.is_empty() && world.opened.iter().all(|place| *place == last), "{:?}", world.opened);
}

/// A paused replica: its connections stand, and it says nothing on them.
#[test]
fn a_replica_that_stands_still_costs_who_has_something_to_tell_seconds_and_an_idle_gateway_no_octet_more() {
    let silent_after = |places: &[&str], tell: bool| {
        let mut world = World::new(6);
        world.step(Input::Wakeup);
        world.step(Input::Down(Down::Addresses(places.iter().map(|place| (*place).to_owned()).collect())));
        world.pass(300);
        let before = world.sent.len();
        world.pass(600);
        let beats = world.sent.len() - before;
        assert!(beats <= 20 && world.sent[before..].iter().all(|up| matches!(up, Up::Beat)), "{beats} in ten minutes");
        world.reachable = false;
        if tell {
            world.step(event());
        }
        let begun = world.now;
        while world.core.is_talking() {
            world.pass(1);
            assert!(world.now.since(begun) < core::time::Duration::from_secs(200), "it never notices");
        }
        world.now.since(begun).as_secs()
    };
    let (several, one) = (&["core:1", "a:1"][..], &["core:1"][..]);
    assert!(silent_after(several, true) <= 7, "{}", silent_after(several, true));
    // Where there is no other place there is nothing to be gained.
    for (places, tell) in [(one, true), (one, false), (several, false)] {
        assert!((60..=91).contains(&silent_after(places, tell)), "{}", silent_after(places, tell));
    }
}

#[test]
fn what_somebody_may_want_to_act_on_is_told_at_once_and_the_rest_when_it_is_time() {
    let mut world = World::new(1);
    let check_in = |text: &str, urgent| Input::CheckIn { state: format!("\"{text}\""), urgent };
    world.step(Input::Wakeup);
    world.step(check_in("two base stations", false));
    world.sent.clear();
    let told = |world: &World| world.sent.iter().filter(|up| matches!(up, Up::CheckIn { .. })).count();
    world.step(check_in("one phone more", false));
    world.pass(8);
    assert_eq!(told(&world), 0, "not so soon after the last");
    world.step(check_in("one base station", true));
    assert_eq!(told(&world), 1);
    // Whatever comes and goes, once a second is enough.
    for _ in 0..50 {
        world.step(check_in("none", true));
        world.step(check_in("one base station", true));
    }
    world.step(check_in("none", true));
    assert_eq!(told(&world), 1);
    world.pass(1);
    assert_eq!(told(&world), 2);
    world.step(check_in("a phone less", false));
    world.pass(8);
    assert_eq!(told(&world), 2);
    world.pass(2);
    assert_eq!(told(&world), 3);
}
