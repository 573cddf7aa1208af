//! Memory and randomness.

use crate::{Attempt, Facts, Finding, Wanted};

const MIB: u64 = 1 << 20;

pub(super) fn memory(_: &Wanted, facts: &Facts) -> Option<Finding> {
    let memory = facts.memory?;
    let found = format!("{} MiB of {} available", memory.available / MIB, memory.total / MIB);
    if memory.available >= 256 * MIB {
        return Some(Finding::ok("memory", found));
    }
    let cause =
        "the gateway needs about 100 MiB, and more with tens of thousands of phones; a full machine kills programs";
    let fix = "stop what is not needed, add memory, or lower [dataplane] max_sessions";
    let finding = Finding::error("memory", found, cause, fix);
    Some(if memory.available < 128 * MIB { finding } else { finding.at_most_a_warning() })
}

pub(super) fn entropy(_: &Wanted, facts: &Facts) -> Option<Finding> {
    match facts.entropy {
        Attempt::NotTried => None,
        Attempt::Worked => Some(Finding::ok("entropy", "random numbers are ready")),
        Attempt::Failed(error) => Some(Finding::error(
            "entropy",
            format!("no random numbers yet: {error}"),
            "challenges of phones and keys cannot be made; agwd waits for them at start",
            "wait a minute after booting; in a virtual machine, add a virtio-rng device",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{broken, healthy};
    use super::*;
    use crate::{Level, Memory};

    #[test]
    fn memory_runs_short_in_steps() {
        let with = |available| {
            let facts = Facts { memory: Some(Memory { total: 1 << 30, available }), ..Facts::default() };
            memory(&Wanted::default(), &facts).unwrap().level
        };
        assert_eq!(with(512 * MIB), Level::Ok);
        assert_eq!(with(200 * MIB), Level::Warning);
        assert_eq!(with(100 * MIB), Level::Error);
    }

    #[test]
    fn randomness_comes_late_on_small_machines() {
        assert_eq!(entropy(&Wanted::default(), &broken()).unwrap().level, Level::Error);
        assert_eq!(entropy(&Wanted::default(), &healthy()).unwrap().level, Level::Ok);
        assert_eq!(entropy(&Wanted::default(), &Facts::default()), None);
    }
}
