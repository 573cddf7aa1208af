//! `cargo xtask bench NAME`: measures, and keeps the numbers as `bench/results/<date>-<name>.json`.
//!
//! A bench is a program that prints one flat JSON object, numbers with their unit in the key (`attach_p50_us`). What it
//! prints before the object is for people.

mod processors;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{ebpf, env};
use processors::Ticks;

/// How to measure something.
struct Bench {
    name: &'static str,
    what: &'static str,
    /// Arguments of `cargo build`, after the profile.
    build: &'static [&'static str],
    /// The program below the profile's folder, and its arguments.
    run: &'static [&'static str],
    /// Whether it attaches XDP or makes namespaces.
    root: bool,
    ebpf: bool,
}

/// Numbers are of the profile that is shipped.
const PROFILE: &str = "release";

const BENCHES: [Bench; 10] = [
    Bench {
        name: "attach",
        what: "full attaches over SCTP through the gateway process, saved durably",
        build: &["--bins", "-p", "agwd", "-p", "testbed", "-p", "basalt-cli"],
        run: &["testbed", "bench", "attach"],
        root: true,
        ebpf: true,
    },
    Bench {
        name: "core",
        what: "the core's step alone: time, allocations and memory",
        build: &["-p", "agw-core", "--example", "core_bench"],
        run: &["examples/core_bench"],
        root: false,
        ebpf: false,
    },
    Bench {
        name: "dataplane",
        what: "the XDP programs by BPF test-run at 1, 10 k and 1 M sessions",
        build: &["-p", "agw-dataplane", "--example", "dataplane_bench", "-p", "agwd", "--example", "install_bench"],
        run: &["examples/dataplane_bench"],
        root: true,
        ebpf: true,
    },
    Bench {
        name: "sctp",
        what: "messages a second and processor time a message, per back end",
        build: &["-p", "basalt-sctp", "--example", "sctp_bench"],
        run: &["examples/sctp_bench"],
        root: true,
        ebpf: false,
    },
    Bench {
        name: "diameter",
        what: "requests relayed by fegd between gateways and a home network, and the Diameter codec",
        build: &["-p", "fegd", "--bins", "--example", "diameter_bench"],
        run: &["examples/diameter_bench"],
        root: false,
        ebpf: false,
    },
    Bench {
        name: "federation",
        what: "attaches of a foreign network through agwd and fegd, beside the gateway's own in the same run",
        build: &["--bins", "-p", "agwd", "-p", "fegd", "-p", "testbed", "-p", "basalt-cli"],
        run: &["testbed", "bench", "federation"],
        root: true,
        ebpf: true,
    },
    Bench {
        name: "store",
        what: "commits one at a time and in groups, and reading all back",
        build: &["-p", "basalt-store", "--example", "commit_bench"],
        run: &["examples/commit_bench"],
        root: false,
        ebpf: false,
    },
    Bench {
        name: "idle",
        what: "memory of an idle gateway, and the size of its binary",
        build: &["--bins", "-p", "agwd", "-p", "testbed", "-p", "basalt-cli"],
        run: &["testbed", "bench", "idle"],
        root: true,
        ebpf: true,
    },
    Bench {
        name: "orchestrator",
        what: "10,000 gateways with 1,000,000 subscribers at one orchestratord",
        build: &["-p", "orchestratord", "--bins", "--example", "fleet_bench"],
        run: &["examples/fleet_bench"],
        root: false,
        ebpf: false,
    },
    Bench {
        name: "watching",
        what: "10,000 gateways with 200 series taken in, charts of a day, searches in 10 million events",
        build: &["-p", "orchestrator-db", "--example", "watch_bench"],
        run: &["examples/watch_bench"],
        root: false,
        ebpf: false,
    },
];

/// Measures one thing, or lists what there is; whether it worked. Unless it `builds`, the programs are those of the last time.
pub(crate) fn run(name: Option<&str>, keeps: bool, builds: bool) -> Result<bool> {
    let Some(name) = name else {
        for bench in &BENCHES {
            println!("{:<10} {}", bench.name, bench.what);
        }
        return Ok(true);
    };
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == name) else {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        bail!("there is no bench {name}; there are {}", names.join(", "));
    };
    if builds {
        bench.build()?;
    }
    let before = Ticks::now();
    let output = bench.measure()?;
    let stolen = before.and_then(|before| Ticks::now()?.stolen_since(before));
    let numbers = last_object(&output).with_context(|| format!("{name} printed no JSON object"))?;
    flat(&numbers)?;
    let record = record(bench, numbers, stolen)?;
    let text = serde_json::to_string_pretty(&record)? + "\n";
    print!("{text}");
    if keeps {
        let folder = env::root()?.join("bench/results");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}-{name}.json", today()?));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("kept as {}", path.display());
    }
    Ok(true)
}

impl Bench {
    fn build(&self) -> Result<()> {
        if self.ebpf {
            ebpf::build(true)?;
        }
        let mut cargo = env::cargo(&["build", "--profile", PROFILE, "--locked"])?;
        cargo.args(self.build);
        if !cargo.status().context("cannot run cargo")?.success() {
            bail!("building the bench failed");
        }
        Ok(())
    }

    /// Runs it; what it printed.
    fn measure(&self) -> Result<String> {
        let [program, args @ ..] = self.run else { bail!("no program") };
        let path = env::target()?.join(PROFILE).join(program);
        let mut command = match env::as_root(&path) {
            Some(command) if self.root => command,
            _ => Command::new(&path),
        };
        let command = command.args(args).current_dir(env::root()?).stderr(Stdio::inherit());
        let output = command.output().with_context(|| format!("cannot run {}", path.display()))?;
        if !output.status.success() {
            bail!("{} failed ({}): {}", self.name, output.status, String::from_utf8_lossy(&output.stdout));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The JSON object that a text ends with.
fn last_object(text: &str) -> Option<Map<String, Value>> {
    let candidates = text.match_indices('{').map(|(at, _)| at);
    candidates.into_iter().find_map(|at| serde_json::from_str(text[at..].trim()).ok())
}

fn flat(numbers: &Map<String, Value>) -> Result<()> {
    let nested = numbers.iter().find(|(_, value)| value.is_object() || value.is_array());
    match nested {
        Some((key, _)) => bail!("{key} is not flat: one number or word per key"),
        None => Ok(()),
    }
}

/// The numbers with all that is needed to compare them later; with the share of processor time that the host took.
fn record(bench: &Bench, numbers: Map<String, Value>, stolen: Option<f64>) -> Result<BTreeMap<String, Value>> {
    let git = |args: &[&str]| env::output("git", args).unwrap_or_default();
    let mut record: BTreeMap<String, Value> = numbers.into_iter().collect();
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    record.extend([
        ("bench".to_owned(), json!(bench.name)),
        ("command".to_owned(), json!(format!("cargo xtask bench {}", bench.name))),
        ("commit".to_owned(), json!(git(&["rev-parse", "--short=12", "HEAD"]))),
        ("commit_dirty".to_owned(), json!(dirty)),
        ("date".to_owned(), json!(today()?)),
        ("machine".to_owned(), json!(machine())),
        ("profile".to_owned(), json!(PROFILE)),
        ("host_took_percent".to_owned(), json!(stolen)),
    ]);
    Ok(record)
}

/// Processor, cores, memory, kernel: `AMD EPYC, 2 cores, 24 GiB, Linux 6.18.44`.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let processor = field(&cpuinfo, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = memory.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{processor}, {cores} cores, {} GiB, Linux {}", (kib + (1 << 19)) >> 20, kernel.trim())
}

/// `2026-11-21`, in UTC.
fn today() -> Result<String> {
    let days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    let (year, month, day) = civil(days);
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}

/// The date of a day since 1970-01-01 in the proleptic Gregorian calendar, by counting eras of 400 years from a March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_based + 2) / 5 + 1;
    let month = if march_based < 10 { march_based + 3 } else { march_based - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }

    #[test]
    fn the_object_at_the_end_is_found() {
        let numbers = last_object("warming up {1}\n{\n \"attach_p50_us\": 900\n}\n");
        assert_eq!(numbers.and_then(|it| it.get("attach_p50_us").cloned()), Some(json!(900)));
        assert_eq!(last_object("no numbers"), None);
    }

    #[test]
    fn results_are_flat() {
        let object = |text: &str| last_object(text).unwrap_or_default();
        assert!(flat(&object(r#"{"a_us": 1, "engine": "xdp"}"#)).is_ok());
        assert!(flat(&object(r#"{"a": {"b": 1}}"#)).is_err());
    }
}
