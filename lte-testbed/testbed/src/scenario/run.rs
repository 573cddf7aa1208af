//! Plays a scenario: does what it says, and waits for what it expects.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use basalt_ids::{Ebi, Guti, MTmsi, MmeCode, MmeGroupId};
use basalt_s1ap::{MiscCause, RadioNetworkCause, SupportedTa};
use basalt_sansio::{Rng, SimRng};
use basalt_security::Sqn;
use testbed_ran::PhoneId;
use testbed_ue::{AttachKind, DetachKind, Fault, Input};

use super::calls;
use super::check;
use super::script::{EnbAction, GatewayAction, HandedOver, HomeAction, PhoneAction, Phones, Script, Setup, Step};
use super::spans;
use super::world::{RunOptions, World};
use crate::kills::{self, KillPlan};
use crate::lab;
use crate::probe;
use crate::radio::{Io, Shared};
use crate::upgrades;

/// How a scenario failed.
#[derive(Debug)]
pub struct Failure {
    /// The line that failed; `None` if the world could not be made.
    pub line: Option<usize>,
    /// Why.
    pub why: String,
    /// The end of the gateway's output.
    pub gateway: String,
}

/// Plays one scenario in a world of its own.
///
/// # Errors
/// What failed, and where.
pub fn play(script: &Script, options: &RunOptions) -> Result<(), Failure> {
    let mut world = World::new(script, options).map_err(|error| Failure {
        line: None,
        why: format!("{error:#}"),
        gateway: String::new(),
    })?;
    for (line, step) in &script.steps {
        if let Err(error) = world.play(step) {
            let gateway = world.network.gateway.last_words();
            return Err(Failure { line: Some(*line), why: format!("{error:#}"), gateway });
        }
    }
    if !world.network.gateway.runs() {
        let gateway = world.network.gateway.last_words();
        return Err(Failure { line: None, why: "the gateway does not run at the end".to_owned(), gateway });
    }
    if let Err(error) = world.judge_diameter(script) {
        return Err(Failure { line: None, why: format!("{error:#}"), gateway: String::new() });
    }
    let World { radio, network, devices, home, call, vlan, .. } = world;
    drop((radio, devices, home, call, vlan));
    network.end().map_err(|error| Failure { line: None, why: format!("{error:#}"), gateway: String::new() })
}

/// What a home network does that tshark may complain of.
const LIES: [&str; 3] = ["nonsense", "empty", "unknown"];
/// Cancellation-Type: the subscription is withdrawn (TS 29.272 §7.3.24).
const WITHDRAWN: u32 = 2;
/// What a home network is answered that cancels a phone that nobody has (TS 29.272 §5.2.1.2.2).
const SUCCESS: &str = "2001";
/// How long what a flood leaves behind may be on its way.
const FLOOD_TAIL: Duration = Duration::from_millis(200);
/// A phone that talks is flooded for so long, of which its gateway looks at a second.
const TALK: Duration = Duration::from_secs(3);
/// A phone that talks has at least so much of the flood, bit/s.
const TALK_LEAST: u64 = 1_000_000;
/// Between two numbered packets.
const MILLISECOND: Duration = Duration::from_millis(1);
/// For what must come true while packets are sent, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two pings of a canary.
const CANARY_INTERVAL: Duration = Duration::from_millis(20);

impl World {
    fn play(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Enb(enb, action) => self.enb_acts(enb - 1, action),
            Step::Phone(phones, action) => phones.indices().try_for_each(|phone| self.phone_acts(phone, action)),
            Step::Gateway(action) => self.gateway_acts(action),
            Step::Home(action) => self.home_acts(action),
            Step::SendNumbered(phone, count, ipv6) => self.send_numbered(phone - 1, *count, *ipv6),
            Step::SendNumberedOver(phone, count, to, back) => self.send_numbered_over(phone - 1, *count, *to, back - 1),
            Step::Flood(phone, time, rate) => self.flood(phone - 1, *time, *rate),
            Step::Upgrades(phones) => upgrades::run(&mut self.network, &self.radio, *phones),
            Step::Kills(phones, kills, every) => self.kills(*phones, *kills, *every),
            Step::Rates(phone, rates, wide) => super::rates::run(self, phone - 1, rates, *wide),
            Step::RateOver(phone, rate, bearers, uplink) => {
                super::rates::over(self, phone - 1, *rate, *bearers, *uplink)
            }
            Step::RateOfAccessPoints(phone, rate, apns) => super::rates::of_access_points(self, phone - 1, *rate, apns),
            Step::MayHave(phone, rate, each, apns) => super::rates::may_have(self, phone - 1, *rate, *each, apns),
            Step::TalksMost(phone) => self.talks_most(phone - 1),
            Step::TraceCall(phone) => calls::begin(self, phone - 1),
            Step::TraceShows(name) => calls::shows(self, name),
            Step::TraceSucceeds(name) => calls::succeeds(self, name),
            Step::TracePackets(phone) => calls::has_packets(self, phone - 1),
            Step::SpansOf(names) => spans::has(self, names),
            Step::TraceIsClean(phone) => calls::judge(self, phone - 1),
            Step::Watch(phone, time) => self.watch(phone - 1, *time),
            Step::Download(by, from, octets, ipv6, wanted) => self.download(*by, *from, *octets, *ipv6, *wanted),
            Step::DownloadAt(phone, octets, rate) => self.download_at(*phone, *octets, *rate),
            Step::Exchange(by, with, octets, ipv6) => {
                probe::echo(self.space(*by)?, self.address_of(*with, *ipv6)?, *octets)
            }
            Step::SeenAs(phone, address) => self.seen_as(*phone, *address),
            Step::Told(phone, kind) => self.told_of(phone - 1, kind),
            Step::Marked(phone, dscp) => self.marked(phone - 1, *dscp),
            Step::Storm(phones, per_second) => self.storm(*phones, *per_second),
            Step::Delegation(phone, start) => self.delegation(*phone, start),
            Step::PathCarries(from, to, octets, ipv6) => self.path_carries(*from, *to, *octets, *ipv6),
            Step::PathBack(phone, octets) => self.path_back(*phone, *octets),
            Step::Segments(by, most, ipv6) => self.segments(*by, *most, *ipv6),
            Step::IgnoresMtu(phone, octets) => self.ignores_mtu(*phone, *octets),
            Step::InternetMtu(octets) => self.internet_mtu(*octets),
            Step::StationsMtu(octets) => self.stations_mtu(*octets),
            Step::RadioMtu(octets) => {
                lab::link::narrow(&self.network.lab.ran, lab::GATEWAY_S1, lab::S1_INTERFACE, *octets)
            }
            Step::OtherRouter => self.other_router(),
            Step::ExchangeRouter => {
                lab::link::exchange(&self.network.lab.internet, lab::SGI_INTERFACE, [2, 0, 0, 0, 0x92, 9])
            }
            Step::Interface(cable, mishap) => self.mishap(*cable, mishap),
            Step::Tampers(phone, how) => self.tamper(phone - 1, *how),
            Step::ToldWith(kind, word) => self.told_with(kind, word),
            Step::Diagnosed(check, level) => self.diagnosed(check, level),
            Step::CanaryStarts(phone) => self.canary_starts(phone - 1),
            Step::CanaryLostNothing => self.canary_ends(),
            Step::Wait(time) => {
                std::thread::sleep(*time);
                Ok(())
            }
            Step::Expect(expectation, limit) => check::wait_for(self, expectation, *limit),
        }
    }

    fn enb_acts(&mut self, enb: usize, action: &EnbAction) -> Result<()> {
        use testbed_ran::Input;
        self.look()?;
        if let Some(seen) = self.enbs.get_mut(enb) {
            seen.clear();
        }
        let action = action.clone();
        let plmn = self.radio.call(move |io| io.site.enb(enb).map(|enb| enb.config().id.plmn))?;
        let plmn = plmn.with_context(|| format!("there is no enb {}", enb + 1))?;
        self.radio.call(move |io| match action {
            EnbAction::Connects => io.connect_enb(enb),
            EnbAction::Disconnects => io.disconnect_enb(enb),
            EnbAction::Aborts => io.abort_enb(enb),
            EnbAction::Resets => {
                io.enb(enb, Input::Reset { phones: Vec::new(), cause: MiscCause::OmIntervention.into() });
            }
            EnbAction::ResetsPhones(phones) => {
                let phones = phones.indices().map(|phone| PhoneId(phone as u32)).collect();
                io.enb(enb, Input::Reset { phones, cause: RadioNetworkCause::Unspecified.into() });
            }
            EnbAction::UpdatesArea(tac) => {
                let supported_tas = Some(vec![SupportedTa::new(tac, vec![plmn])]);
                io.enb(enb, Input::Update { supported_tas, name: None });
            }
            EnbAction::Sends(pdu, phone) => {
                io.enb(enb, Input::Raw { pdu, phone: phone.map(|phone| PhoneId(phone as u32 - 1)) });
            }
            EnbAction::SignalsLate(late) => io.signal_late(enb, late),
            EnbAction::SendsGtpu(octets) => io.send_gtpu(enb, &octets),
            EnbAction::Babbles(count, seed) => babble(io, enb, count, seed),
            fault => set_fault(io, enb, &fault),
        })
    }

    pub(super) fn phone_acts(&mut self, phone: usize, action: &PhoneAction) -> Result<()> {
        self.mark(phone)?;
        let action = action.clone();
        match action {
            PhoneAction::IsHandedOver(HandedOver { to, direct }) => {
                self.radio.call(move |io| io.relocate_phone(phone, to - 1, direct))
            }
            PhoneAction::Stays => self.radio.call(move |io| io.keep_phone(phone)),
            PhoneAction::MovesTo(enb) => self.radio.call(move |io| io.move_phone(phone, enb - 1)),
            PhoneAction::Pings(count) => self.radio.with_shared(move |shared| {
                shared.borrow_mut().app(phone).plan(count);
                tokio::task::spawn_local(pings(shared.clone(), phone, count));
            }),
            PhoneAction::Pings6(count) => self.radio.with_shared(move |shared| {
                shared.borrow_mut().app(phone).plan(count);
                tokio::task::spawn_local(pings6(shared.clone(), phone, count));
            }),
            PhoneAction::GoesIdle | PhoneAction::LosesRadio => self.radio.call(move |io| {
                let Some(enb) = io.site.record(phone).map(|record| record.enb) else { return };
                let id = PhoneId(phone as u32);
                let lost = action == PhoneAction::LosesRadio;
                io.enb(enb, if lost { testbed_ran::Input::RadioLost(id) } else { testbed_ran::Input::Inactive(id) });
            }),
            action => self.radio.call(move |io| act(io, phone, action)),
        }
    }

    /// Begins to watch a phone anew.
    fn mark(&mut self, phone: usize) -> Result<()> {
        self.look()?;
        let address = self.address(phone)?;
        let guti = self.radio.call(move |io| io.site.record(phone).and_then(|record| record.ue.guti()))?;
        if let Some(seen) = self.phones.get_mut(phone) {
            seen.events.clear();
            seen.address_before = address.or(seen.address_before);
            seen.guti_before = guti.or(seen.guti_before);
        }
        Ok(())
    }

    fn gateway_acts(&mut self, action: &GatewayAction) -> Result<()> {
        match action {
            GatewayAction::Killed => self.network.gateway.kill(),
            GatewayAction::Starts => self.network.gateway.launch(),
            GatewayAction::Stops => self.network.gateway.stop_for_restart(),
            GatewayAction::Detaches(phone, reattach) => {
                self.mark(phone - 1)?;
                let again: &[&str] = if *reattach { &["--reattach"] } else { &[] };
                self.operator(*phone, &["detach"], again)
            }
            GatewayAction::Pages(phone) => {
                self.mark(phone - 1)?;
                self.operator(*phone, &["page"], &[])
            }
            GatewayAction::Suspends(phone, true) => self.operator(*phone, &["subscriber", "suspend"], &[]),
            GatewayAction::Suspends(phone, false) => self.operator(*phone, &["subscriber", "resume"], &[]),
            GatewayAction::Deletes(phone) => self.operator(*phone, &["subscriber", "delete"], &[]),
            GatewayAction::SetsRule(phone, words) => {
                let imsi = self.imsi(phone - 1)?;
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.network.gateway.basalt(&[&["rule", "set", imsi.as_str()], words.as_slice()].concat()).map(drop)
            }
            GatewayAction::Bounds(phone, octets) => {
                let octets = octets.to_string();
                self.operator(*phone, &["subscriber", "plan"], &[&octets, "--per", "session"])
            }
            GatewayAction::Slows(phone, octets, rate) => {
                let (octets, rate) = (octets.to_string(), rate.to_string());
                self.operator(*phone, &["subscriber", "plan"], &[&octets, "--then", &rate])
            }
            GatewayAction::TopsUp(phone, octets) => {
                self.operator(*phone, &["subscriber", "top-up"], &[&octets.to_string()])
            }
            GatewayAction::RemovesRule(phone, name) => {
                let imsi = self.imsi(phone - 1)?;
                self.network.gateway.basalt(&["rule", "remove", &imsi, name]).map(drop)
            }
            GatewayAction::ResetsEnb(enb) => {
                let index = enb - 1;
                let id = self.radio.call(move |io| io.site.enb(index).map(|enb| enb.config().id.to_string()))?;
                let id = id.with_context(|| format!("there is no enb {enb}"))?;
                self.network.gateway.basalt(&["reset", "enb", &id]).map(drop)
            }
        }
    }

    /// tshark reads what federation gateway and home network said to each other, where there is a tshark.
    fn judge_diameter(&mut self, script: &Script) -> Result<()> {
        let Some(home) = &mut self.home else { return Ok(()) };
        let lies = |step: &Step| match step {
            Step::Home(HomeAction::Behaves(words)) => LIES.iter().any(|lie| words.split(' ').any(|word| word == *lie)),
            _ => false,
        };
        let lied = script.steps.iter().any(|(_, step)| lies(step));
        let complaints = home.complaints(lied)?.unwrap_or_default();
        anyhow::ensure!(complaints.is_empty(), "tshark complains of Diameter:\n{}", complaints.join("\n"));
        let Some(found) = home.commands()? else { return Ok(()) };
        let wanted = script.setup.iter().filter_map(|setup| match setup {
            Setup::Commands(codes) => Some(codes),
            _ => None,
        });
        for code in wanted.flatten() {
            let both = found.contains(&(*code, true)) && found.contains(&(*code, false));
            anyhow::ensure!(both, "tshark does not find command {code} asked and answered, but {found:?}");
        }
        Ok(())
    }

    fn home_acts(&mut self, action: &HomeAction) -> Result<()> {
        if let HomeAction::Orders(_, phone, _) = action {
            self.mark(phone - 1)?;
        }
        let imsi = |world: &Self, phone: usize| world.imsi(phone - 1);
        let words = match action {
            HomeAction::Behaves(words) => Some(format!("behave {words}")),
            HomeAction::Orders(order, phone, rest) => Some(format!("{order} {} {rest}", imsi(self, *phone)?)),
            HomeAction::CancelsInVain(phone) => Some(format!("clr {} {WITHDRAWN}", imsi(self, *phone)?)),
            HomeAction::Resets => Some("rsr".to_owned()),
            _ => None,
        };
        let home = self.home.as_mut().context("there is no home network")?;
        match (words, action) {
            (Some(words), HomeAction::CancelsInVain(_)) => {
                let answer = home.ask(&words)?;
                anyhow::ensure!(answer == SUCCESS, "`{words}` was answered {answer}");
                Ok(())
            }
            (Some(words), _) => home.tell(&words),
            (None, HomeAction::Dies) => home.kill_hss(),
            (None, HomeAction::Returns) => home.return_hss(),
            (None, HomeAction::GatewayDies) => home.kill_fegd(),
            (None, _) => home.return_fegd(),
        }
    }

    /// An operator's command about a phone.
    fn operator(&self, phone: usize, command: &[&str], options: &[&str]) -> Result<()> {
        let imsi = self.imsi(phone - 1)?;
        self.network.gateway.basalt(&[command, &[imsi.as_str()], options].concat()).map(drop)
    }

    fn send_numbered(&mut self, phone: usize, count: u32, ipv6: bool) -> Result<()> {
        self.mark(phone)?;
        self.radio.call(move |io| io.app(phone).reset())?;
        let address: IpAddr = if ipv6 { self.the_ipv6(phone)?.into() } else { self.the_address(phone)?.into() };
        probe::send_numbered(&self.network.lab.internet, address, count, Duration::from_millis(1))
    }

    /// A packet each millisecond, and in the middle of them two handovers.
    fn send_numbered_over(&mut self, phone: usize, count: u32, there: HandedOver, back: usize) -> Result<()> {
        self.mark(phone)?;
        self.radio.call(move |io| io.app(phone).reset())?;
        let (address, internet) = (self.the_address(phone)?.into(), self.network.lab.internet.clone());
        let sender = std::thread::spawn(move || probe::send_numbered(&internet, address, count, MILLISECOND));
        for (share, to) in [(1, there.to - 1), (2, back)] {
            self.arrived(phone, count / 4 * share)?;
            self.radio.call(move |io| io.relocate_phone(phone, to, there.direct))?;
            self.is_at(phone, to)?;
        }
        sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?
    }

    /// Waits until so many numbered packets have come.
    fn arrived(&self, phone: usize, count: u32) -> Result<()> {
        let enough = move |io: &mut Io| (io.app(phone).numbered.len() >= count as usize).then_some(());
        self.radio.wait(PATIENCE, enough)?.with_context(|| format!("{count} packets did not come"))
    }

    /// Waits until a phone is served by a base station.
    fn is_at(&self, phone: usize, enb: usize) -> Result<()> {
        let there = move |io: &mut Io| {
            let connection = io.site.enb(enb)?.connection(PhoneId(phone as u32))?;
            (connection.state == testbed_ran::ConnectionState::Active).then_some(())
        };
        self.radio.wait(PATIENCE, there)?.with_context(|| format!("ue {} did not come to enb {}", phone + 1, enb + 1))
    }

    /// Counts octets of inner IP packets at the phone, as the gateway does.
    fn flood(&mut self, phone: usize, time: Duration, rate: u64) -> Result<()> {
        let address = self.the_address(phone)?;
        self.radio.call(move |io| io.app(phone).reset())?;
        let began = Instant::now();
        let sent = probe::flood(&self.network.lab.internet, address, time)?;
        // The gateway polices and keeps nothing back: what comes later than this was not sent.
        std::thread::sleep(FLOOD_TAIL);
        let elapsed = began.elapsed().as_secs_f64();
        let octets = self.radio.call(move |io| io.app(phone).octets_received)?;
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (sent, bits, rate) = (sent as f64 * 8.0, octets as f64 * 8.0, rate as f64);
        // A burst of 250 ms (or of three of the largest packets) may come at once, and 3 % are the measurement's.
        let most = rate * elapsed * 1.03 + (rate * 0.25).max(72_000.0);
        let least = rate * time.as_secs_f64() * 0.8;
        if sent < 2.0 * most {
            bail!("only {sent} bit were sent, which proves nothing about {rate} bit/s");
        }
        if bits < least || bits > most {
            bail!("{bits} of {sent} bit arrived in {elapsed:.2} s, which is not {rate} bit/s");
        }
        Ok(())
    }

    /// Pings a phone from the internet, and looks at what reaches base stations.
    fn marked(&self, phone: usize, dscp: u8) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let address = self.the_address(phone)?;
        let internet = self.network.lab.internet.clone();
        let ping = || {
            let pings = probe::ping(&internet, address, 1, Duration::ZERO, PATIENCE)?;
            if pings.received == 1 { Ok(()) } else { bail!("the phone does not answer") }
        };
        // Echo requests of the gateway's own are shorter.
        let seen = probe::tos_of_tunnels(&self.network.lab.ran, 64, PATIENCE, ping)?;
        if seen != [dscp << 2] {
            bail!("ToS octets {seen:?} reached the base stations");
        }
        Ok(())
    }

    fn kills(&mut self, phones: usize, kills: u32, rebuild_every: u32) -> Result<()> {
        let plan = KillPlan { kills, seed: 1, rate: 500, rebuild_every };
        let internet = self.network.lab.internet.clone();
        let report = kills::run(&mut self.network.gateway, &self.radio, &internet, phones, &plan)?;
        if !report.is_exact() {
            bail!("something was lost, reordered or miscounted: {}", serde_json::to_string(&report)?);
        }
        Ok(())
    }

    /// Every hop of a phone that pings and is answered must have been seen, and the capture must hold packets.
    fn watch(&mut self, phone: usize, time: Duration) -> Result<()> {
        let imsi = self.imsi(phone)?;
        let seconds = time.as_secs().max(1).to_string();
        let gateway = &self.network.gateway;
        let seen = gateway.json(&["describe", "ue", &imsi, "--packets", "-t", &seconds])?;
        for hop in ["from the base station", "to the internet", "from the internet", "to the base station"] {
            let hops = seen["hops"].as_array().context("no list of hops")?;
            let packets = hops.iter().find(|one| one["hop"] == hop).and_then(|one| one["packets"].as_u64());
            if packets.unwrap_or(0) == 0 {
                bail!("no packet was seen {hop}: {seen}");
            }
        }
        let file = self.network.lab.directory().join("phone.pcapng");
        let path = file.to_string_lossy().into_owned();
        gateway.basalt(&["trace", "ue", &imsi, "-w", &path, "-t", &seconds])?;
        let octets = std::fs::read(&file)?;
        if !octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) || octets.len() < 1_000 {
            bail!("{path} is no capture: {} octets", octets.len());
        }
        Ok(())
    }

    /// `basalt top` names the phone first, with about what reaches it.
    fn talks_most(&self, phone: usize) -> Result<()> {
        let (address, imsi) = (self.the_address(phone)?, self.imsi(phone)?);
        let internet = self.network.lab.internet.clone();
        let flood = std::thread::Builder::new()
            .name("flood".to_owned())
            .spawn(move || probe::flood(&internet, address, TALK))?;
        let talkers = self.network.gateway.json(&["top", "-t", "1"]);
        flood.join().map_err(|_| anyhow::anyhow!("the flood died of a panic"))??;
        let talkers = talkers?;
        let first = talkers.get(0).context("nobody talks")?;
        let (who, rate) = (first["imsi"].as_str(), first["downlink_bps"].as_u64().unwrap_or(0));
        if who != Some(imsi.as_str()) || rate < TALK_LEAST {
            bail!("ue {} does not talk most: {talkers}", phone + 1);
        }
        Ok(())
    }

    fn canary_starts(&mut self, phone: usize) -> Result<()> {
        self.canary = Some(phone);
        self.canaries += 1;
        let number = self.canaries;
        self.radio.with_shared(move |shared| {
            let mut io = shared.borrow_mut();
            io.app(phone).reset();
            io.canary = Some(number);
            tokio::task::spawn_local(canary(shared.clone(), phone, number));
        })
    }

    fn canary_ends(&mut self) -> Result<()> {
        let phone = self.canary.take().context("there is no canary")?;
        let patience = Instant::now() + Duration::from_secs(2);
        self.radio.call(|io| io.canary = None)?;
        loop {
            let (sent, received) = self.radio.call(move |io| {
                let app = io.app(phone);
                (app.sent, app.received)
            })?;
            if sent == received && sent > 0 {
                return Ok(());
            }
            if Instant::now() >= patience {
                bail!("the canary lost {} of {sent} pings", sent - received);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn set_fault(io: &mut Io, enb: usize, fault: &EnbAction) {
    let Some(faults) = io.site.enb_mut(enb).map(testbed_ran::Enb::faults_mut) else { return };
    match fault {
        EnbAction::RefusesContexts => {
            faults.refuse_context = Some(RadioNetworkCause::RadioResourcesNotAvailable.into());
        }
        EnbAction::IgnoresContexts => faults.ignore_context = true,
        EnbAction::IgnoresReleases => faults.ignore_release = true,
        EnbAction::RefusesHandovers => {
            faults.refuse_handover = Some(RadioNetworkCause::NoRadioResourcesAvailableInTargetCell.into());
        }
        EnbAction::IgnoresHandovers => faults.ignore_handover = true,
        EnbAction::IgnoresPages => faults.ignore_paging = true,
        EnbAction::CannotDeliver => faults.undeliverable = true,
        EnbAction::LosesDownlink => faults.lose_downlink = true,
        _ => *faults = testbed_ran::Faults::default(),
    }
}

/// Random octets, and random octets that begin like S1AP messages.
fn babble(io: &mut Io, enb: usize, count: u32, seed: u64) {
    let mut rng = SimRng::new(seed);
    for _ in 0..count {
        let mut pdu = vec![0; 1 + rng.below(120) as usize];
        rng.fill(&mut pdu);
        if rng.chance(3, 4) {
            // A kind of message, a procedure code, a criticality.
            let head = [[0x00, 0x20, 0x40][rng.below(3) as usize], rng.below(60) as u8, rng.below(3) as u8 * 0x40];
            pdu.splice(0..0, head);
        }
        io.enb(enb, testbed_ran::Input::Raw { pdu, phone: None });
    }
}

fn act(io: &mut Io, phone: usize, action: PhoneAction) {
    let input = match action {
        PhoneAction::Attaches => Input::Attach(AttachKind::Usual),
        PhoneAction::AttachesByImsi => Input::Attach(AttachKind::Imsi),
        PhoneAction::Detaches => Input::Detach(DetachKind::Normal),
        PhoneAction::SwitchesOff => Input::Detach(DetachKind::SwitchOff),
        PhoneAction::Updates(active) => Input::Update { active },
        PhoneAction::ConnectsTo(apn) => Input::ConnectPdn(Some(apn)),
        PhoneAction::DisconnectsBearer(ebi) => match Ebi::new(ebi) {
            Ok(ebi) => Input::DisconnectPdn(ebi),
            Err(_) => return,
        },
        PhoneAction::LosesPower => {
            let enb = io.site.record(phone).map_or(0, |record| record.enb);
            io.enb(enb, testbed_ran::Input::Abandon(PhoneId(phone as u32)));
            Input::PowerCut
        }
        other => return tamper(io, phone, other),
    };
    io.phone(phone, input);
}

/// Changes to a phone itself.
fn tamper(io: &mut Io, phone: usize, action: PhoneAction) {
    let plmn = io.site.record(phone).and_then(|record| io.site.enb(record.enb)).map(|enb| enb.config().id.plmn);
    let (Some(ue), Some(plmn)) = (io.site.ue_mut(phone), plmn) else { return };
    match action {
        PhoneAction::ForgetsKeys => ue.forget_keys(),
        PhoneAction::InventsGuti => {
            let gummei = basalt_ids::Gummei { plmn, group: MmeGroupId(0x7777), code: MmeCode(0x77) };
            ue.set_guti(Some(Guti { gummei, m_tmsi: MTmsi(0x7777_7777) }));
            ue.forget_keys();
        }
        PhoneAction::IsAheadInSequence => {
            // Far beyond what a gateway has counted to, and within what a card accepts as a jump.
            let ahead = Sqn::new(0x0001_0000_0000).unwrap_or_default();
            ue.usim_mut().set_sqn(ahead);
        }
        PhoneAction::Card(fault, times) => ue.usim_mut().fail(fault, Some(times)),
        PhoneAction::Misbehaves(at, misdeed, times) => ue.add_fault(Fault { at: Some(at), skip: 0, times, misdeed }),
        _ => ue.clear_faults(),
    }
}

async fn pings(shared: Shared, phone: usize, count: u32) {
    for _ in 0..count {
        shared.borrow_mut().ping(phone, lab::SERVER);
        tokio::time::sleep(CANARY_INTERVAL).await;
    }
}

async fn pings6(shared: Shared, phone: usize, count: u32) {
    for _ in 0..count {
        shared.borrow_mut().ping6(phone, lab::SERVER6);
        tokio::time::sleep(CANARY_INTERVAL).await;
    }
}

async fn canary(shared: Shared, phone: usize, number: u64) {
    loop {
        {
            let mut io = shared.borrow_mut();
            if io.canary != Some(number) {
                return;
            }
            io.ping(phone, lab::SERVER);
        }
        tokio::time::sleep(CANARY_INTERVAL).await;
    }
}

/// Phones as a scenario calls them.
pub(super) fn name(phones: Phones) -> String {
    if phones.first == phones.last {
        format!("ue {}", phones.first)
    } else {
        format!("ues {} to {}", phones.first, phones.last)
    }
}
