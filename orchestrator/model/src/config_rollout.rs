//! Changes of objects that reach some gateways first: laid over what those should have, looked at for a while, then given to the others, a
//! few at a time; taken away again when it does harm. At the end the objects themselves are changed, and no gateway sees a difference.
//!
//! ```text
//! running: canary -> soak -> rest -> change -> done          paused <-> running
//!     └─ a failure too many, an alarm, or an object that somebody else changed ─► rolling-back -> rolled-back   (or paused)
//! ```
//! [`ConfigRollout::step`] is a pure function of what is known. Whoever calls it keeps the rollout; which gateways have the changes laid over
//! what they should have follows from it alone ([`ConfigRollout::covers`]).

use crate::check::Checker;
use crate::{Kind, RolloutAct, RolloutState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

const MINUTE: i64 = 60_000;
/// A gateway that does not have what it was given after so long has failed, milliseconds; one that gives it back is not waited for longer.
const TAKE: i64 = 5 * MINUTE;

/// How a change is given to gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigRolloutPlan {
    /// Gateways of this tier come first; without one, all are alike. The others follow: objects are of the whole network.
    #[serde(default)]
    pub tier: Option<String>,
    /// Per cent of those gateways that go first, at least one: 1 to 100.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 100, default = 10)]
    pub canary_percent: u32,
    /// Minutes that those are looked at before the others follow, 0 to 10080.
    #[serde(default = "thirty")]
    #[schema(minimum = 0, maximum = 10_080, default = 30)]
    pub soak_minutes: u32,
    /// Gateways that are given it at a time, 1 to 1000.
    #[serde(default = "ten")]
    #[schema(minimum = 1, maximum = 1000, default = 10)]
    pub at_once: u32,
    /// Gateways that may fail before it is halted, 0 to 1000.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    pub most_failures: u32,
    /// When it is halted, gateways go back to what they had; otherwise it is paused.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub roll_back: bool,
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

impl ConfigRolloutPlan {
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
        let errors = c.into_errors();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedChange {
    /// The collection of its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The revision that it is based on; `None` when there is no such object.
    pub revision: Option<i64>,
    /// Its body then.
    pub before: Option<Value>,
    /// Its body afterwards, checked; `None` deletes it.
    pub after: Option<Value>,
}

impl StagedChange {
    /// The kind of the object.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_collection(&self.kind)
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigStage {
    /// The first ones.
    Canary,
    /// They are looked at, until a time in milliseconds since 1970.
    Soak(i64),
    /// All.
    Rest,
    /// The objects themselves are changed.
    Change,
}

/// How one gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigStep {
    /// Not yet.
    Waiting,
    /// It is given the change.
    Taking,
    /// It has it.
    Done,
    /// It does not take it, or it has it and harm came of it.
    Failed,
    /// It is given back what it had.
    Returning,
    /// It has what it had before.
    Returned,
}

/// One gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigGateway {
    /// How it is.
    pub step: ConfigStep,
    /// Of the first ones.
    pub canary: bool,
    /// Since when it is so, milliseconds since 1970.
    pub at: i64,
    /// Since when it has the change laid over, milliseconds since 1970; 0 when it never had.
    pub given_at: i64,
    /// Why.
    pub words: String,
}

/// A staged change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRollout {
    /// How it is given to gateways.
    pub plan: ConfigRolloutPlan,
    /// What becomes of which objects.
    pub changes: Vec<StagedChange>,
    /// How it is.
    pub state: RolloutState,
    /// How far.
    pub stage: ConfigStage,
    /// Why it is so.
    pub words: String,
    /// Its gateways: those that need one of the objects, before or after.
    pub gateways: BTreeMap<String, ConfigGateway>,
}

/// What is known of a gateway that needs one of the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigSeen {
    /// It is of the tier that comes first.
    pub first: bool,
    /// It is connected.
    pub connected: bool,
    /// What it should have was computed with the change.
    pub covered: bool,
    /// It has all that it should have.
    pub held: bool,
    /// Why one of the changed objects is not in force there.
    pub refused: Option<String>,
}

/// How the objects are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ground {
    /// As they were.
    #[default]
    Same,
    /// As they are wanted.
    Changed,
    /// Somebody else changed one, or what they speak of: in words.
    Other(String),
}

/// What is known now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFacts {
    /// Milliseconds since 1970.
    pub now: i64,
    /// Gateways that need one of the objects.
    pub gateways: BTreeMap<String, ConfigSeen>,
    /// Alarms since each gateway has the change: the last one's kind.
    pub alarms: BTreeMap<String, String>,
    /// How the objects are.
    pub ground: Ground,
}

impl ConfigRollout {
    /// A new one.
    #[must_use]
    pub const fn new(plan: ConfigRolloutPlan, changes: Vec<StagedChange>) -> Self {
        let (state, stage) = (RolloutState::Running, ConfigStage::Canary);
        Self { plan, changes, state, stage, words: String::new(), gateways: BTreeMap::new() }
    }

    /// Whether it goes on by itself.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, RolloutState::Running | RolloutState::Paused | RolloutState::RollingBack)
    }

    /// Gateways that have the changes laid over what they should have.
    pub fn covers(&self) -> impl Iterator<Item = &str> {
        let active = self.is_active();
        let covered = self.gateways.iter().filter(move |(_, it)| active && is_covered(it.step));
        covered.map(|(name, _)| name.as_str())
    }

    /// Does what somebody wants; false when it cannot be now.
    pub fn act(&mut self, act: RolloutAct, who: &str, now: i64) -> bool {
        use RolloutState::{Cancelled, Paused, RollingBack, Running};
        // The objects are being changed: what is done then is done.
        if self.stage == ConfigStage::Change {
            return false;
        }
        let next = match (act, self.state) {
            (RolloutAct::Pause, Running) => Paused,
            (RolloutAct::Resume, Paused) => Running,
            (RolloutAct::RollBack, Running | Paused) => RollingBack,
            (RolloutAct::Cancel, Running | Paused | RollingBack) => Cancelled,
            _ => return false,
        };
        if act == RolloutAct::Resume {
            // Those that failed are judged anew, from now on.
            for it in self.gateways.values_mut().filter(|it| it.step == ConfigStep::Failed) {
                (it.step, it.at, it.given_at) = (ConfigStep::Taking, now, now);
                it.words.clear();
            }
        }
        self.state = next;
        self.words = format!("by {who}");
        true
    }

    /// Goes on as far as what is known allows.
    pub fn step(&mut self, facts: &ConfigFacts) {
        match self.state {
            RolloutState::Running => {
                self.follow(facts);
                self.hear(facts);
                if !self.halt(facts) {
                    self.forward(facts);
                }
            }
            RolloutState::Paused => self.hear(facts),
            RolloutState::RollingBack => self.backward(facts),
            _ => {}
        }
    }

    /// The objects could not be changed: why.
    pub fn refused(&mut self, words: String) {
        self.stage = ConfigStage::Rest;
        self.stop(words);
    }

    /// The objects are changed.
    pub fn finished(&mut self) {
        self.state = RolloutState::Done;
        self.words.clear();
    }

    fn stop(&mut self, words: String) {
        self.words = words;
        self.state = if self.plan.roll_back { RolloutState::RollingBack } else { RolloutState::Paused };
    }

    /// Gateways begin to need one of the objects, and are deleted.
    fn follow(&mut self, facts: &ConfigFacts) {
        self.gateways.retain(|name, _| facts.gateways.contains_key(name));
        for name in facts.gateways.keys() {
            self.gateways.entry(name.clone()).or_insert_with(|| ConfigGateway {
                step: ConfigStep::Waiting,
                canary: false,
                at: facts.now,
                given_at: 0,
                words: String::new(),
            });
        }
    }

    /// What became of gateways that have the change.
    fn hear(&mut self, facts: &ConfigFacts) {
        let none = ConfigSeen::default();
        for (name, it) in &mut self.gateways {
            if !matches!(it.step, ConfigStep::Taking | ConfigStep::Done) {
                continue;
            }
            let seen = facts.gateways.get(name).unwrap_or(&none);
            let taken = seen.connected && seen.covered && seen.held;
            let (step, words) = if let Some(kind) = facts.alarms.get(name) {
                (ConfigStep::Failed, format!("alarm {kind} after the change"))
            } else if let Some(why) = seen.refused.as_ref().filter(|_| taken) {
                (ConfigStep::Failed, why.clone())
            } else if it.step == ConfigStep::Taking && taken {
                (ConfigStep::Done, String::new())
            } else if it.step == ConfigStep::Taking && it.at + TAKE <= facts.now {
                let why =
                    if seen.connected { "it has not taken the change" } else { "it is away since it was given it" };
                (ConfigStep::Failed, why.to_owned())
            } else {
                continue;
            };
            (it.step, it.words, it.at) = (step, words, facts.now);
        }
    }

    /// Whether it must not go on.
    fn halt(&mut self, facts: &ConfigFacts) -> bool {
        if let Ground::Other(words) = &facts.ground {
            self.stage = if self.stage == ConfigStage::Change { ConfigStage::Rest } else { self.stage };
            self.stop(words.clone());
            return true;
        }
        let failed = self.gateways.iter().filter(|(_, it)| it.step == ConfigStep::Failed);
        let Some((name, last)) = failed.clone().max_by_key(|(_, it)| it.at) else { return false };
        if failed.count() <= self.plan.most_failures as usize {
            return false;
        }
        let words = format!("{name}: {}", last.words);
        self.stop(words);
        true
    }

    fn forward(&mut self, facts: &ConfigFacts) {
        let connected = |name: &String| facts.gateways.get(name).is_some_and(|seen| seen.connected);
        let settled = |it: &ConfigGateway| matches!(it.step, ConfigStep::Done | ConfigStep::Failed);
        if self.stage == ConfigStage::Canary {
            self.choose(facts);
            let mut first = self.gateways.values().filter(|it| it.canary).peekable();
            // No gateway needs it: there is nobody to look at.
            if self.gateways.is_empty() || first.peek().is_some() && first.all(settled) {
                self.stage = ConfigStage::Soak(facts.now + MINUTE * i64::from(self.plan.soak_minutes));
            }
        }
        if let ConfigStage::Soak(until) = self.stage
            && until <= facts.now
            // One that is away now is good or an alarm soon.
            && self.gateways.iter().filter(|(_, it)| it.step == ConfigStep::Done).all(|(name, _)| connected(name))
        {
            self.stage = ConfigStage::Rest;
        }
        let all = self.stage == ConfigStage::Rest;
        // Those that are away take it when they are back, from the objects themselves.
        if all
            && self.gateways.iter().all(|(name, it)| settled(it) || it.step == ConfigStep::Waiting && !connected(name))
        {
            self.stage = ConfigStage::Change;
            return;
        }
        let first = |name: &String| facts.gateways.get(name).is_some_and(|seen| seen.first);
        let others = self.gateways.iter().all(|(name, it)| settled(it) || !first(name) || !connected(name));
        let busy = self.gateways.values().filter(|it| it.step == ConfigStep::Taking).count();
        let room = (self.plan.at_once as usize).saturating_sub(busy);
        let next = self.gateways.iter_mut().filter(|(name, it)| {
            it.step == ConfigStep::Waiting && connected(name) && (it.canary || all && (others || first(name)))
        });
        for (_, it) in next.take(room) {
            (it.step, it.at, it.given_at) = (ConfigStep::Taking, facts.now, facts.now);
        }
    }

    /// Which gateways go first: of those of the tier that are connected, by name.
    fn choose(&mut self, facts: &ConfigFacts) {
        let of_tier = facts.gateways.values().filter(|seen| seen.first).count();
        // A tier without such gateways says nothing: then all are alike.
        let of = if of_tier > 0 { of_tier } else { facts.gateways.len() };
        let wanted = (of * self.plan.canary_percent as usize).div_ceil(100);
        let chosen = self.gateways.values().filter(|it| it.canary).count();
        let fits =
            |name: &String| facts.gateways.get(name).is_some_and(|seen| seen.connected && (seen.first || of_tier == 0));
        let rest =
            self.gateways.iter_mut().filter(|(name, it)| !it.canary && it.step == ConfigStep::Waiting && fits(name));
        rest.take(wanted.saturating_sub(chosen)).for_each(|(_, it)| it.canary = true);
    }

    fn backward(&mut self, facts: &ConfigFacts) {
        self.gateways.retain(|name, _| facts.gateways.contains_key(name));
        for (name, it) in self.gateways.iter_mut().filter(|(_, it)| it.step == ConfigStep::Returning) {
            let back = facts.gateways.get(name).is_some_and(|seen| seen.connected && !seen.covered && seen.held);
            if back || it.at + TAKE <= facts.now {
                let words = if back { "" } else { "it goes back when it is there again" };
                (it.step, it.at, it.words) = (ConfigStep::Returned, facts.now, words.to_owned());
            }
        }
        let busy = self.gateways.values().filter(|it| it.step == ConfigStep::Returning).count();
        let room = (self.plan.at_once as usize).saturating_sub(busy);
        for it in self.gateways.values_mut().filter(|it| is_covered(it.step)).take(room) {
            (it.step, it.at) = (ConfigStep::Returning, facts.now);
        }
        let open = |it: &ConfigGateway| is_covered(it.step) || it.step == ConfigStep::Returning;
        if !self.gateways.values().any(open) {
            self.state = RolloutState::RolledBack;
        }
    }
}

const fn is_covered(step: ConfigStep) -> bool {
    matches!(step, ConfigStep::Taking | ConfigStep::Done | ConfigStep::Failed)
}

#[cfg(test)]
mod tests;
