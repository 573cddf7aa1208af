//! Who has which policy, run of rule states and block of bearers.

use super::holder;
use crate::error::Error;
use crate::limits::mark;
use crate::rules::Compiled;
use crate::tables::Tables;
use basalt_ebpf_abi::{BEARER_BLOCK, MAX_FLOWS, RuleState, SettingFlags};
use std::collections::{BTreeSet, VecDeque};

/// Who has which policy, run of states and block of bearers.
#[derive(Debug)]
pub(crate) struct Rooms {
    policies: Vec<(u32, Compiled, BTreeSet<u32>)>,
    free_policies: VecDeque<u32>,
    next_policy: u32,
    pub(super) states: Runs,
    pub(super) blocks: Runs,
}

/// Gives out runs of entries, in whole units.
#[derive(Debug)]
pub(super) struct Runs {
    /// Entries of a unit.
    unit: u32,
    /// Which units are given, as far as any ever was.
    given: Vec<bool>,
    used: u32,
    /// Where the search for room goes on: downward, since the places that sessions would like are rather at the beginning. So what was
    /// given back comes again as late as can be, when no program reads it any more.
    next: u32,
}

impl Runs {
    const fn new(unit: u32) -> Self {
        Self { unit, given: Vec::new(), used: 0, next: 0 }
    }

    /// A run of `length` entries, a multiple of a unit, of those before `end`: at `wish`, if that is free.
    pub(super) fn take(&mut self, length: u32, end: u32, wish: Option<u32>) -> Option<u32> {
        let (units, end) = (length / self.unit, end / self.unit);
        let wish = wish.map(|wish| wish / self.unit).filter(|first| self.fits(*first, units, end));
        let first = match wish {
            Some(first) => first,
            None if self.used / self.unit + units > end => return None,
            None => {
                let mut places = (0..self.next.min(end)).rev().chain((self.next.min(end)..end).rev());
                let first = places.find(|first| self.fits(*first, units, end))?;
                self.next = first;
                first
            }
        };
        self.mark(first, units, true);
        Some(first * self.unit)
    }

    pub(super) fn give(&mut self, first: u32, length: u32) {
        self.mark(first / self.unit, length / self.unit, false);
    }

    /// Says that a run of before is in use.
    fn adopt(&mut self, first: u32, length: u32, end: u32) {
        let first = first.min(end);
        self.mark(first / self.unit, length.min(end - first) / self.unit, true);
    }

    fn fits(&self, first: u32, units: u32, end: u32) -> bool {
        let range = first..first.saturating_add(units);
        range.end <= end && range.into_iter().all(|unit| !self.given.get(unit as usize).is_some_and(|given| *given))
    }

    fn mark(&mut self, first: u32, units: u32, given: bool) {
        let end = first.saturating_add(units) as usize;
        if given && self.given.len() < end {
            self.given.resize(end, false);
        }
        for unit in self.given.iter_mut().take(end).skip(first as usize).filter(|unit| **unit != given) {
            *unit = given;
            self.used = if given { self.used + self.unit } else { self.used.saturating_sub(self.unit) };
        }
    }
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            policies: Vec::new(),
            free_policies: VecDeque::new(),
            next_policy: 0,
            states: Runs::new(RuleState::RUN),
            blocks: Runs::new(1),
        }
    }
}

impl Rooms {
    /// Takes over what sessions of before refer to. Their policies are theirs alone until they are set again.
    pub(crate) fn adopt(&mut self, tables: &Tables) {
        self.next_policy = 0;
        for record in tables.uplink.iter().filter(|record| holder(record) != 0 && record.state_count.get() != 0) {
            self.states.adopt(record.states.get(), record.state_count.get(), rule_states(tables));
            self.next_policy = self.next_policy.max(record.policy.get());
        }
        for record in tables.downlink.iter().filter(|record| record.owner.get() != 0 && record.bearers.get() != 0) {
            self.blocks.adopt(record.bearers.get() - 1, 1, bearer_blocks(tables));
        }
        if self.next_policy != 0 {
            look_ahead(tables);
        }
    }

    /// The entry with this content, for one more session.
    pub(super) fn policy(&mut self, tables: &Tables, compiled: Compiled, owner: u32) -> Result<u32, Error> {
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
        look_ahead(tables);
        self.policies.push((index, compiled, BTreeSet::from([owner])));
        Ok(index)
    }

    /// A run of states, all free, for the session in a slot: where it begins, and how long it is.
    pub(super) fn take_states(&mut self, tables: &Tables, slot: u32, wanted: u32) -> Result<(u32, u32), Error> {
        // Each rule may be in a rating group of its own.
        let most = u32::try_from(2 * MAX_FLOWS).unwrap_or(u32::MAX);
        let length = wanted.next_power_of_two().max(RuleState::RUN);
        if length > most {
            // A rule that goes leaves its place only after the ones that come have theirs.
            return Err(Error::Full("rules of this session"));
        }
        // A longer one would lie in the places of other sessions.
        let wish = slot.checked_mul(RuleState::RUN).filter(|_| length == RuleState::RUN);
        let first = self.states.take(length, rule_states(tables), wish).ok_or(Error::Full("rule states"))?;
        for index in first..first + length {
            if let Some(state) = tables.rule_states.get(index as usize) {
                state.owner.set(0);
            }
        }
        Ok((first, length))
    }

    pub(super) fn leave_policy(&mut self, index: u32, owner: u32) {
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

/// Has programs fetch the states of sessions ahead, now that there are some.
fn look_ahead(tables: &Tables) {
    if let Some(settings) = tables.settings.get(0) {
        mark(&settings.flags, SettingFlags::RULES, true);
    }
}

/// States in the tables.
fn rule_states(tables: &Tables) -> u32 {
    u32::try_from(tables.rule_states.iter().len()).unwrap_or(0)
}

/// Blocks of bearers that sessions can have: all but the first.
pub(super) fn bearer_blocks(tables: &Tables) -> u32 {
    (u32::try_from(tables.bearers.iter().len()).unwrap_or(0) / BEARER_BLOCK).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_where_they_are_wished_or_at_the_end() {
        let mut runs = Runs::new(8);
        assert_eq!(runs.take(8, 64, Some(16)), Some(16));
        assert_eq!(runs.take(8, 64, Some(16)), Some(56), "taken: from the end");
        assert_eq!(runs.take(16, 64, Some(8)), Some(40), "only half of it is free");
        assert_eq!(runs.take(8, 64, Some(64)), Some(32), "there is no such place");
        assert_eq!((runs.used, runs.take(32, 64, None)), (40, None), "24 are left, in two pieces");
        runs.give(56, 8);
        assert_eq!(runs.take(8, 64, None), Some(24), "what was given back comes last");
        assert_eq!(runs.take(8, 64, None), Some(8));
        assert_eq!(runs.take(8, 64, None), Some(0));
        assert_eq!(runs.take(8, 64, None), Some(56));
        assert_eq!((runs.used, runs.take(8, 64, Some(0))), (64, None));
        runs.give(40, 16);
        runs.give(16, 8);
        assert_eq!((runs.used, runs.take(16, 64, None)), (40, Some(40)));
    }

    #[test]
    fn runs_of_before_are_kept_whatever_the_tables_say() {
        let mut runs = Runs::new(8);
        runs.adopt(8, 16, 64);
        runs.adopt(8, 16, 64);
        runs.adopt(48, u32::MAX, 64);
        runs.adopt(u32::MAX, u32::MAX, 64);
        assert_eq!((runs.used, runs.given.len()), (32, 8));
        let left: Vec<_> = std::iter::from_fn(|| runs.take(8, 64, Some(8))).collect();
        assert_eq!(left, [40, 32, 24, 0]);
    }
}
