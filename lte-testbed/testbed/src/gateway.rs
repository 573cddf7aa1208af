//! A gateway in the lab: its configuration, its process, and what an operator can see of it.
//!
//! The testbed knows the gateway by its executable, its configuration file, the `basalt` command and its Prometheus port, as
//! any operator does; by nothing else.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use basalt_ids::{Apn, Plmn};
use toml::{Table, Value};

use crate::lab::{self, Lab, NetNs, Process};
use crate::radio::subscriber::Subscriber;
use crate::{stop, sys};

/// Where Prometheus text is served, inside the gateway's namespace.
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9105);
/// How long a gateway may take to start.
const START_LIMIT: Duration = Duration::from_secs(120);
/// So long events are followed at most, seconds.
const WATCHED_S: &str = "300";

/// What a gateway is started with.
#[derive(Clone, Debug)]
pub struct GatewaySetup {
    /// Configuration beyond the lab's own.
    pub settings: Table,
    /// Where it keeps its state.
    pub state_dir: PathBuf,
    /// SCTP over UDP and the software data plane: what works without root.
    pub unprivileged: bool,
}

/// A gateway that was started.
#[derive(Debug)]
pub struct Gateway {
    ns: NetNs,
    child: Option<Child>,
    directory: PathBuf,
    programs: Programs,
    lab: Lab,
    /// The gateway's output is shown in errors.
    log: PathBuf,
}

#[derive(Clone, Debug)]
struct Programs {
    agwd: PathBuf,
    basalt: PathBuf,
}

impl Gateway {
    /// Writes the configuration, starts the daemon in the lab's gateway namespace and waits until it answers.
    ///
    /// # Errors
    /// The executables are not there, or the daemon does not come up; its last words are in the error.
    pub fn start(lab: &Lab, setup: &GatewaySetup) -> Result<Self> {
        let making = stop::making();
        let directory = lab.directory();
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        fs::create_dir_all(&setup.state_dir).with_context(|| format!("making {}", setup.state_dir.display()))?;
        fs::set_permissions(&setup.state_dir, fs::Permissions::from_mode(0o700))?;
        lab.remember_directory(directory.clone())?;
        let config = configuration(setup, &directory)?;
        fs::write(directory.join("agwd.toml"), toml::to_string(&config)?)?;
        let log = directory.join("agwd.log");
        let mut gateway =
            Self { ns: lab.agw.clone(), child: None, directory, programs: Programs::find()?, lab: lab.clone(), log };
        drop(making);
        gateway.launch()?;
        Ok(gateway)
    }

    /// Starts the daemon again, with the configuration it had.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn launch(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Changes a setting (keys joined by dots) for the next start.
    ///
    /// # Errors
    /// The configuration file cannot be read or written.
    pub fn configure(&self, path: &str, value: Value) -> Result<()> {
        let file = self.directory.join("agwd.toml");
        let mut config: Table = toml::from_str(&fs::read_to_string(&file)?)?;
        set(&mut config, path, value)?;
        Ok(fs::write(file, toml::to_string(&config)?)?)
    }

    /// Starts the daemon, and does not wait until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let (agwd, config) = (self.programs.agwd.clone(), self.directory.join("agwd.toml"));
        let making = stop::making();
        let child = self.ns.run(move || {
            let mut command = Command::new(&agwd);
            command.arg("--config").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            // Its own group: a Ctrl-C at the terminal is for the testbed, which ends the gateway in order.
            command.process_group(0);
            command.spawn().with_context(|| format!("starting {}", agwd.display()))
        })?;
        if let Some(process) = Process::find(child.id(), "agwd") {
            self.lab.remember(process)?;
        }
        drop(making);
        self.child = Some(child);
        Ok(())
    }

    /// Waits until the daemon answers.
    ///
    /// # Errors
    /// It has ended, or takes too long; its last words are in the error.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if self.metrics().is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("agwd ended with {status}:\n{}", self.last_words());
            }
            if Instant::now() >= deadline {
                bail!("agwd did not get ready in {} s:\n{}", START_LIMIT.as_secs(), self.last_words());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills the daemon as a crash would. What outlives it, outlives it.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the gateway is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks the daemon to end for a restart (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// It was not running, or does not end.
    pub fn stop_for_restart(&mut self) -> Result<()> {
        self.end(libc::SIGTERM)
    }

    /// Asks the daemon to take everything down (SIGINT) and waits for it.
    ///
    /// # Errors
    /// It was not running, or does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.end(libc::SIGINT)
    }

    fn end(&mut self, signal: libc::c_int) -> Result<()> {
        let mut child = self.child.take().context("the gateway is not running")?;
        sys::signal(child.id(), signal)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        bail!("agwd did not end within 5 s of signal {signal}:\n{}", self.last_words())
    }

    /// Leaves the daemon to itself: it runs on when this value is gone, until its lab goes.
    pub fn leave_running(mut self) {
        drop(self.child.take());
    }

    /// Whether the daemon still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// The daemon's process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The end of what the daemon wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// All that the daemon wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agwd.sock")
    }

    /// The executable of the `basalt` command.
    #[must_use]
    pub fn command(&self) -> &Path {
        &self.programs.basalt
    }

    /// The executable of the daemon.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.programs.agwd
    }

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

    /// The values of all metrics, by name with labels as Prometheus writes them.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let text = self.ns.run(|| scrape(METRICS))?;
        Ok(parse_metrics(&text))
    }

    /// CPU time the daemon has used, user and system, in microseconds, and its resident memory in octets.
    ///
    /// # Errors
    /// It is not running.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.pid().context("the gateway is not running")?)
    }

    /// CPU time of everything that runs for the gateway: the daemon and the keeper of its associations, in microseconds.
    ///
    /// # Errors
    /// It is not running.
    pub fn cpu_with_keeper(&self) -> Result<u64> {
        let pids = self.ns.processes("agwd")?;
        pids.into_iter().map(|pid| usage(pid).map(|usage| usage.cpu_us)).sum()
    }
}

/// Addresses that are a subscriber's for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// Its phone's, at its default access point.
    pub address: Option<Ipv4Addr>,
    /// Networks behind its phone.
    pub behind: Vec<String>,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// Resident memory in octets.
    pub resident: u64,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.child.is_some() {
            let _ = self.stop();
        }
    }
}

impl Programs {
    /// Beside this executable, or where the environment says.
    fn find() -> Result<Self> {
        Ok(Self { agwd: program("BASALT_AGWD", "agwd")?, basalt: program("BASALT_CLI", "basalt")? })
    }
}

/// An executable beside this one, or where the environment says.
pub(crate) fn program(variable: &str, name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.parent().context("this executable is nowhere")?;
    let path = std::env::var_os(variable).map_or_else(|| directory.join(name), PathBuf::from);
    if !path.is_file() {
        bail!("there is no {}: build it (`cargo xtask demo` does), or set {variable}", path.display());
    }
    Ok(path)
}

/// The lab's configuration with the settings that were asked for on top.
fn configuration(setup: &GatewaySetup, directory: &Path) -> Result<Table> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (address, length) = lab::PHONES;
    let mut config: Table = toml::from_str(&format!(
        r#"
        name = "basalt-lab"
        state_dir = {state:?}
        run_dir = {run:?}
        [network]
        plmns = ["001-01"]
        tacs = [1]
        full_name = "Basalt"
        short_name = "Basalt"
        [radio]
        listen = ["{gateway}"]
        [internet]
        interface = "{sgi}"
        mode = "routed"
        dns = ["{dns}"]
        [[apn]]
        name = "internet"
        pools = ["{address}/{length}"]
        [metrics]
        listen = "{METRICS}"
        "#,
        state = text(&setup.state_dir),
        run = text(directory),
        gateway = lab::GATEWAY_S1,
        sgi = lab::SGI_INTERFACE,
        dns = lab::SERVER,
    ))?;
    if setup.unprivileged {
        set(&mut config, "radio.sctp", Value::from("udp"))?;
        set(&mut config, "dataplane.mode", Value::from("software"))?;
    }
    merge(&mut config, setup.settings.clone());
    Ok(config)
}

/// Sets `path` (keys joined by dots) in a configuration.
///
/// # Errors
/// A part of the path is no table.
pub fn set(config: &mut Table, path: &str, value: Value) -> Result<()> {
    let mut table = config;
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().unwrap_or_default();
    for key in keys {
        let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| anyhow!("{key} of {path} is no table"))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn scrape(address: SocketAddr) -> Result<String> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
    // Fields 14 and 15 of proc(5), counted after the name, in ticks of 10 ms.
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let resident: u64 = resident.unwrap_or(0);
    // The scheduler's own account is finer, where the kernel keeps it.
    let fine = fs::read_dir(format!("/proc/{pid}/task")).ok().and_then(|tasks| {
        let run_time = |task: std::io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.map(run_time).try_fold(0, |sum, part| Some(sum + part?))
    });
    let cpu_us = fine.map_or_else(|| (ticks(11) + ticks(12)) * 10_000, |nanos| nanos / 1000);
    Ok(Usage { cpu_us, resident: resident * 1024 })
}

/// Subscribers `first` to `first + count - 1` of a network.
///
/// # Errors
/// A number that has no identity.
pub fn subscribers(plmn: Plmn, first: u32, count: u32) -> Result<Vec<Subscriber>> {
    Ok((first..first + count).map(|number| Subscriber::new(plmn, number)).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_reach_their_tables() {
        let mut config: Table = toml::from_str("[radio]\nport = 1").unwrap();
        set(&mut config, "radio.sctp", Value::from("udp")).unwrap();
        set(&mut config, "paging.attempts", Value::from(2)).unwrap();
        assert!(set(&mut config, "radio.port.x", Value::from(1)).is_err());
        let mut other = Table::new();
        set(&mut other, "radio.port", Value::from(2)).unwrap();
        merge(&mut config, other);
        let radio = config["radio"].as_table().unwrap();
        assert_eq!((radio["port"].as_integer(), radio["sctp"].as_str()), (Some(2), Some("udp")));
    }

    #[test]
    fn metrics_are_read_with_their_labels() {
        let metrics = parse_metrics("# HELP x\nbasalt_agw_enbs 2\nbasalt_agw_ues{state=\"idle\"} 3\n\n");
        assert_eq!(metrics["basalt_agw_enbs"], 2.0);
        assert_eq!(metrics["basalt_agw_ues{state=\"idle\"}"], 3.0);
        assert_eq!(metrics.len(), 2);
    }

    #[test]
    fn the_labs_configuration_is_whole() {
        let setup = GatewaySetup { settings: Table::new(), state_dir: "/tmp/state".into(), unprivileged: true };
        let config = configuration(&setup, Path::new("/tmp/run")).unwrap();
        assert_eq!(config["radio"].as_table().unwrap()["sctp"].as_str(), Some("udp"));
        assert_eq!(config["apn"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_process_tells_what_it_used() {
        assert!(usage(std::process::id()).unwrap().resident > 0);
    }
}
