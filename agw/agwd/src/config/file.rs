//! The configuration file: one small TOML, every key optional but the network's identity.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The file as written. What is absent is filled in by [`super::resolve()`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Name told to base stations and shown everywhere; the host's name by default.
    pub name: Option<String>,
    /// Where state that survives a restart is kept.
    pub state_dir: Option<PathBuf>,
    /// Where sockets are.
    pub run_dir: Option<PathBuf>,
    /// Whose network this is.
    pub network: Network,
    /// The side of the base stations.
    pub radio: Radio,
    /// The side of the internet.
    pub internet: Internet,
    /// Translation of addresses in XDP, for `mode = "xdp-nat"`.
    pub nat: Nat,
    /// Access points; one named `internet` with 10.45.0.0/16 by default.
    pub apn: Vec<Apn>,
    /// Rules that access points and subscribers refer to.
    pub rule: Vec<Rule>,
    /// What the rules of a rating group may carry together in a session.
    pub quota: Vec<Quota>,
    /// Guaranteed rates and marking.
    pub qos: Qos,
    /// Networks and equipment that are let in, and those that are not.
    pub access: Access,
    /// Algorithms.
    pub security: Security,
    /// Subscribers of other networks.
    pub federation: Federation,
    /// Other versions of the gateway, sent by the orchestrator.
    pub upgrade: Upgrade,
    /// Timers of TS 24.301.
    pub timers: Timers,
    /// Calling idle phones.
    pub paging: Paging,
    /// The packet path.
    pub dataplane: Dataplane,
    /// Accounting.
    pub usage: Usage,
    /// Prometheus.
    pub metrics: Metrics,
    /// A collector of OpenTelemetry that is told signalling as spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<basalt_otlp::Settings>,
    /// Limits.
    pub limits: Limits,
}

/// `[network]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// PLMNs served, such as "001-01" or "310-410".
    pub plmns: Vec<String>,
    /// Tracking area codes served in each of them.
    pub tacs: Vec<u16>,
    /// MME group identity.
    pub mme_group: Option<u16>,
    /// MME code.
    pub mme_code: Option<u8>,
    /// Relative MME capacity, 0 to 255.
    pub relative_capacity: Option<u8>,
    /// Name shown on phones.
    pub full_name: Option<String>,
    /// Short name shown on phones.
    pub short_name: Option<String>,
    /// Offset of local time from UTC in minutes, told to phones; a multiple of 15.
    pub utc_offset_minutes: Option<i32>,
    /// Refuse SIMs of other networks even if they are in the subscriber list.
    pub home_only: Option<bool>,
}

/// `[federation]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Federation {
    /// Networks whose subscribers are authenticated and profiled by their own operator, such as "310-410".
    pub networks: Vec<String>,
    /// Beginnings of IMSIs whose subscribers are such, where not all of a network are; 6 to 15 digits.
    pub imsis: Vec<String>,
    /// All subscribers that are not in the gateway's own list are such.
    pub others: bool,
    /// Federation gateways. Several share the phones among them, and stand in for each other.
    pub gateway: Vec<FederationGateway>,
    /// Certificate, key and authority (PEM) for them; needed unless they are on this machine. The certificate has the gateway's name.
    pub certificate: Option<PathBuf>,
    /// See `certificate`.
    pub key: Option<PathBuf>,
    /// See `certificate`.
    pub authority: Option<PathBuf>,
    /// Vectors asked for at once, 1 to 5: those that are left carry a phone through an outage.
    pub vectors: Option<u32>,
    /// How long a vector may wait to be used.
    pub vector_age: Option<String>,
    /// How long a profile may stand for an answer of the home network.
    pub profile_age: Option<String>,
    /// Ask the home network's equipment register at each attach.
    pub check_equipment: bool,
    /// Refuse equipment that is watched (grey-listed).
    pub refuse_tracked: bool,
    /// Refuse equipment that the register does not know.
    pub refuse_unknown: bool,
    /// Refuse everybody while the register does not answer.
    pub refuse_unchecked: bool,
    /// Zone codes, agreed with home networks, of all tracking areas here that have none of their own: subscribers of other zones are refused
    /// (cause 12).
    pub zone_codes: Vec<u16>,
    /// Tracking areas with zone codes of their own.
    pub area: Vec<ZonedArea>,
    /// What home networks are told that has the sessions of their phones (NOR, TS 29.272 §5.2.5.1): an address or a name of this gateway by
    /// which it is reached from other accesses, such as an ePDG's. Nothing is told without.
    pub pdn_gateway: Option<String>,
}

/// `[[federation.area]]`: a tracking area as home networks know it (regional subscription, TS 29.272 §7.3.70).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonedArea {
    /// Tracking area code.
    pub tac: u16,
    /// The zones that it belongs to.
    pub zone_codes: Vec<u16>,
}

/// `[[federation.gateway]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationGateway {
    /// Its name, which its certificate has.
    pub name: String,
    /// `HOST:PORT`; `orchestrator`, where that one passes on what is said.
    pub address: String,
    /// Both joined the same orchestrator, and show each other the certificates that they have from it; `name` is the object's there.
    #[serde(default)]
    pub joined: bool,
}

impl FederationGateway {
    /// The address of those that are reached through the orchestrator.
    pub const ORCHESTRATOR: &str = "orchestrator";
}

/// `[radio]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Radio {
    /// Addresses S1AP is served on. By default those of `interface`, or of the interface with the default route.
    pub listen: Vec<IpAddr>,
    /// S1AP port.
    pub port: Option<u16>,
    /// SCTP back end: "auto", "kernel", "raw-ip", "udp" or "udp:PORT".
    pub sctp: Option<String>,
    /// Interface GTP-U of base stations comes in on, by any of its names; that of the first `listen` address by default.
    pub interface: Option<String>,
    /// Address GTP-U is received on; the first `listen` address by default.
    pub user_plane: Option<Ipv4Addr>,
}

/// `[internet]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Internet {
    /// Interface towards the internet, by any of its names; that of the default route by default.
    pub interface: Option<String>,
    /// "nat" (by the kernel, behind the interface's address), "xdp-nat" (in XDP, in blocks of ports, see `[nat]`) or "routed".
    pub mode: Option<String>,
    /// DNS servers told to phones, IPv4 and IPv6; those of the host by default.
    pub dns: Vec<IpAddr>,
    /// MTU told to phones, octets; derived from the radio interface by default.
    pub mtu: Option<u16>,
    /// Phones may talk to each other.
    pub phone_to_phone: Option<bool>,
    /// Networks phones must not reach besides the gateway itself, such as "192.168.0.0/16".
    pub blocked: Vec<String>,
}

/// `[nat]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nat {
    /// External addresses, such as "203.0.113.8" or "203.0.113.16/28"; that of the internet interface by default.
    pub addresses: Vec<String>,
    /// Ports given to phones, such as "1024-65535"; of the gateway's own address "10240-32767" by default, of others all from 1024.
    pub ports: Option<String>,
    /// Ports in a block: 16, 32, 64, 128, 256 or 512.
    pub block: Option<u16>,
    /// Most blocks of one phone, 1 to 4.
    pub blocks: Option<u8>,
    /// From whom packets come in: "endpoint-independent", "address" or "address-and-port".
    pub filtering: Option<String>,
    /// How long a UDP mapping lives without packets from the phone.
    pub udp: Option<String>,
    /// An established TCP connection.
    pub tcp: Option<String>,
    /// A TCP connection that begins or ends.
    pub tcp_transitory: Option<String>,
    /// A ping.
    pub icmp: Option<String>,
    /// How long it is kept who had which ports, in days.
    pub log_days: Option<u32>,
}

/// `[[apn]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apn {
    /// Name.
    pub name: String,
    /// Pools, such as "10.45.0.0/16" for IPv4 addresses and "2001:db8:1::/48" for IPv6 prefixes of 64 bits.
    pub pools: Vec<String>,
    /// Length of the prefix that a phone can have delegated by DHCPv6 out of the IPv6 pools, 48 to 63, its own /64 included; none by
    /// default.
    pub delegate: Option<u8>,
    /// How its phones reach the internet, as `mode` in `[internet]`, which is the default.
    pub mode: Option<String>,
    /// VLAN of its own on the internet interface, 1 to 4094; needs `vlan_address` and `vlan_router`.
    pub vlan: Option<u16>,
    /// The gateway's address in that VLAN.
    pub vlan_address: Option<Ipv4Addr>,
    /// The router in that VLAN.
    pub vlan_router: Option<Ipv4Addr>,
    /// What sessions may be: "ipv4", "ipv6", "ipv4v6", or "ipv4-or-ipv6" for one at a time; what the pools have by default.
    pub pdn_types: Option<String>,
    /// DNS servers told to its phones; those of `[internet]` by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// P-CSCFs told to its phones; none by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub p_cscf: Vec<IpAddr>,
    /// Names of rules that every session has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Guaranteed rate of all its bearers together from phones, bit/s; no bound by default.
    pub gbr_uplink: Option<u64>,
    /// The same to phones.
    pub gbr_downlink: Option<u64>,
    /// Classes that phones may ask for by themselves; none by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requested_qcis: Vec<u8>,
    /// Highest guaranteed rate that one such bearer may have in each direction, bit/s.
    pub requested_gbr: Option<u64>,
}

/// `[[rule]]`, and a rule as it comes over the control API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Name.
    pub name: String,
    /// Lower is looked at first, 0 to 255.
    pub precedence: Option<u32>,
    /// Flows, such as "both udp remote 192.0.2.10/32 remote-port 5060".
    pub flows: Vec<String>,
    /// "open", "closed", "uplink" or "downlink": which directions may pass.
    pub gate: Option<String>,
    /// QCI of the bearer it asks for; the default bearer by default.
    pub qci: Option<u32>,
    /// Priority of that bearer, 1 (highest) to 15; 8 by default.
    pub priority: Option<u32>,
    /// It may take the place of less important bearers.
    pub may_preempt: Option<bool>,
    /// A more important bearer may take its place; so by default.
    pub preemptable: Option<bool>,
    /// Maximum rate from the phone, bit/s.
    pub mbr_uplink: Option<u64>,
    /// Maximum rate to the phone, bit/s.
    pub mbr_downlink: Option<u64>,
    /// Guaranteed rate from the phone, bit/s.
    pub gbr_uplink: Option<u64>,
    /// Guaranteed rate to the phone, bit/s.
    pub gbr_downlink: Option<u64>,
    /// Rating group: rules of one group share its `[[quota]]`.
    pub rating_group: Option<u32>,
    /// Usage monitoring key.
    pub monitoring_key: Option<u32>,
}

/// `[[quota]]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Whose: the rules with this rating group, 1 to 2147483647.
    pub rating_group: u32,
    /// Octets of both directions that they may carry together in one session. The packet that uses up the last one passes.
    pub octets: u64,
    /// An event tells when so many are left; a fifth by default, 0 for never.
    pub warn: Option<u64>,
    /// bit/s in each direction that they have together afterwards; by default nothing of them passes any more.
    pub slow: Option<u64>,
}

/// `[qos]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Qos {
    /// Guaranteed rate of all bearers together from phones, bit/s; by default four fifths of what the slower one of the radio's and the
    /// internet's links carries, half of that where one link is both, and no bound where none tells its speed.
    pub gbr_uplink: Option<u64>,
    /// The same to phones.
    pub gbr_downlink: Option<u64>,
    /// The same over one base station, from phones.
    pub enb_gbr_uplink: Option<u64>,
    /// The same over one base station, to phones.
    pub enb_gbr_downlink: Option<u64>,
    /// DSCP of packets to base stations by QCI, where it differs from GSMA IR.34: `dscp = { "1" = 46 }`.
    pub dscp: BTreeMap<String, u8>,
}

/// `[access]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Networks whose phones are refused, such as "001-01".
    pub refused_plmns: Vec<String>,
    /// Networks whose phones are served alone; all by default.
    pub allowed_plmns: Vec<String>,
    /// Equipment that is refused: a type allocation code, "35824005", or one device, "35824005-111111".
    pub refused_imeis: Vec<String>,
    /// Equipment that is served alone; all by default.
    pub allowed_imeis: Vec<String>,
}

/// `[security]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// Ciphering algorithms, most wanted first: "EEA0" to "EEA3".
    pub ciphering: Vec<String>,
    /// Integrity algorithms, most wanted first: "EIA1" to "EIA3".
    pub integrity: Vec<String>,
    /// File with the key that seals SIM keys; made at first start.
    pub key_file: Option<PathBuf>,
}

/// `[upgrade]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upgrade {
    /// Ed25519 public keys, 64 hexadecimal digits each: a release that none of them signed is never run. Without any, none is.
    pub keys: Vec<String>,
}

/// `[timers]`: durations such as "54m", "6s", "1h".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timers {
    /// Periodic tracking area update.
    pub t3412: Option<String>,
    /// Retry after failed attaches.
    pub t3402: Option<String>,
    /// Paging answer.
    pub t3413: Option<String>,
    /// Detach answer.
    pub t3422: Option<String>,
    /// Attach, update, reallocation answer.
    pub t3450: Option<String>,
    /// Authentication, security mode answer.
    pub t3460: Option<String>,
    /// Identity answer.
    pub t3470: Option<String>,
    /// Default bearer answer.
    pub t3485: Option<String>,
    /// Bearer modification answer.
    pub t3486: Option<String>,
    /// ESM information answer.
    pub t3489: Option<String>,
    /// Bearer deactivation answer.
    pub t3495: Option<String>,
    /// On top of T3412 before a phone counts as unreachable.
    pub mobile_reachable_margin: Option<String>,
    /// After that, before it is detached.
    pub implicit_detach: Option<String>,
    /// Rest of a released address or tunnel.
    pub quarantine: Option<String>,
    /// Back-off told to phones that ask for what does not exist.
    pub backoff: Option<String>,
}

/// `[paging]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paging {
    /// Pages before giving up, 1 to 10.
    pub attempts: Option<u8>,
    /// Rest after a failed page.
    pub backoff: Option<String>,
    /// Phones called each second for packets, 1 to 100000.
    pub per_second: Option<u32>,
}

/// `[dataplane]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dataplane {
    /// "auto", "xdp-native", "xdp-generic" or "software".
    pub mode: Option<String>,
    /// Most sessions at a time, 1 to 1048575: the sizes of all tables follow. Left out, it follows from the machine's memory: 65536 with
    /// 16 GB, half of that with half as much, and so on, but 4096 at least.
    pub max_sessions: Option<u32>,
    /// Where programs and maps are pinned (a BPF file system is mounted there).
    pub pin_dir: Option<PathBuf>,
    /// How much of a rate may come at once, as the time in which the rate carries it: "25ms" to "10s".
    pub burst: Option<String>,
    /// Packets kept for an idle phone.
    pub buffer_packets: Option<u32>,
}

/// `[usage]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Between two usage records of a session that goes on; "1s" to "24h".
    pub interval: Option<String>,
    /// How long usage of ended sessions, and records that nobody has acknowledged, are kept, in days.
    pub retention_days: Option<u32>,
}

/// `[metrics]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Where Prometheus text is served.
    pub listen: Option<SocketAddr>,
}

/// `[limits]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Base stations connected at a time.
    pub enbs: Option<u32>,
    /// Phones known at a time.
    pub ues: Option<u32>,
    /// Phones in the middle of an attach at a time.
    pub attaching: Option<u32>,
}
