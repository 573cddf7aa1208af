//! PDN connections of a phone, and what it asks for and is told in their options.

use std::net::{Ipv4Addr, Ipv6Addr};

use basalt_ids::{Apn, Ebi, Pti};
use basalt_nas::esm::ActivateDefaultEpsBearerContextRequest;
use basalt_nas::ie::{EsmCause, PacketFilter, PcoItem, PdnAddress, PdnType, ProtocolConfigurationOptions};

/// A PDN connection that stands, or a dedicated bearer of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The bearer.
    pub ebi: Ebi,
    /// The default bearer it belongs to; `None` for a default bearer itself.
    pub linked: Option<Ebi>,
    /// Access point.
    pub apn: Option<Apn>,
    /// Address given.
    pub address: Option<Ipv4Addr>,
    /// Interface identifier given, for IPv6.
    pub interface_id: Option<[u8; 8]>,
    /// Name servers told.
    pub dns: Vec<Ipv4Addr>,
    /// Name servers told with IPv6 addresses.
    pub dns6: Vec<Ipv6Addr>,
    /// IPv4 link MTU told.
    pub mtu: Option<u16>,
    /// Aggregate rates of the access point in kbit/s, downlink and uplink.
    pub ambr: Option<(u64, u64)>,
    /// Why not all that was asked for was given.
    pub cause: Option<EsmCause>,
    /// Which packets go by it, for a dedicated bearer.
    pub filters: Vec<PacketFilter>,
}

/// A request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub pti: Pti,
    pub apn: Option<Apn>,
    /// Repetitions so far.
    pub attempts: u8,
    /// PDN DISCONNECT REQUEST for this bearer; `None` for PDN CONNECTIVITY REQUEST.
    pub disconnects: Option<Ebi>,
    /// It travels inside ATTACH REQUEST.
    pub in_attach: bool,
    /// It was sent at least once.
    pub sent: bool,
}

/// Configure-Request for two name servers (RFC 1877), as phones send it.
const IPCP_REQUEST: [u8; 16] = [1, 0, 0, 16, 129, 6, 0, 0, 0, 0, 131, 6, 0, 0, 0, 0];

/// Options of a request.
pub(crate) fn request_options(by_ipcp: bool, pdn_type: PdnType) -> ProtocolConfigurationOptions {
    let mut items = Vec::with_capacity(4);
    if by_ipcp {
        items.push(PcoItem::Ipcp(IPCP_REQUEST.to_vec()));
    }
    if pdn_type != PdnType::Ipv4 {
        items.push(PcoItem::DnsIpv6Request);
    }
    items.extend([PcoItem::DnsIpv4Request, PcoItem::AddressViaNas, PcoItem::Ipv4MtuRequest]);
    ProtocolConfigurationOptions { items, trailing: Vec::new() }
}

impl Session {
    /// A dedicated bearer.
    pub(crate) const fn dedicated(ebi: Ebi, linked: Ebi, filters: Vec<PacketFilter>) -> Self {
        Self {
            ebi,
            linked: Some(linked),
            apn: None,
            address: None,
            interface_id: None,
            dns: Vec::new(),
            dns6: Vec::new(),
            mtu: None,
            ambr: None,
            cause: None,
            filters,
        }
    }

    /// What ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST gives.
    pub(crate) fn given(ebi: Ebi, request: &ActivateDefaultEpsBearerContextRequest) -> Self {
        let address = match request.address {
            PdnAddress::Ipv4(address) | PdnAddress::Ipv4v6 { ipv4: address, .. } => Some(address),
            _ => None,
        };
        let interface_id = match request.address {
            PdnAddress::Ipv6 { interface_id } | PdnAddress::Ipv4v6 { interface_id, .. } => Some(interface_id),
            _ => None,
        };
        let mut session = Self {
            ebi,
            linked: None,
            apn: request.apn.apn(),
            address: address.filter(|address| !address.is_unspecified()),
            interface_id,
            dns: Vec::new(),
            dns6: Vec::new(),
            mtu: None,
            ambr: request.apn_ambr.as_ref().map(|ambr| (ambr.downlink(), ambr.uplink())),
            cause: request.cause,
            filters: Vec::new(),
        };
        for options in request.pco.iter().chain(&request.extended_pco) {
            session.read_options(options);
        }
        session
    }

    fn read_options(&mut self, options: &ProtocolConfigurationOptions) {
        for item in &options.items {
            match item {
                PcoItem::DnsIpv4(server) => self.add_server(*server),
                PcoItem::DnsIpv6(server) if !self.dns6.contains(server) => self.dns6.push(*server),
                PcoItem::Ipv4Mtu(mtu) => self.mtu = Some(*mtu),
                PcoItem::Ipcp(packet) => ipcp_servers(packet).for_each(|server| self.add_server(server)),
                _ => {}
            }
        }
    }

    fn add_server(&mut self, server: Ipv4Addr) {
        if !self.dns.contains(&server) {
            self.dns.push(server);
        }
    }
}

/// Name servers in a Configure-Nak or -Ack (RFC 1661 §5.2, §5.3; RFC 1877 §1).
fn ipcp_servers(packet: &[u8]) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let options = match packet {
        [2 | 3, _, high, low, ..] => packet.get(4..usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    };
    let mut rest = options.unwrap_or_default();
    std::iter::from_fn(move || {
        while let [kind, length, after @ ..] = rest {
            let value = after.get(..usize::from(*length).checked_sub(2)?)?;
            rest = after.get(value.len()..)?;
            if let (129 | 131, [a, b, c, d]) = (kind, value) {
                return Some(Ipv4Addr::new(*a, *b, *c, *d));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read_from_ipcp() {
        let packet = [3, 0, 0, 16, 129, 6, 8, 8, 8, 8, 131, 6, 8, 8, 4, 4];
        let servers: Vec<_> = ipcp_servers(&packet).collect();
        assert_eq!(servers, [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)]);
        for length in 0..packet.len() {
            assert!(ipcp_servers(&packet[..length]).count() <= 2);
        }
        assert_eq!(ipcp_servers(&[3, 0, 0, 6, 129, 0]).count(), 0);
        assert_eq!(ipcp_servers(&IPCP_REQUEST).count(), 0);
    }
}
