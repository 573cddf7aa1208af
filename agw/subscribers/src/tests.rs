//! Vectors as a SIM sees them, and the list as an operator sees it.

use super::*;
use agw_types::{Ambr, ApnProfile, Arp, BearerQos};
use basalt_ids::Qci;
use basalt_security::{SealingKey, Secret, SqnTracker, Usim, UsimFailure};

fn imsi() -> Imsi {
    "001010000000001".parse().unwrap()
}

fn serving() -> Plmn {
    "001-01".parse().unwrap()
}

fn credentials() -> Credentials {
    let (k, opc) = (Secret::new(vec![0x46; 16]), Secret::new(vec![0xe8; 16]));
    Credentials::new(StoredAlgorithm::Milenage, k, opc, true).unwrap()
}

fn subscriber() -> Subscriber {
    let ambr = Ambr { uplink: 1, downlink: 2 };
    let qos = BearerQos { qci: Qci(9), arp: Arp { priority: 8, may_preempt: false, preemptable: false } };
    let apns = vec![ApnProfile::new("internet".parse().unwrap(), qos, ambr)];
    Subscriber {
        profile: Profile { imsi: imsi(), msisdn: None, ambr, apns },
        name: "test".to_owned(),
        state: SubscriberState::Active,
        aka: credentials().functions().unwrap(),
        amf: [0x80, 0],
        sqn: Sqn::new(32).unwrap(),
    }
}

fn list() -> Subscribers {
    let mut list = Subscribers::new(&SecureSeed([1; 32]));
    list.insert(subscriber(), false);
    list
}

fn sim() -> Usim {
    Usim::new(credentials().functions().unwrap(), SqnTracker::new())
}

fn authenticate(list: &mut Subscribers, resync: Option<Resync>) -> (Result<AuthMaterial, AuthFailure>, Vec<Effect>) {
    let mut out = Vec::new();
    let question = Question::Authenticate { imsi: imsi(), serving: serving(), resync };
    match list.ask(&question, &mut out).unwrap() {
        Answer::Vector(vector) => (Ok(*vector), out),
        Answer::NoVector(failure) => (Err(failure), out),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sim_accepts_each_vector_once() {
    let (mut list, mut sim) = (list(), sim());
    for _ in 0..100 {
        let vector = authenticate(&mut list, None).0.unwrap();
        let answer = sim.answer(&vector.rand, &vector.autn).unwrap();
        assert_eq!(answer.res, vector.xres);
        assert_eq!(answer.kasme(serving()), vector.kasme);
        assert!(sim.answer(&vector.rand, &vector.autn).is_err(), "a replayed challenge");
    }
}

#[test]
fn numbers_are_reserved_before_they_are_used() {
    let mut list = list();
    let saves: Vec<bool> = (0..130).map(|_| !authenticate(&mut list, None).1.is_empty()).collect();
    assert_eq!(saves.iter().filter(|saved| **saved).count(), 2);
    assert!(saves[0]);
}

#[test]
fn after_a_crash_no_number_comes_again() {
    let (mut before, mut sim) = (list(), sim());
    let mut reserved = None;
    for _ in 0..70 {
        let (vector, effects) = authenticate(&mut before, None);
        let vector = vector.unwrap();
        sim.answer(&vector.rand, &vector.autn).unwrap();
        for effect in effects {
            if let Effect::Save(record) = effect
                && let Record::Sqn { reserved: bound, .. } = *record
            {
                reserved = Some(bound);
            }
        }
    }
    let mut after = list();
    after.restore_sqn(imsi(), Sqn::new(reserved.unwrap()).unwrap());
    let vector = authenticate(&mut after, None).0.unwrap();
    sim.answer(&vector.rand, &vector.autn).unwrap();
}

#[test]
fn a_sim_that_is_ahead_tells_its_number() {
    // A SIM that also minds age refuses old numbers of every index.
    let functions = credentials().functions().unwrap();
    let (mut list, mut sim) = (list(), Usim::new(functions, SqnTracker::with_age_limit(32)));
    let ahead = subscriber().aka.vector(&[9; 16], Sqn::new(1 << 20).unwrap(), [0x80, 0]);
    sim.answer(&ahead.rand, &ahead.autn).unwrap();
    let refused = authenticate(&mut list, None).0.unwrap();
    let Err(UsimFailure::Synch { auts }) = sim.answer(&refused.rand, &refused.autn) else { panic!() };
    let resync = Some(Resync { rand: refused.rand, auts });
    let (vector, effects) = authenticate(&mut list, resync);
    let vector = vector.unwrap();
    assert_eq!(effects.len(), 1, "the new number is made durable");
    sim.answer(&vector.rand, &vector.autn).unwrap();
    let forged = Some(Resync { rand: refused.rand, auts: [0; 14] });
    assert_eq!(authenticate(&mut list, forged).0, Err(AuthFailure::ResyncRefused));
}

#[test]
fn strangers_and_suspended_ones_get_nothing() {
    let mut list = list();
    assert!(list.set_state(imsi(), SubscriberState::Suspended));
    assert_eq!(authenticate(&mut list, None).0, Err(AuthFailure::Suspended));
    assert!(list.remove(imsi()));
    assert_eq!(authenticate(&mut list, None).0, Err(AuthFailure::Unknown));
    let question =
        Question::Profile { imsi: imsi(), serving: serving(), area: basalt_ids::Tac(1), attach: true, imeisv: None };
    assert_eq!(list.ask(&question, &mut Vec::new()), Some(Answer::NoProfile(AuthFailure::Unknown)));
}

#[test]
fn sealed_subscribers_open_with_their_key_only() {
    let key = SealingKey::from_octets(Secret::new([3; 32]));
    let stored = StoredSubscriber::seal(&subscriber(), &credentials(), &key, [[1; 24], [2; 24]]);
    let opened = stored.open(&key).unwrap();
    assert_eq!(opened.profile, subscriber().profile);
    assert_eq!(stored.credentials(&key).unwrap(), credentials());
    assert!(stored.open(&SealingKey::from_octets(Secret::new([4; 32]))).is_err());
    let mut moved = stored;
    moved.profile.imsi = "001010000000002".parse().unwrap();
    assert!(moved.open(&key).is_err(), "keys do not move to another subscriber");
}

#[test]
fn op_gives_opc_and_lengths_are_checked() {
    let k = || Secret::new(vec![0x46; 16]);
    let from_op = Credentials::new(StoredAlgorithm::Milenage, k(), Secret::new(vec![1; 16]), false).unwrap();
    assert_ne!(from_op.opc.expose(), &vec![1; 16]);
    for (algorithm, k, operator) in
        [(StoredAlgorithm::Milenage, 15, 16), (StoredAlgorithm::Milenage, 16, 32), (StoredAlgorithm::Tuak, 24, 32)]
    {
        for derived in [true, false] {
            let (k, operator) = (Secret::new(vec![0; k]), Secret::new(vec![0; operator]));
            assert!(Credentials::new(algorithm, k, operator, derived).is_err());
        }
    }
    assert!(Credentials::new(StoredAlgorithm::Tuak, Secret::new(vec![0; 32]), Secret::new(vec![0; 32]), false).is_ok());
}
