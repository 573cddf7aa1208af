//! The internet of a lab: a server every phone can reach, on well-known small ports.
//!
//! | port | service |
//! |---|---|
//! | TCP 80 | HTTP: `GET /bytes/N` answers N octets, `POST` takes any body, `GET /` says hello |
//! | UDP 7 | echo (RFC 862) |
//! | TCP 9 | sink (RFC 863) |
//! | TCP 17 | who: tells the peer its own address and port |
//! | TCP 19 | source: octets until the peer closes |
//! | UDP 53 | DNS: every name is the server itself |

mod dns;
mod http;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::lab::NetNs;
use crate::lab::netns::runtime;

/// The services, running on a thread in the internet's namespace until dropped.
#[derive(Debug)]
pub struct Services {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Services {
    /// Starts all services on `address` in namespace `ns`; they take connections when this returns.
    ///
    /// # Errors
    /// A port is in use.
    pub fn start(ns: &NetNs, address: impl Into<IpAddr>) -> Result<Self> {
        let address = address.into();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = ns.spawn("internet", move || {
            runtime()?.block_on(async {
                let services = bind(address).await;
                let (report, services) = match services {
                    Ok(services) => (Ok(()), services),
                    Err(error) => (Err(error), JoinSet::new()),
                };
                let _ = ready.send(report);
                // A dropped sender means stop as well.
                let _ = stopped.await;
                drop(services);
                Ok(())
            })
        })?;
        let services = Self { stop: Some(stop), thread: Some(thread) };
        is_ready.recv().map_err(|_| anyhow!("the internet's thread could not start"))??;
        Ok(services)
    }

    /// Runs all services in the calling process until it is ended.
    ///
    /// # Errors
    /// A port is in use.
    pub async fn serve_for_ever(address: Ipv4Addr) -> Result<()> {
        let mut services = bind(address.into()).await?;
        while services.join_next().await.is_some() {}
        Ok(())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn bind(address: IpAddr) -> Result<JoinSet<()>> {
    let mut services = JoinSet::new();
    tcp(&mut services, address, 80, http::serve).await?;
    tcp(&mut services, address, 9, sink).await?;
    tcp(&mut services, address, 17, who).await?;
    tcp(&mut services, address, 19, source).await?;
    let echo = udp(address, 7).await?;
    services.spawn(answer(echo, |request| Some(request.to_vec())));
    let names = udp(address, 53).await?;
    services.spawn(answer(names, move |request| match address {
        IpAddr::V4(address) => dns::answer(request, address),
        IpAddr::V6(_) => None,
    }));
    Ok(services)
}

async fn tcp<F>(
    services: &mut JoinSet<()>,
    address: IpAddr,
    port: u16,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(SocketAddr::new(address, port))
        .await
        .with_context(|| format!("listening on {address} TCP {port}"))?;
    services.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                // What becomes of one connection concerns only its peer.
                Ok((stream, _)) => drop(connections.spawn(serve(stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    Ok(())
}

async fn udp(address: IpAddr, port: u16) -> Result<UdpSocket> {
    let bound = UdpSocket::bind(SocketAddr::new(address, port)).await;
    let socket = bound.with_context(|| format!("listening on {address} UDP {port}"))?;
    // Many phones may ask at once; the kernel takes less where it must.
    let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
    Ok(socket)
}

async fn answer(socket: UdpSocket, reply: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut buffer = vec![0; 65536];
    loop {
        // An error is the ICMP answer to an earlier reply.
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(reply) = reply(&buffer[..length]) {
            let _ = socket.send_to(&reply, peer).await;
        }
    }
}

async fn sink(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 65536];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn who(mut stream: TcpStream) -> io::Result<()> {
    let peer = stream.peer_addr()?;
    stream.write_all(peer.to_string().as_bytes()).await
}

async fn source(mut stream: TcpStream) -> io::Result<()> {
    let block = vec![0x55; 65536];
    loop {
        stream.write_all(&block).await?;
    }
}
