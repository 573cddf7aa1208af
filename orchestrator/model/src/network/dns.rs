//! Name service for phones and base stations.

use crate::Checker;
use basalt_ids::Apn;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};
use utoipa::ToSchema;

/// Name service for phones and base stations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// The gateway answers from a cache.
    pub enable_caching: bool,
    /// Seconds that local records live, 0 to 86,400.
    #[schema(maximum = 86_400)]
    pub local_ttl: u32,
    /// The gateway gives addresses to base stations.
    pub dhcp_server_enabled: bool,
    /// Local records.
    pub records: Vec<DnsRecord>,
}

impl Dns {
    pub(crate) fn check(&self, c: &mut Checker) {
        c.range("local_ttl", self.local_ttl, 0..=86_400);
        c.each("records", &self.records, |c, record| {
            for (field, name) in core::iter::once(("domain", &record.domain))
                .chain(record.cname_record.iter().map(|n| ("cname_record", n)))
            {
                let _: Option<Apn> = c.parses(field, name, "labels of letters, digits and hyphens between dots");
            }
        });
    }
}

/// A local record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsRecord {
    /// The name.
    pub domain: String,
    /// Its IPv4 addresses.
    #[schema(value_type = Vec<String>)]
    pub a_record: Vec<Ipv4Addr>,
    /// Its IPv6 addresses.
    #[schema(value_type = Vec<String>)]
    pub aaaa_record: Vec<Ipv6Addr>,
    /// Its other names.
    pub cname_record: Vec<String>,
}
