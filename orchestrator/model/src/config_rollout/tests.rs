use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

/// Gateways as they take what they are given in a test.
struct World {
    rollout: ConfigRollout,
    facts: ConfigFacts,
    /// Gateways that take nothing.
    stubborn: BTreeSet<String>,
}

impl World {
    fn new(gateways: usize, change: impl FnOnce(&mut ConfigRolloutPlan)) -> Self {
        let mut plan: ConfigRolloutPlan = serde_json::from_value(json!({"soak_minutes": 5, "at_once": 2})).unwrap();
        change(&mut plan);
        plan.check().unwrap();
        let staged = StagedChange {
            kind: "apns".to_owned(),
            name: "internet".to_owned(),
            revision: Some(3),
            before: Some(json!({"qci": 9})),
            after: Some(json!({"qci": 8})),
        };
        let seen = ConfigSeen { first: true, connected: true, held: true, ..ConfigSeen::default() };
        let gateways = (0..gateways).map(|number| (format!("g{number:02}"), seen.clone())).collect();
        let facts = ConfigFacts { now: 1, gateways, ..ConfigFacts::default() };
        Self { rollout: ConfigRollout::new(plan, vec![staged]), facts, stubborn: BTreeSet::new() }
    }

    /// One step; who has the change laid over afterwards. Connected gateways take what they are given, but for the stubborn.
    fn step(&mut self) -> Vec<String> {
        self.rollout.step(&self.facts);
        let covered: BTreeSet<String> = self.rollout.covers().map(str::to_owned).collect();
        for (name, seen) in &mut self.facts.gateways {
            if seen.connected {
                seen.held = !covered.contains(name) || !self.stubborn.contains(name);
                seen.covered = covered.contains(name);
            }
        }
        covered.into_iter().collect()
    }

    fn gateway(&mut self, name: &str) -> &mut ConfigSeen {
        self.facts.gateways.get_mut(name).unwrap()
    }

    fn of(&self, name: &str) -> &ConfigGateway {
        &self.rollout.gateways[name]
    }
}

#[test]
fn some_have_it_first_then_the_others_a_few_at_a_time_and_the_objects_at_last() {
    let mut world = World::new(6, |plan| plan.canary_percent = 20);
    assert_eq!(world.step(), ["g00", "g01"], "20 % of 6, rounded up");
    world.step();
    assert_eq!(world.rollout.stage, ConfigStage::Soak(1 + 5 * MINUTE));
    world.facts.now += 5 * MINUTE - 1;
    assert_eq!(world.step(), ["g00", "g01"]);
    world.facts.now += 1;
    assert_eq!(world.step(), ["g00", "g01", "g02", "g03"]);
    assert_eq!(world.step().len(), 6);
    world.step();
    assert_eq!((world.rollout.stage, world.rollout.state), (ConfigStage::Change, RolloutState::Running));
    assert!(!world.rollout.act(RolloutAct::Cancel, "ann", 9), "the objects are being changed");
    assert_eq!(world.step().len(), 6, "until they are changed, it stays laid over");
    world.rollout.finished();
    assert!(world.step().is_empty() && !world.rollout.is_active());
}

#[test]
fn an_alarm_at_a_first_one_takes_it_away_again() {
    let mut world = World::new(10, |plan| plan.canary_percent = 20);
    world.facts.alarms.insert("g05".to_owned(), "peer-down".to_owned());
    world.step();
    world.step();
    assert_eq!(world.rollout.state, RolloutState::Running, "an alarm of one that does not have it says nothing");
    world.facts.alarms.insert("g01".to_owned(), "attach-low".to_owned());
    world.step();
    assert_eq!(world.rollout.state, RolloutState::RollingBack);
    assert_eq!(world.rollout.words, "g01: alarm attach-low after the change");
    assert!(world.step().is_empty(), "two at a time go back");
    world.step();
    assert_eq!(world.rollout.state, RolloutState::RolledBack);
    assert_eq!((world.of("g00").step, world.of("g05").step), (ConfigStep::Returned, ConfigStep::Waiting));
}

#[test]
fn one_that_does_not_take_it_or_has_it_not_in_force_has_failed() {
    let mut world = World::new(4, |plan| (plan.canary_percent, plan.roll_back, plan.most_failures) = (50, false, 1));
    world.stubborn.insert("g00".to_owned());
    world.step();
    world.step();
    world.facts.now += TAKE;
    world.step();
    assert_eq!((world.of("g00").step, world.of("g01").step), (ConfigStep::Failed, ConfigStep::Done));
    assert_eq!(world.rollout.state, RolloutState::Running, "one may fail");
    world.gateway("g01").refused = Some("no such interface".to_owned());
    world.step();
    assert_eq!((world.rollout.state, world.rollout.words.as_str()), (RolloutState::Paused, "g01: no such interface"));
    assert_eq!(world.step(), ["g00", "g01"], "while it is paused all stays as it is");
    world.stubborn.clear();
    world.gateway("g01").refused = None;
    assert!(world.rollout.act(RolloutAct::Resume, "ann", world.facts.now));
    world.step();
    world.step();
    assert!(matches!(world.rollout.stage, ConfigStage::Soak(_)), "judged anew: {:?}", world.rollout);
}

#[test]
fn what_somebody_else_changed_halts_it_at_any_stage() {
    for steps in 0..3 {
        let mut world = World::new(3, |plan| (plan.canary_percent, plan.soak_minutes) = (100, 0));
        for _ in 0..=steps {
            world.step();
        }
        world.facts.ground = Ground::Other("apns/internet was changed by bob".to_owned());
        world.step();
        assert_eq!(
            (world.rollout.state, world.rollout.words.as_str()),
            (RolloutState::RollingBack, "apns/internet was changed by bob")
        );
        for _ in 0..4 {
            world.step();
        }
        assert_eq!(world.rollout.state, RolloutState::RolledBack);
        assert_eq!(world.rollout.covers().count(), 0);
    }
}

#[test]
fn the_first_ones_are_of_the_tier_and_the_others_follow() {
    let mut world = World::new(6, |plan| (plan.canary_percent, plan.soak_minutes, plan.at_once) = (50, 0, 1));
    for name in ["g00", "g02", "g03", "g05"] {
        world.gateway(name).first = false;
    }
    assert_eq!(world.step(), ["g01"], "half of the tier's two");
    assert_eq!(world.step(), ["g01", "g04"], "the rest of the tier before the others");
    assert_eq!(world.step(), ["g00", "g01", "g04"]);
}

#[test]
fn who_is_away_is_not_waited_for_but_one_that_went_away_with_it_is() {
    let mut world = World::new(3, |plan| (plan.canary_percent, plan.soak_minutes) = (1, 1));
    world.gateway("g00").connected = false;
    assert_eq!(world.step(), ["g01"]);
    world.step();
    world.gateway("g01").connected = false;
    world.facts.now += MINUTE;
    assert_eq!(world.step(), ["g01"], "the soak does not end without it");
    world.gateway("g01").connected = true;
    assert_eq!(world.step(), ["g01", "g02"]);
    world.step();
    assert_eq!(world.rollout.stage, ConfigStage::Change, "g00 takes it from the objects when it is back");
    assert_eq!(world.of("g00").step, ConfigStep::Waiting);
}

#[test]
fn dropped_it_is_away_at_once_and_taken_back_a_few_at_a_time() {
    let mut world = World::new(4, |plan| (plan.canary_percent, plan.at_once) = (100, 2));
    world.step();
    world.step();
    assert_eq!(world.step().len(), 4);
    let before = world.rollout.clone();
    assert!(world.rollout.act(RolloutAct::Cancel, "ann", 9) && !world.rollout.act(RolloutAct::RollBack, "ann", 9));
    assert_eq!((world.step().len(), world.rollout.words.as_str()), (0, "by ann"));
    world.rollout = before;
    assert!(world.rollout.act(RolloutAct::RollBack, "ann", 9));
    assert_eq!(world.step().len(), 2);
    assert_eq!(world.step().len(), 0);
}

proptest! {
    /// Whatever gateways do, and whenever: no more than allowed are in between, nobody has it before its turn, and it comes to an end.
    #[test]
    fn it_always_ends(moves in proptest::collection::vec((0..7_usize, 0..6_u8), 0..150), at_once in 1..4_u32, back: bool) {
        let mut world = World::new(7, |plan| (plan.at_once, plan.roll_back, plan.soak_minutes) = (at_once, back, 1));
        for (number, what) in moves {
            let name = format!("g{number:02}");
            match what {
                0 => { world.stubborn.insert(name); }
                1 => { world.stubborn.remove(&name); }
                2 => world.gateway(&name).connected ^= true,
                3 if number == 0 => { world.facts.alarms.insert(name, "storm".to_owned()); }
                4 => world.gateway(&name).refused = (number == 1).then(|| "no".to_owned()),
                _ => world.facts.now += MINUTE,
            }
            world.step();
            let busy = |step| world.rollout.gateways.values().filter(|it| it.step == step).count();
            prop_assert!(busy(ConfigStep::Taking) <= at_once as usize && busy(ConfigStep::Returning) <= at_once as usize);
            if world.rollout.stage == ConfigStage::Canary {
                prop_assert!(world.rollout.gateways.values().all(|it| it.canary || it.step == ConfigStep::Waiting));
            }
            if world.rollout.stage == ConfigStage::Change && world.rollout.state == RolloutState::Running {
                world.rollout.finished();
            }
        }
        world.facts.gateways.values_mut().for_each(|seen| seen.connected = true);
        for _ in 0..60 {
            world.step();
            world.facts.now += MINUTE;
            if world.rollout.stage == ConfigStage::Change && world.rollout.state == RolloutState::Running {
                world.rollout.finished();
            }
        }
        let ended = !matches!(world.rollout.state, RolloutState::Running | RolloutState::RollingBack);
        prop_assert!(ended, "{:?}", world.rollout);
        prop_assert!(world.rollout.state == RolloutState::Paused || world.rollout.covers().count() == 0);
    }
}
