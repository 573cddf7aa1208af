//! What only the running gateway can tell: who is connected, what was dropped, how far a phone's packets get. What the machine
//! tells is judged in `basalt-doctor`; both are one diagnosis.
//!
//! Facts are plain values copied out of the gateway, and findings are pure functions of them.

mod drops;
mod gateway;
mod phone;

use crate::config::{DataplaneMode, Effective, EgressMode, SctpChoice};
use agw_types::{SubscriberState, UeView};
use basalt_doctor::{DataPlane, Finding, SctpBackend, Wanted};
use basalt_ids::{Ebi, Imsi};

/// The gateway, as far as a diagnosis looks at it.
#[derive(Debug, Clone, Default)]
pub struct GatewayFacts {
    /// The packet path in use: `xdp-native`, `xdp-generic` or `software`.
    pub data_plane: &'static str,
    /// Why it is not the best one, in words; `None` if it is, or if it is the one configured.
    pub data_plane_why: Option<String>,
    /// Phones go out behind the gateway's address.
    pub nat: bool,
    /// Subscribers in the list.
    pub subscribers: u64,
    /// Base stations connected.
    pub enbs: u32,
    /// Why base stations were refused lately, in words with the fix, oldest first.
    pub refused_enbs: Vec<String>,
    /// Sessions.
    pub sessions: u32,
    /// Packets from phones.
    pub uplink_packets: u64,
    /// Packets to phones.
    pub downlink_packets: u64,
    /// Dropped packets by reason (`agw_dataplane`'s names).
    pub drops: Vec<(&'static str, u64)>,
    /// Changes that the data plane refused since the start.
    pub data_plane_errors: u64,
    /// Addresses that can be given out, and all, by access point.
    pub pools: Vec<(String, u32, u32)>,
    /// Steps waiting for the disk.
    pub unreleased: u64,
    /// The interfaces that packets go by: the name, whether they pass, and what became of it.
    pub interfaces: Vec<(String, bool, String)>,
    /// One of them has another name than in the configuration.
    pub renamed: bool,
}

/// One phone, as far as a diagnosis looks at it.
#[derive(Debug, Clone)]
pub struct UeFacts<'a> {
    /// Who.
    pub imsi: Imsi,
    /// Its state in the subscriber list; `None` if it is not in it.
    pub subscriber: Option<SubscriberState>,
    /// What the core knows of it.
    pub view: Option<&'a UeView>,
    /// Its packets, by session.
    pub traffic: Vec<SessionTraffic>,
}

/// Packets of one session since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTraffic {
    /// Default bearer.
    pub ebi: Ebi,
    /// From the phone.
    pub uplink_packets: u64,
    /// To the phone.
    pub downlink_packets: u64,
}

/// Judges the gateway, and a phone's way through it. Names of checks do not collide with those of `basalt-doctor`.
#[must_use]
pub fn findings(facts: &GatewayFacts, ue: Option<&UeFacts<'_>>) -> Vec<Finding> {
    let mut findings = gateway::findings(facts);
    if let Some(ue) = ue {
        findings.extend(phone::findings(facts, ue));
    }
    findings
}

/// What the machine must provide for this configuration, seen by the gateway itself.
#[must_use]
pub fn wanted(effective: &Effective) -> Wanted {
    Wanted {
        listen: effective.listen.clone(),
        s1ap_port: effective.port,
        sctp: match effective.sctp {
            SctpChoice::Auto => SctpBackend::Auto,
            SctpChoice::Kernel => SctpBackend::Kernel,
            SctpChoice::RawIp => SctpBackend::RawIp,
            SctpChoice::Udp(port) => SctpBackend::Udp(port),
        },
        radio_interface: Some(effective.radio_interface.clone()),
        internet_interface: effective.internet_interface.clone(),
        nat: effective.egress == EgressMode::Nat,
        dns: effective.gateway.dns.clone(),
        pools: effective
            .gateway
            .apns
            .iter()
            .flat_map(|apn| &apn.pools)
            .map(|pool| (pool.network, pool.prefix))
            .collect(),
        data_plane: match effective.dataplane {
            DataplaneMode::Auto => DataPlane::Auto,
            DataplaneMode::XdpNative => DataPlane::XdpNative,
            DataplaneMode::XdpGeneric => DataPlane::XdpGeneric,
            DataplaneMode::Software => DataPlane::Software,
        },
        state_dir: effective.state_dir.clone(),
        pin_dir: effective.pin_dir.clone(),
        key_file: effective.key_file.clone(),
        metrics: effective.metrics,
        gateway_running: true,
        as_gateway: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Machine, parse, resolve};
    use basalt_doctor::Facts;
    use std::collections::BTreeSet;

    fn effective(text: &str) -> Effective {
        // Every machine has a loopback interface, which is all that the text asks for.
        resolve(&parse(text).unwrap(), text, &Machine::detect()).unwrap()
    }

    #[test]
    fn the_doctor_reads_what_the_gateway_prints() {
        let effective = effective(
            "[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"127.0.0.1\"]\nsctp = \"udp:9000\"\n[internet]\nmode = \"routed\"\n\
             dns = [\"9.9.9.9\"]\n[dataplane]\nmode = \"software\"\n",
        );
        let printed = Wanted::from_toml(&effective.to_toml()).unwrap();
        let own = Wanted { gateway_running: false, as_gateway: false, ..wanted(&effective) };
        assert_eq!(printed, own);
    }

    #[test]
    fn no_two_checks_have_one_name() {
        let imsi = "001010000000001".parse().unwrap();
        let ue = UeFacts { imsi, subscriber: None, view: None, traffic: Vec::new() };
        let mut all = findings(&GatewayFacts::default(), Some(&ue));
        let count = all.len();
        all.extend(basalt_doctor::judge(&Wanted::default(), &Facts::default()));
        let names: BTreeSet<_> = all.iter().map(|finding| finding.check).collect();
        assert_eq!(names.len(), all.len());
        assert!(count >= 8, "only {count}");
    }
}
