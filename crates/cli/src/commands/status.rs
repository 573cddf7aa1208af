//! The gateway itself.

use super::get;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Out;
use crate::{text, view};
use basalt_control_api::gateway::v1 as api;
use std::path::Path;

pub(super) async fn status(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let status = client.status().await?;
    if out.is_json() {
        return Ok(out.json(&view::Status::from(&status))?);
    }
    let count = |count: u32, one: &str, many: &str| text::counted(count.into(), one, many);
    let fields = [
        ("gateway", format!("{} (agwd {}), up {}", status.name, status.version, text::span(status.uptime_seconds))),
        ("base stations", format!("{} connected, SCTP by {}", status.enbs, sctp(&status.sctp_backend))),
        ("phones", format!("{} registered, {} connected", status.registered_ues, status.connected_ues)),
        ("sessions", format!("{} by {}", status.sessions, status.data_plane)),
        ("subscribers", status.subscribers.to_string()),
        ("from phones", traffic(status.uplink_bytes, status.uplink_packets)),
        ("to phones", traffic(status.downlink_bytes, status.downlink_packets)),
        ("dropped", drops(&status)),
    ];
    out.fields(&fields)?;
    for pool in &status.pools {
        let free = count(pool.free, "address", "addresses");
        out.fields(&[(
            "pool         ",
            format!("{} {}: {free} of {} free ({} used)", pool.apn, pool.network, pool.total, get::used(pool)),
        )])?;
    }
    if status.enbs == 0 || status.subscribers == 0 {
        out.note("Something is missing for phones to attach: `basalt doctor` says what.")?;
    }
    Ok(())
}

fn sctp(back_end: &str) -> &str {
    match back_end {
        "kernel" => "the kernel",
        "raw-ip" => "userspace over raw IP",
        "udp" => "userspace over UDP",
        other => other,
    }
}

fn traffic(octets: u64, packets: u64) -> String {
    format!("{} in {}", text::octets(octets), text::counted(packets, "packet", "packets"))
}

/// "12 packets: malformed 10, spoofed_source 2", the most frequent first.
fn drops(status: &api::GatewayStatus) -> String {
    let mut reasons: Vec<(&str, u64)> = status.drops.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
    reasons.retain(|(_, count)| *count > 0);
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let total = reasons.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
    let list: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let words = text::counted(total, "packet", "packets");
    if list.is_empty() { words } else { format!("{words}: {}", list.join(", ")) }
}

pub(super) async fn config(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let status = client.status().await?;
    if !out.is_json() {
        return Ok(out.text(&status.effective_config)?);
    }
    let table: toml::Table = status.effective_config.parse().map_err(|error: toml::de::Error| Error::Refused {
        code: "internal",
        what: format!("the gateway's configuration is no TOML: {}", error.message()),
        fix: "without -o json it is shown as it is".to_owned(),
    })?;
    Ok(out.json(&table)?)
}

/// The command's own version, and the gateway's where one answers.
pub(super) async fn version(socket: &Path, out: &mut Out<'_>) -> Result<u8> {
    let own = env!("CARGO_PKG_VERSION");
    let gateway = match Client::connect(socket).await {
        Ok(mut client) => client.status().await.ok().map(|status| status.version),
        Err(_) => None,
    };
    if out.is_json() {
        out.json(&serde_json::json!({ "basalt": own, "gateway": gateway }))?;
        return Ok(0);
    }
    out.line(&format!("basalt {own}"))?;
    match gateway {
        Some(version) => out.line(&format!("agwd {version}"))?,
        None => out.note("no gateway answers here")?,
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_reason_comes_first() {
        let drops_of = |pairs: &[(&str, u64)]| {
            let counts = pairs.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
            drops(&api::GatewayStatus { drops: counts, ..Default::default() })
        };
        assert_eq!(drops_of(&[("a", 2), ("b", 10), ("c", 0), ("d", 2)]), "14 packets: b 10, a 2, d 2");
        assert_eq!(drops_of(&[]), "0 packets");
        assert_eq!(drops_of(&[("a", u64::MAX), ("b", 1)]), format!("{} packets: a {}, b 1", u64::MAX, u64::MAX));
    }
}
