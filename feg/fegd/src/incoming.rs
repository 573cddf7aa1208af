//! Connections of gateways: TLS where there is a certificate, in clear on loopback.

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
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
/// Handshakes at a time.
const HANDSHAKES: usize = 256;

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Names of the certificate that was shown; `None` without TLS.
    pub names: Option<Vec<String>>,
}

/// A connection.
#[derive(Debug)]
pub enum Io {
    /// In clear.
    Plain(TcpStream),
    /// By TLS.
    Secure(Box<TlsStream<TcpStream>>),
}

impl Connected for Io {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let names = match self {
            Io::Plain(_) => None,
            Io::Secure(stream) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let certificate = shown.and_then(|der| webpki::EndEntityCert::try_from(der).ok());
                let names = certificate.map(|one| one.valid_dns_names().map(str::to_owned).collect());
                Some(names.unwrap_or_default())
            }
        };
        Peer { names }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Secure(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
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
pub fn accept(listener: TcpListener, tls: Option<TlsAcceptor>) -> ReceiverStream<io::Result<Io>> {
    let (sender, receiver) = mpsc::channel(256);
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (sender, tls) = (sender.clone(), tls.clone());
            tokio::spawn(async move {
                if let Some(io) = secure(stream, tls).await {
                    // The service may have ended.
                    let _ = sender.send(Ok(io)).await;
                }
                drop(place);
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn secure(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Io> {
    stream.set_nodelay(true).ok()?;
    let Some(tls) = tls else { return Some(Io::Plain(stream)) };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(Io::Secure(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a gateway's TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}
