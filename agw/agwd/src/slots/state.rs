//! What is known of the programs of this gateway, as a value that only these changes can be made to.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where a program lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Where the package put it, or whoever installed it by hand.
    #[default]
    Package,
    /// The first slot.
    A,
    /// The second slot.
    B,
}

impl Place {
    /// The slot's folder; none for the package.
    pub const fn folder(self) -> Option<&'static str> {
        match self {
            Self::Package => None,
            Self::A => Some("a"),
            Self::B => Some("b"),
        }
    }

    /// As it is told to people.
    pub fn words(self) -> String {
        self.folder().map_or_else(|| "the installed program".to_owned(), |folder| format!("slot {folder}"))
    }
}

/// The program that the package installed, as it was when a slot came before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its file.
    pub program: PathBuf,
    /// Its version.
    pub version: String,
}

/// The program in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// How the gateway was before a new program began: what the new one must reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// Mode of the data plane.
    pub data_plane: String,
    /// Registered phones.
    pub phones: u64,
    /// Connected base stations.
    pub enbs: u64,
    /// The orchestrator was connected.
    pub talking: bool,
}

/// A program that has to show that it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The command that wanted it.
    pub command: String,
    /// Where it lies.
    pub place: Place,
    /// Its version.
    pub version: String,
    /// Within how many seconds.
    pub seconds: u64,
    /// How long it must be well without a break, seconds.
    pub well: u64,
    /// What it must reach.
    pub before: Before,
}

/// What became of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The command that wanted it.
    pub command: String,
    /// It runs.
    pub good: bool,
    /// In words.
    pub words: String,
}

/// All of it. Its form is a format: fields are only added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// What runs at the next start.
    pub active: Place,
    /// What ran before it, to go back to.
    pub former: Option<Place>,
    /// The package's.
    pub package: Option<Package>,
    /// What the slots hold.
    pub installed: BTreeMap<Place, Installed>,
    /// What is being tried.
    pub trial: Option<Trial>,
    /// What became of the last trial, until it was told.
    pub outcome: Option<Outcome>,
}

impl State {
    /// The slot into which the next program goes: one that is neither in use nor being tried.
    pub fn free(&self) -> Place {
        match (self.active, self.former) {
            (Place::A, _) | (Place::Package, Some(Place::A)) => Place::B,
            _ => Place::A,
        }
    }

    /// A new program is tried at the next start.
    pub fn begin(&mut self, trial: Trial) {
        self.outcome = None;
        self.trial = Some(trial);
    }

    /// The program that is being tried works.
    pub fn confirm(&mut self, command: &str) -> bool {
        let Some(trial) = self.trial.take_if(|trial| trial.command == command) else { return false };
        self.former = Some(self.active);
        self.active = trial.place;
        let words = format!("agwd {} runs from {}, and is well\n", trial.version, trial.place.words());
        self.outcome = Some(Outcome { command: trial.command, good: true, words });
        true
    }

    /// It does not: what ran before it runs again. False when somebody has settled it already.
    pub fn fail(&mut self, command: &str, why: &str) -> bool {
        let Some(trial) = self.trial.take_if(|trial| trial.command == command) else { return false };
        let back = self.active.words();
        let words = format!("agwd {} did not do: {why}; back to {back}\n", trial.version);
        self.outcome = Some(Outcome { command: trial.command, good: false, words });
        true
    }

    /// No slot is in use any more.
    pub fn leave_slots(&mut self) {
        self.active = Place::Package;
        self.former = None;
    }

    /// The installed program was started: what should run instead of it. A trial does not live through that: the program that was
    /// tried has ended. A package that was changed since comes before the slots.
    pub fn started(&mut self, package: &Package) -> Place {
        if let Some(command) = self.trial.as_ref().map(|trial| trial.command.clone()) {
            self.fail(&command, "it ended before it was found well");
        }
        if self.package.as_ref().is_some_and(|known| known != package) {
            self.leave_slots();
        }
        self.package = Some(package.clone());
        self.active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(version: &str) -> Package {
        Package { program: "/usr/sbin/agwd".into(), version: version.to_owned() }
    }

    fn trial(command: &str, place: Place) -> Trial {
        let (version, before) = ("2".to_owned(), Before::default());
        Trial { command: command.to_owned(), place, version, seconds: 60, well: 5, before }
    }

    #[test]
    fn slots_take_turns_and_the_one_to_go_back_to_is_kept() {
        let mut state = State::default();
        assert_eq!(state.started(&package("1")), Place::Package);
        for (number, (slot, former)) in
            [(Place::A, Place::Package), (Place::B, Place::A), (Place::A, Place::B)].into_iter().enumerate()
        {
            let command = number.to_string();
            assert_eq!(state.free(), slot);
            state.begin(trial(&command, slot));
            assert!(!state.confirm("another") && state.confirm(&command) && !state.confirm(&command));
            assert_eq!((state.active, state.former), (slot, Some(former)));
            assert_eq!(state.started(&package("1")), slot, "a restart of the machine changes nothing");
        }
    }

    #[test]
    fn going_back_to_the_package_leaves_the_slot_that_was_left() {
        let mut state = State::default();
        state.begin(trial("x", Place::A));
        state.confirm("x");
        state.begin(trial("y", Place::Package));
        state.confirm("y");
        assert_eq!((state.active, state.former, state.free()), (Place::Package, Some(Place::A), Place::B));
    }

    #[test]
    fn what_does_not_do_is_left() {
        let mut state = State::default();
        state.begin(trial("x", Place::A));
        assert!(state.fail("x", "it hangs") && !state.fail("x", "again") && !state.confirm("x"));
        let outcome = state.outcome.clone().unwrap();
        assert!(!outcome.good && outcome.words.contains("it hangs"), "{outcome:?}");
        assert_eq!(state.active, Place::Package);
        // Whoever starts the installed program while another is tried says that that one has ended.
        state.begin(trial("y", Place::A));
        assert_eq!(state.started(&package("1")), Place::Package);
        assert!(!state.outcome.unwrap().good);
    }

    #[test]
    fn a_package_that_was_changed_comes_first() {
        let mut state = State::default();
        state.started(&package("1"));
        state.begin(trial("x", Place::A));
        state.confirm("x");
        assert_eq!(state.started(&package("1")), Place::A);
        assert_eq!(state.started(&package("3")), Place::Package);
        assert_eq!(state.started(&package("3")), Place::Package);
    }
}
