//! Tables whose ids carry shard, slot and generation.
//!
//! MME-UE-S1AP-ID, M-TMSI and TEID are made from such an id (the M-TMSI through an
//! [`IdScrambler`](crate::IdScrambler)): a message names its shard without a table, its slot by indexing an array, and
//! an id from a past life is known as such by its generation.

use core::fmt;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How the 32 bits of a [`SlotId`] are divided: generation above slot above shard.
///
/// ```text
/// 31                                0
/// | generation | slot       | shard |
/// ```
/// Bits not given to any part stay zero. Generation 0 is never given out, nor is the last slot: no id is 0 (the TEID of a
/// peer that has none yet, TS 29.281 §5.1) or all ones (no TMSI, TS 23.003 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LayoutBits", into = "LayoutBits")]
pub struct IdLayout {
    shard_bits: u8,
    slot_bits: u8,
    generation_bits: u8,
}

/// The serialised form of an [`IdLayout`], checked when read.
#[derive(Serialize, Deserialize)]
struct LayoutBits {
    shard_bits: u8,
    slot_bits: u8,
    generation_bits: u8,
}

/// A division of the id that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 24 slot bits, 1 to 16 generation bits, at most 8 shard bits and 32 bits together")]
pub struct IdLayoutError;

/// An id that a [`SlotTable`] gave out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotId(pub u32);

/// The parts of a [`SlotId`] under some [`IdLayout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdParts {
    /// Which shard owns the table.
    pub shard: u32,
    /// The index in the table.
    pub slot: u32,
    /// Which life of that slot, never 0 in an id that was given out.
    pub generation: u32,
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl IdLayout {
    /// A million slots (20 bits), 16 shards (4 bits), 255 lives of each slot before an id comes back (8 bits).
    pub const DEFAULT: Self = Self { shard_bits: 4, slot_bits: 20, generation_bits: 8 };

    /// A layout of its own.
    ///
    /// # Errors
    /// More than 32 bits, more than 8 shard, 24 slot or 16 generation bits, or no slot or generation bits.
    pub const fn new(shard_bits: u8, slot_bits: u8, generation_bits: u8) -> Result<Self, IdLayoutError> {
        let fits = shard_bits <= 8 && slot_bits <= 24 && generation_bits <= 16;
        let useful = slot_bits >= 1 && generation_bits >= 1;
        // The bounds above keep this sum from overflowing.
        if fits && useful && shard_bits + slot_bits + generation_bits <= 32 {
            Ok(Self { shard_bits, slot_bits, generation_bits })
        } else {
            Err(IdLayoutError)
        }
    }

    /// How many values a table of this layout can hold.
    #[must_use]
    pub const fn capacity(self) -> u32 {
        mask(self.slot_bits)
    }

    /// The largest generation; 1 follows it.
    #[must_use]
    pub const fn last_generation(self) -> u32 {
        mask(self.generation_bits)
    }

    /// The largest shard number.
    #[must_use]
    pub const fn last_shard(self) -> u32 {
        mask(self.shard_bits)
    }

    /// Puts the parts together. Bits of a part beyond its field are cut off.
    #[must_use]
    pub const fn pack(self, parts: IdParts) -> SlotId {
        let shard = parts.shard & mask(self.shard_bits);
        let slot = (parts.slot & mask(self.slot_bits)) << self.shard_bits;
        let generation = (parts.generation & mask(self.generation_bits)) << (self.shard_bits + self.slot_bits);
        SlotId(shard | slot | generation)
    }

    /// Takes an id apart; `None` if bits outside the layout are set.
    #[must_use]
    pub const fn unpack(self, id: SlotId) -> Option<IdParts> {
        let slot = (id.0 >> self.shard_bits) & mask(self.slot_bits);
        let generation = (id.0 >> (self.shard_bits + self.slot_bits)) & mask(self.generation_bits);
        let parts = IdParts { shard: id.0 & mask(self.shard_bits), slot, generation };
        if self.pack(parts).0 == id.0 { Some(parts) } else { None }
    }

    /// The generation after `generation`; 0 is left out.
    const fn generation_after(self, generation: u32) -> u32 {
        if generation >= self.last_generation() { 1 } else { generation + 1 }
    }
}

impl TryFrom<LayoutBits> for IdLayout {
    type Error = IdLayoutError;

    fn try_from(bits: LayoutBits) -> Result<Self, IdLayoutError> {
        Self::new(bits.shard_bits, bits.slot_bits, bits.generation_bits)
    }
}

impl From<IdLayout> for LayoutBits {
    fn from(layout: IdLayout) -> Self {
        let IdLayout { shard_bits, slot_bits, generation_bits } = layout;
        Self { shard_bits, slot_bits, generation_bits }
    }
}

/// The `bits` lowest bits.
const fn mask(bits: u8) -> u32 {
    ((1u64 << bits) - 1) as u32
}

/// Values of one shard, found by [`SlotId`].
///
/// Lookup is one array access and one comparison. Values stay where they are as the table grows (it grows by chunks of
/// 256), so growth copies nothing. A freed slot waits behind all other free ones, so an id comes back only after
/// `last_generation` lives of a slot that are as far apart as can be.
#[derive(Clone, Debug)]
pub struct SlotTable<T> {
    layout: IdLayout,
    shard: u32,
    chunks: Vec<Vec<Slot<T>>>,
    /// Every vacant slot, longest vacant first; also some that [`SlotTable::insert_at`] took out of turn.
    vacant: VecDeque<u32>,
    len: u32,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    /// Of the value in it, or of the last value that was.
    generation: u32,
    value: Option<T>,
}

const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Why [`SlotTable::insert_at`] refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertAtError {
    /// The id is not of this table: another shard or layout, generation 0, or the reserved last slot.
    #[error("{0} is not an id of this table")]
    Foreign(SlotId),
    /// The slot holds a value, of this or another generation.
    #[error("the slot of {0} is taken")]
    Taken(SlotId),
}

impl<T> SlotTable<T> {
    /// An empty table of the given shard. Shard bits beyond the layout's field are cut off.
    #[must_use]
    pub const fn new(layout: IdLayout, shard: u32) -> Self {
        let shard = shard & layout.last_shard();
        Self { layout, shard, chunks: Vec::new(), vacant: VecDeque::new(), len: 0 }
    }

    /// How this table's ids are made up.
    #[must_use]
    pub const fn layout(&self) -> IdLayout {
        self.layout
    }

    /// How many values it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The id that the next [`insert`](Self::insert) will give out; `None` when the table is full.
    pub fn next_id(&mut self) -> Option<SlotId> {
        let slot = self.next_vacant()?;
        Some(self.id_after(slot))
    }

    /// Adds `value` under a new id.
    ///
    /// # Errors
    /// The value itself, when the table is full.
    pub fn insert(&mut self, value: T) -> Result<SlotId, T> {
        let Some(slot) = self.next_vacant() else { return Err(value) };
        self.vacant.pop_front();
        let id = self.id_after(slot);
        let generation = self.layout.generation_after(self.slot(slot).generation);
        *self.slot_mut(slot) = Slot { generation, value: Some(value) };
        self.len += 1;
        Ok(id)
    }

    /// Adds `value` under an id from an earlier run, as read from the store.
    ///
    /// # Errors
    /// The id is not of this table, or its slot is taken.
    pub fn insert_at(&mut self, id: SlotId, value: T) -> Result<(), InsertAtError> {
        let parts = self.own_parts(id).ok_or(InsertAtError::Foreign(id))?;
        while self.slots() <= parts.slot {
            self.grow();
        }
        let slot = self.slot_mut(parts.slot);
        if slot.value.is_some() {
            return Err(InsertAtError::Taken(id));
        }
        *slot = Slot { generation: parts.generation, value: Some(value) };
        self.len += 1;
        Ok(())
    }

    /// Takes the value of `id` out; `None` if the id is of a past life or was never given out.
    pub fn remove(&mut self, id: SlotId) -> Option<T> {
        let slot = self.find(id)?;
        let value = self.slot_mut(slot).value.take()?;
        self.vacant.push_back(slot);
        self.len -= 1;
        Some(value)
    }

    /// The value of `id`; `None` if the id is of a past life or was never given out.
    #[must_use]
    pub fn get(&self, id: SlotId) -> Option<&T> {
        self.slot(self.find(id)?).value.as_ref()
    }

    /// The value of `id`, to change it.
    pub fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        let slot = self.find(id)?;
        self.slot_mut(slot).value.as_mut()
    }

    /// Whether `id` has a value.
    #[must_use]
    pub fn contains(&self, id: SlotId) -> bool {
        self.get(id).is_some()
    }

    /// All values with their ids, in the order of their slots.
    pub fn iter(&self) -> impl Iterator<Item = (SlotId, &T)> {
        self.chunks.iter().flatten().zip(0..).filter_map(|(slot, number)| {
            let id = self.id_of(number, slot.generation);
            slot.value.as_ref().map(|value| (id, value))
        })
    }

    /// All values with their ids, in the order of their slots, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (SlotId, &mut T)> {
        let (layout, shard) = (self.layout, self.shard);
        self.chunks.iter_mut().flatten().zip(0..).filter_map(move |(slot, number)| {
            let id = layout.pack(IdParts { shard, slot: number, generation: slot.generation });
            slot.value.as_mut().map(|value| (id, value))
        })
    }

    /// The slot to fill next, left at the front of `vacant`; grows the table if it must and can.
    fn next_vacant(&mut self) -> Option<u32> {
        loop {
            match self.vacant.front() {
                Some(&slot) if self.slot(slot).value.is_none() => return Some(slot),
                Some(_) => {
                    self.vacant.pop_front();
                }
                None if self.slots() < self.layout.capacity() => self.grow(),
                None => return None,
            }
        }
    }

    /// Adds one vacant slot.
    fn grow(&mut self) {
        let slot = self.slots();
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Slot { generation: 0, value: None });
            self.vacant.push_back(slot);
        }
    }

    /// How many slots there are, vacant or not.
    fn slots(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        (full + self.chunks.last().map_or(0, Vec::len)) as u32
    }

    /// The slot of `id` if its generation is the current one.
    fn find(&self, id: SlotId) -> Option<u32> {
        let parts = self.own_parts(id)?;
        let known = parts.slot < self.slots();
        (known && self.slot(parts.slot).generation == parts.generation).then_some(parts.slot)
    }

    /// The parts of an id that this table can have given out.
    fn own_parts(&self, id: SlotId) -> Option<IdParts> {
        let parts = self.layout.unpack(id)?;
        let own = parts.shard == self.shard && parts.generation != 0 && parts.slot < self.layout.capacity();
        own.then_some(parts)
    }

    /// The id of the next life of a vacant slot.
    fn id_after(&self, slot: u32) -> SlotId {
        self.id_of(slot, self.layout.generation_after(self.slot(slot).generation))
    }

    const fn id_of(&self, slot: u32, generation: u32) -> SlotId {
        self.layout.pack(IdParts { shard: self.shard, slot, generation })
    }

    fn slot(&self, slot: u32) -> &Slot<T> {
        &self.chunks[(slot >> CHUNK_BITS) as usize][slot as usize % CHUNK]
    }

    fn slot_mut(&mut self, slot: u32) -> &mut Slot<T> {
        &mut self.chunks[(slot >> CHUNK_BITS) as usize][slot as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests;
