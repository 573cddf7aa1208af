//! Identities of a piece of mobile equipment (TS 23.003 §6.2). Masked in `Debug`.

use crate::InvalidId;
use crate::subscriber::{Digits, digit_identity};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// International mobile equipment identity: 14 digits, or 15 with the check digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imei(Digits);
digit_identity!(Imei, 14, 15, "an IMEI (14 or 15 digits)");

/// IMEI with software version: 16 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Imeisv(Digits);
digit_identity!(Imeisv, 16, 16, "an IMEISV (16 digits)");

impl Imeisv {
    /// The first eight digits, which tell maker and model.
    #[must_use]
    pub fn type_allocation_code(self) -> u32 {
        (0..8).fold(0, |n, i| n * 10 + u32::from(self.digit(i)))
    }

    /// The six digits after them, which tell one device of the type from another.
    #[must_use]
    pub fn serial_number(self) -> u32 {
        (8..14).fold(0, |n, i| n * 10 + u32::from(self.digit(i)))
    }
}
