//! Answers made smaller by gzip (RFC 1952) for clients that take it.
//!
//! Only what is read, and never where an answer tells a secret of who asks: beside something that an attacker chose its size would give
//! it away letter by letter (BREACH). Single objects stay as they are, too: their entity tag is of exactly these octets.

use crate::{Operation, Route};
use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Octets below which it is not worth the while.
const LEAST: usize = 1024;

/// Whether answers of a route may be packed.
pub(crate) const fn may(route: &Route) -> bool {
    !matches!(
        route.operation,
        Operation::Me
            | Operation::LoginOptions
            | Operation::BeginLogin
            | Operation::FinishLogin
            | Operation::ListSessions
            | Operation::ListKeys
            | Operation::ListUsers
            | Operation::ListGatewayTokens
    ) && matches!(route.method.as_bytes(), b"GET")
}

/// Whether a client takes gzip.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let told = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|told| told.to_str().ok());
    told.into_iter().any(|told| accepts(told, "gzip"))
}

/// Whether an encoding is among those that a client takes, and not at quality 0 (RFC 9110 §12.5.3).
#[must_use]
pub fn accepts(told: &str, encoding: &str) -> bool {
    told.split(',').any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let refused =
            quality.trim().strip_prefix("q=").and_then(|text| text.parse::<f32>().ok()).is_some_and(|q| q <= 0.0);
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

/// A body, smaller; `None` where it stays as it is.
pub(crate) fn pack(body: &str) -> Option<Vec<u8>> {
    if body.len() < LEAST {
        return None;
    }
    let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    packer.write_all(body.as_bytes()).ok()?;
    packer.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes;
    use std::io::Read as _;

    #[test]
    fn what_is_packed_comes_out_again_and_small_things_stay() {
        assert_eq!(pack(&"x".repeat(LEAST - 1)), None);
        let text = "{\"name\": \"001010000000001\"}".repeat(100);
        let packed = pack(&text).unwrap();
        assert!(packed.len() * 5 < text.len());
        let mut back = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut back).unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn nothing_that_changes_something_or_tells_a_secret_is_packed() {
        let packed: Vec<Route> = routes().into_iter().filter(may).collect();
        assert!(packed.iter().all(|route| route.method == "GET"));
        let secret = ["me", "api-keys", "users", "gateway-tokens", "login"];
        for Route { path, .. } in &packed {
            // Sessions of a network are phones', those of nobody's network users'.
            assert!(!path.starts_with("/api/v1/sessions"), "{path}");
            assert!(!path.split('/').any(|part| secret.contains(&part)), "{path}");
        }
        assert!(packed.iter().any(|route| route.path.ends_with("/subscribers")));
    }

    #[test]
    fn quality_zero_is_a_refusal() {
        for (told, expected) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("", false)]
        {
            assert_eq!(accepts(told, "gzip"), expected, "{told}");
        }
    }
}
