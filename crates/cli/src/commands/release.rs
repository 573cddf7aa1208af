//! Releases: keys, signing, sending to the orchestrator.

use super::objects::{Orchestrator, Way, text};
use crate::args::{ReleaseCommand, Where};
use crate::error::{Error, Result};
use crate::kinds::plain;
use crate::output::Out;
use crate::rest::Request;
use crate::table::Table;
use basalt_release::{Description, Digester, LARGEST, Stamp, hex, key, public_key};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use zeroize::Zeroizing;

/// Octets that are sent at once.
const PIECE: usize = 512 << 10;

pub(super) async fn run(command: &ReleaseCommand, to: &Where, out: &mut Out<'_>) -> Result<()> {
    match command {
        ReleaseCommand::Key { file } => show_key(file, out),
        ReleaseCommand::Add { program, key, channel } => {
            // What is wrong with a file is told before it is asked whether anybody is there.
            let (release, octets) = described(program)?;
            let signature = release.sign(&*secret(key)?).map_err(|error| wrong(&error.to_string(), key))?;
            add(&release, &octets, &signature, channel, &Way::find(to)?.orchestrator()?, out).await
        }
        ReleaseCommand::List { channel } => {
            let at = Way::find(to)?.orchestrator()?;
            let path = match channel {
                Some(channel) => format!("/releases?channel={}", plain(channel)?),
                None => "/releases".to_owned(),
            };
            list(&at.ask("GET", &path, None).await?, out)
        }
        ReleaseCommand::Delete { name } => {
            let at = Way::find(to)?.orchestrator()?;
            at.ask("DELETE", &format!("/releases/{}", plain(name)?), None).await?;
            Ok(out.note(&format!("{name} is gone; gateways that run it go on"))?)
        }
    }
}

fn wrong(what: &str, file: &Path) -> Error {
    Error::usage(format!("{}: {what}", file.display()), "`basalt release key FILE` makes a key")
}

/// The public key of a file; a new one where there is no file.
fn show_key(file: &Path, out: &mut Out<'_>) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match made {
        Ok(mut new) => {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(std::io::Error::other)?;
            new.write_all(Zeroizing::new(format!("{}\n", hex(&*seed))).as_bytes())?;
            new.sync_all()?;
            out.note(&format!(
                "{} holds the secret key: whoever has it makes programs that your gateways run",
                file.display()
            ))?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(wrong(&error.to_string(), file)),
    }
    let public = hex(&public_key(&*secret(file)?).map_err(|error| wrong(&error.to_string(), file))?);
    if out.is_json() {
        return Ok(out.json(&json!({ "public_key": public }))?);
    }
    Ok(out.line(&public)?)
}

fn secret(file: &Path) -> Result<Zeroizing<[u8; 32]>> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string(), file))?;
    let text = Zeroizing::new(text);
    key(&text).map(Zeroizing::new).map_err(|error| wrong(&error.to_string(), file))
}

/// What a program says of itself, and its octets.
fn described(program: &Path) -> Result<(Description, Vec<u8>)> {
    let not = |what: String| Error::usage(format!("{}: {what}", program.display()), "name a program of Basalt: agwd");
    let length = std::fs::metadata(program).map_err(|error| not(error.to_string()))?.len();
    if length > LARGEST {
        return Err(not(format!("a program has {LARGEST} octets at most")));
    }
    let octets = std::fs::read(program).map_err(|error| not(error.to_string()))?;
    let stamp =
        Stamp::find(&octets).ok_or_else(|| not("it does not say which program and version it is".to_owned()))?;
    let mut digest = Digester::default();
    digest.update(&octets);
    let release = Description {
        product: stamp.product.to_owned(),
        version: stamp.version.to_owned(),
        platform: stamp.platform.to_owned(),
        size: octets.len() as u64,
        sha256: digest.finish(),
    };
    Ok((release, octets))
}

async fn add(
    release: &Description,
    octets: &[u8],
    signature: &[u8],
    channel: &str,
    at: &Orchestrator,
    out: &mut Out<'_>,
) -> Result<()> {
    let body = json!({
        "product": release.product,
        "version": release.version,
        "platform": release.platform,
        "channel": channel,
        "size": release.size,
        "sha256": hex(&release.sha256),
        "signature": hex(signature),
    });
    let mut known = at.ask("POST", "/releases", Some(&body)).await?;
    let name = plain(text(&known, "/name"))?.to_owned();
    while known.get("complete").and_then(Value::as_bool) != Some(true) {
        let place = known.get("received").and_then(Value::as_u64).unwrap_or(0);
        let rest = usize::try_from(place).ok().and_then(|place| octets.get(place..)).unwrap_or_default();
        let piece = rest.get(..PIECE.min(rest.len())).unwrap_or_default();
        let path = format!("/releases/{name}/data?place={place}");
        let mut request = Request::new("PUT", &path);
        request.form = "application/octet-stream";
        request.body = Some(piece.to_vec());
        known = at.send(&request).await?;
    }
    if out.is_json() {
        return Ok(out.json(&known)?);
    }
    out.line(&name)?;
    Ok(out.note(&format!("{} octets, signed, in channel {}", release.size, text(&known, "/channel")))?)
}

fn list(known: &Value, out: &mut Out<'_>) -> Result<()> {
    if out.is_json() {
        return Ok(out.json(known)?);
    }
    let mut table = Table::new(&["NAME", "VERSION", "CHANNEL", "OCTETS", "STATE", "MADE BY"]);
    for it in known.get("items").and_then(Value::as_array).into_iter().flatten() {
        let number = |field: &str| it.get(field).and_then(Value::as_u64).unwrap_or(0);
        let state = match it.get("complete").and_then(Value::as_bool) {
            Some(true) => "complete".to_owned(),
            _ => format!("{} % of it", number("received") * 100 / number("size").max(1)),
        };
        let word = |path: &str| text(it, path).to_owned();
        table.row([
            word("/name"),
            word("/version"),
            word("/channel"),
            number("size").to_string(),
            state,
            word("/created_by"),
        ]);
    }
    Ok(out.table(&table, "no releases; `basalt release add PROGRAM --key FILE` makes one")?)
}
