//! The way to a partner's core: Diameter peers, what is asked of them, whom they serve.

use crate::{Checker, Document};
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
