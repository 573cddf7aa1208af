//! Tables of the software plane in memory that outlives the daemon: as pinned maps are to XDP.
//!
//! One file without a name, which lies on the [`Shelf`], holds all of them. Its first page says what form they have, and where those lie
//! that somebody of another release reads once more.

use crate::predecessor::{Predecessor, Whence};
use crate::region::{Record, Region, page_size};
use crate::shelf::{REPLACED, Shelf, TABLES};
use crate::tables::{SharedRegions, Sizes};
use basalt_ebpf_abi::{FRAGMENTS, SCHEMA_VERSION, Shared32};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// The first word of the first page.
const MAGIC: u32 = 0x4241_534b;
/// Words of the first page: smaller than any page.
const WORDS: usize = 512;
/// Where the description of the tables that are read once more begins: four words each.
const DESCRIBED: usize = 32;
/// Words of the form: magic, schema, sizes.
const FORM: usize = 14;

/// Where a table lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Octets from the beginning.
    pub(crate) offset: u64,
    /// Words of a value.
    pub(crate) stride: u32,
    /// Values.
    pub(crate) length: u32,
}

/// The form of tables of these sizes.
fn form(sizes: Sizes) -> [u32; FORM] {
    [
        MAGIC,
        SCHEMA_VERSION,
        sizes.teids.slots(),
        sizes.teids.mask(),
        sizes.downlink,
        sizes.next_hops,
        sizes.ue_meters,
        sizes.policies,
        sizes.rule_states,
        sizes.bearers,
        sizes.prefixes,
        sizes.framed,
        sizes.blocks,
        sizes.mappings,
    ]
}

/// Tables of these sizes: those that lie on the shelf, if they have this form, else new ones in their place. Says which.
pub(crate) fn open(shelf: &Arc<dyn Shelf>, sizes: Sizes) -> io::Result<(SharedRegions, bool)> {
    if let Some(file) = shelf.get(TABLES)
        && read_form(file.as_fd()).is_some_and(|found| found == form(sizes))
        && let Ok(kept) = furnish(file.as_fd(), sizes, false)
    {
        return Ok((kept, true));
    }
    put_aside(shelf.as_ref());
    let file = memory(c"basalt-tables")?;
    let regions = furnish(file.as_fd(), sizes, true)?;
    if let Err(error) = shelf.put(TABLES, file.as_fd()) {
        tracing::warn!(%error, "nobody holds the tables: what they count last is lost when this process ends");
    }
    Ok((regions, false))
}

/// Tables that lie there are not used any more, but read.
pub(crate) fn put_aside(shelf: &dyn Shelf) {
    let Some(file) = shelf.get(TABLES) else { return };
    let free = REPLACED.into_iter().find(|name| shelf.get(name).is_none());
    let kept = free.map(|name| shelf.put(name, file.as_fd()));
    if !matches!(kept, Some(Ok(()))) {
        tracing::warn!(?kept, "there is no place for the tables of before: what they counted last is lost");
    }
    shelf.remove(TABLES);
}

/// All tables that were put aside, the oldest first.
pub(crate) fn replaced(shelf: &Arc<dyn Shelf>) -> Vec<Predecessor> {
    let mut found = Vec::new();
    for name in REPLACED {
        let Some(file) = shelf.get(name) else { continue };
        let whence = Whence::Shelf(Arc::clone(shelf), name);
        match described(file.as_fd()).and_then(|places| Predecessor::of_file(file.as_fd(), places, whence)) {
            Some(predecessor) => found.push(predecessor),
            None => {
                tracing::warn!(name, "tables of before cannot be read: what they counted last is lost");
                shelf.remove(name);
            }
        }
    }
    found
}

/// A file without a name, in memory.
pub(crate) fn memory(name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name ends with a zero and lives across the call.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn first_page(file: BorrowedFd<'_>) -> io::Result<Region<Shared32>> {
    if length(file)? < page_size() as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Region::of_file(file, 0, WORDS)
}

fn length(file: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(File::from(file.try_clone_to_owned()?).metadata()?.len())
}

fn read_form(file: BorrowedFd<'_>) -> Option<[u32; FORM]> {
    let page = first_page(file).ok()?;
    let mut words = [0; FORM];
    for (word, cell) in words.iter_mut().zip(page.iter()) {
        *word = cell.get();
    }
    Some(words)
}

/// Where the tables lie that are read once more, if the file is long enough for all of them.
fn described(file: BorrowedFd<'_>) -> Option<[Place; 5]> {
    let page = first_page(file).ok()?;
    if page.get(0)?.get() != MAGIC {
        return None;
    }
    let whole = length(file).ok()?;
    let place = |number: usize| {
        let [low, high, stride, length] =
            [0, 1, 2, 3].map(|word| page.get(DESCRIBED + 4 * number + word).map_or(0, Shared32::get));
        let offset = u64::from(high) << 32 | u64::from(low);
        let end = offset.checked_add(4 * u64::from(stride) * u64::from(length))?;
        (stride > 0 && length > 0 && end <= whole).then_some(Place { offset, stride, length })
    };
    Some([place(0)?, place(1)?, place(2)?, place(3)?, place(4)?])
}

/// Lays the tables out one behind the other.
struct Layout<'f> {
    file: BorrowedFd<'f>,
    next: usize,
    /// Whether the file must grow.
    new: bool,
}

impl Layout<'_> {
    fn region<T: Record>(&mut self, length: u32) -> io::Result<(Region<T>, Place)> {
        let octets = (length as usize).checked_mul(size_of::<T>()).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = self.next;
        self.next += octets.next_multiple_of(page_size());
        if self.new {
            File::from(self.file.try_clone_to_owned()?).set_len(self.next as u64)?;
        } else if crate::kept::length(self.file)? < self.next as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let region = Region::of_file(self.file, offset, length as usize)?;
        Ok((region, Place { offset: offset as u64, stride: (size_of::<T>() / 4) as u32, length }))
    }

    fn plain<T: Record>(&mut self, length: u32) -> io::Result<Region<T>> {
        self.region(length).map(|(region, _)| region)
    }
}

fn furnish(file: BorrowedFd<'_>, sizes: Sizes, new: bool) -> io::Result<SharedRegions> {
    let mut layout = Layout { file, next: page_size(), new };
    let (settings, of_settings) = layout.region(1)?;
    let (uplink, of_uplink) = layout.region(sizes.teids.slots())?;
    let (downlink, of_downlink) = layout.region(sizes.downlink)?;
    let (bearers, of_bearers) = layout.region(sizes.bearers)?;
    let (rule_states, of_rules) = layout.region(sizes.rule_states)?;
    let regions = SharedRegions {
        settings,
        uplink,
        downlink,
        next_hops: layout.plain(sizes.next_hops)?,
        destinations: layout.plain(1)?,
        ue_meters: layout.plain(sizes.ue_meters)?,
        policies: layout.plain(sizes.policies)?,
        rule_states,
        bearers,
        prefixes: layout.plain(sizes.prefixes)?,
        framed: layout.plain(sizes.framed)?,
        nat: layout.plain(1)?,
        blocks: layout.plain(sizes.blocks)?,
        mappings: layout.plain(sizes.mappings)?,
        fragments: layout.plain(FRAGMENTS)?,
    };
    if new {
        describe(&first_page(file)?, sizes, [of_settings, of_uplink, of_downlink, of_bearers, of_rules]);
    }
    Ok(regions)
}

fn describe(page: &Region<Shared32>, sizes: Sizes, places: [Place; 5]) {
    for (number, place) in places.into_iter().enumerate() {
        let words = [place.offset as u32, (place.offset >> 32) as u32, place.stride, place.length];
        for (word, value) in words.into_iter().enumerate() {
            if let Some(cell) = page.get(DESCRIBED + 4 * number + word) {
                cell.set(value);
            }
        }
    }
    for (cell, word) in page.iter().zip(form(sizes)) {
        cell.set(word);
    }
}

#[cfg(test)]
pub(crate) mod tests;
