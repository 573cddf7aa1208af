//! Tables that were replaced: what they have counted is read once more, whatever their form.
//!
//! Such tables stay pinned, in a folder beside the new ones, until everything that they counted has been settled: so the process that
//! replaced them may be killed at any moment. They say themselves where their counters lie (`basalt_ebpf_abi::layout`), so also
//! tables of another release are read.

use crate::error::Error;
use crate::kept::Place;
use crate::ledger::Reading;
use crate::region::Region;
use crate::service::{Parts, Volume};
use crate::sessions::address;
use crate::shelf::Shelf;
use aya::maps::{MapData, MapInfo};
use basalt_ebpf_abi::{Described as D, LAYOUT_MAGIC, LAYOUT_WORDS, Shared32, maps};
use basalt_ids::{Ebi, Teid};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Replaced tables, mapped in.
pub(crate) struct Predecessor {
    whence: Whence,
    layout: [u32; LAYOUT_WORDS],
    settings: Words,
    uplink: Words,
    downlink: Words,
    bearers: Words,
    rules: Words,
}

/// Where replaced tables are kept until they are settled.
#[derive(Debug, Clone)]
pub(crate) enum Whence {
    /// Pinned in a folder.
    Folder(PathBuf),
    /// In a file that lies on the shelf under this name.
    Shelf(Arc<dyn Shelf>, &'static str),
}

impl Whence {
    /// Nobody needs them any more.
    pub(crate) fn remove(&self) {
        match self {
            Self::Folder(folder) => remove(folder),
            Self::Shelf(shelf, name) => shelf.remove(name),
        }
    }
}

/// The values of a map as words.
struct Words {
    region: Region<Shared32>,
    /// Words of a value.
    stride: usize,
    length: usize,
}

/// A bit of an uplink record's flags that no program reads: the session goes on in the tables that took the place of these.
const MOVED: u32 = 1 << 31;
/// What the folders' names begin with.
const PREFIX: &str = "replaced-";

impl Words {
    fn open(folder: &Path, name: &str) -> Option<Self> {
        let map = MapData::from_pin(folder.join(name)).ok()?;
        let info = map.info().ok()?;
        // The kernel gives each value a multiple of eight octets.
        let stride = usize::try_from(info.value_size().next_multiple_of(8)).ok()? / 4;
        let length = usize::try_from(info.max_entries()).ok()?;
        let region = Region::of_map(map.fd().as_fd(), stride.checked_mul(length)?).ok()?;
        Some(Self { region, stride, length })
    }

    fn of_file(file: BorrowedFd<'_>, place: Place) -> Option<Self> {
        let (stride, length) = (place.stride as usize, place.length as usize);
        let offset = usize::try_from(place.offset).ok()?;
        let region = Region::of_file(file, offset, stride.checked_mul(length)?).ok()?;
        Some(Self { region, stride, length })
    }

    fn cell(&self, index: usize, octets: u32) -> Option<&Shared32> {
        let word = octets as usize / 4;
        if word >= self.stride || index >= self.length {
            return None;
        }
        self.region.get(index * self.stride + word)
    }

    fn word(&self, index: usize, octets: u32) -> u32 {
        self.cell(index, octets).map_or(0, Shared32::get)
    }

    /// Nobody counts here any more, so two loads are as good as one.
    fn long(&self, index: usize, octets: u32) -> u64 {
        let halves = [self.word(index, octets), self.word(index, octets + 4)].map(u32::to_ne_bytes);
        let [[a, b, c, d], [e, f, g, h]] = halves;
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Puts pinned tables aside. What cannot be read again is removed.
pub(crate) fn put_aside(pins: &Path) -> Result<(), Error> {
    if MapInfo::from_pin(pins.join(maps::SETTINGS)).is_err() {
        return Ok(());
    }
    let folder = (0..u32::MAX).map(|number| pins.with_file_name(format!("{PREFIX}{number:04}"))).find(|f| !f.exists());
    let Some(folder) = folder else { return Ok(()) };
    fs::rename(pins, &folder).map_err(Error::system(format!("renaming {}", pins.display())))?;
    fs::create_dir_all(pins).map_err(Error::system(format!("creating {}", pins.display())))
}

/// All tables that were put aside, the oldest first. Those of releases that did not say where they counted are given up, loudly.
pub(crate) fn all(directory: &Path) -> Vec<Predecessor> {
    let mut folders: Vec<PathBuf> = folders(directory);
    folders.sort();
    folders
        .into_iter()
        .filter_map(|folder| {
            let found = Predecessor::open(&folder);
            if found.is_none() && is_blank(&folder) {
                tracing::debug!(folder = %folder.display(), "tables of before that no program ever had");
                remove(&folder);
            } else if found.is_none() {
                tracing::warn!(folder = %folder.display(), "tables of before cannot be read: what they counted last is lost");
                remove(&folder);
            }
            found
        })
        .collect()
}

/// Whether these tables were never furnished: who made them was killed before its programs were loaded, so nothing was counted there.
fn is_blank(folder: &Path) -> bool {
    Words::open(folder, maps::SETTINGS)
        .is_some_and(|words| (0..words.stride).all(|word| words.word(0, word as u32 * 4) == 0))
}

/// Folders of tables that were put aside.
pub(crate) fn folders(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))).collect()
}

/// Removes tables that were put aside.
pub(crate) fn remove(folder: &Path) {
    let Ok(files) = fs::read_dir(folder) else { return };
    for file in files.flatten() {
        // What stays is found again at the next start.
        let _ = fs::remove_file(file.path());
    }
    let _ = fs::remove_dir(folder);
}

impl Predecessor {
    fn open(folder: &Path) -> Option<Self> {
        Self::over(Whence::Folder(folder.to_path_buf()), |number| {
            let names = [maps::SETTINGS, maps::UPLINK, maps::DOWNLINK, maps::BEARERS, maps::RULE_STATES];
            Words::open(folder, names.get(number)?)
        })
    }

    /// Those in a file, where settings, uplink, downlink, bearers and states of rules lie at these places.
    pub(crate) fn of_file(file: BorrowedFd<'_>, places: [Place; 5], whence: Whence) -> Option<Self> {
        Self::over(whence, |number| Words::of_file(file, *places.get(number)?))
    }

    fn over(whence: Whence, open: impl Fn(usize) -> Option<Words>) -> Option<Self> {
        let settings = open(0)?;
        let first = settings.stride.checked_sub(LAYOUT_WORDS)?;
        let mut layout = [0; LAYOUT_WORDS];
        for (number, word) in layout.iter_mut().enumerate() {
            *word = settings.region.get(first + number)?.get();
        }
        let sound = layout.first() == Some(&LAYOUT_MAGIC);
        sound.then_some(())?;
        Some(Self {
            whence,
            layout,
            settings,
            uplink: open(1)?,
            downlink: open(2)?,
            bearers: open(3)?,
            rules: open(4)?,
        })
    }

    /// Where they are kept.
    pub(crate) const fn whence(&self) -> &Whence {
        &self.whence
    }

    /// Where they are pinned, if they are.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.whence {
            Whence::Folder(folder) => Some(folder),
            Whence::Shelf(..) => None,
        }
    }

    fn at(&self, what: D) -> u32 {
        self.layout.get(what as usize).copied().unwrap_or(0)
    }

    /// Says of every session that it goes on elsewhere. Programs must have left these tables.
    pub(crate) fn close(&self) {
        for index in 0..self.uplink.length {
            let cell = |what| self.uplink.cell(index, self.at(what));
            let (Some(teid), Some(closed), Some(flags)) =
                (cell(D::UplinkTeid), cell(D::UplinkClosed), cell(D::UplinkFlags))
            else {
                return;
            };
            if teid.get() != 0 {
                flags.set(flags.get() | MOVED);
                closed.set(teid.get());
                teid.set(0);
            }
        }
    }

    /// What all sessions have counted here: final.
    pub(crate) fn readings(&self) -> Vec<Reading> {
        let epoch = self.settings.word(0, self.at(D::Epoch));
        let mask = self.settings.word(0, self.at(D::TeidMask));
        let slots: BTreeMap<u32, usize> = (0..self.downlink.length)
            .map(|slot| (self.downlink.word(slot, self.at(D::DownlinkOwner)), slot))
            .filter(|(owner, _)| *owner != 0)
            .collect();
        (0..self.uplink.length).filter_map(|index| self.reading(index, epoch, mask, &slots)).collect()
    }

    fn reading(&self, index: usize, epoch: u32, mask: u32, slots: &BTreeMap<u32, usize>) -> Option<Reading> {
        let word = |what| self.uplink.word(index, self.at(what));
        let teid = Some(word(D::UplinkTeid)).filter(|teid| *teid != 0).unwrap_or_else(|| word(D::UplinkClosed));
        if teid == 0 || word(D::UplinkHome) != teid & mask {
            return None;
        }
        let packets = self.at(D::UplinkPackets);
        let mut total = Volume {
            uplink_packets: self.uplink.long(index, packets),
            uplink_bytes: self.uplink.long(index, packets + 8),
            ..Volume::default()
        };
        let mut parts = Parts::default();
        if let Some(slot) = slots.get(&teid) {
            let packets = self.at(D::DownlinkPackets);
            total.downlink_packets = self.downlink.long(*slot, packets);
            total.downlink_bytes = self.downlink.long(*slot, packets + 8);
            self.bearers_of(self.downlink.word(*slot, self.at(D::DownlinkBearers)), &mut total, &mut parts);
            self.rules_of(teid, word(D::UplinkStates), word(D::UplinkStateCount), &mut parts);
        }
        Some(Reading {
            teid: Teid(teid),
            address: address(word(D::UplinkUe), self.uplink.long(index, self.at(D::UplinkPrefix)))?,
            epoch: u64::from(epoch) << 32 | u64::from(word(D::UplinkSerial)),
            closed: true,
            moved: word(D::UplinkTeid) != 0 || word(D::UplinkFlags) & MOVED != 0,
            total,
            parts,
        })
    }

    fn bearers_of(&self, block: u32, total: &mut Volume, parts: &mut Parts) {
        if block == 0 {
            return;
        }
        let first = block as usize * self.at(D::BearerBlock) as usize;
        for index in first..first + self.at(D::BearerBlock) as usize {
            let [sum, base] = [D::BearerVolume, D::BearerBase].map(|what| volume(&self.bearers, index, self.at(what)));
            total.uplink_packets += sum.uplink_packets;
            total.uplink_bytes += sum.uplink_bytes;
            total.downlink_packets += sum.downlink_packets;
            total.downlink_bytes += sum.downlink_bytes;
            let ebi = u8::try_from(self.bearers.word(index, self.at(D::BearerEbi))).ok();
            if self.bearers.word(index, self.at(D::BearerOwner)) != 0
                && let Some(Ok(ebi)) = ebi.map(Ebi::new)
            {
                let used = Volume {
                    uplink_packets: sum.uplink_packets.wrapping_sub(base.uplink_packets),
                    uplink_bytes: sum.uplink_bytes.wrapping_sub(base.uplink_bytes),
                    downlink_packets: sum.downlink_packets.wrapping_sub(base.downlink_packets),
                    downlink_bytes: sum.downlink_bytes.wrapping_sub(base.downlink_bytes),
                };
                parts.bearers.insert(ebi, used);
            }
        }
    }

    fn rules_of(&self, teid: u32, first: u32, count: u32, parts: &mut Parts) {
        let first = first as usize;
        for index in first..first.saturating_add(count as usize).min(self.rules.length) {
            if self.rules.word(index, self.at(D::RuleOwner)) == teid {
                let used = volume(&self.rules, index, self.at(D::RuleVolume));
                parts.rules.insert(self.rules.word(index, self.at(D::RuleNumber)), used);
            }
        }
    }
}

/// Four counters in a run.
fn volume(words: &Words, index: usize, octets: u32) -> Volume {
    let [uplink_packets, uplink_bytes, downlink_packets, downlink_bytes] =
        [0, 8, 16, 24].map(|place| words.long(index, octets + place));
    Volume { uplink_packets, uplink_bytes, downlink_packets, downlink_bytes }
}
