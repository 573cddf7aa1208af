//! Releases of programs, and upgrades with them.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Releases.
#[derive(Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Make a signing key, or show the public key of one: that one stands in gateways' configurations, `[upgrade] keys = ["..."]`
    Key {
        /// The file of the secret key; made when it is not there
        file: PathBuf,
    },
    /// Sign a program and send it to the orchestrator; once more goes on where it was cut off
    Add {
        /// The program, such as target/release/agwd: it says itself which version it is
        program: PathBuf,
        /// The file of the secret key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Where it is offered
        #[arg(long, value_name = "NAME", default_value = "stable")]
        channel: String,
    },
    /// List releases, the newest first
    List {
        /// Of this channel alone
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
    },
    /// Take a release away
    Delete {
        /// Which, as the list shows it
        name: String,
    },
}

/// Upgrades.
#[derive(Subcommand)]
pub(crate) enum UpgradeCommand {
    /// Have one gateway run another version, and see how it goes; no phone is dropped
    Gateway(UpgradeGateway),
    /// Have all gateways of a tier run another version: some first, then the others; halted and taken back when it does harm
    Tier(UpgradeTier),
    /// List upgrades of tiers, the newest first
    List,
    /// Show an upgrade of a tier, gateway by gateway
    Show {
        /// Which
        id: String,
    },
    /// Tell no more gateways for now
    Pause {
        /// Which
        id: String,
    },
    /// Go on; gateways that failed are told again
    Resume {
        /// Which
        id: String,
    },
    /// Bring gateways back to what they ran before
    RollBack {
        /// Which
        id: String,
    },
    /// Leave all gateways as they are
    Cancel {
        /// Which
        id: String,
    },
}

/// One gateway.
#[derive(Args)]
pub(crate) struct UpgradeGateway {
    /// Its name
    pub(crate) name: String,
    /// The release, as `basalt release list` shows it
    #[arg(long, value_name = "NAME", required_unless_present = "back", conflicts_with = "back")]
    pub(crate) release: Option<String>,
    /// Go back to what it ran before; nothing is fetched
    #[arg(long)]
    pub(crate) back: bool,
    /// Octets in a second that it fetches at most
    #[arg(long, value_name = "OCTETS", default_value_t = 0)]
    pub(crate) rate: u64,
    /// The release is older than what it runs
    #[arg(long)]
    pub(crate) downgrade: bool,
    /// Seconds that the new version has to be found well, or the former one comes back
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u64).range(5..=3600))]
    pub(crate) trial: u64,
    /// Do not wait for the end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// A tier.
#[derive(Args)]
pub(crate) struct UpgradeTier {
    /// Its name
    pub(crate) tier: String,
    /// The release, as `basalt release list` shows it
    #[arg(long, value_name = "NAME")]
    pub(crate) release: String,
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
    /// Octets in a second that each gateway fetches at most
    #[arg(long, value_name = "OCTETS", default_value_t = 0)]
    pub(crate) rate: u32,
    /// The release is older than what they run
    #[arg(long)]
    pub(crate) downgrade: bool,
}
