//! The processors: which of them does what, and what the host of a virtual machine takes of them for others.

use std::process::Command;

/// Leaves the first processor to the process that is measured, and the second to this one, whose threads nobody there shall keep waiting:
/// what the generator is late by would count as the other's. Whether both could be done.
pub fn part(measured: u32) -> bool {
    let own = std::process::id();
    done("taskset", &["--all-tasks", "--cpu-list", "--pid", "0"], measured)
        && done("taskset", &["--all-tasks", "--cpu-list", "--pid", "1"], own)
        && done("chrt", &["--all-tasks", "--fifo", "--pid", "1"], own)
}

fn done(program: &str, arguments: &[&str], process: u32) -> bool {
    let output = Command::new(program).args(arguments).arg(process.to_string()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Time of all processors so far, in ticks: all of it, and what the host took (proc_stat(5)).
pub struct Ticks {
    all: u64,
    taken: u64,
}

impl Ticks {
    pub fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap();
        let line = text.lines().next().unwrap();
        let fields: Vec<u64> = line.split_whitespace().skip(1).take(8).map(|field| field.parse().unwrap()).collect();
        Self { all: fields.iter().sum(), taken: fields[7] }
    }

    /// The share of the processors' time since then that the host took.
    pub fn taken(&self) -> f64 {
        let now = Self::now();
        (now.taken - self.taken) as f64 / (now.all - self.all).max(1) as f64
    }
}
