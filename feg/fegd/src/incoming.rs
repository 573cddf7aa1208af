//! Connections of gateways: by TLS with the certificate of the configuration, or with the one that the orchestrator gave; in clear from
//! this machine only.

use anyhow::{Context as _, Result};
use basalt_cloud_link::{DeviceKey, server_config};
use basalt_cloud_sync::Identity;
use basalt_control_api::orchestrator::member_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// A handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What TLS begins with (RFC 8446 §5.1); HTTP/2 begins otherwise.
const HANDSHAKE_RECORD: u8 = 22;
/// Handshakes at a time.
const HANDSHAKES: usize = 256;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Names of the certificate that was shown; `None` without TLS.
    pub names: Option<Vec<String>>,
    /// Ours, where both joined the same orchestrator: its certificates have names of members.
    pub network: Option<String>,
}

impl Peer {
    /// With TLS, a gateway is who its certificate says.
    pub fn is_named(&self, name: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let wanted = match &self.network {
            Some(network) => member_name(network, name),
            None => name.to_owned(),
        };
        names.iter().any(|one| one.eq_ignore_ascii_case(&wanted))
    }
}

/// How connections are secured.
#[derive(Clone)]
pub enum Security {
    /// By the files of the configuration.
    Files(TlsAcceptor),
    /// By what we have from the orchestrator, when we have joined it; in clear from this machine.
    Joined(Members),
}

/// Our certificate from the orchestrator, as it is now.
#[derive(Clone, Default)]
pub struct Members(Arc<Mutex<Option<(TlsAcceptor, String)>>>);

impl Members {
    /// Takes what the orchestrator gave.
    ///
    /// # Errors
    /// Certificate and key do not fit together.
    pub fn put(&self, identity: &Identity, key: &DeviceKey) -> Result<()> {
        let acceptor = TlsAcceptor::from(Arc::new(server_config(identity, key)?));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((acceptor, identity.network.clone()));
        Ok(())
    }

    fn now(&self) -> Option<(TlsAcceptor, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A connection.
#[derive(Debug)]
pub enum Io {
    /// In clear.
    Plain(TcpStream),
    /// By TLS; our network, where the orchestrator's certificates were shown.
    Secure(Box<TlsStream<TcpStream>>, Option<String>),
}

impl Connected for Io {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let (names, network) = match self {
            Io::Plain(_) => (None, None),
            Io::Secure(stream, network) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.and_then(|der| webpki::EndEntityCert::try_from(der).ok());
                let names = certificate.map(|one| one.valid_dns_names().map(str::to_owned).collect());
                (Some(names.unwrap_or_default()), network.clone())
            }
        };
        Peer { names, network }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Secure(stream, _) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Secure(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Secure(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Secure(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Our certificate for gateways, and the authority of theirs.
///
/// # Errors
/// A file cannot be read, or they do not fit together.
pub fn acceptor(files: &(PathBuf, PathBuf, PathBuf)) -> Result<TlsAcceptor> {
    let (certificate, key, authority) = files;
    let read = |path: &PathBuf| {
        let list = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        list.with_context(|| format!("cannot read {}", path.display()))
    };
    let mut roots = RootCertStore::empty();
    for root in read(authority)? {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| format!("cannot read {}", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(read(certificate)?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config).into())
}

/// Accepts for ever.
pub fn accept(listener: TcpListener, security: Security) -> ReceiverStream<io::Result<Io>> {
    let (sender, receiver) = mpsc::channel(256);
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (sender, security) = (sender.clone(), security.clone());
            tokio::spawn(async move {
                let secured = tokio::time::timeout(HANDSHAKE, secure(stream, address.ip(), security)).await;
                if let Ok(Some(io)) = secured {
                    // The service may have ended.
                    let _ = sender.send(Ok(io)).await;
                }
                drop(place);
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn secure(stream: TcpStream, from: IpAddr, security: Security) -> Option<Io> {
    stream.set_nodelay(true).ok()?;
    let (tls, network) = match security {
        Security::Files(tls) => (tls, None),
        Security::Joined(members) => {
            let mut first = [0];
            stream.peek(&mut first).await.ok().filter(|count| *count > 0)?;
            match members.now() {
                Some((tls, network)) if first == [HANDSHAKE_RECORD] => (tls, Some(network)),
                _ if first != [HANDSHAKE_RECORD] && from.is_loopback() => return Some(Io::Plain(stream)),
                _ => {
                    tracing::warn!(%from, "a gateway is refused: from elsewhere, it needs TLS, and we an orchestrator that we joined");
                    return None;
                }
            }
        }
    };
    match tls.accept(stream).await {
        Ok(stream) => Some(Io::Secure(Box::new(stream), network)),
        Err(error) => {
            tracing::warn!(%error, %from, "a gateway's TLS handshake failed");
            None
        }
    }
}
