//! A folder on a real disk.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::Disk;

/// A folder of the file system, held by one process at a time.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    /// Open files by name.
    files: BTreeMap<String, File>,
    /// Locked as long as this value lives; the system lets go when the process dies, however it dies.
    _lock: File,
}

const LOCK: &str = "lock";
/// The records may hold (sealed) keys: nobody else's business.
const OWNER_ONLY: u32 = 0o600;

impl FileDisk {
    /// Takes the folder, making it if it is not there.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if another process has it, or it cannot be made or opened.
    pub fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let folder = folder.as_ref().to_owned();
        fs::create_dir_all(&folder)?;
        let lock = writable(&folder.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let text = format!("{} is in use by another process", folder.display());
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            TryLockError::Error(error) => error,
        })?;
        Ok(Self { folder, files: BTreeMap::new(), _lock: lock })
    }

    fn file(&mut self, name: &str) -> io::Result<&File> {
        if !self.files.contains_key(name) {
            let file = OpenOptions::new().read(true).write(true).open(self.folder.join(name))?;
            self.files.insert(name.to_owned(), file);
        }
        self.files.get(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Reads block by block; a block that cannot be read is all zeros, which the log takes for damage.
fn read_around(len: usize, read_at: impl Fn(&mut [u8], u64) -> io::Result<()>) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let mut content = vec![0; len];
    for (block, number) in content.chunks_mut(BLOCK).zip(0u64..) {
        if read_at(block, number * BLOCK as u64).is_err() {
            block.fill(0);
        }
    }
    content
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)
}

impl Disk for FileDisk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string().ok().filter(|name| name != LOCK));
            }
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(name)).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Err(error),
            _ => {
                tracing::error!(name, %error, "the disk cannot read all of this file: reading around the bad blocks");
                let file = self.file(name)?;
                let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
                Ok(read_around(len, |block, offset| file.read_exact_at(block, offset)))
            }
        })
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let file = writable(&self.folder.join(name))?;
        file.set_len(0)?;
        self.files.insert(name.to_owned(), file);
        Ok(())
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all_at(bytes, offset)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.file(name)?.set_len(len)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.files.remove(name);
        fs::remove_file(self.folder.join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = FileDisk::open(folder.path()).unwrap();
        assert_eq!(FileDisk::open(folder.path()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(held);
        assert!(FileDisk::open(folder.path()).is_ok());
    }

    #[test]
    fn bad_blocks_are_read_around() {
        let content = read_around(10_000, |block, offset| {
            block.fill(7);
            if offset == 4096 { Err(io::Error::other("input/output error")) } else { Ok(()) }
        });
        let sevens = content.iter().filter(|octet| **octet == 7).count();
        assert_eq!((content.len(), sevens, content[4095], content[4096], content[8192]), (10_000, 5_904, 7, 0, 7));
    }

    #[test]
    fn files_are_made_written_cut_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = FileDisk::open(folder.path().join("made")).unwrap();
        disk.create("a").unwrap();
        disk.write_at("a", 3, b"def").unwrap();
        disk.sync("a").unwrap();
        disk.sync_dir().unwrap();
        assert_eq!(disk.list().unwrap(), ["a"]);
        assert_eq!(disk.read("a").unwrap(), b"\0\0\0def");
        disk.truncate("a", 4).unwrap();
        assert_eq!(disk.read("a").unwrap(), b"\0\0\0d");
        disk.create("a").unwrap();
        assert_eq!(disk.read("a").unwrap(), b"");
        disk.remove("a").unwrap();
        assert_eq!(disk.read("a").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
