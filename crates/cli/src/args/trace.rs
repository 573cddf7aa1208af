//! `basalt trace`: signalling and packets.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Trace {
    /// Signalling of one phone (also before it appears), one base station or a whole gateway: S1AP, deciphered NAS, Diameter
    #[command(after_help = CALL_HELP)]
    Call(Box<TraceCall>),
    /// A phone's packets in its tunnel and outside, in both directions, for Wireshark and tshark
    Ue {
        /// The phone's subscriber
        imsi: String,
        /// The file, in the pcapng format
        #[arg(long, short, value_name = "FILE")]
        write: PathBuf,
        /// Octets of each packet that are kept
        #[arg(long, short, value_name = "OCTETS", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(64..=2000))]
        snap: u32,
        /// Stop after so many packets
        #[arg(long, short = 'n', value_name = "N")]
        count: Option<u64>,
        /// Stop after so many seconds
        #[arg(long, short = 't', value_name = "SECONDS")]
        time: Option<u64>,
    },
}

/// What `basalt trace call` says besides its options.
const CALL_HELP: &str = "\
Keys, expected answers and passwords are zeroed in all that it gives. Ask a gateway, or by --orchestrator and --network all gateways
and federation gateways of a network at once.

Examples:
  basalt trace call 001010000000001 -f
  basalt trace call 001010000000001 -w phone.pcapng -t 60 --packets
  basalt trace call --enb 001-01/0x19b -w cell.pcapng --ladder cell.json";

#[derive(Args)]
pub(crate) struct TraceCall {
    /// The phone's subscriber
    #[arg(required_unless_present_any = ["enb", "all"], conflicts_with_all = ["enb", "all"])]
    pub(crate) imsi: Option<String>,
    /// All of one base station, by its identity
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    pub(crate) enb: Option<String>,
    /// All of the gateway; of this one, where an orchestrator is asked
    #[arg(long, value_name = "GATEWAY", num_args = 0..=1, default_missing_value = "")]
    pub(crate) all: Option<String>,
    /// The capture, in the pcapng format
    #[arg(long, short, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// The phone's own packets in the same capture, by their headers in the tunnel; of more than 100 a second the first ones. At a gateway
    #[arg(long, requires_all = ["write", "imsi"])]
    pub(crate) packets: bool,
    /// The ladder, decoded, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) ladder: Option<PathBuf>,
    /// Print messages as they come, also when they are written
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Stop after so many messages
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) count: Option<usize>,
    /// Stop after so many seconds; through an orchestrator 60, unless it is said
    #[arg(long, short = 't', value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) time: Option<u64>,
}
