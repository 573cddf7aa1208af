//! Log tail: the last lines of the log, and those that come while somebody looks. Whatever looks like a key is taken out first.

use super::Reporter;
use crate::tap;
use basalt_cloud_sync::CommandState;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

/// Seconds of live lines at most.
const MOST_SECONDS: u64 = 600;
/// Lines go to the orchestrator so often.
const FLUSH: Duration = Duration::from_millis(500);
/// Characters of one report.
const REPORT: usize = 16 << 10;

pub(super) async fn run(arguments: &Value, report: &Reporter) -> (CommandState, String) {
    let number = |field: &str| arguments.get(field).and_then(Value::as_u64);
    let lines = usize::try_from(number("lines").unwrap_or(100).min(1000)).unwrap_or(100);
    let seconds = number("seconds").unwrap_or(0).min(MOST_SECONDS);
    let (past, mut next) = tap::lines(lines);
    let mut text: String = past.iter().map(|line| redacted(line)).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let flush = (Instant::now() + FLUSH).min(until);
        loop {
            match tokio::time::timeout_at(flush, next.recv()).await {
                Ok(Ok(line)) if text.len() < REPORT => text.push_str(&redacted(&line)),
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Lagged(missed))) => text.push_str(&format!("… {missed} lines are left out\n")),
                Ok(Err(RecvError::Closed)) | Err(_) => break,
            }
        }
        let left = until.saturating_duration_since(Instant::now()).as_secs();
        let percent = u32::try_from(100 * seconds.saturating_sub(left) / seconds.max(1)).unwrap_or(0).min(99);
        if !text.is_empty() {
            report.running(percent, std::mem::take(&mut text)).await;
        }
    }
    (CommandState::Done, text)
}

/// A line without what may be a key: long runs of hexadecimal digits, and tokens to join with.
fn redacted(line: &str) -> String {
    const LONG: usize = 32;
    let mut clean = String::with_capacity(line.len());
    let mut word = String::new();
    let close = |word: &mut String, clean: &mut String| {
        let hex = word.len() >= LONG && word.bytes().all(|b| b.is_ascii_hexdigit());
        let secret = hex || ["bgt1", "setup_", "bsk_"].iter().any(|start| word.starts_with(start));
        clean.push_str(if secret { "[redacted]" } else { word });
        word.clear();
    };
    for letter in line.chars() {
        if letter.is_ascii_alphanumeric() || letter == '_' {
            word.push(letter);
        } else {
            close(&mut word, &mut clean);
            clean.push(letter);
        }
    }
    close(&mut word, &mut clean);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_out_and_all_else_stays() {
        let line = "k=465b5ce8b199b49faa5f0a2ee238a6bc imsi=001010000000001 digest 465b5ce8b199b49f\n";
        assert_eq!(redacted(line), "k=[redacted] imsi=001010000000001 digest 465b5ce8b199b49f\n");
        assert_eq!(redacted("token bgt1.core:8481.abc"), "token [redacted].core:8481.abc");
    }
}
