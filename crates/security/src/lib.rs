//! AKA, key tree, NAS protection and sealing of keys at rest.
//!
//! What it is: pure functions and values over octets. What it deliberately is not: a codec of NAS messages (it sees an envelope
//! and octets), a subscriber store, a source of randomness or time.
//!
//! Invariants: keys are wiped when dropped and never printed; comparisons of secrets take constant time; no NAS count is used
//! or accepted twice with one key; null integrity is never chosen and never verifies for a network.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod aka;
mod algorithm;
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
pub use keys::{AccessKeyChain, hash_mme, kasme, kenb_star};
pub use nas::{Direction, NasSecurityContext, ProtectError, Protection, Side, Verified, VerifyError};
pub use provider::Provider;
pub use seal::{KeyFileError, SealedKey, SealingKey, Unsealable};
pub use secret::Secret;
