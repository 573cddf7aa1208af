//! What programs find out about a path: how large packets may be, how large segments get.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::Result;
use socket2::SockRef;

use super::{CONNECT, connect};
use crate::lab::{NetNs, SERVER};
use crate::sys;

/// Between two datagrams that ask for the path's MTU.
const INTERVAL: Duration = Duration::from_millis(20);

/// The largest packet that a path carries, as a program in a namespace learns it by ICMP: sends as large ones as it believes to be possible
/// until it believes `expected`, or `patience` is over.
///
/// # Errors
/// No socket, or no route.
pub fn mtu(ns: &NetNs, to: IpAddr, expected: u32, patience: Duration) -> Result<u32> {
    const DISCARD: u16 = 9;
    ns.run(move || {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        sys::never_fragment(&socket, to.is_ipv6())?;
        socket.connect((to, DISCARD))?;
        believed(&socket, to.is_ipv6(), expected, patience)
    })
}

/// Sends as large packets as the kernel believes to be possible until it believes `expected`, or `patience` is over.
fn believed(socket: &UdpSocket, ipv6: bool, expected: u32, patience: Duration) -> Result<u32> {
    let headers = if ipv6 { 48 } else { 28 };
    let end = Instant::now() + patience;
    loop {
        let believed = sys::path_mtu(socket, ipv6)?;
        if believed == expected || Instant::now() >= end {
            return Ok(believed);
        }
        // Too large, or refused by nobody who listens: the next look tells.
        let _ = socket.send(&vec![0; believed.saturating_sub(headers) as usize]);
        std::thread::sleep(INTERVAL);
    }
}

/// The same as a server learns it on the way back to a program that has sent it a datagram, from whatever address that came.
///
/// # Errors
/// No socket, no route, or the datagram does not arrive.
pub fn mtu_back(ns: &NetNs, server: &NetNs, expected: u32, patience: Duration) -> Result<u32> {
    const PORT: u16 = 7007;
    let waiting = server.run(|| {
        let socket = UdpSocket::bind((SERVER, PORT))?;
        sys::never_fragment(&socket, false)?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        Ok(socket)
    })?;
    let program = ns.run(|| Ok(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?))?;
    let end = Instant::now() + patience;
    let from = loop {
        program.send_to(b"hello", (SERVER, PORT))?;
        match waiting.recv_from(&mut [0; 64]) {
            Ok((_, from)) => break from,
            Err(error) if Instant::now() >= end => return Err(error.into()),
            Err(_) => {}
        }
    };
    waiting.connect(from)?;
    believed(&waiting, false, expected, patience)
}

/// The largest segment that a program's connection with a server sends.
///
/// # Errors
/// The server is not reached.
pub fn segment(ns: &NetNs, server: IpAddr) -> Result<u32> {
    ns.run(move || Ok(SockRef::from(&connect(server, 80, CONNECT)?).tcp_mss()?))
}
