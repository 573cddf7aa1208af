//! Call traces through an orchestrator, judged: what must be in them, what must not, and whether others can read them.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::capture;
use crate::radio::subscriber::Subscriber;

/// Whether a ladder has messages of all these names.
///
/// # Errors
/// The first that it has not.
pub(crate) fn has(ladder: &Value, names: &[&str]) -> Result<()> {
    let messages = ladder["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for name in names {
        let seen = messages.iter().any(|message| message["name"] == *name);
        ensure!(seen, "the ladder has no {name}: {ladder}");
    }
    Ok(())
}

/// Whether tshark reads a capture without complaint, where there is a tshark, and no key of the subscriber's is in it or in the ladder.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn judge(file: &Path, ladder: &Value, subscriber: &Subscriber) -> Result<()> {
    let octets = std::fs::read(file)?;
    ensure!(octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "{} is no pcapng", file.display());
    let ladder = ladder.to_string().to_lowercase();
    for (what, key) in [("K", subscriber.k_hex()), ("OPc", subscriber.opc_hex())] {
        let digits = |at: usize| u8::from_str_radix(key.get(at..at + 2)?, 16).ok();
        let raw: Vec<u8> = (0..key.len()).step_by(2).filter_map(digits).collect();
        let within = octets.windows(raw.len()).any(|window| window == raw);
        ensure!(!within && !ladder.contains(&key.to_lowercase()), "{what} is in the trace");
    }
    match capture::complaints(file, false)? {
        Some(complaints) if !complaints.is_empty() => bail!("tshark complains: {}", complaints.join("; ")),
        _ => Ok(()),
    }
}
