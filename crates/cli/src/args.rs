//! What can be said on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 refused, not found, or the doctor found an error; 2 wrong usage or file; 3 the gateway cannot be reached.

Try: basalt doctor; basalt status; basalt get ues; basalt describe ue IMSI; basalt events -f";

/// Operate a Basalt gateway: subscribers, phones, base stations, sessions.
#[derive(Parser)]
#[command(name = "basalt", version, after_help = AFTER_HELP, propagate_version = false, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The gateway's control socket
    #[arg(long, global = true, value_name = "PATH", env = "BASALT_SOCKET", hide_env_values = true,
          default_value = basalt_control_api::DEFAULT_CONTROL_SOCKET, help_heading = "Global options")]
    pub(crate) socket: PathBuf,
    /// Form of the answer: a table, JSON with stable names (never with keys), or a table with more columns
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
    Wide,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Subscribers: who may use the network
    #[command(subcommand, visible_alias = "sub")]
    Subscriber(Subscriber),
    /// List phones, base stations, sessions, subscribers, usage or address pools
    Get {
        /// What to list
        what: What,
    },
    /// Show one phone or base station in full
    #[command(subcommand)]
    Describe(Describe),
    /// The gateway and its orchestrator: join it, see how the link is, make tokens
    #[command(subcommand)]
    Gateway(GatewayCommand),
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
        /// The gateway's configuration, for when it does not run
        #[arg(long, value_name = "FILE", default_value = "/etc/basalt/agwd.toml")]
        config: PathBuf,
    },
    /// Write a completion script for a shell: basalt completion bash > /etc/bash_completion.d/basalt
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Show the versions of this command and of the gateway
    Version,
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
        #[command(flatten)]
        of: TokenOf,
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
    List {
        #[command(flatten)]
        of: TokenOf,
    },
}

/// Which orchestrator, and which of its networks.
#[derive(Args)]
pub(crate) struct TokenOf {
    /// Network that the gateway becomes part of
    #[arg(long)]
    pub(crate) network: String,
    /// The orchestrator's REST interface
    #[arg(long, value_name = "URL", env = "BASALT_ORCHESTRATOR", default_value = "http://127.0.0.1:8480")]
    pub(crate) orchestrator: String,
    /// API key or session of somebody who may; better given by the environment
    #[arg(long, value_name = "KEY", env = "BASALT_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Phones known
    #[value(alias = "ue", alias = "phones")]
    Ues,
    /// Base stations connected
    #[value(alias = "enb")]
    Enbs,
    /// Sessions with their counters
    #[value(alias = "session")]
    Sessions,
    /// Subscribers
    #[value(alias = "subscriber", alias = "sub")]
    Subscribers,
    /// What subscribers used, also in sessions that have ended
    Usage,
    /// Address pools
    #[value(alias = "pool")]
    Pools,
    /// The gateway itself
    Status,
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
}

#[derive(Subcommand)]
pub(crate) enum Trace {
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

#[derive(Subcommand)]
pub(crate) enum Subscriber {
    /// Add a subscriber
    #[command(after_help = KEYS_HELP)]
    Add(Box<Add>),
    /// List all subscribers, in order of IMSI
    List,
    /// Show one subscriber; keys are never shown
    Show {
        /// Who
        imsi: String,
    },
    /// Remove a subscriber; a live phone is detached
    #[command(visible_alias = "remove")]
    Delete {
        /// Who
        imsi: String,
    },
    /// Keep a subscriber from using the network; a live phone is detached
    Suspend {
        /// Who
        imsi: String,
    },
    /// Let a suspended subscriber use the network again
    Resume {
        /// Who
        imsi: String,
    },
    /// Bound what a subscriber may use; its sessions go on
    Plan {
        /// Who
        imsi: String,
        /// Octets of both directions, such as 5G or 500M
        #[arg(required_unless_present = "none")]
        octets: Option<String>,
        /// In which time: each session, from midnight to midnight UTC, or a calendar month UTC
        #[arg(long, value_enum, default_value_t = Term::Month)]
        per: Term,
        /// What happens then: `block`, or a bit rate such as 128k in each direction
        #[arg(long, value_name = "RATE", default_value = "block")]
        then: String,
        /// Take the plan away
        #[arg(long, conflicts_with = "octets")]
        none: bool,
    },
    /// Add octets to a subscriber's plan for its present day, month or session
    TopUp {
        /// Who
        imsi: String,
        /// Such as 1G
        octets: String,
    },
    /// Add many subscribers from a CSV file: all of them or none
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// Check everything, store nothing
        #[arg(long)]
        dry_run: bool,
        /// Overwrite subscribers that are known; a row without keys keeps those it has
        #[arg(long)]
        replace: bool,
    },
    /// Write all subscribers as CSV that `import --replace` reads again; keys are never in it
    Export,
}

const KEYS_HELP: &str = "\
Keys in the shell's history are keys in the open. Rather give them by a file or by standard input, one a line:
  k=465B5CE8B199B49FAA5F0A2EE238A6BC
  opc=E8ED289DEBA952E4283B54E88E6183CA
(op instead of opc if that is what the vendor gave; sqn=N if the SIM was in use elsewhere)

  basalt subscriber add 001010000000001 --keys-file sim.txt --name 'Water pump'";

const IMPORT_HELP: &str = "\
The first line names the columns, in any order; letter case, spaces and hyphens do not matter:
  imsi                    6 to 15 digits; the only column that must be there
  k (ki)                  32 hexadecimal digits (TUAK: 32 or 64)
  opc, or op              32 hexadecimal digits (TUAK: 64, TOPc or TOP)
  sqn                     last sequence number used, in decimal; 0 for a new SIM
  amf                     4 hexadecimal digits; 8000 if empty
  algorithm (alg)         milenage or tuak; milenage if empty
  name, msisdn (phone)    for people, and the telephone number
  apn (apns)              one, or several separated by ; the first is the default
  static_ip (ip)          IPv4 address, in the order of apn; - for none
  static_ipv6             IPv6 prefix such as 2001:db8:1:7::/64, in the order of apn; - for none
  framed_routes           networks behind the phone such as 192.168.7.0/24+2001:db8:7::/48, in the order of apn
  pdn_type                ipv4, ipv6, ipv4v6 or ipv4-or-ipv6; ipv4v6 if empty
  qci                     5 to 9; 9 if empty
  ambr_dl, ambr_ul        bit rates such as 50M, or both in one column: ambr as DOWN/UP
  state                   active or suspended
Commas, semicolons or tabs between columns; UTF-8. Example:
  imsi,k,opc,name,ambr_dl,ambr_ul
  001010000000001,465B5CE8B199B49FAA5F0A2EE238A6BC,E8ED289DEBA952E4283B54E88E6183CA,Water pump,50M,10M";

/// In which time a plan's octets may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Term {
    Session,
    Day,
    Month,
}

/// A new subscriber.
#[derive(Args)]
pub(crate) struct Add {
    /// 6 to 15 digits, as on the SIM
    pub(crate) imsi: String,
    /// K, 32 hexadecimal digits; better given by --keys-file or --keys-from-stdin
    #[arg(long, value_name = "HEX", conflicts_with_all = ["keys_file", "keys_from_stdin"])]
    pub(crate) k: Option<String>,
    /// OPc (TUAK: TOPc)
    #[arg(long, value_name = "HEX", conflicts_with = "op")]
    pub(crate) opc: Option<String>,
    /// OP (TUAK: TOP), from which OPc is computed
    #[arg(long, value_name = "HEX")]
    pub(crate) op: Option<String>,
    /// File with k=HEX and opc=HEX (or op=HEX), one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keys_from_stdin", "opc", "op"])]
    pub(crate) keys_file: Option<PathBuf>,
    /// Read the same from standard input
    #[arg(long, conflicts_with_all = ["opc", "op"])]
    pub(crate) keys_from_stdin: bool,
    /// Last sequence number the SIM has seen; 0 for a new SIM
    #[arg(long, value_name = "N")]
    pub(crate) sqn: Option<u64>,
    /// Authentication management field
    #[arg(long, value_name = "HEX", default_value = "8000")]
    pub(crate) amf: String,
    /// Authentication algorithm of the SIM; nearly every one has Milenage
    #[arg(long, value_enum, default_value_t = Algorithm::Milenage)]
    pub(crate) algorithm: Algorithm,
    /// Name for people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Telephone number
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) msisdn: String,
    /// Access points, separated by commas; the first is the default. Without it: the gateway's first
    #[arg(long, value_name = "APN", value_delimiter = ',')]
    pub(crate) apn: Vec<String>,
    /// Highest bit rates DOWN/UP, such as 50M/10M: 50 Mbit/s to the phone, 10 Mbit/s from it; one value is both; unlimited if
    /// absent
    #[arg(long, value_name = "DOWN/UP")]
    pub(crate) ambr: Option<String>,
    /// IPv4 address this subscriber always gets in the first access point
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) static_ip: Option<String>,
    /// IPv6 prefix this subscriber always gets in the first access point, such as 2001:db8:1:7::/64
    #[arg(long, value_name = "PREFIX")]
    pub(crate) static_ipv6: Option<String>,
    /// Network behind the phone in the first access point, such as 192.168.7.0/24 or 2001:db8:7::/48; may be given several times
    #[arg(long, value_name = "NETWORK")]
    pub(crate) framed_route: Vec<String>,
    /// What its sessions may be: ipv4, ipv6, ipv4v6, or ipv4-or-ipv6 for one of them at a time; ipv4v6 if absent
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    pub(crate) pdn_type: String,
    /// Class of the default bearer, 5 to 9
    #[arg(long, value_parser = clap::value_parser!(u32).range(5..=9), default_value_t = 9)]
    pub(crate) qci: u32,
    /// Overwrite the subscriber if it is known; without keys, those it has stay
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Authentication algorithm set of a SIM (TS 35.206, TS 35.231).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    Milenage,
    Tuak,
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
        assert_eq!(cli.socket, PathBuf::from("/tmp/x"));
    }

    #[test]
    fn a_wrong_option_does_not_repeat_keys() {
        let arguments = ["basalt", "subscriber", "add", "001010000000001", "--k", "465B5CE8B199B49F", "--nonsense"];
        let error = Cli::try_parse_from(arguments).err().unwrap().render().to_string();
        assert!(!error.contains("465B5CE8"), "{error}");
    }
}
