//! `testbed rates`.

use std::process::ExitCode;

use anyhow::Result;
use basalt_sctp::Backend;
use clap::Args;
use serde_json::{Map, json};

use crate::rates::Row;
use crate::scenario::{RunOptions, in_words, play_rates};

/// `testbed rates`
#[derive(Debug, Args)]
pub struct RatesArgs {
    /// Rates of the subscriber in each direction, bit/s.
    #[arg(default_values_t = [64_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000])]
    rates: Vec<u64>,
    /// Every size of packets, number of flows, IP version and direction instead of a few corners.
    #[arg(long)]
    wide: bool,
    /// Print one flat JSON object at the end.
    #[arg(long)]
    json: bool,
    /// Name of the lab.
    #[arg(long, default_value = "basalt-rates")]
    lab: String,
}

pub(super) fn run(args: &RatesArgs) -> Result<ExitCode> {
    let options =
        RunOptions { lab: args.lab.clone(), unprivileged: false, backend: Backend::Auto, settings: Vec::new() };
    let rows = play_rates(&options, &args.rates, args.wide, |row| tell!("{}", in_words(row)))?;
    let missed = rows.iter().filter(|row| !row.is_kept()).count();
    tell!("{} of {} are within 5 %", rows.len() - missed, rows.len());
    if args.json {
        tell!("{}", serde_json::to_string_pretty(&figures(&rows))?);
    }
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the receiver saw, bit/s, by name; and the largest error.
fn figures(rows: &[Row]) -> Map<String, serde_json::Value> {
    let mut figures: Map<_, _> = rows
        .iter()
        .filter_map(|row| row.measured.map(|measured| (format!("{}_bit_per_s", row.key()), json!(measured.round()))))
        .collect();
    let worst = rows.iter().filter_map(Row::error).map(f64::abs).fold(0.0, f64::max);
    figures.insert("largest_error_percent".to_owned(), json!((worst * 1000.0).round() / 10.0));
    figures.insert("measurements".to_owned(), json!(rows.iter().filter(|row| row.measured.is_some()).count()));
    figures.insert("repeated".to_owned(), json!(rows.iter().map(|row| row.repeats).sum::<u32>()));
    figures.insert(
        "too_fast_for_this_machine".to_owned(),
        json!(rows.iter().filter(|row| row.measured.is_none()).count()),
    );
    figures
}
