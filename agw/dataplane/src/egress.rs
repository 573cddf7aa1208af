//! The ways of phones to the internet, as tables and records of sessions say them.

use crate::config::{Config, Egress};
use crate::error::Error;
use crate::host::Netlink;
use crate::tables::Sizes;
use basalt_ebpf_abi::{Address, Prefix, UplinkFlags};
use std::net::Ipv4Addr;

/// Ways to the internet of phones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Egresses {
    /// Flags of everyone's uplink record.
    usual: u32,
    /// Of those in a prefix: flags, next hop, VLAN.
    own: Vec<(Prefix, u32, u32, u16)>,
}

impl Egresses {
    /// Flags, next hop and VLAN of a phone.
    pub(crate) fn of(&self, phone: Address) -> (u32, u32, u16) {
        if phone == Address::NONE {
            return (0, 0, 0);
        }
        let own = self.own.iter().find(|(prefix, ..)| prefix.contains(phone.to_ipv4()));
        own.map_or((self.usual, 0, 0), |(_, flags, hop, vlan)| (*flags, *hop, *vlan))
    }
}

/// Makes room for external ports, for a plane that translates.
pub(crate) fn with_ports(sizes: Sizes, config: &Config, externals: &[(Prefix, bool)]) -> Sizes {
    let addresses: u32 = externals.iter().map(|(range, _)| range.last() - range.first() + 1).sum();
    if addresses == 0 {
        return sizes;
    }
    Sizes { blocks: (addresses << 16) >> config.translation.bits(), mappings: addresses << 16, ..sizes }
}

/// The external addresses, with whether the gateway has them itself.
pub(crate) async fn externals(netlink: &Netlink, config: &Config) -> Result<Vec<(Prefix, bool)>, Error> {
    if !config.translates() {
        return Ok(Vec::new());
    }
    let snapshot = netlink.snapshot().await?;
    let local: Vec<Ipv4Addr> = snapshot.addresses.iter().map(|(_, address, _)| *address).collect();
    if !config.translation.addresses.is_empty() {
        let own = |range: &Prefix| local.iter().any(|address| range.contains(*address));
        return Ok(config.translation.addresses.iter().map(|range| (*range, own(range))).collect());
    }
    let internet = snapshot.link(&config.internet_interface).map(|link| link.index);
    let own = snapshot.addresses.iter().find(|(index, ..)| Some(*index) == internet);
    let none = || {
        Error::Configuration(format!(
            "{} has no IPv4 address to translate to: give it one, or name external addresses",
            config.internet_interface
        ))
    };
    own.map(|(_, address, _)| vec![(Prefix::new(*address, 32), true)]).ok_or_else(none)
}

/// The ways to the internet, as records of sessions say them.
pub(crate) fn egresses(config: &Config) -> Egresses {
    let direct = config.direct();
    let flags = |egress| match egress {
        Egress::Translated => UplinkFlags::TRANSLATED,
        Egress::Nat if direct => UplinkFlags::BY_KERNEL,
        Egress::Nat | Egress::Routed => 0,
    };
    let vlans = config.vlans();
    let own = config.pool_egress.iter().map(|own| {
        let hop = vlans.iter().find(|(_, vlan)| Some(*vlan) == own.vlan);
        let (hop, vlan) = hop.map_or((0, 0), |(hop, vlan)| (*hop, vlan.id));
        let tagged = if hop == 0 { 0 } else { UplinkFlags::OWN_HOP };
        (own.pool, flags(own.egress) | tagged, hop, vlan)
    });
    Egresses { usual: flags(config.egress), own: own.collect() }
}
