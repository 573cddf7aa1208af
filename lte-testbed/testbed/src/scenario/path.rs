//! What paths carry, as programs find it out.

use std::time::Duration;

use anyhow::{Result, bail};

use super::script::Place;
use super::world::World;
use crate::lab::{self, link};
use crate::probe::path;
use crate::radio::tun;

/// For what must come true, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl World {
    /// The path MTU that a program finds.
    pub(super) fn path_carries(&self, from: Place, to: Place, octets: u32, ipv6: bool) -> Result<()> {
        let found = path::mtu(self.space(from)?, self.address_of(to, ipv6)?, octets, PATIENCE)?;
        if found == octets { Ok(()) } else { bail!("packets from {from} to {to} may have {found} octets") }
    }

    /// The path MTU that a server finds on the way back.
    pub(super) fn path_back(&self, phone: usize, octets: u32) -> Result<()> {
        let found = path::mtu_back(self.space(Place::Phone(phone))?, self.space(Place::Internet)?, octets, PATIENCE)?;
        if found == octets { Ok(()) } else { bail!("packets back to ue {phone} may have {found} octets") }
    }

    /// What both ends of a connection agree on.
    pub(super) fn segments(&self, by: Place, most: u32, ipv6: bool) -> Result<()> {
        let found = path::segment(self.space(by)?, self.address_of(Place::Internet, ipv6)?)?;
        if found <= most { Ok(()) } else { bail!("segments have up to {found} octets") }
    }

    pub(super) fn ignores_mtu(&self, phone: usize, octets: u16) -> Result<()> {
        link::resize(self.space(Place::Phone(phone))?, tun::INTERFACE, octets.into())
    }

    /// The gateway's routes to the server say a smaller MTU.
    pub(super) fn internet_mtu(&self, octets: u32) -> Result<()> {
        let agw = &self.network.lab.agw;
        link::narrow_via(agw, lab::SERVER, lab::INTERNET_SGI, octets)?;
        if !std::path::Path::new("/proc/sys/net/ipv6").exists() {
            return Ok(());
        }
        link::narrow6_via(agw, lab::SERVER6, lab::INTERNET_SGI6, octets)
    }

    /// The gateway's routes to base stations say a smaller MTU.
    pub(super) fn stations_mtu(&self, octets: u32) -> Result<()> {
        let agw = &self.network.lab.agw;
        for enb in 0..4 {
            link::narrow_via(agw, lab::Lab::enb_address(enb), lab::RADIO_S1, octets)?;
        }
        Ok(())
    }
}
