//! One phone's packets: into a file, or counted hop by hop.

use super::imsi as parse_imsi;
use super::stop::Stop;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::pcapng::{Direction, Packet, Writer};
use crate::table::Table;
use basalt_control_api::gateway::v1 as api;
use basalt_control_api::gateway::v1::seen_packet::Point;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// Where to stop by itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) packets: Option<u64>,
    pub(super) time: Option<Duration>,
}

/// `basalt trace ue IMSI -w FILE`: until Ctrl-C, or a bound. The file is whole at any moment.
pub(super) async fn trace(
    imsi: &str,
    path: &Path,
    snap: u32,
    bounds: Bounds,
    client: &mut Client,
    out: &mut Out<'_>,
) -> Result<()> {
    let imsi = parse_imsi(imsi)?;
    let request = api::WatchPacketsRequest { imsi: imsi.clone(), snap };
    let (mut seen, mut stop) = (client.watch(request).await?, Stop::listen()?);
    let cannot = |error: std::io::Error| {
        Error::usage(format!("{} cannot be written: {error}", path.display()), "give another file by -w FILE")
    };
    let file = File::create(path).map_err(cannot)?;
    let mut writer = Writer::new(file, concat!("basalt ", env!("CARGO_PKG_VERSION"))).map_err(cannot)?;
    let end = bounds.time.map(|time| tokio::time::Instant::now() + time);
    let mut count = 0_u64;
    while bounds.packets.is_none_or(|most| count < most) {
        let next = tokio::select! {
            next = seen.message() => next?,
            () = until(end) => break,
            () = stop.asked() => break,
        };
        let Some(packet) = next else { break };
        if write(&mut writer, &packet).map_err(cannot)? {
            count += 1;
        }
    }
    if out.is_json() {
        let answer = serde_json::json!({ "imsi": imsi, "file": path.display().to_string(), "packets": count });
        return Ok(out.json(&answer)?);
    }
    Ok(out.line(&format!("{count} packets of {imsi} are in {}", path.display()))?)
}

/// Waits for this moment; for ever without one.
pub(super) async fn until(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Writes a packet. What was dropped is there already as it came in; what is said of it is a packet of its own, with a comment.
fn write(writer: &mut Writer<File>, packet: &api::SeenPacket) -> std::io::Result<bool> {
    let (direction, what) = match packet.point() {
        Point::RadioIn | Point::InternetIn => (Direction::In, ""),
        Point::InternetOut | Point::RadioOut => (Direction::Out, ""),
        Point::UplinkDropped | Point::DownlinkDropped => (Direction::In, "dropped: "),
        Point::UplinkPunted | Point::DownlinkPunted => (Direction::In, "left to the slow path: "),
    };
    let comment = if what.is_empty() { String::new() } else { format!("{what}{}", packet.reason) };
    writer.write(&Packet {
        interface: &packet.interface,
        unix_nanos: packet.unix_nanos,
        direction,
        length: packet.length,
        octets: &packet.frame,
        comment: &comment,
    })?;
    Ok(true)
}

/// What was counted at one point.
#[derive(Debug, Default)]
struct Hop {
    packets: u64,
    octets: u64,
    interface: String,
    reasons: BTreeMap<String, u64>,
}

/// `basalt describe ue IMSI --packets`: counts for a while, hop by hop, and says where packets stop.
pub(super) async fn hops(imsi: &str, time: Duration, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::WatchPacketsRequest { imsi: imsi.to_owned(), snap: 0 };
    let mut seen = client.watch(request).await?;
    let end = tokio::time::Instant::now() + time;
    let mut hops: BTreeMap<i32, Hop> = BTreeMap::new();
    while let Ok(next) = tokio::time::timeout_at(end, seen.message()).await {
        let Some(packet) = next? else { break };
        let hop = hops.entry(packet.point).or_default();
        hop.packets += 1;
        hop.octets += u64::from(packet.length);
        if !packet.reason.is_empty() {
            *hop.reasons.entry(packet.reason).or_default() += 1;
        }
        hop.interface = packet.interface;
    }
    if out.is_json() {
        let list: Vec<_> = POINTS.iter().map(|(point, name)| json(name, hops.get(&(*point as i32)))).collect();
        let answer = serde_json::json!({ "seconds": time.as_secs_f64(), "hops": list, "verdict": verdict(&hops) });
        return Ok(out.json(&answer)?);
    }
    let mut table = Table::new(&["HOP", "INTERFACE", ">PACKETS", ">OCTETS", "REASONS"]);
    for (point, name) in POINTS {
        let none = Hop::default();
        let hop = hops.get(&(point as i32)).unwrap_or(&none);
        let reasons: Vec<String> = hop.reasons.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
        table.row([
            name.to_owned(),
            hop.interface.clone(),
            hop.packets.to_string(),
            hop.octets.to_string(),
            reasons.join(", "),
        ]);
    }
    out.table(&table, "")?;
    for line in verdict(&hops) {
        out.line(&line)?;
    }
    Ok(())
}

/// The hops in the order of a packet's way, up and back.
const POINTS: [(Point, &str); 8] = [
    (Point::RadioIn, "from the base station"),
    (Point::UplinkDropped, "  stopped by checks, rules or limits"),
    (Point::UplinkPunted, "  left to the slow path"),
    (Point::InternetOut, "to the internet"),
    (Point::InternetIn, "from the internet"),
    (Point::DownlinkDropped, "  stopped by checks, rules or limits"),
    (Point::DownlinkPunted, "  left to the slow path"),
    (Point::RadioOut, "to the base station"),
];

fn json(name: &str, hop: Option<&Hop>) -> serde_json::Value {
    let none = Hop::default();
    let hop = hop.unwrap_or(&none);
    serde_json::json!({
        "hop": name.trim(),
        "interface": hop.interface,
        "packets": hop.packets,
        "octets": hop.octets,
        "reasons": hop.reasons,
    })
}

/// Where packets stop, in words.
fn verdict(hops: &BTreeMap<i32, Hop>) -> Vec<String> {
    let count = |point: Point| hops.get(&(point as i32)).map_or(0, |hop| hop.packets);
    let why = |point: Point| {
        let reasons = hops.get(&(point as i32)).map(|hop| hop.reasons.keys().cloned().collect::<Vec<_>>());
        reasons.unwrap_or_default().join(", ")
    };
    let mut lines = Vec::new();
    if count(Point::RadioIn) == 0 && count(Point::InternetIn) == 0 {
        lines.push("Nothing came from the phone, and nothing for it.".to_owned());
        return lines;
    }
    if count(Point::UplinkDropped) > 0 {
        lines.push(format!("Packets from the phone stop in the gateway: {}.", why(Point::UplinkDropped)));
    }
    if count(Point::DownlinkDropped) > 0 {
        lines.push(format!("Packets for the phone stop in the gateway: {}.", why(Point::DownlinkDropped)));
    }
    let ways = [
        ("from", [Point::RadioIn, Point::InternetOut, Point::UplinkDropped, Point::UplinkPunted]),
        ("for", [Point::InternetIn, Point::RadioOut, Point::DownlinkDropped, Point::DownlinkPunted]),
    ];
    for (way, [came, went, dropped, punted]) in ways {
        // What the slow path has sent on, or dropped, is among those.
        if count(punted).min(count(came).saturating_sub(count(went) + count(dropped))) > 0 {
            let reasons = Some(why(punted)).filter(|reasons| !reasons.is_empty());
            let reasons = reasons.map_or_else(String::new, |reasons| format!(": {reasons}"));
            lines.push(format!(
                "Packets {way} the phone wait in the gateway's slow path, or are answered there{reasons}."
            ));
        }
    }
    if count(Point::InternetOut) > 0 && count(Point::InternetIn) == 0 {
        lines.push(
            "Packets go out and nothing comes back: they stop behind the gateway, in NAT, routing or the internet."
                .to_owned(),
        );
    }
    if count(Point::RadioOut) > 0 && count(Point::RadioIn) == 0 {
        lines.push("Packets go to the base station and nothing comes from it: they stop on the radio side.".to_owned());
    }
    if lines.is_empty() {
        lines.push("Nothing stops in the gateway.".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(points: &[(Point, u64, &str)]) -> BTreeMap<i32, Hop> {
        let hop = |(point, packets, reason): &(Point, u64, &str)| {
            let reasons =
                if reason.is_empty() { BTreeMap::new() } else { BTreeMap::from([((*reason).to_owned(), *packets)]) };
            (*point as i32, Hop { packets: *packets, reasons, ..Hop::default() })
        };
        points.iter().map(hop).collect()
    }

    #[test]
    fn the_place_where_packets_stop_is_named() {
        assert_eq!(verdict(&seen(&[])), ["Nothing came from the phone, and nothing for it."]);
        let flows = seen(&[
            (Point::RadioIn, 3, ""),
            (Point::InternetOut, 3, ""),
            (Point::InternetIn, 3, ""),
            (Point::RadioOut, 3, ""),
        ]);
        assert_eq!(verdict(&flows), ["Nothing stops in the gateway."]);
        let spoofed = seen(&[(Point::RadioIn, 3, ""), (Point::UplinkDropped, 3, "spoofed_source")]);
        assert_eq!(verdict(&spoofed), ["Packets from the phone stop in the gateway: spoofed_source."]);
        let held = [(Point::RadioIn, 3, ""), (Point::UplinkPunted, 3, ""), (Point::UplinkDropped, 3, "wrong_peer")];
        assert_eq!(verdict(&seen(&held)), ["Packets from the phone stop in the gateway: wrong_peer."]);
        let idle = seen(&[(Point::InternetIn, 3, ""), (Point::DownlinkPunted, 3, "idle_phone")]);
        let waits = "Packets for the phone wait in the gateway's slow path, or are answered there: idle_phone.";
        assert_eq!(verdict(&idle), [waits]);
        let slow = [Point::RadioIn, Point::UplinkPunted, Point::InternetOut, Point::InternetIn, Point::RadioOut];
        assert_eq!(verdict(&seen(&slow.map(|point| (point, 3, "")))), ["Nothing stops in the gateway."]);
        let one_way = seen(&[(Point::RadioIn, 3, ""), (Point::InternetOut, 3, "")]);
        assert!(verdict(&one_way)[0].contains("behind the gateway"));
        let radio = seen(&[(Point::InternetIn, 3, ""), (Point::RadioOut, 3, "")]);
        assert!(verdict(&radio)[0].contains("radio side"));
    }
}
