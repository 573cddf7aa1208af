//! Rules, bearers and quotas of sessions in the tables.
//!
//! Two rooms of the tables are given out here: policies, which sessions with equal rules share, and runs of rule states, one run for a
//! session. A rule keeps its place in the run as long as it exists, so what it has counted is never moved. Programs take a change by
//! one store, of the policy's index; what that policy refers to is complete before.

mod bearers;
mod quota;
mod rooms;

use crate::error::Error;
use crate::limits::{mark, write};
use crate::rules::{Compiled, Rule, Service};
use crate::sessions::Sessions;
use crate::tables::{Tables, tick};
use agw_types::{RATING_GROUP, UeAddress};
use basalt_ebpf_abi::{Downlink, DownlinkFlags, PolicyFlags, RuleState, Shared64, Uplink, UplinkFlags};
use basalt_ids::{Ebi, Teid};
use bearers::{bearer_volume, bearers, ebi};
use quota::{grant, has_quota};
pub(crate) use rooms::Rooms;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

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

impl Volume {
    /// Octets of both directions.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.uplink_bytes.wrapping_add(self.downlink_bytes)
    }

    /// As they lie in the tables.
    const fn cells(&self) -> [u64; 4] {
        [self.uplink_packets, self.uplink_bytes, self.downlink_packets, self.downlink_bytes]
    }
}

/// Rules of a session that are no more, of which is known what they had counted.
const MOST_PAST: usize = 256;

/// What the parts of a session have carried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// By dedicated bearer. The default bearer has what is left of the session's.
    pub bearers: BTreeMap<Ebi, Volume>,
    /// By rule number; rating groups by theirs and [`RATING_GROUP`].
    pub rules: BTreeMap<u32, Volume>,
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
        let (uplink, slot, downlink) = self.records(tables, teid, address)?;
        if uplink.teid.get() != teid.0 || downlink.owner.get() != teid.0 {
            return Err(Error::NoSession(teid.0));
        }
        for bearer in &service.bearers {
            self.may_have(tables, uplink, bearer)?;
        }
        let mut parts = Parts::default();
        let plan = self.places(tables, uplink, slot, service)?;
        let ruled = !service.rules.is_empty() || !service.bearers.is_empty();
        let policy = if ruled { Some(self.policy(tables, service, &plan, teid.0)?) } else { None };
        let block = self.block(tables, downlink, !service.bearers.is_empty())?;
        self.write_groups(tables, uplink, &plan);
        self.write_states(tables, uplink, service, &plan);
        self.write_bearers(tables, uplink, block, service, hops);
        if let Some(quota) = &service.quota
            && !(service.keep_quota && UplinkFlags(uplink.flags.get()).has(UplinkFlags::QUOTA))
        {
            grant(&uplink.quota, quota);
            downlink.granted.set(0);
        }
        let before = uplink.policy.get();
        for (record, states) in [(&uplink.policy, &uplink.states), (&downlink.policy, &downlink.states)] {
            states.set(plan.first);
            record.set(policy.unwrap_or(before));
        }
        uplink.bearers.set(block);
        downlink.bearers.set(block);
        uplink.bearer.set(uplink.bearer.get() & 0xffff | u32::from(service.qfi) << Uplink::QFI_SHIFT);
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
        let rules = numbers(service);
        let bearers: BTreeSet<u32> = service.bearers.iter().map(|bearer| bearer.teid.0).collect();
        let shut = self.shut_bearers(tables, downlink, &bearers);
        if shut || states(tables, uplink).any(|state| !rules.contains(&state.rule.get())) {
            // Packets that programs have in hand are counted, too.
            grace();
        }
        self.drop_states(tables, uplink, &rules, &mut parts);
        self.drop_bearers(tables, uplink, downlink, &bearers, &mut parts);
        self.remember(teid, &parts);
        Ok(parts)
    }

    /// Keeps what parts of a session have counted that are no more.
    fn remember(&mut self, teid: Teid, parts: &Parts) {
        if parts.rules.is_empty() && parts.bearers.is_empty() {
            return;
        }
        let past = self.past.entry(teid.0).or_default();
        past.rules.extend(&parts.rules);
        past.bearers.extend(&parts.bearers);
        while past.rules.len() > MOST_PAST {
            // Numbers are given in order: the oldest has been reported long since.
            past.rules.pop_first();
        }
    }

    /// Counters of the session's bearers and rules.
    pub(crate) fn parts(&self, tables: &Tables, teid: Teid, address: UeAddress) -> Option<Parts> {
        let (uplink, _, downlink) = self.records(tables, teid, address).ok()?;
        (uplink.teid.get() == teid.0 && downlink.owner.get() == teid.0).then(|| parts(tables, uplink, downlink))
    }

    /// Takes everything off records that get a new owner, or none.
    pub(crate) fn unserve(&mut self, tables: &Tables, uplink: &Uplink, downlink: &Downlink) {
        let owner = holder(uplink);
        mark(&uplink.flags, UplinkFlags::RULES | UplinkFlags::QUOTA, false);
        uplink.bearer.set(uplink.bearer.get() & 0xffff);
        downlink.flags.set(0);
        downlink.granted.set(0);
        let mut parts = Parts::default();
        self.drop_bearers(tables, uplink, downlink, &BTreeSet::new(), &mut parts);
        self.drop_states(tables, uplink, &BTreeSet::new(), &mut parts);
        self.past.remove(&owner);
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

    /// Where each rule's state is: known ones stay, new ones take free places.
    fn places(&mut self, tables: &Tables, uplink: &Uplink, slot: u32, service: &Service) -> Result<Plan, Error> {
        let (first, count) = (uplink.states.get(), uplink.state_count.get());
        let mut taken: BTreeMap<u32, u32> = BTreeMap::new();
        for (place, state) in (0..count).zip(run(tables, uplink)) {
            if state.owner.get() == uplink.teid.get() {
                taken.insert(state.rule.get(), place);
            }
        }
        let new: Vec<u32> = numbers(service).into_iter().filter(|id| !taken.contains_key(id)).collect();
        let wanted = u32::try_from(taken.len() + new.len()).unwrap_or(u32::MAX);
        if count == 0 && wanted > 0 {
            // Room for rules that come later: moving is slow.
            let (first, length) = self.rooms.take_states(tables, slot, wanted)?;
            uplink.states.set(first);
            uplink.state_count.set(length);
            return self.places(tables, uplink, slot, service);
        }
        if wanted > count {
            self.grow(tables, uplink, wanted)?;
            return self.places(tables, uplink, slot, service);
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
        let (slot, downlink) = self.other_half(tables, uplink).ok_or(Error::NoSession(uplink.teid.get()))?;
        let (old, length) = (uplink.states.get(), uplink.state_count.get());
        let new = self.rooms.take_states(tables, slot, wanted)?;
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
        let settling = service.settling.iter().fold(0, |set, ebi| set | 1 << number(*ebi));
        let flags = if service.strict { PolicyFlags::STRICT } else { 0 } | settling << PolicyFlags::SETTLING_SHIFT;
        self.rooms.policy(tables, Compiled::new(&rows, flags), owner)
    }

    fn write_states(&mut self, tables: &Tables, uplink: &Uplink, service: &Service, plan: &Plan) {
        let now = tick();
        for rule in &service.rules {
            let place = plan.places.get(&rule.id).copied().unwrap_or(0);
            let Some(state) = tables.rule_states.get((plan.first + place) as usize) else { continue };
            if plan.fresh.contains(&rule.id) {
                self.begin(uplink, state, rule.id);
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
            state
                .group
                .set(rule.group.and_then(|group| plan.places.get(&(RATING_GROUP | group))).map_or(0, |at| at + 1));
            state.rule.set(rule.id);
            state.owner.set(uplink.teid.get());
        }
    }

    /// Rating groups first: rules are to find them. One that is known keeps its counters, quota and limits.
    fn write_groups(&mut self, tables: &Tables, uplink: &Uplink, plan: &Plan) {
        for number in plan.fresh.iter().filter(|number| **number >= RATING_GROUP) {
            let place = plan.places.get(number).copied().unwrap_or(0);
            let Some(state) = tables.rule_states.get((plan.first + place) as usize) else { continue };
            self.begin(uplink, state, *number);
            write(&state.uplink, None, 0);
            write(&state.downlink, None, 0);
            state.group.set(0);
            state.flags.set(RuleState::GROUP);
            state.rule.set(*number);
            state.owner.set(uplink.teid.get());
        }
    }

    /// A rule or rating group takes a free state, and goes on from what it had counted before.
    fn begin(&mut self, uplink: &Uplink, state: &RuleState, number: u32) {
        let past = self.past.get_mut(&uplink.teid.get()).and_then(|past| past.rules.remove(&number));
        for (cell, counted) in volume_cells(state).into_iter().zip(past.unwrap_or_default().cells()) {
            cell.set(counted);
        }
        state.uplink.due.set(0);
        state.downlink.due.set(0);
        state.flags.set(0);
    }

    /// Frees the states of rules that are no more, with what they have counted.
    fn drop_states(&mut self, tables: &Tables, uplink: &Uplink, keep: &BTreeSet<u32>, parts: &mut Parts) {
        for state in states(tables, uplink).filter(|state| !keep.contains(&state.rule.get())) {
            parts.rules.insert(state.rule.get(), rule_volume(state));
            state.owner.set(0);
        }
    }

    pub(super) fn uplink_of<'t>(&self, tables: &'t Tables, teid: u32) -> Option<&'t Uplink> {
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

/// Of all rules, and of all rating groups that they are in.
fn numbers(service: &Service) -> BTreeSet<u32> {
    let groups = service.rules.iter().filter_map(|rule| rule.group).map(|group| RATING_GROUP | group);
    service.rules.iter().map(|rule| rule.id).chain(groups).collect()
}

/// Where the states of a session's rules and rating groups are.
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
    to.group.set(from.group.get());
    to.owner.set(from.owner.get());
    left
}

/// Waits until every program that was running has ended: the kernel's grace period, which `membarrier` waits for.
pub(crate) fn grace() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: numbers only.
    unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
}
