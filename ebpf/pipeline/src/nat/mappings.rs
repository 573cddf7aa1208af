//! The walk through the blocks of a subscriber, which finds the mapping of a port or makes one.

use crate::{Step, Tables};
use basalt_ebpf_abi::{Block, MAX_BLOCK_BITS, MAX_BLOCKS, Mapping};

/// Goes through the places of a subscriber's blocks in the order of [`Block::place`], one a step.
struct Walk {
    bits: u32,
    /// The block, and how far in it.
    number: u32,
    i: u32,
    /// What is looked for: [`Mapping::KEY`] of it, or all of it where it is to be made.
    wanted: u64,
    /// Its filter where it is to be made.
    filter: u64,
    /// The place, when it is found; 0 before.
    place: u32,
    /// What was there.
    state: u64,
}

/// Steps of the longest walk.
const STEPS: u32 = (MAX_BLOCKS as u32) << MAX_BLOCK_BITS;

impl Walk {
    #[inline(always)]
    fn index(&self, block: &Block) -> u32 {
        self.number << self.bits | Block::place(self.wanted as u16, block.salt.get(), self.bits, self.i)
    }

    /// On to the next place of a block of which the last one is `last`; whether there is none.
    #[inline(always)]
    fn advance(&mut self, block: &Block, last: u32) -> bool {
        self.i += 1;
        if self.i > last {
            self.number = block.next.get();
            self.i = 0;
        }
        self.number == 0
    }
}

/// Finds a mapping.
struct Find(Walk);

impl<T: Tables> Step<T> for Find {
    #[inline(always)]
    fn step(&mut self, tables: &T) -> bool {
        let walk = &mut self.0;
        let Some(block) = tables.nat_block(walk.number) else { return true };
        let index = walk.index(block);
        let Some(mapping) = tables.nat_mapping(index) else { return true };
        let state = mapping.state.get();
        if state & Mapping::KEY == walk.wanted {
            (walk.place, walk.state) = (index, state);
            return true;
        }
        walk.advance(block, block.reach.get())
    }
}

/// Makes a mapping in the first place that is free.
struct Make(Walk);

impl<T: Tables> Step<T> for Make {
    #[inline(always)]
    fn step(&mut self, tables: &T) -> bool {
        let walk = &mut self.0;
        let (Some(nat), Some(block)) = (tables.nat(), tables.nat_block(walk.number)) else { return true };
        let index = walk.index(block);
        let Some(mapping) = tables.nat_mapping(index) else { return true };
        let before = mapping.state.get();
        if nat.over(before) {
            let there = mapping.state.swap_if(before, walk.wanted);
            if there == before {
                mapping.filter.set(walk.filter);
                if walk.i > block.reach.get() {
                    block.reach.set(walk.i);
                }
            }
            // Another processor may have been quicker, for the same port.
            if there == before || there & Mapping::KEY == walk.wanted & Mapping::KEY {
                walk.place = index;
                return true;
            }
        }
        walk.advance(block, (1 << walk.bits) - 1)
    }
}

/// Finds the mapping of an inside port in the subscriber's blocks, of which `block` is the first: its number, itself, and its state.
#[inline(always)]
pub(super) fn find<'t, T: Tables>(
    tables: &'t T,
    bits: u32,
    first: u32,
    block: &Block,
    key: u64,
) -> Option<(u32, &'t Mapping, u64)> {
    // It is in its first place nearly always.
    let index = first << bits | Block::place(key as u16, block.salt.get(), bits, 0);
    let mapping = tables.nat_mapping(index)?;
    let state = mapping.state.get();
    if state & Mapping::KEY == key {
        return Some((index, mapping, state));
    }
    let mut walk = Find(Walk { bits, number: first, i: 0, wanted: key, filter: 0, place: 0, state: 0 });
    if walk.0.advance(block, block.reach.get()) {
        return None;
    }
    tables.repeat(STEPS, &mut walk);
    if walk.0.place == 0 { None } else { Some((walk.0.place, tables.nat_mapping(walk.0.place)?, walk.0.state)) }
}

/// Makes a mapping in the first free place of the subscriber's blocks: its number.
#[inline(always)]
pub(super) fn make<T: Tables>(tables: &T, bits: u32, first: u32, wanted: u64, filter: u64) -> Option<u32> {
    let mut walk = Make(Walk { bits, number: first, i: 0, wanted, filter, place: 0, state: 0 });
    if !walk.step(tables) {
        tables.repeat(STEPS, &mut walk);
    }
    if walk.0.place == 0 { None } else { Some(walk.0.place) }
}
