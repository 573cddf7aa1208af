//! Who has which policy, run of rule states and block of bearers.

use super::holder;
use crate::error::Error;
use crate::rules::Compiled;
use crate::tables::Tables;
use basalt_ebpf_abi::MAX_FLOWS;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who has which policy, run of states and block of bearers.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    policies: Vec<(u32, Compiled, BTreeSet<u32>)>,
    free_policies: VecDeque<u32>,
    next_policy: u32,
    pub(super) states: Runs,
    pub(super) blocks: Runs,
}

/// Gives out runs of `2^n` entries.
#[derive(Debug, Default)]
pub(super) struct Runs {
    next: u32,
    used: u32,
    free: BTreeMap<u32, VecDeque<u32>>,
}

impl Runs {
    pub(super) fn take(&mut self, length: u32, end: u32) -> Option<u32> {
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

    pub(super) fn give(&mut self, first: u32, length: u32) {
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
        self.policies.push((index, compiled, BTreeSet::from([owner])));
        Ok(index)
    }

    /// A run of states, all free: where it begins, and how long it is.
    pub(super) fn take_states(&mut self, tables: &Tables, wanted: u32) -> Result<(u32, u32), Error> {
        // Each rule may be in a rating group of its own.
        let most = u32::try_from(2 * MAX_FLOWS).unwrap_or(u32::MAX);
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
