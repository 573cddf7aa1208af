//! No key stream twice: two different downlink messages never have the same key and count.
//!
//! The count of a message on the air is not told but found: the phone's keys are known to the simulation, and exactly one
//! count makes the MAC right.

use std::collections::{BTreeMap, VecDeque};

use basalt_sansio::Fingerprint;
use basalt_security::{NasSecurityContext, Provider, Side};

/// Keys of the past that are still watched: a late message may have them.
const CONTEXTS: usize = 4;
/// Messages that wait for the phone to take their keys into use.
const UNKNOWN: usize = 16;
/// A starting point for every so many counts. Counts are told by their low eight bits, so it must be at most half of 256.
const STRIDE: u32 = 96;

#[derive(Debug, Default)]
pub(super) struct KeyWatch {
    contexts: VecDeque<Watched>,
    unknown: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Watched {
    /// Contexts that expect counts from 0, 96, 192 … on.
    starts: Vec<NasSecurityContext>,
    seen: BTreeMap<u32, u64>,
}

/// What a downlink message turned out to be.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Its inside, if it could be read.
    pub plain: Option<Vec<u8>>,
    pub problem: Option<String>,
}

impl KeyWatch {
    /// A message goes on the air.
    pub(super) fn downlink(&mut self, octets: &[u8]) -> Read {
        match octets.first() {
            // Security header types 1 to 4 of EMM: the message has a MAC.
            Some(first) if first & 0x0f == 7 && matches!(first >> 4, 1..=4) => {}
            _ => return Read { plain: Some(octets.to_vec()), problem: None },
        }
        if let Some(read) = self.read(octets) {
            return read;
        }
        if self.unknown.len() == UNKNOWN {
            self.unknown.pop_front();
        }
        self.unknown.push_back(octets.to_vec());
        Read::default()
    }

    /// The phone took keys into use: what came before with them can be read now.
    pub(super) fn secured(&mut self, context: Option<&NasSecurityContext>) -> Option<String> {
        let context = context?;
        if self.contexts.iter().all(|watched| !watched.is_of(context)) {
            if self.contexts.len() == CONTEXTS {
                self.contexts.pop_back();
            }
            self.contexts.push_front(Watched::new(context));
        }
        let mut problem = None;
        for octets in std::mem::take(&mut self.unknown) {
            match self.read(&octets) {
                Some(read) => problem = problem.or(read.problem),
                None => self.unknown.push_back(octets),
            }
        }
        problem
    }

    fn read(&mut self, octets: &[u8]) -> Option<Read> {
        self.contexts.iter_mut().find_map(|watched| watched.read(octets))
    }
}

impl Watched {
    /// Watches the keys of a context from their first count on.
    fn new(context: &NasSecurityContext) -> Self {
        let (ksi, algorithms) = (context.ksi(), context.algorithms());
        let kasme = context.kasme().clone();
        // The null provider shows in its keys: the phone's own context tells which provider made them.
        let fresh = [Provider::null_for_simulation(), Provider::STANDARD]
            .map(|provider| NasSecurityContext::new(Side::Ue, ksi, kasme.clone(), algorithms, provider));
        let mut of_phone = context.clone();
        let starts = fresh.into_iter().filter(|fresh| same_functions(&mut of_phone, fresh)).take(1).collect();
        Self { starts, seen: BTreeMap::new() }
    }

    fn is_of(&self, context: &NasSecurityContext) -> bool {
        self.starts
            .first()
            .is_some_and(|first| first.kasme() == context.kasme() && first.algorithms() == context.algorithms())
    }

    fn read(&mut self, octets: &[u8]) -> Option<Read> {
        let (count, plain, next) = self.starts.iter().rev().find_map(|start| {
            let mut context = start.clone();
            let verified = context.verify(octets).ok()?;
            Some((verified.count(), verified.into_inner(), context))
        })?;
        let last = self.starts.last().map_or(0, NasSecurityContext::receive_count);
        if count >= last + STRIDE {
            self.starts.push(next);
        }
        let mut digest = Fingerprint::new();
        digest.update(octets);
        let former = self.seen.insert(count, digest.value());
        let problem = former
            .filter(|former| *former != digest.value())
            .map(|_| format!("two messages were protected with the same key and downlink count {count}"));
        Some(Read { plain: Some(plain), problem })
    }
}

/// Whether two contexts of the same keys protect alike: tried out on copies.
fn same_functions(one: &mut NasSecurityContext, other: &NasSecurityContext) -> bool {
    let (mut one, mut other) = (one.clone(), other.clone());
    // The counts differ; bring the younger one to the older one's.
    while other.send_count() < one.send_count() {
        if other.protect(basalt_security::Protection::Integrity, &[]).is_err() {
            return false;
        }
    }
    let message = [0x07, 0x60];
    let pair = [&mut one, &mut other].map(|it| it.protect(basalt_security::Protection::IntegrityCiphered, &message));
    matches!(pair, [Ok(first), Ok(second)] if first == second)
}
