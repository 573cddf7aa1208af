//! The configuration the core acts on: valid by construction of whoever parsed it (`agwd` from TOML, later the orchestrator).

use crate::{AccessLists, IpPrefix, PdnTypes, QosConfig};
use basalt_ids::{Apn, MmeCode, MmeGroupId, Plmn, Tai};
use basalt_sansio::Duration;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// One gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// MME name told to base stations.
    pub name: String,
    /// Networks served; the first one is in GUTIs unless a UE's own is among them.
    pub plmns: Vec<Plmn>,
    /// MME group.
    pub group: MmeGroupId,
    /// MME code in the group.
    pub code: MmeCode,
    /// Relative MME capacity, 0 to 255 (TS 36.413 §9.2.3.17).
    pub relative_capacity: u8,
    /// Areas served. A base station must serve at least one of them.
    pub areas: Vec<Tai>,
    /// Whether a UE gets all served areas of its network as its list (true), or only the one it is in.
    pub whole_network_area_list: bool,
    /// Whether some visitors are served in some areas only (regional subscription): one that goes to an area that was not given to it attaches
    /// anew, and its home network's zones are looked at again.
    pub regional: bool,
    /// Where the gateway receives GTP-U from base stations.
    pub user_plane: IpAddr,
    /// Access points.
    pub apns: Vec<ApnConfig>,
    /// DNS servers told to UEs that ask for such with IPv4 addresses.
    pub dns: Vec<Ipv4Addr>,
    /// DNS servers told to UEs that ask for such with IPv6 addresses.
    pub dns6: Vec<Ipv6Addr>,
    /// IPv4 link MTU told to UEs that ask, octets.
    pub mtu: u16,
    /// Algorithms in order of preference.
    pub security: SecurityOrder,
    /// Timers.
    pub timers: ProcedureTimers,
    /// Paging.
    pub paging: PagingPolicy,
    /// Network names for EMM INFORMATION; `None` sends none.
    pub network_name: Option<NetworkName>,
    /// Offset of local time from UTC in quarters of an hour, for EMM INFORMATION; -48 to 56.
    pub time_zone_quarters: i8,
    /// Ask for IMEISV in security mode.
    pub request_imeisv: bool,
    /// Refuse UEs of networks that are not served before anything else is asked (cause #11), also when a subscriber record
    /// exists.
    pub home_only: bool,
    /// Rules, guaranteed rates and marking.
    pub qos: QosConfig,
    /// Networks of former pools: sessions that have addresses there keep them until they end, and nobody gets one.
    #[serde(default)]
    pub retired: Vec<IpPrefix>,
    /// Networks and equipment that are let in, and those that are not.
    #[serde(default)]
    pub access: AccessLists,
}

/// An access point and its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApnConfig {
    /// Name.
    pub apn: Apn,
    /// Pools its IPv4 addresses come from, in order.
    pub pools: Vec<AddressPool>,
    /// Pools its IPv6 prefixes come from, in order.
    pub pools6: Vec<PrefixPool>,
    /// What a session on it may be; never what its pools do not have.
    pub pdn_types: PdnTypes,
    /// DNS servers told on it; those of the gateway, when empty.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    /// P-CSCFs told on it (TS 24.229 §9.2.1).
    #[serde(default)]
    pub p_cscf: Vec<IpAddr>,
}

impl ApnConfig {
    /// An access point with these IPv4 pools alone.
    #[must_use]
    pub const fn ipv4(apn: Apn, pools: Vec<AddressPool>) -> Self {
        Self { apn, pools, pools6: Vec::new(), pdn_types: PdnTypes::Ipv4, dns: Vec::new(), p_cscf: Vec::new() }
    }
}

/// IPv6 prefixes `network/prefix` for sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixPool {
    /// First address of the prefix.
    pub network: Ipv6Addr,
    /// Prefix length, up to `each`.
    pub prefix: u8,
    /// Length of the prefix of each session, 48 to 64. Of a shorter one than 64, the first /64 is the session's own, and the rest
    /// can be delegated to the phone (TS 23.401 §5.3.1.2.6).
    pub each: u8,
}

/// Addresses `network/prefix`, without the network and broadcast address and without `gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressPool {
    /// First address of the prefix.
    pub network: Ipv4Addr,
    /// Prefix length, 8 to 30.
    pub prefix: u8,
    /// An address of the gateway itself within the pool, never given out.
    pub gateway: Option<Ipv4Addr>,
}

/// Algorithms by number, most wanted first (TS 33.401 §5.1.3.2, §5.1.4.2). Integrity never holds 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityOrder {
    /// EEA numbers, 0 to 3.
    pub ciphering: Vec<u8>,
    /// EIA numbers, 1 to 3.
    pub integrity: Vec<u8>,
}

/// How a UE is paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagingPolicy {
    /// Pages sent before giving up, 1 to 10.
    pub attempts: u8,
    /// After a failed page, how long further packets do not page again.
    pub backoff: Duration,
    /// UEs called each second for packets, over the whole gateway, 1 to 100 000. Beyond that they take turns, and beyond five
    /// seconds of turns their packets are dropped.
    pub per_second: u32,
}

/// Names shown on the phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkName {
    /// Full name.
    pub full: String,
    /// Short name.
    pub short: Option<String>,
}

/// Values of timers (defaults of TS 24.301 §10.2 tables 10.2.2 and 10.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcedureTimers {
    /// Periodic tracking area update, told to the UE.
    pub t3412: Duration,
    /// Retry after failed attaches, told to the UE.
    pub t3402: Duration,
    /// Paging answer.
    pub t3413: Duration,
    /// Detach answer.
    pub t3422: Duration,
    /// Attach, update and reallocation answer.
    pub t3450: Duration,
    /// Authentication and security mode answer.
    pub t3460: Duration,
    /// Identity answer.
    pub t3470: Duration,
    /// Default bearer answer.
    pub t3485: Duration,
    /// Bearer modification answer.
    pub t3486: Duration,
    /// ESM information answer.
    pub t3489: Duration,
    /// Bearer deactivation answer.
    pub t3495: Duration,
    /// On top of T3412 before a UE counts as unreachable.
    pub mobile_reachable_margin: Duration,
    /// After that, before it is detached implicitly.
    pub implicit_detach: Duration,
    /// Base station's answer to a context or bearer setup or release.
    pub radio: Duration,
    /// Subscriber side's answer.
    pub question: Duration,
    /// A whole attach, update or service procedure.
    pub procedure: Duration,
    /// How long a released address, TEID or temporary identity is not given out again.
    pub quarantine: Duration,
    /// Back-off told to UEs that ask for an unknown access point, or in congestion (T3396, T3346).
    pub backoff: Duration,
}

impl Default for ProcedureTimers {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            t3412: secs(54 * 60),
            t3402: secs(12 * 60),
            t3413: secs(6),
            t3422: secs(6),
            t3450: secs(6),
            t3460: secs(6),
            t3470: secs(6),
            t3485: secs(8),
            t3486: secs(8),
            t3489: secs(4),
            t3495: secs(8),
            mobile_reachable_margin: secs(4 * 60),
            implicit_detach: secs(4 * 60),
            radio: secs(5),
            question: secs(3),
            procedure: secs(60),
            quarantine: secs(60),
            backoff: secs(12 * 60),
        }
    }
}
