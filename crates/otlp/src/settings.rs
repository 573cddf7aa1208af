//! The collector in a file of configuration.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[otlp]` of a daemon's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the collector listens for OTLP over gRPC: `http://HOST:PORT` or `https://HOST:PORT`; 4317 is its port.
    pub endpoint: String,
    /// Authority of the collector's certificate, PEM; those of the machine where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The share of traces that is told, 0 to 1.
    #[serde(default = "all")]
    pub sample: f64,
    /// Whether IMSIs are told whole. Otherwise their middle is left out.
    #[serde(default)]
    pub identities: bool,
}

const fn all() -> f64 {
    1.0
}

impl Settings {
    /// Whether they can be used.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        let rest = self.endpoint.strip_prefix("http://").or_else(|| self.endpoint.strip_prefix("https://"));
        let rest = rest.map(|rest| rest.trim_end_matches('/'));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains('/')) {
            return Err(format!(
                "endpoint {:?} is not http://HOST:PORT or https://HOST:PORT: OTLP over gRPC has no path; its port is \
                 usually 4317",
                self.endpoint
            ));
        }
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(format!("sample {} is not a share: 0 tells no trace, 1 tells all", self.sample));
        }
        Ok(())
    }
}

/// An IMSI as it is told: whole, or without the middle of its subscriber part.
#[must_use]
pub fn masked(imsi: &str, whole: bool) -> String {
    if whole {
        return imsi.to_owned();
    }
    let count = imsi.chars().count();
    let shown = |place: usize| place < 5 || place + 2 >= count;
    imsi.chars().enumerate().map(|(place, digit)| if shown(place) { digit } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, sample: f64) -> Settings {
        Settings { endpoint: endpoint.to_owned(), ca: None, sample, identities: false }
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(settings("http://127.0.0.1:4317", 1.0).check(), Ok(()));
        assert_eq!(settings("https://otel.example.net/", 0.1).check(), Ok(()));
        let of = |endpoint, sample| settings(endpoint, sample).check().unwrap_err();
        assert!(of("127.0.0.1:4317", 1.0).contains("http://HOST:PORT"));
        assert!(of("http://a/v1/traces", 1.0).contains("no path"));
        assert!(of("http://a:1", 2.0).contains("0 tells no trace"));
        assert!(of("http://a:1", f64::NAN).contains("not a share"));
    }

    #[test]
    fn identities_lose_their_middle() {
        assert_eq!(masked("001010000000123", false), "00101********23");
        assert_eq!(masked("001010000000123", true), "001010000000123");
        assert_eq!(masked("", false), "");
    }
}
