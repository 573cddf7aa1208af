//! What this machine's processors were given while something was measured.

use std::fs;

/// Time of all processors since the machine started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// As the kernel counts them now; `None` where it does not tell.
    pub(super) fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Fields of the line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)).
    fn read(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let fields: Vec<u64> = line.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
        let stolen = *fields.get(7)?;
        Some(Self { all: fields.iter().sum(), stolen })
    }

    /// Percent of the time since `before` that the host gave to others: with more than a few, a figure is of the host's load.
    pub(super) fn stolen_since(self, before: Self) -> Option<f64> {
        let (all, stolen) = (self.all.checked_sub(before.all)?, self.stolen.checked_sub(before.stolen)?);
        (all > 0).then(|| (stolen as f64 * 1000.0 / all as f64).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    #[test]
    fn what_the_host_took_is_told_in_percent() {
        let before = Ticks::read("cpu  100 0 50 800 0 0 0 50 0 0\ncpu0 1 2 3\n").unwrap();
        let after = Ticks::read("cpu  300 0 50 800 0 0 0 250 0 0\n").unwrap();
        assert_eq!(after.stolen_since(before), Some(50.0));
        assert_eq!(before.stolen_since(before), None);
        assert_eq!(before.stolen_since(after), None);
        assert_eq!(Ticks::read("cpu  1 2 3\n"), None);
    }
}
