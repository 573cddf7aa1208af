//! What an operator changes at the orchestrator is seen by phones and packets at the gateway: addresses, rates, name servers,
//! rules, barred equipment, all at once or in stages. Phones that may stay are not dropped, and a restart without the orchestrator
//! changes nothing.

mod alarms;
mod staged;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use basalt_ids::Plmn;
use serde_json::{Value, json};
use testbed_ue::{AttachKind, EmmState, Input, Profile, Ue};

use crate::gateway::subscribers;
use crate::lab::{self, NetNs};
use crate::load::{self, LoadPlan};
use crate::network::{Network, NetworkPlan};
use crate::orchestrator::{Orchestrator, Told};
use crate::probe;
use crate::radio::Radio;
use crate::radio::subscriber::Subscriber;
use crate::traced;

/// What the gateway is called at the orchestrator.
const GATEWAY: &str = "hill";
/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// The rate that the orchestrator gives later, and that of a data plan, bit/s.
const SLOW: u64 = 4_000_000;
const PLAN: u64 = 1_000_000;
/// Kills at the moment when something was told.
const KILLS: usize = 5;

struct Managed {
    begin: Instant,
    // In the order in which they must go.
    radio: Radio,
    orchestrator: Orchestrator,
    network: Network,
    subscribers: Vec<Subscriber>,
    phones: Vec<NetNs>,
}

/// Goes through all of it.
///
/// # Errors
/// What was not seen, in words.
pub fn play(lab: &str, unprivileged: bool) -> Result<()> {
    let begin = Instant::now();
    let network = Network::start(&NetworkPlan::new(lab, unprivileged))?;
    let orchestrator = Orchestrator::start(&network.lab)?;
    let subscribers = subscribers(Plmn::new(1, 1, 2)?, 1, 2)?;
    orchestrator.fill(&subscribers)?;
    network.gateway.basalt(&["gateway", "join", &orchestrator.gateway_token(GATEWAY)?])?;
    let radio = network.radio()?;
    load::bring_up_enbs(&radio, &enb()?)?;
    let mut managed = Managed { begin, radio, orchestrator, network, subscribers, phones: Vec::new() };
    managed.in_force("")?;
    managed.traced_attach()?;
    let address = managed.address(0)?;
    managed.reaches(0)?;
    managed.say(&format!("phone 1 is attached with {address}, and reaches the server"));
    managed.access_point(address)?;
    managed.planned()?;
    managed.staged()?;
    managed.rule()?;
    managed.refusal()?;
    managed.restart(address)?;
    managed.barred()?;
    managed.looks()?;
    managed.ends()?;
    managed.told()?;
    managed.drain()?;
    managed.alarmed()?;
    let Managed { radio, network, mut orchestrator, .. } = managed;
    drop(radio);
    orchestrator.stop()?;
    network.end()
}

impl Managed {
    fn say(&self, what: &str) {
        tell!("{:>7.2} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    /// Waits until all that the orchestrator holds, which is not `former`, is in force.
    fn in_force(&self, former: &str) -> Result<Value> {
        self.orchestrator.wait_for(GATEWAY, "all of it is in force", |seen| {
            let sync = &seen["sync"];
            seen["connected"] == true && sync["in_sync"] == true && sync["digest"].as_str() != Some(former)
        })
    }

    fn digest(&self) -> Result<String> {
        let seen = self.orchestrator.gateway(GATEWAY)?;
        Ok(seen["sync"]["digest"].as_str().unwrap_or_default().to_owned())
    }

    fn attach(&mut self, phone: usize) -> Result<()> {
        let subscriber = self.subscribers.get(phone).context("no such subscriber")?;
        let ue = Ue::new(Arc::new(Profile::default()), subscriber.usim(), subscriber.imeisv);
        let ns = self.network.lab.phone(u32::try_from(phone)? + 1)?;
        self.phones.push(ns.clone());
        self.radio.call(move |io| {
            let phone = io.add_phone(ue, 0);
            io.give_tun(phone, ns);
            io.phone(phone, Input::Attach(AttachKind::Usual));
        })?;
        let attached = self.radio.wait(LIMIT, move |io| io.site.record(phone)?.stats.completed.map(|_| ()))?;
        attached.with_context(|| format!("phone {} does not attach", phone + 1))
    }

    fn session(&self, phone: usize) -> Result<Value> {
        let imsi = self.subscribers.get(phone).context("no such subscriber")?.imsi.to_string();
        let sessions = self.network.gateway.json(&["get", "sessions"])?;
        let found = sessions.as_array().into_iter().flatten().find(|it| it["imsi"] == imsi.as_str()).cloned();
        found.with_context(|| format!("phone {} has no session", phone + 1))
    }

    fn address(&self, phone: usize) -> Result<Ipv4Addr> {
        Ok(self.session(phone)?["address"].as_str().context("no address")?.parse()?)
    }

    fn pings(&self, phone: usize, count: u32) -> Result<u32> {
        let ns = self.phones.get(phone).context("no such phone")?;
        let pings = probe::ping(ns, lab::SERVER, count, Duration::from_millis(20), Duration::from_secs(2))?;
        Ok(pings.received)
    }

    fn reaches(&self, phone: usize) -> Result<()> {
        let received = self.pings(phone, 5)?;
        ensure!(received == 5, "phone {} lost {} of 5 pings", phone + 1, 5 - received);
        Ok(())
    }

    /// Waits for a condition.
    fn until(&self, what: &str, mut check: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !check()? {
            ensure!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.network.gateway.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The first attach of phone 1, traced from before it: by IMSI, by base station, and all of the gateway.
    fn traced_attach(&mut self) -> Result<()> {
        let subscriber = self.subscribers.first().context("no subscriber")?.clone();
        let enbs = self.network.gateway.json(&["get", "enbs"])?;
        let enb = enbs[0]["id"].as_str().context("no base station")?;
        let wanted =
            [json!({"imsi": subscriber.imsi.to_string()}), json!({"base_station": enb}), json!({"gateway": GATEWAY})];
        let traces = wanted.iter().map(|wanted| self.orchestrator.trace(wanted)).collect::<Result<Vec<String>>>()?;
        self.attach(0)?;
        let mut counts = Vec::new();
        for trace in traces {
            let ladder = self.orchestrator.wait_for_message(&trace, "ATTACH COMPLETE")?;
            traced::has(&ladder, &["INITIAL UE MESSAGE", "ATTACH REQUEST", "AUTHENTICATION REQUEST", "ATTACH ACCEPT"])?;
            ensure!(ladder["clocks"][0]["offset_ms"].is_i64(), "the clock is not known: {}", ladder["clocks"]);
            let file = self.network.lab.directory().join("trace.pcapng");
            std::fs::write(&file, self.orchestrator.trace_capture(&trace)?)?;
            traced::judge(&file, &ladder, &subscriber)?;
            self.orchestrator.end_trace(&trace)?;
            counts.push(ladder["messages"].as_array().map_or(0, Vec::len).to_string());
        }
        self.say(&format!(
            "call traces of phone, base station and gateway have its attach: {} messages",
            counts.join(", ")
        ));
        Ok(())
    }

    /// Pool, rate and name server of an access point.
    fn access_point(&mut self, address: Ipv4Addr) -> Result<()> {
        let former = self.digest()?;
        let rates = json!({"max_ul_bit_rate": SLOW, "max_dl_bit_rate": SLOW});
        let apn = json!({"qci": 9, "ambr": rates, "ip_blocks": {GATEWAY: ["10.99.0.0/24"]}, "dns_servers": ["198.51.100.53"],
            "egress": "nat"});
        self.orchestrator.put("apns/internet", &apn)?;
        self.in_force(&former)?;
        ensure!(self.address(0)? == address, "phone 1 lost its address");
        self.reaches(0)?;
        ensure!(self.session(0)?["ambr_downlink_bps"] == SLOW, "phone 1 has its old rate: {}", self.session(0)?);
        let ns = self.phones.first().context("no phone")?;
        let measured = probe::throughput(ns, lab::SERVER, Duration::from_secs(2), false)?.mbit_s();
        ensure!(measured < 2.0 * SLOW as f64 / 1e6, "phone 1 gets {measured:.1} Mbit/s of {} Mbit/s", SLOW / 1_000_000);
        self.say(&format!("new pool, rate and name server: phone 1 keeps {address} and gets {measured:.1} Mbit/s now"));
        self.attach(1)?;
        let (second, dns) = (self.address(1)?, Ipv4Addr::new(198, 51, 100, 53));
        ensure!(second.octets().starts_with(&[10, 99, 0]), "phone 2 has {second}");
        let told =
            self.radio.call(|io| io.site.record(1).and_then(|it| Some(it.ue.sessions().first()?.dns.clone())))?;
        ensure!(told == Some(vec![dns]), "phone 2 was told {told:?}");
        self.reaches(1)?;
        self.say(&format!("phone 2 attaches: it has {second}, and {dns} for names"));
        Ok(())
    }

    /// A data plan slows one phone, and no other.
    fn planned(&self) -> Result<()> {
        let subscriber = format!("subscribers/{}", self.subscribers.first().context("no subscriber")?.imsi);
        let ns = self.phones.first().context("no phone")?;
        let measured =
            || Ok::<f64, anyhow::Error>(probe::throughput(ns, lab::SERVER, Duration::from_secs(2), false)?.mbit_s());
        let former = self.digest()?;
        let rates = json!({"max_ul_bit_rate": PLAN, "max_dl_bit_rate": PLAN});
        self.orchestrator.put("data-plans/small", &json!({"ambr": rates}))?;
        self.orchestrator.put(&subscriber, &json!({"data_plan": "small"}))?;
        self.in_force(&former)?;
        self.until("phone 1 has its plan's rate", || Ok(self.session(0)?["ambr_downlink_bps"] == PLAN))?;
        ensure!(self.session(1)?["ambr_downlink_bps"] == SLOW, "phone 2 has the plan of another: {}", self.session(1)?);
        let planned = measured()?;
        ensure!(planned < 2.0 * PLAN as f64 / 1e6, "phone 1 gets {planned:.1} Mbit/s of {} Mbit/s", PLAN / 1_000_000);
        self.orchestrator.put(&subscriber, &json!({}))?;
        self.until("phone 1 has its former rate", || Ok(self.session(0)?["ambr_downlink_bps"] == SLOW))?;
        let (free, least) = (measured()?, 1.2 * PLAN as f64 / 1e6);
        ensure!(free > least, "without the plan phone 1 gets {free:.1} Mbit/s");
        self.say(&format!("a data plan: phone 1 gets {planned:.1} Mbit/s, and {free:.1} Mbit/s without it"));
        Ok(())
    }

    /// A rule of the network closes the way to the server, and opens it again.
    fn rule(&mut self) -> Result<()> {
        let former = self.digest()?;
        let flow = json!({"direction": "UPLINK", "action": "DENY", "ip_dst": format!("{}/32", lab::SERVER)});
        self.orchestrator.put("policy-rules/no-server", &json!({"priority": 10, "flow_list": [flow]}))?;
        self.orchestrator.put_network(&network(json!({}), json!(["no-server"])))?;
        self.in_force(&former)?;
        self.until("the rule closes the way", || Ok(self.pings(0, 1)? == 0))?;
        self.say("a policy rule of the network: phone 1 reaches the server no more");
        self.orchestrator.put_network(&network(json!({}), json!([])))?;
        self.until("the way is open again", || Ok(self.pings(0, 1)? == 1))?;
        self.say("without it: it does again");
        Ok(())
    }

    /// What the gateway cannot do is said, and the rest holds.
    fn refusal(&mut self) -> Result<()> {
        let rates = json!({"max_ul_bit_rate": SLOW, "max_dl_bit_rate": SLOW});
        let apn = json!({"qci": 9, "ambr": rates, "ip_blocks": {GATEWAY: ["10.99.0.128/25"]}});
        self.orchestrator.put("apns/overlap", &apn)?;
        let seen = self.orchestrator.wait_for(GATEWAY, "one object is refused", |seen| {
            let refused = seen["sync"]["refused"].as_array().is_some_and(|refused| refused.len() == 1);
            refused && seen["sync"]["held"] == true
        })?;
        ensure!(seen["sync"]["in_sync"] == false, "{seen}");
        let shown = self.network.gateway.basalt(&["gateway", "show"])?;
        ensure!(shown.contains("apns/overlap") && shown.contains("overlaps"), "the gateway does not say it: {shown}");
        self.reaches(0)?;
        self.say("a pool that overlaps is refused, with its reason here and there; the rest holds");
        Ok(())
    }

    /// Without the orchestrator and over a restart all stays as it was.
    fn restart(&mut self, address: Ipv4Addr) -> Result<()> {
        self.orchestrator.stop()?;
        self.network.gateway.stop_for_restart()?;
        self.network.gateway.launch()?;
        ensure!(self.address(0)? == address, "phone 1 lost its address");
        let config = self.network.gateway.basalt(&["config"])?;
        ensure!(config.contains("10.99.0.0/24"), "the gateway forgot its pool: {config}");
        self.reaches(0)?;
        self.reaches(1)?;
        self.say("restarted without the orchestrator: addresses, pool and both phones are as before");
        self.orchestrator = Orchestrator::resume(&self.network.lab)?;
        self.orchestrator.wait_for(GATEWAY, "the gateway is back", |seen| seen["connected"] == true)?;
        Ok(())
    }

    /// Equipment on the list is detached.
    fn barred(&mut self) -> Result<()> {
        let imeisv = self.subscribers.get(1).context("no such subscriber")?.imeisv.to_string();
        let (Some(tac), Some(snr)) = (imeisv.get(..8), imeisv.get(8..14)) else { bail!("no IMEISV: {imeisv}") };
        let list = json!({"restricted_imeis": [{"tac": tac, "snr": snr}]});
        self.orchestrator.put_network(&network(list, json!([])))?;
        let gone = self.radio.wait(LIMIT, |io| {
            io.site.record(1).is_some_and(|record| record.ue.state() != EmmState::Registered).then_some(())
        })?;
        gone.context("phone 2 is not detached")?;
        self.reaches(0)?;
        self.say("the second phone's IMEI is barred: it is detached, the first one stays");
        Ok(())
    }
}

impl Managed {
    /// Log tail and packet capture.
    fn looks(&self) -> Result<()> {
        let tail = self.orchestrator.command(GATEWAY, "log-tail", &json!({"lines": 20}))?;
        let lines = self.orchestrator.wait_for_command(&tail, "done")?;
        ensure!(lines["output"].as_str().is_some_and(|text| text.contains("INFO")), "no lines of the log: {lines}");
        let config: toml::Table = self.network.gateway.basalt(&["config"])?.parse()?;
        let interface = config["radio"]["interface"].as_str().context("no radio interface")?.to_owned();
        let mut wanted = vec![json!({"interface": interface, "seconds": 2})];
        let status = self.network.gateway.json(&["status"])?;
        if status["data_plane"].as_str().is_some_and(|plane| plane.starts_with("xdp")) {
            let imsi = self.subscribers.first().context("no subscriber")?.imsi.to_string();
            wanted.push(json!({"imsi": imsi, "seconds": 2}));
        }
        for arguments in wanted {
            let capture = self.orchestrator.command(GATEWAY, "packet-capture", &arguments)?;
            self.orchestrator.wait_for_command(&capture, "running")?;
            // It may take a while until the first packet is seen.
            let ended = loop {
                self.reaches(0)?;
                let seen = self.orchestrator.command_state(&capture)?;
                if seen["state"] != "running" {
                    break self.orchestrator.wait_for_command(&capture, "done")?;
                }
            };
            let (mut place, mut pages) = (0, 0);
            loop {
                let page = self.orchestrator.command_data(&capture, place)?;
                let data = page["data"].as_str().unwrap_or_default();
                // The first octets of pcapng in Base64.
                ensure!(place > 0 || data.starts_with("Cg0NC"), "no pcapng: {ended} {page}");
                pages += 1;
                match page["next"].as_u64() {
                    Some(next) => place = next,
                    None => break ensure!(page["complete"] == true, "the capture is not complete: {page}"),
                }
            }
            let output = ended["output"].as_str().unwrap_or_default().trim();
            // An interface's capture does not see what XDP forwards: it may see nothing where no signalling happens to pass.
            let may_be_empty = arguments.get("interface").is_some();
            ensure!(may_be_empty || !output.starts_with("0 packets"), "nothing was captured: {arguments} {ended}");
            self.say(&format!("packet capture {arguments}: {output}, fetched in {pages} pages"));
        }
        Ok(())
    }

    /// A restart tells its end, and what a crash cut short is interrupted.
    fn ends(&mut self) -> Result<()> {
        let address = self.address(0)?;
        let pid = self.network.gateway.pid();
        let restart = self.orchestrator.command(GATEWAY, "restart", &json!({}))?;
        let ended = self.orchestrator.wait_for_command(&restart, "done")?;
        ensure!(ended["output"].as_str().is_some_and(|text| text.contains("started again")), "{ended}");
        ensure!(self.address(0)? == address && self.network.gateway.pid() == pid, "phone 1 lost its address");
        self.reaches(0)?;
        self.say("restart: its end is told by the daemon after it, phone 1 stays");
        let arguments = json!({"interface": "lo", "seconds": 600});
        let long = self.orchestrator.command(GATEWAY, "packet-capture", &arguments)?;
        self.orchestrator.wait_for_command(&long, "running")?;
        self.network.gateway.kill()?;
        self.network.gateway.launch()?;
        self.orchestrator.wait_for_command(&long, "interrupted")?;
        self.reaches(0)?;
        self.say("agwd was killed: the capture that ran is `interrupted`");
        Ok(())
    }

    /// Whatever was told to somebody who watches is at the orchestrator, too, also when the gateway is killed the moment after.
    fn told(&mut self) -> Result<()> {
        let imsi = self.subscribers.first().context("no subscriber")?.imsi.to_string();
        let mut told = BTreeSet::new();
        for _ in 0..KILLS {
            // A gateway that has just begun has told nothing yet, and who watches is told what was before.
            self.network.gateway.basalt(&["detach", &imsi, "--reattach"])?;
            self.until("phone 1 is attached anew", || Ok(self.pings(0, 1)? == 1))?;
            let mut watcher = self.network.gateway.follow_events()?;
            self.network.gateway.basalt(&["detach", &imsi, "--reattach"])?;
            let watched = watch_until(&mut watcher, "attached");
            self.network.gateway.kill()?;
            watcher.wait()?;
            told.extend(watched?);
            self.network.gateway.launch()?;
            self.orchestrator.wait_for(GATEWAY, "the gateway is back", |seen| seen["connected"] == true)?;
            self.until("phone 1 is back", || Ok(self.pings(0, 1)? == 1))?;
        }
        self.until("all that was told is at the orchestrator", || {
            let known = self.orchestrator.events(GATEWAY)?;
            let missing: Vec<_> = told.difference(&known).collect();
            Ok(missing.is_empty())
        })?;
        ensure!(told.len() >= KILLS, "only {told:?} was told");
        self.say(&format!(
            "agwd was killed {KILLS} times on being heard: all {} events are at the orchestrator",
            told.len()
        ));
        Ok(())
    }

    /// Drained, the gateway has no connected phone and takes no new one.
    fn drain(&self) -> Result<()> {
        let drain = self.orchestrator.command(GATEWAY, "drain", &json!({"minutes": 1}))?;
        let ended = self.orchestrator.wait_for_command(&drain, "done")?;
        let idle = self
            .radio
            .wait(LIMIT, |io| io.site.record(0).is_some_and(|record| !record.ue.is_connected()).then_some(()))?;
        idle.context("phone 1 is still connected")?;
        // It stays so over a restart, until it is said otherwise.
        let restart = self.orchestrator.command(GATEWAY, "restart", &json!({}))?;
        self.orchestrator.wait_for_command(&restart, "done")?;
        self.orchestrator.wait_for(GATEWAY, "it is drained still", |seen| seen["state"]["draining"] == true)?;
        self.say(&format!("drain: {}", ended["output"].as_str().unwrap_or_default().trim().replace('\n', "; ")));
        let off = self.orchestrator.command(GATEWAY, "drain", &json!({"off": true}))?;
        self.orchestrator.wait_for_command(&off, "done")?;
        self.reaches(0)?;
        self.say("no drain any more: phone 1 is back");
        Ok(())
    }
}

/// Events as they are told, up to the first of a kind.
fn watch_until(watcher: &mut Child, kind: &str) -> Result<BTreeSet<Told>> {
    let output = watcher.stdout.take().context("no output")?;
    let (tell, lines) = std::sync::mpsc::channel();
    // It ends with the gateway.
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(|line| line.ok()) {
            // Whoever waited may have given up.
            let _ = tell.send(line);
        }
    });
    let mut told = BTreeSet::new();
    loop {
        let line = lines.recv_timeout(LIMIT).with_context(|| format!("no event {kind} is told, but {told:?}"))?;
        let event: Value = serde_json::from_str(&line)?;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (is, imsi, words) = (text("kind"), text("imsi"), text("text"));
        let found = is == kind;
        // Those are for this machine alone.
        if !["idle", "connected"].contains(&is.as_str()) {
            told.insert((is, imsi, words));
        }
        if found {
            return Ok(told);
        }
    }
}

/// The network with some more of its core, and rules that all have.
fn network(epc: Value, rules: Value) -> Value {
    let mut body = json!({"tenant": "demo", "epc": {"mcc": "001", "mnc": "01", "tac": 1}, "policy_rules": rules});
    if let (Some(own), Value::Object(more)) = (body["epc"].as_object_mut(), epc) {
        own.extend(more);
    }
    body
}

fn enb() -> Result<LoadPlan> {
    Ok(LoadPlan { patience: LIMIT, ..LoadPlan::attached(2)? })
}
