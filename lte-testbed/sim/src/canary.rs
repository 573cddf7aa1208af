//! One valid life of a phone with something changed in it, while a canary, a phone in another cell, keeps using the network.
//!
//! ```text
//!   canary  ── cell 0 ──┐
//!                       ├── gateway        every message of the villain, and every message of its base stations,
//!   villain ── cell 1 ──┤                  passes a Tap that may change, drop, double or invent
//!              cell 2 ──┘
//! ```
//! Whatever the tap does: nothing panics, the canary notices nothing, every check of the simulator holds, and a while later
//! nobody is half open.

use agw_types::UeState;
use basalt_ids::{Guti, MmeUeS1apId};
use basalt_sansio::{Duration, Time};
use testbed_ran::PhoneId;
use testbed_ue::{AttachKind, DetachKind, EmmState, Fault, Input};

use crate::report::Failure;
use crate::scenario::Scenario;
use crate::world::{Mood, World};
use crate::{Faults, Tap};

const CANARY: usize = 0;
const VILLAIN: usize = 1;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryReport {
    /// A digest of all effects of the gateway.
    pub fingerprint: u64,
    /// Things that the gateway counted or told because they were not right: dropped or unexpected messages, refusals, failed
    /// procedures, repetitions of what was not answered.
    pub complaints: u64,
    /// Attaches that succeeded, the canary's included.
    pub attaches: u64,
    /// Packets of the canary that passed.
    pub canary_packets: u64,
}

/// What counts as a complaint.
const COMPLAINTS: [&str; 8] = [
    "complaints",
    "discarded",
    "unexpected",
    "retransmissions",
    "failed attaches",
    "failed service requests",
    "failed updates",
    "other failures",
];

/// Seconds at which the villain does something.
const SCRIPT: [(u64, Deed); 12] = [
    (2, Deed::Attach),
    (5, Deed::Send),
    (17, Deed::Called),
    (30, Deed::Update(false)),
    (34, Deed::Update(true)),
    (37, Deed::SecondPdn),
    (40, Deed::Walk),
    (44, Deed::DropSecondPdn),
    (48, Deed::Detach(DetachKind::Normal)),
    (52, Deed::Attach),
    (56, Deed::Detach(DetachKind::SwitchOff)),
    (60, Deed::Battery),
];

#[derive(Clone, Copy)]
enum Deed {
    Attach,
    Send,
    Called,
    Update(bool),
    SecondPdn,
    Walk,
    DropSecondPdn,
    Detach(DetachKind),
    Battery,
}

/// Everything that was begun has ended by then: the guard of a procedure is 60 seconds.
const END: Time = Time::from_secs(150);
/// The canary's heartbeat.
const BEAT: Duration = Duration::from_secs(2);

/// Runs the story.
///
/// # Errors
/// The canary noticed something, or a check did not hold.
pub fn with_canary(seed: u64, tap: Box<dyn Tap>, faults: &[Fault]) -> Result<CanaryReport, Failure> {
    let scenario = Scenario { stations: 3, faults: Faults::NONE, ..Scenario::smooth(seed, 2, 2) };
    let failure = |what: String, world: Option<&World>| Failure {
        what,
        command: format!("the canary's story with seed {seed}"),
        diary: world.map(|world| world.checks.diary.lines()).unwrap_or_default(),
    };
    let mut world = World::new(&scenario).ok_or_else(|| failure("no world".to_owned(), None))?;
    world.mood = Mood::Told;
    world.checks.exempt(VILLAIN);
    world.tap = Some(Box::new(Around { tap }));
    (world.handsets[CANARY].station, world.handsets[VILLAIN].station) = (0, 1);
    faults.iter().for_each(|fault| world.handsets[VILLAIN].ue.add_fault(*fault));
    world.switch_on();
    world.run_until(Time::from_secs(1));
    world.phone(CANARY, Input::Attach(AttachKind::Usual));
    let mut canary = Canary::default();
    let mut script = SCRIPT.iter().peekable();
    while world.now < END && world.checks.failure().is_none() {
        while let Some((_, deed)) = script.next_if(|(at, _)| Time::from_secs(*at) <= world.now) {
            carry_out(&mut world, *deed);
        }
        canary.beat(&mut world);
        let id = connection_id(&world);
        let guti = world.handsets[CANARY].ue.guti();
        if let Some(tap) = &mut world.tap {
            tap.canary(guti, id);
        }
        let next = world.now + BEAT;
        world.run_until(next);
    }
    judge(&mut world, &canary);
    match world.checks.failure() {
        Some(what) => Err(failure(what.to_owned(), Some(&world))),
        None => Ok(report(&world, &canary)),
    }
}

fn report(world: &World, canary: &Canary) -> CanaryReport {
    let count = |what: &str| world.checks.counts.get(what).copied().unwrap_or_default();
    CanaryReport {
        fingerprint: world.checks.fingerprint(),
        complaints: COMPLAINTS.iter().map(|what| count(what)).sum(),
        attaches: count("attaches"),
        canary_packets: canary.packets,
    }
}

fn connection_id(world: &World) -> Option<MmeUeS1apId> {
    let connection = world.handsets[CANARY].connection?;
    world.stations[0].enb.connection(PhoneId(connection.0))?.mme_ue_id
}

fn carry_out(world: &mut World, deed: Deed) {
    let registered = world.handsets[VILLAIN].ue.state() == EmmState::Registered;
    match deed {
        Deed::Attach => world.phone(VILLAIN, Input::Attach(AttachKind::Usual)),
        Deed::Send if registered => world.phone(VILLAIN, Input::UplinkData),
        Deed::Called if registered => world.call(VILLAIN),
        Deed::Update(active) if registered => world.phone(VILLAIN, Input::Update { active }),
        Deed::SecondPdn if registered => world.phone(VILLAIN, Input::ConnectPdn("ims".parse().ok())),
        Deed::Walk => world.walk_to(VILLAIN, 2),
        Deed::DropSecondPdn => {
            let second = world.handsets[VILLAIN].ue.sessions().get(1).map(|session| session.ebi);
            if let Some(ebi) = second {
                world.phone(VILLAIN, Input::DisconnectPdn(ebi));
            }
        }
        Deed::Detach(kind) => world.phone(VILLAIN, Input::Detach(kind)),
        Deed::Battery => {
            world.handsets[VILLAIN].connection = None;
            world.phone(VILLAIN, Input::PowerCut);
        }
        Deed::Send | Deed::Called | Deed::Update(_) | Deed::SecondPdn => {}
    }
}

/// The canary sends and is called, falls idle, and comes back, over and over.
#[derive(Debug, Default)]
struct Canary {
    beats: u32,
    /// It was asked to come back, at the last beat.
    awaited: bool,
    packets: u64,
}

impl Canary {
    fn beat(&mut self, world: &mut World) {
        self.beats += 1;
        // Attached within the first beats; then five beats on, seven off: long enough to fall idle.
        if self.beats < 4 {
            return;
        }
        if world.handsets[CANARY].ue.state() != EmmState::Registered {
            let state = world.handsets[CANARY].ue.snapshot();
            world.checks.fail(format!("the canary is not registered: {state:?}"));
            return;
        }
        if self.beats % 12 >= 5 {
            self.awaited = false;
            return;
        }
        if world.handsets[CANARY].ue.bearers_up() {
            self.exchange(world);
        } else if std::mem::replace(&mut self.awaited, true) {
            world.checks.fail("the canary was called or wanted to send, and got no bearer".to_owned());
        } else if self.beats.is_multiple_of(24) {
            world.call(CANARY);
        } else {
            world.phone(CANARY, Input::UplinkData);
        }
    }

    fn exchange(&mut self, world: &mut World) {
        self.awaited = false;
        let before = world.checks.packets.uplink;
        world.send_packet(CANARY);
        if world.checks.packets.uplink != before + 1 {
            world.checks.fail("a packet of the canary did not pass".to_owned());
        }
        let Some((_, address)) = world.address_of(CANARY) else {
            world.checks.fail("the canary has no address".to_owned());
            return;
        };
        if !world.send_to(address) {
            world.checks.fail("a packet for the canary did not reach it".to_owned());
        }
        self.packets += 2;
    }
}

/// A while after everything: nobody is half open, and the canary is what it was.
fn judge(world: &mut World, canary: &Canary) {
    let Some(core) = world.gateway.core() else {
        world.checks.fail("the gateway is not there".to_owned());
        return;
    };
    let half_open = core.counts().half_open;
    let halfway: Vec<_> = core
        .ues()
        .filter(|view| matches!(view.state, UeState::Attaching | UeState::Detaching | UeState::Paging))
        .map(|view| view.description)
        .collect();
    let served = canary.packets > 20;
    if half_open > 0 || !halfway.is_empty() {
        world.checks.fail(format!("{half_open} are half open, {halfway:?} at the end"));
    }
    if !served {
        world.checks.fail(format!("only {} packets of the canary passed", canary.packets));
    }
}

/// Lets the tap see what is the villain's or of its base stations, and nothing else.
struct Around {
    tap: Box<dyn Tap>,
}

impl Tap for Around {
    fn nas(&mut self, phone: usize, nas: Vec<u8>) -> Vec<Vec<u8>> {
        if phone == VILLAIN { self.tap.nas(phone, nas) } else { vec![nas] }
    }

    fn s1ap(&mut self, station: usize, pdu: Vec<u8>) -> Vec<Vec<u8>> {
        if station == 0 { vec![pdu] } else { self.tap.s1ap(station, pdu) }
    }

    fn canary(&mut self, guti: Option<Guti>, mme_ue_id: Option<MmeUeS1apId>) {
        self.tap.canary(guti, mme_ue_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes everything on, and counts.
    struct Nothing;

    impl Tap for Nothing {
        fn nas(&mut self, _: usize, nas: Vec<u8>) -> Vec<Vec<u8>> {
            vec![nas]
        }
        fn s1ap(&mut self, _: usize, pdu: Vec<u8>) -> Vec<Vec<u8>> {
            vec![pdu]
        }
    }

    #[test]
    fn without_a_villain_nobody_complains() {
        let report = with_canary(1, Box::new(Nothing), &[]).unwrap();
        assert_eq!((report.complaints, report.attaches), (0, 3), "{report:?}");
        assert_eq!(with_canary(1, Box::new(Nothing), &[]).unwrap(), report);
    }
}
