//! Staged changes of objects.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Staged changes.
#[derive(Subcommand)]
pub(crate) enum RolloutCommand {
    /// Give objects of a file to some gateways first, then to the others; halted and taken back when it does harm
    Begin(BeginRollout),
    /// List staged changes, the newest first
    List,
    /// Show a staged change, object by object and gateway by gateway
    Show {
        /// Which
        id: String,
    },
    /// Give it to no more gateways for now
    Pause {
        /// Which
        id: String,
    },
    /// Go on; gateways that failed are judged anew
    Resume {
        /// Which
        id: String,
    },
    /// Give gateways back what they had, a few at a time
    RollBack {
        /// Which
        id: String,
    },
    /// Take it away from all gateways at once
    Cancel {
        /// Which
        id: String,
    },
}

/// What is to be changed, and how.
#[derive(Args)]
pub(crate) struct BeginRollout {
    /// Objects as YAML or JSON, as `basalt get KIND NAME -o yaml` shows them; - for standard input
    #[arg(short, long, value_name = "FILE", required_unless_present = "delete")]
    pub(crate) file: Option<PathBuf>,
    /// An object that goes, such as apn/old; several times
    #[arg(long, value_name = "KIND/NAME")]
    pub(crate) delete: Vec<String>,
    /// Gateways of this tier come first
    #[arg(long, value_name = "NAME")]
    pub(crate) tier: Option<String>,
    /// Per cent of the gateways that go first, at least one
    #[arg(long, value_name = "PERCENT", default_value_t = 10)]
    pub(crate) canary: u32,
    /// Minutes that those are looked at before the others follow
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    pub(crate) soak: u32,
    /// Gateways at a time
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) at_once: u32,
    /// Gateways that may fail before it is halted
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) most_failures: u32,
    /// When it is halted, wait for somebody in place of taking it back
    #[arg(long)]
    pub(crate) pause_only: bool,
}
