//! The project's own tasks: `cargo xtask NAME`.
//!
//! `ci` is exactly what CI runs, and what `make test` runs; everything it does can be run alone.

mod bench;
mod ci;
mod console;
mod demo;
mod deploy;
mod ebpf;
mod env;
mod essence;
mod package;
mod pypi;
mod schemathesis;
mod setup;
mod steps;
mod tidy;
mod watchdog;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that CI runs, in its order: install, format, laws, lints, documentation, eBPF, tests, demo
    Ci {
        /// Only the steps whose names contain one of these words
        only: Vec<String>,
        /// Install nothing
        #[arg(long)]
        no_setup: bool,
    },
    /// Unit, integration and documentation tests; arguments go to `cargo test`
    Test {
        /// For example `-p basalt-store -- --nocapture`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The six laws, licences, sizes of files and the rules that no compiler checks
    Tidy,
    /// Build the XDP programs into target/bpf
    Ebpf,
    /// Measure, and keep the numbers in bench/results
    Bench {
        /// One of the names that `cargo xtask bench` lists
        name: Option<String>,
        /// Print the numbers without keeping them
        #[arg(long)]
        dry_run: bool,
        /// Measure what is in target/release already, whatever it was built from
        #[arg(long)]
        no_build: bool,
    },
    /// In the virtual machine of tools/vm.sh: crates/sctp against the kernel's SCTP, the XDP programs on a stock 6.1 kernel
    VmTest,
    /// Install what building, testing and the demo need
    Setup {
        /// Only what the demo needs
        #[arg(long)]
        demo: bool,
    },
    /// Build the web console that orchestratord carries
    Console {
        /// Pictures of every page, into target/screenshots
        #[arg(long)]
        screenshots: bool,
    },
    /// Debian packages with checksums, bill of materials and signature, into target/package
    Package(package::Options),
    /// Render and check chart, compose file and image recipe of deploy/
    Deploy,
    /// Build everything, and run the testbed's demo with these arguments
    Demo {
        /// For example `--once`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Take away what a demo left behind that was killed
    CleanLab,
}

fn main() -> ExitCode {
    match run(Args::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(task: Task) -> Result<bool> {
    match task {
        Task::Ci { only, no_setup } => ci::ci(&only, no_setup),
        Task::Test { args } => ci::test(&args),
        Task::Tidy => tidy::print(),
        Task::Ebpf => ebpf::build(true).map(|object| {
            println!("{}", object.display());
            true
        }),
        Task::Bench { name, dry_run, no_build } => bench::run(name.as_deref(), !dry_run, !no_build),
        Task::VmTest => ci::vm_test(),
        Task::Setup { demo } => setup::run(demo),
        Task::Console { screenshots: true } => console::screenshots(),
        Task::Console { screenshots: false } => console::run(),
        Task::Deploy => deploy::run(),
        Task::Package(options) => package::run(&options).map(|()| true),
        Task::Demo { args } => demo::run(&args),
        Task::CleanLab => demo::clean(),
    }
}
