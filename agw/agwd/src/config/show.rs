//! The configuration in force as a file, for `--print-config` and `basalt config`.

use super::effective::{ApnEgress, DataplaneMode, Effective, SctpChoice};
use super::file::{self, File};
use super::values;
use agw_dataplane::Filtering;
use agw_types::{ApnConfig, QosConfig};
use std::net::IpAddr;
use std::time::Duration;

/// What an access point's sessions have beyond a default bearer.
fn qos_of(qos: &QosConfig, apn: &str) -> file::Apn {
    let Some(of) = qos.apns.get(apn) else { return file::Apn::default() };
    let limited = |rate: u64| (rate != u64::MAX).then_some(rate);
    file::Apn {
        rules: of.rules.clone(),
        gbr_uplink: of.guaranteed.and_then(|rate| limited(rate.uplink)),
        gbr_downlink: of.guaranteed.and_then(|rate| limited(rate.downlink)),
        requested_qcis: of.requested.as_ref().map(|requested| requested.qcis.clone()).unwrap_or_default(),
        requested_gbr: of.requested.as_ref().map(|requested| requested.gbr.uplink),
        ..file::Apn::default()
    }
}

impl Effective {
    /// The configuration in force, as a file that gives the same again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.to_file()).unwrap_or_else(|error| format!("# cannot be written: {error}\n"))
    }

    fn way(&self, apn: usize) -> Option<&ApnEgress> {
        self.apn_egress.iter().find(|own| own.apn == apn)
    }

    fn nat(&self) -> file::Nat {
        let translation = &self.translation;
        let show = |duration: Duration| Some(values::show_duration(duration));
        let days =
            |keep: &agw_dataplane::blocklog::Keep| u32::try_from(keep.age.as_secs() / 86_400).unwrap_or(u32::MAX);
        file::Nat {
            addresses: translation.addresses.iter().map(ToString::to_string).collect(),
            ports: translation.ports.as_ref().map(|ports| format!("{}-{}", ports.start(), ports.end())),
            block: Some(translation.block),
            blocks: Some(translation.blocks),
            filtering: Some(
                match translation.filtering {
                    Filtering::EndpointIndependent => "endpoint-independent",
                    Filtering::Address => "address",
                    Filtering::AddressAndPort => "address-and-port",
                }
                .to_owned(),
            ),
            udp: show(translation.udp),
            tcp: show(translation.tcp_established),
            tcp_transitory: show(translation.tcp_transitory),
            icmp: show(translation.icmp),
            log_days: translation.log.as_ref().map(days),
        }
    }

    fn to_file(&self) -> File {
        let gateway = &self.gateway;
        let limited = |rate: u64| (rate != u64::MAX).then_some(rate);
        let show = |duration: Duration| Some(values::show_duration(duration));
        let names = |kind: &str, numbers: &[u8]| numbers.iter().map(|n| format!("{kind}{n}")).collect::<Vec<_>>();
        let mut tacs: Vec<u16> = gateway.areas.iter().map(|area| area.tac.0).collect();
        tacs.sort_unstable();
        tacs.dedup();
        File {
            name: Some(gateway.name.clone()),
            state_dir: Some(self.state_dir.clone()),
            run_dir: Some(self.run_dir.clone()),
            network: file::Network {
                plmns: gateway.plmns.iter().map(ToString::to_string).collect(),
                tacs,
                mme_group: Some(gateway.group.0),
                mme_code: Some(gateway.code.0),
                relative_capacity: Some(gateway.relative_capacity),
                full_name: gateway.network_name.as_ref().map(|name| name.full.clone()),
                short_name: gateway.network_name.as_ref().and_then(|name| name.short.clone()),
                utc_offset_minutes: Some(i32::from(gateway.time_zone_quarters) * 15),
                home_only: Some(gateway.home_only),
            },
            radio: file::Radio {
                listen: self.listen.clone(),
                port: Some(self.port),
                sctp: Some(match self.sctp {
                    SctpChoice::Auto => "auto".to_owned(),
                    SctpChoice::Kernel => "kernel".to_owned(),
                    SctpChoice::RawIp => "raw-ip".to_owned(),
                    SctpChoice::Udp(port) => format!("udp:{port}"),
                }),
                interface: Some(self.radio_interface.clone()),
                user_plane: Some(self.user_plane),
            },
            internet: file::Internet {
                interface: self.internet_interface.clone(),
                mode: Some(self.egress.name().to_owned()),
                dns: gateway
                    .dns
                    .iter()
                    .copied()
                    .map(IpAddr::V4)
                    .chain(gateway.dns6.iter().copied().map(IpAddr::V6))
                    .collect(),
                mtu: Some(gateway.mtu),
                phone_to_phone: Some(self.phone_to_phone),
                blocked: self.blocked.iter().map(|(network, length)| format!("{network}/{length}")).collect(),
            },
            nat: self.nat(),
            apn: gateway
                .apns
                .iter()
                .enumerate()
                .map(|(position, apn)| file::Apn {
                    name: apn.apn.to_string(),
                    pools: pools(apn),
                    mode: self.way(position).map(|own| own.mode.name().to_owned()),
                    vlan: self.way(position).and_then(|own| own.vlan).map(|vlan| vlan.id),
                    vlan_address: self.way(position).and_then(|own| own.vlan).map(|vlan| vlan.address),
                    vlan_router: self.way(position).and_then(|own| own.vlan).map(|vlan| vlan.router),
                    delegate: apn.pools6.first().map(|pool| pool.each).filter(|each| *each < 64),
                    pdn_types: Some(apn.pdn_types.name().to_owned()),
                    dns: apn.dns.clone(),
                    p_cscf: apn.p_cscf.clone(),
                    ..qos_of(&gateway.qos, apn.apn.as_str())
                })
                .collect(),
            rule: gateway.qos.rules.iter().map(crate::rules::show).collect(),
            quota: self
                .quotas
                .iter()
                .map(|(group, quota)| file::Quota {
                    rating_group: *group,
                    octets: quota.octets,
                    warn: Some(quota.warn),
                    slow: quota.slow,
                })
                .collect(),
            qos: file::Qos {
                gbr_uplink: gateway.qos.guaranteed.and_then(|rate| limited(rate.uplink)),
                gbr_downlink: gateway.qos.guaranteed.and_then(|rate| limited(rate.downlink)),
                enb_gbr_uplink: gateway.qos.guaranteed_per_enb.and_then(|rate| limited(rate.uplink)),
                enb_gbr_downlink: gateway.qos.guaranteed_per_enb.and_then(|rate| limited(rate.downlink)),
                dscp: gateway.qos.marking.0.iter().map(|(qci, dscp)| (qci.to_string(), *dscp)).collect(),
            },
            access: file::Access {
                refused_plmns: gateway.access.refused_plmns.iter().map(ToString::to_string).collect(),
                allowed_plmns: gateway.access.allowed_plmns.iter().map(ToString::to_string).collect(),
                refused_imeis: gateway.access.refused_equipment.iter().map(values::show_equipment).collect(),
                allowed_imeis: gateway.access.allowed_equipment.iter().map(values::show_equipment).collect(),
            },
            federation: self.federation.clone(),
            upgrade: file::Upgrade { keys: self.release_keys.iter().map(|key| basalt_release::hex(key)).collect() },
            security: file::Security {
                ciphering: names("EEA", &gateway.security.ciphering),
                integrity: names("EIA", &gateway.security.integrity),
                key_file: Some(self.key_file.clone()),
            },
            timers: file::Timers {
                t3412: show(gateway.timers.t3412),
                t3402: show(gateway.timers.t3402),
                t3413: show(gateway.timers.t3413),
                t3422: show(gateway.timers.t3422),
                t3450: show(gateway.timers.t3450),
                t3460: show(gateway.timers.t3460),
                t3470: show(gateway.timers.t3470),
                t3485: show(gateway.timers.t3485),
                t3486: show(gateway.timers.t3486),
                t3489: show(gateway.timers.t3489),
                t3495: show(gateway.timers.t3495),
                mobile_reachable_margin: show(gateway.timers.mobile_reachable_margin),
                implicit_detach: show(gateway.timers.implicit_detach),
                quarantine: show(gateway.timers.quarantine),
                backoff: show(gateway.timers.backoff),
            },
            paging: file::Paging {
                attempts: Some(gateway.paging.attempts),
                backoff: show(gateway.paging.backoff),
                per_second: Some(gateway.paging.per_second),
            },
            dataplane: file::Dataplane {
                mode: Some(
                    match self.dataplane {
                        DataplaneMode::Auto => "auto",
                        DataplaneMode::XdpNative => "xdp-native",
                        DataplaneMode::XdpGeneric => "xdp-generic",
                        DataplaneMode::Software => "software",
                    }
                    .to_owned(),
                ),
                max_sessions: Some(self.max_sessions),
                pin_dir: Some(self.pin_dir.clone()),
                burst: show(Duration::from_millis(self.burst_ms)),
                buffer_packets: Some(self.buffer_packets),
            },
            usage: file::Usage {
                interval: show(self.usage_interval),
                retention_days: u32::try_from(self.usage_retention.as_secs() / 86_400).ok(),
            },
            metrics: file::Metrics { listen: Some(self.metrics) },
            otlp: self.otlp.clone(),
            limits: file::Limits {
                enbs: Some(self.limits.links),
                ues: Some(self.limits.ues),
                attaching: Some(self.limits.half_open),
            },
        }
    }
}

fn pools(apn: &ApnConfig) -> Vec<String> {
    let ipv4 = apn.pools.iter().map(|pool| format!("{}/{}", pool.network, pool.prefix));
    let ipv6 = apn.pools6.iter().map(|pool| format!("{}/{}", pool.network, pool.prefix));
    ipv4.chain(ipv6).collect()
}
