//! The side of the gateways: authority, listener, and what their tokens say of where it is.

use crate::first;
use crate::settings::Settings;
use anyhow::{Context, Result};
use basalt_security::SealingKey;
use orchestrator_api::JoinPoint;
use orchestrator_db::Repository;
use orchestrator_fleet::{Authority, Fleet, TcpAccept, TcpReach};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Ready to serve.
pub(crate) struct Gateways {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) join: JoinPoint,
    /// The same for gateways of this machine.
    pub(crate) here: JoinPoint,
    /// Where other replicas find this one.
    replica: String,
    listener: TcpListener,
}

/// Makes or opens the authority and listens.
pub(crate) async fn open(settings: &Settings, db: &Arc<dyn Repository>, key: &SealingKey) -> Result<Gateways> {
    let authority = Authority::ensure(db.as_ref(), key).await?;
    let listener = TcpListener::bind(settings.gateway_listen).await;
    let listener = listener.with_context(|| format!("cannot listen for gateways on {}", settings.gateway_listen))?;
    let here = first::here(listener.local_addr()?).to_string();
    let own = reachable(listener.local_addr()?).to_string();
    let address = settings.gateway_address.clone().unwrap_or_else(|| own.clone());
    // Where gateways find us may be an address that all replicas share.
    let replica = settings.replica_address.clone().unwrap_or(own);
    let beat = Duration::from_secs(settings.gateway_beat.into());
    let bounds = orchestrator_fleet::Settings { beat, ..orchestrator_fleet::Settings::default() };
    let fleet = Fleet::new(Arc::clone(db), key.clone(), authority, bounds)?;
    let point = |address| JoinPoint { address, fingerprint: fleet.fingerprint() };
    let (join, here) = (point(address), point(here));
    Ok(Gateways { fleet, join, here, replica, listener })
}

impl Gateways {
    /// Serves until the task is dropped.
    pub(crate) async fn serve(self) -> Result<()> {
        let (announcer, guard) = (Arc::clone(&self.fleet), Arc::clone(&self.fleet));
        let (neighbour, roller) = (Arc::clone(&self.fleet), Arc::clone(&self.fleet));
        tokio::select! {
            () = announcer.announce(&self.join.address) => Ok(()),
            () = guard.watch_certificates() => Ok(()),
            () = roller.roll_out() => Ok(()),
            ended = neighbour.meet(&self.replica, Arc::new(TcpReach)) => ended,
            ended = self.fleet.serve(TcpAccept(self.listener)) => ended,
        }
    }
}

/// Who listens everywhere is found at the address that this machine has towards others.
fn reachable(listens: SocketAddr) -> SocketAddr {
    if !listens.ip().is_unspecified() {
        return listens;
    }
    // Connecting a datagram socket sends nothing; it only asks the table of routes.
    let asked = || {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect("192.0.2.1:9")?;
        Ok::<IpAddr, std::io::Error>(socket.local_addr()?.ip())
    };
    SocketAddr::new(asked().unwrap_or(IpAddr::from([127, 0, 0, 1])), listens.port())
}
