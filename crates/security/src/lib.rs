//! AKA, key tree, NAS protection and sealing of keys at rest.
//!
//! What it is: pure functions and values over octets. What it deliberately is not: a codec of NAS messages (it sees an envelope
//! and octets), a subscriber store, a source of randomness or time.
//!
//! Invariants: keys are wiped when dropped and never printed; comparisons of secrets take constant time; no NAS count is used
//! or accepted twice with one key; null integrity is never chosen and never verifies for a network.
//!
//! ```
//! use basalt_security::{
//!     AMF_EPS, AkaAlgorithm, AlgorithmOrder, NasSecurityContext, Protection, Provider, Secret, Side, Sqn,
//!     SqnTracker, Usim,
//! };
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let subscriber = AkaAlgorithm::milenage(&Secret::new([0x46; 16]), &Secret::new([0xe8; 16]));
//! let serving = "001-01".parse()?;
//!
//! // The network asks, the USIM answers, both have K_ASME.
//! let vector = subscriber.vector(&[0x23; 16], Sqn::new(64).ok_or("range")?, AMF_EPS);
//! let mut usim = Usim::new(subscriber, SqnTracker::new());
//! let response = usim.answer(&vector.rand, &vector.autn)?;
//! assert!(vector.xres.matches(response.res.expose()));
//!
//! // The capability octets of the phone choose the algorithms; messages go through.
//! let chosen = AlgorithmOrder::default().select(0xf0, 0x70)?;
//! let context = |side, kasme| NasSecurityContext::new(side, 0, kasme, chosen, Provider::STANDARD);
//! let mut network = context(Side::Network, vector.kasme(serving));
//! let mut phone = context(Side::Ue, response.kasme(serving));
//! let sent = phone.protect(Protection::IntegrityCiphered, &[0x07, 0x5e])?;
//! assert_eq!(network.verify(&sent)?.get(), &[0x07, 0x5e]);
//! assert!(network.verify(&sent).is_err());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod aka;
mod algorithm;
mod key_file;
mod keys;
mod nas;
mod provider;
mod seal;
mod secret;

pub use aka::{
    AMF_EPS, AkaAlgorithm, AuthVector, MacFailure, Milenage, Sqn, SqnOutOfRange, SqnTracker, Tuak, TuakLengths,
    TuakOutputs, Usim, UsimFailure, UsimResponse,
};
pub use algorithm::{AlgorithmOrder, Algorithms, Ciphering, Integrity, NoCommonAlgorithm, OrderError};
pub use key_file::KeyFileError;
pub use keys::{AccessKeyChain, hash_mme, kasme, kenb_star};
pub use nas::{Direction, NasSecurityContext, ProtectError, Protection, Side, Verified, VerifyError};
pub use provider::Provider;
pub use seal::{NONCE as SEALING_NONCE, SealedKey, SealingKey, Unsealable};
pub use secret::Secret;
