use super::*;
use proptest::prelude::*;

/// Gateways as they answer in a test.
struct World {
    rollout: Rollout,
    facts: Facts,
    /// Who was told what: command, gateway, back.
    told: Vec<Order>,
}

impl World {
    fn new(gateways: usize, change: impl FnOnce(&mut RolloutPlan)) -> Self {
        let mut plan: RolloutPlan =
            serde_json::from_str(r#"{"tier":"stable","release":"agwd-2","soak_minutes":5,"at_once":2}"#).unwrap();
        change(&mut plan);
        plan.check().unwrap();
        let seen = Seen { connected: true, version: "1".to_owned() };
        let gateways = (0..gateways).map(|number| (format!("g{number:02}"), seen.clone())).collect();
        let facts = Facts { now: 1, gateways, ..Facts::default() };
        Self { rollout: Rollout::new(plan, "2".to_owned()), facts, told: Vec::new() }
    }

    /// One step; who was told now.
    fn step(&mut self) -> Vec<String> {
        let orders = self.rollout.step("r", &self.facts);
        self.told.extend(orders.clone());
        for order in &orders {
            self.facts.commands.insert(order.command.clone(), ("queued".to_owned(), String::new()));
        }
        orders.into_iter().map(|order| order.gateway).collect()
    }

    /// All that were told and have not answered do.
    fn answer(&mut self, state: &str) {
        for order in &self.told {
            let command = self.facts.commands.get_mut(&order.command).unwrap();
            if command.0 == "queued" {
                *command = (state.to_owned(), "no disk".to_owned());
                if state == "done" {
                    let version = if order.back { "1" } else { "2" };
                    self.facts.gateways.get_mut(&order.gateway).unwrap().version = version.to_owned();
                }
            }
        }
    }

    fn state(&self, name: &str) -> Step {
        self.rollout.gateways[name].step
    }
}

#[test]
fn some_go_first_and_the_others_follow_a_few_at_a_time() {
    let mut world = World::new(6, |plan| plan.canary_percent = 20);
    assert_eq!(world.step(), ["g00", "g01"], "20 % of 6, rounded up");
    assert!(world.step().is_empty());
    world.answer("done");
    assert!(world.step().is_empty() && world.rollout.stage == Stage::Soak(1 + 5 * MINUTE));
    world.facts.now += 5 * MINUTE - 1;
    assert!(world.step().is_empty());
    world.facts.now += 1;
    assert_eq!(world.step(), ["g02", "g03"]);
    world.answer("done");
    assert_eq!(world.step(), ["g04", "g05"]);
    world.answer("done");
    world.step();
    assert_eq!(world.rollout.state, RolloutState::Done);
}

#[test]
fn a_failure_of_the_first_takes_everything_back() {
    let mut world = World::new(10, |plan| plan.canary_percent = 20);
    assert_eq!(world.step(), ["g00", "g01"]);
    // One does, one does not.
    world.facts.commands.insert("r-1".to_owned(), ("done".to_owned(), String::new()));
    world.facts.commands.insert("r-2".to_owned(), ("failed".to_owned(), "it hangs\n".to_owned()));
    assert!(world.step().is_empty() && world.rollout.state == RolloutState::RollingBack);
    assert_eq!(world.rollout.words, "g01: it hangs");
    assert_eq!(world.step(), ["g00"]);
    assert!(world.told.last().unwrap().back);
    world.answer("done");
    world.step();
    assert_eq!((world.rollout.state, world.state("g00")), (RolloutState::RolledBack, Step::Returned));
    assert_eq!(world.state("g05"), Step::Waiting);
}

#[test]
fn an_alarm_after_an_upgrade_counts_and_one_before_it_does_not() {
    let mut world = World::new(4, |plan| plan.roll_back = false);
    world.facts.alarms.insert("g03".to_owned(), "peer-down".to_owned());
    world.step();
    world.answer("done");
    world.step();
    assert_eq!(world.rollout.state, RolloutState::Running);
    world.facts.alarms.insert("g00".to_owned(), "attach-low".to_owned());
    world.step();
    assert_eq!(world.rollout.state, RolloutState::Paused);
    assert!(world.rollout.words.contains("attach-low"));
    world.facts.now += 10 * MINUTE;
    assert!(world.step().is_empty(), "nobody is told while it is paused");
    world.facts.alarms.clear();
    assert!(world.rollout.act(RolloutAct::Resume, "ann", 9) && !world.rollout.act(RolloutAct::Resume, "ann", 9));
    assert_eq!(world.step(), ["g01", "g02"], "the time of looking on has passed meanwhile");
    assert!(world.rollout.act(RolloutAct::RollBack, "ann", 9));
    world.answer("done");
    assert_eq!(world.step(), ["g00", "g01"]);
    world.answer("done");
    assert_eq!(world.step(), ["g02"]);
    world.answer("failed");
    world.step();
    assert_eq!((world.rollout.state, world.state("g02")), (RolloutState::RolledBack, Step::Failed));
}

#[test]
fn who_is_away_is_waited_for_and_who_comes_is_taken_along() {
    let mut world = World::new(2, |plan| (plan.canary_percent, plan.soak_minutes) = (100, 0));
    world.facts.gateways.get_mut("g01").unwrap().connected = false;
    assert_eq!(world.step(), ["g00"]);
    world.answer("interrupted");
    world.step();
    assert_eq!(world.step(), Vec::<String>::new());
    assert_eq!(world.told.len(), 2, "told once more after it restarted");
    world.answer("done");
    world.step();
    let late = Seen { connected: true, version: "1".to_owned() };
    world.facts.gateways.insert("g02".to_owned(), late);
    assert_eq!(world.step(), ["g02"]);
    world.answer("done");
    world.step();
    assert_eq!(world.rollout.state, RolloutState::Running, "one is away");
    world.facts.gateways.remove("g01");
    world.step();
    assert_eq!(world.rollout.state, RolloutState::Done);
}

#[test]
fn a_gateway_that_never_ends_its_command_fails_at_last() {
    let mut world = World::new(1, |plan| plan.roll_back = false);
    for _ in 0..20 {
        world.step();
        world.answer("expired");
    }
    assert_eq!((world.state("g00"), world.told.len()), (Step::Failed, TRIES as usize));
    assert_eq!(world.rollout.state, RolloutState::Paused);
}

#[test]
fn an_order_that_was_lost_is_given_again_under_the_same_name() {
    let mut world = World::new(1, |_| {});
    world.step();
    world.facts.commands.clear();
    assert_eq!(world.step(), ["g00"]);
    assert_eq!(world.told[0], world.told[1]);
}

proptest! {
    /// Whatever gateways answer, and whenever: no more than allowed at a time, none twice at once, and it comes to an end.
    #[test]
    fn it_always_ends(answers in proptest::collection::vec(0..6_usize, 0..200), at_once in 1..4_u32, back: bool) {
        let mut world = World::new(7, |plan| (plan.at_once, plan.roll_back, plan.soak_minutes) = (at_once, back, 1));
        let states = ["done", "failed", "expired", "interrupted", "running", "done"];
        for answer in answers {
            world.step();
            let busy = world.rollout.gateways.values().filter(|it| it.step == Step::Upgrading).count();
            prop_assert!(busy <= at_once as usize);
            let mut commands: Vec<&str> = world.rollout.commands().collect();
            commands.sort_unstable();
            commands.dedup();
            prop_assert_eq!(commands.len(), world.rollout.commands().count());
            if answer > 0 || !world.told.is_empty() {
                world.answer(states[answer]);
            }
            world.facts.now += MINUTE;
        }
        for _ in 0..60 {
            world.step();
            world.answer("done");
            for (state, _) in world.facts.commands.values_mut().filter(|(state, _)| state == "running") {
                *state = "done".to_owned();
            }
            world.facts.now += MINUTE;
        }
        let ended = !matches!(world.rollout.state, RolloutState::Running | RolloutState::RollingBack);
        prop_assert!(ended, "{:?}", world.rollout);
    }
}
