//! A gateway and two federation gateways that an orchestrator configures, the HSS of a foreign operator, and phones of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use basalt_ids::Plmn;
use serde_json::json;

use crate::feg::Feg;
use crate::gateway::subscribers;
use crate::home::Home;
use crate::load::{self, LoadPlan};
use crate::network::{Network, NetworkPlan};
use crate::orchestrator::Orchestrator;
use crate::radio::Radio;
use crate::radio::subscriber::Subscriber;

/// What the gateway is called at the orchestrator.
const GATEWAY: &str = "hill";
/// Hosts of the federation gateways.
const FEGS: [&str; 2] = ["feg1.visited.example", "feg2.visited.example"];
/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub struct Federated {
    /// Subscribers of the foreign operator.
    pub subscribers: Vec<Subscriber>,
    // In the order in which they must go.
    /// One base station, in service; no phones yet.
    pub radio: Radio,
    /// The first is reached through the orchestrator, the second straight.
    pub fegs: [Feg; 2],
    /// The foreign operator.
    pub home: Home,
    /// The orchestrator.
    pub orchestrator: Orchestrator,
    /// Lab, internet and gateway.
    pub network: Network,
}

impl Federated {
    /// Brings everything up, until the gateway has streams to both federation gateways. `say` hears how far it is.
    ///
    /// # Errors
    /// Something does not come up, with its last words.
    pub fn start(lab: &str, unprivileged: bool, phones: u32, say: &dyn Fn(&str)) -> Result<Self> {
        let foreign = Plmn::new(999, 70, 2)?;
        let network = Network::start(&NetworkPlan::new(lab, unprivileged))?;
        say("gateway: agwd is ready, of network 001-01, and knows no subscriber");
        let orchestrator = Orchestrator::start(&network.lab)?;
        orchestrator.fill(&[])?;
        say("orchestrator: orchestratord is ready");
        let subscribers = subscribers(foreign, 1, phones)?;
        let home = Home::without_gateway(&network.lab, foreign, &subscribers, &FEGS, true)?;
        say(&format!("foreign operator 999-70: an HSS with {phones} subscribers, realm {}", home.realm()));
        let fegs = [feg(&orchestrator, &network, 1)?, feg(&orchestrator, &network, 2)?];
        orchestrator.put("federations/partner", &federation(&home, &fegs, false))?;
        network.gateway.basalt(&["gateway", "join", &orchestrator.gateway_token(GATEWAY)?])?;
        let radio = network.radio()?;
        load::bring_up_enbs(&radio, &enb(phones)?)?;
        let mut federated = Self { subscribers, radio, fegs, home, orchestrator, network };
        federated.wait()?;
        Ok(federated)
    }

    /// Has the orchestrator change peers and routing: a second server of the home network's, which is never there, comes or goes.
    ///
    /// # Errors
    /// The orchestrator does not answer.
    pub fn reconfigure(&self, second: bool) -> Result<()> {
        self.orchestrator.put("federations/partner", &federation(&self.home, &self.fegs, second))
    }

    /// Waits until every part has found those that it needs.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait(&mut self) -> Result<()> {
        for feg in &mut self.fegs {
            feg.wait_for_peer()?;
        }
        self.streams(2.0)
    }

    /// Waits until the gateway has streams to so many federation gateways.
    ///
    /// # Errors
    /// It does not in time.
    pub fn streams(&self, count: f64) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while self.network.gateway.metrics()?.get("basalt_agw_federation_gateways") != Some(&count) {
            let words = self.network.gateway.last_words();
            ensure!(Instant::now() < deadline, "the gateway has not {count} streams to federation gateways:\n{words}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Takes everything down.
    ///
    /// # Errors
    /// The gateway did not end in order, or something cannot be removed.
    pub fn end(self) -> Result<()> {
        let Self { radio, fegs, home, orchestrator, network, .. } = self;
        drop((radio, fegs, home, orchestrator));
        network.end()
    }
}

/// What the orchestrator is told of the partner; `second`: of two servers, the other of which is never there.
fn federation(home: &Home, fegs: &[Feg; 2], second: bool) -> serde_json::Value {
    let mut peers = vec![home.as_peer()];
    peers.extend(second.then(|| home.absent_peer()));
    json!({
        // One through the orchestrator; the other one straight, by the certificates that both have from the orchestrator.
        "gateways": [{"gateway": "feg1"}, {"gateway": "feg2", "address": fegs[1].address()}],
        "peers": peers,
        "networks": [{"plmn": "999-70", "realm": home.realm()}],
    })
}

/// Makes a federation gateway at the orchestrator and starts it with its token.
fn feg(orchestrator: &Orchestrator, network: &Network, number: u16) -> Result<Feg> {
    let name = format!("feg{number}");
    let host = FEGS.get(usize::from(number) - 1).context("no such federation gateway")?;
    let body = json!({"tier": "stable", "feg": {"host": host, "realm": "visited.example"}});
    orchestrator.put(&format!("gateways/{name}"), &body)?;
    Feg::start(&network.lab, number, &orchestrator.gateway_token(&name)?)
}

fn enb(phones: u32) -> Result<LoadPlan> {
    Ok(LoadPlan { patience: LIMIT, ..LoadPlan::attached(phones)? })
}
