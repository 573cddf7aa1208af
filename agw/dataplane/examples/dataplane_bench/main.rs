//! Prints as flat JSON what the data plane costs and carries: `cargo run --example dataplane_bench` as root, after `cargo xtask ebpf`.
//!
//! Cost of the XDP programs for a packet, by BPF test-run; the closed loop on veth through XDP and through the software plane; sessions
//! that are installed each second; how long packets wait while the programs are replaced.

mod closed_loop;
mod install;
#[path = "../../tests/lab/mod.rs"]
mod lab;
mod paced;

use agw_dataplane::Plane;
use agw_dataplane::bench::{Report, measure};

const METHOD: &str =
    "BPF_PROG_TEST_RUN, minimum of runs, random session per packet, minus a program that only restores the packet";
const SIZES: [(u32, &str); 3] = [(1, "1"), (10_000, "10k"), (1 << 20, "1m")];
/// Runs of the closed loop, of which the fastest counts: whatever else the machine does only slows it down.
const LOOPS: u32 = 3;

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(9);
    let only: Vec<String> = arguments.collect();
    match figures(rounds, &only) {
        Ok(lines) => {
            println!("{{\n{}\n}}", lines.join(",\n"));
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dataplane_bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// The lines of the object. With 0 rounds without the cost of packets; with sizes or parts named (`loop`, `upgrades`, `install`), nothing
/// else; with sizes and figures named, only those figures.
fn figures(rounds: u32, only: &[String]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut lines = Vec::new();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let sizes: Vec<_> = SIZES.into_iter().filter(|(_, name)| wanted(name)).collect();
    if rounds > 0 && !sizes.is_empty() {
        let sessions: Vec<u32> = sizes.iter().map(|(sessions, _)| *sessions).collect();
        let names: Vec<String> = only.iter().filter(|one| one.contains("link")).cloned().collect();
        costs(&measure(&sessions, rounds, 1_000_000, &names)?, &sizes, &mut lines);
    }
    if wanted("loop") {
        loops(&mut lines)?;
    }
    if wanted("upgrades") {
        upgrades(&mut lines)?;
    }
    if wanted("install") {
        installs(&mut lines)?;
    }
    lines.push(format!("  \"runs\": {rounds}"));
    lines.push(format!("  \"method\": \"{METHOD}\""));
    Ok(lines)
}

fn put(lines: &mut Vec<String>, key: &str, value: f64, digits: usize) {
    lines.push(format!("  \"{key}\": {value:.digits$}"));
}

fn loops(lines: &mut Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    for (name, plane) in [("xdp", Plane::XdpNative), ("software", Plane::Software)] {
        let mut best = closed_loop::rates(plane)?;
        for _ in 1..LOOPS {
            let again = closed_loop::rates(plane)?;
            if again.up + again.down > best.up + best.down {
                best = again;
            }
        }
        eprintln!("closed loop, {name}: {best:?}");
        if best.up + best.down < 0.001 {
            return Err(format!("the closed loop through the {name} plane stands still").into());
        }
        put(lines, &format!("loop_{name}_uplink_mpps"), best.up, 3);
        put(lines, &format!("loop_{name}_downlink_mpps"), best.down, 3);
        put(lines, &format!("loop_{name}_busy_cores"), best.cores, 2);
        put(lines, &format!("loop_{name}_mpps_per_core"), (best.up + best.down) / best.cores, 3);
    }
    Ok(())
}

fn upgrades(lines: &mut Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    put(lines, "upgrades_loop_lost_packets", f64::from(closed_loop::upgrades()?), 0);
    let gaps = paced::upgrades()?;
    eprintln!("upgrades: {gaps:?}");
    let (median, most) = (|gaps: &[f64]| gaps[gaps.len() / 2], |gaps: &[f64]| gaps[gaps.len() - 1]);
    put(lines, "upgrade_gap_us", median(&gaps.upgrades), 0);
    put(lines, "upgrade_gap_us_max", most(&gaps.upgrades), 0);
    put(lines, "no_upgrade_gap_us", median(&gaps.quiet), 0);
    put(lines, "no_upgrade_gap_us_max", most(&gaps.quiet), 0);
    put(lines, "upgrades", gaps.upgrades.len() as f64, 0);
    put(lines, "upgrades_packets", gaps.sent as f64, 0);
    put(lines, "upgrades_lost_packets", gaps.lost as f64, 0);
    put(lines, "upgrades_reordered_packets", gaps.reordered as f64, 0);
    Ok(())
}

fn installs(lines: &mut Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    let speed = install::measure()?;
    put(lines, "sessions_installed_per_s", speed.install, 0);
    put(lines, "sessions_moved_per_s", speed.change, 0);
    put(lines, "sessions_compared_per_s", speed.compare, 0);
    put(lines, "sessions_removed_per_s", speed.remove, 0);
    lines.push(by_the_gateway()?);
    Ok(())
}

/// The line of `install_bench`, which is the gateway's and lies beside this program: sessions by the gateway's own path.
fn by_the_gateway() -> Result<String, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?.with_file_name("install_bench");
    let output = std::process::Command::new(&program).stderr(std::process::Stdio::inherit()).output();
    let output =
        output.map_err(|error| format!("{}: {error}: cargo build --example install_bench", program.display()))?;
    let said = String::from_utf8(output.stdout)?;
    let line = said.lines().find(|line| line.contains("_per_s")).ok_or("install_bench gives no figure")?;
    Ok(line.to_owned())
}

fn costs(report: &Report, sizes: &[(u32, &str)], lines: &mut Vec<String>) {
    lines.extend([
        format!("  \"empty_ns\": {:.1}", report.empty_ns),
        format!("  \"shift_ns\": {:.1}", report.shift_ns),
        format!("  \"memory_miss_ns\": {:.1}", report.miss_ns),
    ]);
    for (figures, (_, name)) in report.figures.iter().zip(sizes) {
        for (what, value) in &figures.costs {
            lines.push(format!("  \"{what}_ns_{name}\": {value:.1}"));
        }
    }
}
