//! Octets to an orchestrator and back: TLS, or plain TCP on this machine.

use crate::error::{Error, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connection.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// Where an orchestrator is, and by what it is recognised.
pub(crate) struct Transport {
    /// `HOST:PORT`.
    pub(crate) address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Transport {
    /// Reads `https://HOST[:PORT]` or `http://HOST:PORT`. Over TLS, the authorities of a file count, or those of the system.
    ///
    /// # Errors
    /// It is no such address, or the file cannot be read.
    pub(crate) fn new(url: &str, authorities: Option<&Path>) -> Result<Self> {
        let wrong = || {
            Error::usage(
                format!("`{}` is not the address of an orchestrator", url.escape_debug()),
                "it is https://HOST:PORT or http://HOST:PORT, such as http://127.0.0.1:8480",
            )
        };
        let plain = url.trim_end_matches('/');
        let (rest, is_tls) = match (plain.strip_prefix("https://"), plain.strip_prefix("http://")) {
            (Some(rest), _) => (rest, true),
            (_, Some(rest)) => (rest, false),
            _ => return Err(wrong()),
        };
        if rest.is_empty() || !rest.bytes().all(|octet| octet.is_ascii_graphic() && !b"/@?#".contains(&octet)) {
            return Err(wrong());
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.contains(']') => (host, port.parse::<u16>().ok()),
            _ => (rest, is_tls.then_some(443)),
        };
        let address = format!("{host}:{}", port.ok_or_else(wrong)?);
        if !is_tls {
            return Ok(Self { address, tls: None });
        }
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned());
        let connector = TlsConnector::from(Arc::new(config(authorities)?));
        Ok(Self { address, tls: Some((connector, name.map_err(|_| wrong())?)) })
    }

    /// Connects.
    ///
    /// # Errors
    /// As the network or TLS says.
    pub(crate) async fn open(&self) -> std::io::Result<Box<dyn Io>> {
        let stream = TcpStream::connect(&self.address).await?;
        Ok(match &self.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
            None => Box::new(stream),
        })
    }
}

fn config(authorities: Option<&Path>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(file) => {
            let cannot = |what: String| {
                let words = format!("{} holds no certificates: {what}", file.display());
                Error::usage(words, "name a PEM file of the authority, or of the orchestrator's own certificate")
            };
            let all = CertificateDer::pem_file_iter(file).map_err(|error| cannot(error.to_string()))?;
            for certificate in all {
                let certificate = certificate.map_err(|error| cannot(error.to_string()))?;
                roots.add(certificate).map_err(|error| cannot(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(cannot("it is empty".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(std::io::Error::other)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let address = |url: &str| Transport::new(url, None).map(|it| (it.address, it.tls.is_some())).ok();
        for (url, wanted, tls) in [
            ("http://127.0.0.1:8480/", "127.0.0.1:8480", false),
            ("https://core.example", "core.example:443", true),
            ("https://core.example:8480", "core.example:8480", true),
            ("https://[2001:db8::1]:8480", "[2001:db8::1]:8480", true),
            ("https://[2001:db8::1]", "[2001:db8::1]:443", true),
        ] {
            assert_eq!(address(url), Some((wanted.to_owned(), tls)), "{url}");
        }
        for url in
            ["h:1", "ftp://h:1", "http://h", "http://h:x", "http://h:1/api", "https://", "https://a@h", "http://:1"]
        {
            assert_eq!(address(url), None, "{url}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, text).unwrap();
            let error = Transport::new("https://h", Some(&file)).err().unwrap().to_string();
            assert!(error.contains("ca.pem holds no certificates"), "{error}");
        }
        assert!(Transport::new("https://h", Some(&folder.path().join("none"))).is_err());
    }
}
