//! Kernel SCTP.
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::Config;
use crate::error::Error;
use crate::link::Link;

#[derive(Debug)]
pub(crate) struct KernelListener;

impl KernelListener {
    pub(crate) fn bind(_config: Config) -> Result<Self, Error> {
        Ok(Self)
    }
    pub(crate) async fn accept(&mut self) -> Result<Arc<Link>, Error> {
        std::future::pending().await
    }
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        Vec::new()
    }
}

pub(crate) async fn connect(_config: Config, _peer: &[SocketAddr]) -> Result<Arc<Link>, Error> {
    std::future::pending().await
}
