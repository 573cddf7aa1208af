//! A phone's TUN device: any program in the phone's namespace is the phone.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use tokio::io::unix::AsyncFd;

use crate::lab::NetNs;
use crate::lab::link;
use crate::sys;

/// Name of the device in its namespace.
pub const INTERFACE: &str = "lte0";
/// MTU of a phone that was told none.
pub const DEFAULT_MTU: u16 = 1400;

/// A device that is up.
#[derive(Clone, Debug)]
pub struct Tun {
    device: Arc<AsyncFd<File>>,
    ns: NetNs,
    configured: Option<(Ipv4Addr, u16)>,
}

impl Tun {
    /// Makes the device in a phone's namespace. To be called within a runtime.
    ///
    /// # Errors
    /// No `/dev/net/tun`, or no right.
    pub fn open(ns: &NetNs) -> Result<Self> {
        let device = ns.run(|| Ok(File::from(sys::open_tun(INTERFACE)?)))?;
        Ok(Self { device: Arc::new(sys::watch(device)?), ns: ns.clone(), configured: None })
    }

    /// Gives it the phone's address; nothing happens if it has it already.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn configure(&mut self, address: Ipv4Addr, mtu: Option<u16>) -> Result<()> {
        let wanted = (address, mtu.unwrap_or(DEFAULT_MTU));
        if self.configured != Some(wanted) {
            link::configure_tun(&self.ns, INTERFACE, wanted.0, wanted.1)?;
            self.configured = Some(wanted);
        }
        Ok(())
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// The device is gone.
    pub async fn readable(&self) -> io::Result<()> {
        self.device.readable().await.map(|mut guard| guard.retain_ready())
    }

    /// Reads one packet. `WouldBlock` when there is none: wait with [`Tun::readable`].
    ///
    /// # Errors
    /// As read(2).
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.device.try_io(tokio::io::Interest::READABLE, |mut device| device.read(buffer))
    }

    /// Writes one packet; a device that takes none at the moment loses it, as a full queue would.
    pub fn write(&self, packet: &[u8]) {
        let mut device: &File = self.device.get_ref();
        let _ = device.write(packet);
    }
}
