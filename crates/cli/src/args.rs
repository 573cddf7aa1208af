//! What can be said on the command line.

mod feg;
mod release;
mod request;
mod rollout;
mod subscriber;
mod up;
mod what;

use crate::contexts::{Contexts, key_of};
use crate::error::{Error, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use feg::FegCommand;
pub(crate) use release::*;
pub(crate) use request::*;
pub(crate) use rollout::*;
pub(crate) use subscriber::*;
pub(crate) use up::Up;
pub(crate) use what::What;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 refused, not found, or the doctor found an error; 2 wrong usage or file; 3 the gateway cannot be reached.

Try: basalt up; basalt doctor; basalt status; basalt get ues; basalt describe ue IMSI; basalt events -f";

/// Operate a Basalt gateway: subscribers, phones, base stations, sessions.
#[derive(Parser)]
#[command(name = "basalt", version, after_help = AFTER_HELP, propagate_version = false, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) to: Where,
    /// Form of the answer: a table, JSON or YAML with stable names (never with keys), or a table with more columns
    #[arg(long, short, global = true, value_name = "FORM", value_enum, default_value_t = Format::Table,
          help_heading = "Global options")]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Whom commands are for.
#[derive(Args)]
pub(crate) struct Where {
    /// A gateway's control socket; the context's, or that of this machine's gateway
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "BASALT_SOCKET",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) socket: Option<PathBuf>,
    /// Context to use: see `basalt context`
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "BASALT_CONTEXT",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) context: Option<String>,
    /// An orchestrator's REST interface
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "BASALT_ORCHESTRATOR",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) orchestrator: Option<String>,
    /// Network of the orchestrator
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "BASALT_NETWORK",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) network: Option<String>,
    /// API key or session for the orchestrator; better given by the environment or a context
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "BASALT_API_KEY",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) api_key: Option<String>,
    /// File with the API key
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BASALT_API_KEY_FILE",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) api_key_file: Option<PathBuf>,
    /// File of authorities (PEM) that an orchestrator's certificate must come from; the system's, when absent
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "BASALT_CA",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(crate) ca: Option<PathBuf>,
    /// File of contexts, in place of basalt/contexts.toml in the user's configuration folder
    #[arg(long, global = true, value_name = "FILE", env = "BASALT_CONTEXTS", hide_env_values = true, hide = true)]
    pub(crate) contexts: Option<PathBuf>,
}

impl Where {
    /// The API key that is said, or that a file holds which is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn api_key(&self) -> Result<Option<String>> {
        match (&self.api_key, &self.api_key_file) {
            (None, Some(file)) => key_of(file).map(Some),
            (key, _) => Ok(key.clone()),
        }
    }

    /// The file of contexts.
    ///
    /// # Errors
    /// It was not named, and the user has no home.
    pub(crate) fn contexts_path(&self) -> Result<PathBuf> {
        self.contexts.clone().or_else(Contexts::usual_path).ok_or_else(|| {
            Error::usage("there is no home folder for the file of contexts", "name one by BASALT_CONTEXTS")
        })
    }
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // Without words of their own: the help stays short.
    Table,
    Json,
    Yaml,
    Wide,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start an orchestrator and a gateway on this machine, joined, and run both until Ctrl-C
    Up(Up),
    /// Subscribers: who may use the network
    #[command(subcommand, visible_alias = "sub")]
    Subscriber(Subscriber),
    /// List phones, base stations, sessions, subscribers, usage or address pools; of an orchestrator: objects of any kind
    Get {
        /// What to list
        what: What,
        /// One of them, by name
        name: Option<String>,
        /// Stay and tell what changes
        #[arg(long, short)]
        watch: bool,
    },
    /// Make objects as a file says: create, change, or leave as they are. A gateway on its own has subscribers
    #[command(after_help = FILE_HELP)]
    Apply {
        /// YAML or JSON; - reads it from standard input
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// Have everything checked, and nothing changed
        #[arg(long)]
        dry_run: bool,
    },
    /// Show in what a file and the objects that there are differ; exit code 1 if they do
    #[command(after_help = FILE_HELP)]
    Diff {
        /// YAML or JSON; - reads it from standard input
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
    },
    /// Delete an object, or those of a file
    Delete {
        /// What kind
        #[arg(requires = "name", required_unless_present = "file")]
        kind: Option<String>,
        /// Which
        name: Option<String>,
        /// YAML or JSON; - reads it from standard input
        #[arg(long, short, value_name = "FILE", conflicts_with = "kind")]
        file: Option<PathBuf>,
    },
    /// Edit an object in $VISUAL or $EDITOR
    Edit {
        /// What kind
        kind: String,
        /// Which
        name: String,
    },
    /// Contexts: gateways and orchestrators by name, and which of them is meant
    #[command(subcommand)]
    Context(ContextCommand),
    /// Show one phone, base station or object (`describe KIND NAME`) in full
    #[command(subcommand)]
    Describe(Describe),
    /// The gateway and its orchestrator: join it, see how the link is, make tokens
    #[command(subcommand)]
    Gateway(GatewayCommand),
    /// Releases of programs for gateways: sign them, send them to the orchestrator
    #[command(subcommand)]
    Release(ReleaseCommand),
    /// Have gateways run another version, one or a whole tier; what does not do goes back by itself
    #[command(subcommand)]
    Upgrade(UpgradeCommand),
    /// Change objects at some gateways first, then at all; what does harm is taken back by itself
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Send any request of the orchestrator's REST interface, for what has no command of its own
    Request(AnyRequest),
    /// A federation gateway: join it to an orchestrator, drain it, read along what it says
    #[command(subcommand)]
    Feg(FegCommand),
    /// Ask a home network, by its realm, PLMN or peer, whether it answers
    TestPing {
        /// A realm, a network such as 310-410, or a peer's host name
        realm: String,
        /// Which federation gateway of an orchestrator asks; any that is connected, when absent
        #[arg(long, value_name = "NAME")]
        feg: Option<String>,
    },
    /// Detach a phone from the network
    Detach {
        /// The phone's subscriber
        imsi: String,
        /// Ask it to attach again at once
        #[arg(long)]
        reattach: bool,
    },
    /// Call an idle phone
    Page {
        /// The phone's subscriber
        imsi: String,
    },
    /// End one session of a phone
    Deactivate {
        /// The phone's subscriber
        imsi: String,
        /// EPS bearer identity of the session's default bearer, 5 to 15: see `basalt get sessions`
        #[arg(value_parser = clap::value_parser!(u32).range(5..=15))]
        ebi: u32,
    },
    /// Rules: which packets of a phone go by a bearer of their own, how fast, or not at all
    #[command(subcommand)]
    Rule(Rule),
    /// Reset the S1 interface of a base station: its phones become idle and come back
    #[command(subcommand)]
    Reset(Reset),
    /// Show what happened, and what happens
    Events {
        /// Only events of this phone
        #[arg(long)]
        imsi: Option<String>,
        /// Stay and show events as they happen
        #[arg(long, short)]
        follow: bool,
        /// How many past events to begin with
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        last: u32,
    },
    /// Show who talks most, by rate
    Top {
        /// How many at most
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        count: usize,
        /// How long to look, seconds
        #[arg(long, short = 't', value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
        time: u64,
    },
    /// Write one phone's packets into a file, until Ctrl-C
    #[command(subcommand)]
    Trace(Trace),
    /// Show usage records, one after the other, for a charging system's books
    UsageRecords {
        /// From this cursor on
        #[arg(long, value_name = "CURSOR", default_value_t = 0)]
        from: u64,
        /// The records before this cursor are in your books: the gateway may forget them
        #[arg(long, value_name = "CURSOR", default_value_t = 0)]
        acknowledge: u64,
        /// How many at most
        #[arg(long, short = 'n', value_name = "N", default_value_t = 250,
              value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
    },
    /// Tell who had a port of an external address at a time, where addresses are translated in XDP
    Who {
        /// External IPv4 address
        address: std::net::Ipv4Addr,
        /// Port
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
        /// When, in seconds since 1970 UTC (`date +%s -d "2026-11-21 08:00 UTC"`); now by default
        #[arg(long, value_name = "SECONDS")]
        at: Option<u64>,
    },
    /// Show what runs and how it is
    Status,
    /// Show the configuration in force: defaults and detected values filled in
    Config,
    /// Check machine, gateway and, if asked, the way of a phone's packets; every finding names its cause and its fix
    Doctor {
        /// Check the way of this phone, too
        #[arg(long, value_name = "IMSI")]
        ue: Option<String>,
        /// What of this machine is checked
        #[arg(long, value_enum, default_value_t = Of::Gateway, conflicts_with = "ue")]
        of: Of,
        /// Its configuration; the packages' in /etc/basalt, when absent
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Encrypted copies of this machine's orchestrator: create, verify, drill, restore (see `basalt backup --help`)
    #[command(disable_help_flag = true)]
    Backup {
        /// What `orchestratord backup` is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// The certificate authority of the gateways of this machine's orchestrator: status, rotate, retire (see `basalt authority --help`)
    #[command(disable_help_flag = true)]
    Authority {
        /// What `orchestratord authority` is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Set up an orchestrator on this machine for good: user, folders, key, database, unit (see `basalt init --help`)
    #[command(disable_help_flag = true)]
    Init {
        /// What `orchestratord init` is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// Write a completion script for a shell: basalt completion bash > /etc/bash_completion.d/basalt
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Show the versions of this command and of the gateway
    Version,
}

/// What the doctor looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Of {
    // Without words of their own: the help stays short.
    Gateway,
    Orchestrator,
    Feg,
}

const FILE_HELP: &str = "\
A file holds one object or several (YAML documents, a list, or what `basalt get KIND -o yaml` prints):
  kind: apn
  name: internet
  body: {qci: 9, ambr: {max_ul_bit_rate: 10000000, max_dl_bit_rate: 50000000}}
`network: NAME` in an object comes before --network and the context's.";

/// Contexts.
#[derive(Subcommand)]
pub(crate) enum ContextCommand {
    /// List them; the current one has a star
    List,
    /// Make one the current one
    Use {
        /// Which
        name: String,
    },
    /// Add one, or replace it, from --orchestrator, --network, --api-key or --socket, and make it the current one
    Add {
        /// Its name
        name: String,
        /// Read the API key from standard input
        #[arg(long, conflicts_with = "user")]
        api_key_from_stdin: bool,
        /// Log in as this user with the password from standard input, and keep the session
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Remove one
    Remove {
        /// Which
        name: String,
    },
}

/// Gateway and orchestrator.
#[derive(Subcommand)]
pub(crate) enum GatewayCommand {
    /// Join an orchestrator with a token that it made
    Join {
        /// The token; - reads it from standard input
        token: String,
    },
    /// Show whether the gateway has joined, and how the link is
    Show,
    /// Tokens to join with, made by the orchestrator
    #[command(subcommand)]
    Token(TokenCommand),
}

/// Tokens.
#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for one gateway; prints the command to run there, and a QR code of the token
    Create {
        /// Tier that the gateway becomes part of
        #[arg(long, default_value = "stable")]
        tier: String,
        /// Name of the gateway; without it, the gateway's own
        #[arg(long)]
        name: Option<String>,
        /// Hours until the token expires
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
        hours: u16,
        /// Print no QR code
        #[arg(long)]
        no_qr: bool,
    },
    /// List tokens, used and unused; their secrets are not kept
    List,
}

#[derive(Subcommand)]
pub(crate) enum Describe {
    /// A phone: state in words, sessions, last refusal with advice
    #[command(alias = "phone")]
    Ue {
        /// The phone's subscriber
        imsi: String,
        /// Count its packets hop by hop for a while, and say where they stop
        #[arg(long)]
        packets: bool,
        /// How long to count, seconds
        #[arg(long, short = 't', value_name = "SECONDS", default_value_t = 3, requires = "packets",
              value_parser = clap::value_parser!(u64).range(1..=3600))]
        time: u64,
    },
    /// What a subscriber used, session by session
    Usage {
        /// The subscriber
        imsi: String,
    },
    /// A base station and its phones
    Enb {
        /// As `basalt get enbs` shows it, such as 001-01/0x19b, or its name
        id: String,
    },
    /// A Diameter peer of a federation gateway
    Peer {
        /// Its host name, as `basalt get peers` shows it
        host: String,
    },
    /// An orchestrator's object: its kind and name.
    #[command(external_subcommand)]
    Object(Vec<String>),
}

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

#[derive(Subcommand)]
pub(crate) enum Reset {
    /// A base station
    Enb {
        /// As `basalt get enbs` shows it, such as 001-01/0x19b
        id: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_anywhere() {
        let cli = Cli::try_parse_from(["basalt", "get", "ues", "-o", "json", "--socket", "/tmp/x"]).ok().unwrap();
        assert_eq!(cli.output, Format::Json);
        assert_eq!(cli.to.socket, Some(PathBuf::from("/tmp/x")));
    }

    #[test]
    fn a_wrong_option_does_not_repeat_keys() {
        let arguments = ["basalt", "subscriber", "add", "001010000000001", "--k", "465B5CE8B199B49F", "--nonsense"];
        let error = Cli::try_parse_from(arguments).err().unwrap().render().to_string();
        assert!(!error.contains("465B5CE8"), "{error}");
    }
}
