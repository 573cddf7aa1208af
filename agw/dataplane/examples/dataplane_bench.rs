//! Prints the cost per packet of the XDP programs as flat JSON: `cargo run --example dataplane_bench` as root, after
//! `cargo xtask ebpf`.

use agw_dataplane::bench::{Report, measure};

const METHOD: &str =
    "BPF_PROG_TEST_RUN, minimum of runs, random session per packet, minus a program that only restores the packet";
const SIZES: [(u32, &str); 3] = [(1, "1"), (10_000, "10k"), (1 << 20, "1m")];

fn main() -> std::process::ExitCode {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(9);
    match measure(&SIZES.map(|(sessions, _)| sessions), rounds, 1_000_000) {
        Ok(report) => {
            println!("{}", json(&report, rounds));
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("dataplane_bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn json(report: &Report, rounds: u32) -> String {
    let mut lines = vec![
        format!("  \"empty_ns\": {:.1}", report.empty_ns),
        format!("  \"shift_ns\": {:.1}", report.shift_ns),
        format!("  \"memory_miss_ns\": {:.1}", report.miss_ns),
    ];
    for (figures, (_, name)) in report.figures.iter().zip(SIZES) {
        for (what, value) in &figures.costs {
            lines.push(format!("  \"{what}_ns_{name}\": {value:.1}"));
        }
    }
    lines.push(format!("  \"runs\": {rounds}"));
    lines.push(format!("  \"method\": \"{METHOD}\""));
    format!("{{\n{}\n}}", lines.join(",\n"))
}
