//! What is remembered of others' subscribers, on disk: profiles as they are, vectors sealed like all keys.

use crate::gateway::Gateway;
use crate::storage;
use agw_federation::Remembered;
use agw_types::AuthMaterial;
use basalt_ids::{Imsi, Plmn};
use basalt_security::{SEALING_NONCE, SealedKey, SealingKey};
use basalt_store::{Batch, Keyspace, Records};
use serde::{Deserialize, Serialize};

const REMEMBERED: Keyspace = Keyspace(40);

/// A phone as it is kept, version 2. Its layout is a format: a change is a new struct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRemembered {
    /// All but vectors and what the home network waits for.
    known: Remembered,
    /// Vectors in postcard, sealed, in hexadecimal digits; empty for none.
    vectors: String,
    /// The home network wants to hear when the phone can be reached.
    awaited: bool,
}

/// The same, version 1.
#[derive(Debug, Serialize, Deserialize)]
struct StoredRememberedV1 {
    known: Remembered,
    vectors: String,
}

impl storage::Format for StoredRemembered {
    const VERSION: u8 = 2;

    fn earlier(version: u8, octets: &[u8]) -> Option<Self> {
        let was: StoredRememberedV1 = postcard::from_bytes(octets).ok().filter(|_| version == 1)?;
        Some(Self { known: was.known, vectors: was.vectors, awaited: false })
    }
}

/// Reads all; `unreadable` is told of what cannot be read.
pub fn load(records: &Records, unreadable: &mut dyn FnMut(&str, &[u8])) -> Vec<StoredRemembered> {
    let mut all = Vec::new();
    for (key, value) in records.in_keyspace(REMEMBERED) {
        match storage::decode(value) {
            Some(stored) => all.push(stored),
            None => unreadable("subscriber of another network", key),
        }
    }
    all
}

/// Adds what is to be kept of a phone.
pub fn stage(gateway: &Gateway, imsi: Imsi, batch: &mut Batch) {
    let now = gateway.now();
    let known = gateway.federation.as_ref().and_then(|it| it.core.remembered_of(now.mono, now.unix_secs, imsi));
    match known.and_then(|known| sealed(known, &gateway.sealing)) {
        Some(stored) => storage::put(batch, REMEMBERED, &storage::imsi_key(imsi), &stored),
        None => batch.add_delete(REMEMBERED, &storage::imsi_key(imsi)),
    }
}

/// `None` when the system gives no random numbers: then nothing is kept.
fn sealed(mut known: Remembered, key: &SealingKey) -> Option<StoredRemembered> {
    let (vectors, awaited) = (std::mem::take(&mut known.vectors), known.awaited);
    if vectors.is_empty() {
        return Some(StoredRemembered { known, vectors: String::new(), awaited });
    }
    let mut nonce = [0; SEALING_NONCE];
    getrandom::fill(&mut nonce).ok()?;
    let octets = postcard::to_stdvec(&vectors).ok()?;
    let vectors = key.seal_named(&name(known.imsi), nonce, &octets).to_hex();
    Some(StoredRemembered { known, vectors, awaited })
}

/// As it was before. Vectors that do not open are left out: the home network gives others.
pub fn opened(stored: StoredRemembered, key: &SealingKey) -> Remembered {
    let StoredRemembered { mut known, vectors, awaited } = stored;
    known.awaited = awaited;
    let opened = SealedKey::from_hex(&vectors).and_then(|sealed| key.open_named(&name(known.imsi), &sealed).ok());
    let list = opened.and_then(|octets| postcard::from_bytes::<Vec<(Plmn, u64, AuthMaterial)>>(octets.expose()).ok());
    known.vectors = list.unwrap_or_default();
    known
}

fn name(imsi: Imsi) -> String {
    format!("vectors of {imsi}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use agw_federation::{Access, Accesses, Subscription};
    use agw_types::{Ambr, Arp, BearerQos, PdnTypes};
    use basalt_ids::Qci;
    use basalt_security::Secret;

    /// A nonce that is not random makes the same octets of it every time; vectors are sealed in the file as on a disk.
    #[test]
    fn memory_of_other_networks_is_kept_as_ever() {
        let imsi: Imsi = "999700000000001".parse().unwrap();
        let plmn: Plmn = "001-01".parse().unwrap();
        let qos = BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: true } };
        let ambr = Ambr { uplink: 50_000_000, downlink: 100_000_000 };
        let access = Access {
            context: 1,
            apn: Some("internet".parse().unwrap()),
            pdn_types: PdnTypes::Ipv4OrIpv6,
            qos: Some(qos),
            ambr: Some(ambr),
        };
        let subscription = Subscription {
            msisdn: Some("4915112345678".parse().unwrap()),
            barred: Some(false),
            odb: Some(2),
            access_restriction: Some(32),
            ambr: Some(ambr),
            accesses: Some(Accesses { default: 1, complete: true, list: vec![access] }),
            zone_codes: vec![7, 4096],
            charging: Some(0x800),
            roaming_restricted: true,
        };
        let known = Remembered {
            imsi,
            subscription: Some((subscription, 1_800_000_000)),
            serving: Some(plmn),
            hss: "hss.example".to_owned(),
            used: vec![[9; 16], [8; 16]],
            vectors: Vec::new(),
            awaited: false,
        };
        let (rand, autn) = ([1; 16], [2; 16]);
        let vector = AuthMaterial { rand, autn, xres: Secret::new(vec![3; 8]), kasme: Secret::new([4; 32]) };
        let key = SealingKey::from_octets(Secret::new([0x11; 32]));
        let octets = postcard::to_stdvec(&vec![(plmn, 1_800_000_300u64, vector.clone())]).unwrap();
        let vectors = key.seal_named(&name(imsi), [5; SEALING_NONCE], &octets).to_hex();
        let stored = StoredRemembered { known, vectors, awaited: true };
        storage::golden::as_ever("federation-memory", &stored);
        let restored = opened(stored.clone(), &key);
        assert_eq!((restored.vectors, restored.awaited), (vec![(plmn, 1_800_000_300, vector)], true));
        assert_eq!(
            storage::golden::of_version(1, "federation-memory"),
            Some(StoredRemembered { awaited: false, ..stored })
        );
    }

    #[test]
    fn vectors_come_back_from_their_seal_and_from_no_other() {
        let imsi: Imsi = "999700000000001".parse().unwrap();
        let key = |octet| SealingKey::from_octets(Secret::new([octet; 32]));
        let vector =
            AuthMaterial { rand: [1; 16], autn: [2; 16], xres: Secret::new(vec![3; 8]), kasme: Secret::new([4; 32]) };
        let vectors = vec![("001-01".parse().unwrap(), 77, vector)];
        let known = Remembered {
            imsi,
            subscription: None,
            serving: None,
            hss: "hss.example".to_owned(),
            used: vec![[9; 16]],
            vectors,
            awaited: true,
        };
        let stored = sealed(known.clone(), &key(1)).unwrap();
        let octets = postcard::to_stdvec(&stored).unwrap();
        assert!(!octets.windows(8).any(|window| window == [3; 8] || window == [4; 8]), "keys are not in clear");
        let stored: StoredRemembered = postcard::from_bytes(&octets).unwrap();
        assert_eq!(opened(stored.clone(), &key(1)), known);
        assert!(opened(stored, &key(2)).vectors.is_empty());
    }
}
