//! The demonstration: a whole network on one machine, step by step, with timings.
//!
//! Everything is real: a base station's S1AP over SCTP, a phone that authenticates, packets of ordinary sockets through the
//! gateway's data plane to a server and back. What works is printed as it happens; what does not ends up in
//! [`Summary::failures`], and with it in the exit code.

mod door;
pub mod federated;
mod summary;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use basalt_ids::Plmn;
use serde_json::Value;
use testbed_ue::{AttachKind, DetachKind, EmmState, Input, Profile, Ue};

use crate::capture::{self, Capture};
use crate::gateway::subscribers;
use crate::lab::{self, NetNs};
use crate::load::{self, LoadPlan, Percentiles};
use crate::network::{Network, NetworkPlan};
use crate::orchestrator::{self, Orchestrator};
use crate::probe;
use crate::radio::{Io, Radio, tun};
use crate::sys;
pub use summary::Summary;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct DemoPlan {
    /// Name of the lab.
    pub lab: String,
    /// Phones.
    pub ues: u32,
    /// SCTP over UDP and the software data plane.
    pub unprivileged: bool,
    /// Phones can be read along.
    pub null_ciphering: bool,
    /// Where summary and recording go.
    pub into: PathBuf,
}

/// How long all phones together may take to attach.
const ATTACH_LIMIT: Duration = Duration::from_secs(20);
/// Octets of the HTTP download.
const DOWNLOAD: u64 = 20_000_000;
/// Pings of each phone.
const PINGS: u32 = 5;
/// What was said between base station and gateway, for tshark.
const CAPTURE: &str = "signalling.pcap";
/// How long after its release a phone is left alone before it is called.
const SETTLED: Duration = Duration::from_millis(500);
/// Seconds without traffic after which the base station lets a phone go idle, while the demo stays up.
const INACTIVITY: Duration = Duration::from_secs(10);

/// A demonstration that is on.
pub struct Demo {
    plan: DemoPlan,
    begin: Instant,
    summary: Summary,
    phones: Vec<NetNs>,
    capture: Option<Capture>,
    // In the order in which they must go.
    radio: Radio,
    orchestrator: Orchestrator,
    network: Network,
}

/// What the demonstration's gateway is called at the orchestrator.
const GATEWAY: &str = "hill";

/// Prints a step with the time since the start.
fn say(begin: Instant, what: &str) {
    tell!("{:>7.2} s  {what}", begin.elapsed().as_secs_f64());
}

impl Demo {
    /// Brings the network up: lab, internet, gateway, base station, subscribers.
    ///
    /// # Errors
    /// Anything that cannot be brought up.
    pub fn start(plan: DemoPlan) -> Result<Self> {
        let begin = Instant::now();
        let network = Network::start(&NetworkPlan::new(&plan.lab, plan.unprivileged))?;
        say(begin, &format!("lab: namespaces {0}-ran, {0}-agw, {0}-internet, joined by veth", plan.lab));
        say(begin, &format!("internet: a server at {} (HTTP, echo, sink, source, DNS)", lab::SERVER));
        say(begin, "gateway: agwd is ready");
        let mut summary = Summary { ues_requested: plan.ues, skipped: skipped(&plan), ..Summary::default() };
        let orchestrator = Orchestrator::start(&network.lab)?;
        say(
            begin,
            &format!(
                "orchestrator: orchestratord is ready on {}, its first user made by the setup link",
                orchestrator::REST
            ),
        );
        orchestrator.fill(&subscribers(plmn()?, 1, plan.ues)?)?;
        say(begin, &format!("orchestrator: network `{}` with {} subscribers", orchestrator::NETWORK, plan.ues));
        network.gateway.basalt(&["gateway", "join", &orchestrator.gateway_token(GATEWAY)?])?;
        let seen = orchestrator.wait_for(GATEWAY, "the gateway has all that it should", |seen| {
            seen["connected"] == true && seen["sync"]["in_sync"] == true
        })?;
        (summary.orchestrator.connected, summary.orchestrator.in_sync) = (true, true);
        let items = seen["sync"]["items"].as_u64().unwrap_or(0);
        say(
            begin,
            &format!("gateway: joined as `{GATEWAY}` with a one-off token over mutual TLS, has all {items} items"),
        );
        let capture = Capture::start(&network.lab.ran, &plan.into.join(CAPTURE))?;
        let radio = network.radio()?;
        let mut demo =
            Self { plan, begin, summary, phones: Vec::new(), capture: Some(capture), radio, orchestrator, network };
        demo.base_station()?;
        Ok(demo)
    }

    fn say(&self, what: &str) {
        say(self.begin, what);
    }

    fn fail(&mut self, what: String) {
        self.say(&format!("FAILED: {what}"));
        self.summary.failures.push(what);
    }

    fn base_station(&mut self) -> Result<()> {
        let plan = LoadPlan { patience: ATTACH_LIMIT, ..LoadPlan::attached(self.plan.ues)? };
        load::bring_up_enbs(&self.radio, &plan)?;
        let carrier = self.radio.call(|io| io.carrier(0).unwrap_or("?"))?;
        self.say(&format!("base station: S1 set up over SCTP ({carrier})"));
        Ok(())
    }

    /// Runs all of it and writes the summary; whether everything worked.
    ///
    /// # Errors
    /// The summary cannot be written. What did not work is in it.
    pub fn play(&mut self) -> Result<bool> {
        let steps: [fn(&mut Self) -> Result<()>; 7] =
            [Self::attach, Self::ping, Self::transfers, Self::page, Self::counters, Self::seen, Self::judge];
        for step in steps {
            if let Err(error) = step(self) {
                self.fail(format!("{error:#}"));
                break;
            }
        }
        self.summary.seconds = (self.begin.elapsed().as_secs_f64() * 100.0).round() / 100.0;
        let path = self.summary.write(&self.plan.into)?;
        for skipped in &self.summary.skipped {
            self.say(&format!("skipped: {skipped}"));
        }
        self.say(&format!("summary: {}", path.display()));
        Ok(self.summary.failures.is_empty())
    }

    fn attach(&mut self) -> Result<()> {
        let profile = Arc::new(profile(self.plan.null_ciphering));
        for (number, subscriber) in (1..).zip(subscribers(plmn()?, 1, self.plan.ues)?) {
            let ns = self.network.lab.phone(number)?;
            self.phones.push(ns.clone());
            let ue = Ue::new(profile.clone(), subscriber.usim(), subscriber.imeisv);
            self.radio.call(move |io| {
                io.record = true;
                let phone = io.add_phone(ue, 0);
                io.give_tun(phone, ns);
                io.phone(phone, Input::Attach(AttachKind::Usual));
            })?;
        }
        let count = self.plan.ues as usize;
        self.radio
            .wait(ATTACH_LIMIT, move |io| (0..count).all(|phone| attach_time(io, phone).is_some()).then_some(()))?;
        let times =
            self.radio.call(move |io| (0..count).filter_map(|phone| attach_time(io, phone)).collect::<Vec<u32>>())?;
        let mut sorted = times.clone();
        let percentiles = Percentiles::of(&mut sorted);
        self.summary.ues_attached = times.len() as u32;
        self.summary.attach_ms.p50 = percentiles.p50_ms;
        self.summary.attach_ms.p99 = percentiles.p99_ms;
        (self.summary.attach_ms_p50, self.summary.attach_ms_p99) = (percentiles.p50_ms, percentiles.p99_ms);
        self.say(&format!("phones: {} of {} attached, {percentiles}", times.len(), self.plan.ues));
        for ue in self.network.gateway.json(&["get", "ues"])?.as_array().into_iter().flatten() {
            let text = |key: &str| ue.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
            self.say(&format!(
                "         {} {}, {}/{}",
                text("imsi"),
                text("state"),
                text("ciphering"),
                text("integrity")
            ));
        }
        if self.summary.ues_attached < self.plan.ues {
            self.fail(format!("{} phones did not attach", self.plan.ues - self.summary.ues_attached));
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<()> {
        for (number, ns) in (1..).zip(self.phones.clone()) {
            let interval = Duration::from_millis(50);
            match probe::ping(&ns, lab::SERVER, PINGS, interval, Duration::from_secs(2)) {
                Ok(pings) => {
                    self.summary.ping.sent += pings.sent;
                    self.summary.ping.received += pings.received;
                    let (received, sent, median) = (pings.received, pings.sent, pings.median_ms());
                    self.say(&format!(
                        "ping: phone {number} reached {}: {received} of {sent}, {median:.2} ms",
                        lab::SERVER
                    ));
                    if pings.lost() > 0 {
                        self.fail(format!("phone {number} lost {} of {sent} pings", pings.lost()));
                    }
                }
                Err(error) => self.fail(format!("phone {number} cannot ping: {error:#}")),
            }
        }
        Ok(())
    }

    fn transfers(&mut self) -> Result<()> {
        let Some(ns) = self.phones.first().cloned() else { return Ok(()) };
        match probe::resolve(&ns, lab::SERVER, "www.example.net") {
            Ok(address) => self.say(&format!("DNS: www.example.net is {address}")),
            Err(error) => self.fail(format!("DNS: {error:#}")),
        }
        match probe::download(&ns, lab::SERVER, DOWNLOAD) {
            Ok(transfer) => {
                self.summary.http_mbit_s = transfer.mbit_s().round();
                self.say(&format!(
                    "HTTP: {} MB in {:.2} s, {:.0} Mbit/s",
                    DOWNLOAD / 1_000_000,
                    transfer.seconds,
                    transfer.mbit_s()
                ));
            }
            Err(error) => self.fail(format!("HTTP download: {error:#}")),
        }
        for (uplink, name) in [(true, "uplink"), (false, "downlink")] {
            match probe::throughput(&ns, lab::SERVER, Duration::from_secs(1), uplink) {
                Ok(transfer) if uplink => {
                    self.summary.uplink_mbit_s = transfer.mbit_s().round();
                    self.say(&format!("TCP {name}: {:.0} Mbit/s for one second", transfer.mbit_s()));
                }
                Ok(transfer) => {
                    self.summary.downlink_mbit_s = transfer.mbit_s().round();
                    self.say(&format!("TCP {name}: {:.0} Mbit/s for one second", transfer.mbit_s()));
                }
                Err(error) => self.fail(format!("TCP {name}: {error:#}")),
            }
        }
        Ok(())
    }

    /// The first phone goes idle, is called from the gateway's side, and answers the waiting packets.
    fn page(&mut self) -> Result<()> {
        // What is left of the transfers may still travel: the base station lets a phone go when it is silent.
        let let_go = |io: &mut Io| {
            io.release_silent(Duration::from_millis(300));
            io.site.record(0).is_some_and(|record| !record.ue.is_connected()).then_some(())
        };
        let idle = self.radio.wait(Duration::from_secs(10), let_go)?;
        let (Some(()), Some(address)) = (idle, self.address_of_first()?) else {
            self.fail("the first phone does not go idle".to_owned());
            return Ok(());
        };
        self.say("idle: the base station let the first phone go");
        // A gateway does not call a phone that has only just left.
        std::thread::sleep(SETTLED);
        match probe::ping(&self.network.lab.internet, address, 3, Duration::from_millis(20), Duration::from_secs(5)) {
            Ok(pings) if pings.lost() == 0 => {
                self.summary.paged = true;
                let first = pings.round_trip_ms.first().copied().unwrap_or(0.0);
                self.say(&format!(
                    "paging: {} packets waited for it, none was lost; the first took {first:.0} ms",
                    pings.sent
                ));
            }
            Ok(pings) => self.fail(format!("{} of {} packets for an idle phone were lost", pings.lost(), pings.sent)),
            Err(error) => self.fail(format!("paging: {error:#}")),
        }
        Ok(())
    }

    fn address_of_first(&self) -> Result<Option<Ipv4Addr>> {
        let sessions = self.network.gateway.json(&["get", "sessions"])?;
        let first = sessions.as_array().and_then(|sessions| sessions.first()?.get("address")?.as_str());
        Ok(first.and_then(|address| address.parse().ok()))
    }

    fn counters(&mut self) -> Result<()> {
        let status = self.network.gateway.json(&["status"])?;
        let text = |key: &str| status.get(key).and_then(Value::as_str).unwrap_or("unknown").to_owned();
        let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or(0);
        self.summary.data_plane = text("data_plane");
        self.summary.sctp_backend = text("sctp_backend");
        self.summary.uplink_bytes.gateway = number("uplink_bytes");
        self.summary.downlink_bytes.gateway = number("downlink_bytes");
        for ns in &self.phones {
            let (up, down) = tun::octets(ns)?;
            self.summary.uplink_bytes.phone += up;
            self.summary.downlink_bytes.phone += down;
        }
        for (reason, count) in status.get("drops").and_then(Value::as_object).into_iter().flatten() {
            self.summary.drops.insert(reason.clone(), count.as_u64().unwrap_or(0));
        }
        let Summary { data_plane, sctp_backend, uplink_bytes, downlink_bytes, drops, .. } = self.summary.clone();
        self.say(&format!("data plane: {data_plane}; SCTP: {sctp_backend}; drops: {drops:?}"));
        self.say(&format!(
            "counted: up {} B by phones, {} B by the gateway; down {} B by phones, {} B by the gateway",
            uplink_bytes.phone, uplink_bytes.gateway, downlink_bytes.phone, downlink_bytes.gateway
        ));
        if !self.plan.unprivileged && self.summary.data_plane == "software" {
            self.summary.skipped.push("XDP: the gateway found that it does not work here, and said why".to_owned());
        }
        Ok(())
    }

    /// What the orchestrator sees of all that.
    fn seen(&mut self) -> Result<()> {
        let ues = u64::from(self.summary.ues_attached);
        let seen = self
            .orchestrator
            .wait_for(GATEWAY, "the phones are there", |seen| seen["state"]["registered_ues"].as_u64() == Some(ues))?;
        let metrics = self.orchestrator.metrics(GATEWAY)?;
        self.summary.orchestrator.registered_ues = ues;
        self.summary.orchestrator.metrics = metrics["values"].as_object().map_or(0, serde_json::Map::len);
        let (sessions, metrics) = (&seen["state"]["sessions"], self.summary.orchestrator.metrics);
        self.say(&format!("orchestrator: sees {ues} phones, {sessions} sessions and {metrics} metrics of the gateway"));
        if metrics == 0 {
            self.fail("the orchestrator has no metrics of the gateway".to_owned());
        }
        Ok(())
    }

    /// Lets tshark read what was said, where there is a tshark.
    fn judge(&mut self) -> Result<()> {
        let Some(capture) = self.capture.take() else { return Ok(()) };
        let frames = capture.stop()?;
        let path = self.plan.into.join(CAPTURE);
        match capture::complaints(&path, self.plan.null_ciphering) {
            Ok(Some(complaints)) if complaints.is_empty() => {
                self.say(&format!(
                    "tshark: nothing to complain about in {frames} packets of signalling ({})",
                    path.display()
                ));
            }
            Ok(Some(complaints)) => self.fail(format!("tshark complains:\n{}", complaints.join("\n"))),
            Ok(None) => {
                self.say("tshark: not installed, so nobody judged the signalling");
                self.summary.skipped.push("judgement of the signalling: tshark is not installed".to_owned());
            }
            Err(error) => self.fail(format!("tshark: {error:#}")),
        }
        Ok(())
    }

    /// Stays up until `stop` says so; phones that are silent go idle.
    ///
    /// # Errors
    /// The radio ended, or the gateway did.
    pub fn stay(&mut self, stop: &Receiver<()>) -> Result<()> {
        self.invite();
        loop {
            if stop.recv_timeout(Duration::from_millis(100)).is_ok() {
                return Ok(());
            }
            self.radio.call(|io| io.release_silent(INACTIVITY))?;
            if !self.network.gateway.runs() {
                bail!("agwd ended:\n{}", self.network.gateway.last_words());
            }
            if !self.orchestrator.runs() {
                bail!("orchestratord ended:\n{}", self.orchestrator.last_words());
            }
        }
    }

    /// Says what to try next.
    fn invite(&self) {
        let gateway = &self.network.gateway;
        let basalt = format!("{} --socket {}", gateway.command().display(), gateway.socket().display());
        let phone = format!("{}-ue1", self.plan.lab);
        let inside = if self.plan.unprivileged {
            // Our namespaces have names in our own /run only.
            format!("nsenter --target {} --user --mount --preserve-credentials ", std::process::id())
        } else if std::env::var_os("SUDO_USER").is_some() {
            "sudo ".to_owned()
        } else {
            String::new()
        };
        tell!("\nThe network stays up. In another terminal, try:");
        tell!("  {inside}nsenter --net=/run/netns/{phone} ping {}        # as the first phone", lab::SERVER);
        tell!("  {inside}nsenter --net=/run/netns/{phone} curl http://{}/ # or any other program", lab::SERVER);
        for words in ["get ues", "describe ue 001010000000001", "doctor", "status"] {
            tell!("  {inside}{basalt} {words}");
        }
        let agw = format!("{}-agw", self.plan.lab);
        let curl = format!("nsenter --net=/run/netns/{agw} curl http://{}/api/v1", orchestrator::REST);
        let (user, password) = orchestrator::USER;
        if !self.plan.unprivileged {
            match door::open(&self.network.lab.agw, orchestrator::REST) {
                Ok(address) => {
                    tell!("The console: http://{address}/ (its setup link was used: `{user}`, `{password}`)")
                }
                Err(error) => tell!("The console cannot be reached from outside the lab: {error:#}"),
            }
        }
        tell!("The orchestrator sees the gateway; a login as `{user}` gives a TOKEN:");
        tell!("  {inside}{curl}/sessions -d '{{\"name\":\"{user}\",\"password\":\"{password}\"}}'");
        for what in ["status", "metrics", "events"] {
            let path = format!("networks/{}/gateways/{GATEWAY}/{what}", orchestrator::NETWORK);
            tell!("  {inside}{curl}/{path} -H 'Authorization: Bearer TOKEN'");
        }
        tell!("Ctrl-C ends it and leaves nothing behind.");
    }

    /// Switches the phones off and takes everything down.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn end(self) -> Result<()> {
        let count = self.plan.ues as usize;
        self.radio.call(move |io| {
            for phone in 0..count {
                io.phone(phone, Input::Detach(DetachKind::SwitchOff));
            }
        })?;
        let off = move |io: &mut Io| {
            let gone =
                |phone: usize| io.site.record(phone).is_none_or(|record| record.ue.state() != EmmState::Registered);
            (0..count).all(gone).then_some(())
        };
        self.radio.wait(Duration::from_secs(2), off)?;
        let Self { radio, network, mut orchestrator, .. } = self;
        drop(radio);
        orchestrator.stop()?;
        network.end()
    }
}

/// Microseconds from ATTACH REQUEST to ATTACH COMPLETE; `None` until the phone is attached.
fn attach_time(io: &Io, phone: usize) -> Option<u32> {
    let stats = &io.site.record(phone)?.stats;
    u32::try_from(stats.completed?.since(stats.started?).as_micros()).ok()
}

/// What a demonstration of this kind leaves out, and why.
fn skipped(plan: &DemoPlan) -> Vec<String> {
    let mut skipped = Vec::new();
    if plan.unprivileged {
        skipped.push("XDP, and SCTP over raw IP or in the kernel: they need root".to_owned());
    }
    if let Err(error) = sys::tun_maker() {
        skipped.push(format!("TUN devices: /dev/net/tun cannot be opened ({error}); veth pairs stood in for them"));
    }
    skipped
}

/// Usual phones, or those whose messages anybody reads.
fn profile(null_ciphering: bool) -> Profile {
    const EEA0_ONLY: u8 = 0x80;
    let mut profile = Profile::default();
    if null_ciphering {
        profile.capability.eea = EEA0_ONLY;
    }
    profile
}

fn plmn() -> Result<Plmn> {
    Ok(Plmn::new(1, 1, 2)?)
}
