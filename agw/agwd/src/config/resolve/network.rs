//! The network: identities, access points, security, what phones are told.

use super::{each, qos, timers, wrong};
use crate::config::detect::Machine;
use crate::config::file::{self, File};
use crate::config::parse::ConfigError;
use crate::config::values;
use agw_types::{AccessLists, ApnConfig, GatewayConfig, IpPrefix, NetworkName, PdnTypes, SecurityOrder};
use basalt_ebpf_abi::{MAX_POOLS, MAX_POOLS6};
use basalt_ids::{MmeCode, MmeGroupId, Tac, Tai};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// GTP-U over IPv4: outer IPv4, UDP and GTP-U headers, and room for one extension header (octets).
const TUNNEL_OVERHEAD: u32 = 20 + 8 + 8 + 8;

pub(super) fn gateway(
    file: &File,
    text: &str,
    machine: &Machine,
    name: String,
    user_plane: Ipv4Addr,
    radio_mtu: u32,
    links: Option<u64>,
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
    let (mut dns, mut dns6) = (Vec::new(), Vec::new());
    for server in &file.internet.dns {
        match server {
            IpAddr::V4(server) => dns.push(*server),
            IpAddr::V6(server) => dns6.push(*server),
        }
    }
    let dns = if !dns.is_empty() {
        dns
    } else if !machine.dns.is_empty() {
        machine.dns.clone()
    } else {
        vec![Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8)]
    };
    let apns = apns(file, text)?;
    if dns6.is_empty() && apns.iter().any(|apn| !apn.pools6.is_empty()) {
        dns6 = vec![
            Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111),
            Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888),
        ];
    }
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
        regional: file.federation.area.iter().any(|area| !area.zone_codes.is_empty()),
        user_plane: IpAddr::V4(user_plane),
        apns,
        dns,
        dns6,
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
        qos: qos::qos(file, text, links)?,
        retired: Vec::new(),
        access: access(file, text)?,
    })
}

fn apns(file: &File, text: &str) -> Result<Vec<ApnConfig>, ConfigError> {
    let pools = vec!["10.45.0.0/16".to_owned()];
    let default = [file::Apn { name: "internet".to_owned(), pools, ..Default::default() }];
    let written: &[file::Apn] = if file.apn.is_empty() { &default } else { &file.apn };
    let mut apns: Vec<ApnConfig> = Vec::new();
    for apn in written {
        let apn = self::apn(apn, text)?;
        if apns.iter().any(|other| other.apn == apn.apn) {
            return Err(wrong(format!("access point `{}` is there twice", apn.apn)));
        }
        apns.push(apn);
    }
    apart(&apns, text)?;
    Ok(apns)
}

fn apn(apn: &file::Apn, text: &str) -> Result<ApnConfig, ConfigError> {
    let name = apn
        .name
        .parse()
        .map_err(|error| wrong(format!("`{}` is not an access point name: {error}", apn.name)).at_key(text, "name"))?;
    let each = apn.delegate.unwrap_or(64);
    if apn.delegate.is_some_and(|length| !(48..=63).contains(&length)) {
        return Err(wrong(format!("a prefix of {each} bits cannot be delegated to a phone"))
            .fix("use 48 to 63, 56 is usual; leave it away to delegate none")
            .at_key(text, "delegate"));
    }
    let read = self::each(&apn.pools, |pool| values::any_pool(pool, each));
    let read = read.map_err(|error| wrong(error).at_key(text, "pools"))?;
    let (mut pools, mut pools6) = (Vec::new(), Vec::new());
    for pool in read {
        match pool {
            values::Pool::Ipv4(pool) => pools.push(pool),
            values::Pool::Ipv6(pool) => pools6.push(pool),
        }
    }
    let there = match (pools.is_empty(), pools6.is_empty()) {
        (false, false) => PdnTypes::Ipv4v6,
        (false, true) => PdnTypes::Ipv4,
        (true, false) => PdnTypes::Ipv6,
        (true, true) => {
            return Err(
                wrong(format!("access point `{}` has no addresses", apn.name)).fix("add: pools = [\"10.45.0.0/16\"]")
            );
        }
    };
    if apn.delegate.is_some() && pools6.is_empty() {
        return Err(wrong(format!("access point `{}` has no IPv6 pool to delegate prefixes from", apn.name))
            .fix("add one to its pools, such as \"2001:db8::/40\"")
            .at_key(text, "delegate"));
    }
    let pdn_types = match &apn.pdn_types {
        None => there,
        Some(types) => types.parse().map_err(|hint| wrong(hint).at_key(text, "pdn_types"))?,
    };
    let ([ipv4, ipv6, _], [have4, have6, _]) = (pdn_types.allowed(), there.allowed());
    if ipv4 && !have4 || ipv6 && !have6 {
        let missing = if have4 { "IPv6" } else { "IPv4" };
        return Err(wrong(format!("access point `{}` allows {missing} and has no {missing} pool", apn.name))
            .fix("add a pool, or allow what there is only")
            .at_key(text, "pdn_types"));
    }
    let (dns, p_cscf) = (apn.dns.clone(), apn.p_cscf.clone());
    Ok(ApnConfig { apn: name, pools, pools6, pdn_types, dns, p_cscf })
}

fn access(file: &File, text: &str) -> Result<AccessLists, ConfigError> {
    let plmns = |texts: &[String], key: &str| {
        each(texts, values::plmn).map_err(|error| wrong(error).at_key(text, key)).map(BTreeSet::from_iter)
    };
    let equipment = |texts: &[String], key: &str| {
        each(texts, values::equipment).map_err(|error| wrong(error).at_key(text, key)).map(BTreeSet::from_iter)
    };
    Ok(AccessLists {
        refused_plmns: plmns(&file.access.refused_plmns, "refused_plmns")?,
        allowed_plmns: plmns(&file.access.allowed_plmns, "allowed_plmns")?,
        refused_equipment: equipment(&file.access.refused_imeis, "refused_imeis")?,
        allowed_equipment: equipment(&file.access.allowed_imeis, "allowed_imeis")?,
    })
}

/// Every address belongs to one pool only, and there are as many pools as the tables have room for.
fn apart(apns: &[ApnConfig], text: &str) -> Result<(), ConfigError> {
    let ipv4 = apns.iter().flat_map(|apn| &apn.pools).map(|pool| (IpAddr::V4(pool.network), pool.prefix));
    let ipv6 = apns.iter().flat_map(|apn| &apn.pools6).map(|pool| (IpAddr::V6(pool.network), pool.prefix));
    let (count4, count6) = (ipv4.clone().count(), ipv6.clone().count());
    let all: Vec<IpPrefix> = ipv4.chain(ipv6).filter_map(|(first, length)| IpPrefix::new(first, length)).collect();
    for (index, pool) in all.iter().enumerate() {
        if let Some(other) = all.iter().take(index).find(|other| other.overlaps(*pool)) {
            return Err(wrong(format!("pool {pool} overlaps another one, {other}"))
                .fix("every address belongs to one pool only")
                .at_key(text, "pools"));
        }
    }
    for (count, most, version) in [(count4, MAX_POOLS, "IPv4"), (count6, MAX_POOLS6, "IPv6")] {
        if count > most {
            return Err(wrong(format!("{count} {version} pools are more than the {most} that there can be"))
                .fix("use fewer and larger ones")
                .at_key(text, "pools"));
        }
    }
    Ok(())
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
