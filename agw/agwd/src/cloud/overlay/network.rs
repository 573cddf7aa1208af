//! The network: its identity, areas, names, timers, and whom it lets in.

use super::Layers;
use super::body::{Dns, Enodeb, Epc, Imei, Network, TrackingArea};
use crate::config::file::{self, ZonedArea};
use basalt_desired::ItemKey;
use std::collections::BTreeSet;

/// The largest tracking area code of LTE (TS 23.003 §19.4.2.3).
const LTE_TACS: core::ops::RangeInclusive<u32> = 1..=65_533;

pub fn lay(layers: &mut Layers<'_>) {
    let network = layers.read::<Network>("networks").into_iter().next();
    if let Some((key, network)) = &network {
        identity(layers, key, &network.epc);
        timers(layers, key, &network.epc);
        access(layers, key, &network.epc);
        cannot(layers, key, network);
    }
    areas(layers, network.as_ref());
}

fn identity(layers: &mut Layers<'_>, key: &ItemKey, epc: &Epc) {
    if !epc.mcc.is_empty() {
        let plmn = format!("{}-{}", epc.mcc, epc.mnc);
        layers.attempt(key, |file| file.network.plmns = vec![plmn]);
    }
    if epc.full_name.is_some() || epc.short_name.is_some() {
        layers.attempt(key, |file| {
            let full = epc.full_name.clone().or_else(|| file.network.full_name.clone());
            file.network.full_name = full.or_else(|| epc.short_name.clone());
            file.network.short_name.clone_from(&epc.short_name);
        });
    }
}

fn timers(layers: &mut Layers<'_>, key: &ItemKey, epc: &Epc) {
    for (name, seconds) in &epc.timers {
        let known = layers.attempt(key, |file| {
            if let Some(timer) = timer(&mut file.timers, name) {
                *timer = Some(format!("{seconds}s"));
            }
        });
        if known && timer(&mut file::Timers::default(), name).is_none() {
            layers.refuse(key, format!("this gateway has no timer `{name}`"));
        }
    }
}

fn timer<'a>(timers: &'a mut file::Timers, name: &str) -> Option<&'a mut Option<String>> {
    Some(match name {
        "t3412" => &mut timers.t3412,
        "t3402" => &mut timers.t3402,
        "t3413" => &mut timers.t3413,
        "t3422" => &mut timers.t3422,
        "t3450" => &mut timers.t3450,
        "t3460" => &mut timers.t3460,
        "t3470" => &mut timers.t3470,
        "implicit_detach" => &mut timers.implicit_detach,
        "quarantine" => &mut timers.quarantine,
        _ => return None,
    })
}

/// Lists of the file and of the orchestrator hold together: what either refuses is refused, what both name is allowed.
fn access(layers: &mut Layers<'_>, key: &ItemKey, epc: &Epc) {
    let imeis = |list: &[Imei]| -> Vec<String> {
        let show = |imei: &Imei| match &imei.snr {
            Some(snr) => format!("{}-{snr}", imei.tac),
            None => imei.tac.clone(),
        };
        list.iter().map(show).collect()
    };
    let allow = |own: &mut Vec<String>, said: Vec<String>| {
        if own.is_empty() {
            *own = said;
        } else if !said.is_empty() {
            own.retain(|entry| said.contains(entry));
        }
    };
    layers.attempt(key, |file| {
        file.access.refused_plmns.extend(epc.restricted_plmns.iter().cloned());
        file.access.refused_imeis.extend(imeis(&epc.restricted_imeis));
        allow(&mut file.access.allowed_plmns, epc.allowed_plmns.clone());
        allow(&mut file.access.allowed_imeis, imeis(&epc.allowed_imeis));
    });
}

/// The areas served are those of the network, of tracking areas of this gateway, and of its base stations.
fn areas(layers: &mut Layers<'_>, network: Option<&(ItemKey, Network)>) {
    let mut tacs = BTreeSet::new();
    let (mut offset, mut zoned) = (None, Vec::new());
    if let Some((_, network)) = network
        && network.epc.tac != 0
    {
        tacs.insert(network.epc.tac);
    }
    for (key, area) in layers.read::<TrackingArea>("tracking-areas") {
        match u16::try_from(area.tac) {
            Ok(tac) if LTE_TACS.contains(&area.tac) => {
                tacs.insert(tac);
                if !area.zone_codes.is_empty() {
                    zoned.push(ZonedArea { tac, zone_codes: area.zone_codes });
                }
            }
            _ => {
                layers.refuse(&key, format!("{} is a tracking area of 5G, which this gateway does not serve", area.tac))
            }
        }
        let Some(seconds) = area.utc_offset_seconds else { continue };
        match offset {
            Some(other) if other != seconds => {
                layers.refuse(&key, "this gateway tells one time zone to all phones, and another area has another");
            }
            _ => offset = Some(seconds),
        }
    }
    for (key, enb) in layers.read::<Enodeb>("enodebs") {
        tacs.extend(enb.tac);
        if enb.config_type == "MANAGED" {
            layers.refuse(
                &key,
                "this gateway settles no base stations (TR-069): make it UNMANAGED and settle it by itself",
            );
        }
    }
    for (key, _) in layers.read::<serde_json::Value>("gnodebs") {
        layers.refuse(&key, "this gateway does not serve 5G");
    }
    if let Some((key, _)) = network {
        if !tacs.is_empty() {
            layers.attempt(key, |file| file.network.tacs = tacs.into_iter().collect());
        }
        if let Some(seconds) = offset {
            layers.attempt(key, |file| file.network.utc_offset_minutes = Some(seconds / 60));
        }
        for area in zoned {
            layers.attempt(key, |file| {
                file.federation.area.retain(|known| known.tac != area.tac);
                file.federation.area.push(area);
            });
        }
    }
}

fn cannot(layers: &mut Layers<'_>, key: &ItemKey, network: &Network) {
    let epc = &network.epc;
    let inspects = epc.network_services.iter().any(|service| service == "dpi");
    layers.cannot(
        key,
        &[
            (epc.hss_relay_enabled, "hss_relay_enabled: this gateway authenticates its subscribers itself"),
            (epc.gx_gy_relay_enabled, "gx_gy_relay_enabled: this gateway decides policy itself"),
            (epc.cloud_subscriberdb_enabled, "cloud_subscriberdb_enabled: this gateway holds its subscribers"),
            (epc.enable_5g_features, "enable_5g_features: this gateway does not serve 5G"),
            (epc.congestion_control_enabled == Some(false), "congestion_control_enabled: it cannot be turned off"),
            (inspects, "network_services: this gateway does not inspect packets (dpi)"),
            (!network.suci_profiles.is_empty(), "suci_profiles: this gateway does not serve 5G"),
            (
                epc.mobility.ip_allocation_mode.starts_with("DHCP"),
                "mobility.ip_allocation_mode: this gateway gives addresses itself; use NAT or STATIC",
            ),
            (
                !epc.mobility.reserved_addresses.is_empty(),
                "mobility.reserved_addresses: leave them out of the blocks instead",
            ),
        ],
    );
    dns(layers, key, &network.dns);
}

pub fn dns(layers: &mut Layers<'_>, key: &ItemKey, dns: &Dns) {
    layers.cannot(
        key,
        &[
            (dns.enable_caching, "dns.enable_caching: this gateway has no name server of its own"),
            (!dns.records.is_empty(), "dns.records: this gateway has no name server of its own"),
            (dns.dhcp_server_enabled, "dns.dhcp_server_enabled: this gateway gives no addresses to base stations"),
        ],
    );
}
