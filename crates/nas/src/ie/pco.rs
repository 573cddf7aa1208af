//! Protocol configuration options (TS 24.008 §10.5.6.3).

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// Protocol configuration options, the usual or the extended ones: a list of protocols and containers in their order.
/// What a container means depends on the direction, so requests and answers are different items.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProtocolConfigurationOptions {
    /// The items, in the order of the wire.
    pub items: Vec<PcoItem>,
    /// Octets after the last whole item, when the list was cut short; kept, never acted on.
    pub trailing: Vec<u8>,
}

/// One protocol or container of [`ProtocolConfigurationOptions`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PcoItem {
    /// 0x8021: IPCP packet (RFC 1332): the UE asks for DNS (and address), the network answers.
    Ipcp(Vec<u8>),
    /// 0xc023: PAP packet (RFC 1334). Not shown by `Debug`.
    Pap(Vec<u8>),
    /// 0xc223: CHAP packet (RFC 1994). Not shown by `Debug`.
    Chap(Vec<u8>),
    /// 0x0001 from the UE: asks for the P-CSCF IPv6 address.
    PcscfIpv6Request,
    /// 0x0001 from the network.
    PcscfIpv6(Ipv6Addr),
    /// 0x0003 from the UE: asks for the DNS server IPv6 address.
    DnsIpv6Request,
    /// 0x0003 from the network.
    DnsIpv6(Ipv6Addr),
    /// 0x0005 from the UE: MS support of network requested bearer control.
    BearerControlSupport,
    /// 0x0005 from the network: selected bearer control mode (1 MS only, 2 MS/NW).
    BearerControlMode(u8),
    /// 0x000a: IP address allocation via NAS signalling.
    AddressViaNas,
    /// 0x000b: IPv4 address allocation via DHCPv4.
    AddressViaDhcp,
    /// 0x000c from the UE: asks for the P-CSCF IPv4 address.
    PcscfIpv4Request,
    /// 0x000c from the network.
    PcscfIpv4(Ipv4Addr),
    /// 0x000d from the UE: asks for the DNS server IPv4 address.
    DnsIpv4Request,
    /// 0x000d from the network.
    DnsIpv4(Ipv4Addr),
    /// 0x0010 from the UE: asks for the IPv4 link MTU.
    Ipv4MtuRequest,
    /// 0x0010 from the network: IPv4 link MTU in octets.
    Ipv4Mtu(u16),
    /// Any other protocol or container, or one whose length is not what its kind has.
    Other {
        /// Protocol or container identifier.
        id: u16,
        /// Its octets.
        octets: Vec<u8>,
    },
}

impl fmt::Debug for PcoItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipcp(octets) => write!(f, "Ipcp({} octets)", octets.len()),
            Self::Pap(_) => f.write_str("Pap(…)"),
            Self::Chap(_) => f.write_str("Chap(…)"),
            Self::PcscfIpv6Request => f.write_str("PcscfIpv6Request"),
            Self::PcscfIpv6(address) => write!(f, "PcscfIpv6({address})"),
            Self::DnsIpv6Request => f.write_str("DnsIpv6Request"),
            Self::DnsIpv6(address) => write!(f, "DnsIpv6({address})"),
            Self::BearerControlSupport => f.write_str("BearerControlSupport"),
            Self::BearerControlMode(mode) => write!(f, "BearerControlMode({mode})"),
            Self::AddressViaNas => f.write_str("AddressViaNas"),
            Self::AddressViaDhcp => f.write_str("AddressViaDhcp"),
            Self::PcscfIpv4Request => f.write_str("PcscfIpv4Request"),
            Self::PcscfIpv4(address) => write!(f, "PcscfIpv4({address})"),
            Self::DnsIpv4Request => f.write_str("DnsIpv4Request"),
            Self::DnsIpv4(address) => write!(f, "DnsIpv4({address})"),
            Self::Ipv4MtuRequest => f.write_str("Ipv4MtuRequest"),
            Self::Ipv4Mtu(mtu) => write!(f, "Ipv4Mtu({mtu})"),
            Self::Other { id, octets } => write!(f, "Other({id:#06x}, {} octets)", octets.len()),
        }
    }
}
