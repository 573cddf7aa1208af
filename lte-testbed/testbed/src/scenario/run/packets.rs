//! Packets that the internet sends to phones, and what arrives of them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testbed_ran::PhoneId;

use crate::probe;
use crate::radio::Io;
use crate::scenario::script::HandedOver;
use crate::scenario::world::World;

/// How long what a flood leaves behind may be on its way.
const FLOOD_TAIL: Duration = Duration::from_millis(200);

/// Between two numbered packets.
const MILLISECOND: Duration = Duration::from_millis(1);

/// For what must come true while packets are sent, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl World {
    pub(super) fn send_numbered(&mut self, phone: usize, count: u32, ipv6: bool) -> Result<()> {
        self.mark(phone)?;
        self.radio.call(move |io| io.app(phone).reset())?;
        let address: IpAddr = if ipv6 { self.the_ipv6(phone)?.into() } else { self.the_address(phone)?.into() };
        probe::send_numbered(&self.network.lab.internet, address, count, Duration::from_millis(1))
    }

    /// A packet each millisecond, and in the middle of them two handovers.
    pub(super) fn send_numbered_over(
        &mut self,
        phone: usize,
        count: u32,
        there: HandedOver,
        back: usize,
    ) -> Result<()> {
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
    pub(super) fn flood(&mut self, phone: usize, time: Duration, rate: u64) -> Result<()> {
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
    pub(super) fn marked(&self, phone: usize, dscp: u8) -> Result<()> {
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
}
