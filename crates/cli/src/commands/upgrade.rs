//! Upgrades: of one gateway, watched to its end; of a tier, as a rollout of the orchestrator.

use super::objects::{Orchestrator, Way, text};
use crate::args::{UpgradeCommand, UpgradeGateway, UpgradeTier, Where};
use crate::error::{Error, Result};
use crate::kinds::plain;
use crate::output::Out;
use crate::table::Table;
use serde_json::{Value, json};
use std::time::Duration;

/// Between two looks at a command.
const LOOK: Duration = Duration::from_secs(1);

pub(super) async fn run(command: &UpgradeCommand, to: &Where, out: &mut Out<'_>) -> Result<u8> {
    let at = Way::find(to)?.orchestrator()?;
    let network = at.network.as_deref().ok_or_else(|| {
        Error::usage(
            "an upgrade is of one network, and none was named",
            "give --network NAME, or a context that has one",
        )
    })?;
    let path = format!("/networks/{}", plain(network)?);
    let act =
        |id: &str, act: &str| Ok::<_, Error>((format!("{path}/rollouts/{}/act", plain(id)?), json!({ "act": act })));
    let (act, body) = match command {
        UpgradeCommand::Gateway(wanted) => return gateway(wanted, &path, &at, out).await,
        UpgradeCommand::Tier(wanted) => (format!("{path}/rollouts"), plan(wanted)),
        UpgradeCommand::List => return list(&at.ask("GET", &format!("{path}/rollouts"), None).await?, out),
        UpgradeCommand::Show { id } => {
            let known = at.ask("GET", &format!("{path}/rollouts/{}", plain(id)?), None).await?;
            return show(&known, out);
        }
        UpgradeCommand::Pause { id } => act(id, "pause")?,
        UpgradeCommand::Resume { id } => act(id, "resume")?,
        UpgradeCommand::RollBack { id } => act(id, "roll-back")?,
        UpgradeCommand::Cancel { id } => act(id, "cancel")?,
    };
    show(&at.ask("POST", &act, Some(&body)).await?, out)
}

fn plan(wanted: &UpgradeTier) -> Value {
    json!({
        "tier": wanted.tier,
        "release": wanted.release,
        "canary_percent": wanted.canary,
        "soak_minutes": wanted.soak,
        "at_once": wanted.at_once,
        "most_failures": wanted.most_failures,
        "roll_back": !wanted.pause_only,
        "rate": wanted.rate,
        "downgrade": wanted.downgrade,
    })
}

async fn gateway(wanted: &UpgradeGateway, network: &str, at: &Orchestrator, out: &mut Out<'_>) -> Result<u8> {
    let mut arguments = json!({ "trial_seconds": wanted.trial });
    match &wanted.release {
        Some(release) => {
            arguments["release"] = release.as_str().into();
            arguments["rate"] = wanted.rate.into();
            arguments["downgrade"] = wanted.downgrade.into();
        }
        None => arguments["back"] = true.into(),
    }
    let body = json!({ "kind": "upgrade", "arguments": arguments });
    let path = format!("{network}/gateways/{}/commands", plain(&wanted.name)?);
    let mut known = at.ask("POST", &path, Some(&body)).await?;
    let path = format!("{network}/commands/{}", plain(text(&known, "/id"))?);
    let (mut told, mut looks) = (0, 0);
    while !wanted.no_wait && matches!(text(&known, "/state"), "queued" | "sent" | "running") {
        if !out.is_json() {
            told = say(&known, told, out)?;
            looks += 1;
            if looks == 3 && text(&known, "/state") == "queued" {
                out.note(&format!("{} is told when it is there", wanted.name))?;
            }
        }
        tokio::time::sleep(LOOK).await;
        known = at.ask("GET", &path, None).await?;
    }
    if out.is_json() {
        out.json(&known)?;
    } else {
        say(&known, told, out)?;
        let state = text(&known, "/state");
        let id = text(&known, "/id");
        out.note(&format!("{}: {state} (command {id})", wanted.name))?;
    }
    Ok(u8::from(matches!(text(&known, "/state"), "failed" | "not-supported" | "interrupted" | "expired")))
}

/// Prints what was not printed yet of what a command said.
fn say(known: &Value, told: usize, out: &mut Out<'_>) -> Result<usize> {
    let said = text(known, "/output");
    if let Some(new) = said.get(told..).filter(|new| !new.is_empty()) {
        new.lines().try_for_each(|line| out.line(line))?;
    }
    Ok(said.len())
}

fn list(known: &Value, out: &mut Out<'_>) -> Result<u8> {
    if out.is_json() {
        out.json(known)?;
        return Ok(0);
    }
    let mut table = Table::new(&["ID", "TIER", "RELEASE", "STATE", "STAGE", "GATEWAYS", "WHY"]);
    for it in known.get("items").and_then(Value::as_array).into_iter().flatten() {
        let word = |path: &str| text(it, path).to_owned();
        let gateways = it.get("gateways").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let done = gateways.iter().filter(|it| text(it, "/step") == "done").count();
        table.row([
            word("/id"),
            word("/plan/tier"),
            word("/plan/release"),
            word("/state"),
            word("/stage"),
            format!("{done} of {}", gateways.len()),
            word("/words"),
        ]);
    }
    out.table(&table, "no upgrades of tiers; `basalt upgrade tier TIER --release NAME` begins one")?;
    Ok(0)
}

fn show(known: &Value, out: &mut Out<'_>) -> Result<u8> {
    if out.is_json() {
        out.json(known)?;
        return Ok(0);
    }
    let word = |path: &str| text(known, path).to_owned();
    let why = if word("/words").is_empty() { String::new() } else { format!(": {}", word("/words")) };
    out.fields(&[
        ("upgrade", word("/id")),
        ("release", word("/plan/release")),
        ("tier", word("/plan/tier")),
        ("state", format!("{}, {}{why}", word("/state"), word("/stage"))),
    ])?;
    let gateways = known.get("gateways").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if gateways.is_empty() {
        return Ok(0);
    }
    out.line("")?;
    let mut table = Table::new(&["GATEWAY", "STEP", "FIRST", "COMMAND", "WHY"]);
    for it in gateways {
        let word = |path: &str| text(it, path).to_owned();
        let first = it.get("canary").and_then(Value::as_bool).unwrap_or(false);
        let first = if first { "yes" } else { "" };
        table.row([word("/gateway"), word("/step"), first.to_owned(), word("/command"), word("/words")]);
    }
    out.table(&table, "")?;
    Ok(0)
}
