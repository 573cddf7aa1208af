//! Identities of the 3GPP world as types.
//!
//! What it is: plain values with validated construction and `Debug` forms that mask what identifies a person (IMSI, IMEI,
//! MSISDN). What it deliberately is not: logic, allocation or codecs, except for the two octet forms of a PLMN identity,
//! which every codec needs and which differ (see [`Plmn`]).
//!
//! ```
//! use basalt_ids::{Imsi, Plmn};
//! let imsi: Imsi = "001010000000001".parse().unwrap();
//! assert_eq!(format!("{imsi:?}"), "Imsi(00101…0001)");
//! assert_eq!(Plmn::new(310, 410, 3).unwrap().to_nas(), [0x13, 0x00, 0x14]);
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests"))]

mod equipment;
mod guti;
mod plmn;
mod radio;
mod session;
mod subscriber;

pub use equipment::{Imei, Imeisv};
pub use guti::{Gummei, Guti, MTmsi, MmeCode, MmeGroupId, STmsi};
pub use plmn::{Plmn, Tac, Tai};
pub use radio::{Ecgi, Eci, EnbId, EnbUeS1apId, GlobalEnbId, MmeUeS1apId};
pub use session::{Apn, Ebi, PduSessionId, Pti, Qci, Teid};
pub use subscriber::{Imsi, Msisdn};

/// Why a text or number is not the identity it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidId {
    /// A character that is not a decimal digit.
    NotDigits,
    /// Too few or too many digits, octets or characters.
    Length,
    /// A number outside the range of the identity.
    Range,
}

impl core::fmt::Display for InvalidId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            InvalidId::NotDigits => "only decimal digits are allowed",
            InvalidId::Length => "wrong length",
            InvalidId::Range => "number out of range",
        })
    }
}

impl std::error::Error for InvalidId {}
