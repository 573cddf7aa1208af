//! Rules and bearers of a session, as they are asked for, and their compiled form.

use crate::error::Error;
use crate::framed::halves;
use crate::limits::Limits;
use agw_types::{FlowDirection, Peer, RATING_GROUP, SessionService};
use basalt_ebpf_abi::{Intervals, Intervals6, MAX_DEDICATED, MAX_FLOWS, Policy, Prefix};
use basalt_ids::{Ebi, Teid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Which packets a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the phone.
    Uplink,
    /// To the phone.
    Downlink,
    /// Both.
    Both,
}

/// One service data flow (TS 23.203 §6.2.2.2; a TFT's packet filter, TS 24.008 §10.5.6.12). A field that is `None` fits all packets.
/// IPv6 packets fit rules without a far end and those with an IPv6 one; a rule that asks for ports fits TCP, UDP and SCTP.
/// A fragment behind the first one, which has no ports, is under the rule of the first; where that has not come yet, it fits no rule that asks for
/// ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its number. A rule that is set again under its number keeps what it has counted and used. Several flows may have one number:
    /// they share meter, quota and counters, and so have the same limits, quota and rating group. Below 2^31.
    pub id: u32,
    /// Lower is looked at first; equal ones in order of number.
    pub precedence: u32,
    /// Direction.
    pub way: Way,
    /// The far end's IPv4 address.
    pub remote: Prefix,
    /// The far end's IPv6 address, and how many of its bits count: then it is for IPv6 packets only, whatever `remote` says.
    pub remote6: Option<(Ipv6Addr, u8)>,
    /// The far end's port, first and last.
    pub remote_ports: Option<(u16, u16)>,
    /// The phone's port, first and last.
    pub local_ports: Option<(u16, u16)>,
    /// Protocol number of the IP header, of IPv6 that behind extension headers.
    pub protocol: Option<u8>,
    /// ToS octet and the mask of the bits that count.
    pub tos: Option<(u8, u8)>,
    /// The dedicated bearer that carries it; `None` for the default bearer.
    pub bearer: Option<Ebi>,
    /// Whether packets from the phone may pass.
    pub uplink_open: bool,
    /// Whether packets to the phone may pass.
    pub downlink_open: bool,
    /// Maximum bit rates (MBR).
    pub limits: Limits,
    /// What it may have.
    pub quota: Option<Allowance>,
    /// Its rating group, 1 to 2^31 - 1: what all rules of the group have carried is counted for the group, too, and the group's quota is
    /// theirs together ([`crate::Dataplane::allow_group`]).
    pub group: Option<u32>,
}

impl Rule {
    /// A rule for all packets of both directions, open, on the default bearer.
    #[must_use]
    pub const fn any(id: u32, precedence: u32) -> Self {
        Self {
            id,
            precedence,
            way: Way::Both,
            remote: Prefix::ALL,
            remote6: None,
            remote_ports: None,
            local_ports: None,
            protocol: None,
            tos: None,
            bearer: None,
            uplink_open: true,
            downlink_open: true,
            limits: Limits::NONE,
            quota: None,
            group: None,
        }
    }
}

impl Rule {
    /// First and last IPv6 address of the far end; `None` for a rule that fits no IPv6 packet.
    fn span6(&self) -> Option<(u128, u128)> {
        let Some((address, length)) = self.remote6 else {
            return (self.remote.length() == 0).then_some((0, u128::MAX));
        };
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        let first = address.to_bits() & !host;
        Some((first, first | host))
    }
}

/// Octets granted, both directions together. The packet that uses up the last one passes, the next is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Octets that may pass from now on.
    pub octets: u64,
    /// A report comes when so many are left; 0 for none but the one at the end.
    pub threshold: u64,
}

/// A dedicated bearer (TS 23.401 §4.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedicated {
    /// Its identity.
    pub ebi: Ebi,
    /// The gateway's endpoint.
    pub teid: Teid,
    /// The base station's; `None` as long as there is none: its packets then take the default bearer.
    pub peer: Option<Peer>,
    /// ToS octet of the outer header.
    pub tos: u8,
    /// With a guaranteed bit rate: the session's and the UE's limits are not for it (TS 23.401 §4.7.3).
    pub guaranteed: bool,
}

/// What a session has besides a tunnel and limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Up to 64 rules. What none of them names goes by the default bearer.
    pub rules: Vec<Rule>,
    /// What no rule names is dropped instead.
    pub strict: bool,
    /// Up to ten bearers besides the default one.
    pub bearers: Vec<Dedicated>,
    /// Those of them on which phone and gateway may not agree at present: what belongs on one of them may come by the default bearer, and
    /// the other way round.
    pub settling: Vec<Ebi>,
    /// What the session may have; `None` without bound. As it stands on every call: to leave it as it is, see
    /// [`Service::keep_quota`].
    pub quota: Option<Allowance>,
    /// Leave the quotas of session and known rules as the packets have left them; a session keeps one that it has by [`crate::Dataplane::allow`].
    pub keep_quota: bool,
    /// ToS octet of the outer header on the default bearer.
    pub tos: u8,
    /// QoS flow identifier written into PDU Session Containers downlink, and asked of them uplink; 0 for none (LTE).
    pub qfi: u8,
}

impl Service {
    /// Whether it can be set at all.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |text: &str| Err(Error::Configuration(text.into()));
        if self.rules.len() > MAX_FLOWS {
            return refuse("more than 64 rules in a session");
        }
        if self.bearers.len() > MAX_DEDICATED {
            return refuse("more than ten dedicated bearers in a session");
        }
        let bearers: BTreeSet<u8> = self.bearers.iter().map(|bearer| bearer.ebi.value()).collect();
        if bearers.len() != self.bearers.len() {
            return refuse("two bearers with the same identity");
        }
        let mut known: BTreeMap<u32, &Rule> = BTreeMap::new();
        for rule in &self.rules {
            let first = *known.entry(rule.id).or_insert(rule);
            if (first.limits, first.quota, first.group) != (rule.limits, rule.quota, rule.group) {
                return refuse("flows of one number have different limits");
            }
            if [Some(rule.id), rule.group].into_iter().flatten().any(|number| number >= RATING_GROUP) {
                return refuse("a number of a rule or rating group is above 2147483647");
            }
        }
        if self.qfi > 63 {
            return refuse("a QoS flow identifier has six bits");
        }
        for rule in &self.rules {
            if rule.bearer.is_some_and(|ebi| !bearers.contains(&ebi.value())) {
                return refuse("a rule names a bearer that the session has not");
            }
            let upside_down = |range: Option<(u16, u16)>| range.is_some_and(|(first, last)| first > last);
            if upside_down(rule.remote_ports) || upside_down(rule.local_ports) {
                return refuse("a port range ends before it begins");
            }
        }
        Ok(())
    }
}

impl Service {
    /// What the core wants, with bursts of what the rates carry in `burst`. Its quotas are whoever's who counts.
    pub(crate) fn wanted(wanted: &SessionService, burst: Duration) -> Self {
        let rules = wanted.rules.iter().map(|flow| {
            let filter = &flow.filter;
            let mut rule = Rule::any(flow.id, flow.precedence.into());
            rule.way = match filter.direction {
                FlowDirection::Uplink => Way::Uplink,
                FlowDirection::Downlink => Way::Downlink,
                FlowDirection::Both => Way::Both,
            };
            match filter.remote {
                None => {}
                Some((IpAddr::V4(address), length)) => rule.remote = Prefix::new(address, length),
                Some((IpAddr::V6(address), length)) => rule.remote6 = Some((address, length)),
            }
            (rule.remote_ports, rule.local_ports) = (filter.remote_ports, filter.local_ports);
            (rule.protocol, rule.tos, rule.bearer) = (filter.protocol, filter.tos, flow.bearer);
            (rule.uplink_open, rule.downlink_open) = (flow.gate.uplink, flow.gate.downlink);
            rule.limits = Limits::of(flow.mbr).with_burst(burst);
            rule.group = Some(flow.rating_group).filter(|group| (1..RATING_GROUP).contains(group));
            rule
        });
        let bearers = wanted.bearers.iter().map(|bearer| Dedicated {
            ebi: bearer.ebi,
            teid: bearer.teid,
            peer: bearer.peer,
            tos: bearer.tos,
            guaranteed: bearer.guaranteed,
        });
        Self {
            rules: rules.collect(),
            bearers: bearers.collect(),
            settling: wanted.settling.clone(),
            tos: wanted.tos,
            keep_quota: true,
            ..Service::default()
        }
    }
}

/// A policy as programs read it. Equal ones of many sessions share an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiled {
    /// Uplink, downlink, open uplink, open downlink, portless, anywhere.
    masks: [u64; 6],
    flags: u32,
    actions: Vec<u32>,
    protocol: Vec<u64>,
    tos: Vec<u64>,
    remote: Table,
    remote_port: Table,
    local_port: Table,
    remote6: Table<u128>,
}

/// The intervals of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table<N = u32> {
    starts: Vec<N>,
    rules: Vec<u64>,
}

impl Compiled {
    /// Compiles rules that stand in order of precedence, each with its bearer's number and its place among the session's states.
    /// `flags` are [`PolicyFlags`].
    pub(crate) fn new(rules: &[(&Rule, u8, u8)], flags: u32) -> Self {
        let mask = |test: &dyn Fn(&Rule) -> bool| mask(rules.iter().map(|(rule, _, _)| test(rule)));
        let range =
            |ports: Option<(u16, u16)>| Some(ports.map_or((0, u32::MAX), |(a, b)| (u32::from(a), u32::from(b))));
        let table = |range: &dyn Fn(&Rule) -> Option<(u32, u32)>| {
            let ranges: Vec<_> = rules.iter().map(|(rule, _, _)| range(rule)).collect();
            Table::new(&ranges, |last| last.checked_add(1))
        };
        let named6 = rules.iter().any(|(rule, _, _)| rule.remote6.is_some());
        let ranges6: Vec<_> = rules.iter().map(|(rule, _, _)| rule.span6().filter(|_| named6)).collect();
        Self {
            masks: [
                mask(&|rule| rule.way != Way::Downlink),
                mask(&|rule| rule.way != Way::Uplink),
                mask(&|rule| rule.uplink_open),
                mask(&|rule| rule.downlink_open),
                mask(&|rule| rule.remote_ports.is_none() && rule.local_ports.is_none()),
                mask(&|rule| rule.span6() == Some((0, u128::MAX))),
            ],
            flags,
            actions: rules.iter().map(|(_, bearer, state)| u32::from(*bearer) | u32::from(*state) << 8).collect(),
            protocol: (0..=255).map(|p| mask(&|rule| rule.protocol.is_none_or(|wanted| wanted == p))).collect(),
            tos: (0..=255)
                .map(|t| mask(&|rule| rule.tos.is_none_or(|(value, bits)| t & bits == value & bits)))
                .collect(),
            remote: table(&|rule| Some((rule.remote.first(), rule.remote.last())).filter(|_| rule.remote6.is_none())),
            remote_port: table(&|rule| range(rule.remote_ports)),
            local_port: table(&|rule| range(rule.local_ports)),
            remote6: Table::new(&ranges6, |last| last.checked_add(1)),
        }
    }

    /// Writes it into an entry that no session refers to.
    pub(crate) fn write(&self, policy: &Policy) {
        let [uplink, downlink, open_uplink, open_downlink, portless, anywhere] = self.masks;
        policy.uplink.set(uplink);
        policy.downlink.set(downlink);
        policy.open_uplink.set(open_uplink);
        policy.open_downlink.set(open_downlink);
        policy.portless.set(portless);
        policy.anywhere.set(anywhere);
        policy.flags.set(self.flags);
        let steps = self.remote.step() | self.remote_port.step() << 10 | self.local_port.step() << 20;
        policy.steps.set(steps);
        for (index, cell) in policy.actions.iter().enumerate() {
            cell.set(self.actions.get(index).copied().unwrap_or(0));
        }
        for (cells, rules) in [(&policy.protocol, &self.protocol), (&policy.tos, &self.tos)] {
            cells.iter().zip(rules).for_each(|(cell, rules)| cell.set(*rules));
        }
        self.remote.write(&policy.remote);
        self.remote_port.write(&policy.remote_port);
        self.local_port.write(&policy.local_port);
        policy.step6.set(self.remote6.step());
        self.remote6.write6(&policy.remote6);
    }
}

/// A bit for each that is true.
fn mask(bits: impl Iterator<Item = bool>) -> u64 {
    bits.enumerate().fold(0, |mask, (index, bit)| mask | u64::from(bit) << (index & 63))
}

impl<N: Ord + Copy + Default> Table<N> {
    /// Of each rule, the values that it asks for; `None` for none at all. `next` is the value behind one.
    fn new(ranges: &[Option<(N, N)>], next: impl Fn(N) -> Option<N>) -> Self {
        let mut edges = BTreeSet::from([N::default()]);
        for (first, last) in ranges.iter().flatten() {
            edges.insert(*first);
            edges.extend(next(*last));
        }
        let starts: Vec<N> = edges.into_iter().collect();
        let within = |at: &N, range: &Option<(N, N)>| range.is_some_and(|(first, last)| first <= *at && *at <= last);
        let rules = starts.iter().map(|at| mask(ranges.iter().map(|range| within(at, range)))).collect();
        Self { starts, rules }
    }

    /// Half the intervals, a power of two.
    fn step(&self) -> u32 {
        u32::try_from(self.starts.len().next_power_of_two() / 2).unwrap_or(0)
    }
}

impl Table<u128> {
    fn write6(&self, intervals: &Intervals6) {
        let last = self.rules.last().copied().unwrap_or(0);
        let cells = intervals.highs.iter().zip(&intervals.lows).zip(&intervals.rules);
        for (index, ((high, low), rules)) in cells.enumerate() {
            let [start_high, start_low] = halves(self.starts.get(index).copied().unwrap_or(u128::MAX));
            high.set(start_high);
            low.set(start_low);
            rules.set(self.rules.get(index).copied().unwrap_or(last));
        }
    }
}

impl Table {
    fn write(&self, intervals: &Intervals) {
        let last = self.rules.last().copied().unwrap_or(0);
        for (index, (start, rules)) in intervals.starts.iter().zip(&intervals.rules).enumerate() {
            start.set(self.starts.get(index).copied().unwrap_or(u32::MAX));
            rules.set(self.rules.get(index).copied().unwrap_or(last));
        }
    }
}
