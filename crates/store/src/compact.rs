//! Clearing old versions away: the newest versions in the oldest segment are appended again, then its file is removed.
//!
//! Always the oldest: a delete in it has nothing older left to hide, so it may go too. Done in small steps between
//! commits, by the writer itself, so there is nothing to lock.

use std::io;

use crate::batch::{self, Batch};
use crate::frame::{Frame, Piece, scan};
use crate::records::Place;
use crate::store::segment_name;
use crate::{Error, Store};

/// The oldest segment on its way out.
#[derive(Debug)]
pub(crate) struct Compaction {
    segment: u32,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    /// The next entry to look at: which frame, where in its payload.
    next: (usize, usize),
    /// The batch that says that the segment is not needed any more, once all was copied.
    done_by: Option<u64>,
}

impl Store {
    /// Whether old versions take so much room that [`compact_step`](Self::compact_step) has work: more than the newest
    /// versions take and two segments.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        let allowed = 2 * self.index.live_bytes() + 2 * self.config.segment_bytes;
        !self.compaction_blocked
            && (self.compaction.is_some() || (self.segments.len() > 1 && self.log_bytes() > allowed))
    }

    /// Does a bounded piece of that work, if there is some: appends copies, to be made durable by the next
    /// [`commit`](Self::commit), or removes a segment whose copies are. Call between commits while it returns true.
    ///
    /// # Errors
    /// The disk failed and the store has stopped.
    pub fn compact_step(&mut self) -> Result<bool, Error> {
        if !self.wants_compaction() {
            return Ok(false);
        }
        let compaction = match self.compaction.take() {
            Some(compaction) => compaction,
            None => match self.begin_compaction() {
                Ok(Some(compaction)) => compaction,
                Ok(None) => return Ok(false),
                // Nothing is lost yet: the newest versions are in memory, and the next start reads around bad places.
                Err(error) => return Ok(self.block_compaction(&error.to_string())),
            },
        };
        match compaction.done_by {
            Some(done_by) if done_by <= self.durable => {
                let removed = self.remove_oldest(compaction.segment);
                removed.map_err(|source| self.stop("removing a segment of the log", source))?;
                Ok(self.wants_compaction())
            }
            Some(_) => {
                self.compaction = Some(compaction);
                Ok(true)
            }
            None => self.copy_some(compaction),
        }
    }

    fn begin_compaction(&mut self) -> io::Result<Option<Compaction>> {
        let Some(oldest) = self.segments.front().copied() else { return Ok(None) };
        let segment = oldest.id;
        if self.index.live_in(segment) == 0 {
            return Ok(Some(Compaction {
                segment,
                bytes: Vec::new(),
                frames: Vec::new(),
                next: (0, 0),
                done_by: None,
            }));
        }
        let bytes = self.disk.read(&segment_name(segment))?;
        let pieces = scan(&bytes, segment).pieces;
        let frames = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Frame(frame) if frame.intact => Some(frame),
            Piece::Frame(_) | Piece::Garbage(..) => None,
        });
        let frames = frames.collect();
        Ok(Some(Compaction { segment, bytes, frames, next: (0, 0), done_by: None }))
    }

    fn copy_some(&mut self, mut compaction: Compaction) -> Result<bool, Error> {
        let mut copies = Batch::new();
        let mut all_copied = false;
        while copies.encoded_len() < self.config.compact_step_bytes {
            let Some((entry, place)) = compaction.next_entry() else {
                all_copied = true;
                break;
            };
            if let Some(value) = entry.value
                && self.index.is_newest(&entry, place)
            {
                // One value can be almost a segment long: it then goes alone.
                let room = self.config.segment_bytes as usize / 2;
                if !copies.is_empty() && copies.encoded_len() + entry.len > room {
                    compaction.next.1 = entry.offset;
                    break;
                }
                copies.add_put(entry.keyspace, entry.key, value);
            }
        }
        self.append(&copies)?;
        if all_copied {
            let left = self.index.live_in(compaction.segment);
            if left > 0 {
                return Ok(self.block_compaction(&format!("{left} octets of records cannot be read any more")));
            }
            self.oldest = self.segments.get(1).map_or(self.oldest, |second| second.id);
            compaction.done_by = Some(self.append_frame(&[])?.0);
        }
        self.compaction = Some(compaction);
        Ok(true)
    }

    fn remove_oldest(&mut self, segment: u32) -> io::Result<()> {
        self.disk.remove(&segment_name(segment))?;
        // Before the next is removed: if an older one came back after a power cut without this one, what this one's
        // deletes hid would come back too.
        self.disk.sync_dir()?;
        self.segments.pop_front();
        self.index.forget_segment(segment);
        Ok(())
    }

    /// Says so once; the answer is that there is no more to do.
    fn block_compaction(&mut self, reason: &str) -> bool {
        tracing::error!(reason, "the log is damaged: old versions stay until the next start has looked at it");
        self.compaction_blocked = true;
        self.compaction = None;
        false
    }
}

impl Compaction {
    fn next_entry(&mut self) -> Option<(batch::Entry<'_>, Place)> {
        loop {
            let frame = *self.frames.get(self.next.0)?;
            match batch::entry_at(frame.payload(&self.bytes), self.next.1) {
                Some(entry) => {
                    self.next.1 += entry.len;
                    return Some((entry, Place::in_frame(self.segment, frame.offset as u64)));
                }
                None => self.next = (self.next.0 + 1, 0),
            }
        }
    }
}
