//! Gateway and orchestrator: tokens on the orchestrator's side, joining on the gateway's.

use super::objects::{Orchestrator, Way};
use crate::args::{GatewayCommand, TokenCommand, Where};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::kinds::plain;
use crate::output::Out;
use crate::rest::{Access, Rest};
use crate::table::Table;
use basalt_control_api::gateway::v1 as api;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};
use std::io::Read;
use std::path::Path;

/// An orchestrator on this machine.
const HERE: &str = "http://127.0.0.1:8480";
/// Octets of a token from standard input.
const TOKEN: u64 = 4096;

pub(super) async fn run(
    command: GatewayCommand,
    to: &Where,
    socket: &Path,
    stdin: &mut dyn Read,
    out: &mut Out<'_>,
) -> Result<()> {
    match command {
        GatewayCommand::Token(command) => tokens(command, to, out).await,
        GatewayCommand::Join { token } => {
            let token = if token == "-" { from(stdin)? } else { token };
            let request = api::JoinOrchestratorRequest { token: token.trim().to_owned() };
            let mut client = Client::connect(socket).await?;
            let link = client.ask(|mut client| async move { client.join_orchestrator(request).await }).await?;
            show(&link, out)
        }
        GatewayCommand::Show => {
            let request = api::GetOrchestratorLinkRequest {};
            let mut client = Client::connect(socket).await?;
            let link = client.ask(|mut client| async move { client.get_orchestrator_link(request).await }).await?;
            show(&link, out)
        }
    }
}

fn from(stdin: &mut dyn Read) -> Result<String> {
    let mut text = String::new();
    stdin.take(TOKEN).read_to_string(&mut text)?;
    Ok(text)
}

fn show(link: &api::OrchestratorLink, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        let answer = json!({
            "network": link.network,
            "gateway": link.gateway,
            "connected": link.connected,
            "trouble": link.trouble,
            "certified_until": link.certified_until,
            "items": link.items,
            "not_in_force": link.not_in_force.iter().map(|it| json!({
                "collection": it.collection, "name": it.name, "reason": it.reason, "pending": it.pending,
            })).collect::<Vec<_>>(),
        });
        return Ok(out.json(&answer)?);
    }
    if link.gateway.is_empty() {
        out.line("this gateway has not joined an orchestrator")?;
        return Ok(out.note("`basalt gateway token create` on the orchestrator's side gives the command to join")?);
    }
    let state = match (link.connected, link.trouble.as_str()) {
        (true, _) => "connected".to_owned(),
        (false, "") => "not connected".to_owned(),
        (false, trouble) => format!("not connected: {trouble}"),
    };
    let (pending, refused) = link.not_in_force.iter().partition::<Vec<_>, _>(|it| it.pending);
    let in_force = match (refused.len(), pending.len()) {
        (0, 0) => "all of it".to_owned(),
        (refused, 0) => format!("all but {refused}"),
        (refused, pending) => format!("all but {refused}; {pending} after a restart"),
    };
    let gateway = format!("{} of network {}", link.gateway, link.network);
    let objects = format!("{} objects, in force: {in_force}", link.items);
    out.fields(&[("gateway", gateway), ("orchestrator", state), ("configuration", objects)])?;
    if link.not_in_force.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["OBJECT", "STATE", "WHY"]);
    for it in &link.not_in_force {
        let state = if it.pending { "after a restart" } else { "not in force" };
        table.row([format!("{}/{}", it.collection, it.name), state.to_owned(), it.reason.clone()]);
    }
    Ok(out.table(&table, "")?)
}

async fn tokens(command: TokenCommand, to: &Where, out: &mut Out<'_>) -> Result<()> {
    let at = orchestrator(to)?;
    let network = at.network.as_deref().ok_or_else(|| {
        Error::usage("tokens are for one network, and none was named", "give --network NAME, or a context that has one")
    })?;
    let path = format!("/networks/{}/gateway-tokens", plain(network)?);
    match command {
        TokenCommand::Create { tier, name, hours, no_qr } => {
            let mut body = json!({ "tier": tier, "hours": hours });
            if let Some(name) = name {
                body["gateway"] = name.into();
            }
            let made = at.ask("POST", &path, Some(&body)).await?;
            created(&made, no_qr, out)
        }
        TokenCommand::List => listed(&at.ask("GET", &path, None).await?, out),
    }
}

/// The orchestrator that is named; that of this machine, where none is.
fn orchestrator(to: &Where) -> Result<Orchestrator> {
    match Way::find(to)? {
        Way::Orchestrator(at) => Ok(at),
        Way::Gateway => {
            let key = to.api_key()?;
            let here = Access { url: HERE, key: key.as_deref(), authorities: None };
            Ok(Orchestrator::new(Rest::new(here)?, to.network.clone()))
        }
    }
}

fn created(made: &Value, no_qr: bool, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(made)?);
    }
    let text = |field: &str| made.get(field).and_then(Value::as_str).unwrap_or_default();
    out.line(text("command"))?;
    if !no_qr && let Ok(code) = QrCode::new(text("token")) {
        // Light on dark, as most terminals are; a reader takes both.
        let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        out.raw(format!("\n{picture}\n").as_bytes())?;
    }
    out.note("Run it on the gateway. It works once, and is not shown again.")?;
    Ok(())
}

fn listed(list: &Value, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(list)?);
    }
    let mut table = Table::new(&["ID", "TIER", "GATEWAY", "MADE BY", "USED BY"]);
    for token in list.get("items").and_then(Value::as_array).into_iter().flatten() {
        let text = |path: &str| token.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        table.row([text("/id"), text("/tier"), text("/gateway"), text("/created_by"), text("/used/by")]);
    }
    Ok(out.table(&table, "no tokens; `basalt gateway token create` makes one")?)
}
