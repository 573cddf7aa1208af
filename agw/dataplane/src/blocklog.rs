//! Who had which ports of which external address, and when: what authorities ask an operator that translates addresses (RFC 6888 §4).
//!
//! One line of JSON for each block that is given or taken back, in files that start with all blocks given at that moment, so that each
//! file answers for its time alone and old ones can be removed. Written by a thread of its own and synced to disk after each batch; a
//! crash of the gateway loses nothing, since blocks are pinned with their tables and lines that are missing are made up for at the next start.

use basalt_ids::Imsi;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the log is and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Folder of its files.
    pub directory: PathBuf,
    /// How long a file is kept after its last line.
    pub age: Duration,
    /// Most octets of all files together; the oldest go first.
    pub octets: u64,
}

/// What happened to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A subscriber got it.
    Given,
    /// The subscriber has it not any more.
    Taken,
    /// The subscriber has it still, while a new file begins.
    Held,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, seconds since 1970 UTC.
    pub time: u64,
    /// What happened.
    pub what: What,
    /// Whose; written in full, as it is what is asked for.
    #[serde(with = "digits")]
    pub imsi: Imsi,
    /// The phone's own address.
    pub inside: Ipv4Addr,
    /// The external address.
    pub outside: Ipv4Addr,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// Since when the subscriber has had it.
    pub since: u64,
}

mod digits {
    use basalt_ids::Imsi;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(imsi: &Imsi, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&imsi.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Imsi, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("no IMSI"))
    }
}

/// Who had a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Whose block it was.
    pub imsi: Imsi,
    /// The phone's own address.
    pub inside: Ipv4Addr,
    /// First and last port of the block.
    pub ports: (u16, u16),
    /// Since when, seconds since 1970 UTC.
    pub since: u64,
    /// Until when; `None` if nothing is known of its end.
    pub until: Option<u64>,
}

/// Lines that may wait for the disk.
const QUEUE: usize = 65_536;
/// A file is followed by a new one when it is this large or this old.
const FILE_OCTETS: u64 = 8 << 20;
const FILE_SECONDS: u64 = 86_400;

/// The log's writing end.
pub(crate) struct BlockLog {
    lines: Option<SyncSender<Entry>>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for BlockLog {
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            // A thread that panicked has said so already.
            let _ = writer.join();
        }
    }
}

impl BlockLog {
    /// Opens the log; gives the blocks that it believes to be given.
    pub(crate) fn open(keep: &Keep) -> io::Result<(Self, Vec<Entry>)> {
        fs::create_dir_all(&keep.directory)?;
        let held = match files(&keep.directory)?.last() {
            Some((_, path)) => replay(path, u64::MAX)?,
            None => BTreeMap::new(),
        };
        let list = held.values().cloned().collect();
        let (lines, queue) = mpsc::sync_channel(QUEUE);
        let mut writer = Writer { keep: keep.clone(), held, file: None, began: 0, octets: 0 };
        let run = move || writer.run(&queue);
        let writer = thread::Builder::new().name("nat-log".into()).spawn(run)?;
        Ok((Self { lines: Some(lines), writer: Some(writer) }, list))
    }

    /// Writes a line. Waits where the disk is far behind: no block goes unrecorded.
    pub(crate) fn write(&self, entry: Entry) {
        if self.lines.as_ref().is_none_or(|lines| lines.send(entry).is_err()) {
            tracing::error!("the log of port blocks is not written any more");
        }
    }
}

struct Writer {
    keep: Keep,
    held: BTreeMap<(Ipv4Addr, u16), Entry>,
    file: Option<File>,
    began: u64,
    octets: u64,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Entry>) {
        while let Ok(first) = queue.recv() {
            let batch: Vec<Entry> = std::iter::once(first).chain(queue.try_iter().take(QUEUE)).collect();
            if let Err(error) = self.write(&batch) {
                tracing::error!(%error, directory = %self.keep.directory.display(), "the log of port blocks cannot be written");
                self.file = None;
            }
        }
    }

    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        let now = now();
        if self.file.is_none() || self.octets > FILE_OCTETS || now.saturating_sub(self.began) > FILE_SECONDS {
            self.begin(now)?;
        }
        for entry in batch {
            note(&mut self.held, entry.clone());
        }
        let text = text(batch.iter())?;
        self.octets += text.len() as u64;
        if let Some(file) = &mut self.file {
            file.write_all(&text)?;
            file.sync_data()?;
        }
        Ok(())
    }

    /// Starts a file with all that is given now.
    fn begin(&mut self, now: u64) -> io::Result<()> {
        let last = files(&self.keep.directory)?.last().map_or(0, |(began, _)| *began);
        let began = now.max(last + 1);
        let path = self.keep.directory.join(format!("{began:012}.log"));
        let mut file = fs::OpenOptions::new().create_new(true).append(true).open(path)?;
        let held: Vec<Entry> =
            self.held.values().map(|entry| Entry { time: now, what: What::Held, ..entry.clone() }).collect();
        let text = text(held.iter())?;
        file.write_all(&text)?;
        (self.file, self.began, self.octets) = (Some(file), began, text.len() as u64);
        self.forget(now)
    }

    /// Removes files that are too old or too many; never the newest.
    fn forget(&self, now: u64) -> io::Result<()> {
        let files = files(&self.keep.directory)?;
        let mut total = 0;
        // From the newest on; a file ends where the next one begins.
        let mut ended = now;
        for (began, path) in files.iter().rev() {
            let octets = fs::metadata(path).map_or(0, |file| file.len());
            total += octets;
            let old = now.saturating_sub(ended) > self.keep.age.as_secs();
            if *began != self.began && (old || total > self.keep.octets) {
                fs::remove_file(path)?;
            }
            ended = *began;
        }
        Ok(())
    }
}

fn text<'e>(entries: impl Iterator<Item = &'e Entry>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, entry)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn note(held: &mut BTreeMap<(Ipv4Addr, u16), Entry>, entry: Entry) {
    let key = (entry.outside, entry.first);
    match entry.what {
        What::Given | What::Held => held.insert(key, entry),
        What::Taken => held.remove(&key),
    };
}

/// The files with the times at which they begin, oldest first.
fn files(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        let began = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(began) = began.filter(|_| path.extension().is_some_and(|extension| extension == "log")) {
            files.push((began, path));
        }
    }
    files.sort();
    Ok(files)
}

/// Lines of a file; one that a crash has cut short is left out.
fn entries(path: &Path) -> io::Result<impl Iterator<Item = Entry>> {
    let lines = BufReader::new(File::open(path)?).lines();
    Ok(lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok()))
}

/// The blocks that were given at a time, by a file that had begun.
fn replay(path: &Path, time: u64) -> io::Result<BTreeMap<(Ipv4Addr, u16), Entry>> {
    let mut held = BTreeMap::new();
    for entry in entries(path)?.filter(|entry| entry.time <= time || entry.what == What::Held) {
        note(&mut held, entry);
    }
    Ok(held)
}

/// Who had this port of this external address at this time, in seconds since 1970 UTC.
///
/// # Errors
/// The log cannot be read.
pub fn who_had(directory: &Path, outside: Ipv4Addr, port: u16, time: u64) -> io::Result<Option<Holder>> {
    let files = files(directory)?;
    let mut found: Option<Holder> = None;
    for (_, path) in &files {
        for entry in entries(path)? {
            if entry.outside != outside || !(entry.first..=entry.last).contains(&port) {
                continue;
            }
            if entry.what == What::Taken {
                if let Some(holder) =
                    found.as_mut().filter(|holder| holder.imsi == entry.imsi && holder.until.is_none())
                {
                    holder.until = Some(entry.time);
                }
            } else if entry.since <= time && found.as_ref().is_none_or(|holder| holder.since < entry.since) {
                let Entry { imsi, inside, first, last, since, .. } = entry;
                found = Some(Holder { imsi, inside, ports: (first, last), since, until: None });
            }
        }
    }
    Ok(found.filter(|holder| holder.until.is_none_or(|until| time < until)))
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

    fn entry(time: u64, what: What, imsi: &str, first: u16, since: u64) -> Entry {
        let inside = Ipv4Addr::new(10, 45, 0, 7);
        Entry { time, what, imsi: imsi.parse().unwrap(), inside, outside: OUTSIDE, first, last: first + 511, since }
    }

    fn folder(name: &str) -> Keep {
        let directory = std::env::temp_dir().join(format!("basalt-natlog-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        Keep { directory, age: Duration::from_secs(3600), octets: 1 << 20 }
    }

    #[test]
    fn a_port_is_traced_to_who_had_it_then() {
        let keep = folder("trace");
        let (log, held) = BlockLog::open(&keep).unwrap();
        assert!(held.is_empty());
        log.write(entry(1000, What::Given, "001010000000001", 1024, 1000));
        log.write(entry(2000, What::Taken, "001010000000001", 1024, 1000));
        log.write(entry(3000, What::Given, "001010000000002", 1024, 3000));
        drop(log);
        let who = |port, time| {
            let holder = who_had(&keep.directory, OUTSIDE, port, time).unwrap()?;
            Some((holder.imsi.to_string(), holder.since, holder.until))
        };
        let first = "001010000000001".to_owned();
        assert_eq!(who(1024, 999), None);
        assert_eq!(who(1024, 1000), Some((first.clone(), 1000, Some(2000))));
        assert_eq!(who(1535, 1999), Some((first, 1000, Some(2000))));
        assert_eq!(who(1536, 1500), None);
        assert_eq!(who(1024, 2500), None, "nobody's between");
        assert_eq!(who(1030, 9999), Some(("001010000000002".to_owned(), 3000, None)));
        // The next start knows what is given.
        let (_, held) = BlockLog::open(&keep).unwrap();
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].since, 3000);
        fs::remove_dir_all(&keep.directory).unwrap();
    }

    #[test]
    fn a_new_file_begins_with_what_is_given_and_old_files_go() {
        let keep = Keep { age: Duration::ZERO, ..folder("rotate") };
        fs::create_dir_all(&keep.directory).unwrap();
        let mut writer = Writer { keep: keep.clone(), held: BTreeMap::new(), file: None, began: 0, octets: 0 };
        writer.write(&[entry(1000, What::Given, "001010000000001", 1024, 1000)]).unwrap();
        let first = files(&keep.directory).unwrap().remove(0).1;
        writer.octets = FILE_OCTETS + 1;
        writer.write(&[entry(1500, What::Given, "001010000000002", 2048, 1500)]).unwrap();
        writer.octets = FILE_OCTETS + 1;
        writer.began -= 10;
        writer.write(&[entry(1600, What::Taken, "001010000000002", 2048, 1500)]).unwrap();
        let left = files(&keep.directory).unwrap();
        assert!(!left.iter().any(|(_, path)| *path == first) || left.len() <= 3);
        // What was given in a file that is gone is known all the same.
        let holder = who_had(&keep.directory, OUTSIDE, 1024, 1700).unwrap().unwrap();
        assert_eq!((holder.since, holder.until), (1000, None));
        // A line cut short by a crash does not hide the others.
        let (_, newest) = left.last().unwrap();
        fs::OpenOptions::new().append(true).open(newest).unwrap().write_all(b"{\"time\":17").unwrap();
        assert!(who_had(&keep.directory, OUTSIDE, 1024, 1700).unwrap().is_some());
        fs::remove_dir_all(&keep.directory).unwrap();
    }
}
