//! The demonstration of federation: phones of a foreign operator attach, authenticated and profiled by that operator's HSS, through
//! two federation gateways that the orchestrator configures and relays to. One is killed, one is drained, and at last the
//! orchestrator itself goes: no attach is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use basalt_ids::{Plmn, Tac};
use serde_json::json;
use testbed_ue::{AttachKind, DetachKind, EmmState, Input, Profile, Ue};

use super::say;
use crate::feg::Feg;
use crate::gateway::subscribers;
use crate::home::Home;
use crate::lab::{self, NetNs};
use crate::load::{self, LoadPlan, Traffic};
use crate::network::{Network, NetworkPlan};
use crate::orchestrator::Orchestrator;
use crate::probe;
use crate::radio::Radio;
use crate::radio::subscriber::Subscriber;

/// What the gateway is called at the orchestrator.
const GATEWAY: &str = "hill";
/// Hosts of the federation gateways.
const FEGS: [&str; 2] = ["feg1.visited.example", "feg2.visited.example"];
/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Phones of the foreign operator.
const PHONES: u32 = 5;

struct Federated {
    begin: Instant,
    phones: Vec<NetNs>,
    subscribers: Vec<Subscriber>,
    // In the order in which they must go.
    radio: Radio,
    fegs: [Feg; 2],
    home: Home,
    orchestrator: Orchestrator,
    network: Network,
}

/// Goes through all of it.
///
/// # Errors
/// What was not seen, in words.
pub fn play(lab: &str, unprivileged: bool) -> Result<()> {
    let begin = Instant::now();
    let foreign = Plmn::new(999, 70, 2)?;
    let network = Network::start(&NetworkPlan::new(lab, unprivileged))?;
    say(begin, "gateway: agwd is ready, of network 001-01, and knows no subscriber");
    let orchestrator = Orchestrator::start(&network.lab)?;
    orchestrator.fill(&[])?;
    say(begin, "orchestrator: orchestratord is ready");
    let subscribers = subscribers(foreign, 1, PHONES)?;
    let home = Home::without_gateway(&network.lab, foreign, &subscribers, &FEGS)?;
    say(begin, &format!("foreign operator 999-70: an HSS with {PHONES} subscribers, realm {}", home.realm()));
    let fegs = [feg(&orchestrator, &network, 1)?, feg(&orchestrator, &network, 2)?];
    let federation = json!({
        // One through the orchestrator; the other one straight, by the certificates that both have from the orchestrator.
        "gateways": [{"gateway": "feg1"}, {"gateway": "feg2", "address": fegs[1].address()}],
        "peers": [home.as_peer()],
        "networks": [{"plmn": "999-70", "realm": home.realm()}],
    });
    orchestrator.put("federations/partner", &federation)?;
    network.gateway.basalt(&["gateway", "join", &orchestrator.gateway_token(GATEWAY)?])?;
    let radio = network.radio()?;
    load::bring_up_enbs(&radio, &enb()?)?;
    let phones = Vec::new();
    let mut story = Federated { begin, phones, subscribers, radio, fegs, home, orchestrator, network };
    story.joined()?;
    story.attach(0)?;
    story.reaches(0)?;
    story.operates()?;
    story.killed()?;
    story.drained()?;
    story.withdrawn()?;
    story.alone()?;
    let Federated { radio, fegs, home, orchestrator, network, .. } = story;
    drop((radio, fegs, home, orchestrator));
    network.end()
}

/// Makes a federation gateway at the orchestrator and starts it with its token.
fn feg(orchestrator: &Orchestrator, network: &Network, number: u16) -> Result<Feg> {
    let name = format!("feg{number}");
    let host = FEGS.get(usize::from(number) - 1).context("no such federation gateway")?;
    let body = json!({"tier": "stable", "feg": {"host": host, "realm": "visited.example"}});
    orchestrator.put(&format!("gateways/{name}"), &body)?;
    Feg::start(&network.lab, number, &orchestrator.gateway_token(&name)?)
}

impl Federated {
    fn say(&self, what: &str) {
        say(self.begin, what);
    }

    /// Waits until the gateway has streams to so many federation gateways.
    fn streams(&self, count: f64) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.network.gateway.metrics()?.get("basalt_agw_federation_gateways") != Some(&count) {
            let words = self.network.gateway.last_words();
            ensure!(Instant::now() < deadline, "the gateway has not {count} streams to federation gateways:\n{words}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn joined(&mut self) -> Result<()> {
        for feg in &mut self.fegs {
            feg.wait_for_peer()?;
        }
        self.streams(2.0)?;
        self.say("feg1, feg2: joined by one-off tokens, have identity, peers and home networks from the orchestrator");
        self.say("gateway: knows from there whose subscribers are foreign; speaks to feg1 through the orchestrator, to feg2 straight by TLS");
        Ok(())
    }

    fn attach(&mut self, phone: usize) -> Result<()> {
        let subscriber = self.subscribers.get(phone).context("no such subscriber")?;
        let ue = Ue::new(Arc::new(Profile::default()), subscriber.usim(), subscriber.imeisv);
        let ns = self.network.lab.phone(u32::try_from(phone)? + 1)?;
        self.phones.push(ns.clone());
        let before: Vec<u64> = self.fegs.iter().map(|feg| feg.answers().unwrap_or(0)).collect();
        self.radio.call(move |io| {
            let phone = io.add_phone(ue, 0);
            io.give_tun(phone, ns);
            io.phone(phone, Input::Attach(AttachKind::Usual));
        })?;
        let attached = self.radio.wait(LIMIT, move |io| io.site.record(phone)?.stats.completed.map(|_| ()))?;
        let words = self.network.gateway.last_words();
        attached.with_context(|| format!("phone {} does not attach:\n{words}", phone + 1))?;
        let asked = self.fegs.iter().zip(before).position(|(feg, before)| feg.answers().is_ok_and(|now| now > before));
        let through = asked.map_or_else(|| "the operator's HSS".to_owned(), |feg| format!("feg{}", feg + 1));
        let imsi = &self.subscribers.get(phone).context("no such subscriber")?.imsi;
        self.say(&format!(
            "phone {} (IMSI {imsi}) is attached, authenticated and profiled through {through}",
            phone + 1
        ));
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
        let [feg, _] = &self.fegs;
        let pong = feg.basalt(&["test-ping", "999-70"])?;
        ensure!(pong.contains("10415/5001"), "test-ping: {pong}");
        self.say(&format!("basalt test-ping 999-70: {}", pong.trim()));
        let through = self.orchestrator.command("feg2", "test-ping", &json!({"realm": self.home.realm()}))?;
        let pong = self.orchestrator.wait_for_command(&through, "done")?;
        ensure!(pong["output"].as_str().is_some_and(|text| text.contains("10415/5001")), "test-ping: {pong}");
        self.say("the same through the orchestrator, of feg2");
        Ok(())
    }

    fn killed(&mut self) -> Result<()> {
        let [feg, _] = &mut self.fegs;
        feg.kill()?;
        self.say("feg1 is killed");
        self.attach(1)?;
        self.attach(2)?;
        let [feg, _] = &mut self.fegs;
        feg.again()?;
        feg.wait_for_peer()?;
        self.streams(2.0)?;
        self.say("feg1 is back, with what it kept");
        Ok(())
    }

    fn drained(&mut self) -> Result<()> {
        let [_, feg] = &self.fegs;
        feg.basalt(&["feg", "drain"])?;
        self.say("feg2 is drained for an upgrade");
        self.attach(3)?;
        let [_, feg] = &self.fegs;
        feg.basalt(&["feg", "drain", "--off"])?;
        self.say("feg2 takes requests again");
        Ok(())
    }

    /// What the foreign operator asks finds the phone.
    fn withdrawn(&mut self) -> Result<()> {
        let imsi = self.subscribers.first().context("no subscriber")?.imsi;
        self.home.tell(&format!("clr {imsi} 2"))?;
        let gone = self.radio.wait(LIMIT, |io| {
            io.site.record(0).is_some_and(|record| record.ue.state() != EmmState::Registered).then_some(())
        })?;
        gone.context("phone 1 is not detached")?;
        self.say("the operator withdraws phone 1's subscription (CLR): it is detached");
        Ok(())
    }

    /// Without the orchestrator: known phones go on.
    fn alone(&mut self) -> Result<()> {
        self.orchestrator.stop()?;
        self.streams(1.0)?;
        let [_, feg] = &mut self.fegs;
        feg.kill()?;
        self.streams(0.0)?;
        self.say("the orchestrator is stopped, feg2 killed, and with them the ways to the foreign operator");
        self.radio.call(|io| io.phone(1, Input::Detach(DetachKind::Normal)))?;
        self.is(1, EmmState::Null)?;
        self.radio.call(|io| io.phone(1, Input::Attach(AttachKind::Usual)))?;
        self.is(1, EmmState::Registered)?;
        self.reaches(1)?;
        self.say("phone 2 left and attached again: by an unused vector and the profile that the gateway remembers");
        Ok(())
    }

    fn is(&self, phone: usize, wanted: EmmState) -> Result<()> {
        let seen = self.radio.wait(LIMIT, move |io| (io.site.record(phone)?.ue.state() == wanted).then_some(()))?;
        seen.with_context(|| format!("phone {} does not become {wanted:?}", phone + 1))
    }
}

fn enb() -> Result<LoadPlan> {
    Ok(LoadPlan {
        enbs: 1,
        first_enb: 0,
        ues: PHONES,
        first: 1,
        rate: 0.0,
        hold: None,
        rounds: 1,
        traffic: Traffic::None,
        plmn: Plmn::new(1, 1, 2)?,
        tac: Tac(1),
        profile: Arc::new(Profile::default()),
        patience: LIMIT,
        enb_address: None,
    })
}
