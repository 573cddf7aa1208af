//! What can be said on the command line.

mod feg;
mod place;
mod release;
mod request;
mod rollout;
mod rule;
mod subscriber;
mod trace;
mod up;
mod what;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use feg::FegCommand;
pub(crate) use place::Where;
pub(crate) use release::*;
pub(crate) use request::*;
pub(crate) use rollout::*;
pub(crate) use rule::{Rule, SetRule};
pub(crate) use subscriber::*;
pub(crate) use trace::{Trace, TraceCall};
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
