//! Phones that are network devices, and networks behind them: real programs send and receive there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::script::{Place, Script, Setup, Trait};
use super::world::World;
use crate::internet::Services;
use crate::lab::{self, Lab, NetNs, link};
use crate::probe;

/// Namespaces of phones that are network devices, and of what is behind them.
#[derive(Debug, Default)]
pub(super) struct Devices {
    phones: BTreeMap<usize, NetNs>,
    behind: BTreeMap<usize, Behind>,
}

/// A host behind a phone, with the services of the internet on it.
#[derive(Debug)]
struct Behind {
    ns: NetNs,
    addresses: Vec<IpAddr>,
    _services: Vec<Services>,
}

impl Script {
    /// Networks behind a phone.
    pub(super) fn behind(&self, phone: usize) -> impl Iterator<Item = (IpAddr, u8)> {
        self.setup.iter().filter_map(move |setup| match setup {
            Setup::Phone(number, Trait::Behind(first, length)) if *number == phone => Some((*first, *length)),
            _ => None,
        })
    }

    /// Whether a phone is a network device.
    pub(super) fn is_device(&self, phone: usize) -> bool {
        let device = |setup: &Setup| matches!(setup, Setup::Phone(number, Trait::Device) if *number == phone);
        self.setup.iter().any(device) || self.behind(phone).next().is_some()
    }
}

impl Devices {
    /// Makes the device of a phone, and the network behind it, if the script wants them.
    pub(super) fn add(&mut self, lab: &Lab, script: &Script, number: usize) -> Result<Option<NetNs>> {
        if !script.is_device(number) {
            return Ok(None);
        }
        let ns = lab.phone(u32::try_from(number)?)?;
        let networks: Vec<(IpAddr, u8)> = script.behind(number).collect();
        if !networks.is_empty() {
            self.behind.insert(number, Behind::new(lab, &ns, number, &networks)?);
        }
        self.phones.insert(number, ns.clone());
        Ok(Some(ns))
    }
}

impl Behind {
    fn new(lab: &Lab, phone: &NetNs, number: usize, networks: &[(IpAddr, u8)]) -> Result<Self> {
        let ns = lab.behind(u32::try_from(number)?)?;
        let first = |network: IpAddr, host: u32| -> IpAddr {
            match network {
                IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits() + host).into(),
                IpAddr::V6(first) => Ipv6Addr::from_bits(first.to_bits() + u128::from(host)).into(),
            }
        };
        let cable = networks.iter().find_map(|(network, length)| match (first(*network, 1), first(*network, 2)) {
            (IpAddr::V4(near), IpAddr::V4(far)) => Some((near, far, *length)),
            _ => None,
        });
        let (near, far, length) = cable.context("a network behind a phone needs IPv4, for its cable")?;
        link::join(&link::lan_end(phone, near, length), &link::lan_end(&ns, far, length), lab::SGI_MTU)?;
        link::forward(phone)?;
        link::add_route(&ns, (Ipv4Addr::UNSPECIFIED, 0), near)?;
        let mut addresses = vec![IpAddr::V4(far)];
        for (network, length) in networks.iter().filter(|(network, _)| network.is_ipv6()) {
            if let (IpAddr::V6(near), IpAddr::V6(far)) = (first(*network, 1), first(*network, 2)) {
                link::forward6(phone)?;
                link::add_address6(phone, link::LAN, near, *length)?;
                link::add_address6(&ns, link::LAN, far, *length)?;
                link::add_route6(&ns, (Ipv6Addr::UNSPECIFIED, 0), near)?;
                addresses.push(far.into());
            }
        }
        let services = addresses.iter().map(|address| Services::start(&ns, *address)).collect::<Result<_>>()?;
        Ok(Self { ns, addresses, _services: services })
    }
}

impl World {
    /// Where programs of a place run.
    pub(super) fn space(&self, place: Place) -> Result<&NetNs> {
        let found = match place {
            Place::Internet => Some(&self.network.lab.internet),
            Place::Phone(phone) => self.devices.phones.get(&phone),
            Place::Behind(phone) => self.devices.behind.get(&phone).map(|behind| &behind.ns),
            Place::Vlan => self.vlan.as_ref().map(|vlan| &vlan.ns),
        };
        found.with_context(|| format!("no programs run at {place}: is it a network device?"))
    }

    /// The address of a place.
    pub(super) fn address_of(&self, place: Place, ipv6: bool) -> Result<IpAddr> {
        Ok(match place {
            Place::Internet if ipv6 => lab::SERVER6.into(),
            Place::Internet => lab::SERVER.into(),
            Place::Phone(phone) if ipv6 => self.the_ipv6(phone - 1)?.into(),
            Place::Phone(phone) => self.the_address(phone - 1)?.into(),
            Place::Vlan => lab::vlan::ROUTER.into(),
            Place::Behind(phone) => {
                let behind = self.devices.behind.get(&phone).with_context(|| format!("nothing is at {place}"))?;
                let found = behind.addresses.iter().find(|address| address.is_ipv6() == ipv6);
                *found.with_context(|| format!("{place} has no address of this IP version"))?
            }
        })
    }

    /// The server sees a phone's program by an address that the operator finds the phone by.
    pub(super) fn seen_as(&self, phone: usize, wanted: IpAddr) -> Result<()> {
        let seen =
            probe::seen_as(self.space(Place::Phone(phone))?, self.address_of(Place::Internet, wanted.is_ipv6())?)?;
        if seen.ip() != wanted {
            bail!("the server sees {seen}");
        }
        let imsi = self.imsi(phone - 1)?;
        let told = self.network.gateway.basalt(&["who", &seen.ip().to_string(), &seen.port().to_string()])?;
        if told.contains(&imsi) { Ok(()) } else { bail!("who had {seen}? {told}") }
    }

    /// The operator sees an event of this kind about a phone, soon.
    pub(super) fn told_of(&self, phone: usize, kind: &str) -> Result<()> {
        let imsi = self.imsi(phone)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let told = self.network.gateway.basalt(&["events", "--imsi", &imsi])?;
            if told.split_ascii_whitespace().any(|word| word == kind) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("no event {kind} of {imsi}: {told}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The internet has another router, and the gateway goes by it.
    pub(super) fn other_router(&self) -> Result<()> {
        link::add_address(&self.network.lab.internet, lab::SGI_INTERFACE, lab::OTHER_SGI, 24)?;
        link::replace_default_route(&self.network.lab.agw, lab::OTHER_SGI)
    }

    /// A real program at one place downloads from a real server at another one.
    pub(super) fn download(&self, by: Place, from: Place, octets: u64, ipv6: bool, wanted: bool) -> Result<()> {
        let server = self.address_of(from, ipv6)?;
        let patience = if wanted { probe::CONNECT } else { Duration::from_secs(1) };
        match (probe::download_patiently(self.space(by)?, server, octets, patience), wanted) {
            (Ok(_), true) | (Err(_), false) => Ok(()),
            (Ok(_), false) => bail!("{by} reaches {server}"),
            (Err(error), true) => Err(error),
        }
    }

    /// TCP makes the most of a rate: a sender that has lost something goes on with what is the phone's.
    pub(super) fn download_at(&self, phone: usize, octets: u64, rate: u64) -> Result<()> {
        let space = self.space(Place::Phone(phone))?;
        let transfer = probe::download_patiently(space, lab::SERVER.into(), octets, Duration::from_secs(30))?;
        let (got, rate) = (transfer.mbit_s() * 1e6, rate as f64);
        // Headers are 4 %, and a burst of 250 ms may come at once.
        let most = rate * (1.0 + 0.25 / transfer.seconds);
        if got < 0.75 * rate || got > most {
            bail!("TCP makes {got:.0} bit/s of {rate} in {:.1} s", transfer.seconds);
        }
        Ok(())
    }
}
