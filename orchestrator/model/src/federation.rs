//! The way to a partner's core: Diameter peers, what is asked of them, whom they serve.

use crate::{Checker, Document, Kind, Reference};
use basalt_ids::Plmn;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How Diameter is carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DiameterTransport {
    /// SCTP.
    #[default]
    Sctp,
    /// TCP.
    Tcp,
}

/// A Diameter peer (RFC 6733).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiameterPeer {
    /// How it is reached.
    pub transport: DiameterTransport,
    /// `host:port` of the peer.
    pub address: String,
    /// Our end, `host:port`; any, when empty.
    pub local_address: String,
    /// Our Origin-Host.
    pub host: String,
    /// Our Origin-Realm.
    pub realm: String,
    /// Destination-Host; chosen by the peer, when empty.
    pub dest_host: String,
    /// Destination-Realm.
    pub dest_realm: String,
    /// Product-Name.
    #[schema(max_length = 100, pattern = "^[^\\x00-\\x1F\\x7F-\\x9F]*$")]
    pub product_name: String,
    /// Seconds between two watchdogs, 6 to 600 (RFC 3539 §3.4.1); 30 when 0.
    #[schema(minimum = 6, maximum = 600)]
    pub watchdog_interval: u16,
    /// Milliseconds after which an answer is late, 100 to 60,000; 4000 when 0.
    #[schema(minimum = 100, maximum = 60_000)]
    pub request_timeout: u32,
    /// Further tries, at most 10.
    #[schema(maximum = 10)]
    pub retry_count: u8,
}

/// Policy and charging of the partner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GxGy {
    /// Its servers, in order of preference.
    pub servers: Vec<DiameterPeer>,
    /// It is not asked.
    pub disabled: bool,
    /// APN that is told instead of the one in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overwrite_apn: Option<String>,
    /// Sessions are begun by the first packet (Gy) instead of the attach.
    pub init_on_first_packet: bool,
}

/// Subscribers of a partner in a network that several share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeutralHostRoute {
    /// The partner's network, `001-01`.
    pub plmn: String,
    /// The federation that serves it.
    pub federation: String,
}

/// How a peer of a federation gateway is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerTransport {
    /// TCP.
    #[default]
    Tcp,
    /// TLS from the first octet on (RFC 6733 §13.2).
    Tls,
    /// SCTP.
    Sctp,
}

/// A Diameter peer of the federation gateways: an HSS, EIR or agent of the partner's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PartnerPeer {
    /// Its DiameterIdentity.
    pub host: String,
    /// `host:port`; empty for one that connects to us.
    pub address: String,
    /// How it is reached.
    pub transport: PeerTransport,
    /// TLS begins within the TCP connection.
    pub inband_tls: bool,
    /// Realms that it serves; `*` for all that nobody else serves.
    pub realms: Vec<String>,
    /// Peers of the lowest rank share the load, others stand in for them.
    pub rank: u8,
    /// Requests that may wait for its answers; the federation gateway's own choice, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outstanding: Option<u32>,
    /// Requests of its own each second; the federation gateway's own choice, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Seconds of silence after which it is asked whether it is there, 6 to 600 (RFC 3539 §3.4.1); 30, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<u16>,
}

/// A home network whose subscribers are let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HomeNetwork {
    /// Its network, `001-01`.
    pub plmn: String,
    /// Its realm; that of TS 23.003 §19.2, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// The realm that checks equipment (S13); its own, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equipment_realm: Option<String>,
    /// Beginnings of the IMSIs that are its own, 6 to 15 digits; all of its network, when empty.
    #[serde(default)]
    pub imsis: Vec<String>,
}

/// A federation gateway that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Carrier {
    /// The gateway, which has `feg`.
    pub gateway: String,
    /// `host:port` at which access gateways reach it straight; through this orchestrator, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What stands for a home network's answer, and what equipment is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VisitorPolicy {
    /// Vectors asked for at once, 1 to 5: those that are left carry a phone through an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vectors: Option<u32>,
    /// Seconds that a vector may wait to be used, at most a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector_age: Option<u32>,
    /// Seconds that a profile may stand for an answer, at most 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_age: Option<u32>,
    /// The equipment register is asked at each attach.
    pub check_equipment: bool,
    /// Refuse what it watches.
    pub refuse_tracked: bool,
    /// Refuse what it does not know.
    pub refuse_unknown: bool,
    /// Refuse everybody while it does not answer.
    pub refuse_unchecked: bool,
}

/// What one access gateway may ask of a federation gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VisitorLimits {
    /// Requests of one access gateway each second; the federation gateway's own choice, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Its requests that may wait for home networks; the federation gateway's own choice, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
}

/// Federation with a partner's core.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Federation {
    /// The HSS (TS 29.272).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s6a: Option<DiameterPeer>,
    /// The PCRF (TS 29.212).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gx: Option<GxGy>,
    /// The OCS (TS 32.299).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gy: Option<GxGy>,
    /// The AAA server (TS 29.273).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swx: Option<DiameterPeer>,
    /// `host:port` of the PGW for home-routed sessions (TS 29.274).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s8: Option<String>,
    /// `host:port` of the MSC for calls and messages (TS 29.118).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sgs: Option<String>,
    /// Federation gateways that carry it. Several share the phones among them, and stand in for each other.
    pub gateways: Vec<Carrier>,
    /// The partner's Diameter peers.
    pub peers: Vec<PartnerPeer>,
    /// Home networks whose subscribers it lets in.
    pub networks: Vec<HomeNetwork>,
    /// It also serves all subscribers that the network's own list does not have.
    pub others: bool,
    /// Outages and equipment.
    pub policy: VisitorPolicy,
    /// Limits of each access gateway.
    pub limits: VisitorLimits,
    /// Networks that it serves, by name.
    pub served_networks: Vec<String>,
    /// Routes of a network that several share.
    pub nh_routes: Vec<NeutralHostRoute>,
    /// Notes for people, by title.
    pub notes: BTreeMap<String, String>,
}

impl Document for Federation {
    fn check(&self, _: &str, c: &mut Checker) {
        for (field, peer) in [("s6a", &self.s6a), ("swx", &self.swx)] {
            if let Some(peer) = peer {
                c.at(field, |c| peer.check(c));
            }
        }
        for (field, charging) in [("gx", &self.gx), ("gy", &self.gy)] {
            let Some(charging) = charging else { continue };
            c.at(field, |c| {
                c.each("servers", &charging.servers, |c, peer| peer.check(c));
                if charging.servers.is_empty() && !charging.disabled {
                    c.wrong_at("servers", "is empty", "at least one server, or `disabled`");
                }
                if let Some(apn) = &charging.overwrite_apn {
                    let _: Option<basalt_ids::Apn> = c.parses("overwrite_apn", apn, "an access point name");
                }
            });
        }
        for (field, address) in [("s8", &self.s8), ("sgs", &self.sgs)] {
            if let Some(address) = address {
                endpoint(c, field, address);
            }
        }
        c.each("gateways", &self.gateways, |c, carrier| {
            c.name_at("gateway", &carrier.gateway);
            if let Some(address) = &carrier.address {
                endpoint(c, "address", address);
            }
        });
        c.each("peers", &self.peers, |c, peer| peer.check(c));
        c.each("networks", &self.networks, |c, network| network.check(c));
        c.at("policy", |c| self.policy.check(c));
        c.at("limits", |c| {
            for (field, limit) in [("rate", self.limits.rate), ("waiting", self.limits.waiting)] {
                if let Some(limit) = limit {
                    c.range(field, limit, 1..=1_000_000);
                }
            }
        });
        c.distinct("served_networks", &self.served_networks);
        c.each("nh_routes", &self.nh_routes, |c, route| {
            let _: Option<Plmn> = c.parses("plmn", &route.plmn, "a PLMN such as 001-01");
            c.name_at("federation", &route.federation);
        });
        c.at("notes", |c| {
            for (name, text) in &self.notes {
                c.at(name, |c| c.name(name));
                c.text(name, text, 1000);
            }
        });
    }

    fn references(&self) -> Vec<Reference> {
        let carrier = |(place, carrier): (usize, &Carrier)| {
            Reference::one(&format!("gateways/{place}/gateway"), Kind::Gateway, &carrier.gateway)
        };
        self.gateways.iter().enumerate().map(carrier).collect()
    }
}

impl PartnerPeer {
    fn check(&self, c: &mut Checker) {
        identity(c, "host", &self.host);
        if !self.address.is_empty() {
            endpoint(c, "address", &self.address);
        }
        if self.inband_tls && self.transport != PeerTransport::Tcp {
            c.wrong_at("inband_tls", "needs TCP", "false, or `transport` tcp");
        }
        if self.realms.is_empty() {
            c.wrong_at("realms", "is empty", "at least one realm, or `*`");
        }
        c.each("realms", &self.realms, |c, realm| {
            if realm != "*" && !is_identity(realm) {
                c.wrong("is no realm", "a domain name such as example.net, or `*`");
            }
        });
        for (field, limit) in [("outstanding", self.outstanding), ("rate", self.rate)] {
            if let Some(limit) = limit {
                c.range(field, limit, 1..=1_000_000);
            }
        }
        if let Some(watchdog) = self.watchdog {
            c.range("watchdog", watchdog, 6..=600);
        }
    }
}

impl HomeNetwork {
    fn check(&self, c: &mut Checker) {
        let plmn: Option<Plmn> = c.parses("plmn", &self.plmn, "a PLMN such as 001-01");
        for (field, realm) in [("realm", &self.realm), ("equipment_realm", &self.equipment_realm)] {
            if let Some(realm) = realm {
                identity(c, field, realm);
            }
        }
        let code = plmn.map(|plmn| plmn.to_string().replace('-', "")).unwrap_or_default();
        c.each("imsis", &self.imsis, |c, beginning| {
            let digits = beginning.bytes().all(|octet| octet.is_ascii_digit());
            if !digits || !(6..=15).contains(&beginning.len()) || !beginning.starts_with(&code) {
                c.wrong("is no beginning of an IMSI of this network", "6 to 15 digits, those of the network first");
            }
        });
    }
}

impl VisitorPolicy {
    fn check(&self, c: &mut Checker) {
        if let Some(vectors) = self.vectors {
            c.range("vectors", vectors, 1..=5);
        }
        for (field, age, most) in [("vector_age", self.vector_age, 7), ("profile_age", self.profile_age, 30)] {
            if let Some(age) = age {
                c.range(field, age, 1..=most * 86_400);
            }
        }
    }
}

fn is_identity(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && text.split('.').all(is_label)
}

/// A DiameterIdentity is a fully qualified domain name (RFC 6733 §4.3.1).
pub(crate) fn identity(c: &mut Checker, field: &str, text: &str) {
    if !is_identity(text) {
        c.wrong_at(field, "is no Diameter identity", "a domain name such as fegd.example.net");
    }
}

impl DiameterPeer {
    fn check(&self, c: &mut Checker) {
        endpoint(c, "address", &self.address);
        if !self.local_address.is_empty() {
            endpoint(c, "local_address", &self.local_address);
        }
        for (field, text, needed) in [
            ("host", &self.host, true),
            ("realm", &self.realm, true),
            ("dest_host", &self.dest_host, false),
            ("dest_realm", &self.dest_realm, true),
        ] {
            // A DiameterIdentity is a fully qualified domain name (RFC 6733 §4.3.1).
            let good = !text.is_empty() && text.len() <= 255 && text.split('.').all(is_label);
            if !good && (needed || !text.is_empty()) {
                c.wrong_at(field, "is no Diameter identity", "a domain name such as fegd.example.net");
            }
        }
        c.text("product_name", &self.product_name, 100);
        if self.watchdog_interval != 0 {
            c.range("watchdog_interval", self.watchdog_interval, 6..=600);
        }
        if self.request_timeout != 0 {
            c.range("request_timeout", self.request_timeout, 100..=60_000);
        }
        c.range("retry_count", self.retry_count, 0..=10);
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// `host:port`, the host a name or address (IPv6 in brackets).
fn endpoint(c: &mut Checker, field: &str, text: &str) {
    let good = text.parse::<std::net::SocketAddr>().is_ok_and(|address| address.port() != 0)
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            host.split('.').all(is_label) && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
    if !good {
        c.wrong_at(field, "is no endpoint", "host:port, such as 192.0.2.1:3868 or [2001:db8::1]:3868");
    }
}

#[cfg(test)]
mod tests {
    use crate::Kind;

    #[test]
    fn carriers_are_gateways_and_home_networks_have_their_own_numbers() {
        let body = br#"{"gateways":[{"gateway":"feg1"},{"gateway":"feg2","address":"192.0.2.9:8482"}],
            "peers":[{"host":"hss.example.org","address":"192.0.2.1:3868","realms":["example.org"]}],
            "networks":[{"plmn":"999-70","realm":"example.org","imsis":["9997001"]}],"policy":{"vectors":5}}"#;
        let parsed = Kind::Federation.parse("f", body).unwrap();
        let named: Vec<&str> = parsed.references.iter().map(|reference| reference.name.as_str()).collect();
        assert_eq!(named, ["feg1", "feg2"]);
        let body = br#"{"gateways":[{"gateway":"feg1","address":"x"}],"peers":[{"host":"a b","realms":[],"transport":"tls","inband_tls":true,
            "watchdog":2}],"networks":[{"plmn":"999-70","imsis":["31041"]}],"policy":{"vectors":6},"limits":{"rate":0}}"#;
        let errors = Kind::Federation.parse("f", body).unwrap_err();
        let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            places,
            [
                "/gateways/0/address",
                "/peers/0/host",
                "/peers/0/inband_tls",
                "/peers/0/realms",
                "/peers/0/watchdog",
                "/networks/0/imsis/0",
                "/policy/vectors",
                "/limits/rate"
            ]
        );
    }

    #[test]
    fn a_peer_has_identities_and_an_endpoint() {
        let body = br#"{"s6a":{"address":"192.0.2.1:3868","host":"feg.example.net","realm":"example.net","dest_realm":"hss.example.org"},
            "gx":{"disabled":true},"s8":"pgw.example.org:2123"}"#;
        assert!(Kind::Federation.parse("f", body).is_ok());
        let body =
            br#"{"s6a":{"address":"192.0.2.1","host":"","realm":"a b","dest_realm":"x","watchdog_interval":1},"gy":{},
            "nh_routes":[{"plmn":"1","federation":"f"}]}"#;
        let errors = Kind::Federation.parse("f", body).unwrap_err();
        let places: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            places,
            ["/s6a/address", "/s6a/host", "/s6a/realm", "/s6a/watchdog_interval", "/gy/servers", "/nh_routes/0/plmn"]
        );
    }
}
