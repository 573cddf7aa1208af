//! A phone's network device: any program in the phone's namespace is the phone.
//!
//! It is a TUN device, or, for those who may not open `/dev/net/tun`, the near end of a veth pair without ARP, whose far end
//! is read and written here frame by frame.

use std::fs::{self, File};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
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

/// The far end of the veth pair.
const FAR_END: &str = "lte0p";
/// Octets of an Ethernet header.
const ETHERNET: usize = 14;

/// A device that is up.
#[derive(Clone, Debug)]
pub struct Tun {
    device: Arc<AsyncFd<File>>,
    /// What goes before every packet to the phone's programs, and comes before every one of theirs: an Ethernet header,
    /// or nothing with TUN.
    header: Vec<u8>,
    ns: NetNs,
    configured: Option<(Ipv4Addr, u16)>,
    configured6: Option<Ipv6Addr>,
}

impl Tun {
    /// Makes the device in a phone's namespace. To be called within a runtime.
    ///
    /// # Errors
    /// No right to make a network device.
    pub fn open(ns: &NetNs) -> Result<Self> {
        // A TUN device belongs to the namespace in which its maker was opened.
        let tun = ns.run(|| Ok(sys::tun_maker().ok().map(|maker| sys::open_tun(maker, INTERFACE)).transpose()?))?;
        let (device, header) = match tun {
            Some(device) => (device, Vec::new()),
            None => {
                let pair = link::loose_pair(ns, INTERFACE, FAR_END)?;
                (ns.run(move || Ok(sys::open_frames(pair.far)?))?, ethernet(&pair.near_mac))
            }
        };
        Ok(Self {
            device: Arc::new(sys::watch(device.into())?),
            header,
            ns: ns.clone(),
            configured: None,
            configured6: None,
        })
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

    /// Brings it up for a phone without IPv4.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn raise(&mut self, mtu: Option<u16>) -> Result<()> {
        link::raise_tun(&self.ns, INTERFACE, mtu.unwrap_or(DEFAULT_MTU))
    }

    /// Gives it the phone's IPv6 address; nothing happens if it has it already.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn configure6(&mut self, address: Ipv6Addr) -> Result<()> {
        if self.configured6 != Some(address) {
            link::configure_tun6(&self.ns, INTERFACE, address)?;
            self.configured6 = Some(address);
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

    /// Reads one packet into the buffer; where it is there. `WouldBlock` when there is none: wait with [`Tun::readable`].
    ///
    /// # Errors
    /// As read(2).
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Range<usize>> {
        let length = self.device.try_io(tokio::io::Interest::READABLE, |mut device| device.read(buffer))?;
        Ok(self.header.len().min(length)..length)
    }

    /// Writes one packet; a device that takes none at the moment loses it, as a full queue would.
    pub fn write(&self, packet: &[u8]) {
        let mut device: &File = self.device.get_ref();
        let mut header = self.header.clone();
        if let (Some(kind), true) = (header.last_chunk_mut::<2>(), packet.first().is_some_and(|first| first >> 4 == 6))
        {
            *kind = 0x86dd_u16.to_be_bytes();
        }
        let _ = device.write_vectored(&[IoSlice::new(&header), IoSlice::new(packet)]);
    }
}

/// Octets of IP that the programs of a phone have sent and received.
///
/// # Errors
/// The namespace cannot be entered.
pub fn octets(ns: &NetNs) -> Result<(u64, u64)> {
    Ok(count(&ns.run(|| Ok(fs::read_to_string("/proc/thread-self/net/dev")?))?))
}

/// Reads the kernel's table of interfaces, in which a pair's near end also counts Ethernet headers.
fn count(table: &str) -> (u64, u64) {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        let line = table.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect())
    };
    let near = numbers(INTERFACE).unwrap_or_default();
    let header = if numbers(FAR_END).is_some() { ETHERNET as u64 } else { 0 };
    let number = |column: usize| near.get(column).copied().unwrap_or(0);
    let net = |octets: u64, packets: u64| octets.saturating_sub(header * packets);
    (net(number(8), number(9)), net(number(0), number(1)))
}

/// The header of an IPv4 frame to this address, from nobody in particular (a locally administered address).
fn ethernet(to: &[u8]) -> Vec<u8> {
    const NOBODY: [u8; 6] = [2, 0, 0, 0, 0, 1];
    let mut header = Vec::with_capacity(ETHERNET);
    header.extend_from_slice(to);
    header.extend_from_slice(&NOBODY);
    header.extend_from_slice(&0x0800u16.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_count_packets_of_the_phone_only() {
        let lo = "Inter-| Receive | Transmit\n face |bytes packets\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n";
        let near = "  lte0: 300 2 0 0 0 0 0 0 114 1 0 0 0 0 0 0\n";
        assert_eq!(count(&format!("{lo}{near}")), (114, 300));
        assert_eq!(count(&format!("{lo} lte0p: 114 1 0 0 0 0 0 0 300 2\n{near}")), (100, 272));
        assert_eq!(count(lo), (0, 0));
    }

    #[test]
    fn a_frame_begins_with_its_destination() {
        let header = ethernet(&[2, 3, 4, 5, 6, 7]);
        assert_eq!(header.len(), ETHERNET);
        assert_eq!((&header[..6], &header[12..]), (&[2, 3, 4, 5, 6, 7][..], &[8, 0][..]));
    }
}
