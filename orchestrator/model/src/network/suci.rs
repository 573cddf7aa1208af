//! Key pairs by which phones conceal their identity.

use crate::Checker;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A home network key pair (TS 33.501 annex C.3.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuciProfile {
    /// Home network public key identifier, 0 to 255.
    pub home_network_public_key_identifier: u8,
    /// ECIES profile.
    pub protection_scheme: SuciScheme,
    /// Public key in hexadecimal: 64 digits for profile A, 66 (compressed) for profile B.
    pub home_network_public_key: String,
    /// Write-only: private key, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub home_network_private_key: Option<String>,
}

impl SuciProfile {
    pub(super) fn check(&self, c: &mut Checker) {
        let digits = match self.protection_scheme {
            SuciScheme::ProfileA => 64,
            SuciScheme::ProfileB => 66,
        };
        c.hex("home_network_public_key", &self.home_network_public_key, digits);
        if let Some(key) = &self.home_network_private_key {
            c.hex("home_network_private_key", key, 64);
        }
    }
}

/// ECIES profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuciScheme {
    /// Curve25519.
    ProfileA,
    /// secp256r1.
    ProfileB,
}
