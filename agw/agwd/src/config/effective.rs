//! Everything the daemon acts on: the file, what the machine tells, and defaults in one.

use agw_types::{GatewayConfig, Limits};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything the daemon acts on.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// For the core.
    pub gateway: GatewayConfig,
    /// For the core.
    pub limits: Limits,
    /// How subscribers of other networks are asked for, as it is written; it is checked.
    pub federation: super::file::Federation,
    /// A collector that is told signalling as spans.
    pub otlp: Option<basalt_otlp::Settings>,
    /// Keys of releases that may run here.
    pub release_keys: Vec<[u8; 32]>,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where sockets are.
    pub run_dir: PathBuf,
    /// Addresses S1AP is served on.
    pub listen: Vec<IpAddr>,
    /// S1AP port.
    pub port: u16,
    /// SCTP back end.
    pub sctp: SctpChoice,
    /// Interface base stations are behind.
    pub radio_interface: String,
    /// GTP-U address.
    pub user_plane: Ipv4Addr,
    /// Interface the internet is behind; `None` keeps traffic inside.
    pub internet_interface: Option<String>,
    /// How phones reach the internet.
    pub egress: EgressMode,
    /// How phones of access points leave that differ: position in the gateway's list, mode, VLAN.
    pub apn_egress: Vec<ApnEgress>,
    /// How addresses are translated in XDP; its log is set where any are.
    pub translation: agw_dataplane::Translation,
    /// Phones may talk to each other.
    pub phone_to_phone: bool,
    /// Networks phones must not reach.
    pub blocked: Vec<(Ipv4Addr, u8)>,
    /// DNS servers that phones are told and that are not on the internet's side: what is closed to phones otherwise.
    pub dns_inside: Vec<Ipv4Addr>,
    /// Packet path.
    pub dataplane: DataplaneMode,
    /// Most sessions at a time.
    pub max_sessions: u32,
    /// Where programs and maps are pinned.
    pub pin_dir: PathBuf,
    /// Packets kept for an idle phone.
    pub buffer_packets: u32,
    /// How much of a rate may come at once: what it carries in so many milliseconds.
    pub burst_ms: u64,
    /// What the rules of a rating group may carry together in a session.
    pub quotas: BTreeMap<u32, GroupQuota>,
    /// Between two usage records of a session.
    pub usage_interval: Duration,
    /// How long usage of ended sessions is kept.
    pub usage_retention: Duration,
    /// The sealing key's file.
    pub key_file: PathBuf,
    /// Where Prometheus text is served.
    pub metrics: SocketAddr,
}

/// What the rules of a rating group may carry together in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupQuota {
    /// Octets of both directions.
    pub octets: u64,
    /// An event tells when so many are left; 0 for never.
    pub warn: u64,
    /// bit/s that they have together afterwards; `None`: nothing of them passes any more.
    pub slow: Option<u64>,
}

/// SCTP back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SctpChoice {
    /// The kernel's where there is one, raw IP elsewhere.
    Auto,
    /// The kernel's.
    Kernel,
    /// Userspace over raw IP.
    RawIp,
    /// Userspace over UDP, on this port.
    Udp(u16),
}

/// How phones reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EgressMode {
    /// Behind the gateway's address.
    Nat,
    /// With their own addresses.
    Routed,
    /// Behind external addresses, translated in XDP.
    XdpNat,
}

impl EgressMode {
    /// As in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            EgressMode::Nat => "nat",
            EgressMode::Routed => "routed",
            EgressMode::XdpNat => "xdp-nat",
        }
    }
}

/// The way to the internet of one access point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApnEgress {
    /// Position of the access point.
    pub apn: usize,
    /// How.
    pub mode: EgressMode,
    /// By which VLAN.
    pub vlan: Option<agw_dataplane::Vlan>,
}

/// The packet path wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataplaneMode {
    /// The best that works here; which one is said aloud.
    Auto,
    /// XDP in the driver, or nothing.
    XdpNative,
    /// XDP on socket buffers.
    XdpGeneric,
    /// Userspace.
    Software,
}

impl Effective {
    /// The same with all paths absolute.
    ///
    /// # Errors
    /// When there is no current folder.
    pub fn absolute(mut self) -> std::io::Result<Self> {
        let paths = [&mut self.state_dir, &mut self.run_dir, &mut self.pin_dir, &mut self.key_file];
        for path in paths {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }

    /// Where the control socket is.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir.join("agwd.sock")
    }

    /// Where the keeper's socket is.
    #[must_use]
    pub fn keeper_socket(&self) -> PathBuf {
        self.run_dir.join("keeper.sock")
    }
}
