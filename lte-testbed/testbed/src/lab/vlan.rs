//! A server on a VLAN of the internet link, also where the kernel knows no VLANs.
//!
//! ```text
//!  NAME-agw          NAME-internet                                  NAME-vlan
//!  sgi ───────────── sgi ── packet socket ── thread ── TAP device ── vlan0 10.95.0.1, 203.0.113.1 on lo
//!      tagged frames        tags taken off, put on     plain frames
//! ```
//!
//! The server is the router of the VLAN at the same time. It has the address of the server in the internet, too: what reaches it there
//! has come by the VLAN, and by nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use super::netns::runtime;
use super::{Lab, NetNs, PHONES, SERVER, SGI_INTERFACE, SGI_MTU, link};
use crate::internet::Services;
use crate::sys;

/// The server and router on the VLAN.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 95, 0, 1);
/// The gateway on the VLAN.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 95, 0, 2);

const INTERFACE: &str = "vlan0";
/// EtherType of a VLAN tag (IEEE 802.1Q §9.4).
const TAG: [u8; 2] = [0x81, 0];
/// Octets of both hardware addresses of a frame.
const ADDRESSES: usize = 12;
/// More than the kernel joins into one frame.
const LARGEST: usize = 65_700;

/// A VLAN with its server, until dropped.
#[derive(Debug)]
pub struct Vlan {
    /// Where the server's programs run.
    pub ns: NetNs,
    id: u16,
    _services: [Services; 2],
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Vlan {
    /// Puts a server on VLAN `id` of a lab's internet link.
    ///
    /// # Errors
    /// The kernel refuses: no right to make a TAP device or to open packet sockets.
    pub fn start(lab: &Lab, id: u16) -> Result<Self> {
        let ns = lab.vlan()?;
        link::add_address(&ns, "lo", SERVER, 32)?;
        let (stop, thread) = connect(lab, &ns, id)?;
        let services = [Services::start(&ns, ROUTER)?, Services::start(&ns, SERVER)?];
        Ok(Self { ns, id, _services: services, stop: Some(stop), thread: Some(thread) })
    }

    /// The internet link is another one: the server is on it as it was on the former, by another device of its own.
    ///
    /// # Errors
    /// As [`Vlan::start`].
    pub fn follow(&mut self, lab: &Lab) -> Result<()> {
        self.disconnect();
        let (stop, thread) = connect(lab, &self.ns, self.id)?;
        (self.stop, self.thread) = (Some(stop), Some(thread));
        Ok(())
    }

    fn disconnect(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Vlan {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// Lets a thread pass frames between the internet link and a device of the server's.
fn connect(lab: &Lab, ns: &NetNs, id: u16) -> Result<(oneshot::Sender<()>, JoinHandle<()>)> {
    let tap = ns.run(|| Ok(sys::open_tap(sys::tun_maker()?, INTERFACE)?)).context("a TAP device")?;
    link::raise(ns, INTERFACE, (ROUTER, 24), SGI_MTU)?;
    link::add_route(ns, PHONES, GATEWAY)?;
    let wire = lab.internet.run(move || Ok(sys::open_vlan(sys::interface_index(SGI_INTERFACE)?, id)?))?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("vlan".into()).spawn(move || {
        // Its end shows: nothing reaches the server.
        let _ = bridge(tap.into(), wire.into(), id, stopped);
    })?;
    Ok((stop, thread))
}

/// Passes frames on until told to stop.
fn bridge(tap: File, wire: File, id: u16, stopped: oneshot::Receiver<()>) -> Result<()> {
    runtime()?.block_on(async {
        let (tap, wire) = (Arc::new(sys::watch(tap)?), Arc::new(sys::watch(wire)?));
        let tag = |frame: &[u8]| tagged(frame, id);
        tokio::select! {
            result = pass(&wire, &tap, |frame| Some(frame.to_vec())) => result?,
            result = pass(&tap, &wire, tag) => result?,
            // A dropped sender means stop as well.
            _ = stopped => {}
        }
        Ok(())
    })
}

async fn pass(from: &AsyncFd<File>, to: &AsyncFd<File>, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = from.async_io(Interest::READABLE, |mut file| file.read(&mut buffer)).await?;
        let frame = buffer.get(..length).and_then(&change);
        if let Some(frame) = frame {
            // A queue that is full loses it, as a cable does.
            let _ = to.get_ref().write(&frame);
        }
    }
}

/// The frame with a tag; `None` for what is none.
fn tagged(frame: &[u8], id: u16) -> Option<Vec<u8>> {
    let (addresses, rest) = frame.split_at_checked(ADDRESSES)?;
    Some([addresses, &TAG, &id.to_be_bytes(), rest].concat())
}

impl Lab {
    /// Makes (or finds) the namespace of the server on a VLAN.
    fn vlan(&self) -> Result<NetNs> {
        self.fresh(&format!("{}-vlan", self.name)).map_err(|error| anyhow!("the server on the VLAN: {error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_stands_behind_the_addresses() {
        let frame: Vec<u8> = (0..20).collect();
        let tagged = tagged(&frame, 100).unwrap();
        assert_eq!(
            (&tagged[..12], &tagged[12..16], &tagged[16..]),
            (&frame[..12], &[0x81, 0, 0, 100][..], &frame[12..])
        );
        assert_eq!(super::tagged(&frame[..11], 100), None);
    }
}
