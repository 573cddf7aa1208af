//! The radio side: where base stations connect to.

use super::{known_interface, wrong};
use crate::config::detect::Machine;
use crate::config::file::File;
use crate::config::parse::ConfigError;
use std::net::{IpAddr, Ipv4Addr};

/// The addresses S1AP is served on, and the interface they are on.
pub(super) fn radio_side(file: &File, text: &str, machine: &Machine) -> Result<(Vec<IpAddr>, String), ConfigError> {
    if let Some(first) = file.radio.listen.first() {
        for address in &file.radio.listen {
            if machine.interface_of(*address).is_none() {
                return Err(wrong(format!("no interface has the address {address}"))
                    .fix(format!("give it to one (ip address add {address}/24 dev INTERFACE), or correct it"))
                    .at_key(text, "listen"));
            }
        }
        let interface = match &file.radio.interface {
            Some(name) => name.clone(),
            None => machine.interface_of(*first).map(|interface| interface.name.clone()).unwrap_or_default(),
        };
        let interface = known_interface(machine, &interface).map_err(|error| error.at_key(text, "interface"))?;
        return Ok((file.radio.listen.clone(), interface));
    }
    let name = file.radio.interface.clone().or_else(|| machine.default_route.clone()).ok_or_else(|| {
        wrong("it is not said where base stations are, and there is no default route to guess from")
            .fix("set radio.listen to the address that base stations connect to")
    })?;
    let name = known_interface(machine, &name).map_err(|error| error.at_key(text, "interface"))?;
    let addresses = machine.interface(&name).map(|interface| interface.addresses.clone()).unwrap_or_default();
    let usable: Vec<IpAddr> = addresses
        .into_iter()
        .filter(|address| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    if usable.is_empty() {
        return Err(wrong(format!("interface `{name}` has no address to serve S1AP on"))
            .fix(format!("give it one (ip address add ADDRESS/24 dev {name}), or set radio.listen")));
    }
    Ok((usable, name))
}

pub(super) fn user_plane(file: &File, listen: &[IpAddr], machine: &Machine) -> Result<Ipv4Addr, ConfigError> {
    if let Some(address) = file.radio.user_plane {
        if machine.interface_of(IpAddr::V4(address)).is_none() {
            return Err(wrong(format!("no interface has the address {address}"))
                .fix("set radio.user_plane to an address of the radio interface"));
        }
        return Ok(address);
    }
    let first = listen.iter().find_map(|address| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    first.ok_or_else(|| {
        wrong("GTP-U needs an IPv4 address on the radio side and there is none")
            .fix("set radio.user_plane to an IPv4 address of the radio interface")
    })
}
