//! One phone, for whoever looks at it from afar: what its sessions carried, and where its packets go and stop, told each second
//! as a line of JSON; and letting it go.

use super::{Reporter, ask};
use crate::convert;
use crate::gateway::{Gateway, Job};
use crate::packets;
use agw_dataplane::Seen;
use agw_types::{Command, OperatorReply};
use basalt_cloud_sync::CommandState;
use basalt_control_api::gateway::v1 as api;
use basalt_ids::Imsi;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Seconds that it takes, unless it is said, and at most.
const SECONDS: u64 = 15;
const MOST_SECONDS: u64 = 120;
/// Between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Counts for a while. Hop by hop only where XDP programs run and nobody else counts.
pub(super) async fn describe(jobs: &mpsc::Sender<Job>, arguments: &Value, report: &Reporter) -> (CommandState, String) {
    let imsi = match imsi(arguments) {
        Ok(imsi) => imsi,
        Err(wrong) => return (CommandState::Failed, wrong),
    };
    let seconds = arguments.get("seconds").and_then(Value::as_u64).unwrap_or(SECONDS).clamp(1, MOST_SECONDS);
    let Some(first) = look(jobs, imsi).await else { return gone() };
    report.running(0, line(&first, &Err("the programs that count are being loaded".to_owned()))).await;
    let (mut seen, mut hops) = match watch(jobs, imsi).await {
        Ok(seen) => (Some(seen), Ok(BTreeMap::new())),
        Err(reason) => (None, Err(reason)),
    };
    let began = Instant::now();
    loop {
        count(&mut seen, &mut hops, Instant::now() + EVERY).await;
        let Some(now) = look(jobs, imsi).await else { return gone() };
        let text = line(&now, &hops);
        let passed = began.elapsed().as_secs();
        if passed >= seconds {
            return (CommandState::Done, text);
        }
        report.running(u32::try_from(100 * passed / seconds).unwrap_or(0).min(99), text).await;
    }
}

/// Lets a phone go; it may come back, and is asked to with `reattach`.
pub(super) async fn detach(jobs: &mpsc::Sender<Job>, arguments: &Value) -> (CommandState, String) {
    let imsi = match imsi(arguments) {
        Ok(imsi) => imsi,
        Err(wrong) => return (CommandState::Failed, wrong),
    };
    let reattach = arguments.get("reattach").and_then(Value::as_bool).unwrap_or(false);
    let begun = ask(jobs, move |gateway| gateway.command(Command::Detach { imsi, reattach })).await;
    let Some(reply) = begun else { return gone() };
    match reply.await {
        Ok(OperatorReply::Started) => (CommandState::Done, "the phone is let go\n".to_owned()),
        Ok(OperatorReply::NotFound) => (CommandState::Failed, "this phone is not attached here\n".to_owned()),
        Ok(OperatorReply::Refused(reason)) => (CommandState::Failed, reason),
        Err(_) => gone(),
    }
}

fn gone() -> (CommandState, String) {
    (CommandState::Failed, "agwd is stopping".to_owned())
}

fn imsi(arguments: &Value) -> Result<Imsi, String> {
    crate::subscribers::imsi(arguments.get("imsi").and_then(Value::as_str).unwrap_or_default())
}

async fn look(jobs: &mpsc::Sender<Job>, imsi: Imsi) -> Option<Option<api::Ue>> {
    ask(jobs, move |gateway: &mut Gateway| convert::ue(gateway, imsi)).await
}

async fn watch(jobs: &mpsc::Sender<Job>, imsi: Imsi) -> Result<mpsc::Receiver<Seen>, String> {
    let begin = ask(jobs, move |gateway| packets::watch(gateway, imsi, 0)).await.ok_or("agwd is stopping")?;
    let begin = begin.map_err(|status| status.message().to_owned())?;
    let begun = tokio::task::spawn_blocking(begin).await.map_err(|error| error.to_string())?;
    begun.map_err(|status| status.message().to_owned())
}

/// What was counted at one point.
#[derive(Debug, Default)]
struct Hop {
    packets: u64,
    octets: u64,
    reasons: BTreeMap<&'static str, u64>,
}

type Hops = Result<BTreeMap<&'static str, Hop>, String>;

/// Counts until a moment.
async fn count(seen: &mut Option<mpsc::Receiver<Seen>>, hops: &mut Hops, until: Instant) {
    while let Some(packets) = seen {
        match tokio::time::timeout_at(until, packets.recv()).await {
            Ok(Some(packet)) => {
                if let Ok(hops) = hops {
                    note(hops, packet.point, packet.length, packet.reason);
                }
            }
            Ok(None) => *seen = None,
            Err(_) => return,
        }
    }
    tokio::time::sleep_until(until).await;
}

fn note(
    hops: &mut BTreeMap<&'static str, Hop>,
    point: basalt_ebpf_abi::Point,
    length: u32,
    reason: Option<&'static str>,
) {
    let hop = hops.entry(name(point)).or_default();
    hop.packets += 1;
    hop.octets += u64::from(length);
    if let Some(reason) = reason {
        *hop.reasons.entry(reason).or_default() += 1;
    }
}

/// The stable name of a point.
const fn name(point: basalt_ebpf_abi::Point) -> &'static str {
    use basalt_ebpf_abi::Point;
    match point {
        Point::RadioIn => "radio-in",
        Point::InternetOut => "internet-out",
        Point::InternetIn => "internet-in",
        Point::RadioOut => "radio-out",
        Point::UplinkDropped => "uplink-dropped",
        Point::DownlinkDropped => "downlink-dropped",
        Point::UplinkPunted => "uplink-punted",
        Point::DownlinkPunted => "downlink-punted",
    }
}

/// A line of JSON: the counters of the phone's sessions since they began, and of hops since the command began.
fn line(ue: &Option<api::Ue>, hops: &Hops) -> String {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let sessions: Vec<Value> = ue.iter().flat_map(|ue| &ue.sessions).map(session).collect();
    let mut told = json!({
        "at": u64::try_from(at).unwrap_or(u64::MAX),
        "state": ue.as_ref().map(|ue| &ue.state),
        "sessions": sessions,
    });
    match hops {
        Ok(hops) => {
            let each = hops.iter().map(|(name, hop)| {
                let told = json!({"packets": hop.packets, "octets": hop.octets, "reasons": hop.reasons});
                ((*name).to_owned(), told)
            });
            told["hops"] = Value::Object(each.collect());
        }
        Err(reason) => told["no_hops"] = reason.as_str().into(),
    }
    format!("{told}\n")
}

fn session(it: &api::Session) -> Value {
    json!({
        "ebi": it.ebi,
        "apn": it.apn,
        "address": it.address,
        "uplink_bytes": it.uplink_bytes,
        "uplink_packets": it.uplink_packets,
        "downlink_bytes": it.downlink_bytes,
        "downlink_packets": it.downlink_packets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_ebpf_abi::Point;

    #[test]
    fn a_line_has_the_counters_or_says_why_not() {
        let ue = api::Ue {
            state: "connected".to_owned(),
            sessions: vec![api::Session { ebi: 5, uplink_bytes: 7, ..api::Session::default() }],
            ..api::Ue::default()
        };
        let mut hops = BTreeMap::new();
        note(&mut hops, Point::RadioIn, 100, None);
        note(&mut hops, Point::UplinkDropped, 60, Some("spoofed_source"));
        let told: Value = serde_json::from_str(&line(&Some(ue), &Ok(hops))).unwrap();
        assert_eq!(told["sessions"][0]["uplink_bytes"], 7);
        assert_eq!(told["hops"]["radio-in"]["octets"], 100);
        assert_eq!(told["hops"]["uplink-dropped"]["reasons"]["spoofed_source"], 1);
        let told: Value = serde_json::from_str(&line(&None, &Err("no XDP".to_owned()))).unwrap();
        assert_eq!((&told["no_hops"], &told["state"]), (&json!("no XDP"), &Value::Null));
        assert!(imsi(&json!({"imsi": "-f"})).is_err() && imsi(&json!({})).is_err());
    }
}
