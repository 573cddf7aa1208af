//! When a condition is an alarm: it must hold for a while, and be away for a while. One alarm for one cause.

use crate::rules::Finding;
use orchestrator_model::Severity;
use std::collections::{BTreeMap, BTreeSet};

/// How a rule holds. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// The rule's name.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// So long a condition must hold.
    pub after: i64,
    /// So long it must be away.
    pub clear_after: i64,
}

/// What an alarm is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The network; empty for the orchestrator itself.
    pub network: String,
    /// The gateway; empty for the network as a whole.
    pub gateway: String,
    /// The rule.
    pub rule: String,
    /// What at the gateway: a base station, an access point; empty for the gateway itself.
    pub subject: String,
}

#[derive(Debug, Clone)]
struct Held {
    severity: Severity,
    words: String,
    bad_since: i64,
    good_since: Option<i64>,
    clear_after: i64,
    alarm: Alarm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alarm {
    None,
    /// It is being written down.
    Asked,
    Raised(i64),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write an alarm down, then say so by [`Engine::raised`].
    Raise {
        /// About what.
        key: Key,
        /// How bad it is.
        severity: Severity,
        /// For people.
        words: String,
        /// Since when its cause is there.
        since: i64,
    },
    /// Write down that an alarm is over.
    Clear {
        /// About what.
        key: Key,
        /// Its number.
        id: i64,
    },
}

/// Conditions that are not as they should be.
#[derive(Debug, Default)]
pub struct Engine {
    held: BTreeMap<Key, Held>,
}

impl Engine {
    /// An alarm that was raised before this process was.
    pub fn restore(&mut self, key: Key, severity: Severity, id: i64, since: i64, clear_after: i64) {
        let words = String::new();
        let held = Held { severity, words, bad_since: since, good_since: None, clear_after, alarm: Alarm::Raised(id) };
        self.held.insert(key, held);
    }

    /// An alarm was written down under a number; `None` when it could not be: it is tried again.
    pub fn raised(&mut self, key: &Key, id: Option<i64>) {
        if let Some(held) = self.held.get_mut(key) {
            held.alarm = id.map_or(Alarm::None, Alarm::Raised);
        }
    }

    /// Takes in what was found at a gateway by all rules that could look, and says what follows. Rules that `is_blind` names could
    /// not look: what is held of them stays.
    pub fn judge(
        &mut self,
        now: i64,
        (network, gateway): (&str, &str),
        found: Vec<(&Timing, Finding)>,
        is_blind: &dyn Fn(&str) -> bool,
    ) -> Vec<Step> {
        let mut steps = Vec::new();
        let key = |rule: &str, subject: String| Key {
            network: network.to_owned(),
            gateway: gateway.to_owned(),
            rule: rule.to_owned(),
            subject,
        };
        let mut seen = Vec::with_capacity(found.len());
        for (timing, finding) in found {
            let key = key(&timing.rule, finding.subject);
            match finding.words {
                Some(words) => self.bad(now, &key, timing, words, &mut steps),
                None => self.unsure(&key),
            }
            seen.push(key);
        }
        let first = key("", String::new());
        let others = self.held.range(first..).map(|(key, _)| key);
        let others = others.take_while(|key| key.network == network && key.gateway == gateway);
        let away: Vec<Key> = others.filter(|key| !seen.contains(key) && !is_blind(&key.rule)).cloned().collect();
        away.iter().for_each(|key| self.good(now, key, &mut steps));
        steps
    }

    fn bad(&mut self, now: i64, key: &Key, timing: &Timing, words: String, steps: &mut Vec<Step>) {
        let held = self.held.entry(key.clone()).or_insert_with(|| Held {
            severity: timing.severity,
            words: String::new(),
            bad_since: now,
            good_since: None,
            clear_after: timing.clear_after,
            alarm: Alarm::None,
        });
        (held.words, held.good_since) = (words, None);
        if held.alarm == Alarm::None && now - held.bad_since >= timing.after {
            held.alarm = Alarm::Asked;
            let (severity, words, since) = (held.severity, held.words.clone(), held.bad_since);
            steps.push(Step::Raise { key: key.clone(), severity, words, since });
        }
    }

    /// Neither good nor bad: what is raised stays, what is not begins anew.
    fn unsure(&mut self, key: &Key) {
        if let Some(held) = self.held.get_mut(key) {
            held.good_since = None;
            if held.alarm == Alarm::None {
                self.held.remove(key);
            }
        }
    }

    fn good(&mut self, now: i64, key: &Key, steps: &mut Vec<Step>) {
        let Some(held) = self.held.get_mut(key) else { return };
        match held.alarm {
            Alarm::None => {
                self.held.remove(key);
            }
            Alarm::Asked => {}
            Alarm::Raised(id) => {
                let since = *held.good_since.get_or_insert(now);
                if now - since >= held.clear_after {
                    self.held.remove(key);
                    steps.push(Step::Clear { key: key.clone(), id });
                }
            }
        }
    }

    /// Everything of gateways and rules that are no more is over.
    pub fn retain(&mut self, keep: &dyn Fn(&Key) -> bool) -> Vec<Step> {
        let gone: Vec<Key> = self.held.keys().filter(|key| !keep(key)).cloned().collect();
        let clear = |key: Key| match self.held.remove(&key).map(|held| held.alarm) {
            Some(Alarm::Raised(id)) => Some(Step::Clear { key, id }),
            _ => None,
        };
        gone.into_iter().filter_map(clear).collect()
    }

    /// Networks in which a rule holds something against no gateway.
    #[must_use]
    pub fn places(&self, rule: &str) -> Vec<String> {
        let of_rule = self.held.keys().filter(|key| key.rule == rule && key.gateway.is_empty());
        of_rule.map(|key| key.network.clone()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Alarms that are raised.
    #[must_use]
    pub fn open(&self) -> usize {
        self.held.values().filter(|held| held.alarm != Alarm::None).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        Timing { rule: "r".to_owned(), severity: Severity::Major, after: 10, clear_after: 20 }
    }

    fn judge(engine: &mut Engine, now: i64, words: Option<Option<&str>>) -> Vec<Step> {
        let timing = timing();
        let finding = |words: Option<&str>| Finding { subject: "s".to_owned(), words: words.map(str::to_owned) };
        let found = words.into_iter().map(|words| (&timing, finding(words))).collect();
        engine.judge(now, ("n", "g"), found, &|_| false)
    }

    #[test]
    fn a_condition_holds_before_it_is_an_alarm_and_is_away_before_it_is_none() {
        let mut engine = Engine::default();
        assert_eq!(judge(&mut engine, 0, Some(Some("x"))), []);
        assert_eq!(judge(&mut engine, 5, None), [], "it went before it was an alarm");
        assert_eq!(judge(&mut engine, 6, Some(Some("x"))), []);
        let [Step::Raise { key, since: 6, .. }] = &judge(&mut engine, 16, Some(Some("x")))[..] else { panic!() };
        assert_eq!(judge(&mut engine, 17, Some(Some("x"))), [], "it is asked for once");
        engine.raised(key, Some(7));
        // It comes and goes: one alarm.
        for now in (20..200).step_by(10) {
            assert_eq!(judge(&mut engine, now, (now % 20 == 0).then_some(Some("x"))), [], "{now}");
        }
        assert_eq!(judge(&mut engine, 200, Some(None)), [], "unsure is not good");
        assert_eq!(judge(&mut engine, 201, None), []);
        assert_eq!(judge(&mut engine, 221, None), [Step::Clear { key: key.clone(), id: 7 }]);
        assert_eq!(engine.open(), 0);
    }

    #[test]
    fn who_cannot_look_clears_nothing_and_who_is_gone_has_no_alarms() {
        let mut engine = Engine::default();
        let key = |gateway: &str| Key {
            network: "n".to_owned(),
            gateway: gateway.to_owned(),
            rule: "r".to_owned(),
            subject: "s".to_owned(),
        };
        engine.restore(key("g"), Severity::Minor, 3, 0, 20);
        engine.restore(key("h"), Severity::Minor, 4, 0, 20);
        assert_eq!(engine.judge(1000, ("n", "g"), Vec::new(), &|rule| rule == "r"), []);
        assert_eq!(engine.judge(2000, ("n", "g"), Vec::new(), &|rule| rule == "r"), []);
        assert_eq!(engine.retain(&|key| key.gateway == "g"), [Step::Clear { key: key("h"), id: 4 }]);
        assert_eq!(engine.open(), 1);
        // What could not be written down is tried again.
        engine.raised(&key("g"), None);
        assert!(matches!(judge(&mut engine, 3000, Some(Some("x")))[..], [Step::Raise { .. }]));
    }
}
