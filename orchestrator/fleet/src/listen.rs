//! The listener for gateways: TLS by name, then the services that belong to the name.
//!
//! One port. Who asks for the name of enrolment shows no certificate and finds enrolment alone; who asks for the orchestrator's
//! name shows a certificate of the authority within its time, or the handshake ends. Who asks for the name of replicas shows that he is
//! one, too.

use crate::alarm::About;
use crate::enrol::Enrolment;
use crate::fleet::{Fleet, hex, seconds};
use crate::neighbours::{Passed, STREAMS, WINDOW};
use crate::relay::{Fegs, Gateways};
use crate::talk::Talks;
use anyhow::{Context as _, Result};
use basalt_control_api::federation::v1::federation_relay_server::FederationRelayServer;
use basalt_control_api::federation::v1::federation_server::FederationServer;
use basalt_control_api::orchestrator::v1::conversation_server::ConversationServer;
use basalt_control_api::orchestrator::v1::enrolment_server::EnrolmentServer;
use basalt_control_api::orchestrator::{ENROLMENT_NAME, REPLICA_NAME, SERVER_NAME};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{Acceptor, WebPkiClientVerifier};
use sha2::{Digest, Sha256};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

/// A handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at a time; more wait in the kernel's queue.
const HANDSHAKES: usize = 256;
/// Connections that may wait for the service.
const WAITING: usize = 256;
/// A rest after a failure to accept, so that a full table of files is not asked without end.
const REST: Duration = Duration::from_millis(100);

/// Takes connections in: TCP in production, a simulated network in tests.
pub trait Accept: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// As the network says; the listener goes on.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

/// TCP.
#[derive(Debug)]
pub struct TcpAccept(pub TcpListener);

impl Accept for TcpAccept {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// SHA-256 of the certificate that was shown, in hexadecimal; empty without one.
    pub(crate) fingerprint: String,
}

/// A connection whose handshake is done.
pub(crate) struct Secured<I> {
    stream: TlsStream<I>,
    peer: Peer,
}

impl<I> Connected for Secured<I> {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Whom a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Enrolment,
    Gateways,
    Replicas,
}

/// The two kinds of TLS.
struct Kinds {
    /// By which generations of the authority.
    mark: (Vec<u32>, u32),
    enrolment: Arc<ServerConfig>,
    conversation: Arc<ServerConfig>,
}

impl Kinds {
    fn new(fleet: &Fleet) -> Result<Self> {
        let (authority, now) = (fleet.authority(), seconds());
        let (chain, key) = authority.server(now)?;
        let provider = Arc::new(ring::default_provider());
        let begin = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13])
        };
        let key = || PrivatePkcs8KeyDer::from(key.clone()).into();
        let roots = Arc::new(authority.roots()?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
        let enrolment = begin()?.with_no_client_auth().with_single_cert(chain.clone(), key())?;
        let conversation = begin()?.with_client_cert_verifier(verifier).with_single_cert(chain, key())?;
        let mark = authority.mark(now);
        Ok(Self { mark, enrolment: finish(enrolment), conversation: finish(conversation) })
    }

    /// Makes them anew when there is another generation of the authority, or another issues.
    fn follow(self: &mut Arc<Self>, fleet: &Fleet) {
        if self.mark == fleet.authority().mark(seconds()) {
            return;
        }
        match Self::new(fleet) {
            Ok(new) => *self = Arc::new(new),
            Err(error) => tracing::error!(%error, "the authority's next generation cannot be used"),
        }
    }
}

fn finish(mut config: ServerConfig) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A ticket would let a certificate that was revoked since come again unseen.
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// Serves until one of the two services ends, which they do not.
pub(crate) async fn listen<A: Accept>(fleet: Arc<Fleet>, mut listener: A) -> Result<()> {
    let mut kinds = Arc::new(Kinds::new(&fleet)?);
    let (to_enrolment, enrolments) = mpsc::channel(WAITING);
    let (to_conversation, conversations) = mpsc::channel(WAITING);
    let (to_passed, passed) = mpsc::channel(WAITING);
    let limit = Arc::new(Semaphore::new(HANDSHAKES));
    let enrolment = Server::builder()
        .timeout(Duration::from_secs(30))
        .max_concurrent_streams(4)
        .add_service(EnrolmentServer::new(Enrolment(Arc::clone(&fleet))).max_decoding_message_size(16 << 10))
        .serve_with_incoming(ReceiverStream::new(enrolments));
    let conversation = Server::builder()
        .max_concurrent_streams(4)
        .add_service(ConversationServer::new(Talks(Arc::clone(&fleet))))
        .add_service(FederationServer::new(Gateways(Arc::clone(&fleet))))
        .add_service(FederationRelayServer::new(Fegs(Arc::clone(&fleet))))
        .serve_with_incoming(ReceiverStream::new(conversations));
    let passed = Server::builder()
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(WINDOW)
        .add_service(FederationServer::new(Passed(Arc::clone(&fleet))))
        .serve_with_incoming(ReceiverStream::new(passed));
    let accept = async {
        loop {
            // The limit is never closed.
            let Ok(permit) = Arc::clone(&limit).acquire_owned().await else { return };
            let (io, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a gateway's connection could not be accepted");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            kinds.follow(&fleet);
            let (fleet, kinds) = (Arc::clone(&fleet), Arc::clone(&kinds));
            let (to_enrolment, to_conversation) = (to_enrolment.clone(), to_conversation.clone());
            let to_passed = to_passed.clone();
            tokio::spawn(async move {
                let shaken = tokio::time::timeout(HANDSHAKE, shake(&fleet, &kinds, io, address)).await;
                drop(permit);
                if let Ok(Some((whom, secured))) = shaken {
                    let to = match whom {
                        For::Enrolment => to_enrolment,
                        For::Gateways => to_conversation,
                        For::Replicas => to_passed,
                    };
                    // An error means that the service has ended.
                    let _ = to.send(Ok::<_, io::Error>(secured)).await;
                }
            });
        }
    };
    tokio::select! {
        () = accept => Ok(()),
        ended = enrolment => ended.context("the service of enrolment"),
        ended = conversation => ended.context("the service of conversations"),
        ended = passed => ended.context("the service for other replicas"),
    }
}

/// The handshake, and whom the connection is for.
async fn shake<I>(fleet: &Fleet, kinds: &Kinds, io: I, address: SocketAddr) -> Option<(For, Secured<I>)>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let start = match LazyConfigAcceptor::new(Acceptor::default(), io).await {
        Ok(start) => start,
        Err(error) => {
            tracing::debug!(%error, %address, "no TLS");
            return None;
        }
    };
    let name = start.client_hello().server_name().unwrap_or_default().to_owned();
    let (whom, config) = match name.as_str() {
        ENROLMENT_NAME => (For::Enrolment, &kinds.enrolment),
        SERVER_NAME => (For::Gateways, &kinds.conversation),
        REPLICA_NAME => (For::Replicas, &kinds.conversation),
        _ => return None,
    };
    match start.into_stream(Arc::clone(config)).into_fallible().await {
        Ok(stream) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
            if whom == For::Replicas && !shown.is_some_and(is_replica) {
                let about = About { peer: address.ip().to_string(), ..About::default() };
                let words = format!("a connection from {address} was refused: it came as a replica and is none");
                fleet.alarms.raise("certificate-forged", about, words).await;
                return None;
            }
            let fingerprint = shown.map(|der| hex(&Sha256::digest(der.as_ref()))).unwrap_or_default();
            Some((whom, Secured { stream, peer: Peer { address, fingerprint } }))
        }
        Err((error, _)) => {
            refused(fleet, &error, address).await;
            None
        }
    }
}

/// The authority has signed it; it signs this name for replicas only.
fn is_replica(shown: &CertificateDer<'_>) -> bool {
    let (certificate, name) = (webpki::EndEntityCert::try_from(shown), ServerName::try_from(REPLICA_NAME));
    matches!((certificate, name), (Ok(one), Ok(name)) if one.verify_is_valid_for_subject_name(&name).is_ok())
}

/// What a handshake was refused for, when it was for the certificate.
async fn refused(fleet: &Fleet, error: &io::Error, address: SocketAddr) {
    use rustls::{CertificateError as Wrong, Error};
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let kind = match inner {
        Some(Error::NoCertificatesPresented) => "certificate-missing",
        Some(Error::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. })) => "certificate-expired",
        Some(Error::InvalidCertificate(_)) => "certificate-forged",
        _ => {
            tracing::debug!(%error, %address, "a handshake failed");
            return;
        }
    };
    let about = About { peer: address.ip().to_string(), ..About::default() };
    fleet.alarms.raise(kind, about, format!("a connection from {address} was refused: {error}")).await;
}
