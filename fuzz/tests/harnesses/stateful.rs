//! A valid life of a phone with one thing changed in it, against the whole gateway core, while a canary keeps using the network.
//!
//! What must hold is checked by `testbed_sim::with_canary`: no panic; the canary keeps sending, being called and coming back;
//! no shared identity, address or tunnel, no key stream twice, data plane equal to the sessions; nobody half open at the end. And
//! here: what is refused is counted or told.

use std::sync::LazyLock;

use basalt_fuzz::{Changes, ElementChange, Elements};
use basalt_ids::{EnbUeS1apId, Guti, MmeUeS1apId};
use basalt_nas::EmmMessage;
use basalt_nas::emm::{AttachRequest, DetachRequestUe, TrackingAreaUpdateRequest};
use basalt_nas::ie::{DetachKindUe, DetachTypeUe, EpsMobileIdentity, KeySetIdentifier, TauKind, TauType};
use basalt_s1ap::{RadioNetworkCause, UeContextReleaseRequest};
use testbed_sim::{Tap, with_canary};
use testbed_ue::{Fault, Misdeed, Mutation, Uplink};

use crate::LONGEST;

/// What is done to one message of the villain's, or of its base stations'.
#[derive(Clone, Debug, bolero::TypeGenerator)]
enum Alter {
    /// It does not arrive.
    Drop,
    /// It arrives twice.
    Twice,
    /// Its octets are changed.
    Change(Changes),
    /// An earlier one arrives in its place.
    Instead(u8),
    /// An earlier one arrives after it.
    After(u8),
    /// A recorded message of somebody else's arrives in its place, changed or not.
    Foreign(u16, Changes),
    /// NAS: a message without protection in the canary's name. S1AP: the message with the canary's id at the gateway.
    AsCanary(u8),
    /// S1AP: its elements are changed. NAS: as `Twice`.
    Elements(#[generator(bolero::produce::<Vec<ElementChange>>().with().len(1usize..4))] Vec<ElementChange>),
}

/// Changes the message of one number among those of its kind.
struct Villain {
    over_the_air: bool,
    number: usize,
    alter: Alter,
    passed: Vec<Vec<u8>>,
    canary: (Option<Guti>, Option<MmeUeS1apId>),
}

impl Villain {
    fn pass(&mut self, message: Vec<u8>, seeds: impl Fn(u16) -> Vec<u8>) -> Vec<Vec<u8>> {
        let number = self.passed.len();
        self.passed.push(message.clone());
        if number != self.number {
            return vec![message];
        }
        let earlier = |which: u8| self.passed[usize::from(which) % self.passed.len()].clone();
        match &self.alter {
            Alter::Drop => vec![],
            Alter::Twice => vec![message.clone(), message],
            Alter::Change(changes) => vec![changes.applied(&message)],
            Alter::Instead(which) => vec![earlier(*which)],
            Alter::After(which) => vec![message, earlier(*which)],
            Alter::Foreign(which, changes) => vec![changes.applied(&seeds(*which))],
            Alter::AsCanary(kind) if self.over_the_air => {
                vec![message.clone(), self.in_the_canarys_name(*kind, &message)]
            }
            Alter::AsCanary(_) => vec![self.with_the_canarys_id(&message)],
            Alter::Elements(changes) => match Elements::read(&message) {
                Some(mut elements) => {
                    let other = Elements::read(&seeds(number as u16)).unwrap_or_else(|| elements.clone());
                    changes.iter().for_each(|change| elements.change(change, &other));
                    vec![elements.write()]
                }
                None => vec![message.clone(), message],
            },
        }
    }
}

impl Villain {
    /// S08: what anyone can say who has heard a page or an attach.
    fn in_the_canarys_name(&self, kind: u8, message: &[u8]) -> Vec<u8> {
        let by_imsi = EpsMobileIdentity::Imsi("001010000000001".parse().unwrap());
        let identity = match self.canary.0 {
            Some(guti) if kind & 1 == 0 => EpsMobileIdentity::Guti(guti),
            _ => by_imsi,
        };
        let ksi = if kind & 2 == 0 { KeySetIdentifier::NONE } else { KeySetIdentifier::native(kind >> 5) };
        let message: EmmMessage = match kind >> 2 & 3 {
            0 => DetachRequestUe::new(DetachTypeUe { kind: DetachKindUe::Eps, switch_off: true }, ksi, identity).into(),
            1 => {
                DetachRequestUe::new(DetachTypeUe { kind: DetachKindUe::Eps, switch_off: false }, ksi, identity).into()
            }
            2 => TrackingAreaUpdateRequest::new(TauType { kind: TauKind::Ta, active: true }, ksi, identity).into(),
            _ => match basalt_nas::NasMessage::decode(message, basalt_nas::Direction::Uplink) {
                Ok(basalt_nas::NasMessage::Emm(EmmMessage::AttachRequest(own))) => {
                    EmmMessage::AttachRequest(AttachRequest { identity, ..own })
                }
                _ => {
                    DetachRequestUe::new(DetachTypeUe { kind: DetachKindUe::Combined, switch_off: true }, ksi, identity)
                        .into()
                }
            },
        };
        message.encode().unwrap()
    }

    /// C01: the id of a connection over another base station. A path switch is left out: a base station may ask for that.
    fn with_the_canarys_id(&self, message: &[u8]) -> Vec<u8> {
        const PATH_SWITCH: u8 = 3;
        const MME_UE_S1AP_ID: u16 = 0;
        let (Some(id), Some(mut elements)) = (self.canary.1, Elements::read(message)) else { return message.to_vec() };
        if elements.procedure() == PATH_SWITCH {
            return message.to_vec();
        }
        let example =
            UeContextReleaseRequest::new(id, EnbUeS1apId::new(1).unwrap(), RadioNetworkCause::Unspecified.into());
        let example = Elements::read(&basalt_s1ap::encode(&example.into()).unwrap()).unwrap();
        let value = &example.list().iter().find(|element| element.id == MME_UE_S1AP_ID).unwrap().value;
        elements.set(MME_UE_S1AP_ID, value);
        elements.write()
    }
}

impl Tap for Villain {
    fn nas(&mut self, _: usize, nas: Vec<u8>) -> Vec<Vec<u8>> {
        if !self.over_the_air {
            return vec![nas];
        }
        let all = basalt_fuzz::nas();
        self.pass(nas, |which| all[usize::from(which) % all.len()].1.clone())
    }

    fn s1ap(&mut self, _: usize, pdu: Vec<u8>) -> Vec<Vec<u8>> {
        if self.over_the_air {
            return vec![pdu];
        }
        let all = basalt_fuzz::s1ap();
        self.pass(pdu, |which| all[usize::from(which) % all.len()].clone())
    }

    fn canary(&mut self, guti: Option<Guti>, mme_ue_id: Option<MmeUeS1apId>) {
        self.canary = (guti.or(self.canary.0), mme_ue_id.or(self.canary.1));
    }
}

/// Passes everything on, and counts.
#[derive(Clone, Default)]
struct Counter(std::sync::Arc<std::sync::Mutex<(usize, usize)>>);

impl Tap for Counter {
    fn nas(&mut self, _: usize, nas: Vec<u8>) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().0 += 1;
        vec![nas]
    }
    fn s1ap(&mut self, _: usize, pdu: Vec<u8>) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().1 += 1;
        vec![pdu]
    }
}

/// How many messages an undisturbed life has: NAS of the villain, S1AP of its base stations.
static MESSAGES: LazyLock<(usize, usize)> = LazyLock::new(|| {
    let counter = Counter::default();
    with_canary(SEED, Box::new(counter.clone()), &[]).unwrap();
    let count = *counter.0.lock().unwrap();
    assert!(count.0 > 15 && count.1 > 30, "{count:?}");
    count
});

const SEED: u64 = 7;

/// Stories under `cargo test`.
const STORIES: usize = 300;

fn story(over_the_air: bool, number: u8, alter: &Alter, faults: &[Fault]) -> u64 {
    let messages = if over_the_air { MESSAGES.0 } else { MESSAGES.1 };
    // One more: nothing is altered.
    let number = usize::from(number) % (messages + 1);
    let tap = Villain { over_the_air, number, alter: alter.clone(), passed: Vec::new(), canary: (None, None) };
    match with_canary(SEED, Box::new(tap), faults) {
        Ok(report) => report.complaints,
        Err(failure) => panic!("{failure}"),
    }
}

/// An attacker on the air: no keys.
#[test]
fn one_message_over_the_air() {
    bolero::check!().with_type::<(u8, Alter)>().with_iterations(STORIES).with_test_time(LONGEST).for_each(
        |(number, alter)| {
            story(true, *number, alter, &[]);
        },
    );
}

/// A taken base station.
#[test]
fn one_message_of_a_base_station() {
    bolero::check!().with_type::<(u8, Alter)>().with_iterations(STORIES).with_test_time(LONGEST).for_each(
        |(number, alter)| {
            story(false, *number, alter, &[]);
        },
    );
}

/// A taken phone: what is wrong is under a right MAC.
#[test]
fn one_message_of_a_phone_with_keys() {
    bolero::check!().with_type::<(u8, u8, u8, u64)>().with_iterations(STORIES).with_test_time(LONGEST).for_each(
        |(which, skip, misdeed, seed)| {
            let mutation = Mutation { seed: *seed };
            let misdeed = match misdeed % 8 {
                0 => Misdeed::Silence,
                1 => Misdeed::Plain,
                2 => Misdeed::WrongMac,
                3 => Misdeed::Twice,
                4 => Misdeed::Replay,
                5 => Misdeed::WrongRes,
                _ => Misdeed::Mutate(mutation),
            };
            let at = Uplink::ALL.get(usize::from(*which) % (Uplink::ALL.len() + 1)).copied();
            let fault = Fault { at, skip: u32::from(skip % if at.is_some() { 3 } else { 60 }), times: 1, misdeed };
            story(true, MESSAGES.0 as u8, &Alter::Drop, &[fault]);
        },
    );
}

/// What is refused is counted or told, with a reason: a message that cannot be what it says never vanishes.
#[test]
fn what_is_refused_is_told() {
    let nonsense = Alter::Foreign(0, Changes(vec![basalt_fuzz::Change::Cut { at: 0 }]));
    for number in 0..12 {
        let empty_nas = story(true, number, &nonsense, &[]);
        assert!(empty_nas > 0, "NAS message {number}: empty, and nobody said a word");
        let empty_s1ap = story(false, number, &nonsense, &[]);
        assert!(empty_s1ap > 0, "S1AP message {number}: empty, and nobody said a word");
    }
    for message in [Uplink::AttachRequest, Uplink::AuthenticationResponse, Uplink::SecurityModeComplete] {
        let plain = story(
            true,
            MESSAGES.0 as u8,
            &Alter::Drop,
            &[Fault::once(message, Misdeed::MutateProtected(Mutation { seed: 1 }))],
        );
        assert!(plain > 0, "{message:?}");
    }
}
