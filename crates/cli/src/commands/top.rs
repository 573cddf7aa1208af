//! Who talks most, by rate.

use crate::client::Client;
use crate::error::Result;
use crate::output::Out;
use crate::table::Table;
use crate::text;
use basalt_control_api::gateway::v1 as api;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What a session carried in the time that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Talker {
    imsi: String,
    apn: String,
    address: String,
    downlink_bps: u64,
    uplink_bps: u64,
    downlink_packets_per_s: u64,
    uplink_packets_per_s: u64,
}

/// `basalt top`: looks at the counters twice, and shows the difference.
pub(super) async fn top(count: usize, time: Duration, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let (before, began) = (client.sessions().await?, Instant::now());
    tokio::time::sleep(time).await;
    let (after, elapsed) = (client.sessions().await?, began.elapsed());
    let mut talkers = talkers(&before, &after, elapsed);
    talkers.truncate(count);
    if out.is_json() {
        return Ok(out.json(&talkers)?);
    }
    let mut table = Table::new(&["IMSI", "APN", "ADDRESS", ">DOWN", ">UP", ">DOWN PKT/S", ">UP PKT/S"]);
    for talker in &talkers {
        table.row([
            talker.imsi.clone(),
            talker.apn.clone(),
            talker.address.clone(),
            rate(talker.downlink_bps),
            rate(talker.uplink_bps),
            talker.downlink_packets_per_s.to_string(),
            talker.uplink_packets_per_s.to_string(),
        ]);
    }
    Ok(out.table(&table, "No packets passed.")?)
}

fn rate(bits: u64) -> String {
    if bits == 0 { "0 bit/s".to_owned() } else { text::rate(bits) }
}

/// Those that carried anything, the most first.
fn talkers(before: &[api::Session], after: &[api::Session], elapsed: Duration) -> Vec<Talker> {
    let key = |session: &api::Session| (session.local_teid.clone(), session.imsi.clone());
    let before: BTreeMap<_, &api::Session> = before.iter().map(|session| (key(session), session)).collect();
    let none = api::Session::default();
    let per_second = |now: u64, then: u64, factor: u64| {
        // A counter that began anew counts from zero.
        let grown = now.checked_sub(then).unwrap_or(now).saturating_mul(factor);
        (grown as f64 / elapsed.as_secs_f64().max(1e-3)).round() as u64
    };
    let mut talkers: Vec<Talker> = after
        .iter()
        .map(|session| {
            let then = before.get(&key(session)).copied().unwrap_or(&none);
            Talker {
                imsi: session.imsi.clone(),
                apn: session.apn.clone(),
                address: session.address.clone(),
                downlink_bps: per_second(session.downlink_bytes, then.downlink_bytes, 8),
                uplink_bps: per_second(session.uplink_bytes, then.uplink_bytes, 8),
                downlink_packets_per_s: per_second(session.downlink_packets, then.downlink_packets, 1),
                uplink_packets_per_s: per_second(session.uplink_packets, then.uplink_packets, 1),
            }
        })
        .filter(|talker| talker.downlink_bps + talker.uplink_bps > 0)
        .collect();
    talkers.sort_by_key(|talker| std::cmp::Reverse(talker.downlink_bps + talker.uplink_bps));
    talkers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_come_first_and_silent_ones_not_at_all() {
        let session = |imsi: &str, down: u64, up: u64| api::Session {
            imsi: imsi.to_owned(),
            local_teid: imsi.to_owned(),
            downlink_bytes: down,
            uplink_bytes: up,
            ..Default::default()
        };
        let before = [session("1", 1_000, 0), session("2", 5_000, 5_000), session("3", 9_000, 0)];
        let after = [session("1", 2_000, 0), session("2", 5_000, 5_000), session("3", 500, 0), session("4", 0, 4_000)];
        let found = talkers(&before, &after, Duration::from_secs(2));
        let rates: Vec<(&str, u64)> = found.iter().map(|t| (t.imsi.as_str(), t.downlink_bps + t.uplink_bps)).collect();
        assert_eq!(rates, [("4", 16_000), ("1", 4_000), ("3", 2_000)]);
    }
}
