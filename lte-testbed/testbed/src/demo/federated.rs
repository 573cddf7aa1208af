//! The demonstration of federation: phones of a foreign operator attach, authenticated and profiled by that operator's HSS, through
//! two federation gateways that the orchestrator configures and relays to. One is killed, one is drained, and at last the
//! orchestrator itself goes: no attach is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed_ue::{AttachKind, DetachKind, EmmState, Input, Profile, Ue};

use super::say;
use crate::federated::Federated;
use crate::lab::{self, NetNs};
use crate::probe;
use crate::traced;

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Phones of the foreign operator.
const PHONES: u32 = 5;
/// Messages that an attach has at least: S1AP, NAS and Diameter.
const TRACED: usize = 20;

struct Story {
    begin: Instant,
    phones: Vec<NetNs>,
    federated: Federated,
}

/// Goes through all of it.
///
/// # Errors
/// What was not seen, in words.
pub fn play(lab: &str, unprivileged: bool) -> Result<()> {
    let begin = Instant::now();
    let federated = Federated::start(lab, unprivileged, PHONES, &|what| say(begin, what))?;
    let mut story = Story { begin, phones: Vec::new(), federated };
    story.say("feg1, feg2: joined by one-off tokens, have identity, peers and home networks from the orchestrator");
    story.say(
        "gateway: knows from there whose subscribers are foreign; speaks to feg1 through the orchestrator, to feg2 straight by TLS",
    );
    story.traced_attach()?;
    story.reaches(0)?;
    story.operates()?;
    story.killed()?;
    story.drained()?;
    story.withdrawn()?;
    story.alarmed()?;
    story.alone()?;
    story.judge()?;
    story.federated.end()
}

impl Story {
    fn say(&self, what: &str) {
        say(self.begin, what);
    }

    fn attach(&mut self, phone: usize) -> Result<()> {
        let subscriber = self.federated.subscribers.get(phone).context("no such subscriber")?;
        let ue = Ue::new(Arc::new(Profile::default()), subscriber.usim(), subscriber.imeisv);
        let ns = self.federated.network.lab.phone(u32::try_from(phone)? + 1)?;
        self.phones.push(ns.clone());
        let before: Vec<u64> = self.federated.fegs.iter().map(|feg| feg.answers().unwrap_or(0)).collect();
        self.federated.radio.call(move |io| {
            let phone = io.add_phone(ue, 0);
            io.give_tun(phone, ns);
            io.phone(phone, Input::Attach(AttachKind::Usual));
        })?;
        let attached =
            self.federated.radio.wait(LIMIT, move |io| io.site.record(phone)?.stats.completed.map(|_| ()))?;
        let words = self.federated.network.gateway.last_words();
        attached.with_context(|| format!("phone {} does not attach:\n{words}", phone + 1))?;
        let asked = self
            .federated
            .fegs
            .iter()
            .zip(before)
            .position(|(feg, before)| feg.answers().is_ok_and(|now| now > before));
        let through = asked.map_or_else(|| "the operator's HSS".to_owned(), |feg| format!("feg{}", feg + 1));
        let imsi = &self.federated.subscribers.get(phone).context("no such subscriber")?.imsi;
        self.say(&format!(
            "phone {} (IMSI {imsi}) is attached, authenticated and profiled through {through}",
            phone + 1
        ));
        Ok(())
    }

    /// The attach of phone 1 as `basalt trace call` shows it through the orchestrator: gateway and federation gateways in one ladder.
    fn traced_attach(&mut self) -> Result<()> {
        let subscriber = self.federated.subscribers.first().context("no subscriber")?.clone();
        let (imsi, file) =
            (subscriber.imsi.to_string(), |name: &str| self.federated.network.lab.directory().join(name));
        let (capture, ladder) = (file("trace.pcapng"), file("trace.json"));
        let (into, steps) = (capture.display().to_string(), ladder.display().to_string());
        let count = TRACED.to_string();
        let words = ["trace", "call", &imsi, "-t", "60", "-n", &count, "-w", &into, "--ladder", &steps];
        let traced = self.federated.orchestrator.basalt(&words)?;
        self.federated.orchestrator.wait_for_trace(|trace| trace["imsi"] == imsi.as_str())?;
        self.attach(0)?;
        let said = traced.wait_with_output()?;
        ensure!(said.status.success(), "basalt trace call: {}", String::from_utf8_lossy(&said.stderr));
        let ladder: Value = serde_json::from_slice(&std::fs::read(ladder)?)?;
        let diameter = ["Authentication-Information Request", "Authentication-Information Answer"];
        traced::has(&ladder, &[&["ATTACH REQUEST", "AUTHENTICATION REQUEST"], &diameter[..]].concat())?;
        traced::judge(&capture, &ladder, &subscriber)?;
        let last = String::from_utf8_lossy(&said.stdout).lines().last().unwrap_or_default().to_owned();
        self.say(&format!("basalt trace call, of gateway and federation gateways: {last}"));
        Ok(())
    }

    fn reaches(&self, phone: usize) -> Result<()> {
        let ns = self.phones.get(phone).context("no such phone")?;
        let pings = probe::ping(ns, lab::SERVER, 5, Duration::from_millis(20), Duration::from_secs(2))?;
        ensure!(pings.received == 5, "phone {} lost {} of 5 pings", phone + 1, 5 - pings.received);
        self.say(&format!("phone {}: 5 of 5 pings through the gateway to the internet", phone + 1));
        Ok(())
    }

    /// What operators ask.
    fn operates(&self) -> Result<()> {
        let [feg, _] = &self.federated.fegs;
        let pong = feg.basalt(&["test-ping", "999-70"])?;
        ensure!(pong.contains("10415/5001"), "test-ping: {pong}");
        self.say(&format!("basalt test-ping 999-70: {}", pong.trim()));
        let through =
            self.federated.orchestrator.command("feg2", "test-ping", &json!({"realm": self.federated.home.realm()}))?;
        let pong = self.federated.orchestrator.wait_for_command(&through, "done")?;
        ensure!(pong["output"].as_str().is_some_and(|text| text.contains("10415/5001")), "test-ping: {pong}");
        self.say("the same through the orchestrator, of feg2");
        Ok(())
    }

    fn killed(&mut self) -> Result<()> {
        let [feg, _] = &mut self.federated.fegs;
        feg.kill()?;
        self.say("feg1 is killed");
        self.attach(1)?;
        self.attach(2)?;
        let [feg, _] = &mut self.federated.fegs;
        feg.again()?;
        feg.wait_for_peer()?;
        self.federated.streams(2.0)?;
        self.say("feg1 is back, with what it kept");
        Ok(())
    }

    fn drained(&mut self) -> Result<()> {
        let [_, feg] = &self.federated.fegs;
        feg.basalt(&["feg", "drain"])?;
        self.say("feg2 is drained for an upgrade");
        self.attach(3)?;
        let [_, feg] = &self.federated.fegs;
        feg.basalt(&["feg", "drain", "--off"])?;
        self.say("feg2 takes requests again");
        Ok(())
    }

    /// What the foreign operator asks finds the phone.
    fn withdrawn(&mut self) -> Result<()> {
        let imsi = self.federated.subscribers.first().context("no subscriber")?.imsi;
        self.federated.home.tell(&format!("clr {imsi} 2"))?;
        let gone = self.federated.radio.wait(LIMIT, |io| {
            io.site.record(0).is_some_and(|record| record.ue.state() != EmmState::Registered).then_some(())
        })?;
        gone.context("phone 1 is not detached")?;
        self.say("the operator withdraws phone 1's subscription (CLR): it is detached");
        Ok(())
    }

    /// The foreign operator's HSS dies, and the orchestrator says so until it is back.
    fn alarmed(&mut self) -> Result<()> {
        const RULE: &str = "federation-realm-unreachable";
        let realm = self.federated.home.realm().to_owned();
        self.federated.home.crash_hss()?;
        self.federated.orchestrator.wait_for_alarm(RULE, &realm, true)?;
        self.say(&format!("the operator's HSS is killed: alarm {RULE} about {realm}"));
        self.federated.home.start_hss()?;
        for feg in &mut self.federated.fegs {
            feg.wait_for_peer()?;
        }
        self.federated.orchestrator.wait_for_alarm(RULE, &realm, false)?;
        self.say("the HSS is back, and the alarm has ended");
        Ok(())
    }

    /// Without the orchestrator: known phones go on.
    fn alone(&mut self) -> Result<()> {
        self.federated.orchestrator.stop()?;
        self.federated.streams(1.0)?;
        let [_, feg] = &mut self.federated.fegs;
        feg.kill()?;
        self.federated.streams(0.0)?;
        self.say("the orchestrator is stopped, feg2 killed, and with them the ways to the foreign operator");
        self.federated.radio.call(|io| io.phone(1, Input::Detach(DetachKind::Normal)))?;
        self.is(1, EmmState::Null)?;
        self.federated.radio.call(|io| io.phone(1, Input::Attach(AttachKind::Usual)))?;
        self.is(1, EmmState::Registered)?;
        self.reaches(1)?;
        self.say("phone 2 left and attached again: by an unused vector and the profile that the gateway remembers");
        Ok(())
    }

    /// tshark reads what federation gateways and HSS said to each other, where there is a tshark.
    fn judge(&mut self) -> Result<()> {
        match self.federated.home.complaints(false)? {
            Some(complaints) => {
                ensure!(complaints.is_empty(), "tshark complains of Diameter:\n{}", complaints.join("\n"));
                self.say("tshark: nothing to complain about in all Diameter messages");
            }
            None => self.say("tshark: not installed, so nobody judged the Diameter messages"),
        }
        Ok(())
    }

    fn is(&self, phone: usize, wanted: EmmState) -> Result<()> {
        let seen =
            self.federated.radio.wait(LIMIT, move |io| (io.site.record(phone)?.ue.state() == wanted).then_some(()))?;
        seen.with_context(|| format!("phone {} does not become {wanted:?}", phone + 1))
    }
}
