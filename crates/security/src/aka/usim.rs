//! The USIM's answer to a challenge (TS 33.102 §6.3.3, TS 33.401 §6.1.1), for test phones.

use super::{AkaAlgorithm, Sqn, SqnTracker};
use crate::{Secret, keys};
use basalt_ids::Plmn;
use thiserror::Error;

/// A USIM: keys and the memory of sequence numbers.
#[derive(Debug, Clone)]
pub struct Usim {
    algorithm: AkaAlgorithm,
    tracker: SqnTracker,
}

/// What a USIM answers to a challenge it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsimResponse {
    /// Response, 4 to 16 octets.
    pub res: Secret<Vec<u8>>,
    /// Ciphering key.
    pub ck: Secret<[u8; 16]>,
    /// Integrity key.
    pub ik: Secret<[u8; 16]>,
    autn: [u8; 16],
}

/// Why a USIM or phone refuses a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UsimFailure {
    /// EMM cause #20.
    #[error("MAC failure")]
    Mac,
    /// EMM cause #21, with the token for re-synchronisation.
    #[error("synch failure")]
    Synch {
        /// The token.
        auts: [u8; 14],
    },
    /// EMM cause #26: the separation bit of the AMF is not set, so the vector is not for EPS.
    #[error("non-EPS authentication unacceptable")]
    NotForEps,
}

impl Usim {
    /// A USIM with its keys and what it has seen.
    #[must_use]
    pub const fn new(algorithm: AkaAlgorithm, tracker: SqnTracker) -> Self {
        Self { algorithm, tracker }
    }

    /// The highest sequence number it has accepted.
    #[must_use]
    pub fn highest_sqn(&self) -> Sqn {
        self.tracker.highest()
    }

    /// Judges a challenge and answers it.
    ///
    /// # Errors
    /// [`UsimFailure`]; only an accepted sequence number is remembered.
    pub fn answer(&mut self, rand: &[u8; 16], autn: &[u8; 16]) -> Result<UsimResponse, UsimFailure> {
        let opened = self.algorithm.open_autn(rand, autn).map_err(|_| UsimFailure::Mac)?;
        if opened.amf[0] & 0x80 == 0 {
            return Err(UsimFailure::NotForEps);
        }
        if self.tracker.accept(opened.sqn).is_err() {
            let auts = self.algorithm.auts(rand, self.tracker.highest());
            return Err(UsimFailure::Synch { auts });
        }
        Ok(UsimResponse { res: opened.res, ck: opened.ck, ik: opened.ik, autn: *autn })
    }
}

impl UsimResponse {
    /// K_ASME for the serving network.
    #[must_use]
    pub fn kasme(&self, serving: Plmn) -> Secret<[u8; 32]> {
        keys::kasme(&self.ck, &self.ik, serving, &self.autn)
    }
}
