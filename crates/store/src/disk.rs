//! The seam between the log and what it is written to.

use std::io;

/// A flat folder of files, with just the operations that the log needs and the durability rules of a POSIX file system:
/// a write is durable after [`sync`](Self::sync) of its file, a name (made or removed) after [`sync_dir`](Self::sync_dir).
///
/// [`FileDisk`](crate::FileDisk) is the real one; [`MemDisk`](crate::MemDisk) tears, lies and fills up.
pub trait Disk: Send {
    /// The names of all files, in any order.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&mut self) -> io::Result<Vec<String>>;

    /// All octets of a file.
    ///
    /// # Errors
    /// The file is not there or cannot be read.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;

    /// Makes an empty file; one that is there already becomes empty.
    ///
    /// # Errors
    /// The file cannot be made.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// Any part could not be written; how much was is unknown.
    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `len` octets.
    ///
    /// # Errors
    /// It could not be cut.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;

    /// Returns when all that was written to the file is durable (`fdatasync`).
    ///
    /// # Errors
    /// Something may not be durable, and a later call that succeeds does not mean that it is.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// Returns when all names made and removed are durable.
    ///
    /// # Errors
    /// Some may not be.
    fn sync_dir(&mut self) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// It could not be removed.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}
