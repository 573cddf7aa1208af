//! The listener of people and programs: bounded in connections and in time, with TLS or without.
//!
//! A client has to say what it wants soon, so that many who say it slowly (slow loris) do not keep others out: each holds a place
//! for some seconds only. Bodies have a time of their own, in the gate.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::map_response;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// Connections at a time; those that come then wait in the system's queue.
const CONNECTIONS: usize = 4096;
/// For TLS, and for the head of each request, also the next one on a connection that is kept.
const HEAD: Duration = Duration::from_secs(10);
/// Octets of a head at most.
const HEAD_OCTETS: usize = 64 << 10;
/// After the system refused a connection (too many files), before the next is asked for.
const REST: Duration = Duration::from_millis(100);

/// Serves until told to stop, and then until the requests that run are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    acceptor: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) {
    let app = if acceptor.is_some() { app.layer(map_response(stay_with_tls)) } else { app };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let (app, acceptor, stop) = (app.clone(), acceptor.clone(), stop.clone());
        tokio::spawn(async move {
            greet(stream, acceptor, app, stop).await;
            drop(place);
        });
    }
    drop(listener);
    // All places are free when the last answer has left.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = places.acquire_many(all).await;
}

async fn greet(stream: TcpStream, acceptor: Option<TlsAcceptor>, app: Router, stop: watch::Receiver<bool>) {
    // Small answers leave at once. Without it they leave, too.
    let _ = stream.set_nodelay(true);
    match acceptor {
        None => talk(stream, app, stop).await,
        Some(acceptor) => {
            // Who cannot do TLS, or not soon, is no client.
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD, acceptor.accept(stream)).await {
                talk(stream, app, stop).await;
            }
        }
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    app: Router,
    mut stop: watch::Receiver<bool>,
) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_OCTETS);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = core::pin::pin!(connection);
    // What goes wrong on a connection is its client's matter.
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Browsers that came by TLS come so for a year (RFC 6797).
async fn stay_with_tls<B>(mut response: axum::http::Response<B>) -> axum::http::Response<B> {
    let value = HeaderValue::from_static("max-age=31536000");
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    response
}
