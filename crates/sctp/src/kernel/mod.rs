//! Kernel SCTP: one-to-one sockets of `oxirush-sctp`, each driven by a task of the caller's runtime.

mod drive;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use oxirush_sctp::{
    AssociationParams, BindxFlags, ConnectedSocket, Event as Subscribed, InitParams, Listener, PeerAddressParams,
    RtoInfo, SackInfo, Socket, SocketToAssociation, SubscribeEventAssocId,
};
use tokio::sync::Notify;

use crate::config::Config;
use crate::error::Error;
use crate::event::{AssociationInfo, Carrier, CloseReason, PeerInfo};
use crate::link::{Kick, Limits, Link};
use crate::user::source_towards;

/// Pause when the system has no room for another association.
const BREATH: Duration = Duration::from_millis(100);

/// A listening socket.
pub(crate) struct KernelListener {
    listener: Listener,
    config: Config,
    /// Cloned by every association that came in through it: counts them.
    associations: Arc<()>,
}

impl std::fmt::Debug for KernelListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.listener.fmt(f)
    }
}

impl KernelListener {
    pub(crate) fn bind(config: Config) -> Result<Self, Error> {
        let local = if config.local.is_empty() { any(&config) } else { config.local.clone() };
        let socket = open(&config, &local)?;
        bind(&socket, &local, config.port)?;
        let backlog = i32::try_from(config.backlog).unwrap_or(i32::MAX);
        let listener = socket.listen(backlog).map_err(Error::io("listening for SCTP"))?;
        Ok(Self { listener, config, associations: Arc::new(()) })
    }

    pub(crate) async fn accept(&mut self) -> Result<Arc<Link>, Error> {
        loop {
            let socket = match self.listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    passing(error).await?;
                    continue;
                }
            };
            if Arc::strong_count(&self.associations) > self.config.max_associations {
                refuse(socket);
                continue;
            }
            match start(socket, &self.config, Some(self.associations.clone())) {
                Ok(link) => return Ok(link),
                // It ended before it could be asked who it is.
                Err(error) => tracing::debug!(%error, "association not taken"),
            }
        }
    }

    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listener.local_addrs().unwrap_or_default()
    }
}

/// Waits an error of `accept` out that will pass; other errors are returned.
async fn passing(error: io::Error) -> Result<(), Error> {
    match error.raw_os_error() {
        Some(libc::ECONNABORTED | libc::EINTR) => Ok(()),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
            tracing::warn!(%error, "no association can be accepted");
            tokio::time::sleep(BREATH).await;
            Ok(())
        }
        _ => Err(Error::io("accepting an association")(error)),
    }
}

/// Sets an association up.
pub(crate) async fn connect(config: Config, peer: &[SocketAddr]) -> Result<Arc<Link>, Error> {
    let mut local = config.local.clone();
    if local.is_empty() {
        // An unbound socket would tell the peer every address of the host.
        for address in peer {
            let source = source_towards(address.ip())?;
            if !local.contains(&source) {
                local.push(source);
            }
        }
    }
    let socket = open(&config, &local)?;
    bind(&socket, &local, config.port)?;
    let (socket, _) = socket.connectx(peer).await.map_err(not_established)?;
    start(socket, &config, None)
}

fn not_established(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            Error::NotEstablished(CloseReason::PeerAbort(String::new()))
        }
        io::ErrorKind::TimedOut => Error::NotEstablished(CloseReason::Lost),
        _ => Error::io("connecting")(error),
    }
}

/// The unspecified address: of IPv6, which takes IPv4 too, where there is IPv6.
fn any(config: &Config) -> Vec<IpAddr> {
    let v6 = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    if open(config, &[v6]).is_ok_and(|socket| bind(&socket, &[v6], 0).is_ok()) {
        vec![v6]
    } else {
        vec![std::net::Ipv4Addr::UNSPECIFIED.into()]
    }
}

/// A socket with everything set that its associations inherit.
fn open(config: &Config, local: &[IpAddr]) -> Result<Socket, Error> {
    let open = if local.iter().any(IpAddr::is_ipv6) { Socket::new_v6 } else { Socket::new_v4 };
    let socket = open(SocketToAssociation::OneToOne).map_err(Error::io("opening an SCTP socket"))?;
    configure(&socket, config).map_err(Error::io("configuring an SCTP socket"))?;
    Ok(socket)
}

fn configure(socket: &Socket, config: &Config) -> io::Result<()> {
    let options = socket.options();
    // Without it a message waits for the acknowledgement of the one before: 200 ms.
    options.set_nodelay(true)?;
    options.set_init_params(InitParams {
        max_attempts: short(config.max_init),
        max_init_timeout: short(millis(config.rto.max)),
        ..InitParams::streams(config.out_streams, config.in_streams)
    })?;
    options.set_rto_info(RtoInfo::new(millis(config.rto.initial), millis(config.rto.max), millis(config.rto.min)))?;
    options.set_association_params(AssociationParams {
        max_retransmissions: short(config.max_retrans),
        ..AssociationParams::default()
    })?;
    let mut path = PeerAddressParams::new(0, (Ipv6Addr::UNSPECIFIED, 0).into());
    if socket.local_addr()?.is_ipv4() {
        path.address = (std::net::Ipv4Addr::UNSPECIFIED, 0).into();
    }
    path.heartbeat_enabled = !config.heartbeat.is_zero();
    path.heartbeat_interval = config.heartbeat;
    path.path_max_retrans = short(config.max_retrans);
    options.set_peer_address_params(path)?;
    options.set_sack_info(SackInfo { delay: millis(config.sack_delay), ..SackInfo::default() })?;
    if config.dscp != 0 {
        options.set_dscp(config.dscp)?;
    }
    // The system grants what it allows; a message must fit.
    options.set_recv_buffer_size(config.receive_window)?;
    options.set_send_buffer_size(config.max_message.saturating_mul(2))?;
    options.set_max_message_size(config.max_message);
    let events = [Subscribed::Association, Subscribed::Address];
    options.subscribe_events(&events, SubscribeEventAssocId::All)
}

/// Milliseconds, or the most that can be said.
fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// The value, or the largest there is.
fn short(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

fn bind(socket: &Socket, local: &[IpAddr], port: u16) -> Result<(), Error> {
    let addresses: Vec<SocketAddr> = local.iter().map(|address| SocketAddr::new(*address, port)).collect();
    socket.bindx(&addresses, BindxFlags::Add).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse(port),
        _ => Error::io("binding an SCTP socket")(error),
    })
}

/// ABORT: closing with a linger of zero.
fn refuse(socket: ConnectedSocket) {
    if let Err(error) = socket.abort(b"out of resource") {
        tracing::debug!(%error, "association not refused");
    }
}

/// Hands an association to a task.
fn start(socket: ConnectedSocket, config: &Config, place: Option<Arc<()>>) -> Result<Arc<Link>, Error> {
    let info = info(&socket).map_err(Error::io("asking about an association"))?;
    let limits = Limits {
        // The kernel holds the window; this is only what is on its way to the application.
        inbox: config.receive_window / 4,
        outbox: config.send_queue,
        message: config.max_message,
    };
    let link = Arc::new(Link::new(Kick::Task(Notify::new()), limits, info));
    let task = drive::Driver::new(socket, link.clone());
    tokio::spawn(async move {
        task.run().await;
        drop(place);
    });
    Ok(link)
}

fn info(socket: &ConnectedSocket) -> io::Result<AssociationInfo> {
    let status = socket.status()?;
    let primary = canonical(status.peer_primary.address);
    let mut addresses: Vec<IpAddr> = socket.peer_addrs()?.into_iter().map(|address| canonical(address).ip()).collect();
    addresses.retain(|address| *address != primary.ip());
    addresses.insert(0, primary.ip());
    Ok(AssociationInfo {
        peer: PeerInfo { primary, addresses, out_streams: status.outstreams, in_streams: status.instreams },
        local_port: socket.local_addr()?.port(),
        path: primary.ip(),
        srtt: srtt(status.peer_primary.srtt),
        carrier: Carrier::Kernel,
    })
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn srtt(millis: u32) -> Option<Duration> {
    (millis != 0).then(|| Duration::from_millis(millis.into()))
}
