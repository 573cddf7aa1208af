//! Where descriptors of the software plane lie while the daemon is changed for another.
//!
//! Programs and maps of XDP are pinned in the kernel. What carries packets in this process has no such place: its socket, its device and
//! the memory of its tables would go with it, and with them the packets that come meanwhile and all that was counted since somebody
//! read. So another process, which does nothing else, holds them; the next daemon takes them up as they are.

use std::fmt::Debug;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The GTP-U socket: what base stations send meanwhile waits in it.
pub(crate) const SOCKET: &str = "gtp-u";
/// Where packets to phones come out: what the kernel routes to them meanwhile waits there.
pub(crate) const DEVICE: &str = "device";
/// The memory of the tables.
pub(crate) const TABLES: &str = "tables";
/// What its threads have in hand.
pub(crate) const HAND: &str = "in-hand";
/// Tables that were replaced, as long as something is to be read from them.
pub(crate) const REPLACED: [&str; 4] = ["replaced-0", "replaced-1", "replaced-2", "replaced-3"];

/// Holds descriptors by name, longer than this process lives.
pub trait Shelf: Send + Sync + Debug {
    /// A duplicate of what lies there under this name, which goes on lying there.
    fn get(&self, name: &str) -> Option<OwnedFd>;

    /// Lays a duplicate there, in the place of what has this name.
    ///
    /// # Errors
    /// It does not lie there now: nobody holds it but this process.
    fn put(&self, name: &str, what: BorrowedFd<'_>) -> io::Result<()>;

    /// Takes away what has this name.
    fn remove(&self, name: &str);
}

/// Takes everything away: another plane carries the packets from now on.
pub(crate) fn clear(shelf: &dyn Shelf) {
    // Replaced tables stay until what they have counted is on disk.
    [SOCKET, DEVICE].into_iter().for_each(|name| shelf.remove(name));
}
