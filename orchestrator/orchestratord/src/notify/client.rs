//! One request to an address that somebody else chose: resolved once, judged, connected to what was judged, not led elsewhere.

use super::address::{Allowed, is_named, may};
use anyhow::{Context, Result, bail, ensure};
use axum::http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use orchestrator_api::FetchRequest;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For all of it: name, connection, answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Octets of an answer that is read.
const ANSWER: usize = 1 << 20;

/// A body that is posted.
pub(crate) struct Post<'a> {
    /// Where.
    pub(crate) url: &'a str,
    /// Its content type.
    pub(crate) form: &'a str,
    /// Further headers.
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: Vec<u8>,
}

/// Sends what webhooks are told, and asks providers of identity.
pub(crate) struct Client {
    tls: TlsConnector,
    allowed: Vec<Allowed>,
}

impl Client {
    /// With the certificate authorities of this machine.
    pub(crate) fn new(allowed: Vec<Allowed>) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        // One that cannot be read is not trusted, and that is all.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), allowed })
    }

    /// Sends a body; an answer of 200 to 299 is taken for success, a redirection is not followed.
    pub(crate) async fn post(&self, url: &str, headers: &[(&'static str, String)], body: &str) -> Result<()> {
        let body = body.as_bytes().to_vec();
        let status = self.status(Post { url, form: "application/json", headers, body }).await?;
        ensure!((200..300).contains(&status), "it answered {status}");
        Ok(())
    }

    /// Sends a body; the status of the answer.
    pub(crate) async fn status(&self, post: Post<'_>) -> Result<u16> {
        tokio::time::timeout(PATIENCE, self.send(post)).await.context("no answer in time")?
    }

    /// How TLS is spoken.
    pub(crate) const fn tls(&self) -> &TlsConnector {
        &self.tls
    }

    /// One GET, or a form posted; status and body.
    pub(crate) async fn fetch(&self, asked: &FetchRequest) -> Result<(u16, Vec<u8>)> {
        let whole = async {
            let (stream, uri) = self.open(&asked.url).await?;
            let mut request = Request::builder().method(if asked.form.is_some() { "POST" } else { "GET" });
            request =
                request.uri(path_of(&uri)).header("host", authority_of(&uri)).header("accept", "application/json");
            if asked.form.is_some() {
                request = request.header("content-type", "application/x-www-form-urlencoded");
            }
            if let Some(basic) = &asked.basic {
                request = request.header("authorization", format!("Basic {basic}"));
            }
            let body = asked.form.clone().unwrap_or_default();
            exchange_whole(stream, request.body(Full::new(body.into()))?).await
        };
        tokio::time::timeout(PATIENCE, whole).await.context("no answer in time")?
    }

    async fn send(&self, post: Post<'_>) -> Result<u16> {
        let (stream, uri) = self.open(post.url).await?;
        let request = Request::post(path_of(&uri)).header("host", authority_of(&uri));
        let mut request = request.header("content-type", post.form);
        for (name, value) in post.headers {
            request = request.header(*name, value);
        }
        exchange(stream, request.body(Full::new(post.body.into()))?).await
    }

    /// A connection to where an address leads, if that may be.
    async fn open(&self, url: &str) -> Result<(Box<dyn Stream>, Uri)> {
        let uri: Uri = url.parse().context("the address cannot be read")?;
        let host = uri.host().context("the address has no host")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => bail!("only https:// is sent to"),
        };
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let address = self.resolve(host.trim_matches(['[', ']']), port, secure).await?;
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        if !secure {
            return Ok((Box::new(stream), uri));
        }
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).context("no name of a server")?;
        let stream = self.tls.connect(name, stream).await.context("TLS")?;
        Ok((Box::new(stream), uri))
    }

    /// The address to connect to. If a name leads inside with any of its addresses, nothing is sent.
    async fn resolve(&self, host: &str, port: u16, secure: bool) -> Result<SocketAddr> {
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((host, port)).await.context("the name cannot be resolved")?.collect();
        let inside = found.iter().any(|address| !may(address.ip(), &self.allowed));
        ensure!(!inside, "the address is not public, and the configuration does not allow it");
        let first = found.first().copied().context("the name has no address")?;
        ensure!(secure || is_named(first.ip(), &self.allowed), "plain http:// goes only to allowed addresses");
        Ok(first)
    }
}

/// With TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn authority_of(uri: &Uri) -> String {
    uri.authority().map(ToString::to_string).unwrap_or_default()
}

fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

async fn exchange_whole(stream: Box<dyn Stream>, request: Request<Full<axum::body::Bytes>>) -> Result<(u16, Vec<u8>)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answered = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("its answer broke off or is too large: {error}"))?;
        Ok::<_, anyhow::Error>((status, body.to_bytes().to_vec()))
    };
    let driven = async {
        let _ = connection.await;
        // What is answered was read by the other half; it ends this one.
        core::future::pending::<()>().await;
    };
    tokio::select! {
        answered = answered => answered,
        () = driven => bail!("the connection ended"),
    }
}

async fn exchange(stream: Box<dyn Stream>, request: Request<Full<axum::body::Bytes>>) -> Result<u16> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut answered = core::pin::pin!(sender.send_request(request));
    let ended = tokio::select! {
        biased;
        answer = &mut answered => return Ok(answer?.status().as_u16()),
        ended = connection => ended,
    };
    // A server may close with its answer.
    match answered.await {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(_) => {
            ended?;
            bail!("the connection ended without an answer")
        }
    }
}
