//! A disk in memory that does what real ones do at the worst moment, from a seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use basalt_sansio::{Rng, SimRng};

use crate::Disk;

/// A [`Disk`] in memory for tests and the simulator.
///
/// Clones are the same disk: keep one to make faults, give the other to the store. What was written but not synced is
/// lost, kept or torn at a power cut as the seed has it; so are names made or removed without a synced folder. Same seed
/// and same calls, same outcome.
#[derive(Clone, Debug)]
pub struct MemDisk {
    inner: Arc<Mutex<Inner>>,
}

/// What happens at a planned step. A step is one call that changes something: create, write, truncate, sync, remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and fails with this kind.
    Error(io::ErrorKind),
    /// A write stores only a part and then fails for want of room; other calls fail likewise.
    Full,
    /// A sync fails and what it was to make durable is dropped, as Linux does: the next sync succeeds without it.
    SyncDrops,
    /// The power goes in the middle of the call. Everything fails until [`MemDisk::rebooted`].
    PowerCut,
}

#[derive(Debug)]
struct Inner {
    /// What the running system sees.
    files: BTreeMap<String, File>,
    /// What is on the platter: contents of files that have a durable name.
    durable_names: BTreeMap<String, u64>,
    next_file: u64,
    plan: BTreeMap<u64, Fault>,
    steps: u64,
    powered: bool,
    lies: bool,
    capacity: u64,
    rng: SimRng,
    /// Contents by file number, durable and what waits to be.
    contents: BTreeMap<u64, Content>,
}

#[derive(Clone, Copy, Debug)]
struct File {
    number: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    waiting: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate(len) => to.truncate(*len),
        }
    }
}

impl MemDisk {
    /// An empty disk without limits or planned faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let inner = Inner {
            files: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            next_file: 0,
            plan: BTreeMap::new(),
            steps: 0,
            powered: true,
            lies: false,
            capacity: u64::MAX,
            rng: SimRng::new(seed),
            contents: BTreeMap::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Plans `fault` for step number `step`, counted from 0 over the whole life of the disk.
    pub fn plan(&self, step: u64, fault: Fault) {
        self.lock().plan.insert(step, fault);
    }

    /// How many steps were made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// From now on syncs say that all is durable and do nothing (or, with `false`, are honest again).
    pub fn lie_about_sync(&self, lies: bool) {
        self.lock().lies = lies;
    }

    /// Writes that would make all files together longer than this fail with [`io::ErrorKind::StorageFull`].
    pub fn limit(&self, octets: u64) {
        self.lock().capacity = octets;
    }

    /// The power goes: every call fails until [`rebooted`](Self::rebooted).
    pub fn power_cut(&self) {
        self.lock().powered = false;
    }

    /// The machine comes up again: the same disk with what survived, without the faults that were planned.
    #[must_use]
    pub fn rebooted(&self) -> Self {
        let mut inner = self.lock();
        if !inner.powered {
            inner.lose_what_is_not_durable();
        }
        inner.plan.clear();
        inner.powered = true;
        inner.lies = false;
        inner.capacity = u64::MAX;
        drop(inner);
        self.clone()
    }

    /// An independent disk with the same content, all of it durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let from = self.lock();
        let to = Self::new(from.rng.clone().next_u64());
        let mut inner = to.lock();
        for (name, file) in &from.files {
            let now = from.contents.get(&file.number).map(|content| content.now.clone()).unwrap_or_default();
            let number = inner.number(name);
            inner.contents.insert(number, Content { durable: now.clone(), now, waiting: Vec::new() });
        }
        inner.durable_names = inner.files.iter().map(|(name, file)| (name.clone(), file.number)).collect();
        drop(inner);
        to
    }

    /// The names and lengths of all files.
    #[must_use]
    pub fn files(&self) -> Vec<(String, usize)> {
        let inner = self.lock();
        let len = |file: &File| inner.contents.get(&file.number).map_or(0, |content| content.now.len());
        inner.files.iter().map(|(name, file)| (name.clone(), len(file))).collect()
    }

    /// Damages the octet at `offset` of a file by exclusive-or; nothing happens if there is none.
    pub fn damage(&self, name: &str, offset: usize, mask: u8) {
        self.lock().change(name, |octets| {
            if let Some(octet) = octets.get_mut(offset) {
                *octet ^= mask;
            }
        });
    }

    /// Cuts a file to `len` octets, durably.
    pub fn cut(&self, name: &str, len: usize) {
        self.lock().change(name, |octets| octets.truncate(len));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic of another holder is a failed test; its state is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts a step and says what is planned for it.
    fn step(&mut self) -> io::Result<Option<Fault>> {
        self.check_power()?;
        let fault = self.plan.remove(&self.steps);
        self.steps += 1;
        match fault {
            Some(Fault::Error(kind)) => Err(kind.into()),
            other => Ok(other),
        }
    }

    /// [`step`](Self::step) for calls that are whole or nothing.
    fn atomic_step(&mut self) -> io::Result<()> {
        match self.step()? {
            None | Some(Fault::SyncDrops | Fault::Error(_)) => Ok(()),
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::PowerCut) => Err(self.power_off()),
        }
    }

    fn check_power(&self) -> io::Result<()> {
        if self.powered { Ok(()) } else { Err(no_power()) }
    }

    fn power_off(&mut self) -> io::Error {
        self.powered = false;
        no_power()
    }

    fn number(&mut self, name: &str) -> u64 {
        let number = self.next_file;
        self.next_file += 1;
        self.files.insert(name.to_owned(), File { number });
        number
    }

    fn content(&mut self, name: &str) -> io::Result<&mut Content> {
        let number = self.files.get(name).map(|file| file.number);
        let content = number.and_then(|number| self.contents.get_mut(&number));
        content.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, name: &str, change: impl Fn(&mut Vec<u8>)) {
        if let Ok(content) = self.content(name) {
            change(&mut content.now);
            change(&mut content.durable);
        }
    }

    fn total(&self) -> u64 {
        self.files.values().filter_map(|file| self.contents.get(&file.number)).map(|it| it.now.len() as u64).sum()
    }

    fn write(&mut self, name: &str, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let content = self.content(name)?;
        let change = Change::Write(offset, bytes.to_vec());
        change.apply(&mut content.now);
        content.waiting.push(change);
        Ok(())
    }

    fn lose_what_is_not_durable(&mut self) {
        let mut survivors = BTreeMap::new();
        let names: Vec<String> = self.files.keys().chain(self.durable_names.keys()).cloned().collect();
        for name in names {
            let now = self.files.get(&name).map(|file| file.number);
            let durable = self.durable_names.get(&name).copied();
            let survivor = if now == durable || self.rng.chance(1, 2) { durable } else { now };
            if let Some(number) = survivor {
                survivors.insert(name, number);
            }
        }
        for content in self.contents.values_mut() {
            content.lose_what_is_not_durable(&mut self.rng);
        }
        self.contents.retain(|number, _| survivors.values().any(|survivor| survivor == number));
        self.files = survivors.iter().map(|(name, number)| (name.clone(), File { number: *number })).collect();
        self.durable_names = survivors;
    }
}

/// Pages of a write reach the platter in any order.
const PAGE: usize = 512;

impl Content {
    fn lose_what_is_not_durable(&mut self, rng: &mut SimRng) {
        // Mostly everything or nothing arrives; sometimes any mixture.
        let odds = rng.below(4);
        for change in std::mem::take(&mut self.waiting) {
            match &change {
                Change::Truncate(_) => {
                    if rng.chance(odds, 3) {
                        change.apply(&mut self.durable);
                    }
                }
                Change::Write(offset, bytes) => {
                    let mut at = *offset;
                    for page in bytes.chunks(PAGE) {
                        if rng.chance(odds, 3) {
                            let torn =
                                if rng.chance(1, 4) { rng.below(page.len() as u64 + 1) as usize } else { page.len() };
                            Change::Write(at, page[..torn].to_vec()).apply(&mut self.durable);
                        }
                        at += page.len();
                    }
                }
            }
        }
        self.now.clone_from(&self.durable);
    }
}

fn no_power() -> io::Error {
    io::Error::other("no power")
}

impl Disk for MemDisk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        let inner = self.lock();
        inner.check_power()?;
        Ok(inner.files.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let mut inner = self.lock();
        inner.check_power()?;
        Ok(inner.content(name)?.now.clone())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.atomic_step()?;
        let number = inner.number(name);
        inner.contents.insert(number, Content::default());
        Ok(())
    }

    fn write_at(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let fault = inner.step()?;
        let some = inner.rng.below(bytes.len() as u64 + 1) as usize;
        match fault {
            Some(Fault::PowerCut) => {
                inner.write(name, offset, &bytes[..some])?;
                Err(inner.power_off())
            }
            Some(Fault::Full) => {
                inner.write(name, offset, &bytes[..some])?;
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => {
                let len = inner.content(name)?.now.len();
                let growth = (offset + bytes.len()).saturating_sub(len) as u64;
                if inner.total() + growth > inner.capacity {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                inner.write(name, offset, bytes)
            }
        }
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut inner = self.lock();
        inner.atomic_step()?;
        let content = inner.content(name)?;
        let change = Change::Truncate(usize::try_from(len).map_err(io::Error::other)?);
        change.apply(&mut content.now);
        content.waiting.push(change);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let fault = inner.step()?;
        let lies = inner.lies;
        match fault {
            Some(Fault::PowerCut) => return Err(inner.power_off()),
            Some(Fault::Full) => return Err(io::ErrorKind::StorageFull.into()),
            _ => {}
        }
        let content = inner.content(name)?;
        if fault == Some(Fault::SyncDrops) {
            content.waiting.clear();
            return Err(io::Error::other("input/output error"));
        }
        if !lies {
            content.waiting.clear();
            content.durable.clone_from(&content.now);
        }
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut inner = self.lock();
        inner.atomic_step()?;
        if !inner.lies {
            inner.durable_names = inner.files.iter().map(|(name, file)| (name.clone(), file.number)).collect();
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        inner.atomic_step()?;
        inner.files.remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seed: u64) -> MemDisk {
        let disk = MemDisk::new(seed);
        let mut it = disk.clone();
        it.create("a").unwrap();
        it.write_at("a", 0, b"durable").unwrap();
        it.sync("a").unwrap();
        it.sync_dir().unwrap();
        it.write_at("a", 7, b" lost?").unwrap();
        it.create("b").unwrap();
        disk
    }

    #[test]
    fn a_power_cut_keeps_what_was_synced_and_any_part_of_the_rest() {
        let mut outcomes = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = written(seed);
            disk.power_cut();
            assert!(disk.clone().list().is_err());
            let mut disk = disk.rebooted();
            let content = disk.read("a").unwrap();
            assert!(content.starts_with(b"durable") && b"durable lost?".starts_with(&content));
            outcomes.insert((content.len(), disk.read("b").is_ok()));
        }
        assert!(outcomes.contains(&(7, false)) && outcomes.contains(&(13, true)) && outcomes.len() > 6);
    }

    #[test]
    fn the_same_seed_has_the_same_outcome() {
        let outcome = |seed| {
            let disk = written(seed);
            disk.power_cut();
            disk.rebooted().read("a").unwrap()
        };
        assert!((0..50).all(|seed| outcome(seed) == outcome(seed)));
    }

    #[test]
    fn a_lying_disk_loses_what_it_promised() {
        let lost = (0..20).any(|seed| {
            let disk = MemDisk::new(seed);
            let mut it = disk.clone();
            it.create("a").unwrap();
            it.sync_dir().unwrap();
            disk.lie_about_sync(true);
            it.write_at("a", 0, b"promised").unwrap();
            it.sync("a").unwrap();
            disk.power_cut();
            disk.rebooted().read("a").unwrap() != b"promised"
        });
        assert!(lost);
    }

    #[test]
    fn planned_faults_come_at_their_step_and_a_full_disk_refuses() {
        let disk = MemDisk::new(1);
        disk.plan(1, Fault::Error(io::ErrorKind::Other));
        let mut it = disk.clone();
        it.create("a").unwrap();
        assert!(it.write_at("a", 0, b"x").is_err());
        disk.limit(4);
        assert_eq!(it.write_at("a", 0, b"12345").unwrap_err().kind(), io::ErrorKind::StorageFull);
        it.write_at("a", 0, b"1234").unwrap();
        assert_eq!(disk.steps(), 4);
    }

    #[test]
    fn a_sync_that_failed_does_not_keep_what_it_dropped() {
        let disk = MemDisk::new(1);
        let mut it = disk.clone();
        it.create("a").unwrap();
        it.sync_dir().unwrap();
        it.write_at("a", 0, b"x").unwrap();
        disk.plan(disk.steps(), Fault::SyncDrops);
        assert!(it.sync("a").is_err());
        disk.power_cut();
        assert_eq!(disk.rebooted().read("a").unwrap(), b"");
    }
}
