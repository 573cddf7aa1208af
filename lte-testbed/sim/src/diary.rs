//! What happened, in words, to one phone and to everybody: kept only when asked for, to understand a failure.

use std::collections::VecDeque;

use basalt_nas::{Direction, Envelope, NasMessage};
use basalt_sansio::Time;

/// Lines kept.
const LINES: usize = 2_000;

#[derive(Debug, Default)]
pub(crate) struct Diary {
    phone: Option<usize>,
    lines: VecDeque<(Time, String)>,
}

impl Diary {
    pub(crate) fn of(phone: Option<u32>) -> Self {
        Self { phone: phone.map(|phone| phone as usize), lines: VecDeque::new() }
    }

    /// Something that concerns everybody.
    pub(crate) fn all(&mut self, now: Time, line: impl FnOnce() -> String) {
        if self.phone.is_some() {
            self.put(now, line());
        }
    }

    /// Something that concerns one phone.
    pub(crate) fn one(&mut self, now: Time, phone: usize, line: impl FnOnce() -> String) {
        if self.phone == Some(phone) {
            self.put(now, line());
        }
    }

    fn put(&mut self, now: Time, line: String) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back((now, line));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(at, line): &(Time, String)| {
            let micros = at.as_micros();
            format!("{:5}.{:06} {line}", micros / 1_000_000, micros % 1_000_000)
        };
        self.lines.iter().map(line).collect()
    }
}

/// A NAS message in a few words, as far as it can be read without keys.
pub(crate) fn nas_name(octets: &[u8], direction: Direction) -> String {
    match Envelope::parse(octets) {
        Ok(Envelope::Plain(plain)) => named(plain.0, direction),
        Ok(Envelope::ServiceRequest(request)) => format!("SERVICE REQUEST #{}", request.short_sequence),
        Ok(Envelope::Protected(protected)) => {
            let inside = if protected.header_type.is_ciphered() {
                "ciphered".to_owned()
            } else {
                named(protected.payload, direction)
            };
            format!("{inside} ({:?} #{})", protected.header_type, protected.sequence)
        }
        Err(error) => error.to_string(),
    }
}

fn named(octets: &[u8], direction: Direction) -> String {
    match NasMessage::decode(octets, direction) {
        Ok(message) => message.name().to_owned(),
        Err(error) => error.to_string(),
    }
}
