//! The world a scenario plays in: lab, gateway, radio, and what was seen so far.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use basalt_ids::{Apn, EnbId, GlobalEnbId, Guti, Plmn, Tac};
use basalt_s1ap::SupportedTa;
use basalt_sctp::Backend;
use testbed_ran::EnbConfig;
use testbed_ue::{Capability, Event, Profile, Timer, TimerValues, Ue};
use toml::Table;

use super::calls::Call;
use super::devices::Devices;
use super::script::{Script, Setup, Trait};
use crate::collector::{self, Collector};
use crate::gateway::Lasting;
use crate::home::{Beside, Home};
use crate::lab::Lab;
use crate::lab::vlan::Vlan;
use crate::network::{Network, NetworkPlan};
use crate::radio::subscriber::Subscriber;
use crate::radio::{Radio, Told};

/// How scenarios are run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Name of the lab they make.
    pub lab: String,
    /// SCTP over UDP, software data plane: without root.
    pub unprivileged: bool,
    /// How SCTP travels.
    pub backend: Backend,
    /// Settings of the gateway for all scenarios, on top of each one's own.
    pub settings: Vec<String>,
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct World {
    pub radio: Radio,
    pub network: Network,
    pub phones: Vec<Seen>,
    pub enbs: Vec<Vec<testbed_ran::Event>>,
    pub devices: Devices,
    pub home: Option<Home>,
    /// The trace that runs.
    pub call: Option<Call>,
    /// What is told spans.
    pub collector: Option<Collector>,
    /// The server on a VLAN.
    pub vlan: Option<Vlan>,
    pub canary: Option<usize>,
    /// How many canaries there were.
    pub canaries: u64,
}

/// What was seen of a phone.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Since its last action.
    pub events: Vec<Event>,
    /// Anything it ever found wrong with the network.
    pub distrust: Vec<Event>,
    /// When its last action began: address and temporary identity.
    pub address_before: Option<Ipv4Addr>,
    pub guti_before: Option<Guti>,
}

impl World {
    /// Makes the world a script asks for and starts the gateway. Base stations do not associate yet.
    pub fn new(script: &Script, options: &RunOptions) -> Result<Self> {
        let mut settings = Table::new();
        let home_plmn = script.setup.iter().find_map(|setup| match setup {
            Setup::Home(plmn) => Some(*plmn),
            _ => None,
        });
        for setting in home_plmn.iter().flat_map(|plmn| crate::home::settings(*plmn)) {
            apply(&mut settings, &setting)?;
        }
        let collects = script.setup.contains(&Setup::Collector);
        if collects {
            apply(&mut settings, &collector::setting())?;
        }
        for setting in script.settings().chain(options.settings.iter().map(String::as_str)) {
            apply(&mut settings, setting)?;
        }
        let network = Network::start(&NetworkPlan {
            settings,
            backend: options.backend,
            cables: script.cables(),
            ..NetworkPlan::new(&options.lab, options.unprivileged)
        })?;
        let radio = network.radio()?;
        let vlan = script.vlan().map(|id| Vlan::start(&network.lab, id)).transpose()?;
        let mut world = Self {
            radio,
            network,
            phones: Vec::new(),
            enbs: Vec::new(),
            devices: Devices::default(),
            home: None,
            call: None,
            collector: None,
            vlan,
            canary: None,
            canaries: 0,
        };
        if collects {
            world.collector = Some(Collector::start(&world.network.lab.agw)?);
        }
        if let Some(plmn) = home_plmn {
            world.federate(script, plmn)?;
        }
        world.subscribe(script)?;
        world.add_enbs(script)?;
        world.add_phones(script)?;
        Ok(world)
    }

    /// Starts the home network with its subscribers, and waits until the gateway can ask for them.
    fn federate(&mut self, script: &Script, plmn: Plmn) -> Result<()> {
        let theirs = (1..=script.subscribers()).filter(|number| home(script, *number as usize) == plmn);
        let known = theirs.filter(|number| !is_unknown(script, *number)).map(|number| subscriber(script, number));
        let known = known.collect::<Result<Vec<_>>>()?;
        self.home = Some(Home::start(
            &self.network.lab,
            plmn,
            &known,
            Beside { collector: self.collector.is_some(), capture: true },
        )?);
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.network.gateway.metrics()?.get("basalt_agw_federation_gateways") != Some(&1.0) {
            anyhow::ensure!(Instant::now() < deadline, "the gateway does not find the federation gateway");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn subscribe(&self, script: &Script) -> Result<()> {
        let count = script.subscribers();
        let federated = |number: u32| script.setup.contains(&Setup::Home(home(script, number as usize)));
        let known: Vec<Subscriber> = (1..=count)
            .filter(|number| !is_unknown(script, *number) && !federated(*number))
            .map(|number| subscriber(script, number))
            .collect::<Result<_>>()?;
        if known.is_empty() {
            return Ok(());
        }
        let lasting = |subscriber: &Subscriber| {
            let number =
                (1..=count).find(|number| self::subscriber(script, *number).is_ok_and(|s| s.imsi == subscriber.imsi));
            let number = number.unwrap_or(0) as usize;
            let behind = script.behind(number).map(|(first, length)| format!("{first}/{length}")).collect();
            let address = script.traits(number).find_map(|kind| match kind {
                Trait::Address(address) => Some(*address),
                _ => None,
            });
            Lasting { address, behind }
        };
        self.network.gateway.import_shaped(&known, &script.access_points(), script.downlink_rate(), lasting)
    }

    fn add_enbs(&mut self, script: &Script) -> Result<()> {
        self.radio.call(|io| io.record = true)?;
        for number in 1..=script.highest("enb", "enbs").max(1) {
            let config = enb_config(script, number)?;
            self.radio.call(move |io| io.add_enb(config))??;
            self.enbs.push(Vec::new());
        }
        Ok(())
    }

    fn add_phones(&mut self, script: &Script) -> Result<()> {
        for number in 1..=script.highest("ue", "ues") {
            let subscriber = subscriber(script, u32::try_from(number)?)?;
            let wrong_key = script.traits(number).any(|kind| matches!(kind, Trait::WrongKey));
            let usim = if wrong_key { subscriber.forged_usim() } else { subscriber.usim() };
            let ue = Ue::new(Arc::new(profile(script, number)), usim, subscriber.imeisv);
            let device = self.devices.add(&self.network.lab, script, number)?;
            self.radio.call(move |io| {
                let phone = io.add_phone(ue, 0);
                if let Some(ns) = device {
                    io.give_tun(phone, ns);
                }
            })?;
            self.phones.push(Seen::default());
        }
        Ok(())
    }

    /// Takes in what happened.
    pub fn look(&mut self) -> Result<()> {
        for (_, told) in self.radio.call(|io| std::mem::take(&mut io.told))? {
            match told {
                Told::Phone(phone, event) => {
                    if let Some(seen) = self.phones.get_mut(phone) {
                        if matches!(event, Event::Distrust(_)) {
                            seen.distrust.push(event.clone());
                        }
                        seen.events.push(event);
                    }
                }
                Told::Enb(enb, event) => {
                    if let Some(seen) = self.enbs.get_mut(enb) {
                        seen.push(event);
                    }
                }
                Told::Refused(_) => {}
            }
        }
        Ok(())
    }

    /// A phone's address.
    pub fn address(&self, phone: usize) -> Result<Option<Ipv4Addr>> {
        self.radio.call(move |io| io.site.record(phone)?.ue.sessions().iter().find_map(|session| session.address))
    }

    /// A phone's address, which it must have.
    pub fn the_address(&self, phone: usize) -> Result<Ipv4Addr> {
        self.address(phone)?.with_context(|| format!("ue {} has no address", phone + 1))
    }

    /// A phone's global IPv6 address.
    pub fn ipv6(&self, phone: usize) -> Result<Option<Ipv6Addr>> {
        self.radio.call(move |io| io.app(phone).ipv6().and_then(|interface| interface.address()))
    }

    /// A phone's global IPv6 address, which it must have.
    pub fn the_ipv6(&self, phone: usize) -> Result<Ipv6Addr> {
        self.ipv6(phone)?.with_context(|| format!("ue {} has no IPv6 address", phone + 1))
    }

    /// A phone's subscriber.
    pub fn subscriber(&self, phone: usize) -> Result<Subscriber> {
        let imsi = self.imsi(phone)?;
        let number = imsi.get(imsi.len().saturating_sub(9)..).unwrap_or_default().parse()?;
        Ok(Subscriber::new(test_network(), number)?)
    }

    /// Identity of a phone's subscriber.
    pub fn imsi(&self, phone: usize) -> Result<String> {
        let imsi = self.radio.call(move |io| io.site.record(phone).map(|record| record.ue.imsi().to_string()))?;
        imsi.with_context(|| format!("there is no ue {}", phone + 1))
    }
}

impl Script {
    fn settings(&self) -> impl Iterator<Item = &str> {
        self.setup.iter().filter_map(|setup| match setup {
            Setup::Setting(setting) => Some(setting.as_str()),
            _ => None,
        })
    }

    /// How many subscribers the gateway knows: what the script says, or all phones that act.
    fn subscribers(&self) -> u32 {
        let said = self.setup.iter().find_map(|setup| match setup {
            Setup::Subscribers(count) => Some(*count),
            _ => None,
        });
        said.unwrap_or_else(|| u32::try_from(self.highest("ue", "ues")).unwrap_or(u32::MAX))
    }

    /// What the cables carry, octets; `None` if it does not say.
    fn cables(&self) -> Option<u32> {
        self.setup.iter().find_map(|setup| match setup {
            Setup::Cables(mtu) => Some(*mtu),
            _ => None,
        })
    }

    /// The VLAN that a server is on.
    fn vlan(&self) -> Option<u16> {
        self.setup.iter().find_map(|setup| match setup {
            Setup::Vlan(id) => Some(*id),
            _ => None,
        })
    }

    /// What each subscriber may receive, bit/s; `None` if it does not say.
    fn downlink_rate(&self) -> Option<u64> {
        self.setup.iter().find_map(|setup| match setup {
            Setup::DownlinkRate(rate) => Some(*rate),
            _ => None,
        })
    }

    /// What subscribers may use; empty for the gateway's own choice.
    fn access_points(&self) -> Vec<Apn> {
        self.setup
            .iter()
            .filter_map(|setup| match setup {
                Setup::AccessPoint(apn) => Some(apn.clone()),
                _ => None,
            })
            .collect()
    }

    fn traits(&self, phone: usize) -> impl Iterator<Item = &Trait> {
        self.setup.iter().filter_map(move |setup| match setup {
            Setup::Phone(number, kind) if *number == phone => Some(kind),
            _ => None,
        })
    }

    /// Whether it needs root.
    #[must_use]
    pub fn needs_root(&self) -> bool {
        self.setup.contains(&Setup::NeedsRoot)
    }

    /// The highest number that stands behind one of two words, or behind the second word and "to".
    fn highest(&self, one: &str, several: &str) -> usize {
        let mut highest = 0;
        for line in &self.lines {
            let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_ascii_whitespace().collect();
            for (at, word) in words.iter().enumerate() {
                let number = |offset: usize| words.get(at + offset).and_then(|word| word.parse().ok());
                let found: Option<usize> = match *word {
                    word if word == one => number(1),
                    word if word == several => number(3),
                    _ => None,
                };
                highest = highest.max(found.unwrap_or(0));
            }
        }
        highest
    }
}

/// Reads a setting such as `paging.attempts = 2` into a table.
fn apply(settings: &mut Table, setting: &str) -> Result<()> {
    let (path, value) = setting.split_once('=').ok_or_else(|| {
        anyhow!("--set wants KEY = VALUE, such as dataplane.mode = \"software\"; {setting:?} is none")
    })?;
    let one: Table = toml::from_str(&format!("value = {}", value.trim())).with_context(|| setting.to_owned())?;
    let value = one.get("value").cloned().with_context(|| setting.to_owned())?;
    crate::gateway::set(settings, path.trim(), value)
}

fn home(script: &Script, number: usize) -> Plmn {
    let of_network = script.traits(number).find_map(|kind| match kind {
        Trait::Network(plmn) => Some(*plmn),
        _ => None,
    });
    of_network.unwrap_or(test_network())
}

fn test_network() -> Plmn {
    const NETWORK: Plmn = match Plmn::new(1, 1, 2) {
        Ok(plmn) => plmn,
        Err(_) => panic!("001-01 is a network"),
    };
    NETWORK
}

fn is_unknown(script: &Script, number: u32) -> bool {
    script.traits(number as usize).any(|kind| matches!(kind, Trait::Unknown))
}

fn subscriber(script: &Script, number: u32) -> Result<Subscriber> {
    let zone = |kind: &Trait| if let Trait::Zone(zone) = kind { Some(*zone) } else { None };
    let mut subscriber = Subscriber::new(home(script, number as usize), number)?;
    subscriber.zones = script.traits(number as usize).filter_map(zone).collect();
    subscriber.apns = script.access_points().iter().map(Apn::to_string).collect();
    Ok(subscriber)
}

fn enb_config(script: &Script, number: usize) -> Result<EnbConfig> {
    let place = script.setup.iter().find_map(|setup| match setup {
        Setup::EnbArea(enb, plmn, tac) if *enb == number => Some((plmn.unwrap_or(test_network()), *tac)),
        _ => None,
    });
    let (plmn, tac) = place.unwrap_or((test_network(), Tac(1)));
    let index = u32::try_from(number - 1)?;
    let id = GlobalEnbId { plmn, enb: EnbId::Macro(0x100 + index) };
    let mut config = EnbConfig::new(&format!("scenario-{number}"), id, tac, Lab::enb_address(index));
    config.supported_tas = vec![SupportedTa::new(tac, vec![plmn])];
    config.teid_prefix = (index % 4096) as u16;
    config.answer_timer = Duration::from_secs(2);
    Ok(config)
}

fn profile(script: &Script, number: usize) -> Profile {
    let mut profile = Profile::default();
    for kind in script.traits(number) {
        match kind {
            Trait::Algorithms(eea, eia) => {
                profile.capability = Capability { eea: *eea, eia: *eia, ..Capability::default() };
            }
            Trait::Combined => profile.combined = true,
            Trait::Conceals => profile.conceals_esm_information = true,
            Trait::AccessPoint(apn) => profile.apn = Some(apn.clone()),
            Trait::PdnType(pdn_type) => profile.pdn_type = *pdn_type,
            Trait::Once => profile.persistent = false,
            Trait::Timer(timer, value) => set_timer(&mut profile.timers, *timer, *value),
            Trait::WrongKey
            | Trait::Unknown
            | Trait::Network(_)
            | Trait::Zone(_)
            | Trait::Device
            | Trait::Address(_)
            | Trait::Behind(..) => {}
        }
    }
    profile
}

fn set_timer(timers: &mut TimerValues, timer: Timer, value: Duration) {
    let place = match timer {
        Timer::T3402 => &mut timers.t3402,
        Timer::T3410 => &mut timers.t3410,
        Timer::T3411 => &mut timers.t3411,
        Timer::T3412 => &mut timers.t3412,
        Timer::T3416 => &mut timers.t3416,
        Timer::T3417 => &mut timers.t3417,
        Timer::T3418 => &mut timers.t3418,
        Timer::T3420 => &mut timers.t3420,
        Timer::T3421 => &mut timers.t3421,
        Timer::T3430 => &mut timers.t3430,
        Timer::T3440 => &mut timers.t3440,
        Timer::T3482 => &mut timers.t3482,
        Timer::T3492 => &mut timers.t3492,
        // The network's to set.
        Timer::T3346 => return,
    };
    *place = value;
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::*;

    #[test]
    fn the_world_is_as_large_as_the_script_needs() {
        let script = parse("x", "ue 3 has wrong key\nenb 2 connects\nues 1 to 5 attach\n# ue 9").unwrap();
        assert_eq!((script.highest("ue", "ues"), script.highest("enb", "enbs")), (5, 2));
        assert_eq!(script.subscribers(), 5);
        assert!(script.traits(3).any(|kind| *kind == Trait::WrongKey));
        assert!(script.traits(2).next().is_none());
    }

    #[test]
    fn settings_are_toml_values() {
        let mut settings = Table::new();
        apply(&mut settings, "timers.t3413 = \"2s\"").unwrap();
        apply(&mut settings, "network.tacs = [1, 2]").unwrap();
        assert_eq!(settings["timers"].as_table().unwrap()["t3413"].as_str(), Some("2s"));
        assert!(apply(&mut settings, "nonsense").is_err());
        assert!(apply(&mut settings, "a = [").is_err());
    }
}
