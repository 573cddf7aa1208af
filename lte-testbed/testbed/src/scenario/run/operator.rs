//! What happens to the gateway, and what its operator does and sees.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::probe;
use crate::scenario::script::GatewayAction;
use crate::scenario::world::World;

/// A phone that talks is flooded for so long, of which its gateway looks at a second.
const TALK: Duration = Duration::from_secs(3);

/// A phone that talks has at least so much of the flood, bit/s.
const TALK_LEAST: u64 = 1_000_000;

impl World {
    pub(super) fn gateway_acts(&mut self, action: &GatewayAction) -> Result<()> {
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
            GatewayAction::Bounds(phone, octets, term) => {
                let octets = octets.to_string();
                self.operator(*phone, &["subscriber", "plan"], &[&octets, "--per", term])
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

    /// An operator's command about a phone.
    fn operator(&self, phone: usize, command: &[&str], options: &[&str]) -> Result<()> {
        let imsi = self.imsi(phone - 1)?;
        self.network.gateway.basalt(&[command, &[imsi.as_str()], options].concat()).map(drop)
    }

    /// Every hop of a phone that pings and is answered must have been seen, and the capture must hold packets.
    pub(super) fn watch(&mut self, phone: usize, time: Duration) -> Result<()> {
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
    pub(super) fn talks_most(&self, phone: usize) -> Result<()> {
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
}
