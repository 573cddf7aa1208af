//! A home network beside the gateway of a lab: a test HSS with EIR, and the federation gateway between, each a process of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use basalt_ids::Plmn;

use crate::capture::{self, Capture};
use crate::gateway::{program, usage};
use crate::lab::{Lab, NetNs, Process};
use crate::radio::subscriber::Subscriber;
use crate::stop;

/// Where the HSS is, inside the gateway's namespace.
pub(crate) const HSS: &str = "127.0.0.1:3868";
/// Where gateways find the federation gateway.
pub const FEG: &str = "127.0.0.1:8482";
/// Its metrics.
pub(crate) const METRICS: &str = "127.0.0.1:9106";
/// Its Diameter connections, for tshark.
const CAPTURE: &str = "diameter.pcap";
/// What it is called.
pub const FEG_NAME: &str = "feg1.visited.example";
pub(crate) const HSS_NAME: &str = "hss1.home.example";
/// Another HSS, that nobody starts.
const ABSENT_NAME: &str = "hss2.home.example";
const ABSENT: &str = "127.0.0.1:3878";
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Requests a second that a gateway of a lab may ask: more than it can.
const ANY_RATE: u32 = 1_000_000;

/// A home network that was started.
#[derive(Debug)]
pub struct Home {
    ns: NetNs,
    lab: Lab,
    realm: String,
    hss: Option<Child>,
    orders: Option<ChildStdin>,
    fegd: Option<Child>,
    /// All Diameter that the HSS hears and says.
    capture: Option<Capture>,
    /// What the HSS said.
    said: Arc<Mutex<Vec<String>>>,
}

/// What stands beside a home network.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// The federation gateway tells the lab's collector.
    pub collector: bool,
    /// All Diameter is recorded.
    pub capture: bool,
}

/// Settings by which a gateway asks it.
#[must_use]
pub fn settings(plmn: Plmn) -> [String; 2] {
    [
        format!("federation.networks = [\"{plmn}\"]"),
        format!("federation.gateway = [{{ name = \"{FEG_NAME}\", address = \"{FEG}\" }}]"),
    ]
}

impl Home {
    /// Starts both, and waits until they speak to each other.
    ///
    /// # Errors
    /// The executables are not there, or do not come up.
    pub fn start(lab: &Lab, plmn: Plmn, subscribers: &[Subscriber], beside: Beside) -> Result<Self> {
        let mut home = Self::without_gateway(lab, plmn, subscribers, &[FEG_NAME], beside.capture)?;
        let (realm, control) = (home.realm.clone(), lab.directory().join("fegd.sock"));
        let state = lab.directory().join("feg");
        let otlp = if beside.collector { format!("{}\n", crate::collector::setting()) } else { String::new() };
        let text = format!(
            "{otlp}host = \"{FEG_NAME}\"\nrealm = \"visited.example\"\nmetrics = \"{METRICS}\"\ncontrol = {control:?}\n\
             state_dir = {state:?}\n[gateways]\nlisten = \"{FEG}\"\nrate = {ANY_RATE}\n[[network]]\nplmn = \"{plmn}\"\n\
             [[peer]]\nhost = \"{HSS_NAME}\"\naddress = \"{HSS}\"\nrealms = [\"{realm}\"]\n"
        );
        fs::write(lab.directory().join("fegd.toml"), text)?;
        home.start_fegd()?;
        home.wait_until("the HSS is connected", |metrics| metrics.contains(&up(true)))?;
        Ok(home)
    }

    /// Starts the HSS alone, for federation gateways of these names; `capture`: what it hears and says is recorded.
    ///
    /// # Errors
    /// The executable is not there, or does not come up.
    pub fn without_gateway(
        lab: &Lab,
        plmn: Plmn,
        subscribers: &[Subscriber],
        fegs: &[&str],
        capture: bool,
    ) -> Result<Self> {
        let realm = format!("epc.mnc{:03}.mcc{:03}.3gppnetwork.org", plmn.mnc(), plmn.mcc());
        let mut text = format!("host = \"{HSS_NAME}\"\nrealm = \"{realm}\"\nlisten = \"{HSS}\"\npeers = {fegs:?}\n");
        for subscriber in subscribers {
            let (imsi, k, opc) = (subscriber.imsi, subscriber.k_hex(), subscriber.opc_hex());
            let (zones, apns) = (&subscriber.zones, &subscriber.apns);
            text +=
                &format!("[[subscriber]]\nimsi = \"{imsi}\"\nk = \"{k}\"\nopc = \"{opc}\"\nzone_codes = {zones:?}\n");
            if !apns.is_empty() {
                text += &format!("apns = {apns:?}\n");
            }
        }
        crate::gateway::write_private(&lab.directory().join("hss.toml"), &text)?;
        let said = Arc::default();
        let (ns, lab) = (lab.agw.clone(), lab.clone());
        let capture = capture.then(|| Capture::diameter(&ns, &lab.directory().join(CAPTURE))).transpose()?;
        let mut home = Self { ns, lab, realm, hss: None, orders: None, fegd: None, capture, said };
        home.start_hss()?;
        Ok(home)
    }

    /// A peer of a federation gateway: this home network's HSS, as an orchestrator's object has it.
    #[must_use]
    pub fn as_peer(&self) -> serde_json::Value {
        serde_json::json!({"host": HSS_NAME, "address": HSS, "realms": [self.realm]})
    }

    /// A second server of this home network's, which is never there.
    #[must_use]
    pub fn absent_peer(&self) -> serde_json::Value {
        serde_json::json!({"host": ABSENT_NAME, "address": ABSENT, "realms": [self.realm], "rank": 1})
    }

    /// Starts the HSS, again if need be.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_hss(&mut self) -> Result<()> {
        // One that a behaviour has ended.
        if let Some(mut ended) = self.hss.take() {
            ended.kill()?;
            ended.wait()?;
        }
        let program = std::env::current_exe()?;
        let config = self.lab.directory().join("hss.toml");
        let mut child = spawn(&self.lab, "testbed", program, &["hss", "--config"], config, true)?;
        self.orders = child.stdin.take();
        let output = child.stdout.take().context("no output")?;
        let said = Arc::clone(&self.said);
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
                if line == "ready" {
                    // Who waited may have given up.
                    let _ = ready.send(());
                }
                said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        self.hss = Some(child);
        is_ready.recv_timeout(LIMIT).context("the HSS does not start")
    }

    /// Starts the federation gateway, again if need be.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_fegd(&mut self) -> Result<()> {
        let config = self.lab.directory().join("fegd.toml");
        let child = spawn(&self.lab, "fegd", program("BASALT_FEGD", "fegd")?, &["--config"], config, false)?;
        self.fegd = Some(child);
        self.wait_until("it serves", |_| true)
    }

    /// Kills the HSS as a crash would, and waits until its peer has noticed.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill_hss(&mut self) -> Result<()> {
        end(self.hss.take())?;
        self.wait_until("the HSS is gone", |metrics| metrics.contains(&up(false)))
    }

    /// Whether the HSS has ended.
    pub fn is_gone(&mut self) -> bool {
        self.hss.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the HSS as a crash would, and waits for nobody to notice.
    ///
    /// # Errors
    /// It was not running.
    pub fn crash_hss(&mut self) -> Result<()> {
        end(self.hss.take())
    }

    /// The HSS comes back, and its peer has connected.
    ///
    /// # Errors
    /// It does not start, or is not found.
    pub fn return_hss(&mut self) -> Result<()> {
        self.start_hss()?;
        self.wait_until("the HSS is connected", |metrics| metrics.contains(&up(true)))
    }

    /// Kills the federation gateway as a crash would.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill_fegd(&mut self) -> Result<()> {
        end(self.fegd.take())
    }

    /// The federation gateway comes back and has its peer.
    ///
    /// # Errors
    /// It does not start.
    pub fn return_fegd(&mut self) -> Result<()> {
        self.start_fegd()?;
        self.wait_until("the HSS is connected", |metrics| metrics.contains(&up(true)))
    }

    /// Tells the HSS something: how it is to behave, or an order to whoever has a phone. Waits for its answer.
    ///
    /// # Errors
    /// It does not understand, or the order was not carried out.
    pub fn tell(&mut self, words: &str) -> Result<()> {
        match self.ask(words)?.as_str() {
            "2001" | "ok" => Ok(()),
            other => bail!("`{words}` was answered {other}"),
        }
    }

    /// The same; what was answered.
    pub(crate) fn ask(&mut self, words: &str) -> Result<String> {
        let before = self.lines().len();
        let orders = self.orders.as_mut().context("the HSS is not running")?;
        writeln!(orders, "{words}")?;
        let deadline = Instant::now() + LIMIT;
        loop {
            let lines = self.lines();
            let answer = lines.iter().skip(before).find_map(|line| line.strip_prefix("done "));
            match answer {
                Some(answer) => return Ok(answer.to_owned()),
                None if Instant::now() >= deadline => bail!("`{words}` was not answered"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Processor time that the federation gateway and the HSS have used, microseconds.
    ///
    /// # Errors
    /// They are not running.
    pub fn cpu(&self) -> Result<[u64; 2]> {
        let of =
            |child: &Option<Child>| Ok::<_, anyhow::Error>(usage(child.as_ref().context("not running")?.id())?.cpu_us);
        Ok([of(&self.fegd)?, of(&self.hss)?])
    }

    /// How many requests of a kind (AIR, ULR, ...) the HSS has had.
    #[must_use]
    pub fn saw(&self, command: &str) -> usize {
        let begins = format!("{command} ");
        self.lines().iter().filter(|line| line.starts_with(&begins)).count()
    }

    /// Ends the recording of its Diameter connections: what tshark finds wrong in them, of federation gateways only if the HSS lied. `None`
    /// where there is no tshark.
    ///
    /// # Errors
    /// There is no Diameter in it, or it was asked for before.
    pub fn complaints(&mut self, lied: bool) -> Result<Option<Vec<String>>> {
        self.capture.take().context("it is not recorded any more")?.stop()?;
        capture::diameter_complaints(&self.lab.directory().join(CAPTURE), lied)
    }

    /// Commands of Diameter that tshark has read in the recording, by code, and whether as requests; `None` where there is no tshark.
    ///
    /// # Errors
    /// tshark cannot read it.
    pub fn commands(&self) -> Result<Option<BTreeSet<(u32, bool)>>> {
        capture::diameter_commands(&self.lab.directory().join(CAPTURE))
    }

    /// Challenges of all vectors that the HSS gave, with whose they were, in the order in which it gave them.
    #[must_use]
    pub fn given(&self) -> Vec<(String, [u8; 16])> {
        let rand = |word: &str| u128::from_str_radix(word, 16).ok().map(u128::to_be_bytes);
        let line = |line: &String| {
            let words: Vec<&str> = line.strip_prefix("AIR ")?.split(' ').collect();
            let (imsi, rest) = words.split_first()?;
            let imsi = (*imsi).to_owned();
            Some(rest.iter().skip(1).filter_map(move |word| Some((imsi.clone(), rand(word)?))).collect::<Vec<_>>())
        };
        self.lines().iter().filter_map(line).flatten().collect()
    }

    /// The realm of the home network.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait_until(&self, what: &str, check: impl Fn(&str) -> bool) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if self.ns.run(scrape).is_ok_and(|text| check(&text)) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let log = fs::read_to_string(self.lab.directory().join("home.log")).unwrap_or_default();
                bail!("of the federation gateway it does not become true that {what}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // They may have ended by themselves.
        let _ = end(self.hss.take());
        let _ = end(self.fegd.take());
        let _ = self.capture.take().map(Capture::stop);
    }
}

/// Starts a program of a home network's in the gateway's namespace.
pub(crate) fn spawn(
    lab: &Lab,
    name: &str,
    program: PathBuf,
    words: &[&str],
    config: PathBuf,
    piped: bool,
) -> Result<Child> {
    let log = File::options().create(true).append(true).open(lab.directory().join("home.log"))?;
    let making = stop::making();
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let child = lab.agw.run(move || {
        let mut command = Command::new(&program);
        // Its own group: a Ctrl-C at the terminal is for the testbed, which ends it in order.
        command.args(&words).arg(&config).process_group(0).stderr(log);
        if piped {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        command.spawn().with_context(|| format!("starting {}", program.display()))
    })?;
    if let Some(process) = Process::find(child.id(), name) {
        lab.remember(process)?;
    }
    drop(making);
    Ok(child)
}

fn up(is: bool) -> String {
    format!("basalt_feg_peer_up{{peer=\"{HSS_NAME}\"}} {}", u8::from(is))
}

fn end(child: Option<Child>) -> Result<()> {
    let mut child = child.context("it is not running")?;
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The metrics of the federation gateway in this namespace.
pub(crate) fn scrape() -> Result<String> {
    let mut stream = TcpStream::connect(METRICS)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: fegd\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
