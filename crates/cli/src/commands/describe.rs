//! One thing in full.

use super::{act, get, imsi as parse_imsi, trace, usage};
use crate::args::Describe;
use crate::client::Client;
use crate::error::Result;
use crate::output::Out;
use crate::table::Table;
use crate::{text, view};
use basalt_control_api::gateway::v1 as api;
use std::time::Duration;

pub(super) async fn run(what: Describe, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    match what {
        Describe::Ue { imsi, packets: true, time } => {
            trace::hops(&parse_imsi(&imsi)?, Duration::from_secs(time), client, out).await
        }
        Describe::Ue { imsi, .. } => ue(&imsi, client, out).await,
        Describe::Usage { imsi } => usage::describe(&imsi, client, out).await,
        Describe::Enb { id } => enb(&id, client, out).await,
        // An orchestrator's: taken care of before.
        Describe::Object(_) | Describe::Peer { .. } => Ok(()),
    }
}

async fn ue(imsi: &str, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::GetUeRequest { imsi: parse_imsi(imsi)? };
    let ue = client.ask(|mut client| async move { client.get_ue(request).await }).await?;
    if out.is_json() {
        return Ok(out.json(&view::Ue::from(&ue))?);
    }
    let mut fields = vec![("phone", named(&ue.imsi, &ue.name)), ("state", described(&ue))];
    fields.push(("last seen", moment(out.now, ue.last_seen)));
    for (name, value) in [("base station", &ue.enb), ("cell", &ue.cell), ("area", &ue.area), ("guti", &ue.guti)] {
        if !value.is_empty() {
            fields.push((name, value.clone()));
        }
    }
    let security = get::both(&ue.ciphering, &ue.integrity);
    if !security.is_empty() {
        fields.push(("security", security));
    }
    if let Some(reject) = &ue.last_reject {
        fields.extend(rejected(reject, out.now));
    }
    fields.extend(usage::of_phone(&ue.imsi, client).await?);
    out.fields(&fields)?;
    sessions(&ue, out)
}

fn sessions(ue: &api::Ue, out: &mut Out<'_>) -> Result<()> {
    for session in &ue.sessions {
        out.text("\n")?;
        let tunnel = if session.enb_teid.is_empty() {
            format!("{} here, none at a base station", session.local_teid)
        } else {
            format!("{} here, {} at {}", session.local_teid, session.enb_teid, session.enb_address)
        };
        out.fields(&[
            ("session", format!("{} in {}, {}", session.address, session.apn, session.state)),
            ("bearer", format!("EBI {}, QCI {}", session.ebi, session.qci)),
            ("at most", format!("{} (down / up)", get::ambr(session.ambr_downlink, session.ambr_uplink))),
            ("from phone", traffic(session.uplink_bytes, session.uplink_packets)),
            ("to phone", traffic(session.downlink_bytes, session.downlink_packets)),
            ("tunnel", tunnel),
        ])?;
        for bearer in &session.bearers {
            let rate = match (bearer.gbr_downlink, bearer.gbr_uplink) {
                (0, 0) => String::new(),
                (down, up) => format!(", {} guaranteed", get::ambr(down, up)),
            };
            let what = format!("EBI {}, QCI {}{rate}, {}", bearer.ebi, bearer.qci, bearer.state);
            let (from, to) = (
                traffic(bearer.uplink_bytes, bearer.uplink_packets),
                traffic(bearer.downlink_bytes, bearer.downlink_packets),
            );
            out.fields(&[("dedicated", what), ("from phone", from), ("to phone", to)])?;
        }
    }
    Ok(())
}

fn traffic(octets: u64, packets: u64) -> String {
    format!("{} in {}", text::octets(octets), text::counted(packets, "packet", "packets"))
}

/// "connected: registered, connected over ...". The gateway's words begin with the state more often than not.
fn described(ue: &api::Ue) -> String {
    if ue.description.is_empty() || ue.description.starts_with(&ue.state) {
        return if ue.description.is_empty() { ue.state.clone() } else { ue.description.clone() };
    }
    format!("{}: {}", ue.state, ue.description)
}

fn rejected(reject: &api::Reject, now: u64) -> Vec<(&'static str, String)> {
    let mut causes = Vec::new();
    if reject.emm_cause != 0 {
        causes.push(format!("EMM cause #{}", reject.emm_cause));
    }
    if reject.esm_cause != 0 {
        causes.push(format!("ESM cause #{}", reject.esm_cause));
    }
    let causes = if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) };
    let mut fields = vec![
        ("last refusal", format!("{}, {}", reject.procedure, moment(now, reject.unix_seconds))),
        ("  because", format!("{}{causes}", reject.reason)),
    ];
    if !reject.advice.is_empty() {
        fields.push(("  advice", reject.advice.clone()));
    }
    fields
}

/// "4 min ago (2026-11-21T00:41:04Z)".
fn moment(now: u64, then: u64) -> String {
    if then == 0 {
        return String::new();
    }
    format!("{} ({})", text::age(now, then), text::utc(then))
}

fn named(identity: &str, name: &str) -> String {
    if name.is_empty() { identity.to_owned() } else { format!("{identity} ({name})") }
}

async fn enb(id: &str, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let enbs = client.enbs().await?;
    let enb = act::find_enb(&enbs, id)?;
    let ues: Vec<api::Ue> = client.ues().await?.into_iter().filter(|ue| ue.enb == enb.id).collect();
    if out.is_json() {
        let ues = ues.iter().map(view::Ue::from).collect();
        return Ok(out.json(&view::EnbWithUes { enb: view::Enb::from(enb), ues })?);
    }
    out.fields(&[
        ("base station", named(&enb.id, &enb.name)),
        ("state", enb.state.clone()),
        ("since", moment(out.now, enb.since)),
        ("addresses", enb.addresses.join(", ")),
        ("areas", enb.areas.join(", ")),
        ("phones", format!("{} connected", enb.connected_ues)),
    ])?;
    if ues.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["IMSI", "NAME", "STATE", "CELL", "LAST SEEN"]);
    for ue in &ues {
        table.row([
            ue.imsi.clone(),
            ue.name.clone(),
            ue.state.clone(),
            ue.cell.clone(),
            text::age(out.now, ue.last_seen),
        ]);
    }
    out.text("\n")?;
    Ok(out.table(&table, "")?)
}
