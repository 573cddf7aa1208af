//! A run from begin to end, and what it says about itself.

use std::collections::BTreeMap;
use std::fmt;

use basalt_sansio::{Duration, Time};

use crate::scenario::Scenario;
use crate::world::World;

/// Users without service are looked at this often at the end.
const LOOK: Duration = Duration::from_secs(5);

/// A run in which everything held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// A digest of all effects of the gateway, in order: two runs of one scenario have the same.
    pub fingerprint: u64,
    /// Effects of the gateway.
    pub effects: u64,
    /// Processes of the gateway.
    pub lives: u32,
    /// How long it took, after the last fault, until everybody had service.
    pub recovery: Duration,
    /// What happened how often.
    pub counts: BTreeMap<&'static str, u64>,
}

/// A run in which something did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What, and when.
    pub what: String,
    /// The command that repeats it.
    pub command: String,
    /// What happened before, if a diary was kept.
    pub diary: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nrun it again: {}", self.what, self.command)
    }
}

impl std::error::Error for Failure {}

impl Report {
    /// How often something happened.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x} {} effects, {} lives", self.fingerprint, self.effects, self.lives)?;
        write!(f, ", everybody served {} s after the last fault", self.recovery.as_secs())?;
        for (what, count) in &self.counts {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

/// Runs a scenario: the rough part, then the calm one until everybody has service.
///
/// # Errors
/// Something did not hold.
pub fn run(scenario: &Scenario) -> Result<Report, Failure> {
    let failure = |what: &str, diary| Failure { what: what.to_owned(), command: scenario.command(), diary };
    let mut world = World::new(scenario)
        .ok_or_else(|| failure("too many phones or base stations for their identities", Vec::new()))?;
    world.begin();
    let rough_ends = Time::ZERO + scenario.rough;
    world.run_until(rough_ends);
    world.calm_down();
    let latest = rough_ends + scenario.calm;
    while world.now < latest && world.checks.failure().is_none() && !world.unserved().is_empty() {
        let next = world.now + LOOK;
        world.run_until(next);
    }
    let recovery = world.now.since(rough_ends);
    if let Some(phone) = world.unserved().first() {
        let complaint = world.complaint(*phone);
        let others = world.unserved().len() - 1;
        world.checks.fail(format!("{complaint}; and {others} others"));
    }
    // What is still on its way ends, and nobody is halfway any more.
    let quiet = world.now + Duration::from_secs(80);
    world.run_until(quiet);
    world.check_agreement();
    match world.checks.failure() {
        Some(what) => Err(failure(what, world.checks.diary.lines())),
        None => Ok(report(&world, recovery)),
    }
}

fn report(world: &World, recovery: Duration) -> Report {
    let mut counts = world.checks.counts.clone();
    let packets = &world.checks.packets;
    let (mut lost, mut doubled, mut reordered) = (0, 0, 0);
    for station in &world.stations {
        for stats in [station.air_up.stats(), station.air_down.stats()] {
            lost += stats.lost;
            doubled += stats.duplicated;
            reordered += stats.reordered;
        }
    }
    counts.extend([
        ("uplink packets", packets.uplink),
        ("downlink packets", packets.downlink),
        ("buffered packets", packets.buffered),
        ("flushed packets", packets.flushed),
        ("ways across deaths", packets.across_deaths),
        ("lost on the air", lost),
        ("doubled on the air", doubled),
        ("reordered on the air", reordered),
    ]);
    Report {
        fingerprint: world.checks.fingerprint(),
        effects: world.checks.effects(),
        lives: world.gateway.lives,
        recovery,
        counts,
    }
}
