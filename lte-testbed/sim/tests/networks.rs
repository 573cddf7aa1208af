//! Whole networks: smooth, rough, large, and twice the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use testbed_sim::{Faults, Report, Scenario, run};

fn passes(scenario: &Scenario) -> Report {
    run(scenario).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn in_a_smooth_network_nothing_is_lost_and_nobody_complains() {
    let report = passes(&Scenario::smooth(1, 60, 5));
    assert_eq!(report.lives, 1);
    for never in
        ["failed attaches", "failed service requests", "failed updates", "unanswered pages", "repairs", "rejects"]
    {
        assert_eq!(report.count(never), 0, "{never}: {report}");
    }
    for always in [
        "attaches",
        "service requests",
        "updates",
        "detaches",
        "answered pages",
        "handovers",
        "handovers by the gateway",
        "flushed packets",
    ] {
        assert!(report.count(always) > 0, "{always}: {report}");
    }
    assert_eq!(report.count("buffered packets"), report.count("flushed packets"), "{report}");
}

#[test]
fn with_the_algorithms_of_the_standard_it_is_the_same() {
    passes(&Scenario { real_cryptography: true, ..Scenario::rough(5, 20, 3) });
}

#[test]
fn the_same_seed_gives_the_same_effects() {
    let scenario = Scenario::rough(12, 40, 3);
    let first = passes(&scenario);
    assert!(first.lives > 1, "a run without a restart shows little: {first}");
    assert_eq!(passes(&scenario), first);
    assert_ne!(passes(&Scenario::rough(13, 40, 3)).fingerprint, first.fingerprint);
}

/// Each seed leaves out other faults.
#[test]
fn rough_networks_come_back() {
    let mut happened = Vec::new();
    for seed in 120..136 {
        happened.push(passes(&Scenario::rough(seed, 30, 4)));
    }
    let total = |what: &str| happened.iter().map(|report| report.count(what)).sum::<u64>();
    for what in [
        "deaths of the process",
        "losses of power",
        "failed saves",
        "lost associations",
        "restarted base stations",
        "resets",
        "resets by the gateway",
        "echoed first messages",
        "retransmissions",
        "ways across deaths",
        "flushed packets",
        "handovers",
        "handovers by the gateway",
        "handovers by the gateway in vain",
        "reallocations",
        "unanswered pages",
        "rules given",
        "rules taken",
        "dedicated bearers",
    ] {
        assert!(total(what) > 0, "{what} never happened");
    }
}

/// A disk that calls durable what is not: promises are lost, service is not.
#[test]
fn with_a_disk_that_lies_everybody_gets_service_again() {
    for seed in 0..6 {
        let rough = Scenario::rough(seed, 30, 3);
        let power_cut = Some(std::time::Duration::from_secs(40));
        let faults = Faults { lying_disk: true, power_cut, ..rough.faults.clone() };
        let report = passes(&Scenario { faults, ..rough });
        assert!(report.count("losses of power") > 0, "{report}");
    }
}

/// The scenario: a thousand phones, loss, doubling, overtaking, failed saves, crashes.
#[test]
fn a_thousand_phones() {
    let everything = (0..).map(|seed| Scenario::rough(seed, 1_000, 10)).find(|scenario| {
        let faults = &scenario.faults;
        let all =
            [faults.kill, faults.power_cut, faults.failed_save, faults.link_lost, faults.station_restart, faults.reset];
        all.iter().all(Option::is_some) && !faults.lying_disk && faults.operator.is_some()
    });
    let report = passes(&everything.unwrap());
    assert!(report.count("attaches") > 1_000, "{report}");
    for what in ["deaths of the process", "losses of power", "failed saves", "detaches", "answered pages", "updates"] {
        assert!(report.count(what) > 0, "{what}: {report}");
    }
}

/// Seeds that failed once.
#[test]
fn what_failed_once_does_not_fail_again() {
    for (seed, phones, minutes) in REGRESSIONS {
        // Some were found before operators gave rules: with rules they are other worlds, so both are run.
        let scenario = Scenario::rough(seed, phones, minutes);
        passes(&scenario);
        passes(&Scenario { faults: Faults { rules: None, ..scenario.faults.clone() }, ..scenario });
    }
    for seed in RULES {
        passes(&Scenario::rough(seed, 30, 4));
    }
}

/// Seeds in which rules came and went at the wrong moment: an update crossed a new bearer, and its answer was sent again.
const RULES: [u64; 2] = [120, 131];

/// Seed, phones, minutes; in the order in which they were found.
const REGRESSIONS: [(u64, u32, u32); 15] = [
    (1, 30, 5),
    (2, 30, 5),
    (5, 30, 5),
    (64, 30, 5),
    (107, 30, 5),
    (148, 30, 5),
    (158, 30, 5),
    (283, 30, 5),
    (14, 30, 5),
    (12, 40, 3),
    (178, 30, 5),
    (405, 30, 5),
    (895, 30, 5),
    (3002, 30, 5),
    (5708, 30, 10),
];
