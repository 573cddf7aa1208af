//! What sessions on one access point are addressed by: IPv4 addresses, IPv6 prefixes, or one of each.

use crate::pool::{Addresses, NoAddress, Range};
use agw_types::{ApnConfig, ApnProfile, IpPrefix, PdnTypes, Prefix64, UeAddress};
use basalt_sansio::{Duration, Time};
use core::net::{IpAddr, Ipv4Addr};

/// The pools of one access point.
#[derive(Debug)]
pub(crate) struct ApnAddresses {
    ipv4: Addresses<Ipv4Addr>,
    ipv6: Addresses<Prefix64>,
    /// The networks of the pools, IPv4 ones first, as they are shown.
    networks: Vec<Option<IpPrefix>>,
    types: PdnTypes,
}

/// Which kinds of address a session gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
}

impl ApnAddresses {
    pub(crate) fn new(config: &ApnConfig) -> Self {
        let ipv4 = config.pools.iter().map(|pool| (IpAddr::V4(pool.network), pool.prefix));
        let ipv6 = config.pools6.iter().map(|pool| (IpAddr::V6(pool.network), pool.prefix));
        Self {
            ipv4: Addresses::new(config.pools.iter().map(Range::from)),
            ipv6: Addresses::new(config.pools6.iter().map(Range::from)),
            networks: ipv4.chain(ipv6).map(|(first, length)| IpPrefix::new(first, length)).collect(),
            types: config.pdn_types,
        }
    }

    /// What a session may be.
    pub(crate) const fn types(&self) -> PdnTypes {
        self.types
    }

    /// An address for `owner` (any number that tells one subscriber from another), all of it or nothing.
    pub(crate) fn take(
        &mut self,
        now: Time,
        owner: u64,
        kinds: Kinds,
        profile: &ApnProfile,
    ) -> Result<UeAddress, NoAddress> {
        let ipv4 = if kinds.ipv4 { Some(self.ipv4.take(now, owner, profile.static_ipv4)?) } else { None };
        let prefix = if kinds.ipv6 { Some(self.ipv6.take(now, owner, profile.static_ipv6)) } else { None };
        match (ipv4, prefix.transpose()) {
            (ipv4, Ok(prefix)) => UeAddress::new(ipv4, prefix).ok_or(NoAddress::Exhausted),
            (ipv4, Err(why)) => {
                if let Some(ipv4) = ipv4 {
                    // Nobody has heard of it.
                    self.ipv4.release(now, Duration::ZERO, owner, ipv4);
                }
                Err(why)
            }
        }
    }

    /// Sets static addresses apart before they are first used.
    pub(crate) fn reserve(&mut self, owner: u64, address: UeAddress) {
        if let Some(ipv4) = address.ipv4() {
            self.ipv4.reserve(owner, ipv4);
        }
        if let Some(prefix) = address.prefix() {
            self.ipv6.reserve(owner, prefix);
        }
    }

    /// Takes the address that a stored session holds, all of it or nothing.
    pub(crate) fn restore(&mut self, address: UeAddress) -> bool {
        if !address.ipv4().is_none_or(|ipv4| self.ipv4.restore(ipv4)) {
            return false;
        }
        let whole = address.prefix().is_none_or(|prefix| self.ipv6.restore(prefix));
        if let (false, Some(ipv4)) = (whole, address.ipv4()) {
            // Nobody has held it since the start.
            self.ipv4.release(Time::ZERO, Duration::ZERO, 0, ipv4);
        }
        whole
    }

    /// Gives an address back that `owner` had; it rests until `now + quarantine`.
    pub(crate) fn release(&mut self, now: Time, quarantine: Duration, owner: u64, address: UeAddress) {
        if let Some(ipv4) = address.ipv4() {
            self.ipv4.release(now, quarantine, owner, ipv4);
        }
        if let Some(prefix) = address.prefix() {
            self.ipv6.release(now, quarantine, owner, prefix);
        }
    }

    /// Lets an address rest that was given back before the gateway started.
    pub(crate) fn rest(&mut self, until: Time, address: UeAddress) {
        if let Some(ipv4) = address.ipv4() {
            self.ipv4.rest(until, None, ipv4);
        }
        if let Some(prefix) = address.prefix() {
            self.ipv6.rest(until, None, prefix);
        }
    }

    /// Takes over what rested in the pools that these replace.
    pub(crate) fn inherit(&mut self, former: &Self) {
        self.ipv4.inherit(&former.ipv4);
        self.ipv6.inherit(&former.ipv6);
    }

    /// Each pool: what can be given out now, and all.
    pub(crate) fn room(&mut self, now: Time) -> Vec<(IpPrefix, u32, u32)> {
        let rooms = self.ipv4.rooms(now).into_iter().chain(self.ipv6.rooms(now));
        self.networks.iter().zip(rooms).filter_map(|(network, (free, all))| Some(((*network)?, free, all))).collect()
    }
}
