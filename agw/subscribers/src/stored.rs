//! A subscriber as it is kept: keys sealed, everything else in clear.

pub mod v1;

use crate::Subscriber;
use agw_types::{Profile, SubscribedRule, SubscriberState};
use basalt_ids::{Apn, Imsi};
use basalt_security::{AkaAlgorithm, Milenage, SealedKey, SealingKey, Secret, Sqn, Tuak, Unsealable};
use serde::{Deserialize, Serialize};

/// Octets of a nonce for sealing.
pub const NONCE: usize = 24;

/// Which functions a SIM has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum StoredAlgorithm {
    /// Milenage (TS 35.206): K and OPc of 16 octets.
    #[default]
    Milenage,
    /// TUAK (TS 35.231): K of 16 or 32 octets, TOPc of 32.
    Tuak,
}

/// A subscriber's record, version 2. Its layout is a format: a change is a new struct.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredSubscriber {
    /// What it may have.
    pub profile: Profile,
    /// Name for people.
    pub name: String,
    /// May it attach.
    pub state: SubscriberState,
    /// Which functions.
    pub algorithm: StoredAlgorithm,
    /// K, sealed.
    pub k: SealedKey,
    /// OPc or TOPc, sealed.
    pub opc: SealedKey,
    /// Authentication management field.
    pub amf: [u8; 2],
    /// Sequence number it started with.
    pub sqn: u64,
}

/// Rules of a subscriber by access point: a record beside [`StoredSubscriber`], that only those have who have any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRules {
    /// Whose.
    pub imsi: Imsi,
    /// In order.
    pub rules: Vec<(Apn, SubscribedRule)>,
}

/// A SIM's secrets on their way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Which functions.
    pub algorithm: StoredAlgorithm,
    /// K.
    pub k: Secret<Vec<u8>>,
    /// OPc or TOPc.
    pub opc: Secret<Vec<u8>>,
}

/// Keys that cannot be a SIM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidKeys(pub &'static str);

impl core::fmt::Display for InvalidKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for InvalidKeys {}

const MILENAGE_K: InvalidKeys = InvalidKeys("K of Milenage has 16 octets (32 hexadecimal digits)");
const MILENAGE_OPC: InvalidKeys = InvalidKeys("OPc and OP of Milenage have 16 octets (32 hexadecimal digits)");
const TUAK_K: InvalidKeys = InvalidKeys("K of TUAK has 16 or 32 octets (32 or 64 hexadecimal digits)");
const TUAK_TOPC: InvalidKeys = InvalidKeys("TOPc and TOP of TUAK have 32 octets (64 hexadecimal digits)");

impl Credentials {
    /// From K and the operator's value: OPc (`derived`) or OP, from which OPc is computed.
    ///
    /// # Errors
    /// [`InvalidKeys`] for wrong lengths.
    pub fn new(
        algorithm: StoredAlgorithm,
        k: Secret<Vec<u8>>,
        operator: Secret<Vec<u8>>,
        derived: bool,
    ) -> Result<Self, InvalidKeys> {
        let opc = match (algorithm, derived) {
            (_, true) => operator,
            (StoredAlgorithm::Milenage, false) => {
                let key = Secret::new(array(&k).ok_or(MILENAGE_K)?);
                let op = Secret::new(array(&operator).ok_or(MILENAGE_OPC)?);
                Secret::new(Milenage::opc(&key, &op).expose().to_vec())
            }
            (StoredAlgorithm::Tuak, false) => {
                let top = Secret::new(array(&operator).ok_or(TUAK_TOPC)?);
                let topc = Tuak::topc(k.expose(), &top, 1).ok_or(TUAK_K)?;
                Secret::new(topc.expose().to_vec())
            }
        };
        let credentials = Self { algorithm, k, opc };
        credentials.functions()?;
        Ok(credentials)
    }

    /// The authentication functions with these keys.
    ///
    /// # Errors
    /// [`InvalidKeys`] for wrong lengths.
    pub fn functions(&self) -> Result<AkaAlgorithm, InvalidKeys> {
        match self.algorithm {
            StoredAlgorithm::Milenage => {
                let k = Secret::new(array(&self.k).ok_or(MILENAGE_K)?);
                let opc = Secret::new(array(&self.opc).ok_or(MILENAGE_OPC)?);
                Ok(AkaAlgorithm::milenage(&k, &opc))
            }
            StoredAlgorithm::Tuak => {
                let topc = Secret::new(array(&self.opc).ok_or(TUAK_TOPC)?);
                Tuak::new(self.k.expose(), &topc).map(AkaAlgorithm::Tuak).ok_or(TUAK_K)
            }
        }
    }
}

fn array<const N: usize>(octets: &Secret<Vec<u8>>) -> Option<[u8; N]> {
    octets.expose().as_slice().try_into().ok()
}

impl StoredSubscriber {
    /// Seals a subscriber. Each nonce must be drawn at random for this call.
    #[must_use]
    pub fn seal(
        subscriber: &Subscriber,
        credentials: &Credentials,
        key: &SealingKey,
        nonces: [[u8; NONCE]; 2],
    ) -> Self {
        let imsi = subscriber.profile.imsi;
        let [first, second] = nonces;
        Self {
            profile: subscriber.profile.clone(),
            name: subscriber.name.clone(),
            state: subscriber.state,
            algorithm: credentials.algorithm,
            k: key.seal(imsi, "k", first, credentials.k.expose()),
            opc: key.seal(imsi, "opc", second, credentials.opc.expose()),
            amf: subscriber.amf,
            sqn: subscriber.sqn.value(),
        }
    }

    /// Whose record this is.
    #[must_use]
    pub const fn imsi(&self) -> Imsi {
        self.profile.imsi
    }

    /// The secrets.
    ///
    /// # Errors
    /// [`Unsealable`] with another sealing key, or when the record was tampered with.
    pub fn credentials(&self, key: &SealingKey) -> Result<Credentials, Unsealable> {
        let imsi = self.profile.imsi;
        Ok(Credentials {
            algorithm: self.algorithm,
            k: key.open(imsi, "k", &self.k)?,
            opc: key.open(imsi, "opc", &self.opc)?,
        })
    }

    /// Ready for use.
    ///
    /// # Errors
    /// [`Unsealable`] as for [`StoredSubscriber::credentials`], and for sealed keys of a wrong length.
    pub fn open(&self, key: &SealingKey) -> Result<Subscriber, Unsealable> {
        let aka = self.credentials(key)?.functions().map_err(|_| Unsealable)?;
        Ok(Subscriber {
            profile: self.profile.clone(),
            name: self.name.clone(),
            state: self.state,
            aka,
            amf: self.amf,
            sqn: Sqn::new(self.sqn).ok_or(Unsealable)?,
        })
    }
}
