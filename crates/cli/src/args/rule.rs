//! `basalt rule`: rules of single subscribers.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Rule {
    /// Give a subscriber a rule, in place of one of the same name; the phone's session has it at once
    #[command(after_help = RULE_HELP)]
    Set(Box<SetRule>),
    /// Take a rule from a subscriber and its session
    Remove {
        /// Whose
        imsi: String,
        /// The rule's name
        name: String,
        /// Access point; that of the first session by default
        #[arg(long)]
        apn: Option<String>,
        /// Only from the session that there is now
        #[arg(long)]
        session_only: bool,
    },
    /// List a subscriber's rules: in force, and kept for later sessions
    List {
        /// Whose
        imsi: String,
    },
}

const RULE_HELP: &str = "\
A flow is words in any order: uplink, downlink or both; tcp, udp, icmp, ... or protocol N; remote ADDRESS/BITS; remote-port A-B;
local-port A-B; tos VALUE/MASK. A name without anything else is a rule of the gateway's configuration.

basalt rule set 001010000000001 voice --flow \"both udp remote 192.0.2.10 remote-port 4000-4999\" --qci 1 --gbr-uplink 64000 --gbr-downlink 64000
basalt rule set 001010000000001 no-telnet --flow \"both tcp remote-port 23\" --gate closed";

#[derive(Args)]
pub(crate) struct SetRule {
    /// Whose
    pub(crate) imsi: String,
    /// The rule's name
    pub(crate) name: String,
    /// A flow, in quotes; as often as needed
    #[arg(long = "flow", value_name = "FLOW")]
    pub(crate) flows: Vec<String>,
    /// Lower is looked at first, 1 to 255; 100 by default
    #[arg(long)]
    pub(crate) precedence: Option<u32>,
    /// Which directions may pass: open, closed, uplink or downlink
    #[arg(long)]
    pub(crate) gate: Option<String>,
    /// QCI of a bearer of its own; the default bearer by default
    #[arg(long)]
    pub(crate) qci: Option<u32>,
    /// Priority of that bearer, 1 (highest) to 15; 8 by default
    #[arg(long)]
    pub(crate) priority: Option<u32>,
    /// It may take the place of less important bearers
    #[arg(long)]
    pub(crate) may_preempt: bool,
    /// No more important bearer may take its place
    #[arg(long)]
    pub(crate) not_preemptable: bool,
    /// Highest rate from the phone, bit/s
    #[arg(long)]
    pub(crate) mbr_uplink: Option<u64>,
    /// Highest rate to the phone, bit/s
    #[arg(long)]
    pub(crate) mbr_downlink: Option<u64>,
    /// Guaranteed rate from the phone, bit/s
    #[arg(long)]
    pub(crate) gbr_uplink: Option<u64>,
    /// Guaranteed rate to the phone, bit/s
    #[arg(long)]
    pub(crate) gbr_downlink: Option<u64>,
    /// Rating group
    #[arg(long)]
    pub(crate) rating_group: Option<u32>,
    /// Usage monitoring key
    #[arg(long)]
    pub(crate) monitoring_key: Option<u32>,
    /// Access point; that of the first session by default
    #[arg(long)]
    pub(crate) apn: Option<String>,
    /// Only for the session that there is now
    #[arg(long)]
    pub(crate) session_only: bool,
}
