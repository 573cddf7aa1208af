//! Records of version 1: sessions had IPv4 addresses only.

use super::StoredRadio;
use crate::{Ambr, BearerQos, RejectInfo};
use basalt_ids::{Apn, Ebi, Ecgi, Guti, Imei, Imeisv, Imsi, Tai, Teid};
use basalt_security::{AccessKeyChain, NasSecurityContext};
use core::net::{IpAddr, Ipv4Addr};
use serde::{Deserialize, Serialize};

/// [`super::StoredUe`] as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the version that followed")]
pub struct StoredUe {
    pub imsi: Imsi,
    pub guti: Guti,
    pub pending_guti: Option<Guti>,
    pub registered: bool,
    pub security: NasSecurityContext,
    pub network_capability: Vec<u8>,
    pub ms_network_capability: Option<Vec<u8>>,
    pub additional_capability: Option<Vec<u8>>,
    pub imei: Option<Imei>,
    pub imeisv: Option<Imeisv>,
    pub areas: Vec<Tai>,
    pub cell: Ecgi,
    pub drx: Option<u16>,
    pub radio_capability: Option<Vec<u8>>,
    pub radio: Option<StoredRadio>,
    pub access_keys: Option<AccessKeyChain>,
    pub ambr: Ambr,
    pub sessions: Vec<StoredSession>,
    pub resting: Vec<StoredRest>,
    pub last_seen: u64,
    pub last_reject: Option<RejectInfo>,
}

/// [`super::StoredRest`] as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the version that followed")]
pub struct StoredRest {
    pub apn: Apn,
    pub address: Ipv4Addr,
    pub teid: Teid,
    pub until: u64,
}

/// [`super::StoredSession`] as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in the version that followed")]
pub struct StoredSession {
    pub ebi: Ebi,
    pub apn: Apn,
    pub address: Ipv4Addr,
    pub qos: BearerQos,
    pub ambr: Ambr,
    pub local: (IpAddr, Teid),
    pub remote: Option<(IpAddr, Teid)>,
}

impl From<StoredUe> for super::StoredUe {
    fn from(was: StoredUe) -> Self {
        Self {
            imsi: was.imsi,
            guti: was.guti,
            pending_guti: was.pending_guti,
            registered: was.registered,
            security: was.security,
            network_capability: was.network_capability,
            ms_network_capability: was.ms_network_capability,
            additional_capability: was.additional_capability,
            imei: was.imei,
            imeisv: was.imeisv,
            areas: was.areas,
            cell: was.cell,
            drx: was.drx,
            radio_capability: was.radio_capability,
            radio: was.radio,
            access_keys: was.access_keys,
            ambr: was.ambr,
            sessions: was.sessions.into_iter().map(Into::into).collect(),
            resting: was.resting.into_iter().map(Into::into).collect(),
            last_seen: was.last_seen,
            last_reject: was.last_reject,
        }
    }
}

impl From<StoredRest> for super::StoredRest {
    fn from(was: StoredRest) -> Self {
        let StoredRest { apn, address, teid, until } = was;
        Self { apn, address: address.into(), teid, until }
    }
}

impl From<StoredSession> for super::StoredSession {
    fn from(was: StoredSession) -> Self {
        let StoredSession { ebi, apn, address, qos, ambr, local, remote } = was;
        Self { ebi, apn, address: address.into(), framed_routes: Vec::new(), qos, ambr, local, remote }
    }
}
