//! The way to the collector: TCP, and TLS where its address says so. Made when it is needed, and made anew when it broke.

use crate::Settings;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

/// For a connection, and for an answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(10);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A channel that connects at its first use.
///
/// # Errors
/// The settings cannot be used.
pub(crate) fn channel(settings: &Settings) -> Result<Channel, String> {
    settings.check()?;
    let uri: Uri = settings.endpoint.parse().map_err(|error| format!("endpoint {:?}: {error}", settings.endpoint))?;
    let secure = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(4317);
    let tls = secure.then(|| connector(settings)).transpose()?;
    let name = ServerName::try_from(host.clone()).map_err(|_| format!("{host:?} is not a name or an address"))?;
    // The connection is encrypted below gRPC, which is therefore not asked to do it.
    let below = format!("http://{}", uri.authority().map_or("collector", |authority| authority.as_str()));
    let endpoint = Endpoint::from_shared(below).map_err(|error| error.to_string())?;
    let endpoint = endpoint.origin(uri).connect_timeout(CONNECT).timeout(ANSWER);
    let connect = tower::service_fn(move |_: Uri| {
        let (host, tls, name) = (host.clone(), tls.clone(), name.clone());
        async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Io> = match tls {
                None => Box::new(stream),
                Some(tls) => Box::new(tls.connect(name, stream).await?),
            };
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    });
    Ok(endpoint.connect_with_connector_lazy(connect))
}

fn connector(settings: &Settings) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca {
        let at = |error: &dyn core::fmt::Display| format!("ca {}: {error}", path.display());
        let list = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        for root in list.map_err(|error| at(&error))? {
            roots.add(root).map_err(|error| at(&error))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err("no authority is known: name the collector's by `ca`, or install ca-certificates".to_owned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config).into())
}
