//! Traffic flow templates as the phone keeps and uses them (TS 24.301 §6.4.2.4, §6.4.3.4; TS 24.008 §10.5.6.12).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use basalt_ids::Ebi;
use basalt_nas::ie::{
    EsmCause, FilterComponent, FilterDirection, PacketFilter, Tft, TftError, TftOperation, TrafficFlow,
};

use crate::session::Session;

/// Carries a template, or a change of one, out on the filters of a bearer.
///
/// # Errors
/// The cause to refuse with; the filters are as they were then.
pub(crate) fn apply(filters: &mut Vec<PacketFilter>, flow: &TrafficFlow, new: bool) -> Result<(), EsmCause> {
    let tft = Tft::decode(flow).map_err(|error| match error {
        TftError::SyntaxOfOperation => EsmCause::SyntacticalErrorInTft,
        TftError::SyntaxOfFilter => EsmCause::SyntacticalErrorsInPacketFilters,
    })?;
    let mut next = filters.clone();
    match tft.operation {
        TftOperation::Create(created) => next = created,
        _ if new => return Err(EsmCause::SemanticErrorInTft),
        TftOperation::Add(added) | TftOperation::Replace(added) => {
            next.retain(|old| added.iter().all(|new| new.id != old.id));
            next.extend(added);
        }
        TftOperation::DeleteFilters(ids) => next.retain(|filter| !ids.contains(&filter.id)),
        TftOperation::Delete => return Err(EsmCause::SemanticErrorInTft),
        TftOperation::Ignore | TftOperation::None => {}
    }
    if next.is_empty() || next.len() > 16 {
        return Err(EsmCause::SemanticErrorInTft);
    }
    *filters = next;
    Ok(())
}

/// The bearer for a packet from the phone: that of the first filter in the order of precedence that fits, else the default one. It is of the
/// connection that its IPv4 source address was given for; of `first` where that says nothing.
#[must_use]
pub fn bearer_for(sessions: &[Session], first: Ebi, packet: &[u8]) -> Ebi {
    let Some(flow) = Flow::read(packet) else { return first };
    let given = |session: &&Session| session.address.is_some_and(|address| flow.local == IpAddr::V4(address));
    let default = sessions.iter().find(given).map_or(first, |session| session.ebi);
    let dedicated = sessions.iter().filter(|session| session.linked == Some(default));
    let fitting = dedicated.flat_map(|session| {
        let fitting = session.filters.iter().filter(|filter| flow.fits(filter));
        fitting.map(|filter| (filter.precedence, session.ebi))
    });
    fitting.min().map_or(default, |(_, ebi)| ebi)
}

/// What filters look at.
struct Flow {
    local: IpAddr,
    remote: IpAddr,
    protocol: u8,
    tos: u8,
    /// The phone's and the far end's.
    ports: Option<(u16, u16)>,
}

impl Flow {
    fn read(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        let (local, remote, protocol, tos, body): (IpAddr, IpAddr, u8, u8, &[u8]) = match first >> 4 {
            4 => {
                let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
                let header = usize::from(first & 0x0f) * 4;
                let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x1fff;
                let body = if fragment == 0 { packet.get(header..)? } else { &[] };
                (address(12)?.into(), address(16)?.into(), *packet.get(9)?, *packet.get(1)?, body)
            }
            6 => {
                let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
                let tos = first << 4 | packet.get(1)? >> 4;
                (address(8)?.into(), address(24)?.into(), *packet.get(6)?, tos, packet.get(40..)?)
            }
            _ => return None,
        };
        let ports = match (protocol, body) {
            (6 | 17 | 132, [a, b, c, d, ..]) => Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))),
            _ => None,
        };
        Some(Self { local, remote, protocol, tos, ports })
    }

    fn fits(&self, filter: &PacketFilter) -> bool {
        filter.direction != FilterDirection::Downlink && filter.components.iter().all(|part| self.has(part))
    }

    fn has(&self, part: &FilterComponent) -> bool {
        let v4 = |at: IpAddr, address: Ipv4Addr, mask: Ipv4Addr| match at {
            IpAddr::V4(at) => at.to_bits() & mask.to_bits() == address.to_bits() & mask.to_bits(),
            IpAddr::V6(_) => false,
        };
        let v6 = |at: IpAddr, address: Ipv6Addr, mask: u128| match at {
            IpAddr::V6(at) => at.to_bits() & mask == address.to_bits() & mask,
            IpAddr::V4(_) => false,
        };
        let prefix = |length: u8| u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let port = |of: Option<u16>, first: u16, last: u16| of.is_some_and(|port| (first..=last).contains(&port));
        let (local, remote) = (self.ports.map(|(local, _)| local), self.ports.map(|(_, remote)| remote));
        match *part {
            FilterComponent::Ipv4Remote(address, mask) => v4(self.remote, address, mask),
            FilterComponent::Ipv4Local(address, mask) => v4(self.local, address, mask),
            FilterComponent::Ipv6Remote(address, mask) => v6(self.remote, address, mask.to_bits()),
            FilterComponent::Ipv6RemotePrefix(address, length) => v6(self.remote, address, prefix(length)),
            FilterComponent::Ipv6LocalPrefix(address, length) => v6(self.local, address, prefix(length)),
            FilterComponent::Protocol(protocol) => self.protocol == protocol,
            FilterComponent::LocalPort(number) => port(local, number, number),
            FilterComponent::LocalPorts(first, last) => port(local, first, last),
            FilterComponent::RemotePort(number) => port(remote, number, number),
            FilterComponent::RemotePorts(first, last) => port(remote, first, last),
            FilterComponent::Tos(value, mask) => self.tos & mask == value & mask,
            // Packets of this phone have neither.
            FilterComponent::SecurityParameterIndex(_) | FilterComponent::FlowLabel(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(id: u8, precedence: u8, components: Vec<FilterComponent>) -> PacketFilter {
        PacketFilter { id, direction: FilterDirection::Bidirectional, precedence, components }
    }

    fn session(ebi: u8, linked: Option<u8>, filters: Vec<PacketFilter>) -> Session {
        let id = |value| Ebi::new(value).unwrap();
        Session { linked: linked.map(id), ..Session::dedicated(id(ebi), id(5), filters) }
    }

    /// UDP from 10.0.0.1:1000 to 192.0.2.1:53.
    const PACKET: [u8; 28] =
        [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 192, 0, 2, 1, 0x03, 0xe8, 0, 53, 0, 8, 0, 0];

    #[test]
    fn the_first_filter_that_fits_says_the_bearer() {
        let default = Ebi::new(5).unwrap();
        let fits = vec![
            FilterComponent::Ipv4Remote(Ipv4Addr::new(192, 0, 2, 0), Ipv4Addr::new(255, 255, 255, 0)),
            FilterComponent::Protocol(17),
            FilterComponent::RemotePorts(50, 60),
            FilterComponent::LocalPort(1000),
        ];
        let other = vec![FilterComponent::Protocol(6)];
        let bearer = |filters| {
            let sessions = [session(5, None, Vec::new()), session(6, Some(5), filters)];
            bearer_for(&sessions, default, &PACKET).value()
        };
        assert_eq!(bearer(vec![filter(0, 1, fits.clone())]), 6);
        assert_eq!(bearer(vec![filter(0, 1, other)]), 5);
        let mut downlink = filter(0, 1, fits);
        downlink.direction = FilterDirection::Downlink;
        assert_eq!(bearer(vec![downlink]), 5);
        assert_eq!(bearer_for(&[], default, &[]).value(), 5);
    }

    #[test]
    fn packets_go_by_the_connection_of_their_source() {
        let (first, second) = (Ebi::new(5).unwrap(), Ebi::new(7).unwrap());
        let with =
            |ebi: u8, address: [u8; 4]| Session { address: Some(address.into()), ..session(ebi, None, Vec::new()) };
        let udp = || vec![filter(0, 1, vec![FilterComponent::Protocol(17)])];
        let others = [with(5, [10, 0, 0, 9]), session(6, Some(5), udp()), with(7, [10, 0, 0, 1])];
        assert_eq!(bearer_for(&others, first, &PACKET), second, "another connection's filters are not looked at");
        let own = [with(5, [10, 0, 0, 1]), session(6, Some(5), udp()), with(7, [10, 0, 0, 9])];
        assert_eq!(bearer_for(&own, first, &PACKET).value(), 6);
    }

    #[test]
    fn changes_of_a_template_are_carried_out_or_refused() {
        let part = || vec![FilterComponent::Protocol(17)];
        let told = |operation| Tft::new(operation).encode();
        let mut filters = Vec::new();
        assert_eq!(
            apply(&mut filters, &told(TftOperation::Add(vec![filter(0, 1, part())])), true),
            Err(EsmCause::SemanticErrorInTft)
        );
        assert_eq!(apply(&mut filters, &told(TftOperation::Create(vec![filter(0, 1, part())])), true), Ok(()));
        assert_eq!(apply(&mut filters, &told(TftOperation::Add(vec![filter(1, 2, part())])), false), Ok(()));
        assert_eq!(apply(&mut filters, &told(TftOperation::DeleteFilters(vec![0])), false), Ok(()));
        assert_eq!(filters.iter().map(|filter| filter.id).collect::<Vec<_>>(), [1]);
        let last = apply(&mut filters, &told(TftOperation::DeleteFilters(vec![1])), false);
        assert_eq!(last, Err(EsmCause::SemanticErrorInTft), "a dedicated bearer is never without filters");
        assert_eq!(
            apply(&mut filters, &TrafficFlow(vec![0x21]), false),
            Err(EsmCause::SyntacticalErrorsInPacketFilters)
        );
    }
}
