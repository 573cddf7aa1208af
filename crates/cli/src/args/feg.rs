//! Federation gateways.

use clap::Subcommand;
use std::path::PathBuf;

/// Federation gateways.
#[derive(Subcommand)]
pub(crate) enum FegCommand {
    /// Make a federation gateway at the orchestrator, and a token to join with; prints the command to run there
    Token {
        /// Its name at the orchestrator
        name: String,
        /// Its DiameterIdentity, such as feg1.example.net
        #[arg(long)]
        host: String,
        /// Its realm, such as example.net
        #[arg(long)]
        realm: String,
        /// Tier that it becomes part of
        #[arg(long, default_value = "stable")]
        tier: String,
        /// Hours until the token expires
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
        hours: u16,
    },
    /// Join an orchestrator with a token that it made
    Join {
        /// The token; - reads it from standard input
        token: String,
    },
    /// Send gateways elsewhere, before an upgrade or a stop; what is being asked is still answered
    Drain {
        /// Take gateways again
        #[arg(long)]
        off: bool,
    },
    /// Read along what home networks are asked and ask about a subscriber; keys are blotted out
    Trace {
        /// The subscriber
        imsi: String,
        /// Write a capture (pcapng) instead of text
        #[arg(long, short, value_name = "FILE")]
        write: Option<PathBuf>,
        /// Stop after so many messages
        #[arg(long, short)]
        count: Option<u64>,
        /// Stop after so many seconds
        #[arg(long, short = 't', value_name = "SECONDS")]
        time: Option<u64>,
    },
}
