//! `testbed bench`: figures of a whole gateway, as one flat JSON object for `cargo xtask bench`.

use anyhow::Result;
use clap::ValueEnum;

use crate::bench;

/// What to measure.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum BenchName {
    /// Attaches: latency, rate and the gateway's processor time.
    Attach,
    /// Attaches through a federation gateway beside the gateway's own: rate, latency and processor time.
    Federation,
    /// Memory of an idle gateway, and the size of its executable.
    Idle,
}

pub(super) fn run(name: BenchName) -> Result<()> {
    let figures = match name {
        BenchName::Attach => bench::attach()?,
        BenchName::Federation => bench::federation()?,
        BenchName::Idle => bench::idle()?,
    };
    tell!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}
