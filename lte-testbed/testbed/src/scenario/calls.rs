//! A phone's signalling as the operator traces it: begun before the phone appears, and judged by what others read in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::script::PhoneAction;
use super::world::World;
use crate::capture;

/// For what must become true, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// A trace ends by itself after so many seconds, whatever becomes of its scenario.
const LONGEST: &str = "120";

/// A trace that runs, and its files.
#[derive(Debug)]
pub(super) struct Call {
    child: Child,
    capture: PathBuf,
    ladder: PathBuf,
}

impl Drop for Call {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Begins to trace a phone; back when the gateway has begun.
pub(super) fn begin(world: &mut World, phone: usize) -> Result<()> {
    let imsi = world.imsi(phone)?;
    let gateway = &world.network.gateway;
    let file = |name: &str| world.network.lab.directory().join(name);
    let (capture, ladder) = (file("call.pcapng"), file("call.json"));
    for left in [&capture, &ladder] {
        // There is none, unless a scenario traces twice.
        let _ = std::fs::remove_file(left);
    }
    let mut command = Command::new(gateway.command());
    command.arg("--socket").arg(gateway.socket()).args(["trace", "call", &imsi, "-t", LONGEST]);
    command.arg("--packets").arg("-w").arg(&capture).arg("--ladder").arg(&ladder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().context("running basalt trace call")?;
    let call = Call { child, capture, ladder };
    // The file is made when the gateway has said that it begins.
    until(|| call.capture.exists().then_some(())).context("the trace does not begin")?;
    world.call = Some(call);
    Ok(())
}

/// Waits until the ladder has a message of this name.
pub(super) fn shows(world: &World, name: &str) -> Result<()> {
    let call = world.call.as_ref().context("nothing is traced")?;
    let seen = || messages(&call.ladder).into_iter().any(|message| message["name"] == name).then_some(());
    until(seen).with_context(|| {
        let names: Vec<String> = messages(&call.ladder)
            .iter()
            .map(|message| message["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        format!("the trace does not show {name}, but {}", names.join(", "))
    })
}

/// Waits until the ladder has a procedure that succeeded.
pub(super) fn succeeds(world: &World, name: &str) -> Result<()> {
    let call = world.call.as_ref().context("nothing is traced")?;
    let seen = || {
        let ladder = read(&call.ladder)?;
        let all = ladder["ladder"]["procedures"].as_array()?.clone();
        all.iter().any(|it| it["name"] == name && it["result"] == "success").then_some(())
    };
    until(seen).with_context(|| format!("the trace has no {name} that succeeded: {:?}", read(&call.ladder)))
}

/// Has a phone ping until the capture has an echo request and its reply in G-PDUs, where there is a tshark.
pub(super) fn has_packets(world: &mut World, phone: usize) -> Result<()> {
    let call = world.call.as_ref().context("nothing is traced")?;
    let file = call.capture.clone();
    if capture::complaints(&file, false).is_ok_and(|it| it.is_none()) {
        return Ok(());
    }
    let (end, mut found) = (Instant::now() + PATIENCE, String::new());
    while Instant::now() < end {
        world.phone_acts(phone, &PhoneAction::Pings(1))?;
        std::thread::sleep(LOOK * 10);
        // A file that is being written may end in the middle of a block for a moment.
        let told = tshark(&file, &["-Y", "gtp.message == 0xff", "-T", "fields", "-e", "icmp.type"]);
        found = told.unwrap_or(found);
        let has = |kind: &str| found.lines().any(|line| line.trim() == kind);
        if has("8") && has("0") {
            return Ok(());
        }
    }
    bail!("the trace has no packets of the phone's both ways, but ICMP {found:?}")
}

/// Ends the trace, and judges its files: each frame is read by tshark, nothing is malformed, and no key is in them in any form.
pub(super) fn judge(world: &mut World, phone: usize) -> Result<()> {
    let call = world.call.take().context("nothing is traced")?;
    let (capture, ladder) = (call.capture.clone(), call.ladder.clone());
    drop(call);
    let card = world.subscriber(phone)?;
    for file in [&capture, &ladder] {
        let octets = std::fs::read(file)?;
        let text = String::from_utf8_lossy(&octets).to_lowercase();
        for (what, key) in [("K", card.k_hex()), ("OPc", card.opc_hex())] {
            let raw: Vec<u8> =
                (0..key.len() / 2).filter_map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).ok()).collect();
            if text.contains(&key.to_lowercase()) || octets.windows(raw.len()).any(|window| window == raw) {
                bail!("{what} of the phone is in {}", file.display());
            }
        }
    }
    match capture::complaints(&capture, false)? {
        None => return Ok(()),
        Some(complaints) if complaints.is_empty() => {}
        Some(complaints) => bail!("tshark complains: {}", complaints.join("; ")),
    }
    let unread = tshark(&capture, &["-Y", "!s1ap && !nas-eps && !diameter && !gtp"])?;
    if !unread.trim().is_empty() {
        bail!("tshark does not know what these are: {unread}");
    }
    let secrets = tshark(&capture, &["-T", "fields", "-e", "s1ap.SecurityKey", "-e", "nas_eps.emm.res"])?;
    if secrets.chars().any(|letter| !matches!(letter, '0' | ':' | ',') && !letter.is_whitespace()) {
        bail!("keys or expected answers are in the capture: {secrets}");
    }
    if !secrets.contains("00000000") {
        bail!("no message with a key was traced: nothing is shown by none being seen");
    }
    Ok(())
}

fn tshark(file: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("tshark").arg("-r").arg(file).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The ladder's file, whole or not yet.
fn read(file: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn messages(file: &Path) -> Vec<Value> {
    let ladder = read(file).unwrap_or_default();
    ladder["ladder"]["messages"].as_array().cloned().unwrap_or_default()
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= end {
            bail!("not within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK);
    }
}
