//! Which bearers the rules of a session want (bearer binding, TS 23.203 §6.1.1.4), and the packet filters of each.

use agw_types::{Ambr, Bearer, BearerFilter, BearerQos, BearerRates, FlowDirection, SdfFilter, Session};
use basalt_nas::ie::{FilterComponent, FilterDirection, PacketFilter, TrafficFlow};
use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeSet;

/// A bearer as the rules want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) qos: BearerQos,
    pub(crate) rates: Option<BearerRates>,
    /// Rule, which of its flows, the flow, and the precedence it asks for.
    flows: Vec<(u32, u8, SdfFilter, u8)>,
}

/// The dedicated bearers that a session's rules want, in the order of the rules. Rules of equal class and priority share one.
pub(crate) fn wanted(session: &Session) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for active in session.rules.iter().filter(|active| active.refused.is_none()) {
        let Some(qos) = active.rule.qos.filter(|qos| qos.bearer != session.qos) else { continue };
        let flows = (0u8..)
            .zip(&active.rule.filters)
            .map(|(index, filter)| (active.id, index, *filter, active.rule.precedence.saturating_add(index)));
        match all.iter_mut().find(|wanted| wanted.qos == qos.bearer) {
            Some(wanted) => {
                wanted.flows.extend(flows);
                wanted.rates = sum(wanted.rates, active.rule.rates());
            }
            None => all.push(Wanted { qos: qos.bearer, rates: active.rule.rates(), flows: flows.collect() }),
        }
    }
    all
}

fn sum(a: Option<BearerRates>, b: Option<BearerRates>) -> Option<BearerRates> {
    let add = |a: Ambr, b: Ambr| Ambr {
        uplink: a.uplink.saturating_add(b.uplink),
        downlink: a.downlink.saturating_add(b.downlink),
    };
    match (a, b) {
        (Some(a), Some(b)) => {
            Some(BearerRates { guaranteed: add(a.guaranteed, b.guaranteed), maximum: add(a.maximum, b.maximum) })
        }
        (a, b) => a.or(b),
    }
}

impl Wanted {
    /// The rules that it is for.
    pub(crate) fn rules(&self) -> BTreeSet<u32> {
        self.flows.iter().map(|(rule, ..)| *rule).collect()
    }

    /// Whether a bearer is so.
    pub(crate) fn is(&self, bearer: &Bearer) -> bool {
        let same = |filter: &BearerFilter| {
            self.flows
                .iter()
                .any(|(rule, index, flow, _)| (*rule, *index, *flow) == (filter.rule, filter.index, filter.filter))
        };
        bearer.rates == self.rates && bearer.filters.len() == self.flows.len() && bearer.filters.iter().all(same)
    }

    /// The filters of the bearer when all is as wanted: those that are there keep identifier and precedence. `taken` are the
    /// precedences of the session's other bearers. `None` when identifiers or precedences do not suffice.
    pub(crate) fn filters(&self, present: &[BearerFilter], taken: &BTreeSet<u8>) -> Option<Vec<BearerFilter>> {
        let mut filters: Vec<BearerFilter> = Vec::new();
        let known = |rule: u32, index: u8| present.iter().find(|old| (old.rule, old.index) == (rule, index));
        let mut taken = taken.clone();
        taken.extend(present.iter().map(|old| old.precedence));
        let mut ids: BTreeSet<u8> = present.iter().map(|old| old.id).collect();
        for (rule, index, filter, asked) in &self.flows {
            let (id, precedence) = match known(*rule, *index) {
                Some(old) => (old.id, old.precedence),
                None => {
                    // Above the one that is asked for, or else as near below it as can be.
                    let above = (*asked..=u8::MAX).find(|number| !taken.contains(number));
                    let below = || (0..*asked).rev().find(|number| !taken.contains(number));
                    ((0..16).find(|id| !ids.contains(id))?, above.or_else(below)?)
                }
            };
            ids.insert(id);
            taken.insert(precedence);
            filters.push(BearerFilter { id, rule: *rule, index: *index, precedence, filter: *filter });
        }
        (filters.len() <= agw_types::MAX_FILTERS).then_some(filters)
    }
}

/// A filter as the phone is told of it (TS 24.008 §10.5.6.12). One that fits all packets names a protocol mask of nothing: a template
/// has no empty filter, so it says ToS 0 with mask 0.
pub(crate) fn packet_filter(filter: &BearerFilter) -> PacketFilter {
    let flow = &filter.filter;
    let mut components = Vec::new();
    match flow.remote {
        Some((IpAddr::V4(address), length)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            components.push(FilterComponent::Ipv4Remote(address, Ipv4Addr::from_bits(mask)));
        }
        Some((IpAddr::V6(address), length)) => components.push(FilterComponent::Ipv6RemotePrefix(address, length)),
        None => {}
    }
    components.extend(flow.protocol.map(FilterComponent::Protocol));
    components.extend(flow.local_ports.map(|(first, last)| {
        if first == last { FilterComponent::LocalPort(first) } else { FilterComponent::LocalPorts(first, last) }
    }));
    components.extend(flow.remote_ports.map(|(first, last)| {
        if first == last { FilterComponent::RemotePort(first) } else { FilterComponent::RemotePorts(first, last) }
    }));
    components.extend(flow.tos.map(|(value, mask)| FilterComponent::Tos(value, mask)));
    if components.is_empty() {
        components.push(FilterComponent::Tos(0, 0));
    }
    let direction = match flow.direction {
        FlowDirection::Uplink => FilterDirection::Uplink,
        FlowDirection::Downlink => FilterDirection::Downlink,
        FlowDirection::Both => FilterDirection::Bidirectional,
    };
    PacketFilter { id: filter.id, direction, precedence: filter.precedence, components }
}

/// A flow that a phone asks for. `None` for what no rule can say: a mask that is no prefix, local addresses, IPsec, flow labels.
pub(crate) fn flow(filter: &PacketFilter) -> Option<SdfFilter> {
    let mut flow = SdfFilter::ANY;
    flow.direction = match filter.direction {
        FilterDirection::Uplink => FlowDirection::Uplink,
        FilterDirection::Downlink => FlowDirection::Downlink,
        FilterDirection::PreRelease7 | FilterDirection::Bidirectional => FlowDirection::Both,
    };
    for component in &filter.components {
        match *component {
            FilterComponent::Ipv4Remote(address, mask) => {
                let length = mask.to_bits().leading_ones();
                let prefix = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                if prefix != mask.to_bits() {
                    return None;
                }
                flow.remote = Some((Ipv4Addr::from_bits(address.to_bits() & prefix).into(), length as u8));
            }
            FilterComponent::Ipv6RemotePrefix(address, length) => {
                let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
                flow.remote = Some((core::net::Ipv6Addr::from_bits(address.to_bits() & !host).into(), length.min(128)));
            }
            FilterComponent::Protocol(protocol) => flow.protocol = Some(protocol),
            FilterComponent::LocalPort(port) => flow.local_ports = Some((port, port)),
            FilterComponent::LocalPorts(first, last) => flow.local_ports = Some((first, last)),
            FilterComponent::RemotePort(port) => flow.remote_ports = Some((port, port)),
            FilterComponent::RemotePorts(first, last) => flow.remote_ports = Some((first, last)),
            FilterComponent::Tos(value, mask) => flow.tos = Some((value, mask)),
            FilterComponent::Ipv4Local(..)
            | FilterComponent::Ipv6Remote(..)
            | FilterComponent::Ipv6LocalPrefix(..)
            | FilterComponent::SecurityParameterIndex(_)
            | FilterComponent::FlowLabel(_) => return None,
        }
    }
    Some(flow)
}

/// Whether a template fits its element, whose length is one octet.
pub(crate) fn fits(flow: &TrafficFlow) -> bool {
    flow.0.len() <= 255
}
