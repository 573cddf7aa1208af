//! The file that an HSS is started with.

use basalt_ids::Imsi;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// DiameterIdentity.
    pub host: String,
    /// Realm.
    pub realm: String,
    /// Where it listens over TCP; port 0 takes a free one.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// DiameterIdentities of those that may connect.
    pub peers: Vec<String>,
    /// TLS from the first octet: certificate, key and authority as PEM.
    pub tls: Option<TlsFiles>,
    /// Subscribers.
    #[serde(default, rename = "subscriber")]
    pub subscribers: Vec<Subscriber>,
    /// IMEIs (14 digits) that the EIR calls stolen.
    #[serde(default)]
    pub prohibited: Vec<String>,
    /// IMEIs that the EIR watches.
    #[serde(default)]
    pub tracked: Vec<String>,
    /// What it does otherwise than asked, from the beginning on.
    #[serde(default)]
    pub behaviour: Vec<String>,
}

/// Files of certificates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate with its chain.
    pub certificate: PathBuf,
    /// Key.
    pub key: PathBuf,
    /// Authority.
    pub authority: PathBuf,
}

/// A subscriber.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// Identity.
    pub imsi: Imsi,
    /// K in hexadecimal.
    pub k: String,
    /// OPc in hexadecimal.
    pub opc: String,
    /// Highest sequence number used.
    #[serde(default)]
    pub sqn: u64,
    /// Telephone number.
    #[serde(default)]
    pub msisdn: String,
    /// Names of access points, the default one first.
    #[serde(default = "internet")]
    pub apns: Vec<String>,
    /// Aggregate rate, bit/s: up, down.
    #[serde(default = "rates")]
    pub ambr: (u32, u32),
    /// Access-Restriction-Data.
    #[serde(default)]
    pub access_restriction: u32,
    /// Zone codes.
    #[serde(default)]
    pub zone_codes: Vec<u16>,
    /// Barred by the operator.
    #[serde(default)]
    pub barred: bool,
}

impl core::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Subscriber").field("imsi", &self.imsi).finish_non_exhaustive()
    }
}

const fn loopback() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), basalt_diameter::PORT)
}

fn internet() -> Vec<String> {
    vec!["internet".to_owned()]
}

const fn rates() -> (u32, u32) {
    (50_000_000, 100_000_000)
}
