//! The key tree of EPS (TS 33.401 annex A).

use crate::Secret;
use basalt_ids::Plmn;
use oxirush_security::NasCount;
use oxirush_security::kdf::{build_s, kdf};
use oxirush_security::nas_eps::{self, KAsme, KEnb, Nh};
use serde::{Deserialize, Serialize};

/// Function codes of the derivations (TS 33.401 §A.1).
const FC_KASME: u8 = 0x10;

/// K_ASME from CK, IK, the serving network and SQN xor AK, the first six octets of AUTN (TS 33.401 §A.2).
#[must_use]
pub fn kasme(ck: &Secret<[u8; 16]>, ik: &Secret<[u8; 16]>, serving: Plmn, autn: &[u8; 16]) -> Secret<[u8; 32]> {
    let [a, b, c, d, e, f, ..] = *autn;
    let mut key = [0; 32];
    key[..16].copy_from_slice(ck.expose());
    key[16..].copy_from_slice(ik.expose());
    let key = Secret::new(key);
    // Both parameters are short: the lengths fit.
    let s = build_s(FC_KASME, &[&serving.to_nas(), &[a, b, c, d, e, f]]).unwrap_or_default();
    Secret::new(*kdf(key.expose(), &s))
}

/// K_eNB and the next hop keys that follow it (TS 33.401 §7.2.8.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyChain {
    kenb: Secret<[u8; 32]>,
    next_hop: Secret<[u8; 32]>,
    ncc: u8,
}

impl AccessKeyChain {
    pub(crate) fn new(kasme: &Secret<[u8; 32]>, uplink_count: u32) -> Self {
        let kasme = KAsme::new(kasme.expose());
        let count = NasCount::new(uplink_count).unwrap_or(NasCount::MAX);
        let kenb = nas_eps::derive_kenb(&kasme, count);
        let next_hop = nas_eps::derive_nh(&kasme, &kenb);
        Self { kenb: Secret::new(*kenb.as_octets()), next_hop: Secret::new(*next_hop.as_octets()), ncc: 1 }
    }

    /// K_eNB of the context setup.
    #[must_use]
    pub const fn kenb(&self) -> &Secret<[u8; 32]> {
        &self.kenb
    }

    /// The newest next hop key.
    #[must_use]
    pub const fn next_hop(&self) -> &Secret<[u8; 32]> {
        &self.next_hop
    }

    /// Next hop chaining count of [`AccessKeyChain::next_hop`], 0 to 7.
    #[must_use]
    pub const fn ncc(&self) -> u8 {
        self.ncc
    }
}

/// NH of the next chaining count (TS 33.401 §A.4).
pub(crate) fn advance(kasme: &Secret<[u8; 32]>, chain: &mut AccessKeyChain) {
    let next = nas_eps::derive_nh(&KAsme::new(kasme.expose()), &Nh::new(chain.next_hop.expose()));
    chain.next_hop = Secret::new(*next.as_octets());
    chain.ncc = (chain.ncc + 1) & 7;
}

/// K_eNB* of a target cell, from K_eNB or a next hop key (TS 33.401 §A.5). `None` for a physical cell identity above 503 or a
/// channel number above 262143.
#[must_use]
pub fn kenb_star(key: &Secret<[u8; 32]>, pci: u16, earfcn_dl: u32) -> Option<Secret<[u8; 32]>> {
    nas_eps::derive_kenb_star(&KEnb::new(key.expose()), pci, earfcn_dl).ok().map(|key| Secret::new(*key.as_octets()))
}

/// HASH_MME over a plain initial message (TS 33.401 §I.2): what SECURITY MODE COMMAND carries when the message came without
/// valid protection.
#[must_use]
pub fn hash_mme(plain_request: &[u8]) -> [u8; 8] {
    nas_eps::compute_hash_mme(plain_request)
}
