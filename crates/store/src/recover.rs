//! From the octets on a disk back to records, whatever happened to the octets.
//!
//! What is missing or wrong is one of two things, told apart by the `durable seq` that every frame carries:
//! - up to the last batch known to be durable it is **damage**: a promise was lost. Reported, copied aside, and what
//!   follows is loaded.
//! - after it, it is a **torn tail**: batches that a power cut caught on their way. They were never promised, and what
//!   follows them is dropped with them, for batches are kept in order without holes.
//!
//! One case cannot be told apart: damage to the very last batches, before anything was written behind them. It is reported
//! and copied aside as a torn tail.

use std::collections::VecDeque;
use std::io;

use crate::batch::{self, Keyspace};
use crate::frame::{FRAME_HEADER, Frame, Piece, SEGMENT_HEADER, scan, segment_header};
use crate::records::{Index, Place, Records};
use crate::store::{Segment, segment_name};
use crate::{Disk, Seq};

/// What opening the log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The last batch that was recovered.
    pub last: Seq,
    /// Files of the log.
    pub segments: usize,
    /// Octets read.
    pub bytes: u64,
    /// Batches that had been durable and are not whole any more.
    pub damage: Vec<Damage>,
    /// What a power cut left at the end.
    pub torn: Option<TornTail>,
}

impl OpenReport {
    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.torn.is_none()
    }
}

/// A damaged place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file of the log, by its number.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// How many octets; 0 if they are not there at all.
    pub bytes: u64,
    /// The first and the last batch that were lost there, if the place held batches.
    pub lost: Option<(Seq, Seq)>,
    /// The keys that the lost batches were about, as far as they can be read; nothing is under them any more unless a
    /// later batch put it there. A lost batch whose keys cannot be read leaves the versions before it in force.
    pub keys: Vec<(Keyspace, Vec<u8>)>,
    /// The file beside the log that holds a copy; `None` if it could not be written.
    pub copy: Option<String>,
    /// Whether an earlier start found the same.
    pub seen_before: bool,
}

/// Octets after the last whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file of the log, by its number.
    pub segment: u32,
    /// Where in it.
    pub offset: u64,
    /// How many octets were dropped; 0 if the file is only shorter than it is ever left.
    pub bytes: u64,
    /// The file beside the log that holds a copy; `None` if there was nothing to copy or it could not be written.
    pub copy: Option<String>,
}

/// Everything that opening the log gives.
pub(crate) struct Recovered {
    pub(crate) records: Records,
    pub(crate) index: Index,
    pub(crate) segments: VecDeque<Segment>,
    /// Whether writing goes on in a new segment: there is none, or the last is not as it should be.
    pub(crate) new_head: bool,
    /// Its number.
    pub(crate) next_segment: u32,
    pub(crate) head_allocated: u64,
    pub(crate) last: u64,
    pub(crate) report: OpenReport,
}

const TORN_COPY: &str = "torn-tail";
/// So many copies of damaged places are kept; the disk of a gateway is small.
const MAX_COPIES: usize = 64;

pub(crate) fn recover(disk: &mut dyn Disk, extend_bytes: u64) -> io::Result<Recovered> {
    let names = disk.list()?;
    let mut ids: Vec<u32> = names.iter().filter_map(|name| segment_id(name)).collect();
    ids.sort_unstable();
    let mut recovery = Recovery {
        copies: names.into_iter().filter(|name| name.starts_with("damaged-")).collect(),
        disk,
        extend_bytes,
        expected: None,
        oldest: 0,
        out: Recovered {
            records: Records::default(),
            index: Index::default(),
            segments: VecDeque::new(),
            new_head: ids.is_empty(),
            next_segment: ids.last().map_or(1, |last| last.saturating_add(1)),
            head_allocated: 0,
            last: 0,
            report: OpenReport::default(),
        },
    };
    for id in &ids {
        let is_head = Some(id) == ids.last();
        recovery.segment(*id, is_head)?;
    }
    recovery.lost_beginning();
    let mut out = recovery.out;
    out.last = recovery.expected.map_or(0, |expected| expected.saturating_sub(1));
    out.report.last = Seq(out.last);
    out.report.segments = out.segments.len();
    Ok(out)
}

fn segment_id(name: &str) -> Option<u32> {
    let id = name.strip_suffix(".log").filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(id, 16).ok()
}

struct Recovery<'a> {
    disk: &'a mut dyn Disk,
    extend_bytes: u64,
    /// Names of the copies of damaged places.
    copies: Vec<String>,
    /// The number of the batch that must come next, once it is known.
    expected: Option<u64>,
    /// The first segment that is needed, as far as has been read.
    oldest: u32,
    out: Recovered,
}

/// A segment being read.
struct Reading<'a> {
    id: u32,
    bytes: &'a [u8],
    /// The last batch of it that was surely durable: all of a segment that has a successor.
    durable: u64,
    /// Octets since the last frame that are none.
    garbage: Option<(usize, usize)>,
}

impl Recovery<'_> {
    fn segment(&mut self, id: u32, is_head: bool) -> io::Result<()> {
        let bytes = self.disk.read(&segment_name(id))?;
        self.out.report.bytes += bytes.len() as u64;
        let header = segment_header(&bytes, id);
        let first = header.map(|header| header.first_seq);
        self.oldest = self.oldest.max(header.map_or(0, |header| header.oldest));
        let found = scan(&bytes, id);
        let frames =
            || found.pieces.iter().filter_map(|piece| if let Piece::Frame(it) = piece { Some(it) } else { None });
        if is_head && first.is_none() && frames().next().is_none() {
            return self.unborn(id, &bytes);
        }

        self.expected = self.expected.or(first).or_else(|| frames().next().map(|frame| frame.seq));
        let durable = if is_head {
            let said = frames().map(|frame| frame.durable).max().unwrap_or(0);
            said.max(first.map_or(0, |first| first.saturating_sub(1)))
        } else {
            u64::MAX
        };
        let mut reading = Reading { id, bytes: &bytes, durable, garbage: None };
        if first.is_none() {
            self.damage(&reading, (0, SEGMENT_HEADER), None);
        }
        let mut torn = None;
        for piece in &found.pieces {
            torn = match piece {
                Piece::Garbage(from, to) => {
                    reading.add_garbage(*from, *to);
                    None
                }
                Piece::Frame(frame) => self.frame(&mut reading, *frame),
            };
            if torn.is_some() {
                break;
            }
        }
        let mut used = found.end;
        if is_head {
            let tail = torn.or(reading.garbage.map(|(from, _)| from));
            used = tail.unwrap_or(used);
            self.out.new_head = first.is_none();
            self.lost_tail(&reading, used);
            let unsure = match first {
                Some(first) if durable < first => 0,
                _ => frames().find(|frame| frame.seq > durable).map_or(used, |frame| frame.offset),
            };
            self.end_head(&reading, tail, found.end)?;
            self.make_durable(id, unsure, bytes.get(unsure..used).unwrap_or_default())?;
        } else if let Some(garbage) = reading.garbage {
            self.damage(&reading, garbage, None);
        }
        self.out.segments.push_back(Segment { id, used: used as u64 });
        Ok(())
    }

    /// Takes the next frame of a segment; where the torn tail begins, if it does here.
    fn frame(&mut self, reading: &mut Reading<'_>, frame: Frame) -> Option<usize> {
        let expected = self.expected.unwrap_or(frame.seq);
        if frame.seq < expected {
            reading.add_garbage(frame.offset, frame.offset + frame.len);
            return None;
        }
        let place = reading.garbage.unwrap_or((frame.offset, frame.offset));
        if frame.seq > expected {
            let lost = (frame.seq - 1).min(reading.durable);
            if expected <= lost {
                self.damage(reading, place, Some((expected, lost)));
                self.expected = Some(lost + 1);
            }
            if lost + 1 < frame.seq {
                return Some(place.0);
            }
        } else if reading.garbage.is_some() {
            self.damage(reading, place, None);
        }
        reading.garbage = None;

        if frame.intact {
            self.apply(reading, frame);
        } else if frame.seq <= reading.durable {
            self.damage(reading, (frame.offset, frame.offset + frame.len), Some((frame.seq, frame.seq)));
        } else {
            return Some(frame.offset);
        }
        self.expected = Some(frame.seq + 1);
        None
    }

    fn apply(&mut self, reading: &Reading<'_>, frame: Frame) {
        self.oldest = self.oldest.max(frame.oldest);
        let payload = frame.payload(reading.bytes);
        for entry in batch::entries(payload) {
            self.out.records.set(entry.keyspace, entry.key, entry.value);
        }
        self.out.index.apply(payload, Place::in_frame(reading.id, frame.offset as u64));
    }

    /// Segments that were needed are not there at all.
    fn lost_beginning(&mut self) {
        let first = self.out.segments.front().map(|segment| segment.id);
        if first.is_some_and(|first| first > self.oldest) && self.oldest > 0 {
            let nothing = Reading { id: self.oldest, bytes: &[], durable: 0, garbage: None };
            self.damage(&nothing, (0, 0), None);
        }
    }

    /// The end of the last segment is reached, and batches that were durable have not come.
    fn lost_tail(&mut self, reading: &Reading<'_>, used: usize) {
        if let Some(expected) = self.expected
            && expected <= reading.durable
        {
            self.damage(reading, (used, used), Some((expected, reading.durable)));
            self.expected = Some(reading.durable + 1);
        }
    }

    /// Cuts the torn tail off, so that what is written next does not lie among its remains, and leaves the file as long
    /// as the writer does.
    fn end_head(&mut self, reading: &Reading<'_>, tail: Option<usize>, end: usize) -> io::Result<()> {
        let name = segment_name(reading.id);
        let mut len = reading.bytes.len() as u64;
        if let Some(from) = tail {
            let remains = reading.bytes.get(from..end).unwrap_or_default();
            let copy = self.copy_aside(TORN_COPY, remains);
            self.disk.truncate(&name, from as u64)?;
            self.disk.sync(&name)?;
            self.torn(reading.id, from, remains.len(), copy);
            len = from as u64;
        } else if !len.is_multiple_of(self.extend_bytes) || len == end as u64 {
            self.torn(reading.id, reading.bytes.len(), 0, None);
        }
        let used = tail.unwrap_or(end) as u64;
        let whole = len.max(used + 1).next_multiple_of(self.extend_bytes);
        // On a full disk it stays short; the writer copes with that.
        let extended = self.disk.write_at(&name, len, &vec![0; (whole - len) as usize]).is_ok();
        self.out.head_allocated = if extended { whole } else { len };
        Ok(())
    }

    /// What a process wrote and did not live to sync is read like the rest, and what comes next builds on it: it is made durable
    /// first. Written again, because after a sync that failed it may be in the system's memory only, and the next sync would not
    /// say so.
    fn make_durable(&mut self, id: u32, unsure: usize, bytes: &[u8]) -> io::Result<()> {
        let name = segment_name(id);
        if !bytes.is_empty() {
            self.disk.write_at(&name, unsure as u64, bytes)?;
        }
        self.disk.sync(&name)?;
        // The file's name too, and that of what was removed.
        self.disk.sync_dir()
    }

    /// The last segment has neither a header nor a frame: the power went while it was made, or all of it is damaged.
    fn unborn(&mut self, id: u32, bytes: &[u8]) -> io::Result<()> {
        let remains = if bytes.iter().all(|octet| *octet == 0) { &[] } else { bytes };
        let copy = self.copy_aside(TORN_COPY, remains);
        self.disk.remove(&segment_name(id))?;
        self.disk.sync_dir()?;
        self.torn(id, 0, remains.len(), copy);
        self.out.new_head = true;
        Ok(())
    }

    fn torn(&mut self, segment: u32, offset: usize, bytes: usize, copy: Option<String>) {
        tracing::warn!(segment, offset, bytes, "the log ends in an unfinished write, which is dropped");
        self.out.report.torn = Some(TornTail { segment, offset: offset as u64, bytes: bytes as u64, copy });
    }

    fn damage(&mut self, reading: &Reading<'_>, (from, to): (usize, usize), lost: Option<(u64, u64)>) {
        let place = reading.bytes.get(from..to).unwrap_or_default();
        let mut keys = Vec::new();
        if lost.is_some() {
            for entry in batch::entries(place.get(FRAME_HEADER..).unwrap_or_default()) {
                // An older version must not come back as if it were the newest.
                self.out.records.set(entry.keyspace, entry.key, None);
                self.out.index.forget(entry.keyspace, entry.key);
                keys.push((entry.keyspace, entry.key.to_vec()));
            }
        }
        let name = format!("damaged-{:08x}-{from:08x}", reading.id);
        let seen_before = self.copies.contains(&name);
        let copy = if seen_before || self.copies.len() < MAX_COPIES { self.copy_once(&name, place) } else { None };
        let lost = lost.map(|(first, last)| (Seq(first), Seq(last)));
        let (segment, offset, bytes) = (reading.id, from as u64, place.len() as u64);
        tracing::error!(
            segment,
            offset,
            bytes,
            ?lost,
            seen_before,
            "the log is damaged here; everything else is loaded"
        );
        self.out.report.damage.push(Damage { segment, offset, bytes, lost, keys, copy, seen_before });
    }

    fn copy_once(&mut self, name: &str, bytes: &[u8]) -> Option<String> {
        if self.copies.iter().any(|copy| copy == name) {
            return Some(name.to_owned());
        }
        // Made even if there is nothing to copy: it tells the next start that this was seen.
        let copy = self.write_copy(name, bytes)?;
        self.copies.push(copy.clone());
        Some(copy)
    }

    fn copy_aside(&mut self, name: &str, bytes: &[u8]) -> Option<String> {
        if bytes.is_empty() { None } else { self.write_copy(name, bytes) }
    }

    /// A copy is worth having but nothing depends on it: a disk that is full must not keep the gateway down.
    fn write_copy(&mut self, name: &str, bytes: &[u8]) -> Option<String> {
        let written = self.disk.create(name).and_then(|()| {
            self.disk.write_at(name, 0, bytes)?;
            self.disk.sync(name)?;
            self.disk.sync_dir()
        });
        match written {
            Ok(()) => Some(name.to_owned()),
            Err(error) => {
                tracing::warn!(name, %error, "cannot keep a copy of a damaged place");
                None
            }
        }
    }
}

impl Reading<'_> {
    fn add_garbage(&mut self, from: usize, to: usize) {
        let begin = self.garbage.map_or(from, |(begin, _)| begin);
        self.garbage = Some((begin, to));
    }
}
