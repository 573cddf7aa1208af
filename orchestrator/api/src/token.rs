//! Tokens: 256 random bits, kept as digests.

use sha2::{Digest, Sha256};

/// A new token with a prefix that says what it is: `bst_…`.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn new_token(prefix: &str) -> Result<String, getrandom::Error> {
    Ok(format!("{prefix}_{}", new_secret()?))
}

/// A setup token, for the daemon's first start.
///
/// # Errors
/// When the system has no randomness.
pub fn new_setup_token() -> Result<String, getrandom::Error> {
    new_token("setup")
}

/// 256 random bits in hexadecimal digits.
///
/// # Errors
/// When the system has no randomness.
pub fn new_secret() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(hex(&random))
}

/// As which a token is kept. It has full entropy, so that a plain digest cannot be searched.
#[must_use]
pub fn digest_of(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets from hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok());
    text.len().is_multiple_of(2).then(|| pairs.collect::<Option<_>>())?
}
