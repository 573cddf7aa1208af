//! Recorded messages, from the folder `fixtures` of the repository.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::recording;

/// Which way a NAS message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To the network.
    Up,
    /// To the phone.
    Down,
}

/// All recorded S1AP-PDUs, in a fixed order.
#[must_use]
pub fn s1ap() -> &'static [Vec<u8>] {
    static ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let mut files = files("s1ap");
        files.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
        let messages = files.iter().flat_map(recording::s1ap_messages);
        distinct(messages.map(|message| message.data))
    });
    &ALL
}

/// All recorded Diameter messages, in a fixed order.
#[must_use]
pub fn diameter() -> &'static [Vec<u8>] {
    static ALL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let text = std::fs::read_to_string(folder("diameter").join("messages.txt")).unwrap_or_default();
        distinct(text.lines().filter_map(|line| octets(line.split_once(' ')?.1)))
    });
    &ALL
}

/// All recorded plain NAS messages, in a fixed order.
#[must_use]
pub fn nas() -> &'static [(Way, Vec<u8>)] {
    static ALL: LazyLock<Vec<(Way, Vec<u8>)>> = LazyLock::new(|| {
        let text = std::fs::read_to_string(folder("nas").join("plain.txt")).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        distinct(lines.filter_map(|line| {
            let mut fields = line.split(' ').skip(2);
            let way = if fields.next()? == "up" { Way::Up } else { Way::Down };
            Some((way, octets(fields.next()?)?))
        }))
    });
    &ALL
}

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../fixtures", name].iter().collect()
}

fn files(name: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(name)).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

fn distinct<T: Ord + Clone>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all.dedup();
    all
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recordings_are_found() {
        assert!(s1ap().len() > 500, "{}", s1ap().len());
        assert!(nas().len() > 200, "{}", nas().len());
        assert!(nas().iter().any(|(way, _)| *way == Way::Down));
    }
}
