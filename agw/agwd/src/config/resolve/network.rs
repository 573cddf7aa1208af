//! The network: identities, access points, security, what phones are told.

use super::{each, timers, wrong};
use crate::config::detect::Machine;
use crate::config::file::{self, File};
use crate::config::parse::ConfigError;
use crate::config::values;
use agw_types::{ApnConfig, GatewayConfig, NetworkName, SecurityOrder};
use basalt_ids::{MmeCode, MmeGroupId, Tac, Tai};
use std::net::{IpAddr, Ipv4Addr};

/// GTP-U over IPv4: outer IPv4, UDP and GTP-U headers, and room for one extension header (octets).
const TUNNEL_OVERHEAD: u32 = 20 + 8 + 8 + 8;

pub(super) fn gateway(
    file: &File,
    text: &str,
    machine: &Machine,
    name: String,
    user_plane: Ipv4Addr,
    radio_mtu: u32,
) -> Result<GatewayConfig, ConfigError> {
    let network = &file.network;
    if network.plmns.is_empty() {
        return Err(wrong("it is not said which network this is").fix(
            "add:\n    [network]\n    plmns = [\"001-01\"]   # your PLMN: country code and network code\n    tacs = [1]",
        ));
    }
    let plmns = each(&network.plmns, values::plmn).map_err(|error| wrong(error).at_key(text, "plmns"))?;
    let tacs = if network.tacs.is_empty() { vec![1] } else { network.tacs.clone() };
    if let Some(tac) = tacs.iter().find(|tac| matches!(tac, 0 | 0xfffe)) {
        return Err(wrong(format!("tracking area code {tac} is reserved"))
            .fix("use 1 to 65533 or 65535 (TS 23.003 §19.4.2.3)")
            .at_key(text, "tacs"));
    }
    let areas = plmns.iter().flat_map(|plmn| tacs.iter().map(|tac| Tai { plmn: *plmn, tac: Tac(*tac) })).collect();
    let mtu = file
        .internet
        .mtu
        .unwrap_or_else(|| u16::try_from(radio_mtu.saturating_sub(TUNNEL_OVERHEAD).min(1500)).unwrap_or(1400));
    if !(1280..=9000).contains(&mtu) {
        return Err(wrong(format!("an MTU of {mtu} octets for phones is out of range"))
            .fix("use 1280 to 9000, or raise the MTU of the radio interface to 1600")
            .at_key(text, "mtu"));
    }
    let dns = if !file.internet.dns.is_empty() {
        file.internet.dns.clone()
    } else if !machine.dns.is_empty() {
        machine.dns.clone()
    } else {
        vec![Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8)]
    };
    let minutes = network.utc_offset_minutes.unwrap_or(0);
    let time_zone_quarters = i8::try_from(minutes / 15).ok().filter(|q| minutes % 15 == 0 && (-48..=56).contains(q));
    Ok(GatewayConfig {
        name,
        plmns,
        group: MmeGroupId(network.mme_group.unwrap_or(1)),
        code: MmeCode(network.mme_code.unwrap_or(1)),
        relative_capacity: network.relative_capacity.unwrap_or(255),
        areas,
        whole_network_area_list: true,
        user_plane: IpAddr::V4(user_plane),
        apns: apns(file, text)?,
        dns,
        mtu,
        security: security(file, text)?,
        timers: timers::timers(&file.timers, text)?,
        paging: timers::paging(&file.paging, text)?,
        network_name: network.full_name.clone().map(|full| NetworkName { full, short: network.short_name.clone() }),
        time_zone_quarters: time_zone_quarters.ok_or_else(|| {
            wrong(format!("{minutes} minutes is no offset from UTC"))
                .fix("use a multiple of 15 from -720 to 840")
                .at_key(text, "utc_offset_minutes")
        })?,
        request_imeisv: true,
        home_only: network.home_only.unwrap_or(false),
    })
}

fn apns(file: &File, text: &str) -> Result<Vec<ApnConfig>, ConfigError> {
    let default = [file::Apn { name: "internet".to_owned(), pools: vec!["10.45.0.0/16".to_owned()] }];
    let written: &[file::Apn] = if file.apn.is_empty() { &default } else { &file.apn };
    let mut apns: Vec<ApnConfig> = Vec::new();
    for apn in written {
        let name = apn.name.parse().map_err(|error| {
            wrong(format!("`{}` is not an access point name: {error}", apn.name)).at_key(text, "name")
        })?;
        let pools = each(&apn.pools, values::pool).map_err(|error| wrong(error).at_key(text, "pools"))?;
        if pools.is_empty() {
            return Err(
                wrong(format!("access point `{}` has no addresses", apn.name)).fix("add: pools = [\"10.45.0.0/16\"]")
            );
        }
        if apns.iter().any(|other| other.apn == name) {
            return Err(wrong(format!("access point `{}` is there twice", apn.name)));
        }
        apns.push(ApnConfig { apn: name, pools });
    }
    let mut all: Vec<(u32, u32)> = Vec::new();
    for pool in apns.iter().flat_map(|apn| &apn.pools) {
        let first = pool.network.to_bits();
        let last = first | (u32::MAX >> pool.prefix);
        if all.iter().any(|(from, to)| first <= *to && last >= *from) {
            return Err(wrong(format!("pool {}/{} overlaps another one", pool.network, pool.prefix))
                .fix("every address belongs to one pool only")
                .at_key(text, "pools"));
        }
        all.push((first, last));
    }
    Ok(apns)
}

fn security(file: &File, text: &str) -> Result<SecurityOrder, ConfigError> {
    let read = |texts: &[String], kind: &str, key: &str, default: &[u8]| {
        if texts.is_empty() {
            return Ok(default.to_vec());
        }
        each(texts, |name| values::algorithm(kind, name)).map_err(|error| wrong(error).at_key(text, key))
    };
    Ok(SecurityOrder {
        ciphering: read(&file.security.ciphering, "EEA", "ciphering", &[2, 1, 3, 0])?,
        integrity: read(&file.security.integrity, "EIA", "integrity", &[2, 1, 3])?,
    })
}
