//! The packet that each thread of the software plane has in hand, in memory that outlives the daemon: so a daemon that is killed at any
//! instant neither loses it, nor sends it twice, nor leaves it uncounted.
//!
//! ```text
//!   free ──► taken ──► sending ──► counting ──► free
//! ```
//!
//! - *taken*: the kernel writes packet, length and sender into this memory, in the call that takes it out of the socket. A successor
//!   handles it first.
//! - *sending*: what will be counted is written down. Whether it was sent, the kernel says: in this memory, in the call that sends it
//!   (sendmmsg(2) writes the length), or, of what is written into a TUN device, by the device's own count of packets. If it was, a
//!   successor counts it; if not, it is as one that was taken.
//! - *counting*: what the counters said before is written down, too. A successor adds to those that say so still.
//!
//! A kill strikes a thread between two instructions of its own, never amid what the kernel does for it, so nothing falls between these.
//! Only a counter that several threads change, a quota of both directions, may miss the packet, if the other one changed it between the
//! same two instructions.
//!
//! Held like this are packets that go on at once. What waits in the daemon's own memory (for an idle phone, for the signalling of its
//! tunnel) is lost with it.

mod messages;
#[cfg(test)]
mod tests;

use crate::kept::memory;
use crate::region::{Record, Region, page_size};
use crate::shelf::{HAND, REPLACED, Shelf, TABLES};
use crate::tables::Tables;
use basalt_ebpf_abi::{Shared32, Shared64};
use basalt_pipeline::{ENTRIES, Entries};
use std::cell::UnsafeCell;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{Ordering, compiler_fence};

/// The first word of the first page: changes with the form of what follows.
const MAGIC: u64 = 0x4241_5348_0000_0001;
/// Octets of a packet at most.
const PACKET: usize = 1 << 16;
/// Octets of a sender's address that are kept.
const SENDER: usize = 32;

/// How far a thread is with its packet.
struct Stage;

impl Stage {
    const FREE: u32 = 0;
    const TAKEN: u32 = 1;
    const SENDING: u32 = 2;
    const COUNTING: u32 = 3;
}

/// Which thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// That of packets from phones.
    Uplink = 0,
    /// That of packets to phones.
    Downlink = 1,
}

/// All threads' packets.
pub(crate) struct Hands {
    head: Region<Shared64>,
    hands: Region<Hand>,
}

/// Words of the first page.
const HEAD: usize = 4;
/// See [`MAGIC`].
const HEAD_MAGIC: usize = 0;
/// Octets of a [`Hand`].
const HEAD_OCTETS: usize = 1;
/// Number of the file in which entries lie.
const HEAD_TABLES: usize = 2;
/// Packets that the device took, as far as it is known here.
const HEAD_WRITTEN: usize = 3;

/// A thread's packet, and how far it is with it. Only this thread changes it.
#[repr(C)]
pub(crate) struct Hand {
    stage: Shared32,
    /// How many of the entries are filled.
    filled: Shared32,
    entries: [Entry; ENTRIES],
    incoming: UnsafeCell<MaybeUninit<libc::mmsghdr>>,
    outgoing: UnsafeCell<MaybeUninit<libc::mmsghdr>>,
    sender: UnsafeCell<[u8; SENDER]>,
    packet: UnsafeCell<[u8; PACKET]>,
}

/// A counter and what is added to it.
#[repr(C)]
struct Entry {
    /// Where in the file of tables it lies, octets.
    place: Shared64,
    add: Shared64,
    /// What it said before, when counting has begun.
    before: Shared64,
}

// SAFETY: each value belongs to one thread, which alone uses what lies in the cells; the kernel writes there when this thread asks it to.
unsafe impl Sync for Hand {}
// SAFETY: shared cells, octets, and headers of messages of which all octets zero is a value. What pointers a predecessor has left there
// nobody reads.
unsafe impl Record for Hand {}

impl Hands {
    /// Takes up what a predecessor had in hand, and counts what it had sent and not counted. `written` is how many packets the device that
    /// it wrote to has taken, if it says so. Nobody else may use the tables that lie on the shelf, yet.
    pub(crate) fn take_up(shelf: &dyn Shelf, written: Option<u64>) -> io::Result<Self> {
        let hands = match shelf.get(HAND).and_then(|file| Self::over(file.as_fd()).ok()) {
            Some(hands) => {
                hands.settle(shelf, written);
                hands
            }
            None => Self::make(shelf)?,
        };
        let tables = shelf.get(TABLES).and_then(|file| number(&File::from(file)));
        hands.set(HEAD_TABLES, tables.unwrap_or(0));
        hands.set(HEAD_WRITTEN, written.unwrap_or(0));
        Ok(hands)
    }

    /// Counts what a predecessor had sent and not counted, for a plane that has no use for the packets themselves.
    pub(crate) fn give_up(shelf: &dyn Shelf) {
        if let Some(hands) = shelf.get(HAND).and_then(|file| Self::over(file.as_fd()).ok()) {
            hands.settle(shelf, None);
        }
        shelf.remove(HAND);
    }

    fn make(shelf: &dyn Shelf) -> io::Result<Self> {
        let file = memory(c"basalt-hand")?;
        let octets = page_size() + 2 * size_of::<Hand>().next_multiple_of(page_size());
        File::from(file.try_clone()?).set_len(octets as u64)?;
        let hands = Self::map(file.as_fd())?;
        hands.set(HEAD_OCTETS, size_of::<Hand>() as u64);
        hands.set(HEAD_MAGIC, MAGIC);
        shelf.put(HAND, file.as_fd())?;
        Ok(hands)
    }

    fn over(file: BorrowedFd<'_>) -> io::Result<Self> {
        let long = page_size() + 2 * size_of::<Hand>();
        if File::from(file.try_clone_to_owned()?).metadata()?.len() < long as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let hands = Self::map(file)?;
        let sound = hands.get(HEAD_MAGIC) == MAGIC && hands.get(HEAD_OCTETS) == size_of::<Hand>() as u64;
        if sound { Ok(hands) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn map(file: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { head: Region::of_file(file, 0, HEAD)?, hands: Region::of_file(file, page_size(), 2)? })
    }

    /// That of a thread.
    pub(crate) fn of(&self, side: Side) -> Option<&Hand> {
        self.hands.get(side as usize)
    }

    /// The device has taken a packet.
    pub(crate) fn wrote(&self) {
        if let Some(cell) = self.head.get(HEAD_WRITTEN) {
            cell.add(1);
        }
    }

    fn get(&self, word: usize) -> u64 {
        self.head.get(word).map_or(0, Shared64::get)
    }

    fn set(&self, word: usize, value: u64) {
        if let Some(cell) = self.head.get(word) {
            cell.set(value);
        }
    }

    fn settle(&self, shelf: &dyn Shelf, written: Option<u64>) {
        let known = self.get(HEAD_WRITTEN);
        let tables = self.get(HEAD_TABLES);
        let of_this_number = |file: &File| number(file) == Some(tables);
        let mut files = [TABLES].into_iter().chain(REPLACED).filter_map(|name| shelf.get(name)).map(File::from);
        let file = files.find(of_this_number);
        for side in [Side::Uplink, Side::Downlink] {
            let Some(hand) = self.of(side) else { continue };
            // Only packets from phones are written into the device.
            let taken = side == Side::Uplink && written.is_some_and(|written| written > known);
            let stage = hand.stage.get();
            hand.settle(file.as_ref(), taken);
            if stage != Stage::FREE {
                tracing::debug!(?side, stage, left = hand.stage.get(), "a packet that a predecessor had in hand");
            }
        }
    }
}

/// Tells a file from others.
fn number(file: &File) -> Option<u64> {
    file.metadata().ok().map(|metadata| metadata.ino())
}

impl Hand {
    /// The packet is done with.
    pub(crate) fn free(&self) {
        self.enter(Stage::FREE);
    }

    /// The packet will now be sent, and then be counted so.
    pub(crate) fn intend(&self, tables: &Tables, entries: &Entries<'_>) {
        let mut filled = 0;
        let known = entries.iter().flatten().filter_map(|(cell, add)| Some((tables.place(cell)?, *add)));
        for (entry, (place, add)) in self.entries.iter().zip(known) {
            entry.place.set(place);
            entry.add.set(add);
            filled += 1;
        }
        self.filled.set(filled);
        self.forget_sent();
        self.enter(Stage::SENDING);
    }

    /// The packet was sent: `account` counts it, as it was intended.
    pub(crate) fn count(&self, entries: &Entries<'_>, account: impl FnOnce()) {
        for (entry, (cell, _)) in self.entries.iter().zip(entries.iter().flatten()) {
            entry.before.set(cell.get());
        }
        self.enter(Stage::COUNTING);
        account();
        self.free();
    }

    fn enter(&self, stage: u32) {
        compiler_fence(Ordering::SeqCst);
        self.stage.set(stage);
        compiler_fence(Ordering::SeqCst);
    }

    /// Finishes what a predecessor had begun; what it has not sent is left as taken. May be interrupted and done again.
    fn settle(&self, tables: Option<&File>, written: bool) {
        match self.stage.get() {
            Stage::SENDING if written || self.was_sent() => {
                for (entry, cell) in self.cells(tables) {
                    if let Some(cell) = cell.get(entry.index()) {
                        entry.before.set(cell.get());
                    }
                }
                self.enter(Stage::COUNTING);
            }
            Stage::SENDING => self.enter(Stage::TAKEN),
            _ => {}
        }
        if self.stage.get() == Stage::COUNTING {
            for (entry, cell) in self.cells(tables) {
                if let Some(cell) = cell.get(entry.index()).filter(|cell| cell.get() == entry.before.get()) {
                    cell.add(entry.add.get());
                }
            }
            self.free();
        }
    }

    /// The filled entries, with the page of the tables in which each one's counter lies.
    fn cells<'h>(&'h self, tables: Option<&'h File>) -> impl Iterator<Item = (&'h Entry, Region<Shared64>)> {
        let filled = self.entries.iter().take(self.filled.get() as usize);
        filled.filter_map(move |entry| Some((entry, entry.page(tables?)?)))
    }
}

impl Entry {
    fn page(&self, tables: &File) -> Option<Region<Shared64>> {
        let place = self.place.get();
        let inside = place.is_multiple_of(8) && place < tables.metadata().ok()?.len();
        let offset = usize::try_from(place).ok().filter(|_| inside)? / page_size() * page_size();
        Region::of_file(tables.as_fd(), offset, page_size() / 8).ok()
    }

    /// Where the counter lies in its page.
    fn index(&self) -> usize {
        self.place.get() as usize % page_size() / 8
    }
}
