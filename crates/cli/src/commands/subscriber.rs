//! Subscribers: who may use the network.

use super::import::{self, Import};
use super::{get, imsi as parse_imsi, usage};
use crate::args::{Add, Algorithm, Command, Subscriber};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::keys::KeyTexts;
use crate::output::Out;
use crate::table::Table;
use crate::{csv, escape, text, view};
use basalt_control_api::gateway::v1 as api;
use std::io::Read;
use std::net::Ipv4Addr;
use zeroize::Zeroizing;

/// A command whose words and files are checked.
pub(super) enum Prepared {
    /// About subscribers.
    Subscriber(Task),
    /// Any other.
    Other(Command),
}

/// Something to do about subscribers.
pub(super) enum Task {
    Add(Box<api::AddSubscriberRequest>),
    List,
    Show(String),
    Delete(String),
    SetState(String, api::SubscriberState),
    Plan(String, Option<api::DataPlan>),
    TopUp(String, u64),
    Import(Import),
    Export,
}

/// Checks what can be checked without a gateway, and reads files.
pub(super) fn prepare(command: Command, stdin: &mut dyn Read) -> Result<Prepared> {
    let Command::Subscriber(command) = command else { return Ok(Prepared::Other(command)) };
    Ok(Prepared::Subscriber(match command {
        Subscriber::Add(add) => Task::Add(Box::new(request(&add, stdin)?)),
        Subscriber::List => Task::List,
        Subscriber::Show { imsi } => Task::Show(parse_imsi(&imsi)?),
        Subscriber::Delete { imsi } => Task::Delete(parse_imsi(&imsi)?),
        Subscriber::Suspend { imsi } => Task::SetState(parse_imsi(&imsi)?, api::SubscriberState::Suspended),
        Subscriber::Resume { imsi } => Task::SetState(parse_imsi(&imsi)?, api::SubscriberState::Active),
        Subscriber::Plan { imsi, octets, per, then, .. } => {
            let plan = octets.map(|octets| usage::plan(&octets, per, Some(&then))).transpose()?;
            Task::Plan(parse_imsi(&imsi)?, plan)
        }
        Subscriber::TopUp { imsi, octets } => Task::TopUp(parse_imsi(&imsi)?, usage::octets_of(&octets)?),
        Subscriber::Import { file, dry_run, replace } => Task::Import(import::read(&file, dry_run, replace, stdin)?),
        Subscriber::Export => Task::Export,
    }))
}

/// Does it.
pub(super) async fn run(task: Task, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    match task {
        Task::Add(request) => add(*request, client, out).await,
        Task::List => list(client, out).await,
        Task::Show(imsi) => show(imsi, client, out).await,
        Task::Delete(imsi) => delete(imsi, client, out).await,
        Task::SetState(imsi, state) => set_state(imsi, state, client, out).await,
        Task::Plan(imsi, plan) => usage::set(imsi, plan, client, out).await,
        Task::TopUp(imsi, octets) => usage::top_up(imsi, octets, client, out).await,
        Task::Import(import) => import::run(import, client, out).await,
        Task::Export => export(client, out).await,
    }
}

fn request(add: &Add, stdin: &mut dyn Read) -> Result<api::AddSubscriberRequest> {
    let imsi = parse_imsi(&add.imsi)?;
    if [&add.name, &add.msisdn, &add.amf].into_iter().chain(&add.apn).any(|text| text::looks_like_key(text)) {
        let fix = "give it by --keys-file or --keys-from-stdin: elsewhere it would be stored and shown in the open";
        return Err(Error::usage("--name, --msisdn, --amf or --apn holds what looks like a key", fix));
    }
    let keys = keys(add, stdin)?;
    let tuak = add.algorithm == Algorithm::Tuak;
    let keys = if keys.is_empty() && add.replace {
        if add.sqn.is_some() {
            return Err(Error::usage("a sequence number was given without keys", "give K and OPc, too"));
        }
        None
    } else {
        let octets = keys.octets(tuak).map_err(|what| {
            Error::usage(
                what,
                "give k=HEX and opc=HEX by --keys-file FILE or --keys-from-stdin; see `basalt subscriber add --help`",
            )
        })?;
        Some(octets.into_request())
    };
    let (ambr_downlink, ambr_uplink) = match add.ambr.as_deref() {
        None => (0, 0),
        Some(text) => ambr(text).map_err(|what| Error::usage(what, "--ambr DOWN/UP, such as 50M/10M"))?,
    };
    let algorithm = if tuak { api::AuthAlgorithm::Tuak } else { api::AuthAlgorithm::Milenage };
    let subscriber = api::Subscriber {
        imsi,
        name: add.name.clone(),
        msisdn: add.msisdn.trim_start_matches('+').to_owned(),
        state: api::SubscriberState::Unspecified.into(),
        algorithm: algorithm.into(),
        ambr_uplink,
        ambr_downlink,
        apns: apns(add)?,
        amf: add.amf.to_ascii_lowercase(),
    };
    Ok(api::AddSubscriberRequest { subscriber: Some(subscriber), keys, replace: add.replace })
}

fn keys(add: &Add, stdin: &mut dyn Read) -> Result<KeyTexts> {
    let (text, place) = match &add.keys_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Error::usage(format!("{} cannot be read: {error}", path.display()), "check name and rights of the file")
            })?;
            (Zeroizing::new(text), path.display().to_string())
        }
        None if add.keys_from_stdin => {
            let mut text = Zeroizing::new(String::new());
            stdin.take(64 << 10).read_to_string(&mut text).map_err(|error| {
                Error::usage(format!("standard input cannot be read: {error}"), "k=HEX and opc=HEX, one a line")
            })?;
            (text, "standard input".to_owned())
        }
        None => {
            let copy = |text: &Option<String>| text.clone().map(Zeroizing::new);
            return Ok(KeyTexts { k: copy(&add.k), opc: copy(&add.opc), op: copy(&add.op), sqn: add.sqn });
        }
    };
    let mut keys = KeyTexts::parse(&text)
        .map_err(|what| Error::usage(format!("{place}, {what}"), "write k=HEX and opc=HEX (or op=HEX), one a line"))?;
    keys.sqn = add.sqn.or(keys.sqn);
    Ok(keys)
}

/// Access points as asked for; an address or a class alone is one for `internet`.
fn apns(add: &Add) -> Result<Vec<api::SubscribedApn>> {
    let mut names: Vec<&str> = add.apn.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    if names.is_empty()
        && (add.static_ip.is_some() || add.static_ipv6.is_some() || !add.framed_route.is_empty() || add.qci != 9)
    {
        names.push("internet");
    }
    let static_ipv4 = match add.static_ip.as_deref() {
        None => String::new(),
        Some(text) => static_address(text).map_err(|what| Error::usage(what, "--static-ip 10.45.0.10"))?,
    };
    let apns = names.iter().enumerate().map(|(index, name)| api::SubscribedApn {
        apn: (*name).to_owned(),
        qci: add.qci,
        static_ipv4: if index == 0 { static_ipv4.clone() } else { String::new() },
        static_ipv6: add.static_ipv6.clone().filter(|_| index == 0).unwrap_or_default(),
        pdn_type: add.pdn_type.clone(),
        framed_routes: if index == 0 { add.framed_route.clone() } else { Vec::new() },
        ..Default::default()
    });
    Ok(apns.collect())
}

/// Checks an address.
pub(super) fn static_address(text: &str) -> std::result::Result<String, String> {
    let address: Ipv4Addr =
        text.trim().parse().map_err(|_| format!("{} is not an IPv4 address such as 10.45.0.10", text::quoted(text)))?;
    Ok(address.to_string())
}

/// Reads DOWN/UP; one value is both.
pub(super) fn ambr(text: &str) -> std::result::Result<(u64, u64), String> {
    // The slash of "Mbit/s" is none between two rates.
    let plain = text.to_ascii_lowercase().replace("bit/s", "bps");
    let (down, up) = plain.split_once('/').unwrap_or((&plain, &plain));
    Ok((text::parse_rate(down)?, text::parse_rate(up)?))
}

async fn add(request: api::AddSubscriberRequest, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let replaced = request.replace;
    let subscriber = client.ask(|mut client| async move { client.add_subscriber(request).await }).await?;
    if out.is_json() {
        return Ok(out.json(&view::Subscriber::from(&subscriber))?);
    }
    Ok(out.line(&format!("{} is {}", subscriber.imsi, if replaced { "saved" } else { "added" }))?)
}

/// All subscribers.
pub(super) async fn list(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let subscribers = client.subscribers().await?;
    if out.is_json() {
        return Ok(out.json(&subscribers.iter().map(view::Subscriber::from).collect::<Vec<_>>())?);
    }
    let mut titles = vec!["IMSI", "NAME", "STATE", "MSISDN", "APN", "AMBR DOWN/UP"];
    if out.is_wide() {
        titles.extend(["STATIC IP", "QCI", "ALGORITHM", "AMF"]);
    }
    let mut table = Table::new(&titles);
    for subscriber in &subscribers {
        let each = |of: fn(&api::SubscribedApn) -> String| -> String {
            let texts: Vec<String> = subscriber.apns.iter().map(of).filter(|text| !text.is_empty()).collect();
            texts.join(",")
        };
        let mut cells = vec![
            subscriber.imsi.clone(),
            subscriber.name.clone(),
            view::subscriber_state(subscriber).to_owned(),
            subscriber.msisdn.clone(),
            each(|apn| apn.apn.clone()),
            get::ambr(subscriber.ambr_downlink, subscriber.ambr_uplink),
        ];
        if out.is_wide() {
            cells.extend([
                each(|apn| apn.static_ipv4.clone()),
                each(|apn| apn.qci.to_string()),
                view::algorithm(subscriber).to_owned(),
                subscriber.amf.clone(),
            ]);
        }
        table.push(cells);
    }
    Ok(out.table(
        &table,
        "No subscribers yet. Add one: basalt subscriber add IMSI --keys-from-stdin; or many: basalt subscriber import FILE.csv",
    )?)
}

async fn show(imsi: String, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::GetSubscriberRequest { imsi };
    let subscriber = client.ask(|mut client| async move { client.get_subscriber(request).await }).await?;
    if out.is_json() {
        return Ok(out.json(&view::Subscriber::from(&subscriber))?);
    }
    let mut fields = vec![
        ("imsi", subscriber.imsi.clone()),
        ("name", subscriber.name.clone()),
        ("msisdn", subscriber.msisdn.clone()),
        ("state", view::subscriber_state(&subscriber).to_owned()),
        ("ambr", format!("{} (down / up)", get::ambr(subscriber.ambr_downlink, subscriber.ambr_uplink))),
    ];
    for apn in &subscriber.apns {
        let fixed: Vec<&str> = [&apn.static_ipv4, &apn.static_ipv6]
            .into_iter()
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        let mut address = if fixed.is_empty() { "address from the pool".to_owned() } else { fixed.join(", ") };
        if !apn.framed_routes.is_empty() {
            address += &format!(", behind it {}", apn.framed_routes.join(", "));
        }
        let rates = get::ambr(apn.ambr_downlink, apn.ambr_uplink);
        let kind = if apn.pdn_type.is_empty() { String::new() } else { format!(", {}", apn.pdn_type) };
        let what = format!("QCI {}, priority {}, {rates}{kind}, {address}", apn.qci, apn.priority);
        fields.push(("apn", format!("{}: {what}", apn.apn)));
    }
    fields.push(("keys", format!("sealed ({}, AMF {})", view::algorithm(&subscriber), subscriber.amf)));
    Ok(out.fields(&fields)?)
}

async fn delete(imsi: String, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::DeleteSubscriberRequest { imsi: imsi.clone() };
    let answer = client.ask(|mut client| async move { client.delete_subscriber(request).await }).await?;
    if out.is_json() {
        let answer = serde_json::json!({ "imsi": imsi, "deleted": true, "was_attached": answer.was_attached });
        return Ok(out.json(&answer)?);
    }
    let phone = if answer.was_attached { "; its phone was attached and is being detached" } else { "" };
    Ok(out.line(&format!("{imsi} is deleted{phone}"))?)
}

async fn set_state(imsi: String, state: api::SubscriberState, client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let request = api::SetSubscriberStateRequest { imsi, state: state.into() };
    let subscriber = client.ask(|mut client| async move { client.set_subscriber_state(request).await }).await?;
    if out.is_json() {
        return Ok(out.json(&view::Subscriber::from(&subscriber))?);
    }
    let what = match state {
        api::SubscriberState::Suspended => "is suspended; if its phone is attached, it is being detached",
        _ => "may use the network again",
    };
    Ok(out.line(&format!("{} {what}", subscriber.imsi))?)
}

/// All subscribers as CSV that [`import`] reads.
async fn export(client: &mut Client, out: &mut Out<'_>) -> Result<()> {
    let subscribers = client.subscribers().await?;
    if out.is_json() {
        return Ok(out.json(&subscribers.iter().map(view::Subscriber::from).collect::<Vec<_>>())?);
    }
    out.text(&csv::write(&import::EXPORTED))?;
    for subscriber in &subscribers {
        let cells = import::exported(subscriber);
        let cells: Vec<_> = cells.iter().map(|cell| escape::line(cell)).collect();
        out.text(&csv::write(&cells.iter().map(AsRef::as_ref).collect::<Vec<_>>()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_in_pairs() {
        assert_eq!(ambr("50M/10M"), Ok((50_000_000, 10_000_000)));
        assert_eq!(ambr("50M"), Ok((50_000_000, 50_000_000)));
        assert_eq!(ambr("50 Mbit/s"), Ok((50_000_000, 50_000_000)));
        assert_eq!(ambr("50 Mbit/s / 1 Gbit/s"), Ok((50_000_000, 1_000_000_000)));
        assert_eq!(ambr("unlimited/1M"), Ok((0, 1_000_000)));
        assert!(ambr("1M/2M/3M").is_err());
        assert!(ambr("/").is_err());
    }
}
