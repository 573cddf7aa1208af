//! Authentication and key agreement (TS 33.102 §6.3, TS 33.401 §6.1): the network's side and the USIM's side.

mod sqn;
mod tuak;
mod usim;

pub use sqn::{Sqn, SqnOutOfRange, SqnTracker};
pub use tuak::{Tuak, TuakLengths, TuakOutputs};
pub use usim::{Usim, UsimFailure, UsimResponse};

use crate::{Secret, keys};
use basalt_ids::Plmn;
use oxirush_security::milenage::{Amf, Auts, K, Milenage as Functions, Op, Opc};
use oxirush_security::{Autn, Rand};
use thiserror::Error;

/// AMF with the separation bit, which every vector for EPS and 5GS has (TS 33.401 §6.1.1, TS 33.102 annex H).
pub const AMF_EPS: [u8; 2] = [0x80, 0x00];

/// A subscriber's authentication functions with the subscriber's keys in them.
#[derive(Clone)]
pub enum AkaAlgorithm {
    /// Milenage (TS 35.206).
    Milenage(Milenage),
    /// TUAK (TS 35.231).
    Tuak(Tuak),
}

/// Milenage with a subscriber's K and OPc.
#[derive(Clone)]
pub struct Milenage(Functions);

/// An authentication vector: what the network asks and what it expects (TS 33.102 §6.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthVector {
    /// Challenge.
    pub rand: [u8; 16],
    /// Token that proves the network.
    pub autn: [u8; 16],
    /// Expected response, 4 to 16 octets.
    pub xres: Secret<Vec<u8>>,
    /// Ciphering key.
    pub ck: Secret<[u8; 16]>,
    /// Integrity key.
    pub ik: Secret<[u8; 16]>,
}

/// A token that was not made with the subscriber's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the authentication code of the token is wrong")]
pub struct MacFailure;

/// What an AUTN says to the one who has the key.
pub(crate) struct Opened {
    pub(crate) sqn: Sqn,
    pub(crate) amf: [u8; 2],
    pub(crate) res: Secret<Vec<u8>>,
    pub(crate) ck: Secret<[u8; 16]>,
    pub(crate) ik: Secret<[u8; 16]>,
}

impl core::fmt::Debug for AkaAlgorithm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Milenage(_) => "Milenage(…)",
            Self::Tuak(_) => "Tuak(…)",
        })
    }
}

impl Milenage {
    /// With K and OPc.
    #[must_use]
    pub fn new(k: &Secret<[u8; 16]>, opc: &Secret<[u8; 16]>) -> Self {
        Self(Functions::new(&K::new(k.expose()), &Opc::new(opc.expose())))
    }

    /// OPc of a subscriber from the operator's OP (TS 35.206 §4.1).
    #[must_use]
    pub fn opc(k: &Secret<[u8; 16]>, op: &Secret<[u8; 16]>) -> Secret<[u8; 16]> {
        let opc = Opc::from_op(&K::new(k.expose()), &Op::new(op.expose()));
        Secret::new(*opc.as_octets())
    }
}

impl AkaAlgorithm {
    /// Milenage with K and OPc.
    #[must_use]
    pub fn milenage(k: &Secret<[u8; 16]>, opc: &Secret<[u8; 16]>) -> Self {
        Self::Milenage(Milenage::new(k, opc))
    }

    /// A vector of an unpredictable `rand` and a sequence number that was never used before.
    #[must_use]
    pub fn vector(&self, rand: &[u8; 16], sqn: Sqn, amf: [u8; 2]) -> AuthVector {
        match self {
            Self::Milenage(Milenage(functions)) => {
                let vector = functions.authentication_vector(&Rand::new(rand), &milenage_sqn(sqn), &Amf::new(&amf));
                AuthVector {
                    rand: *rand,
                    autn: *vector.autn().as_octets(),
                    xres: Secret::new(vector.xres().as_octets().to_vec()),
                    ck: Secret::new(*vector.ck().as_octets()),
                    ik: Secret::new(*vector.ik().as_octets()),
                }
            }
            Self::Tuak(tuak) => tuak.vector(rand, sqn, amf),
        }
    }

    /// The USIM's highest sequence number from its re-synchronisation token (TS 33.102 §6.3.5).
    ///
    /// # Errors
    /// [`MacFailure`] when the token was not made by this subscriber for this challenge.
    pub fn open_auts(&self, rand: &[u8; 16], auts: &[u8; 14]) -> Result<Sqn, MacFailure> {
        match self {
            Self::Milenage(Milenage(functions)) => functions
                .verify_auts(&Rand::new(rand), &Auts::new(auts))
                .map_err(|_| MacFailure)
                .and_then(|sqn| Sqn::new(sqn.get()).ok_or(MacFailure)),
            Self::Tuak(tuak) => tuak.open_auts(rand, auts),
        }
    }

    /// A re-synchronisation token, made by a USIM (TS 33.102 §6.3.3).
    #[must_use]
    pub fn auts(&self, rand: &[u8; 16], highest: Sqn) -> [u8; 14] {
        match self {
            Self::Milenage(Milenage(functions)) => {
                *functions.auts(&Rand::new(rand), &milenage_sqn(highest)).as_octets()
            }
            Self::Tuak(tuak) => tuak.auts(rand, highest),
        }
    }

    /// Opens a network's token, as a USIM does.
    pub(crate) fn open_autn(&self, rand: &[u8; 16], autn: &[u8; 16]) -> Result<Opened, MacFailure> {
        match self {
            Self::Milenage(Milenage(functions)) => {
                let response = functions.check_autn(&Rand::new(rand), &Autn::new(autn)).map_err(|_| MacFailure)?;
                Ok(Opened {
                    sqn: Sqn::new(response.sqn().get()).ok_or(MacFailure)?,
                    amf: *response.amf().as_octets(),
                    res: Secret::new(response.res().as_octets().to_vec()),
                    ck: Secret::new(*response.ck().as_octets()),
                    ik: Secret::new(*response.ik().as_octets()),
                })
            }
            Self::Tuak(tuak) => tuak.open_autn(rand, autn),
        }
    }
}

fn milenage_sqn(sqn: Sqn) -> oxirush_security::milenage::Sqn {
    oxirush_security::milenage::Sqn::new(&sqn.octets())
}

impl AuthVector {
    /// K_ASME for a serving network (TS 33.401 §A.2).
    #[must_use]
    pub fn kasme(&self, serving: Plmn) -> Secret<[u8; 32]> {
        keys::kasme(&self.ck, &self.ik, serving, &self.autn)
    }
}

#[cfg(test)]
mod tests;
