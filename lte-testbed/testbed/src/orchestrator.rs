//! An orchestrator beside the gateway of a lab, used as any operator's program uses it: by its executable and its REST
//! interface.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use crate::gateway::program;
use crate::lab::{Lab, Process};
use crate::radio::subscriber::Subscriber;
use crate::{stop, sys};

/// Where its REST interface is, inside the gateway's namespace.
pub const REST: &str = "127.0.0.1:8480";
/// Where gateways find it, inside the gateway's namespace.
const GATEWAYS: &str = "127.0.0.1:8481";
/// The network that it is given.
pub const NETWORK: &str = "demo";
/// What the first user is called, and the password of a lab that lives for minutes.
pub const USER: (&str, &str) = ("operator", "a lab that lives for minutes");
/// How long it may take to start and to answer.
const LIMIT: Duration = Duration::from_secs(20);
/// How long the program may take until it prints where it is.
const START_LIMIT: Duration = Duration::from_secs(60);

/// An event: of which kind, of whom, and in words. Those of an attach have the identity that was given, which is another one each time.
pub type Told = (String, String, String);

/// An orchestrator that was started.
#[derive(Debug)]
pub struct Orchestrator {
    lab: Lab,
    child: Option<Child>,
    log: PathBuf,
    session: String,
}

impl Orchestrator {
    /// Starts it in the gateway's namespace, makes the first user by the setup link, and logs in.
    ///
    /// # Errors
    /// The executable is not there, or it does not come up; its last words are in the error.
    pub fn start(lab: &Lab) -> Result<Self> {
        let mut orchestrator = Self::launch(lab)?;
        let token = orchestrator.wait_for_line(setup_token)?;
        let setup = json!({"token": token, "name": USER.0, "password": USER.1});
        orchestrator.ask("POST", "/setup", &setup)?;
        orchestrator.log_in()?;
        Ok(orchestrator)
    }

    /// Starts one that was stopped over what it has kept, and logs in.
    ///
    /// # Errors
    /// As [`Orchestrator::start`].
    pub fn resume(lab: &Lab) -> Result<Self> {
        let mut orchestrator = Self::launch(lab)?;
        orchestrator.wait_for_line(|line| line.contains("REST interface").then_some(()))?;
        orchestrator.log_in()?;
        Ok(orchestrator)
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// It was not running.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the orchestrator is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Starts one that was killed over what it has kept, and does not wait for it. Sessions outlive it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn again(&mut self) -> Result<()> {
        self.child = Some(spawn(&self.lab, &self.log, Stdio::null())?);
        Ok(())
    }

    fn log_in(&mut self) -> Result<()> {
        let login = json!({"name": USER.0, "password": USER.1});
        let session = self.ask("POST", "/sessions", &login)?;
        session["token"].as_str().context("no session")?.clone_into(&mut self.session);
        Ok(())
    }

    fn launch(lab: &Lab) -> Result<Self> {
        let log = lab.directory().join("orchestratord.log");
        let child = spawn(lab, &log, Stdio::piped())?;
        Ok(Self { lab: lab.clone(), child: Some(child), log, session: String::new() })
    }

    /// Waits for something that it prints.
    fn wait_for_line<T: Send + 'static>(&mut self, wanted: impl Fn(&str) -> Option<T> + Send + 'static) -> Result<T> {
        let output = self.child.as_mut().and_then(|child| child.stdout.take()).context("no output")?;
        let (found, is_found) = std::sync::mpsc::channel();
        // Reads on to the end, so that nothing it prints blocks it.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
                if let Some(value) = wanted(&line) {
                    // Who waited may have given up.
                    let _ = found.send(value);
                }
            }
        });
        let waited = is_found.recv_timeout(START_LIMIT);
        waited.map_err(|_| anyhow!("orchestratord did not start:\n{}", self.last_words()))
    }

    /// Makes the network with what a gateway and these subscribers need.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn fill(&self, subscribers: &[Subscriber]) -> Result<()> {
        self.ask("PUT", "/tenants/demo", &json!({"title": "Demonstration"}))?;
        let network = json!({"tenant": "demo", "epc": {"mcc": "001", "mnc": "01", "tac": 1}});
        self.ask("PUT", &format!("/networks/{NETWORK}"), &network)?;
        self.ask("PUT", &format!("/networks/{NETWORK}/tiers/stable"), &json!({}))?;
        let ambr = json!({"max_ul_bit_rate": 10_000_000_000_u64, "max_dl_bit_rate": 10_000_000_000_u64});
        self.ask("PUT", &format!("/networks/{NETWORK}/apns/internet"), &json!({"qci": 9, "ambr": ambr}))?;
        for subscriber in subscribers {
            let keys = json!({"k": subscriber.k_hex(), "opc": subscriber.opc_hex()});
            let path = format!("/networks/{NETWORK}/subscribers/{}", subscriber.imsi);
            self.ask("PUT", &path, &json!({"keys": keys}))?;
        }
        Ok(())
    }

    /// Any request of the network's objects; the answer's document.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.ask(method, &format!("/networks/{NETWORK}/{path}"), body)
    }

    /// Makes an object of the network, or changes it whole: `apns/internet`.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn put(&self, object: &str, body: &Value) -> Result<()> {
        self.ask("PUT", &format!("/networks/{NETWORK}/{object}"), body).map(|_| ())
    }

    /// Changes the network whole.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn put_network(&self, body: &Value) -> Result<()> {
        self.ask("PUT", &format!("/networks/{NETWORK}"), body).map(|_| ())
    }

    /// Has a gateway do something; the number by which it is known.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn command(&self, gateway: &str, kind: &str, arguments: &Value) -> Result<String> {
        let wanted = json!({"kind": kind, "arguments": arguments});
        let made = self.ask("POST", &format!("/networks/{NETWORK}/gateways/{gateway}/commands"), &wanted)?;
        Ok(made["id"].as_str().context("no id")?.to_owned())
    }

    /// Waits until a command is so.
    ///
    /// # Errors
    /// It is not in time, or ends otherwise.
    pub fn wait_for_command(&self, id: &str, state: &str) -> Result<Value> {
        let deadline = Instant::now() + 3 * LIMIT;
        loop {
            let seen = self.command_state(id)?;
            let now = seen["state"].as_str().unwrap_or_default();
            if now == state {
                return Ok(seen);
            }
            let ended = !matches!(now, "queued" | "sent" | "running");
            if ended || Instant::now() >= deadline {
                bail!("the command is not {state}: {seen}\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an alarm of a rule about a subject is open, or is not.
    ///
    /// # Errors
    /// It does not become so in time.
    pub fn wait_for_alarm(&self, rule: &str, subject: &str, open: bool) -> Result<()> {
        let deadline = Instant::now() + 3 * LIMIT;
        loop {
            let seen = self.ask("GET", &format!("/networks/{NETWORK}/alarms?state=open&rule={rule}"), &Value::Null)?;
            let is_open = seen["items"].as_array().into_iter().flatten().any(|alarm| alarm["subject"] == subject);
            if is_open == open {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{rule} about {subject} does not become open = {open}: {seen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How a command is.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn command_state(&self, id: &str) -> Result<Value> {
        self.ask("GET", &format!("/networks/{NETWORK}/commands/{id}"), &Value::Null)
    }

    /// A page of what a command gave, from an octet on.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn command_data(&self, id: &str, place: u64) -> Result<Value> {
        self.ask("GET", &format!("/networks/{NETWORK}/commands/{id}/data?place={place}"), &Value::Null)
    }

    /// Begins a call trace, and waits until all that are asked have begun. The id by which it is known.
    ///
    /// # Errors
    /// It refuses, or one of them does not begin, with its words.
    pub fn trace(&self, wanted: &Value) -> Result<String> {
        let made = self.ask("POST", &format!("/networks/{NETWORK}/traces"), wanted)?;
        let id = made["id"].as_str().context("no id")?.to_owned();
        self.wait_for_trace(|trace| trace["id"] == id.as_str())?;
        Ok(id)
    }

    /// Waits until all that are asked for such a trace have begun.
    ///
    /// # Errors
    /// There is none in time, or one of them does not begin.
    pub fn wait_for_trace(&self, which: impl Fn(&Value) -> bool) -> Result<()> {
        let deadline = Instant::now() + 3 * LIMIT;
        loop {
            let traces = self.ask("GET", &format!("/networks/{NETWORK}/traces"), &Value::Null)?;
            let trace = traces["items"].as_array().into_iter().flatten().find(|trace| which(trace));
            let asked: Vec<&Value> =
                trace.and_then(|trace| trace["gateways"].as_array()).into_iter().flatten().collect();
            if !asked.is_empty() && asked.iter().all(|gateway| gateway["state"] == "running") {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("the trace does not begin everywhere: {traces}\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a trace's ladder has a message of this name.
    ///
    /// # Errors
    /// It has none in time.
    pub fn wait_for_message(&self, trace: &str, name: &str) -> Result<Value> {
        let deadline = Instant::now() + 3 * LIMIT;
        loop {
            let ladder = self.ask("GET", &format!("/networks/{NETWORK}/traces/{trace}/ladder"), &Value::Null)?;
            if ladder["messages"].as_array().is_some_and(|all| all.iter().any(|message| message["name"] == name)) {
                return Ok(ladder);
            }
            if Instant::now() >= deadline {
                bail!("the trace has no {name}: {ladder}\n{}", self.last_words());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A trace for Wireshark.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn trace_capture(&self, trace: &str) -> Result<Vec<u8>> {
        self.octets("GET", &format!("/networks/{NETWORK}/traces/{trace}/pcapng"), &Value::Null)
    }

    /// Ends a trace and has it forgotten.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn end_trace(&self, trace: &str) -> Result<()> {
        self.ask("DELETE", &format!("/networks/{NETWORK}/traces/{trace}"), &Value::Null).map(|_| ())
    }

    /// Begins `basalt` with these words, where it reaches this orchestrator and has the right to ask it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn basalt(&self, words: &[&str]) -> Result<Child> {
        let mut command = Command::new(program("BASALT_CLI", "basalt")?);
        command.args(words).env("BASALT_ORCHESTRATOR", format!("http://{REST}"));
        command.env("BASALT_NETWORK", NETWORK).env("BASALT_API_KEY", &self.session);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.lab.agw.run(move || command.spawn().context("running basalt"))
    }

    /// A token for a gateway of this name.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn gateway_token(&self, name: &str) -> Result<String> {
        let wanted = json!({"tier": "stable", "gateway": name, "hours": 1});
        let made = self.ask("POST", &format!("/networks/{NETWORK}/gateway-tokens"), &wanted)?;
        Ok(made["token"].as_str().context("no token")?.to_owned())
    }

    /// How it sees a gateway.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn gateway(&self, name: &str) -> Result<Value> {
        self.ask("GET", &format!("/networks/{NETWORK}/gateways/{name}/status"), &Value::Null)
    }

    /// Its latest events of a gateway.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn events(&self, name: &str) -> Result<BTreeSet<Told>> {
        let page = self.ask("GET", &format!("/networks/{NETWORK}/gateways/{name}/events?limit=1000"), &Value::Null)?;
        let told = |event: &Value| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("kind"), text("imsi"), text("text"))
        };
        Ok(page["items"].as_array().into_iter().flatten().map(told).collect())
    }

    /// The metrics of a gateway that it has.
    ///
    /// # Errors
    /// It refuses, with its words.
    pub fn metrics(&self, name: &str) -> Result<Value> {
        self.ask("GET", &format!("/networks/{NETWORK}/gateways/{name}/metrics"), &Value::Null)
    }

    /// Waits until it sees a gateway so.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_for(&self, name: &str, what: &str, mut check: impl FnMut(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let seen = self.gateway(name)?;
            if check(&seen) {
                return Ok(seen);
            }
            if Instant::now() >= deadline {
                bail!("the orchestrator does not see in {} s that {what}: {seen}", LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = self.octets(method, path, body)?;
        if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body).context("no JSON") }
    }

    fn octets(&self, method: &str, path: &str, body: &Value) -> Result<Vec<u8>> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let session = match self.session.as_str() {
            "" => String::new(),
            session => format!("authorization: Bearer {session}\r\n"),
        };
        let length = body.len();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: {REST}\r\nconnection: close\r\n{session}content-length: {length}\r\n\r\n{body}"
        );
        let answer = self.lab.agw.run(move || {
            let mut stream = TcpStream::connect(REST)?;
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        })?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no HTTP answer")?;
        let (head, body) = (answer.get(..end).unwrap_or_default(), answer.get(end + 4..).unwrap_or_default());
        let status = String::from_utf8_lossy(head.get(9..12).unwrap_or_default()).into_owned();
        if !status.starts_with('2') {
            bail!("the orchestrator refuses {method} {path} ({status}): {}", String::from_utf8_lossy(body));
        }
        Ok(body.to_vec())
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// The end of what it wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Asks it to end and waits for it.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        // It may have ended by itself.
        let _ = sys::signal(child.id(), libc::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill()?;
        child.wait()?;
        bail!("orchestratord did not end within 5 s:\n{}", self.last_words())
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Starts the program.
fn spawn(lab: &Lab, log: &Path, output: Stdio) -> Result<Child> {
    let orchestratord = program("BASALT_ORCHESTRATORD", "orchestratord")?;
    let data = lab.directory().join("orchestrator");
    let file = File::options().create(true).append(true).open(log)?;
    let making = stop::making();
    let child = lab.agw.run(move || {
        let mut command = Command::new(&orchestratord);
        command.args(["--listen", REST, "--gateway-listen", GATEWAYS, "--data-dir"]).arg(&data);
        // Its own group: a Ctrl-C at the terminal is for the testbed, which ends it in order.
        command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(file);
        command.spawn().with_context(|| format!("starting {}", orchestratord.display()))
    })?;
    if let Some(process) = Process::find(child.id(), "orchestratord") {
        lab.remember(process)?;
    }
    drop(making);
    Ok(child)
}

/// The token of the setup link, when a line has it.
fn setup_token(line: &str) -> Option<String> {
    Some(line.split_once("/setup#")?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setup_token_is_found_in_what_it_prints() {
        let line = "orchestratord: make the first user: http://x/setup#setup_ab\n";
        assert_eq!(setup_token(line).as_deref(), Some("setup_ab"));
        assert_eq!(setup_token("orchestratord: REST interface on http://x"), None);
    }
}
