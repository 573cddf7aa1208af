//! The log a second time, in memory: its last lines, and whoever listens to the next ones.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::broadcast;

/// Lines kept.
const LINES: usize = 1_000;
/// Octets of a line.
const LINE: usize = 4_096;
/// Lines that a slow listener may be behind before it misses some.
const BACKLOG: usize = 1_024;

struct Tap {
    past: Mutex<VecDeque<String>>,
    next: broadcast::Sender<String>,
}

fn tap() -> &'static Tap {
    static TAP: OnceLock<Tap> = OnceLock::new();
    TAP.get_or_init(|| Tap { past: Mutex::default(), next: broadcast::Sender::new(BACKLOG) })
}

/// The last lines, the oldest first, and those from now on.
pub fn lines(count: usize) -> (Vec<String>, broadcast::Receiver<String>) {
    let past = tap().past.lock().unwrap_or_else(PoisonError::into_inner);
    let skipped = past.len().saturating_sub(count);
    (past.iter().skip(skipped).cloned().collect(), tap().next.subscribe())
}

/// Where the log writes to; one write is one line.
#[derive(Debug, Clone, Copy)]
pub struct Writer;

impl Write for Writer {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(octets.get(..LINE).unwrap_or(octets)).into_owned();
        let mut past = tap().past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() >= LINES {
            past.pop_front();
        }
        past.push_back(line.clone());
        // Nobody listening is no failure.
        let _ = tap().next.send(line);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_the_next_are_heard() {
        (0..LINES + 5).for_each(|n| drop(Writer.write(format!("line {n}\n").as_bytes())));
        let (past, mut next) = lines(2);
        assert_eq!(past, [format!("line {}\n", LINES + 3), format!("line {}\n", LINES + 4)]);
        Writer.write_all(b"new\n").unwrap();
        assert_eq!(next.try_recv().unwrap(), "new\n");
    }
}
