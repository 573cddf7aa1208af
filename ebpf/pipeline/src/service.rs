//! What a session's service says to a packet: its rule and bearer, gates, quotas, limits; and what it has used.
//!
//! Order: rule, gate, quotas of the rule and its rating group, limits. A packet that is refused is charged nowhere. Fragments behind the
//! first have no ports: they belong to the rule of the first one, or, where that has not come yet, to the first rule that asks for no ports;
//! and they come through whatever bearer the phone sends them by.

mod flow;
mod fragments;

use crate::meter;
use crate::{Packet, Step, Tables};
use basalt_ebpf_abi::{
    BEARER_BLOCK, Bearer, Downlink, DownlinkFlags, DropReason, MAX_DEDICATED, MAX_FLOWS, Notice, Policy, PolicyFlags,
    Quota, RuleState, Shared64, Uplink, UplinkFlags,
};
use flow::{Flow, flow};

/// Bisects the far ends of a policy for an IPv6 address.
struct Search {
    policy: u32,
    remote: [u64; 2],
    at: u32,
    stride: u32,
    rules: u64,
}

impl<T: Tables> Step<T> for Search {
    #[inline(always)]
    fn step(&mut self, tables: &T) -> bool {
        let Some(policy) = tables.policy(self.policy) else { return true };
        let next = self.at.wrapping_add(self.stride);
        if policy.remote6.begins_by(next, self.remote[0], self.remote[1]) {
            self.at = next;
        }
        self.stride >>= 1;
        if self.stride != 0 {
            return false;
        }
        self.rules = policy.remote6.of(self.at);
        true
    }
}

/// The rules that ask for this IPv6 far end, or for none.
#[inline(always)]
fn remote6<T: Tables>(tables: &T, index: u32, policy: &Policy, remote: [u64; 2]) -> u64 {
    let stride = policy.step6.get();
    if stride == 0 {
        return policy.anywhere.get();
    }
    let mut search = Search { policy: index, remote, at: 0, stride, rules: 0 };
    tables.repeat(8, &mut search);
    search.rules
}

/// The rules that a packet satisfies. `inside_port` is the phone's port where the packet has another one yet.
#[inline(always)]
fn classify<T: Tables>(
    tables: &T,
    index: u32,
    policy: &Policy,
    flow: &Flow,
    uplink: bool,
    inside_port: Option<u32>,
) -> u64 {
    let steps = policy.steps.get();
    let mut rules = if uplink { policy.uplink.get() } else { policy.downlink.get() };
    rules &= policy.protocol[flow.protocol as usize & 0xff].get();
    rules &= policy.tos[flow.tos as usize & 0xff].get();
    rules &= match flow.remote {
        Some(remote) => policy.remote.rules(remote, steps & 0xff),
        None => remote6(tables, index, policy, flow.remote6),
    };
    match flow.ports {
        Some(ports) => {
            let (source, destination) = (ports >> 16, ports & 0xffff);
            let (remote, local) = if uplink { (destination, source) } else { (source, destination) };
            let local = inside_port.unwrap_or(local);
            rules &= policy.remote_port.rules(remote, steps >> 10 & 0xff);
            rules & policy.local_port.rules(local, steps >> 20 & 0xff)
        }
        None => rules & policy.portless.get(),
    }
}

/// A rule that matched.
#[derive(Clone, Copy)]
struct Matched<'t> {
    bearer: u32,
    open: bool,
    index: u32,
    state: &'t RuleState,
    group: Group<'t>,
}

/// The state that a rule names as its rating group's, and where it is; its own without one. It is a group's only with
/// [`RuleState::GROUP`]: verifiers look at one way, and not at every one with a group and without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'t> {
    pub(crate) state: &'t RuleState,
    pub(crate) index: u32,
}

impl Group<'_> {
    #[inline(always)]
    pub(crate) fn is_one(&self) -> bool {
        self.state.flags.get() & RuleState::GROUP != 0
    }
}

/// The rule of highest precedence among `rules`.
#[inline(always)]
fn first<'t, T: Tables>(tables: &'t T, policy: &Policy, rules: u64, states: u32, uplink: bool) -> Option<Matched<'t>> {
    let number = rules.trailing_zeros();
    let action = policy.actions[number as usize & (MAX_FLOWS - 1)].get();
    let gates = if uplink { policy.open_uplink.get() } else { policy.open_downlink.get() };
    let open = gates & (rules & rules.wrapping_neg()) != 0;
    let index = states.wrapping_add(action >> 8 & 0xff);
    let state = tables.rule_state(index)?;
    let group = match state.group.get() {
        0 => Group { state, index },
        place => {
            let index = states.wrapping_add(place - 1);
            Group { state: tables.rule_state(index)?, index }
        }
    };
    Some(Matched { bearer: action & 0xff, open, index, state, group })
}

/// What to charge a packet to, besides its bearer.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'t> {
    /// Whether there is anything. A flag of its own, because compilers test two pointers at once, which verifiers do not let them.
    pub(crate) any: bool,
    /// Its dedicated bearer, of a packet from the phone.
    pub(crate) bearer: Option<&'t Bearer>,
    /// Its rule.
    pub(crate) rule: Option<&'t RuleState>,
    /// Where that is.
    pub(crate) index: u32,
    /// Its rating group, if it has one.
    pub(crate) group: Option<Group<'t>>,
    /// The session's quota.
    pub(crate) quota: Option<&'t Quota>,
}

impl Charge<'_> {
    /// Nothing but its bearer.
    pub const NONE: Charge<'static> =
        Charge { any: false, bearer: None, rule: None, index: 0, group: None, quota: None };
}

/// A packet from a phone whose checks are passed; `six` says whether it is of IPv6, where compilers shall know.
#[inline(always)]
pub(crate) fn uplink<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    record: &'t Uplink,
    flags: UplinkFlags,
    offset: usize,
    octets: u32,
    six: Option<bool>,
) -> Result<Charge<'t>, DropReason> {
    if flags.0 & UplinkFlags::SERVICE == 0 {
        return Ok(Charge::NONE);
    }
    // Of a dedicated bearer, the session's default bearer knows. Where there is no such record, there is no session.
    let home = if record.number() == 0 { Some(record) } else { tables.uplink(record.home.get()) };
    let Some(home) = home else { return Err(DropReason::WrongBearer) };
    let mut charge = Charge::NONE;
    if flags.has(UplinkFlags::RULES) {
        let (Some(policy), Some(flow)) = (tables.policy(home.policy.get()), flow(packet, tables, offset, true, six))
        else {
            return Err(DropReason::NoRule);
        };
        let bearer = record.number();
        let policed = PolicyFlags(policy.flags.get());
        let rules = classify(tables, home.policy.get(), policy, &flow, true, None);
        let Some(rules) =
            fragments::together(packet, tables, offset, &flow, home.policy.get(), home.teid.get(), true, rules)
        else {
            return Err(DropReason::NoRule);
        };
        if rules == 0 {
            if !policed.agrees(0, bearer) && !flow.any_bearer {
                return Err(DropReason::WrongBearer);
            }
            if policed.has(PolicyFlags::STRICT) {
                return Err(DropReason::NoRule);
            }
        } else {
            let Some(rule) = first(tables, policy, rules, home.states.get(), true) else {
                return Err(DropReason::NoRule);
            };
            if !policed.agrees(rule.bearer, bearer) && !flow.any_bearer {
                return Err(DropReason::WrongBearer);
            }
            charge = allowed(rule)?;
        }
        if bearer != 0 {
            charge.bearer =
                tables.bearer(home.bearers.get().wrapping_mul(BEARER_BLOCK) + (bearer & (BEARER_BLOCK - 1)));
        }
    }
    if flags.has(UplinkFlags::QUOTA) {
        charge.quota = Some(session_quota(home)?);
        charge.any = true;
    }
    let session = if flags.has(UplinkFlags::METERED) { Some((&home.meter, home.ue_meter.get())) } else { None };
    meter::charge(tables, limits(&charge).map(|rule| &rule.uplink), session, true, octets)?;
    Ok(charge)
}

/// Has the processor fetch what a packet's rule counts in, of the session with this slot. The session's record says where it is, but
/// is far away itself: whoever waits for one after the other waits twice as long. Only a guess: nothing is decided by it.
#[inline(always)]
pub(crate) fn ahead<T: Tables>(tables: &T, slot: Option<u32>) {
    if let Some(slot) = slot {
        tables.fetch_rule_state(slot.wrapping_mul(RuleState::RUN));
    }
}

/// A packet to a phone: what to charge it to, and the bearer to send it by, if not the default one. `inside_port` is its destination
/// port where it is still to be translated; `six` as with [`uplink`].
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined into one program")]
pub(crate) fn downlink<'t, P: Packet, T: Tables>(
    packet: &P,
    tables: &'t T,
    record: &'t Downlink,
    mask: u32,
    offset: usize,
    octets: u32,
    limited: bool,
    inside_port: Option<u32>,
    six: Option<bool>,
) -> Result<(Charge<'t>, Option<&'t Bearer>), DropReason> {
    let mut flags = DownlinkFlags(record.flags.get());
    if flags.0 & DownlinkFlags::SERVICE == 0 {
        return Ok((Charge::NONE, None));
    }
    let mut charge = Charge::NONE;
    let mut bearer = None;
    if flags.has(DownlinkFlags::RULES) {
        let (Some(policy), Some(flow)) = (tables.policy(record.policy.get()), flow(packet, tables, offset, false, six))
        else {
            return Err(DropReason::NoRule);
        };
        let rules = classify(tables, record.policy.get(), policy, &flow, false, inside_port);
        let Some(rules) =
            fragments::together(packet, tables, offset, &flow, record.policy.get(), record.owner.get(), false, rules)
        else {
            return Err(DropReason::NoRule);
        };
        if rules != 0 {
            let Some(rule) = first(tables, policy, rules, record.states.get(), false) else {
                return Err(DropReason::NoRule);
            };
            charge = allowed(rule)?;
            bearer = dedicated(tables, record, rule.bearer);
        } else if PolicyFlags(policy.flags.get()).has(PolicyFlags::STRICT) {
            return Err(DropReason::NoRule);
        }
    }
    if flags.has(DownlinkFlags::QUOTA) {
        let Some(home) = tables.uplink(record.owner.get() & mask) else { return Err(DropReason::QuotaExhausted) };
        charge.quota = Some(session_quota(home)?);
        charge.any = true;
    }
    if let Some(bearer) = bearer {
        flags = DownlinkFlags(bearer.flags.get());
    }
    if limited {
        let session =
            if flags.has(DownlinkFlags::METERED) { Some((&record.meter, record.ue_meter.get())) } else { None };
        meter::charge(tables, limits(&charge).map(|rule| &rule.downlink), session, false, octets)?;
    }
    Ok((charge, bearer))
}

/// A dedicated bearer that has a tunnel. Without one, its packets take the default bearer.
#[inline(always)]
fn dedicated<'t, T: Tables>(tables: &'t T, record: &Downlink, number: u32) -> Option<&'t Bearer> {
    let block = record.bearers.get();
    if number == 0 || number > MAX_DEDICATED as u32 || block == 0 {
        return None;
    }
    tables.bearer(block.wrapping_mul(BEARER_BLOCK) + number).filter(|bearer| bearer.peer.get() != 0)
}

/// Gate and quotas of a rule.
#[inline(always)]
fn allowed(rule: Matched<'_>) -> Result<Charge<'_>, DropReason> {
    if !rule.open {
        return Err(DropReason::GateClosed);
    }
    if used_up(rule.state) || (rule.group.is_one() && used_up(rule.group.state)) {
        return Err(DropReason::QuotaExhausted);
    }
    let group = Some(rule.group);
    Ok(Charge { any: true, bearer: None, rule: Some(rule.state), index: rule.index, group, quota: None })
}

#[inline(always)]
fn used_up(state: &RuleState) -> bool {
    state.flags.get() & RuleState::QUOTA != 0 && !state.quota.open()
}

/// Whose limits hold for a packet: those of its rule, or of a rating group that is slowed.
#[inline(always)]
fn limits<'t>(charge: &Charge<'t>) -> Option<&'t RuleState> {
    match charge.group {
        Some(group) if group.state.flags.get() & RuleState::SLOW != 0 => Some(group.state),
        _ => charge.rule,
    }
}

#[inline(always)]
fn session_quota(home: &Uplink) -> Result<&Quota, DropReason> {
    if home.quota.open() { Ok(&home.quota) } else { Err(DropReason::QuotaExhausted) }
}

/// Counts a packet that was sent in its rule, its rating group and quotas.
#[inline(always)]
pub(crate) fn account<T: Tables>(tables: &T, charge: &Charge<'_>, owner: u32, uplink: bool, octets: u32) {
    if let Some(rule) = charge.rule {
        count(tables, rule, owner, charge.index, uplink, octets);
    }
    if let Some(group) = charge.group
        && group.is_one()
    {
        count(tables, group.state, owner, group.index, uplink, octets);
    }
    if let Some(quota) = charge.quota {
        spend(tables, quota, owner, Notice::SESSION, octets);
    }
}

#[inline(always)]
fn count<T: Tables>(tables: &T, state: &RuleState, owner: u32, index: u32, uplink: bool, octets: u32) {
    let (packets, bytes): (&Shared64, &Shared64) = if uplink {
        (&state.uplink_packets, &state.uplink_bytes)
    } else {
        (&state.downlink_packets, &state.downlink_bytes)
    };
    packets.add(1);
    bytes.add(u64::from(octets));
    if state.flags.get() & RuleState::QUOTA != 0 {
        spend(tables, &state.quota, owner, index, octets);
    }
}

/// Takes octets off a quota. Exactly one packet sees it fall to its threshold, and exactly one sees its end.
#[inline(always)]
fn spend<T: Tables>(tables: &T, quota: &Quota, owner: u32, state: u32, octets: u32) {
    let before = quota.left.fetch_add(u64::from(octets).wrapping_neg()) as i64;
    let after = before.wrapping_sub(i64::from(octets));
    let threshold = quota.threshold.get() as i64;
    let exhausted = before > 0 && after <= 0;
    if exhausted || (before > threshold && after <= threshold) {
        tables.notice(Notice { owner, state, exhausted });
    }
}
