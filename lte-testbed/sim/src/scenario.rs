//! What a run is made of: how many, how long, and what goes wrong how often. A seed and this give the same run again.

use basalt_sansio::{Duration, Rng, SimRng};
use testbed_netem::{PerMillion, Profile};

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Where all randomness comes from.
    pub seed: u64,
    /// Phones.
    pub phones: u32,
    /// Base stations.
    pub stations: u32,
    /// How long phones live their lives and faults happen.
    pub rough: Duration,
    /// How long, after the last fault, everything may take to be well again.
    pub calm: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// NAS by the algorithms of the standard instead of their cheap double.
    pub real_cryptography: bool,
    /// Keep a diary of this phone (by its number from 0) and of everything that concerns all, for the report of a failure.
    pub diary_of: Option<u32>,
}

/// What goes wrong, and how often: intervals are means, `None` is never.
#[derive(Clone, Debug, PartialEq)]
pub struct Faults {
    /// Between phones and base stations.
    pub air: Profile,
    /// The gateway's process is killed between two effects.
    pub kill: Option<Duration>,
    /// The machine loses power, in the middle of a write or at rest.
    pub power_cut: Option<Duration>,
    /// The disk refuses, fills up, or drops what it was to sync.
    pub failed_save: Option<Duration>,
    /// The disk says that things are durable which are not. Promises cannot be kept then; coming back can.
    pub lying_disk: bool,
    /// An association to a base station is lost, and made again.
    pub link_lost: Option<Duration>,
    /// A base station restarts, and its association with it.
    pub station_restart: Option<Duration>,
    /// A base station resets its interface, or some phones of it.
    pub reset: Option<Duration>,
    /// An operator detaches, pages, deactivates, or resets.
    pub operator: Option<Duration>,
    /// An operator gives some phone a rule, changes or takes one: dedicated bearers come, change and go.
    pub rules: Option<Duration>,
}

impl Faults {
    /// Everything works.
    pub const NONE: Self = Self {
        air: Profile { delay: Duration::from_millis(10), ..Profile::PERFECT },
        kill: None,
        power_cut: None,
        failed_save: None,
        lying_disk: false,
        link_lost: None,
        station_restart: None,
        reset: None,
        operator: None,
        rules: None,
    };
}

/// From a source of its own: what else goes wrong with a seed is not to depend on it.
fn rules_every(seed: u64) -> Option<Duration> {
    let mut rng = SimRng::new(seed ^ 0x00de_d1ca_7ed0_bea7);
    (!rng.chance(1, 5)).then(|| Duration::from_secs(1 + rng.below(8)))
}

impl Scenario {
    /// A network where nothing goes wrong.
    #[must_use]
    pub fn smooth(seed: u64, phones: u32, minutes: u32) -> Self {
        Self {
            seed,
            phones,
            stations: (phones / 40).clamp(3, 24),
            rough: Duration::from_secs(u64::from(minutes) * 60),
            calm: Duration::from_secs(20 * 60),
            faults: Faults::NONE,
            real_cryptography: false,
            diary_of: None,
        }
    }

    /// A network where much goes wrong; what, the seed says: each kind of fault is left out now and then, so that no two kinds
    /// hide each other's consequences in every run.
    #[must_use]
    pub fn rough(seed: u64, phones: u32, minutes: u32) -> Self {
        let mut rng = SimRng::new(seed ^ 0x005e_ed0f_5ce7_a210);
        let mut often = |least: u64, most: u64| {
            let interval = Duration::from_secs(least + rng.below(most - least + 1));
            (!rng.chance(1, 5)).then_some(interval)
        };
        let faults = Faults {
            kill: often(20, 120),
            power_cut: often(60, 300),
            failed_save: often(60, 240),
            link_lost: often(20, 120),
            station_restart: often(40, 200),
            reset: often(20, 120),
            operator: often(2, 10),
            rules: rules_every(seed),
            lying_disk: false,
            air: Profile::PERFECT,
        };
        let mut percent = |most: u64| PerMillion(u32::try_from(rng.below(most * 10_000)).unwrap_or(0));
        let air = Profile {
            loss: percent(6),
            duplication: percent(4),
            reorder: percent(5),
            reorder_by: Duration::from_millis(20 + rng.below(400)),
            delay: Duration::from_millis(5 + rng.below(30)),
            jitter: Duration::from_millis(rng.below(20)),
            ..Profile::PERFECT
        };
        let lying_disk = rng.chance(1, 8);
        let air = if lying_disk { Profile { duplication: PerMillion::NEVER, ..air } } else { air };
        Self { faults: Faults { air, lying_disk, ..faults }, ..Self::smooth(seed, phones, minutes) }
    }

    /// The command that runs it again.
    #[must_use]
    pub fn command(&self) -> String {
        let minutes = self.rough.as_secs() / 60;
        format!(
            "cargo run -p testbed-sim --example sim -- --seed {} --phones {} --minutes {minutes}",
            self.seed, self.phones
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_says_everything() {
        assert_eq!(Scenario::rough(7, 100, 5), Scenario::rough(7, 100, 5));
        let scenarios: Vec<_> = (0..200).map(|seed| Scenario::rough(seed, 100, 5).faults).collect();
        let with = |test: fn(&Faults) -> bool| scenarios.iter().filter(|faults| test(faults)).count();
        assert!((120..190).contains(&with(|faults| faults.kill.is_some())));
        assert!((10..50).contains(&with(|faults| faults.lying_disk)));
        assert!(with(|faults| faults.kill.is_none() && faults.power_cut.is_none()) > 0);
    }
}
