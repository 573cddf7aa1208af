//! Storms of pages, and prefixes that phones have delegated.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testbed_ran::PhoneId;

use super::script::{Phones, Place};
use super::world::World;
use crate::lab::link;
use crate::probe::{self, delegation};
use crate::radio::{Io, tun};

/// For what must come true, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl World {
    /// All phones come back, and no faster than they may be called: the first may be called at once.
    pub(super) fn storm(&self, phones: Phones, per_second: u32) -> Result<()> {
        let addresses = phones.indices().map(|phone| self.the_address(phone)).collect::<Result<Vec<_>>>()?;
        let began = Instant::now();
        for address in &addresses {
            probe::send_numbered(&self.network.lab.internet, (*address).into(), 3, Duration::ZERO)?;
        }
        for phone in phones.indices() {
            let back = move |io: &mut Io| {
                let enb = io.site.record(phone)?.enb;
                let connection = io.site.enb(enb)?.connection(PhoneId(phone as u32))?;
                (connection.state == testbed_ran::ConnectionState::Active).then_some(())
            };
            self.radio.wait(PATIENCE, back)?.with_context(|| format!("ue {} was not called", phone + 1))?;
        }
        let least = Duration::from_secs(1) * (addresses.len() as u32).saturating_sub(per_second) / per_second.max(1);
        let took = began.elapsed();
        if took < least { bail!("{} phones were called within {took:?}", addresses.len()) } else { Ok(()) }
    }

    /// A DHCPv6 client on the phone, and a program that uses what it got.
    pub(super) fn delegation(&self, phone: usize, start: &str) -> Result<()> {
        let ns = self.space(Place::Phone(phone))?;
        // Clients ask from a link-local address (RFC 8415 §17), which this device does not make by itself.
        link::add_address6(ns, tun::INTERFACE, Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77), 64)?;
        let (prefix, length) = delegation::delegated(ns, tun::INTERFACE, PATIENCE)?;
        if !prefix.to_string().starts_with(start) || length > 63 {
            bail!("{prefix}/{length} is delegated");
        }
        let address = Ipv6Addr::from_bits(prefix.to_bits() | 0x77);
        link::add_address6(ns, tun::INTERFACE, address, 128)?;
        delegation::echo_from(ns, address, self.address_of(Place::Internet, true)?)?;
        // Of a neighbour's prefix nothing passes.
        let beside = Ipv6Addr::from_bits(prefix.to_bits() ^ 1 << (128 - u32::from(length) + 2));
        link::add_address6(ns, tun::INTERFACE, beside, 128)?;
        let foreign: Result<()> = delegation::echo_from(ns, beside, self.address_of(Place::Internet, true)?);
        if foreign.is_ok() { bail!("packets from {beside}, which is not the phone's, pass") } else { Ok(()) }
    }
}
