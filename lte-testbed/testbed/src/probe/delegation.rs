//! Which prefix a program may use, and whether it can.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

use crate::lab::NetNs;
use crate::sys;
use anyhow::{Context, Result, anyhow, bail};

/// Between two messages of a DHCPv6 client that is not answered.
const AGAIN: Duration = Duration::from_secs(1);

/// Has a server echo a datagram that comes from this address.
///
/// # Errors
/// It does not come back within some tries.
pub fn echo_from(ns: &NetNs, from: Ipv6Addr, server: IpAddr) -> Result<()> {
    ns.run(move || {
        let socket = UdpSocket::bind((from, 0)).with_context(|| format!("sending from {from}"))?;
        socket.connect((server, 7))?;
        socket.set_read_timeout(Some(Duration::from_millis(700)))?;
        let mut buffer = [0; 64];
        for _ in 0..3 {
            socket.send(b"delegated")?;
            if socket.recv(&mut buffer).is_ok_and(|length| buffer.get(..length) == Some(b"delegated")) {
                return Ok(());
            }
        }
        bail!("nothing comes back to {from}")
    })
}

/// Has a prefix delegated: SOLICIT, REQUEST (RFC 8415 §18.2). Gives its address and length.
///
/// # Errors
/// Nobody answers in time, or delegates nothing.
pub fn delegated(ns: &NetNs, interface: &'static str, patience: Duration) -> Result<(Ipv6Addr, u8)> {
    const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
    ns.run(move || {
        let index = sys::interface_index(interface)?;
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 546)).context("the port of DHCPv6 clients")?;
        socket.set_read_timeout(Some(AGAIN))?;
        let end = Instant::now() + patience;
        let to = SocketAddrV6::new(SERVERS, 547, 0, index);
        let ask = |message: &[u8], kind: u8| -> Result<Vec<u8>> {
            let mut buffer = [0; 1500];
            while Instant::now() < end {
                socket.send_to(message, to)?;
                match socket.recv(&mut buffer) {
                    Ok(length) if buffer[0] == kind && buffer[1..4] == message[1..4] => {
                        return Ok(buffer[..length].to_vec());
                    }
                    Ok(_) => {}
                    Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            bail!("no DHCPv6 server answers")
        };
        let advertised = ask(&message(SOLICIT, 0x51, None), ADVERTISE)?;
        let server = option(&advertised[4..], SERVER_ID).context("the server does not say who it is")?;
        let reply = ask(&message(REQUEST, 0x52, Some(server)), REPLY)?;
        let association =
            option(&reply[4..], IA_PD).and_then(|body| body.get(12..)).context("no answer about a prefix")?;
        let prefix = option(association, IA_PREFIX).and_then(|body| body.get(8..25)).context("no prefix")?;
        let (length, address) = prefix.split_first().context("no prefix")?;
        let address: [u8; 16] = address.try_into().map_err(|_| anyhow!("no prefix"))?;
        Ok((address.into(), *length))
    })
}

const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REQUEST: u8 = 3;
const REPLY: u8 = 7;
const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const ELAPSED: u16 = 8;
const IA_PD: u16 = 25;
const IA_PREFIX: u16 = 26;

/// A client's message about one association for prefixes.
fn message(kind: u8, transaction: u8, server: Option<&[u8]>) -> Vec<u8> {
    let mut octets = vec![kind, 0xba, 0x5a, transaction];
    let mut add = |kind: u16, body: &[u8]| {
        octets.extend(kind.to_be_bytes());
        octets.extend((body.len() as u16).to_be_bytes());
        octets.extend(body);
    };
    // DUID-EN with a number of the examples (RFC 8415 §11.3).
    add(CLIENT_ID, b"\x00\x02\x00\x00\x7e\xd9phone");
    if let Some(server) = server {
        add(SERVER_ID, server);
    }
    add(ELAPSED, &[0, 0]);
    add(IA_PD, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    octets
}

/// The body of an option.
fn option(mut options: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some((head, rest)) = options.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let body = rest.get(..length)?;
        if u16::from_be_bytes([head[0], head[1]]) == wanted {
            return Some(body);
        }
        options = rest.get(length..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_and_lies_end_the_search() {
        let solicit = message(SOLICIT, 1, Some(b"server"));
        assert_eq!(option(&solicit[4..], SERVER_ID), Some(&b"server"[..]));
        assert_eq!(option(&solicit[4..], IA_PREFIX), None);
        assert_eq!(option(&[0, 1, 0, 9, 1], CLIENT_ID), None);
    }
}
