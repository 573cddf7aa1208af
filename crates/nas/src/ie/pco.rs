//! Protocol configuration options (TS 24.008 §10.5.6.3).

use crate::codec::Element;
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

/// Protocols and containers that have items of their own.
mod id {
    pub(super) const PCSCF_IPV6: u16 = 0x0001;
    pub(super) const DNS_IPV6: u16 = 0x0003;
    pub(super) const BEARER_CONTROL: u16 = 0x0005;
    pub(super) const ADDRESS_VIA_NAS: u16 = 0x000a;
    pub(super) const ADDRESS_VIA_DHCP: u16 = 0x000b;
    pub(super) const PCSCF_IPV4: u16 = 0x000c;
    pub(super) const DNS_IPV4: u16 = 0x000d;
    pub(super) const IPV4_MTU: u16 = 0x0010;
    pub(super) const IPCP: u16 = 0x8021;
    pub(super) const PAP: u16 = 0xc023;
    pub(super) const CHAP: u16 = 0xc223;
}

/// Extension bit and "PPP for use with IP PDP type" (TS 24.008 table 10.5.154).
const HEADER: u8 = 0x80;

impl PcoItem {
    /// Protocol or container identifier.
    #[must_use]
    pub const fn id(&self) -> u16 {
        match self {
            Self::Ipcp(_) => id::IPCP,
            Self::Pap(_) => id::PAP,
            Self::Chap(_) => id::CHAP,
            Self::PcscfIpv6Request | Self::PcscfIpv6(_) => id::PCSCF_IPV6,
            Self::DnsIpv6Request | Self::DnsIpv6(_) => id::DNS_IPV6,
            Self::BearerControlSupport | Self::BearerControlMode(_) => id::BEARER_CONTROL,
            Self::AddressViaNas => id::ADDRESS_VIA_NAS,
            Self::AddressViaDhcp => id::ADDRESS_VIA_DHCP,
            Self::PcscfIpv4Request | Self::PcscfIpv4(_) => id::PCSCF_IPV4,
            Self::DnsIpv4Request | Self::DnsIpv4(_) => id::DNS_IPV4,
            Self::Ipv4MtuRequest | Self::Ipv4Mtu(_) => id::IPV4_MTU,
            Self::Other { id, .. } => *id,
        }
    }

    fn read(id: u16, octets: &[u8]) -> Self {
        let kept = || Self::Other { id, octets: octets.to_vec() };
        let v4 = || <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from);
        let v6 = || <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from);
        match (id, octets) {
            (id::IPCP, _) => Self::Ipcp(octets.to_vec()),
            (id::PAP, _) => Self::Pap(octets.to_vec()),
            (id::CHAP, _) => Self::Chap(octets.to_vec()),
            (id::PCSCF_IPV6, []) => Self::PcscfIpv6Request,
            (id::PCSCF_IPV6, _) => v6().map_or_else(kept, Self::PcscfIpv6),
            (id::DNS_IPV6, []) => Self::DnsIpv6Request,
            (id::DNS_IPV6, _) => v6().map_or_else(kept, Self::DnsIpv6),
            (id::BEARER_CONTROL, []) => Self::BearerControlSupport,
            (id::BEARER_CONTROL, &[mode]) => Self::BearerControlMode(mode),
            (id::ADDRESS_VIA_NAS, []) => Self::AddressViaNas,
            (id::ADDRESS_VIA_DHCP, []) => Self::AddressViaDhcp,
            (id::PCSCF_IPV4, []) => Self::PcscfIpv4Request,
            (id::PCSCF_IPV4, _) => v4().map_or_else(kept, Self::PcscfIpv4),
            (id::DNS_IPV4, []) => Self::DnsIpv4Request,
            (id::DNS_IPV4, _) => v4().map_or_else(kept, Self::DnsIpv4),
            (id::IPV4_MTU, []) => Self::Ipv4MtuRequest,
            (id::IPV4_MTU, &[high, low]) => Self::Ipv4Mtu(u16::from_be_bytes([high, low])),
            _ => kept(),
        }
    }

    /// Appends identifier, length and content. Content beyond 255 octets cannot be said and is left out.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.id().to_be_bytes());
        let at = out.len();
        out.push(0);
        match self {
            Self::Ipcp(octets) | Self::Pap(octets) | Self::Chap(octets) | Self::Other { octets, .. } => {
                out.extend_from_slice(octets.get(..255).unwrap_or(octets));
            }
            Self::PcscfIpv6(address) | Self::DnsIpv6(address) => out.extend(address.octets()),
            Self::PcscfIpv4(address) | Self::DnsIpv4(address) => out.extend(address.octets()),
            Self::BearerControlMode(mode) => out.push(*mode),
            Self::Ipv4Mtu(mtu) => out.extend(mtu.to_be_bytes()),
            Self::PcscfIpv6Request
            | Self::DnsIpv6Request
            | Self::BearerControlSupport
            | Self::AddressViaNas
            | Self::AddressViaDhcp
            | Self::PcscfIpv4Request
            | Self::DnsIpv4Request
            | Self::Ipv4MtuRequest => {}
        }
        let len = u8::try_from(out.len() - at - 1).unwrap_or(u8::MAX);
        if let Some(indicator) = out.get_mut(at) {
            *indicator = len;
        }
    }
}

impl Element for ProtocolConfigurationOptions {
    fn read(octets: &[u8]) -> Option<Self> {
        let (_, mut rest) = octets.split_first()?;
        let mut items = Vec::new();
        while let &[high, low, len, ref after @ ..] = rest {
            let Some((content, after)) = after.split_at_checked(usize::from(len)) else {
                break;
            };
            items.push(PcoItem::read(u16::from_be_bytes([high, low]), content));
            rest = after;
        }
        Some(Self { items, trailing: rest.to_vec() })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(HEADER);
        for item in &self.items {
            item.write(out);
        }
        out.extend_from_slice(&self.trailing);
    }
}

/// A UE's IPCP Configure-Request for name servers (RFC 1877).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpcpDnsRequest {
    /// Identifier of the IPCP packet, which the answer repeats.
    pub identifier: u8,
    /// It asks for a primary server.
    pub primary: bool,
    /// It asks for a secondary server.
    pub secondary: bool,
}

/// IPCP codes (RFC 1661 §5) and options (RFC 1877 §1).
const CONFIGURE_REQUEST: u8 = 1;
const CONFIGURE_NAK: u8 = 3;
const PRIMARY_DNS: u8 = 129;
const SECONDARY_DNS: u8 = 131;

impl ProtocolConfigurationOptions {
    /// True when an item has this protocol or container identifier, whatever its content: a UE's request is to be answered
    /// even when its content is not empty (TS 24.008 §10.5.6.3).
    #[must_use]
    pub fn has(&self, id: u16) -> bool {
        self.items.iter().any(|item| item.id() == id)
    }

    /// The UE asks for IPv4 name servers by container.
    #[must_use]
    pub fn asks_dns_ipv4(&self) -> bool {
        self.has(id::DNS_IPV4)
    }

    /// The UE asks for IPv6 name servers by container.
    #[must_use]
    pub fn asks_dns_ipv6(&self) -> bool {
        self.has(id::DNS_IPV6)
    }

    /// The UE asks for the IPv4 link MTU.
    #[must_use]
    pub fn asks_ipv4_mtu(&self) -> bool {
        self.has(id::IPV4_MTU)
    }

    /// The UE asks for the P-CSCF by IPv4.
    #[must_use]
    pub fn asks_pcscf_ipv4(&self) -> bool {
        self.has(id::PCSCF_IPV4)
    }

    /// The UE asks for the P-CSCF by IPv6.
    #[must_use]
    pub fn asks_pcscf_ipv6(&self) -> bool {
        self.has(id::PCSCF_IPV6)
    }

    /// The UE's IPCP request for name servers, when there is one and it is whole.
    #[must_use]
    pub fn ipcp_dns_request(&self) -> Option<IpcpDnsRequest> {
        let packet = self.items.iter().find_map(|item| match item {
            PcoItem::Ipcp(packet) => Some(packet.as_slice()),
            _ => None,
        })?;
        let &[CONFIGURE_REQUEST, identifier, high, low, ..] = packet else {
            return None;
        };
        let mut options = packet.get(4..usize::from(u16::from_be_bytes([high, low])))?;
        let (mut primary, mut secondary) = (false, false);
        while let &[kind, len, ..] = options {
            primary |= kind == PRIMARY_DNS;
            secondary |= kind == SECONDARY_DNS;
            // The length counts kind and length themselves: below two there is no next option.
            options = options.get(usize::from(len.max(2))..)?;
        }
        (primary || secondary).then_some(IpcpDnsRequest { identifier, primary, secondary })
    }
}

impl IpcpDnsRequest {
    /// The answer: a Configure-Nak that proposes the servers asked for, as far as they are given.
    #[must_use]
    pub fn answer(&self, primary: Option<Ipv4Addr>, secondary: Option<Ipv4Addr>) -> PcoItem {
        let mut packet = vec![CONFIGURE_NAK, self.identifier, 0, 4];
        let servers =
            [(PRIMARY_DNS, primary.filter(|_| self.primary)), (SECONDARY_DNS, secondary.filter(|_| self.secondary))];
        for (kind, server) in servers {
            if let Some(server) = server {
                packet.extend([kind, 6]);
                packet.extend(server.octets());
            }
        }
        if let Ok(len) = u8::try_from(packet.len())
            && let Some(indicator) = packet.get_mut(3)
        {
            *indicator = len;
        }
        PcoItem::Ipcp(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_item_is_kept_but_not_read() {
        let octets = [0x80, 0x00, 0x0d, 0x00, 0x00, 0x10, 0x05, 0x01];
        let pco = ProtocolConfigurationOptions::read(&octets).unwrap();
        assert_eq!(pco.items, [PcoItem::DnsIpv4Request]);
        assert_eq!(pco.trailing, [0x00, 0x10, 0x05, 0x01]);
        let mut out = Vec::new();
        pco.write(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn an_ipcp_request_for_two_servers_gets_both() {
        let request = [1, 7, 0, 16, 129, 6, 0, 0, 0, 0, 131, 6, 0, 0, 0, 0];
        let pco = ProtocolConfigurationOptions { items: vec![PcoItem::Ipcp(request.to_vec())], trailing: Vec::new() };
        let asked = pco.ipcp_dns_request().unwrap();
        let answer = asked.answer(Some([8, 8, 8, 8].into()), Some([9, 9, 9, 9].into()));
        assert_eq!(answer, PcoItem::Ipcp(vec![3, 7, 0, 16, 129, 6, 8, 8, 8, 8, 131, 6, 9, 9, 9, 9]));
    }

    #[test]
    fn ipcp_lengths_that_lie_end_the_reading() {
        for packet in [vec![1, 7, 0, 200, 129, 6], vec![1, 7, 0, 3], vec![1, 7, 0, 6, 129, 0], vec![1, 7]] {
            let pco = ProtocolConfigurationOptions { items: vec![PcoItem::Ipcp(packet)], trailing: Vec::new() };
            let _ = pco.ipcp_dns_request();
        }
    }

    #[test]
    fn two_hundred_containers_are_read() {
        let mut octets = vec![0x80];
        for _ in 0..80 {
            octets.extend([0xff, 0x00, 0x00]);
        }
        let pco = ProtocolConfigurationOptions::read(&octets).unwrap();
        assert_eq!(pco.items.len(), 80);
    }

    #[test]
    fn a_request_with_content_still_asks() {
        let pco = ProtocolConfigurationOptions::read(&[0x80, 0, 0x0d, 1, 0xff]).unwrap();
        assert!(pco.asks_dns_ipv4());
        assert!(!pco.asks_ipv4_mtu());
    }

    #[test]
    fn passwords_are_not_shown() {
        let text = format!("{:?}", PcoItem::Pap(b"user secret".to_vec()));
        assert_eq!(text, "Pap(…)");
    }
}
