//! A call trace for the orchestrator: signalling messages as lines of JSON, bounded in time and octets.

use super::{Reporter, ask};
use crate::calls::{self, WAITING, Whom};
use crate::gateway::Job;
use basalt_cloud_sync::CommandState;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Seconds that it takes, unless it is said, and at most.
const SECONDS: u64 = 600;
const MOST_SECONDS: u64 = 3_600;
/// Octets, unless it is said, and at most.
const OCTETS: u64 = 2 << 20;
const MOST_OCTETS: u64 = 7 << 20;
/// What was recorded goes to the orchestrator at most so often.
const FLUSH: Duration = Duration::from_millis(500);

pub(super) async fn run(
    jobs: &mpsc::Sender<Job>,
    id: &str,
    arguments: &Value,
    report: &Reporter,
) -> (CommandState, String) {
    let text = |field: &str| arguments.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |field: &str, usual: u64, most: u64| {
        arguments.get(field).and_then(Value::as_u64).unwrap_or(usual).clamp(1, most)
    };
    let stop = text("stop");
    if !stop.is_empty() {
        return match ask(jobs, move |gateway| gateway.calls.stop(&stop)).await {
            Some(true) => (CommandState::Done, "the trace is ended".to_owned()),
            Some(false) => (CommandState::Done, "there is no such trace, or not any more".to_owned()),
            None => (CommandState::Failed, "agwd is stopping".to_owned()),
        };
    }
    let seconds = number("seconds", SECONDS, MOST_SECONDS);
    let most = usize::try_from(number("octets", OCTETS, MOST_OCTETS)).unwrap_or(1 << 20);
    let whom = match Whom::of(&text("imsi"), &text("base_station")) {
        Ok(whom) => whom,
        Err(wrong) => return (CommandState::Failed, wrong),
    };
    let name = id.to_owned();
    let watch = match ask(jobs, move |gateway| calls::begin(gateway, name, whom, WAITING)).await {
        Some(Ok(watch)) => watch,
        Some(Err(reason)) => return (CommandState::Failed, reason),
        None => return (CommandState::Failed, "agwd is stopping".to_owned()),
    };
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut written = 0_usize;
    let why = loop {
        let Ok(lines) = tokio::time::timeout_at(until, watch.next()).await else { break "its time is over" };
        let (fit, whole) = fitting(lines, most - written);
        written += fit.len();
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        let percent = u32::try_from(100 * seconds.saturating_sub(left) / seconds).unwrap_or(0).min(99);
        if !fit.is_empty() {
            report.data(percent, fit.into_bytes()).await;
        }
        if watch.ended() {
            break "it was ended";
        }
        if !whole {
            break "it has all the octets that it may have";
        }
        // What comes together goes together.
        tokio::time::sleep_until((Instant::now() + FLUSH).min(until)).await;
    };
    (CommandState::Done, format!("{written} octets of messages; {why}\n"))
}

/// The lines that fit in so many octets, and whether that is all of them.
fn fitting(mut lines: String, room: usize) -> (String, bool) {
    if lines.len() <= room {
        return (lines, true);
    }
    let end = lines.as_bytes().get(..room).and_then(|head| head.iter().rposition(|octet| *octet == b'\n'));
    lines.truncate(end.map_or(0, |end| end + 1));
    (lines, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_ends_with_a_whole_line() {
        assert_eq!(fitting("one\ntwo\n".to_owned(), 8), ("one\ntwo\n".to_owned(), true));
        assert_eq!(fitting("one\ntwo\n".to_owned(), 7), ("one\n".to_owned(), false));
        assert_eq!(fitting("one\n".to_owned(), 2), (String::new(), false));
    }
}
