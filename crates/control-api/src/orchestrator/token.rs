//! The token that a gateway joins with: where the orchestrator is, by what it is recognised, and a one-off secret.
//!
//! `bgt1.HOST:PORT.FINGERPRINT.SECRET` (several places with commas between): fingerprint (SHA-256 of the authority's certificate) and secret are 64 hexadecimal digits
//! each. Whoever has the token can join one gateway, so it is shown nowhere but where it was made.

use core::fmt;
use core::str::FromStr;

const PREFIX: &str = "bgt1.";
const DIGITS: usize = 64;

/// A token, read.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// Where the orchestrator listens for gateways: `HOST:PORT`, or several with commas between.
    pub address: String,
    /// SHA-256 of the authority's certificate (DER).
    pub fingerprint: [u8; 32],
    /// What the orchestrator knows the digest of.
    pub secret: String,
}

/// Whether a text is `HOST:PORT`, as gateways find an orchestrator by it.
#[must_use]
pub fn is_place(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let named = !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    named && matches!(port.parse::<u16>(), Ok(1..))
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongToken;

impl fmt::Display for WrongToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no token for a gateway: it begins with bgt1. and is one line, as `basalt gateway token create` printed it")
    }
}

impl std::error::Error for WrongToken {}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.", self.address)?;
        self.fingerprint.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        write!(f, ".{}", self.secret)
    }
}

impl FromStr for JoinToken {
    type Err = WrongToken;

    fn from_str(text: &str) -> Result<Self, WrongToken> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(WrongToken)?;
        // From the back: a host has dots of its own.
        let (rest, secret) = rest.rsplit_once('.').ok_or(WrongToken)?;
        let (address, digits) = rest.rsplit_once('.').ok_or(WrongToken)?;
        let hexadecimal = |text: &str| text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hexadecimal(secret) || !hexadecimal(digits) || !address.split(',').all(is_place) {
            return Err(WrongToken);
        }
        let mut fingerprint = [0; 32];
        for (octet, pair) in fingerprint.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = core::str::from_utf8(pair).map_err(|_| WrongToken)?;
            *octet = u8::from_str_radix(pair, 16).map_err(|_| WrongToken)?;
        }
        Ok(Self { address: address.to_owned(), fingerprint, secret: secret.to_ascii_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_is_not_shown() {
        for address in ["core.example.net:8481", "[2001:db8::1]:1", "192.0.2.1:65535"] {
            let token = JoinToken { address: address.to_owned(), fingerprint: [0xab; 32], secret: "5e".repeat(32) };
            assert_eq!(token.to_string().parse::<JoinToken>().unwrap(), token);
            assert!(!format!("{token:?}").contains("5e5e"));
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let (digits, short) = ("ab".repeat(32), "ab".repeat(31));
        for text in [
            String::new(),
            "bgt1.".to_owned(),
            format!("bgt1.host.{digits}.{digits}"),
            format!("bgt1.host:0.{digits}.{digits}"),
            format!("bgt1.:1.{digits}.{digits}"),
            format!("bgt1.host:1.{short}.{digits}"),
            format!("bgt1.host:1.{digits}.{short}zz"),
            format!("bgt2.host:1.{digits}.{digits}"),
        ] {
            assert_eq!(text.parse::<JoinToken>(), Err(WrongToken), "{text}");
        }
    }
}
