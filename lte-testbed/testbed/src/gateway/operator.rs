//! What an operator does with a gateway, by the `basalt` command.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use basalt_ids::{Apn, Plmn};

use super::Gateway;
use crate::radio::subscriber::Subscriber;

/// So long events are followed at most, seconds.
const WATCHED_S: &str = "300";

/// Addresses that are a subscriber's for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// Its phone's, at its default access point.
    pub address: Option<Ipv4Addr>,
    /// Networks behind its phone.
    pub behind: Vec<String>,
}

impl Gateway {
    /// Runs the `basalt` command against this gateway; its standard output.
    ///
    /// # Errors
    /// The command fails; what it said is in the error.
    pub fn basalt(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.programs.basalt)
            .arg("--socket")
            .arg(self.socket())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running {}", self.programs.basalt.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("basalt {}: {}", arguments.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Begins to follow its events: a line of JSON for each.
    ///
    /// # Errors
    /// The command cannot be started, or does not watch in time.
    pub fn follow_events(&self) -> Result<Child> {
        // Bounded: whoever reads waits no longer for an event than that.
        let mut command = Command::new("timeout");
        command.arg(WATCHED_S).arg(&self.programs.basalt);
        command.arg("--socket").arg(self.socket()).args(["events", "-f", "-n", "1", "-o", "json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        // What was before is told first: whoever has told it watches.
        let mut output = child.stdout.take().context("no output")?;
        let mut octet = [0];
        while octet != *b"\n" {
            output.read_exact(&mut octet).context("no event is told")?;
        }
        child.stdout = Some(output);
        Ok(child)
    }

    /// The same with `-o json`, read.
    ///
    /// # Errors
    /// The command fails, or what it printed is no JSON.
    pub fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let text = self.basalt(&[&["-o", "json"], arguments].concat())?;
        serde_json::from_str(&text).with_context(|| format!("basalt {} printed no JSON", arguments.join(" ")))
    }

    /// What its doctor finds, errors included.
    ///
    /// # Errors
    /// The command fails otherwise, or what it printed is no JSON.
    pub fn findings(&self) -> Result<serde_json::Value> {
        let mut command = Command::new(&self.programs.basalt);
        command.arg("--socket").arg(self.socket()).args(["-o", "json", "doctor"]).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("running {}", self.programs.basalt.display()))?;
        let said = || format!("basalt doctor: {}", String::from_utf8_lossy(&output.stderr).trim());
        serde_json::from_slice(&output.stdout).with_context(said)
    }

    /// Makes an object of the gateway so, through a file as an operator would.
    ///
    /// # Errors
    /// The gateway refuses it.
    pub fn apply(&self, kind: &str, name: &str, body: &serde_json::Value) -> Result<()> {
        let path = self.directory.join("object.json");
        write_private(&path, &serde_json::json!({"kind": kind, "name": name, "body": body}).to_string())?;
        let applied = self.basalt(&["apply", "-f", &path.to_string_lossy()]);
        fs::remove_file(&path)?;
        applied.map(drop)
    }

    /// Puts subscribers into the gateway's list, through a file as an operator would. They may use `apns`, the first by
    /// default; none leaves that to the gateway.
    ///
    /// # Errors
    /// The gateway refuses them.
    pub fn import(&self, subscribers: &[Subscriber], apns: &[Apn]) -> Result<()> {
        self.import_limited(subscribers, apns, None)
    }

    /// The same, with what each of them may receive, bit/s; `None` is the command's own default.
    ///
    /// # Errors
    /// The gateway refuses, with its words.
    pub fn import_limited(&self, subscribers: &[Subscriber], apns: &[Apn], downlink: Option<u64>) -> Result<()> {
        self.import_shaped(subscribers, apns, downlink, |_| Lasting::default())
    }

    /// The same, with what each of them may send and receive, bit/s.
    ///
    /// # Errors
    /// The gateway refuses, with its words.
    pub fn import_metered(&self, subscribers: &[Subscriber], rate: u64) -> Result<()> {
        self.import_rows(subscribers, &[], [Some(rate); 2], |_| Lasting::default())
    }

    /// The same, with what each of them may receive and the addresses that are theirs for good.
    ///
    /// # Errors
    /// The gateway refuses, with its words.
    pub fn import_shaped(
        &self,
        subscribers: &[Subscriber],
        apns: &[Apn],
        downlink: Option<u64>,
        lasting: impl Fn(&Subscriber) -> Lasting,
    ) -> Result<()> {
        self.import_rows(subscribers, apns, [downlink, None], lasting)
    }

    fn import_rows(
        &self,
        subscribers: &[Subscriber],
        apns: &[Apn],
        rates: [Option<u64>; 2],
        lasting: impl Fn(&Subscriber) -> Lasting,
    ) -> Result<()> {
        let path = self.directory.join("subscribers.csv");
        let apns: Vec<&str> = apns.iter().map(Apn::as_str).collect();
        let apns = apns.join(";");
        let mut text = String::from("imsi,k,opc,apn,ambr_dl,ambr_ul,static_ip,framed_routes\n");
        let [downlink, uplink] = rates.map(|rate| rate.map(|rate| rate.to_string()).unwrap_or_default());
        for subscriber in subscribers {
            let (imsi, k, opc) = (subscriber.imsi, subscriber.k_hex(), subscriber.opc_hex());
            let Lasting { address, behind } = lasting(subscriber);
            let (address, behind) = (address.map(|address| address.to_string()).unwrap_or_default(), behind.join("+"));
            text += &format!("{imsi},{k},{opc},{apns},{downlink},{uplink},{address},{behind}\n");
        }
        write_private(&path, &text)?;
        let imported = self.basalt(&["subscriber", "import", "--replace", &path.to_string_lossy()]);
        fs::remove_file(&path)?;
        imported.map(drop)
    }
}

pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

/// Subscribers `first` to `first + count - 1` of a network.
///
/// # Errors
/// A number that has no identity.
pub fn subscribers(plmn: Plmn, first: u32, count: u32) -> Result<Vec<Subscriber>> {
    Ok((first..first + count).map(|number| Subscriber::new(plmn, number)).collect::<Result<_, _>>()?)
}
