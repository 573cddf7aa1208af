//! Recordings: what went into a core (and what came out), one JSON line each.
//!
//! ```text
//! {"basalt_recording":1,"about":"agwd 0.1.0, seed 42"}
//! {"t":1000,"k":"in","v":{"Radio":{"link":1,"pdu":"..."}}}
//! {"t":1000,"k":"out","v":{"Send":{"link":1,"pdu":"..."}}}
//! ```
//! Whoever records masks identities and keys first: a recording is made to be sent to somebody.

use std::io::{self, BufRead, Write};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Time;

/// The first line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordingHeader {
    /// The version of this format.
    #[serde(rename = "basalt_recording")]
    pub version: u32,
    /// What was recorded: program, version, seed, in words.
    pub about: String,
}

const VERSION: u32 = 1;

/// One recorded value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry<T> {
    /// When, on the recorder's clock.
    #[serde(rename = "t")]
    pub at: Time,
    /// Which stream it belongs to, by convention `in` for inputs and `out` for effects.
    #[serde(rename = "k")]
    pub kind: String,
    /// The value itself.
    #[serde(rename = "v")]
    pub value: T,
}

#[derive(Serialize)]
struct EntryRef<'a, T> {
    t: Time,
    k: &'a str,
    v: &'a T,
}

/// What can be wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Reading or writing failed.
    #[error("recording: {0}")]
    Io(#[from] io::Error),
    /// There is no first line, or it is not a header.
    #[error("not a recording: its first line is no header")]
    NoHeader,
    /// A format of another version of Basalt.
    #[error("recording format {0} is not supported, only {VERSION}")]
    Version(u32),
    /// A line is not an entry of the expected type.
    #[error("recording line {line}: {source}")]
    Entry {
        /// Counted from 1, the header included.
        line: usize,
        /// What serde said.
        source: serde_json::Error,
    },
}

/// Writes a recording to a file, a buffer or a [`Fingerprint`](crate::Fingerprint).
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// Starts a recording by writing its header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, about: &str) -> Result<Self, RecordingError> {
        let header = RecordingHeader { version: VERSION, about: about.to_owned() };
        let mut line = serde_json::to_vec(&header).map_err(io::Error::from)?;
        line.push(b'\n');
        out.write_all(&line)?;
        Ok(Self { out, line })
    }

    /// Adds one value.
    ///
    /// # Errors
    /// Those of the writer, and of `value`'s serialiser.
    pub fn record<T: Serialize>(&mut self, at: Time, kind: &str, value: &T) -> Result<(), RecordingError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, &EntryRef { t: at, k: kind, v: value }).map_err(io::Error::from)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        Ok(())
    }

    /// Ends the recording and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer's flush.
    pub fn finish(mut self) -> Result<W, RecordingError> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The entries of a recording, read one at a time. Made by [`replay`].
#[derive(Debug)]
pub struct Replay<R, T> {
    header: RecordingHeader,
    lines: io::Lines<R>,
    line: usize,
    values: PhantomData<fn() -> T>,
}

/// Opens a recording whose values are `T`.
///
/// # Errors
/// The input cannot be read, is no recording, or is of another version.
pub fn replay<T: DeserializeOwned, R: BufRead>(input: R) -> Result<Replay<R, T>, RecordingError> {
    let mut lines = input.lines();
    let first = lines.next().ok_or(RecordingError::NoHeader)??;
    let header: RecordingHeader = serde_json::from_str(&first).map_err(|_| RecordingError::NoHeader)?;
    if header.version != VERSION {
        return Err(RecordingError::Version(header.version));
    }
    Ok(Replay { header, lines, line: 1, values: PhantomData })
}

impl<R, T> Replay<R, T> {
    /// The recording's first line.
    #[must_use]
    pub const fn header(&self) -> &RecordingHeader {
        &self.header
    }
}

impl<R: BufRead, T: DeserializeOwned> Iterator for Replay<R, T> {
    type Item = Result<Entry<T>, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = match self.lines.next()? {
            Ok(text) => text,
            Err(error) => return Some(Err(error.into())),
        };
        self.line += 1;
        let line = self.line;
        Some(serde_json::from_str(&text).map_err(|source| RecordingError::Entry { line, source }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Fingerprint;

    type Pdu = (u32, Vec<u8>);

    fn record(entries: &[(u64, Pdu)]) -> Vec<u8> {
        let mut recorder = Recorder::new(Vec::new(), "test").unwrap();
        for (at, value) in entries {
            recorder.record(Time::from_micros(*at), "in", value).unwrap();
        }
        recorder.finish().unwrap()
    }

    #[test]
    fn other_files_and_versions_are_refused_by_name() {
        let open = |text: &'static str| replay::<Pdu, _>(text.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert_eq!(open(""), "not a recording: its first line is no header");
        assert_eq!(open("hello\n"), "not a recording: its first line is no header");
        assert_eq!(open(r#"{"basalt_recording":9,"about":""}"#), "recording format 9 is not supported, only 1");
    }

    #[test]
    fn a_bad_line_is_named_and_does_not_end_the_rest() {
        let mut bytes = record(&[(1, (1, vec![1]))]);
        bytes.extend_from_slice(b"nonsense\n");
        bytes.extend_from_slice(b"{\"t\":3,\"k\":\"in\",\"v\":[2,[]]}\n");
        let read: Vec<_> = replay::<Pdu, _>(&bytes[..]).unwrap().collect();
        assert!(matches!(read[1], Err(RecordingError::Entry { line: 3, .. })));
        assert_eq!(read[2].as_ref().unwrap().value, (2, vec![]));
    }

    #[test]
    fn a_fingerprint_tells_recordings_apart() {
        let print = |value: u32| {
            let mut recorder = Recorder::new(Fingerprint::new(), "run").unwrap();
            recorder.record(Time::ZERO, "out", &value).unwrap();
            recorder.finish().unwrap().value()
        };
        assert_eq!(print(1), print(1));
        assert_ne!(print(1), print(2));
    }

    proptest! {
        #[test]
        fn what_is_recorded_is_replayed(entries: Vec<(u64, Pdu)>) {
            let bytes = record(&entries);
            let replayed = replay::<Pdu, _>(&bytes[..]).unwrap();
            prop_assert_eq!(&replayed.header().about, "test");
            let replayed: Vec<_> = replayed.map(|entry| entry.map(|it| (it.at.as_micros(), it.value)).unwrap()).collect();
            prop_assert_eq!(replayed, entries);
        }
    }
}
