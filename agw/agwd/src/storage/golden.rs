//! Golden files: every kind of record in every format that was ever written, and what it says.
//!
//! A file of `fixtures/records` holds the octets of one record as hexadecimal digits. They are never changed: a gateway that is
//! upgraded finds such octets on its disk. A change of a record's layout is a new version with a folder of its own, and the files
//! of the versions before it go on being read here.

use super::{Format, Loaded, Record, decode, load, put_keeper_instance, put_rules, put_subscriber, stage};
use agw_subscribers::{Credentials, StoredAlgorithm, StoredRules, StoredSubscriber, Subscriber};
use agw_types::{
    ActiveRule, Ambr, ApnProfile, Arp, Bearer, BearerFilter, BearerQos, BearerRates, Effect, Gate, LinkId, PdnTypes,
    PolicyRule, Prefix64, Profile, RejectInfo, RuleQos, RuleRefusal, SdfFilter, StoredBearers, StoredLink, StoredRadio,
    StoredRest, StoredSession, StoredSessionBearers, StoredUe, SubscribedRule, SubscriberState, UeAddress,
};
use basalt_ids::{Ebi, Eci, Qci, Tac, Tai, Teid};
use basalt_ids::{Ecgi, EnbId, EnbUeS1apId, GlobalEnbId, Gummei, Guti, Imsi, MTmsi, MmeCode, MmeGroupId, Plmn};
use basalt_sansio::SlotId;
use basalt_security::{Algorithms, Ciphering, Integrity, NasSecurityContext, Provider, SealingKey, Secret, Side, Sqn};
use basalt_store::{Batch, Config, MemDisk, Store};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The octets of a file, without white space.
fn golden(version: u8, kind: &str) -> String {
    let file = format!("../../fixtures/records/v{version}/{kind}.hex");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    text.split_whitespace().collect()
}

/// A record of a kind that is as it has always been: written as its golden file has it, and read from there.
pub(crate) fn as_ever<T: Format + PartialEq + std::fmt::Debug>(kind: &str, record: &T) {
    let (file, version) = (golden(T::VERSION, kind), T::VERSION);
    let written = super::hex(&postcard::to_extend(record, vec![version]).unwrap());
    assert_eq!(written, file, "fixtures/records/v{version}/{kind}.hex is not what is written");
    assert_eq!(decode::<T>(&octets(&file)).as_ref(), Some(record));
}

/// What the golden file of an earlier version is read as.
pub(crate) fn of_version<T: Format>(version: u8, kind: &str) -> Option<T> {
    decode(&octets(&golden(version, kind)))
}

fn octets(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn plmn() -> Plmn {
    "001-01".parse().unwrap()
}

fn imsi() -> Imsi {
    "001010123456789".parse().unwrap()
}

fn area() -> Tai {
    Tai { plmn: plmn(), tac: Tac(7) }
}

fn guti(tmsi: u32) -> Guti {
    Guti { gummei: Gummei { plmn: plmn(), group: MmeGroupId(2), code: MmeCode(1) }, m_tmsi: MTmsi(tmsi) }
}

const AMBR: Ambr = Ambr { uplink: 50_000_000, downlink: 100_000_000 };
const QOS: BearerQos = BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: true } };

fn link() -> StoredLink {
    StoredLink {
        link: LinkId(7),
        enb: GlobalEnbId { plmn: plmn(), enb: EnbId::Macro(0x19b) },
        name: Some("enb".to_owned()),
        areas: vec![area()],
        drx: 128,
    }
}

/// Everything that a phone's record can hold.
fn ue() -> StoredUe {
    let algorithms = Algorithms { ciphering: Ciphering::Eea2, integrity: Integrity::Eia2 };
    let security = NasSecurityContext::new(Side::Network, 3, Secret::new([0x5a; 32]), algorithms, Provider::STANDARD);
    let mut access_keys = security.access_keys(5);
    security.advance(&mut access_keys);
    StoredUe {
        imsi: imsi(),
        guti: guti(0xc000_0001),
        pending_guti: Some(guti(0xc000_0002)),
        registered: true,
        security,
        network_capability: vec![0xe0, 0xe0],
        ms_network_capability: Some(vec![0xe5, 0xe0, 0x3e]),
        additional_capability: Some(vec![0, 0, 0, 0]),
        imei: None,
        imeisv: Some("3534900698733190".parse().unwrap()),
        areas: vec![area()],
        cell: Ecgi { plmn: plmn(), eci: Eci::new(0x19b01).unwrap() },
        drx: Some(64),
        radio_capability: Some(vec![1, 2, 3]),
        radio: Some(StoredRadio {
            link: LinkId(7),
            radio: SlotId(0x0100_0001),
            enb_id: EnbUeS1apId::new(0x00ab_cdef).unwrap(),
            stream: 3,
        }),
        access_keys: Some(access_keys),
        ambr: AMBR,
        sessions: vec![StoredSession {
            ebi: Ebi::new(5).unwrap(),
            apn: "internet".parse().unwrap(),
            address: Ipv4Addr::new(10, 45, 0, 2).into(),
            framed_routes: Vec::new(),
            qos: QOS,
            ambr: AMBR,
            local: ("192.0.2.1".parse().unwrap(), Teid(0x1230_0001)),
            remote: Some(("192.0.2.2".parse().unwrap(), Teid(0x77))),
        }],
        resting: vec![StoredRest {
            apn: "ims".parse().unwrap(),
            address: Ipv4Addr::new(10, 46, 0, 2).into(),
            teid: Teid(0x4560_0002),
            until: 1_800_000_060,
        }],
        last_seen: 1_800_000_000,
        last_reject: Some(RejectInfo {
            imsi: Some(imsi()),
            procedure: "attach".to_owned(),
            emm_cause: Some(19),
            esm_cause: Some(27),
            reason: "unknown access point".to_owned(),
            advice: "correct it".to_owned(),
            unix_secs: 1_799_999_999,
        }),
    }
}

/// What a phone's record can hold since version 2.
fn ue_of_version_2() -> StoredUe {
    let mut ue = ue();
    let (prefix, ims) = (Prefix64::from_bits(0x2001_0db8_0001_0007), "ims".parse().unwrap());
    let [session] = ue.sessions.as_slice() else { panic!("one session") };
    let mut both = StoredSession { ebi: Ebi::new(6).unwrap(), apn: ims, ..session.clone() };
    both.address = UeAddress::Ipv4v6(Ipv4Addr::new(10, 46, 0, 3), prefix);
    both.framed_routes = vec!["192.168.7.0/24".parse().unwrap(), "2001:db8:7::/48".parse().unwrap()];
    let alone = StoredSession { ebi: Ebi::new(7).unwrap(), address: prefix.into(), ..session.clone() };
    ue.sessions.extend([both, alone]);
    ue
}

/// What a subscriber's record can hold since version 2.
fn subscriber_of_version_2() -> StoredSubscriber {
    let mut subscriber = subscriber();
    for apn in &mut subscriber.profile.apns {
        apn.static_ipv6 = Some(Prefix64::from_bits(0x2001_0db8_0001_0009));
        apn.pdn_types = PdnTypes::Ipv4OrIpv6;
        apn.framed_routes = vec!["192.168.7.0/24".parse().unwrap(), "2001:db8:7::/48".parse().unwrap()];
    }
    subscriber
}

/// A rule with all that one can have.
fn rule() -> PolicyRule {
    let qos = BearerQos { qci: Qci(1), arp: Arp { priority: 2, may_preempt: true, preemptable: false } };
    let flow = "both udp remote 192.0.2.10/32 remote-port 5060-5061 tos 184/252".parse::<SdfFilter>().unwrap();
    let flow6 = "downlink tcp remote 2001:db8:7::/48".parse::<SdfFilter>().unwrap();
    PolicyRule {
        gate: Gate { uplink: true, downlink: false },
        qos: Some(RuleQos { bearer: qos, gbr: Some(Ambr { uplink: 64_000, downlink: 128_000 }) }),
        mbr: AMBR,
        rating_group: 7,
        monitoring_key: 8,
        ..PolicyRule::new("voice", 10, vec![flow, flow6])
    }
}

/// Everything that the record of rules and dedicated bearers of a phone can hold.
fn bearers() -> StoredBearers {
    let rule = rule();
    let filter = BearerFilter { id: 1, rule: 3, index: 0, precedence: 10, filter: rule.filters[0] };
    let bearer = Bearer {
        ebi: Ebi::new(6).unwrap(),
        qos: rule.qos.unwrap().bearer,
        rates: Some(BearerRates { guaranteed: Ambr { uplink: 64_000, downlink: 128_000 }, maximum: AMBR }),
        local: ("192.0.2.1".parse().unwrap(), Teid(0x1230_0002)),
        remote: Some(("192.0.2.2".parse().unwrap(), Teid(0x78))),
        confirmed: true,
        filters: vec![filter],
    };
    let refusals = [None, Some(RuleRefusal::Admission), Some(RuleRefusal::Phone(43))];
    let rules = (3..).zip(refusals).map(|(id, refused)| ActiveRule { id, rule: rule.clone(), refused }).collect();
    let session =
        StoredSessionBearers { ebi: Ebi::new(5).unwrap(), teid: Teid(0x1230_0001), rules, bearers: vec![bearer] };
    StoredBearers { imsi: imsi(), sessions: vec![session] }
}

fn rules() -> StoredRules {
    let apn: basalt_ids::Apn = "internet".parse().unwrap();
    let own = SubscribedRule::Own(Box::new(rule()));
    StoredRules { imsi: imsi(), rules: vec![(apn.clone(), SubscribedRule::Named("video".to_owned())), (apn, own)] }
}

fn sealing_key() -> SealingKey {
    SealingKey::from_octets(Secret::new([0x11; 32]))
}

fn subscriber() -> StoredSubscriber {
    let (k, opc) = (Secret::new(vec![0x46; 16]), Secret::new(vec![0xe8; 16]));
    let credentials = Credentials::new(StoredAlgorithm::Milenage, k, opc, true).unwrap();
    let static_ipv4 = Some(Ipv4Addr::new(10, 45, 0, 9));
    let apn = ApnProfile { static_ipv4, ..ApnProfile::new("internet".parse().unwrap(), QOS, AMBR) };
    let subscriber = Subscriber {
        profile: Profile { imsi: imsi(), msisdn: Some("4915112345678".parse().unwrap()), ambr: AMBR, apns: vec![apn] },
        name: "a phone".to_owned(),
        state: SubscriberState::Suspended,
        aka: credentials.functions().unwrap(),
        amf: [0x80, 0],
        sqn: Sqn::new(4096).unwrap(),
    };
    StoredSubscriber::seal(&subscriber, &credentials, &sealing_key(), [[1; 24], [2; 24]])
}

/// The records above as the gateway writes them now: kind and octets in hexadecimal digits.
fn written() -> Vec<(&'static str, String)> {
    let mut batches: Vec<(&str, Batch)> = Vec::new();
    let mut add = |kind, fill: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::new();
        fill(&mut batch);
        batches.push((kind, batch));
    };
    let save = |record: Record| {
        move |batch: &mut Batch| {
            assert!(stage(batch, &Effect::Save(Box::new(record.clone()))));
        }
    };
    add("phone", &save(Record::Ue(Box::new(ue_of_version_2()))));
    add("base-station", &save(Record::Link(link())));
    add("sequence-number", &save(Record::Sqn { imsi: imsi(), reserved: 0x1_0000 }));
    add("subscriber", &|batch| put_subscriber(batch, &subscriber_of_version_2()));
    add("bearers", &save(Record::Bearers(Box::new(bearers()))));
    add("rules", &|batch| put_rules(batch, &rules()));
    add("keeper-instance", &|batch| put_keeper_instance(batch, 0x1234_5678_9abc_def0));
    let value = |batch: &Batch| {
        let disk = MemDisk::new(1);
        let (mut store, _, _) = Store::open(disk.clone(), Config::default()).unwrap();
        store.append(batch).unwrap();
        store.commit().unwrap();
        let (_, records, _) = Store::open(disk, Config::default()).unwrap();
        let values: Vec<Vec<u8>> = (0..=255)
            .flat_map(|number| records.in_keyspace(basalt_store::Keyspace(number)))
            .map(|(_, value)| value.to_vec())
            .collect();
        let [value] = values.as_slice() else { panic!("one record") };
        super::hex(value)
    };
    batches.iter().map(|(kind, batch)| (*kind, value(batch))).collect()
}

#[test]
fn records_of_version_1_are_read() {
    let read = |kind| octets(&golden(1, kind));
    assert_eq!(decode(&read("phone")), Some(ue()));
    assert_eq!(decode(&read("base-station")), Some(link()));
    assert_eq!(decode(&read("sequence-number")), Some((imsi(), 0x1_0000_u64)));
    assert_eq!(decode(&read("keeper-instance")), Some(0x1234_5678_9abc_def0_u64));
    assert_eq!(decode(&read("bearers")), Some(bearers()));
    assert_eq!(decode(&read("rules")), Some(rules()));
    let stored: StoredSubscriber = decode(&read("subscriber")).unwrap();
    assert_eq!(stored, subscriber());
    assert_eq!(stored.credentials(&sealing_key()).unwrap().k.expose(), &[0x46; 16]);
}

#[test]
fn records_of_version_2_are_read() {
    let read = |kind| octets(&golden(2, kind));
    assert_eq!(decode(&read("phone")), Some(ue_of_version_2()));
    assert_eq!(decode(&read("subscriber")), Some(subscriber_of_version_2()));
}

/// The latest version of each kind.
fn latest(kind: &str) -> u8 {
    if matches!(kind, "phone" | "subscriber") { 2 } else { 1 }
}

/// A record that is laid out in another way needs another version, and a folder of golden files.
#[test]
fn records_are_still_written_as_their_latest_version() {
    let differs: Vec<String> = written()
        .into_iter()
        .filter(|(kind, written)| *written != golden(latest(kind), kind))
        .map(|(kind, written)| {
            format!("fixtures/records/v{}/{kind}.hex is not what is written:\n{written}\n", latest(kind))
        })
        .collect();
    assert!(differs.is_empty(), "{}", differs.concat());
}

#[test]
fn a_store_of_version_1_opens_whole() {
    let disk = MemDisk::new(1);
    let (mut store, _, _) = Store::open(disk.clone(), Config::default()).unwrap();
    let mut batch = Batch::new();
    for (keyspace, kind) in [(1, "phone"), (2, "base-station"), (3, "sequence-number"), (4, "subscriber")] {
        batch.add_put(basalt_store::Keyspace(keyspace), kind.as_bytes(), &octets(&golden(1, kind)));
    }
    store.append(&batch).unwrap();
    store.commit().unwrap();
    let Loaded { subscribers, ues, links, sqns, unreadable, .. } =
        load(&Store::open(disk, Config::default()).unwrap().1);
    assert_eq!((subscribers.len(), ues.len(), links.len(), sqns.len()), (1, 1, 1, 1));
    assert!(unreadable.is_empty());
}
