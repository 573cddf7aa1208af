//! Plays a scenario: does what it says, and waits for what it expects.

mod air;
mod home;
mod operator;
mod packets;

use anyhow::{Result, bail};

use super::calls;
use super::check;
use super::script::{Phones, Script, Step};
use super::spans;
use super::world::{RunOptions, World};
use crate::kills::{self, KillPlan};
use crate::lab;
use crate::probe;
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
            Step::RateOfAccessPoints(phone, rate, apns, version) => {
                super::rates::of_access_points(self, phone - 1, *rate, apns, *version)
            }
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

    fn kills(&mut self, phones: usize, kills: u32, rebuild_every: u32) -> Result<()> {
        let plan = KillPlan { kills, seed: 1, rate: 500, rebuild_every };
        let internet = self.network.lab.internet.clone();
        let report = kills::run(&mut self.network.gateway, &self.radio, &internet, phones, &plan)?;
        if !report.is_exact() {
            bail!("something was lost, reordered or miscounted: {}", serde_json::to_string(&report)?);
        }
        Ok(())
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
