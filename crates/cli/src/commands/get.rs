//! Lists.

use crate::client::Client;
use crate::error::Result;
use crate::output::Out;
use crate::table::Table;
use crate::{text, view};
use basalt_control_api::gateway::v1 as api;

pub(super) async fn ues(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let ues = client.ues().await?;
    if out.is_json() {
        return Ok(out.json(&ues.iter().map(view::Ue::from).collect::<Vec<_>>())?);
    }
    let mut titles = vec!["IMSI", "NAME", "STATE", "ADDRESS", "ENB", "CELL", "LAST SEEN"];
    if out.is_wide() {
        titles.extend(["AREA", "GUTI", "SECURITY", "LAST REFUSAL"]);
    }
    let mut table = Table::new(&titles);
    for ue in &ues {
        let addresses: Vec<&str> = ue.sessions.iter().map(|session| session.address.as_str()).collect();
        let mut cells = vec![
            ue.imsi.clone(),
            ue.name.clone(),
            ue.state.clone(),
            addresses.join(","),
            ue.enb.clone(),
            ue.cell.clone(),
            text::age(out.now, ue.last_seen),
        ];
        if out.is_wide() {
            let reject = ue.last_reject.as_ref();
            cells.extend([
                ue.area.clone(),
                ue.guti.clone(),
                both(&ue.ciphering, &ue.integrity),
                reject.map(|r| format!("{}, {}", r.reason, text::age(out.now, r.unix_seconds))).unwrap_or_default(),
            ]);
        }
        table.push(cells);
    }
    Ok(out.table(
        &table,
        "No phones yet. A phone appears when it first speaks to the network: `basalt doctor` says what it needs.",
    )?)
}

/// "EEA2/EIA2", or nothing.
pub(super) fn both(ciphering: &str, integrity: &str) -> String {
    match (ciphering.is_empty(), integrity.is_empty()) {
        (true, true) => String::new(),
        _ => format!("{ciphering}/{integrity}"),
    }
}

pub(super) async fn enbs(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let enbs = client.enbs().await?;
    if out.is_json() {
        return Ok(out.json(&enbs.iter().map(view::Enb::from).collect::<Vec<_>>())?);
    }
    let mut titles = vec!["ID", "NAME", "STATE", ">PHONES", "SINCE"];
    if out.is_wide() {
        titles.extend(["AREAS", "ADDRESSES"]);
    }
    let mut table = Table::new(&titles);
    for enb in &enbs {
        let mut cells = vec![
            enb.id.clone(),
            enb.name.clone(),
            enb.state.clone(),
            enb.connected_ues.to_string(),
            text::age(out.now, enb.since),
        ];
        if out.is_wide() {
            cells.extend([enb.areas.join(","), enb.addresses.join(",")]);
        }
        table.push(cells);
    }
    Ok(out.table(
        &table,
        "No base stations are connected. Enter this gateway's address as MME in the base station; `basalt doctor` checks this side.",
    )?)
}

pub(super) async fn sessions(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let sessions = client.sessions().await?;
    if out.is_json() {
        return Ok(out.json(&sessions.iter().map(view::Session::from).collect::<Vec<_>>())?);
    }
    let mut table = session_table(out.is_wide());
    for session in &sessions {
        table.push(session_cells(session, out.is_wide()));
    }
    Ok(out.table(&table, "No sessions. A phone has one when it is attached: see `basalt get ues`.")?)
}

/// An empty table of sessions.
pub(super) fn session_table(wide: bool) -> Table {
    let mut titles = vec!["IMSI", ">EBI", "APN", "ADDRESS", "STATE", ">UP", ">DOWN"];
    if wide {
        titles.extend([">UP PKTS", ">DOWN PKTS", ">QCI", "AMBR DOWN/UP", "LOCAL TEID", "ENB", "ENB TEID"]);
    }
    Table::new(&titles)
}

/// One row of it.
pub(super) fn session_cells(session: &api::Session, wide: bool) -> Vec<String> {
    let mut cells = vec![
        session.imsi.clone(),
        session.ebi.to_string(),
        session.apn.clone(),
        session.address.clone(),
        session.state.clone(),
        text::octets(session.uplink_bytes),
        text::octets(session.downlink_bytes),
    ];
    if wide {
        cells.extend([
            session.uplink_packets.to_string(),
            session.downlink_packets.to_string(),
            session.qci.to_string(),
            ambr(session.ambr_downlink, session.ambr_uplink),
            session.local_teid.clone(),
            session.enb_address.clone(),
            session.enb_teid.clone(),
        ]);
    }
    cells
}

/// "50 Mbit/s / 10 Mbit/s", or "unlimited".
pub(super) fn ambr(downlink: u64, uplink: u64) -> String {
    if downlink == uplink {
        return text::rate(downlink);
    }
    format!("{} / {}", text::rate(downlink), text::rate(uplink))
}

pub(super) async fn pools(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let status = client.status().await?;
    if out.is_json() {
        return Ok(out.json(&status.pools.iter().map(view::Pool::from).collect::<Vec<_>>())?);
    }
    let mut table = Table::new(&["APN", "POOL", ">FREE", ">TOTAL", ">USED"]);
    for pool in &status.pools {
        let (free, total) = (pool.free.to_string(), pool.total.to_string());
        table.row([pool.apn.clone(), pool.network.clone(), free, total, used(pool)]);
    }
    Ok(out.table(
        &table,
        "No address pools. Add one to the configuration: [[apn]] name = \"internet\", pools = [\"10.45.0.0/16\"].",
    )?)
}

/// Part of a pool that is given out, in percent.
pub(super) fn used(pool: &api::PoolStatus) -> String {
    let (used, total) = (u64::from(pool.total.saturating_sub(pool.free)), u64::from(pool.total.max(1)));
    match used * 100 / total {
        0 if used > 0 => "<1 %".to_owned(),
        percent => format!("{percent} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_parts_in_words() {
        assert_eq!(ambr(0, 0), "unlimited");
        assert_eq!(ambr(50_000_000, 10_000_000), "50 Mbit/s / 10 Mbit/s");
        let pool = |free, total| used(&api::PoolStatus { free, total, ..Default::default() });
        assert_eq!(pool(65_000, 65_533), "<1 %");
        assert_eq!(pool(0, 10), "100 %");
        assert_eq!(pool(0, 0), "0 %");
        assert_eq!(both("", ""), "");
        assert_eq!(both("EEA2", "EIA2"), "EEA2/EIA2");
    }
}
