//! Subscribers: what can be said of them.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

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
