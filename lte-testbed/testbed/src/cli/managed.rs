//! `testbed managed`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::options::{LabName, Rights};
use crate::managed;

/// `testbed managed …`
#[derive(Debug, Args)]
pub struct ManagedArgs {
    #[command(flatten)]
    rights: Rights,
    #[command(flatten)]
    lab: LabName,
}

pub(super) fn run(args: &ManagedArgs) -> Result<ExitCode> {
    let unprivileged = args.rights.settle()?;
    managed::play(&args.lab.name, unprivileged)?;
    Ok(ExitCode::SUCCESS)
}
