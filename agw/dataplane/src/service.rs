//! Rules, bearers and quotas of sessions in the tables.
//!
//! Two rooms of the tables are given out here: policies, which sessions with equal rules share, and runs of rule states, one run for a
//! session. A rule keeps its place in the run as long as it exists, so what it has counted is never moved. Programs take a change by
//! one store, of the policy's index; what that policy refers to is complete before.

use crate::error::Error;
use crate::limits::{mark, write};
use crate::rules::{Allowance, Compiled, Dedicated, Rule, Service};
use crate::sessions::Sessions;
use crate::tables::{Tables, tick};
use agw_types::{Peer, UeAddress};
use basalt_ebpf_abi::{
    Address, BEARER_BLOCK, Bearer, Downlink, DownlinkFlags, MAX_FLOWS, Quota, RuleState, Shared64, Uplink, UplinkFlags,
};
use basalt_ids::{Ebi, Teid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// Octets and packets of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Packets from the phone.
    pub uplink_packets: u64,
    /// Their inner IP octets.
    pub uplink_bytes: u64,
    /// Packets to the phone.
    pub downlink_packets: u64,
    /// Their inner IP octets.
    pub downlink_bytes: u64,
}

/// What the parts of a session have carried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// By dedicated bearer. The default bearer has what is left of the session's.
    pub bearers: BTreeMap<Ebi, Volume>,
    /// By rule number.
    pub rules: BTreeMap<u32, Volume>,
}

/// Who has which policy, run of states and block of bearers.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    policies: Vec<(u32, Compiled, BTreeSet<u32>)>,
    free_policies: VecDeque<u32>,
    next_policy: u32,
    states: Runs,
    blocks: Runs,
}

/// Gives out runs of `2^n` entries.
#[derive(Debug, Default)]
struct Runs {
    next: u32,
    used: u32,
    free: BTreeMap<u32, VecDeque<u32>>,
}

impl Runs {
    fn take(&mut self, length: u32, end: u32) -> Option<u32> {
        let first = match self.free.get_mut(&length).and_then(VecDeque::pop_front) {
            Some(first) => first,
            None => {
                let first = self.next;
                let next = first.checked_add(length).filter(|next| *next <= end)?;
                self.next = next;
                first
            }
        };
        self.used += length;
        Some(first)
    }

    fn give(&mut self, first: u32, length: u32) {
        self.used = self.used.saturating_sub(length);
        self.free.entry(length).or_default().push_back(first);
    }

    /// Says that a run of before is in use. What lies between such runs is not given out before the next start with new tables.
    fn adopt(&mut self, first: u32, length: u32) {
        self.next = self.next.max(first + length);
        self.used += length;
    }
}

/// The smallest run of states.
const LEAST_STATES: u32 = 8;

impl Rooms {
    /// Takes over what sessions of before refer to. Their policies are theirs alone until they are set again.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        self.next_policy = 0;
        for record in tables.uplink.iter().filter(|record| holder(record) != 0 && record.state_count.get() != 0) {
            self.states.adopt(record.states.get(), record.state_count.get());
            self.next_policy = self.next_policy.max(record.policy.get());
        }
        for record in tables.downlink.iter().filter(|record| record.owner.get() != 0 && record.bearers.get() != 0) {
            self.blocks.adopt(record.bearers.get() - 1, 1);
        }
    }

    /// The entry with this content, for one more session.
    fn policy(&mut self, tables: &Tables, compiled: Compiled, owner: u32) -> Result<u32, Error> {
        if let Some((index, _, users)) = self.policies.iter_mut().find(|(_, content, _)| *content == compiled) {
            users.insert(owner);
            return Ok(*index);
        }
        // The one that was given up longest ago: a program may still read the youngest.
        let fresh = self.next_policy + 1;
        let index = match tables.policies.get(fresh as usize) {
            Some(_) => {
                self.next_policy = fresh;
                fresh
            }
            None => self.free_policies.pop_front().ok_or(Error::Full("policies"))?,
        };
        let entry = tables.policies.get(index as usize).ok_or(Error::Full("policies"))?;
        compiled.write(entry);
        self.policies.push((index, compiled, BTreeSet::from([owner])));
        Ok(index)
    }

    /// A run of states, all free: where it begins, and how long it is.
    fn take_states(&mut self, tables: &Tables, wanted: u32) -> Result<(u32, u32), Error> {
        let most = u32::try_from(MAX_FLOWS).unwrap_or(u32::MAX);
        let length = wanted.next_power_of_two().max(LEAST_STATES);
        if length > most {
            // A rule that goes leaves its place only after the ones that come have theirs.
            return Err(Error::Full("rules of this session"));
        }
        let end = u32::try_from(tables.rule_states.iter().len()).unwrap_or(0);
        let first = self.states.take(length, end).ok_or(Error::Full("rule states"))?;
        for index in first..first + length {
            if let Some(state) = tables.rule_states.get(index as usize) {
                state.owner.set(0);
            }
        }
        Ok((first, length))
    }

    fn leave_policy(&mut self, index: u32, owner: u32) {
        if index == 0 {
            return;
        }
        match self.policies.iter_mut().find(|(number, _, _)| *number == index) {
            Some((_, _, users)) => {
                users.remove(&owner);
            }
            // Adopted, and its session's alone.
            None => self.free_policies.push_back(index),
        }
        let free = &mut self.free_policies;
        self.policies.retain(|(number, _, users)| {
            if users.is_empty() {
                free.push_back(*number);
            }
            !users.is_empty()
        });
    }

    /// Entries in use: policies, states, blocks of bearers.
    pub(crate) fn used(&self) -> (usize, u32, u32) {
        (self.policies.len(), self.states.used, self.blocks.used)
    }
}

impl Sessions {
    /// Makes a session's rules, bearers and quotas exactly so. `hop` finds the next hop to a base station.
    pub(crate) fn serve(
        &mut self,
        tables: &Tables,
        teid: Teid,
        address: UeAddress,
        service: &Service,
        hops: &[(Ipv4Addr, u32)],
    ) -> Result<Parts, Error> {
        service.check()?;
        let (uplink, _, downlink) = self.records(tables, teid, address)?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return Err(Error::NoSession(teid.0));
        }
        for bearer in &service.bearers {
            self.may_have(tables, uplink, bearer)?;
        }
        let mut parts = Parts::default();
        let plan = self.places(tables, uplink, service)?;
        let ruled = !service.rules.is_empty() || !service.bearers.is_empty();
        let policy = if ruled { Some(self.policy(tables, service, &plan, teid.0)?) } else { None };
        let block = self.block(tables, downlink, !service.bearers.is_empty())?;
        self.write_states(tables, uplink, service, &plan);
        self.write_bearers(tables, uplink, block, service, hops);
        if let Some(quota) = &service.quota
            && !(service.keep_quota && UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA))
        {
            grant(&uplink.quota, quota);
        }
        let before = uplink.policy.get();
        for (record, states) in [(&uplink.policy, &uplink.states), (&downlink.policy, &downlink.states)] {
            states.set(plan.first);
            record.set(policy.unwrap_or(before));
        }
        uplink.bearers.set(block);
        downlink.bearers.set(block);
        downlink.flags.set(
            downlink.flags.get() & DownlinkFlags::SERVICE
                | u32::from(service.tos) << DownlinkFlags::TOS_SHIFT
                | u32::from(service.qfi) << DownlinkFlags::QFI_SHIFT,
        );
        let quota = has_quota(uplink, service);
        mark(&uplink.flags, UplinkFlags::QUOTA, quota);
        mark(&downlink.flags, DownlinkFlags::QUOTA, quota);
        mark(&uplink.flags, UplinkFlags::RULES, ruled);
        mark(&downlink.flags, DownlinkFlags::RULES, ruled);
        if before != 0 && Some(before) != policy {
            self.rooms.leave_policy(before, teid.0);
        }
        if policy.is_none() {
            uplink.policy.set(0);
            downlink.policy.set(0);
        }
        let rules: BTreeSet<u32> = service.rules.iter().map(|rule| rule.id).collect();
        self.drop_states(tables, uplink, &rules, &mut parts);
        let bearers: BTreeSet<u32> = service.bearers.iter().map(|bearer| bearer.teid.0).collect();
        self.drop_bearers(tables, uplink, downlink, &bearers, &mut parts);
        Ok(parts)
    }

    /// Gives a session a quota, or takes it away.
    pub(crate) fn allow(
        &self,
        tables: &Tables,
        teid: Teid,
        address: UeAddress,
        quota: Option<Allowance>,
    ) -> Result<(), Error> {
        let (uplink, _, downlink) = self.records(tables, teid, address)?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return Err(Error::NoSession(teid.0));
        }
        if let Some(quota) = &quota {
            grant(&uplink.quota, quota);
        }
        mark(&uplink.flags, UplinkFlags::QUOTA, quota.is_some());
        mark(&downlink.flags, DownlinkFlags::QUOTA, quota.is_some());
        for bearer in bearers(tables, downlink) {
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                mark(&record.flags, UplinkFlags::QUOTA, quota.is_some());
            }
        }
        Ok(())
    }

    /// What is left of a session's quota.
    pub(crate) fn allowance(&self, tables: &Tables, teid: Teid, address: UeAddress) -> Option<u64> {
        let (uplink, _, _) = self.records(tables, teid, address).ok()?;
        let has = uplink.teid.get() == teid.0 && UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA);
        has.then(|| u64::try_from(uplink.quota.left.get().cast_signed()).unwrap_or(0))
    }

    /// Counters of the session's bearers and rules.
    pub(crate) fn parts(&self, tables: &Tables, teid: Teid, address: UeAddress) -> Option<Parts> {
        let (uplink, _, downlink) = self.records(tables, teid, address).ok()?;
        (uplink.teid.get() == teid.0 && downlink.owner.get() == teid.0).then(|| parts(tables, uplink, downlink))
    }

    /// Where the dedicated bearers of a connected session lead to, by our TEID.
    pub(crate) fn bearer_peers(&self, tables: &Tables, teid: Teid, address: UeAddress) -> BTreeMap<u32, Peer> {
        let Ok((_, _, downlink)) = self.records(tables, teid, address) else { return BTreeMap::new() };
        let connected = bearers(tables, downlink).filter(|bearer| bearer.peer.get() != 0);
        connected
            .map(|bearer| {
                let peer = Address(bearer.peer.get()).to_ipv4();
                (bearer.owner.get(), Peer { address: peer.into(), teid: Teid(u32::from_be(bearer.teid.get())) })
            })
            .collect()
    }

    /// Takes everything off records that get a new owner, or none.
    pub(crate) fn unserve(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
        let owner = holder(uplink);
        mark(&uplink.flags, UplinkFlags::RULES | UplinkFlags::QUOTA, false);
        downlink.flags.set(0);
        let mut parts = Parts::default();
        self.drop_bearers(tables, uplink, downlink, &BTreeSet::new(), &mut parts);
        self.drop_states(tables, uplink, &BTreeSet::new(), &mut parts);
        self.rooms.leave_policy(uplink.policy.get(), owner);
        if uplink.state_count.get() != 0 {
            self.rooms.states.give(uplink.states.get(), uplink.state_count.get());
        }
        if downlink.bearers.get() != 0 {
            self.rooms.blocks.give(downlink.bearers.get() - 1, 1);
        }
        for cell in [&uplink.policy, &uplink.states, &uplink.state_count, &downlink.policy, &downlink.states] {
            cell.set(0);
        }
        downlink.bearers.set(0);
        uplink.bearers.set(0);
    }

    /// A phone that becomes idle has no tunnel on any bearer.
    pub(crate) fn idle_bearers(&self, tables: &Tables, downlink: &Downlink) {
        for bearer in bearers(tables, downlink) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                mark(&record.flags, UplinkFlags::IDLE, true);
            }
        }
    }

    /// Shuts the tunnels of a session that ends, and leaves their counters.
    pub(crate) fn close_bearers(&self, tables: &Tables, downlink: &Downlink) {
        for bearer in bearers(tables, downlink) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                record.teid.set(0);
            }
        }
    }

    /// Whether this TEID may become a bearer of the session.
    fn may_have(&self, tables: &Tables, home: &Uplink, bearer: &Dedicated) -> Result<(), Error> {
        if matches!(bearer.peer, Some(Peer { address: IpAddr::V6(_), .. })) {
            return Err(Error::Ipv6Peer);
        }
        let teid = bearer.teid.0;
        if teid == 0 || teid == u32::MAX || teid == home.teid.get() {
            return Err(Error::Teid(teid));
        }
        let record = tables.uplink.get(self.layout.index(teid) as usize).ok_or(Error::Teid(teid))?;
        let free = record.teid.get() == 0;
        let ours = record.teid.get() == teid && record.home.get() == home.home.get();
        if free || ours { Ok(()) } else { Err(Error::Teid(teid)) }
    }

    /// Where each rule's state is: known ones stay, new ones take free places.
    fn places(&mut self, tables: &Tables, uplink: &Uplink, service: &Service) -> Result<Plan, Error> {
        let (first, count) = (uplink.states.get(), uplink.state_count.get());
        let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
        for (place, state) in (0..count).zip(run(tables, uplink)) {
            if state.owner.get() == uplink.teid.get() {
                taken.insert(state.rule.get(), place);
            }
        }
        let wanted: BTreeSet<u32> = service.rules.iter().map(|rule| rule.id).collect();
        let new: Vec<u32> = wanted.into_iter().filter(|id| !taken.contains_key(id)).collect();
        let wanted = u32::try_from(taken.len() + new.len()).unwrap_or(u32::MAX);
        if count == 0 && wanted > 0 {
            // Room for rules that come later: moving is slow.
            let (first, length) = self.rooms.take_states(tables, wanted)?;
            uplink.states.set(first);
            uplink.state_count.set(length);
            return self.places(tables, uplink, service);
        }
        if wanted > count {
            self.grow(tables, uplink, wanted)?;
            return self.places(tables, uplink, service);
        }
        let used: BTreeSet<u32> = taken.values().copied().collect();
        let mut free = (0..count).filter(|place| !used.contains(place));
        let mut fresh = BTreeSet::new();
        for id in new {
            let place = free.next().ok_or(Error::Full("rules of this session"))?;
            taken.insert(id, place);
            fresh.insert(id);
        }
        Ok(Plan { first, places: taken, fresh })
    }

    /// Moves a session's states into a larger run without losing a count: programs turn to the new one, and when none is left in the
    /// old one, what was counted there is added.
    fn grow(&mut self, tables: &Tables, uplink: &Uplink, wanted: u32) -> Result<(), Error> {
        let (_, downlink) = self.other_half(tables, uplink).ok_or(Error::NoSession(uplink.teid.get()))?;
        let (old, length) = (uplink.states.get(), uplink.state_count.get());
        let new = self.rooms.take_states(tables, wanted)?;
        let pairs: Vec<(&RuleState, &RuleState)> = (0..length)
            .filter_map(|place| {
                let from = tables.rule_states.get((old + place) as usize)?;
                Some((from, tables.rule_states.get((new.0 + place) as usize)?))
            })
            .collect();
        let left: Vec<u64> = pairs.iter().map(|(from, to)| copy_state(from, to)).collect();
        uplink.states.set(new.0);
        downlink.states.set(new.0);
        grace();
        for ((from, to), left) in pairs.iter().zip(left) {
            for (from, to) in volume_cells(from).into_iter().zip(volume_cells(to)) {
                to.add(from.get());
                from.set(0);
            }
            to.quota.left.add(from.quota.left.get().wrapping_sub(left));
            from.owner.set(0);
        }
        uplink.state_count.set(new.1);
        self.rooms.states.give(old, length);
        Ok(())
    }

    fn policy(&mut self, tables: &Tables, service: &Service, plan: &Plan, owner: u32) -> Result<u32, Error> {
        let mut order: Vec<&Rule> = service.rules.iter().collect();
        order.sort_by_key(|rule| (rule.precedence, rule.id));
        let number = |ebi: Ebi| service.bearers.iter().position(|bearer| bearer.ebi == ebi).map_or(0, |at| at + 1);
        let rows: Vec<(&Rule, u8, u8)> = order
            .into_iter()
            .map(|rule| {
                let place = plan.places.get(&rule.id).copied().unwrap_or(0);
                let bearer = rule.bearer.map_or(0, number);
                (rule, u8::try_from(bearer).unwrap_or(0), u8::try_from(place).unwrap_or(0))
            })
            .collect();
        self.rooms.policy(tables, Compiled::new(&rows, service.strict), owner)
    }

    fn block(&mut self, tables: &Tables, downlink: &Downlink, wanted: bool) -> Result<u32, Error> {
        let has = downlink.bearers.get();
        if has != 0 || !wanted {
            return Ok(has);
        }
        let end = u32::try_from(tables.bearers.iter().len()).unwrap_or(0) / BEARER_BLOCK;
        let block = self.rooms.blocks.take(1, end.saturating_sub(1)).ok_or(Error::Full("dedicated bearers"))? + 1;
        for bearer in
            (block * BEARER_BLOCK..(block + 1) * BEARER_BLOCK).filter_map(|at| tables.bearers.get(at as usize))
        {
            bearer.owner.set(0);
            bearer.volume.iter().chain(&bearer.base).for_each(|cell| cell.set(0));
        }
        Ok(block)
    }

    fn write_states(&self, tables: &Tables, uplink: &Uplink, service: &Service, plan: &Plan) {
        let now = tick();
        for rule in &service.rules {
            let place = plan.places.get(&rule.id).copied().unwrap_or(0);
            let Some(state) = tables.rule_states.get((plan.first + place) as usize) else { continue };
            let fresh = plan.fresh.contains(&rule.id);
            if fresh {
                for cell in volume_cells(state) {
                    cell.set(0);
                }
                state.uplink.due.set(0);
                state.downlink.due.set(0);
                state.flags.set(0);
            }
            write(&state.uplink, rule.limits.uplink, now);
            write(&state.downlink, rule.limits.downlink, now);
            let had = state.flags.get() & RuleState::QUOTA != 0;
            if let Some(quota) = &rule.quota
                && !(service.keep_quota && had)
            {
                grant(&state.quota, quota);
            }
            state.flags.set(if rule.quota.is_some() { RuleState::QUOTA } else { 0 });
            state.rule.set(rule.id);
            state.owner.set(uplink.teid.get());
        }
    }

    fn write_bearers(&self, tables: &Tables, home: &Uplink, block: u32, service: &Service, hops: &[(Ipv4Addr, u32)]) {
        for (number, wanted) in (1u32..).zip(&service.bearers) {
            let Some(bearer) = tables.bearers.get((block * BEARER_BLOCK + number) as usize) else { continue };
            let Some(record) = tables.uplink.get(self.layout.index(wanted.teid.0) as usize) else { continue };
            let peer = match wanted.peer {
                Some(Peer { address: IpAddr::V4(address), teid }) => Some((address, teid)),
                _ => None,
            };
            let ebi = u32::from(wanted.ebi.value());
            let known = record.teid.get() == wanted.teid.0 && bearer.owner.get() == wanted.teid.0;
            if !known {
                record.teid.set(0);
                for cell in [&record.packets, &record.bytes, &record.refused] {
                    cell.set(0);
                }
                bearer.owner.set(0);
                for (base, now) in bearer.base.iter().zip(&bearer.volume) {
                    base.set(now.get());
                }
            }
            let mut flags =
                self.flags | home.flags.get() & (UplinkFlags::EGRESS | UplinkFlags::FRAMED) | UplinkFlags::RULES;
            // A session without limits has meters that let everything pass.
            flags |= if wanted.guaranteed { 0 } else { UplinkFlags::METERED };
            flags |= if has_quota(home, service) { UplinkFlags::QUOTA } else { 0 };
            record.flags.set(flags | UplinkFlags::IDLE);
            record.bearer.set(ebi | number << 8);
            record.ue.set(home.ue.get());
            record.prefix.set(home.prefix.get());
            record.home.set(home.home.get());
            if let Some((address, _)) = peer {
                record.peer_mask.set(self.peer_mask);
                record.peer.set(Address::new(address).0 & self.peer_mask);
            }
            record.teid.set(wanted.teid.0);
            if peer.is_some() {
                record.flags.set(flags);
            }
            let mut marking = u32::from(wanted.tos) << DownlinkFlags::TOS_SHIFT;
            marking |= if wanted.guaranteed { 0 } else { DownlinkFlags::METERED };
            let sequence = bearer.sequence.get() | 1;
            bearer.sequence.set(sequence);
            bearer.flags.set(marking);
            bearer.bearer.set(ebi);
            bearer.owner.set(wanted.teid.0);
            bearer.teid.set(peer.map_or(0, |(_, teid)| teid.0.to_be()));
            let hop = peer.and_then(|(address, _)| hops.iter().find(|(to, _)| *to == address));
            bearer.next_hop.set(hop.map_or(0, |(_, hop)| *hop));
            bearer.peer.set(peer.map_or(0, |(address, _)| Address::new(address).0));
            bearer.sequence.set(sequence.wrapping_add(1));
        }
    }

    /// Frees the states of rules that are no more, with what they have counted.
    fn drop_states(&mut self, tables: &Tables, uplink: &Uplink, keep: &BTreeSet<u32>, parts: &mut Parts) {
        for state in states(tables, uplink).filter(|state| !keep.contains(&state.rule.get())) {
            parts.rules.insert(state.rule.get(), rule_volume(state));
            state.owner.set(0);
        }
    }

    /// Takes away bearers; the session keeps what they have carried.
    fn drop_bearers(
        &mut self,
        tables: &Tables,
        home: &Uplink,
        downlink: &Downlink,
        keep: &BTreeSet<u32>,
        parts: &mut Parts,
    ) {
        for bearer in bearers(tables, downlink).filter(|bearer| !keep.contains(&bearer.owner.get())) {
            bearer.peer.set(0);
            if let Some(record) = self.uplink_of(tables, bearer.owner.get()) {
                record.teid.set(0);
                home.refused.add(record.refused.get());
            }
            if let Some(ebi) = ebi(bearer) {
                parts.bearers.insert(ebi, bearer_volume(bearer));
            }
            bearer.owner.set(0);
        }
    }

    /// What the session's dedicated bearers have carried, past and present.
    pub(crate) fn dedicated_volume(&self, tables: &Tables, downlink: &Downlink) -> Volume {
        let mut sum = [0u64; 4];
        for bearer in block(tables, downlink) {
            sum.iter_mut().zip(&bearer.volume).for_each(|(sum, cell)| *sum += cell.get());
        }
        volume(sum)
    }

    /// Packets that its dedicated bearers have refused.
    pub(crate) fn dedicated_refused(&self, tables: &Tables, downlink: &Downlink) -> u64 {
        let records = bearers(tables, downlink).filter_map(|bearer| self.uplink_of(tables, bearer.owner.get()));
        records.map(|record| record.refused.get()).sum()
    }

    fn uplink_of<'t>(&self, tables: &'t Tables, teid: u32) -> Option<&'t Uplink> {
        let record = tables.uplink.get(self.layout.index(teid) as usize)?;
        (teid != 0 && record.teid.get() == teid).then_some(record)
    }
}

/// Counters of a session's bearers and rules, from its records.
pub(crate) fn parts(tables: &Tables, uplink: &Uplink, downlink: &Downlink) -> Parts {
    let mut parts = Parts::default();
    for state in states(tables, uplink) {
        parts.rules.insert(state.rule.get(), rule_volume(state));
    }
    for bearer in bearers(tables, downlink) {
        if let Some(ebi) = ebi(bearer) {
            parts.bearers.insert(ebi, bearer_volume(bearer));
        }
    }
    parts
}

/// Whether a session has a quota once it is served: one of the service, or the one it has and keeps.
fn has_quota(uplink: &Uplink, service: &Service) -> bool {
    service.quota.is_some() || service.keep_quota && UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA)
}

/// Where the states of a session's rules are.
struct Plan {
    first: u32,
    places: BTreeMap<u32, u32>,
    fresh: BTreeSet<u32>,
}

fn run<'t>(tables: &'t Tables, uplink: &Uplink) -> impl Iterator<Item = &'t RuleState> {
    let first = uplink.states.get();
    (first..first.saturating_add(uplink.state_count.get())).filter_map(|index| tables.rule_states.get(index as usize))
}

fn states<'t>(tables: &'t Tables, uplink: &Uplink) -> impl Iterator<Item = &'t RuleState> {
    let owner = holder(uplink);
    run(tables, uplink).filter(move |state| owner != 0 && state.owner.get() == owner)
}

fn bearers<'t>(tables: &'t Tables, downlink: &Downlink) -> impl Iterator<Item = &'t Bearer> {
    block(tables, downlink).filter(|bearer| bearer.owner.get() != 0)
}

/// The places of a session's dedicated bearers, past and present.
fn block<'t>(tables: &'t Tables, downlink: &Downlink) -> impl Iterator<Item = &'t Bearer> {
    let first = downlink.bearers.get() * BEARER_BLOCK;
    let end = if first == 0 { 0 } else { first + BEARER_BLOCK };
    (first..end).filter_map(|index| tables.bearers.get(index as usize))
}

fn ebi(bearer: &Bearer) -> Option<Ebi> {
    u8::try_from(bearer.bearer.get()).ok().and_then(|ebi| Ebi::new(ebi).ok())
}

fn volume_cells(state: &RuleState) -> [&Shared64; 4] {
    [&state.uplink_packets, &state.uplink_bytes, &state.downlink_packets, &state.downlink_bytes]
}

/// Whose a record is, or was, if nobody has taken its counters.
pub(crate) fn holder(uplink: &Uplink) -> u32 {
    match uplink.teid.get() {
        0 => uplink.closed.get(),
        teid => teid,
    }
}

fn volume([uplink_packets, uplink_bytes, downlink_packets, downlink_bytes]: [u64; 4]) -> Volume {
    Volume { uplink_packets, uplink_bytes, downlink_packets, downlink_bytes }
}

fn bearer_volume(bearer: &Bearer) -> Volume {
    volume(std::array::from_fn(|at| {
        let (now, base) = (bearer.volume.get(at), bearer.base.get(at));
        now.map_or(0, Shared64::get).wrapping_sub(base.map_or(0, Shared64::get))
    }))
}

fn rule_volume(state: &RuleState) -> Volume {
    volume(volume_cells(state).map(Shared64::get))
}

/// Copies all but the counters; gives what is left of the quota.
fn copy_state(from: &RuleState, to: &RuleState) -> u64 {
    for cell in volume_cells(to) {
        cell.set(0);
    }
    for (from, to) in [(&from.uplink, &to.uplink), (&from.downlink, &to.downlink)] {
        to.due.set(from.due.get());
        to.burst.set(from.burst.get());
        to.rate.set(from.rate.get());
    }
    let left = from.quota.left.get();
    to.quota.threshold.set(from.quota.threshold.get());
    to.quota.left.set(left);
    to.flags.set(from.flags.get());
    to.rule.set(from.rule.get());
    to.owner.set(from.owner.get());
    left
}

/// Waits until every program that was running has ended: the kernel's grace period, which `membarrier` waits for.
pub(crate) fn grace() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
}

fn grant(quota: &Quota, allowance: &Allowance) {
    // Programs take it as a signed number.
    let most = i64::MAX.unsigned_abs();
    quota.threshold.set(allowance.threshold.min(most));
    quota.left.set(allowance.octets.min(most));
}
