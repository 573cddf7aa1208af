//! Userspace SCTP.
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::Config;
use crate::error::Error;
use crate::event::Carrier;
use crate::link::Link;

#[derive(Debug)]
pub(crate) struct UserListener;

pub(crate) struct EngineShared;

impl EngineShared {
    pub(crate) fn ready(&self, _id: u64) {}
}

impl UserListener {
    pub(crate) async fn bind(_config: Config) -> Result<Self, Error> {
        Ok(Self)
    }
    pub(crate) async fn accept(&mut self) -> Result<Arc<Link>, Error> {
        std::future::pending().await
    }
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        Vec::new()
    }
    pub(crate) fn udp_port(&self) -> Option<u16> {
        None
    }
    pub(crate) fn carrier(&self) -> Carrier {
        Carrier::Udp
    }
}

pub(crate) async fn connect(_config: Config, _peer: &[SocketAddr]) -> Result<Arc<Link>, Error> {
    std::future::pending().await
}
