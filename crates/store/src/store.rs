//! The log: what is appended, and when it is durable.

use std::collections::VecDeque;
use std::io;

use crate::compact::Compaction;
use crate::frame::{FrameHeader, SEGMENT_HEADER, encode_frame, encode_segment_header, frame_len};
use crate::records::{Index, Place, Records};
use crate::recover::{self, OpenReport};
use crate::{Batch, Disk, Seq};

/// Sizes. The defaults suit a gateway; tests make everything small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// A segment is closed, and the next begun, when a batch would make it longer than this. Octets, at least 1 KiB.
    pub segment_bytes: u64,
    /// How far ahead of the writer a segment is filled with zeros, so that a commit changes no file size. Octets.
    pub extend_bytes: u64,
    /// Live records that one step of clearing away old versions copies at most. Octets.
    pub compact_step_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, extend_bytes: 1 << 20, compact_step_bytes: 64 << 10 }
    }
}

impl Config {
    fn checked(self) -> Self {
        let segment_bytes = self.segment_bytes.clamp(1 << 10, 1 << 30);
        let extend_bytes = self.extend_bytes.clamp(64, segment_bytes).next_multiple_of(8);
        Self { segment_bytes, extend_bytes, compact_step_bytes: self.compact_step_bytes.max(1) }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused. The store has stopped.
    #[error("{doing}: {source}")]
    Disk {
        /// What the store was doing.
        doing: &'static str,
        /// What the disk said.
        source: io::Error,
    },
    /// The store had stopped before, for the reason given; nothing was written.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// The batch can never be written; the store goes on.
    #[error("a batch of {bytes} octets is more than a segment of {limit} holds")]
    TooLarge {
        /// What it takes.
        bytes: u64,
        /// What there is.
        limit: u64,
    },
    /// A key of more than 65,535 octets, or a value of more than 4 GiB; the store goes on.
    #[error("a key of more than 65535 octets or a value of more than 4 GiB")]
    Oversize,
}

/// What the store holds and has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Records held.
    pub records: u64,
    /// Octets of the newest versions of all records, on disk.
    pub live_bytes: u64,
    /// Octets of the log: newest versions, old versions and frames.
    pub log_bytes: u64,
    /// Files of the log.
    pub segments: u64,
    /// Batches appended.
    pub batches: u64,
    /// Times that the disk was asked to make things durable for batches.
    pub syncs: u64,
    /// A damaged segment stands in the way of clearing old versions away; the next start will quarantine it.
    pub compaction_blocked: bool,
}

/// A log of batches, opened. See the crate's documentation.
pub struct Store {
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) config: Config,
    pub(crate) index: Index,
    /// Oldest first; the last is written to.
    pub(crate) segments: VecDeque<Segment>,
    /// The first segment that is needed once what is pending is durable.
    pub(crate) oldest: u32,
    /// How long the file of the last segment is.
    allocated: u64,
    /// Frames appended and not yet written.
    pending: Vec<u8>,
    last: u64,
    pub(crate) durable: u64,
    stopped: Option<String>,
    pub(crate) compaction: Option<Compaction>,
    pub(crate) compaction_blocked: bool,
    batches: u64,
    syncs: u64,
}

/// One file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) id: u32,
    /// Octets written, without what is pending.
    pub(crate) used: u64,
}

pub(crate) fn segment_name(id: u32) -> String {
    format!("{id:08x}.log")
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("status", &self.status()).field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the log on `disk`, or makes one, and reads all records.
    ///
    /// Damage does not fail it: what is damaged is reported and copied aside, the rest is loaded.
    ///
    /// # Errors
    /// The disk cannot be listed, read or written at all.
    pub fn open(disk: impl Disk + 'static, config: Config) -> Result<(Self, Records, OpenReport), Error> {
        let mut disk: Box<dyn Disk> = Box::new(disk);
        let recovered =
            recover::recover(disk.as_mut(), config.checked().extend_bytes).map_err(at("reading the log"))?;
        let mut store = Self {
            disk,
            config: config.checked(),
            index: recovered.index,
            oldest: recovered.segments.front().map_or(recovered.next_segment, |first| first.id),
            segments: recovered.segments,
            allocated: recovered.head_allocated,
            pending: Vec::new(),
            last: recovered.last,
            durable: recovered.last,
            stopped: None,
            compaction: None,
            compaction_blocked: false,
            batches: 0,
            syncs: 0,
        };
        if recovered.new_head {
            store.begin_segment(recovered.next_segment)?;
        }
        store.settle(&recovered.records, &recovered.report)?;
        Ok((store, recovered.records, recovered.report))
    }

    /// Writes down what damage cost. The next start may not be able to read which keys were lost, once what stood around them is
    /// gone too, and would take older versions for the newest.
    fn settle(&mut self, records: &Records, report: &OpenReport) -> Result<(), Error> {
        let lost = report.damage.iter().flat_map(|damage| &damage.keys);
        let room = self.config.segment_bytes as usize / 4;
        let mut batch = Batch::new();
        for (keyspace, key) in lost.filter(|(keyspace, key)| records.get(*keyspace, key).is_none()) {
            batch.add_delete(*keyspace, key);
            if batch.encoded_len() > room {
                self.append_if_it_fits(&core::mem::take(&mut batch))?;
            }
        }
        self.append_if_it_fits(&batch)?;
        self.commit().map(drop)
    }

    /// A key that was written with larger segments than there are now stays as it is.
    fn append_if_it_fits(&mut self, batch: &Batch) -> Result<(), Error> {
        match self.append(batch) {
            Ok(_) | Err(Error::TooLarge { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Adds a batch after all others. It is durable when a later [`commit`](Self::commit) returns.
    ///
    /// An empty batch takes no place in the log: its number is that of the batch before.
    ///
    /// # Errors
    /// The batch can never be written, or the store has stopped.
    pub fn append(&mut self, batch: &Batch) -> Result<Seq, Error> {
        self.check_running()?;
        if batch.is_oversize() {
            return Err(Error::Oversize);
        }
        if batch.is_empty() {
            return Ok(Seq(self.last));
        }
        self.append_frame(batch.encoded())
    }

    /// [`append`](Self::append) for any payload, also an empty one.
    pub(crate) fn append_frame(&mut self, payload: &[u8]) -> Result<Seq, Error> {
        let bytes = frame_len(payload.len()) as u64;
        let limit = self.config.segment_bytes - SEGMENT_HEADER as u64;
        if bytes > limit {
            return Err(Error::TooLarge { bytes, limit });
        }
        let mut offset = self.head_end();
        if offset + bytes > self.config.segment_bytes {
            self.roll()?;
            offset = self.head_end();
        }
        self.last += 1;
        self.batches += 1;
        let segment = self.head().id;
        let header = FrameHeader { segment, seq: self.last, durable: self.durable, oldest: self.oldest };
        encode_frame(&mut self.pending, header, payload);
        self.index.apply(payload, Place::in_frame(segment, offset));
        Ok(Seq(self.last))
    }

    /// Makes everything appended durable: one write and one sync, however many batches.
    ///
    /// # Errors
    /// The disk failed; nothing appended since the last commit may be taken for durable, and the store has stopped.
    pub fn commit(&mut self) -> Result<Seq, Error> {
        self.check_running()?;
        if !self.pending.is_empty() {
            self.write_pending().map_err(|source| self.stop("writing the log", source))?;
            self.durable = self.last;
            self.syncs += 1;
        }
        Ok(Seq(self.durable))
    }

    /// The last batch that is durable.
    #[must_use]
    pub const fn durable(&self) -> Seq {
        Seq(self.durable)
    }

    /// Whether something is appended and not yet durable.
    #[must_use]
    pub const fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What the store holds and has done.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            records: self.index.len() as u64,
            live_bytes: self.index.live_bytes(),
            log_bytes: self.log_bytes(),
            segments: self.segments.len() as u64,
            batches: self.batches,
            syncs: self.syncs,
            compaction_blocked: self.compaction_blocked,
        }
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.used).sum::<u64>() + self.pending.len() as u64
    }

    fn check_running(&self) -> Result<(), Error> {
        self.stopped.as_ref().map_or(Ok(()), |reason| Err(Error::Stopped(reason.clone())))
    }

    /// From here on nothing is written any more.
    pub(crate) fn stop(&mut self, doing: &'static str, source: io::Error) -> Error {
        tracing::error!(doing, error = %source, "the store has stopped: nothing is saved any more");
        self.stopped = Some(format!("{doing}: {source}"));
        Error::Disk { doing, source }
    }

    fn head(&self) -> Segment {
        self.segments.back().copied().unwrap_or(Segment { id: 0, used: 0 })
    }

    /// Where the next frame goes.
    fn head_end(&self) -> u64 {
        self.head().used + self.pending.len() as u64
    }

    fn write_pending(&mut self) -> io::Result<()> {
        let head = self.head();
        let name = segment_name(head.id);
        let end = head.used + self.pending.len() as u64;
        if end >= self.allocated {
            // Zeros ahead save time, and show that the file was not cut. A disk that has no room for them may still have
            // room for the batch.
            let ahead = (end + 1).next_multiple_of(self.config.extend_bytes);
            if self.disk.write_at(&name, end, &vec![0; (ahead - end) as usize]).is_ok() {
                self.allocated = ahead;
            }
        }
        self.disk.write_at(&name, head.used, &self.pending)?;
        self.disk.sync(&name)?;
        self.pending.clear();
        if let Some(segment) = self.segments.back_mut() {
            segment.used = end;
        }
        Ok(())
    }

    /// Closes the segment with everything in it durable, and begins the next.
    fn roll(&mut self) -> Result<(), Error> {
        self.commit()?;
        self.begin_segment(self.head().id + 1)
    }

    fn begin_segment(&mut self, id: u32) -> Result<(), Error> {
        let first_seq = self.last + 1;
        let made = self.make_segment(id, first_seq);
        made.map_err(|source| self.stop("beginning a segment of the log", source))
    }

    fn make_segment(&mut self, id: u32, first_seq: u64) -> io::Result<()> {
        let name = segment_name(id);
        let mut first = encode_segment_header(id, self.oldest, first_seq).to_vec();
        first.resize(self.config.extend_bytes as usize, 0);
        self.disk.create(&name)?;
        self.disk.write_at(&name, 0, &first)?;
        self.disk.sync(&name)?;
        self.disk.sync_dir()?;
        self.allocated = first.len() as u64;
        self.segments.push_back(Segment { id, used: SEGMENT_HEADER as u64 });
        Ok(())
    }
}

fn at(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Disk { doing, source }
}

#[cfg(test)]
mod tests;
