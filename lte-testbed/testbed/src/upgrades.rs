//! An orchestrator upgrades a gateway to another version and takes it back, while phones that are connected send and receive numbered
//! packets and a ping goes on. As an operator does it: a release is signed and made known, and the gateway is told.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use basalt_release::{Stamp, stamp};

use crate::gateway::{Gateway, program};
use crate::kills;
use crate::network::Network;
use crate::orchestrator::Orchestrator;
use crate::radio::Radio;

/// What the gateway is called at the orchestrator.
const GATEWAY: &str = "hill";
/// Its other version.
const NEW: &str = "90.0.0";
/// Packets each second, in each direction, of all phones together.
const RATE: u32 = 500;
/// How long a command of the operator may take: a program is fetched, tried and looked at for a while.
const LIMIT: Duration = Duration::from_secs(180);
/// How long a version is on trial, seconds.
const TRIAL: &str = "60";

/// Upgrades the gateway of a network whose first `phones` phones are connected, and takes it back.
///
/// # Errors
/// An upgrade fails, or a packet was lost, reordered or miscounted.
pub(crate) fn run(network: &mut Network, radio: &Radio, phones: usize) -> Result<()> {
    let folder = network.lab.directory();
    let known = other_version(&program("BASALT_AGWD", "agwd")?, &folder.join("new"))?;
    let orchestrator = Orchestrator::start(&network.lab)?;
    orchestrator.fill(&[])?;
    let key = folder.join("release.key").to_string_lossy().into_owned();
    let public = ended(orchestrator.basalt(&["release", "key", &key])?)?;
    // A gateway takes what is signed by keys that it was given on its own machine.
    network.gateway.configure("upgrade.keys", toml::Value::Array(vec![public.trim().into()]))?;
    network.gateway.stop_for_restart()?;
    network.gateway.launch()?;
    network.gateway.basalt(&["gateway", "join", &orchestrator.gateway_token(GATEWAY)?])?;
    orchestrator.wait_for(GATEWAY, "the gateway is there", |seen| seen["connected"] == true)?;
    let new = folder.join("new").to_string_lossy().into_owned();
    ended(orchestrator.basalt(&["release", "add", &new, "--key", &key])?)?;
    let release = format!("agwd-{NEW}-{}", known.platform);
    let internet = network.lab.internet.clone();
    let upgrade = |gateway: &mut Gateway, _: &mut kills::KillReport| {
        let pid = gateway.pid();
        let turns: [(&[&str], &str); 2] = [(&["--release", &release], NEW), (&["--back"], &known.version)];
        for (words, version) in turns {
            ended(orchestrator.basalt(&[&["upgrade", "gateway", GATEWAY, "--trial", TRIAL], words].concat())?)?;
            let status = gateway.json(&["status"])?;
            ensure!(status["version"] == version, "it runs {} and not {version}", status["version"]);
            ensure!(gateway.pid() == pid && gateway.runs(), "the daemon was started by somebody else");
        }
        Ok(())
    };
    let report = kills::under_packets(&mut network.gateway, radio, &internet, phones, RATE, upgrade)?;
    if !report.is_exact() {
        bail!("something was lost, reordered or miscounted: {}", serde_json::to_string(&report)?);
    }
    Ok(())
}

/// What the gateway's program says of itself.
struct Known {
    version: String,
    platform: String,
}

/// Writes the gateway's program so that it says that it is another version.
fn other_version(agwd: &Path, to: &Path) -> Result<Known> {
    let mut octets = fs::read(agwd).with_context(|| format!("reading {}", agwd.display()))?;
    let (place, known) = Stamp::place(&octets).context("agwd does not say what it is")?;
    let (arch, system) = known.platform.split_once('-').context("no platform")?;
    let new = stamp(known.product, NEW, arch, system);
    let known = Known { version: known.version.to_owned(), platform: known.platform.to_owned() };
    octets.get_mut(place..place + new.len()).context("the stamp has no room")?.copy_from_slice(&new);
    fs::write(to, octets)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(known)
}

/// What a command printed, when it ended well.
fn ended(mut command: Child) -> Result<String> {
    let deadline = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = command.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            command.kill()?;
            command.wait()?;
            bail!("the command did not end in {} s", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (mut said, mut trouble) = (String::new(), String::new());
    command.stdout.take().context("no output")?.read_to_string(&mut said)?;
    command.stderr.take().context("no output")?.read_to_string(&mut trouble)?;
    ensure!(status.success(), "{said}{trouble}");
    Ok(said)
}
