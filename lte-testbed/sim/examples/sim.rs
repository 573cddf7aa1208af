//! Runs the simulator: `cargo run -p testbed-sim --example sim -- --seed N --phones 1000 --minutes M`.
//!
//! `--seeds K` runs K seeds from N on; `--smooth` leaves all faults out; `--diary P` tells what phone P lived through before a
//! failure. Ends with a failure code at the first seed that fails,
//! and says how to repeat it.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;
use std::time::Instant;

use testbed_sim::{Scenario, run};

#[derive(Clone, Copy)]
struct Options {
    seed: u64,
    seeds: u64,
    phones: u32,
    minutes: u32,
    smooth: bool,
    diary: Option<u32>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { seed: 1, seeds: 1, phones: 1000, minutes: 10, smooth: false, diary: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--smooth" {
            options.smooth = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} wants a number"))?;
        let number: u64 = value.parse().map_err(|_| format!("{word} wants a number, not {value}"))?;
        let small = u32::try_from(number).map_err(|_| format!("{number} is too much for {word}"));
        match word.as_str() {
            "--seed" => options.seed = number,
            "--seeds" => options.seeds = number,
            "--phones" => options.phones = small?.max(1),
            "--minutes" => options.minutes = small?,
            "--diary" => options.diary = Some(small?),
            _ => {
                return Err(format!(
                    "unknown option {word}: there are --seed --seeds --phones --minutes --smooth --diary"
                ));
            }
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    for seed in options.seed..options.seed + options.seeds {
        let make = if options.smooth { Scenario::smooth } else { Scenario::rough };
        let begin = Instant::now();
        let scenario = Scenario { diary_of: options.diary, ..make(seed, options.phones, options.minutes) };
        match run(&scenario) {
            Ok(report) => println!("seed {seed}: {report} ({:.1} s)", begin.elapsed().as_secs_f32()),
            Err(failure) => {
                println!("{:?}", scenario.faults);
                failure.diary.iter().for_each(|line| println!("{line}"));
                println!("seed {seed} FAILED after {:.1} s: {failure}", begin.elapsed().as_secs_f32());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
