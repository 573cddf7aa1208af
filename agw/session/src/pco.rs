//! Answers to protocol configuration options (TS 24.008 §10.5.6.3, TS 24.301 §6.6.1).

use agw_types::GatewayConfig;
use basalt_ids::Apn;
use basalt_nas::ie::{PcoItem, ProtocolConfigurationOptions};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the network tells to a UE that asks: DNS servers, by option and by IPCP, and the link MTU. PAP and CHAP, which some
/// phones insist on, are answered with success: the SIM has authenticated the phone. `None` when nothing was asked.
pub(crate) fn answer(
    asked: &ProtocolConfigurationOptions,
    config: &GatewayConfig,
    apn: &Apn,
) -> Option<ProtocolConfigurationOptions> {
    let own = config.apns.iter().find(|own| own.apn == *apn);
    let (mut dns, mut dns6) = own.map(|own| by_version(&own.dns)).unwrap_or_default();
    if dns.is_empty() && dns6.is_empty() {
        (dns, dns6) = (config.dns.clone(), config.dns6.clone());
    }
    let (p_cscf, p_cscf6) = own.map(|own| by_version(&own.p_cscf)).unwrap_or_default();
    let dns = dns.as_slice();
    let mut items = Vec::new();
    for item in &asked.items {
        match item {
            PcoItem::DnsIpv4Request => items.extend(dns.iter().map(|server| PcoItem::DnsIpv4(*server))),
            PcoItem::DnsIpv6Request => items.extend(dns6.iter().map(|server| PcoItem::DnsIpv6(*server))),
            PcoItem::PcscfIpv4Request => items.extend(p_cscf.iter().map(|server| PcoItem::PcscfIpv4(*server))),
            PcoItem::PcscfIpv6Request => items.extend(p_cscf6.iter().map(|server| PcoItem::PcscfIpv6(*server))),
            PcoItem::Ipv4MtuRequest => items.push(PcoItem::Ipv4Mtu(config.mtu)),
            PcoItem::Ipcp(octets) => items.extend(ipcp(octets, dns).map(PcoItem::Ipcp)),
            PcoItem::Pap(octets) => items.extend(pap(octets).map(PcoItem::Pap)),
            PcoItem::Chap(octets) => items.extend(chap(octets).map(PcoItem::Chap)),
            _ => {}
        }
    }
    (!items.is_empty()).then(|| ProtocolConfigurationOptions { items, trailing: Vec::new() })
}

fn by_version(addresses: &[IpAddr]) -> (Vec<Ipv4Addr>, Vec<Ipv6Addr>) {
    let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => ipv4.push(*address),
            IpAddr::V6(address) => ipv6.push(*address),
        }
    }
    (ipv4, ipv6)
}

const CONFIGURE_REQUEST: u8 = 1;
const CONFIGURE_ACK: u8 = 2;
const CONFIGURE_NAK: u8 = 3;
const CONFIGURE_REJECT: u8 = 4;
const PRIMARY_DNS: u8 = 129;
const SECONDARY_DNS: u8 = 131;

/// IPCP (RFC 1332, RFC 1877): options other than the DNS servers are rejected, wrong servers are corrected, right ones
/// acknowledged; one kind of answer a request, as in PPP.
fn ipcp(request: &[u8], dns: &[Ipv4Addr]) -> Option<Vec<u8>> {
    let (&[code, id, high, low], options) = request.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if code != CONFIGURE_REQUEST || length < 4 {
        return None;
    }
    let mut rest = options.get(..length - 4)?;
    let (mut rejected, mut corrected, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    while let [kind, option_length, ..] = *rest {
        let (option, after) = rest.split_at_checked(usize::from(option_length))?;
        if option.len() < 2 {
            return None;
        }
        rest = after;
        let server = match kind {
            PRIMARY_DNS => dns.first(),
            SECONDARY_DNS => dns.get(1).or(dns.first()),
            _ => None,
        };
        match server {
            Some(server) if option.get(2..) == Some(server.octets().as_slice()) => accepted.extend_from_slice(option),
            Some(server) => {
                corrected.extend_from_slice(&[kind, 6]);
                corrected.extend_from_slice(&server.octets());
            }
            None => rejected.extend_from_slice(option),
        }
    }
    let (code, options) = if !rejected.is_empty() {
        (CONFIGURE_REJECT, rejected)
    } else if !corrected.is_empty() {
        (CONFIGURE_NAK, corrected)
    } else {
        (CONFIGURE_ACK, accepted)
    };
    packet(code, id, &options)
}

/// PAP (RFC 1334): Authenticate-Ack with an empty message.
fn pap(request: &[u8]) -> Option<Vec<u8>> {
    match request {
        [1, id, ..] => packet(2, *id, &[0]),
        _ => None,
    }
}

/// CHAP (RFC 1994): Success. The request holds a challenge and a response; the response's identifier counts.
fn chap(request: &[u8]) -> Option<Vec<u8>> {
    match request {
        [2, id, ..] => packet(3, *id, &[]),
        _ => None,
    }
}

fn packet(code: u8, id: u8, body: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(body.len() + 4).ok()?;
    let mut octets = vec![code, id];
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(body);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DNS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

    const DNS6: core::net::Ipv6Addr = core::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);

    fn ask(items: Vec<PcoItem>) -> Option<Vec<PcoItem>> {
        let mut config = crate::tests::config();
        (config.dns, config.dns6, config.mtu) = (DNS.to_vec(), vec![DNS6], 1400);
        answer(&ProtocolConfigurationOptions { items, trailing: Vec::new() }, &config, &config.apns[0].apn)
            .map(|pco| pco.items)
    }

    #[test]
    fn an_access_point_has_servers_of_its_own() {
        let mut config = crate::tests::config();
        let own = Ipv4Addr::new(198, 51, 100, 1);
        (config.dns, config.dns6) = (DNS.to_vec(), vec![DNS6]);
        config.apns[0].dns = vec![own.into()];
        config.apns[0].p_cscf = vec![own.into(), DNS6.into()];
        let items = vec![
            PcoItem::DnsIpv4Request,
            PcoItem::DnsIpv6Request,
            PcoItem::PcscfIpv4Request,
            PcoItem::PcscfIpv6Request,
        ];
        let asked = ProtocolConfigurationOptions { items, trailing: Vec::new() };
        let told = answer(&asked, &config, &config.apns[0].apn).unwrap().items;
        assert_eq!(told, [PcoItem::DnsIpv4(own), PcoItem::PcscfIpv4(own), PcoItem::PcscfIpv6(DNS6)]);
    }

    #[test]
    fn servers_and_mtu_are_told_to_those_who_ask() {
        let told = ask(vec![PcoItem::DnsIpv4Request, PcoItem::Ipv4MtuRequest, PcoItem::DnsIpv6Request]).unwrap();
        assert_eq!(
            told,
            [PcoItem::DnsIpv4(DNS[0]), PcoItem::DnsIpv4(DNS[1]), PcoItem::Ipv4Mtu(1400), PcoItem::DnsIpv6(DNS6)]
        );
        assert_eq!(ask(vec![PcoItem::AddressViaNas]), None);
    }

    #[test]
    fn ipcp_corrects_empty_servers_and_acknowledges_right_ones() {
        let request = vec![1, 7, 0, 16, 129, 6, 0, 0, 0, 0, 131, 6, 0, 0, 0, 0];
        let nak = vec![3, 7, 0, 16, 129, 6, 192, 0, 2, 1, 131, 6, 192, 0, 2, 2];
        assert_eq!(ask(vec![PcoItem::Ipcp(request)]), Some(vec![PcoItem::Ipcp(nak)]));
        let right = vec![1, 8, 0, 10, 129, 6, 192, 0, 2, 1];
        assert_eq!(ask(vec![PcoItem::Ipcp(right)]).unwrap(), [PcoItem::Ipcp(vec![2, 8, 0, 10, 129, 6, 192, 0, 2, 1])]);
    }

    #[test]
    fn ipcp_rejects_other_options_first() {
        let request = vec![1, 1, 0, 16, 3, 6, 0, 0, 0, 0, 129, 6, 0, 0, 0, 0];
        assert_eq!(ask(vec![PcoItem::Ipcp(request)]).unwrap(), [PcoItem::Ipcp(vec![4, 1, 0, 10, 3, 6, 0, 0, 0, 0])]);
    }

    #[test]
    fn lying_lengths_are_not_answered() {
        for request in [vec![], vec![1, 1, 0], vec![1, 1, 0, 3], vec![1, 1, 1, 0, 129, 6], vec![1, 1, 0, 6, 129, 0]] {
            assert_eq!(ask(vec![PcoItem::Ipcp(request.clone())]), None, "{request:?}");
        }
    }

    #[test]
    fn logins_succeed() {
        assert_eq!(ask(vec![PcoItem::Pap(vec![1, 3, 0, 6, 0, 0])]).unwrap(), [PcoItem::Pap(vec![2, 3, 0, 5, 0])]);
        assert_eq!(ask(vec![PcoItem::Chap(vec![2, 4, 0, 4])]).unwrap(), [PcoItem::Chap(vec![3, 4, 0, 4])]);
    }
}
