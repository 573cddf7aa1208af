//! Ways of phones to the internet.

use super::{each, none_of, wrong};
use crate::config::effective::{ApnEgress, EgressMode};
use crate::config::file::File;
use crate::config::parse::ConfigError;
use crate::config::values;
use agw_dataplane::blocklog::Keep;
use agw_dataplane::{Filtering, Translation, Vlan};
use basalt_ebpf_abi::Prefix;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// Most octets of the log of port blocks.
const LOG_OCTETS: u64 = 4 << 30;

pub(super) fn mode(text: Option<&str>) -> Result<EgressMode, ConfigError> {
    match text {
        None | Some("nat") => Ok(EgressMode::Nat),
        Some("routed") => Ok(EgressMode::Routed),
        Some("xdp-nat") => Ok(EgressMode::XdpNat),
        Some(other) => Err(none_of(other, &["nat", "xdp-nat", "routed"])),
    }
}

/// Access points that leave otherwise than the others.
pub(super) fn apns(file: &File, text: &str, usual: EgressMode) -> Result<Vec<ApnEgress>, ConfigError> {
    let mut list = Vec::new();
    for (position, apn) in file.apn.iter().enumerate() {
        let named = |error: ConfigError| error.at_key(text, "mode");
        let mode = apn.mode.as_deref().map_or(Ok(usual), |text| mode(Some(text))).map_err(named)?;
        let vlan = match (apn.vlan, apn.vlan_address, apn.vlan_router) {
            (None, None, None) => None,
            (Some(id), Some(address), Some(router)) if (1..=4094).contains(&id) => Some(Vlan { id, address, router }),
            (Some(id), Some(_), Some(_)) => {
                return Err(wrong(format!("{id} is not a VLAN")).fix("use 1 to 4094").at_key(text, "vlan"));
            }
            _ => {
                return Err(wrong(format!("access point `{}` has half a VLAN", apn.name))
                    .fix("set vlan, vlan_address and vlan_router together")
                    .at_key(text, "vlan"));
            }
        };
        if vlan.is_some() && mode == EgressMode::Nat {
            return Err(wrong(format!("the kernel's NAT does not lead into the VLAN of access point `{}`", apn.name))
                .fix("set mode = \"routed\" or mode = \"xdp-nat\" there")
                .at_key(text, "vlan"));
        }
        if vlan.is_some() || mode != usual {
            list.push(ApnEgress { apn: position, mode, vlan });
        }
    }
    Ok(list)
}

pub(super) fn translation(file: &File, text: &str, state: &Path) -> Result<Translation, ConfigError> {
    let nat = &file.nat;
    let usual = Translation::default();
    let time = |key: &str, value: &Option<String>, default: Duration| {
        let read = value.as_deref().map_or(Ok(default), values::duration);
        read.map_err(|error| wrong(error).at_key(text, key))
    };
    let block = nat.block.unwrap_or(usual.block);
    if !block.is_power_of_two() || !(16..=512).contains(&block) {
        return Err(wrong(format!("a block cannot have {block} ports"))
            .fix("use 16, 32, 64, 128, 256 or 512")
            .at_key(text, "block"));
    }
    let blocks = nat.blocks.unwrap_or(usual.blocks);
    if !(1..=4).contains(&blocks) {
        return Err(wrong("a phone may have 1 to 4 blocks of ports").at_key(text, "blocks"));
    }
    let filtering = match nat.filtering.as_deref() {
        None | Some("endpoint-independent") => Filtering::EndpointIndependent,
        Some("address") => Filtering::Address,
        Some("address-and-port") => Filtering::AddressAndPort,
        Some(other) => {
            let valid = ["endpoint-independent", "address", "address-and-port"];
            return Err(none_of(other, &valid).at_key(text, "filtering"));
        }
    };
    let addresses = each(&nat.addresses, address).map_err(|error| wrong(error).at_key(text, "addresses"))?;
    let ports = nat.ports.as_deref().map(ports).transpose().map_err(|error| wrong(error).at_key(text, "ports"))?;
    let age = Duration::from_secs(86_400 * u64::from(nat.log_days.unwrap_or(180).max(1)));
    Ok(Translation {
        addresses,
        ports,
        block,
        blocks,
        filtering,
        udp: time("udp", &nat.udp, usual.udp)?,
        tcp_established: time("tcp", &nat.tcp, usual.tcp_established)?,
        tcp_transitory: time("tcp_transitory", &nat.tcp_transitory, usual.tcp_transitory)?,
        icmp: time("icmp", &nat.icmp, usual.icmp)?,
        rest: usual.rest,
        log: Some(Keep { directory: state.join("nat-log"), age, octets: LOG_OCTETS }),
    })
}

fn address(text: &str) -> Result<Prefix, String> {
    let whole = if text.contains('/') { text.to_owned() } else { format!("{text}/32") };
    values::prefix(&whole).map(|(network, length)| Prefix::new(network, length))
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let bad = || format!("`{text}` is not a range of ports such as \"1024-65535\"");
    let (first, last) = text.split_once('-').ok_or_else(bad)?;
    let read = |text: &str| text.trim().parse::<u16>().map_err(|_| bad());
    let (first, last) = (read(first)?, read(last)?);
    if first < 1024 || last < first { Err(bad()) } else { Ok(first..=last) }
}
