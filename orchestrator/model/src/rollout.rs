//! The upgrade of all gateways of a tier: some first, a while of looking on, then the others, a few at a time; halted and taken back when
//! it does harm.
//!
//! ```text
//! running: canary -> soak -> rest -> done          paused <-> running
//!     └─ a failure too many, or an alarm ─► rolling-back -> rolled-back   (or paused, when that is wanted)
//! ```
//! [`Rollout::step`] is a pure function of what is known; whoever calls it keeps the rollout first and carries the orders out then. An
//! order that was lost is given again.

use crate::check::Checker;
use crate::{AutomaticUpgrades, UpgradeWindow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A gateway may be asked so often until it counts as failed: commands expire while it is away, and end when it restarts.
const TRIES: u32 = 3;
const MINUTE: i64 = 60_000;

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutPlan {
    /// Of which tier the gateways are.
    pub tier: String,
    /// Name of the release.
    pub release: String,
    /// Per cent of the gateways that go first, at least one: 1 to 100.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    pub canary_percent: u32,
    /// Minutes that those are looked at before the others follow, 0 to 10080.
    #[serde(default = "thirty")]
    #[schema(minimum = 0, maximum = 10_080, default = 30)]
    pub soak_minutes: u32,
    /// Gateways that are upgraded at a time, 1 to 1000.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    pub at_once: u32,
    /// Gateways that may fail before it is halted, 0 to 1000.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    pub most_failures: u32,
    /// When it is halted, gateways that were upgraded go back to what they ran; otherwise it is paused.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub roll_back: bool,
    /// Octets in a second that one gateway fetches at most; 0 is as fast as they come.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub rate: u32,
    /// An older version than the present one is wanted.
    #[serde(default)]
    pub downgrade: bool,
}

const fn ten() -> u32 {
    10
}

const fn thirty() -> u32 {
    30
}

const fn yes() -> bool {
    true
}

impl RolloutPlan {
    /// What is wrong with it.
    ///
    /// # Errors
    /// Each field that is.
    pub fn check(&self) -> Result<(), Vec<crate::FieldError>> {
        let mut c = Checker::default();
        c.range("canary_percent", self.canary_percent, 1..=100);
        c.range("soak_minutes", self.soak_minutes, 0..=10_080);
        c.range("at_once", self.at_once, 1..=1000);
        c.range("most_failures", self.most_failures, 0..=1000);
        c.range("rate", self.rate, 0..=1_000_000_000);
        let errors = c.into_errors();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// How a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutState {
    /// It goes on.
    Running,
    /// It waits for somebody to resume or roll it back.
    Paused,
    /// Gateways go back to what they ran.
    RollingBack,
    /// All gateways run the release.
    Done,
    /// No gateway runs it that did not before.
    RolledBack,
    /// It was left as it was.
    Cancelled,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The first ones.
    Canary,
    /// They are looked at, until a time in milliseconds since 1970.
    Soak(i64),
    /// All.
    Rest,
}

/// How one gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Not yet.
    Waiting,
    /// It was told to.
    Upgrading,
    /// It runs the release.
    Done,
    /// It does not, or it does and harm came of it.
    Failed,
    /// It was told to go back.
    Returning,
    /// It runs what it ran before.
    Returned,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayStep {
    /// How it is.
    pub step: Step,
    /// Of the first ones.
    pub canary: bool,
    /// It was brought to the release by this rollout, and can be taken back.
    pub upgraded: bool,
    /// The last command.
    pub command: String,
    /// How often it was told.
    pub tries: u32,
    /// Since when it is so, milliseconds since 1970.
    pub at: i64,
    /// Why.
    pub words: String,
}

/// A rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// What is wanted.
    pub plan: RolloutPlan,
    /// The release's version.
    pub version: String,
    /// How it is.
    pub state: RolloutState,
    /// How far.
    pub stage: Stage,
    /// Why it is so.
    pub words: String,
    /// Its gateways.
    pub gateways: BTreeMap<String, GatewayStep>,
    /// Numbers its commands.
    pub next: u64,
    /// It began by itself: for gateways that are willing alone, at the times that are set for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticUpgrades>,
}

/// What is known of a gateway of the tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// It is connected.
    pub connected: bool,
    /// What it runs.
    pub version: String,
}

/// What is known now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Milliseconds since 1970.
    pub now: i64,
    /// Gateways of the tier.
    pub gateways: BTreeMap<String, Seen>,
    /// State and words of the rollout's commands, as far as there are any.
    pub commands: BTreeMap<String, (String, String)>,
    /// Alarms since each gateway was upgraded: the last one's kind.
    pub alarms: BTreeMap<String, String>,
}

/// What a gateway is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub gateway: String,
    /// By which it is known.
    pub command: String,
    /// Back to what it ran before.
    pub back: bool,
}

/// What somebody may have a rollout do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutAct {
    /// Tell no more gateways.
    Pause,
    /// Go on; gateways that failed are told again.
    Resume,
    /// Bring gateways back to what they ran.
    RollBack,
    /// Leave everything as it is.
    Cancel,
}

impl Rollout {
    /// A new one.
    #[must_use]
    pub fn new(plan: RolloutPlan, version: String) -> Self {
        let (state, stage) = (RolloutState::Running, Stage::Canary);
        let (words, gateways) = (String::new(), BTreeMap::new());
        Self { plan, version, state, stage, words, gateways, next: 0, automatic: None }
    }

    /// Whether it goes on by itself.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, RolloutState::Running | RolloutState::Paused | RolloutState::RollingBack)
    }

    /// Commands whose state matters.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let open = |it: &&GatewayStep| matches!(it.step, Step::Upgrading | Step::Returning);
        self.gateways.values().filter(open).map(|it| it.command.as_str())
    }

    /// Does what somebody wants; false when it cannot be now.
    pub fn act(&mut self, act: RolloutAct, who: &str, now: i64) -> bool {
        use RolloutState::{Cancelled, Paused, RolledBack, RollingBack, Running};
        let next = match (act, self.state) {
            (RolloutAct::Pause, Running) => Paused,
            (RolloutAct::Resume, Paused) => Running,
            (RolloutAct::RollBack, Running | Paused | RolloutState::Done | Cancelled) => RollingBack,
            (RolloutAct::Cancel, Running | Paused | RollingBack) => Cancelled,
            (_, RolledBack | Cancelled | RolloutState::Done | Running | Paused | RollingBack) => return false,
        };
        if act == RolloutAct::Resume {
            for it in self.gateways.values_mut().filter(|it| it.step == Step::Failed) {
                let step = if it.upgraded { Step::Done } else { Step::Waiting };
                *it = GatewayStep { step, tries: 0, at: now, words: String::new(), ..it.clone() };
            }
        }
        self.state = next;
        self.words = format!("by {who}");
        true
    }

    /// Goes on as far as what is known allows; what gateways are to be told now.
    pub fn step(&mut self, id: &str, facts: &Facts) -> Vec<Order> {
        let mut orders = Vec::new();
        self.hear(facts, &mut orders);
        match self.state {
            RolloutState::Running => {
                self.follow_tier(facts);
                if !self.halt(facts) {
                    self.forward(id, facts, &mut orders);
                }
            }
            RolloutState::RollingBack => self.backward(id, facts, &mut orders),
            _ => {}
        }
        orders
    }

    /// What became of what gateways were told.
    fn hear(&mut self, facts: &Facts, orders: &mut Vec<Order>) {
        for (name, it) in &mut self.gateways {
            let back = match it.step {
                Step::Upgrading => false,
                Step::Returning => true,
                _ => continue,
            };
            let Some((state, words)) = facts.commands.get(&it.command) else {
                // Whoever kept the rollout did not come to telling the gateway.
                orders.push(Order { gateway: name.clone(), command: it.command.clone(), back });
                continue;
            };
            let (step, words) = match state.as_str() {
                "done" if back => (Step::Returned, String::new()),
                "done" => (Step::Done, String::new()),
                "failed" | "not-supported" => (Step::Failed, words.lines().last().unwrap_or("no words").to_owned()),
                "expired" | "interrupted" if it.tries >= TRIES => (Step::Failed, format!("{state}, {TRIES} times")),
                "expired" | "interrupted" if back => (Step::Done, String::new()),
                "expired" | "interrupted" => (Step::Waiting, String::new()),
                _ => continue,
            };
            if state == "done" {
                it.tries = 0;
            }
            // One that could not go back is left to people.
            it.upgraded = if back { step == Step::Done } else { it.upgraded || step == Step::Done };
            (it.step, it.words, it.at) = (step, words, facts.now);
        }
    }

    /// Gateways come into the tier and leave it.
    fn follow_tier(&mut self, facts: &Facts) {
        self.gateways.retain(|name, it| facts.gateways.contains_key(name) || it.step != Step::Waiting);
        for name in facts.gateways.keys() {
            self.gateways.entry(name.clone()).or_insert_with(|| GatewayStep {
                step: Step::Waiting,
                canary: false,
                upgraded: false,
                command: String::new(),
                tries: 0,
                at: facts.now,
                words: String::new(),
            });
        }
        for (name, it) in self.gateways.iter_mut().filter(|(_, it)| it.step == Step::Waiting) {
            // Upgraded by somebody else, or before.
            if facts.gateways.get(name).is_some_and(|seen| seen.version == self.version) {
                (it.step, it.at) = (Step::Done, facts.now);
            }
        }
    }

    /// Whether it must not go on.
    fn halt(&mut self, facts: &Facts) -> bool {
        for (name, it) in self.gateways.iter_mut().filter(|(_, it)| it.step == Step::Done && it.upgraded) {
            if let Some(kind) = facts.alarms.get(name) {
                (it.step, it.at, it.words) = (Step::Failed, facts.now, format!("alarm {kind} after the upgrade"));
            }
        }
        let failed: Vec<(&String, &GatewayStep)> =
            self.gateways.iter().filter(|(_, it)| it.step == Step::Failed).collect();
        let Some((name, last)) = failed.iter().max_by_key(|(_, it)| it.at) else { return false };
        if failed.len() <= self.plan.most_failures as usize {
            return false;
        }
        self.words = format!("{name}: {}", last.words);
        self.state = if self.plan.roll_back { RolloutState::RollingBack } else { RolloutState::Paused };
        true
    }

    fn forward(&mut self, id: &str, facts: &Facts, orders: &mut Vec<Order>) {
        if self.stage == Stage::Canary {
            self.choose(facts);
            let mut first = self.gateways.values().filter(|it| it.canary).peekable();
            if first.peek().is_some() && first.all(|it| matches!(it.step, Step::Done | Step::Failed)) {
                self.stage = Stage::Soak(facts.now + MINUTE * i64::from(self.plan.soak_minutes));
            }
        }
        if let Stage::Soak(until) = self.stage
            && until <= facts.now
        {
            self.stage = Stage::Rest;
        }
        let all = self.stage == Stage::Rest;
        if all && self.gateways.values().all(|it| matches!(it.step, Step::Done | Step::Failed)) {
            self.state = RolloutState::Done;
            return;
        }
        if self.window().is_some_and(|window| !window.is_open(facts.now)) {
            return;
        }
        let busy = self.gateways.values().filter(|it| it.step == Step::Upgrading).count();
        let room = (self.plan.at_once as usize).saturating_sub(busy);
        let connected = |name: &String| facts.gateways.get(name).is_some_and(|seen| seen.connected);
        let waiting = self.gateways.iter_mut().filter(|(_, it)| it.step == Step::Waiting && (all || it.canary));
        for (name, it) in waiting.filter(|(name, _)| connected(name)).take(room) {
            tell(&mut self.next, id, Step::Upgrading, (name, it), facts.now, orders);
        }
    }

    /// When gateways are told to upgrade; back they go at any time.
    fn window(&self) -> Option<&UpgradeWindow> {
        self.automatic.as_ref()?.window.as_ref()
    }

    /// Which gateways go first: of those that are connected, by name. All that run the release already are enough, too.
    fn choose(&mut self, facts: &Facts) {
        let chosen = self.gateways.values().filter(|it| it.canary).count();
        let wanted = (self.gateways.len() * self.plan.canary_percent as usize).div_ceil(100);
        let connected = |name: &String| facts.gateways.get(name).is_some_and(|seen| seen.connected);
        let rest =
            self.gateways.iter_mut().filter(|(name, it)| !it.canary && it.step == Step::Waiting && connected(name));
        rest.take(wanted.saturating_sub(chosen)).for_each(|(_, it)| it.canary = true);
        if !self.gateways.is_empty() && self.gateways.values().all(|it| it.step == Step::Done) {
            self.stage = Stage::Rest;
        }
    }

    fn backward(&mut self, id: &str, facts: &Facts, orders: &mut Vec<Order>) {
        let busy = self.gateways.values().filter(|it| it.step == Step::Returning).count();
        let room = (self.plan.at_once as usize).saturating_sub(busy);
        let settled = |it: &GatewayStep| matches!(it.step, Step::Done | Step::Failed);
        let upgraded = self.gateways.iter_mut().filter(|(_, it)| it.upgraded && settled(it));
        for (name, it) in upgraded.take(room) {
            tell(&mut self.next, id, Step::Returning, (name, it), facts.now, orders);
        }
        let open =
            |it: &GatewayStep| matches!(it.step, Step::Upgrading | Step::Returning) || it.upgraded && settled(it);
        if !self.gateways.values().any(open) {
            self.state = RolloutState::RolledBack;
        }
    }
}

fn tell(
    next: &mut u64,
    id: &str,
    step: Step,
    (name, it): (&String, &mut GatewayStep),
    now: i64,
    orders: &mut Vec<Order>,
) {
    *next += 1;
    it.tries += 1;
    (it.step, it.at, it.command) = (step, now, format!("{id}-{next}"));
    orders.push(Order { gateway: name.clone(), command: it.command.clone(), back: step == Step::Returning });
}

#[cfg(test)]
mod tests;
